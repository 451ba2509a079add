//! Fuzzes `lucarne_gateway::fuzzing::fuzz_gate`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_gateway::fuzzing::fuzz_gate(data));
