//! The uplink session protocol as state machines, without I/O.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
