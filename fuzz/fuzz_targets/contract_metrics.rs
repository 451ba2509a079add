//! Fuzzes `lucarne_contract::fuzzing::fuzz_metrics`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_contract::fuzzing::fuzz_metrics(data));
