//! The outer layer: finds what should never have left.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
