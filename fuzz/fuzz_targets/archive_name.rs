//! Fuzzes `lucarne_archive::fuzzing::fuzz_name`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_archive::fuzzing::fuzz_name(data));
