//! Fuzzes `lucarne_platform::fuzzing::fuzz_address`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_platform::fuzzing::fuzz_address(data));
