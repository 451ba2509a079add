//! Fuzzes `lucarne_attest::fuzzing::fuzz_snp_collateral`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_attest::fuzzing::fuzz_snp_collateral(data));
