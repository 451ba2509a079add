//! Fuzzes `lucarne_gateway::fuzzing::fuzz_baseline`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_gateway::fuzzing::fuzz_baseline(data));
