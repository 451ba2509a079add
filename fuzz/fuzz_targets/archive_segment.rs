//! Fuzzes `lucarne_archive::fuzzing::fuzz_segment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_archive::fuzzing::fuzz_segment(data));
