//! Fuzzes `lucarne_store::fuzzing::fuzz_trace_block`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_store::fuzzing::fuzz_trace_block(data));
