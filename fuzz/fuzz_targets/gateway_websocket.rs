//! Fuzzes `lucarne_gateway::fuzzing::fuzz_websocket`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_gateway::fuzzing::fuzz_websocket(data));
