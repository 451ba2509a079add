//! Fuzzes `lucarne_link::fuzzing::fuzz_up`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_link::fuzzing::fuzz_up(data));
