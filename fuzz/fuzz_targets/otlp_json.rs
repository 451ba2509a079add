//! Fuzzes `lucarne_otlp::fuzzing::fuzz_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_otlp::fuzzing::fuzz_json(data));
