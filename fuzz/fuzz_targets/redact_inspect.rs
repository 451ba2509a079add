//! Fuzzes `lucarne_redact::fuzzing::fuzz_inspect`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_redact::fuzzing::fuzz_inspect(data));
