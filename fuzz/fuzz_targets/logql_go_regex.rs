//! Fuzzes `lucarne_logql::fuzzing::fuzz_go_regex`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_logql::fuzzing::fuzz_go_regex(data));
