//! Fuzzes `lucarne_ledger::fuzzing::fuzz_add_checkpoint`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_ledger::fuzzing::fuzz_add_checkpoint(data));
