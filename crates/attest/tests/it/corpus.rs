//! The corpus of the fuzz targets, replayed: whatever was once found stays mended.

use lucarne_attest::fuzzing;
use lucarne_testkit::replay;

#[test]
fn every_corpus_is_replayed() {
    replay("attest_binding", fuzzing::fuzz_binding);
    replay("attest_certificate", fuzzing::fuzz_certificate);
    replay("attest_collateral_files", fuzzing::fuzz_collateral_files);
    replay("attest_document", fuzzing::fuzz_document);
    replay("attest_eif", fuzzing::fuzz_eif);
    replay("attest_evidence", fuzzing::fuzz_evidence);
    replay("attest_snp", fuzzing::fuzz_snp);
    replay("attest_snp_collateral", fuzzing::fuzz_snp_collateral);
    replay("attest_tdx_collateral", fuzzing::fuzz_tdx_collateral);
    replay("attest_tdx_quote", fuzzing::fuzz_tdx_quote);
    replay("attest_timestamp", fuzzing::fuzz_timestamp);
}
