//! Sockets, evidence devices and hardening of the process in the TEE: addresses, listeners and
//! streams over vsock, Unix sockets and TCP behind one type, `/dev/nsm` and configfs-tsm, and what
//! makes the process unreadable to its own user.
//!
//! The decision inside: everything goes through the safe calls of `nix` and `vsock`; two unsafe
//! blocks are left, in `virtio.rs` and `nsm.rs`, and no other crate of the repository has any. It
//! knows no protocol, no configuration file and no name service: addresses are literal, a name
//! would be resolved by the host. Linux only.
#![deny(unsafe_op_in_unsafe_fn)]
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod address;
mod failed;
#[doc(hidden)]
pub mod fuzzing;
mod harden;
mod listener;
mod nsm;
mod stream;
mod tsm;
mod virtio;

pub use address::{Address, AddressError, Cid};
pub use harden::{HardenError, Hardened, harden};
pub use listener::{BindError, Listener};
pub use nix::errno::Errno;
pub use nsm::{NotAnAnswer, Nsm, NsmDescription, NsmDevice, NsmError, NsmFile, NsmRefusal};
pub use stream::{ConnectError, Stream, connect};
pub use tsm::{Configfs, Tsm, TsmError, TsmProvider, TsmReport, TsmTree};
