//! Fuzzes `lucarne_ledger::fuzzing::fuzz_trust_policy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_ledger::fuzzing::fuzz_trust_policy(data));
