//! Fuzzes `lucarne_otlp::fuzzing::fuzz_traces`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_otlp::fuzzing::fuzz_traces(data));
