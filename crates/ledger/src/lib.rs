//! Tree, notes, checkpoints, records, batches, statements and the auditor.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod hash;
pub mod identity;
pub mod binding;
pub mod key;
pub mod cbor;
pub mod cose;
pub mod salt;
pub mod record;
pub mod chain;
pub mod control;
pub mod payload;
pub mod tree;
pub mod statement;
pub mod seal;
pub mod batch;
pub mod note;
pub mod checkpoint;
pub mod audit;
#[cfg(test)]
mod testing;
