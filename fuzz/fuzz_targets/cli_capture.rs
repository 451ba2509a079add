//! Fuzzes `lucarne_cli::capture::fuzzing::fuzz_capture`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_cli::capture::fuzzing::fuzz_capture(data));
