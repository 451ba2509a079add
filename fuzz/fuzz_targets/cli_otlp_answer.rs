//! Fuzzes `lucarne_cli::otlp_client::fuzzing::fuzz_otlp_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lucarne_cli::otlp_client::fuzzing::fuzz_otlp_answer(data)
});
