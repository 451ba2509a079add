//! Fuzzes `lucarne_platform::fuzzing::fuzz_nsm_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_platform::fuzzing::fuzz_nsm_answer(data));
