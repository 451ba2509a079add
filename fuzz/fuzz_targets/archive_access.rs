//! Fuzzes `lucarne_archive::fuzzing::fuzz_access`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_archive::fuzzing::fuzz_access(data));
