//! Fuzzes `lucarne_redact::fuzzing::fuzz_ottl`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_redact::fuzzing::fuzz_ottl(data));
