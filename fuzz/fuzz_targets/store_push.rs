//! Fuzzes `lucarne_store::fuzzing::fuzz_push`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_store::fuzzing::fuzz_push(data));
