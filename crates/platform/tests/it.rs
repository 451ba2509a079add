//! The sockets and the hardening of the TEE process, seen from outside the crate.
mod it {
    mod harden;
    mod listener;
}
