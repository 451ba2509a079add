//! Fuzzes `lucarne_attest::fuzzing::fuzz_collateral_files`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_attest::fuzzing::fuzz_collateral_files(data));
