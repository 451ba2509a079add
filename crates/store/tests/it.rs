//! Tests that need a process of their own.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "it/kill.rs"]
mod kill;
