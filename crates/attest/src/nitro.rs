//! The Nitro format: a COSE_Sign1 envelope, a document in it, and the chain that vouches for its
//! key.
//!
//! AWS defines it for its enclaves; Lucarne's software TEE writes the same format under a root of
//! its own, so that one verifier reads both and only the policy's pin tells them apart.

pub(crate) mod chain;
pub(crate) mod document;
pub(crate) mod envelope;
mod input;
