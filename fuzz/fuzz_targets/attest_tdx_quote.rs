//! Fuzzes `lucarne_attest::fuzzing::fuzz_tdx_quote`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_attest::fuzzing::fuzz_tdx_quote(data));
