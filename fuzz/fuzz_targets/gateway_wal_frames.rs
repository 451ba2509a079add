//! Fuzzes `lucarne_gateway::wal::fuzzing::fuzz_wal_frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lucarne_gateway::wal::fuzzing::fuzz_wal_frames(data));
