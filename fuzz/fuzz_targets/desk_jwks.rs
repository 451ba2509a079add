//! Fuzzes `lucarne_desk::fuzzing::fuzz_jwks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_desk::fuzzing::fuzz_jwks(data));
