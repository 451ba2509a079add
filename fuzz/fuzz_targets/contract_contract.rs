//! Fuzzes `lucarne_contract::fuzzing::fuzz_contract`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_contract::fuzzing::fuzz_contract(data));
