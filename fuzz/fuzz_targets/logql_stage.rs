//! Fuzzes `lucarne_logql::fuzzing::fuzz_stage`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_logql::fuzzing::fuzz_stage(data));
