//! Fuzzes `lucarne_logql::fuzzing::fuzz_parse`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_logql::fuzzing::fuzz_parse(data));
