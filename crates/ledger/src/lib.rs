//! Tree, notes, checkpoints, records, batches, statements and the auditor.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod payload;
pub mod record;
