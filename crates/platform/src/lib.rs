//! Sockets and devices of the TEE: the only crate with unsafe code.
