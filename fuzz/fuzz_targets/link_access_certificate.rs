//! Fuzzes `lucarne_link::fuzzing::fuzz_access_certificate`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_link::fuzzing::fuzz_access_certificate(data));
