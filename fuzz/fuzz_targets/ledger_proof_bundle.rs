//! Fuzzes `lucarne_ledger::fuzzing::fuzz_proof_bundle`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_ledger::fuzzing::fuzz_proof_bundle(data));
