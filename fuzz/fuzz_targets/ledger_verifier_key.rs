//! Fuzzes `lucarne_ledger::fuzzing::fuzz_verifier_key`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_ledger::fuzzing::fuzz_verifier_key(data));
