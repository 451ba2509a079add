//! Fuzzes `lucarne_desk::fuzzing::fuzz_runbook`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_desk::fuzzing::fuzz_runbook(data));
