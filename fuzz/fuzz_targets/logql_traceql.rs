//! Fuzzes `lucarne_logql::fuzzing::fuzz_traceql`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_logql::fuzzing::fuzz_traceql(data));
