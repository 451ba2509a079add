//! Fuzzes `lucarne_ledger::fuzzing::fuzz_tlog_proof`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_ledger::fuzzing::fuzz_tlog_proof(data));
