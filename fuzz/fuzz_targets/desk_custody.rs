//! Fuzzes `lucarne_desk::fuzzing::fuzz_custody`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_desk::fuzzing::fuzz_custody(data));
