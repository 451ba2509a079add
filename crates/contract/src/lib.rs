//! The inner layer: a positive list in, Sanitized out.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
