//! The uplink session protocol as state machines, without I/O.
//!
//! One ordered byte stream. The enclave speaks first and the host answers; the host is the
//! adversary, so everything it can say is small, bounded and checked before it changes anything.
//! Whatever it says, it can stall the enclave or make it forget what was acknowledged with a
//! verified signature, and nothing else.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod access;
pub mod blob;
pub mod channel;
pub mod constant;
pub mod der;
pub mod frame;
#[doc(hidden)]
pub mod fuzzing;
pub mod json_outbox;
pub mod message;
pub mod outbox;
pub mod session;
