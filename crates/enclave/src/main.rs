//! `lucarne-enclave`: the process in the TEE.

fn main() {}
