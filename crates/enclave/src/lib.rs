//! The process in the TEE: receive, contract, seal, uplink.
#![forbid(unsafe_code)]

pub mod intake;
