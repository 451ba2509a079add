//! Fuzzes `lucarne_ledger::fuzzing::fuzz_canary`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_ledger::fuzzing::fuzz_canary(data));
