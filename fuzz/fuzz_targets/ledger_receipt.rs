//! Fuzzes `lucarne_ledger::fuzzing::fuzz_receipt`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_ledger::fuzzing::fuzz_receipt(data));
