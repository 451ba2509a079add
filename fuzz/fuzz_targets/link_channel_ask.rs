//! Fuzzes `lucarne_link::fuzzing::fuzz_channel_ask`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_link::fuzzing::fuzz_channel_ask(data));
