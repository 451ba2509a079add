//! Fuzzes `lucarne_ledger::fuzzing::fuzz_control`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_ledger::fuzzing::fuzz_control(data));
