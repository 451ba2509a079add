//! Fuzzes `lucarne_gateway::fuzzing::fuzz_host_line`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_gateway::fuzzing::fuzz_host_line(data));
