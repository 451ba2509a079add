//! Tree, notes, checkpoints, records, batches, statements and the auditor.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod audit;
pub mod batch;
pub mod binding;
pub mod cbor;
pub mod chain;
pub mod checkpoint;
pub mod control;
pub mod cose;
#[doc(hidden)]
pub mod fuzzing;
pub mod hash;
pub mod identity;
pub mod key;
pub mod note;
pub mod payload;
pub mod record;
pub mod salt;
pub mod seal;
pub mod statement;
#[cfg(test)]
mod testing;
pub mod tree;
