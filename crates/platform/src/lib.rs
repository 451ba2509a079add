//! Sockets and hardening of the process in the TEE: addresses, listeners and streams over vsock,
//! Unix sockets and TCP behind one type, and what makes the process unreadable to its own user.
//!
//! The decision inside: everything goes through the safe calls of `nix` and `vsock`; one unsafe
//! block is left, in `virtio.rs`, and no other crate of the repository has any. It knows no
//! protocol, no configuration file and no name service: addresses are literal, a name would be
//! resolved by the host. Linux only.
#![deny(unsafe_op_in_unsafe_fn)]
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod address;
#[doc(hidden)]
pub mod fuzzing;
mod harden;
mod listener;
mod stream;
mod virtio;

pub use address::{Address, AddressError, Cid};
pub use harden::{HardenError, Hardened, harden};
pub use listener::{BindError, Listener};
pub use stream::{ConnectError, Stream, connect};
