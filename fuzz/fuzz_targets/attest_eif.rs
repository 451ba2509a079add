//! Fuzzes `lucarne_attest::fuzzing::fuzz_eif`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_attest::fuzzing::fuzz_eif(data));
