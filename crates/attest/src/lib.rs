//! Verification of evidence; time and collateral are arguments.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
