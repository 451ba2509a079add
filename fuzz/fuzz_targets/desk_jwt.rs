//! Fuzzes `lucarne_desk::fuzzing::fuzz_jwt`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_desk::fuzzing::fuzz_jwt(data));
