//! Fuzzes `lucarne_cli::commands::audit::watch::fuzzing::fuzz_watch_state`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lucarne_cli::commands::audit::watch::fuzzing::fuzz_watch_state(data)
});
