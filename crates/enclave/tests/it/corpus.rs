//! Replays the fuzz corpora: whatever was once found stays mended.

use lucarne_enclave::fuzzing;
use lucarne_enclave::receive::fuzzing as receive;
use lucarne_testkit::replay;

#[test]
fn corpora_are_replayed() {
    replay("enclave_config", fuzzing::fuzz_config);
    replay("receive_grpc_body", receive::fuzz_grpc_body);
    replay("receive_grpc_timeout", receive::fuzz_grpc_timeout);
    replay("receive_gzip", receive::fuzz_gzip);
    replay("enclave_probe_answer", fuzzing::fuzz_probe_answer);
    replay("enclave_probe_check", fuzzing::fuzz_probe_check);
    replay("receive_zstd", receive::fuzz_zstd);
}
