//! Fuzzes `lucarne_enclave::fuzzing::fuzz_probe_check`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_enclave::fuzzing::fuzz_probe_check(data));
