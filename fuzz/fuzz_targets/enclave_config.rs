//! Fuzzes `lucarne_enclave::fuzzing::fuzz_config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_enclave::fuzzing::fuzz_config(data));
