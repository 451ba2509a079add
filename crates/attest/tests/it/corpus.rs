//! The corpus of the fuzz targets, replayed: whatever was once found stays mended.

use std::collections::BTreeMap;
use std::path::Path;

use lucarne_attest::fuzzing;

#[test]
fn every_corpus_is_replayed() {
    let targets: BTreeMap<&str, fn(&[u8])> = BTreeMap::from([
        ("attest_binding", fuzzing::fuzz_binding as fn(&[u8])),
        ("attest_certificate", fuzzing::fuzz_certificate),
        ("attest_collateral_files", fuzzing::fuzz_collateral_files),
        ("attest_document", fuzzing::fuzz_document),
        ("attest_eif", fuzzing::fuzz_eif),
        ("attest_evidence", fuzzing::fuzz_evidence),
        ("attest_snp", fuzzing::fuzz_snp),
        ("attest_snp_collateral", fuzzing::fuzz_snp_collateral),
        ("attest_tdx_collateral", fuzzing::fuzz_tdx_collateral),
        ("attest_tdx_quote", fuzzing::fuzz_tdx_quote),
        ("attest_timestamp", fuzzing::fuzz_timestamp),
    ]);
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut replayed = BTreeMap::new();
    for topic in std::fs::read_dir(&corpus).unwrap() {
        let name = topic.unwrap().file_name().into_string().unwrap();
        if !name.starts_with("attest_") {
            continue;
        }
        for seed in std::fs::read_dir(corpus.join(&name)).unwrap() {
            let bytes = std::fs::read(seed.unwrap().path()).unwrap();
            targets[name.as_str()](&bytes);
            // Not only the seed: what is one cut or one bit away is more often wrong in a new way.
            for at in (0..bytes.len()).step_by(bytes.len() / 64 + 1) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << (at % 8);
                targets[name.as_str()](&flipped);
                targets[name.as_str()](&bytes[..at]);
            }
            *replayed.entry(name.clone()).or_insert(0) += 1;
        }
    }
    let names: Vec<&str> = replayed.keys().map(String::as_str).collect();
    assert_eq!(names, targets.keys().copied().collect::<Vec<_>>());
    assert!(replayed.values().all(|count| *count > 3), "{replayed:?}");
}
