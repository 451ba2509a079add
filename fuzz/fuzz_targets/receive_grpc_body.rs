//! Fuzzes `lucarne_enclave::receive::fuzzing::fuzz_grpc_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_enclave::receive::fuzzing::fuzz_grpc_body(data));
