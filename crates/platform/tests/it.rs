//! The sockets and the hardening of the TEE process, seen from outside the crate.
mod it {
    mod corpus;
    mod harden;
    mod listener;
}
