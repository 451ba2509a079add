//! Fuzzes `lucarne_link::fuzzing::fuzz_cell`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_link::fuzzing::fuzz_cell(data));
