//! Tree, notes, checkpoints, records, batches, statements and the auditor.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod audit;
pub mod batch;
pub mod binding;
pub mod canary;
pub mod cbor;
pub mod chain;
pub mod checkpoint;
pub mod control;
pub mod cose;
pub mod cosignature;
pub mod encryption;
#[doc(hidden)]
pub mod fuzzing;
pub mod hash;
pub mod identity;
pub mod json_batch;
pub mod key;
pub mod note;
pub mod payload;
pub mod proof;
pub mod proof_bundle;
pub mod receipt;
pub mod record;
pub mod register;
pub mod report_data;
pub mod salt;
pub mod seal;
pub mod statement;
#[cfg(test)]
mod testing;
pub mod tiles;
pub mod tlog_proof;
pub mod tree;
pub mod trust_policy;
pub mod witness;
