//! The inside view: full logs and spans kept in bounded space, and asked there by LogQL.
//!
//! Records become streams of lines ([`ingest`]), streams become blocks, and blocks go to a backend,
//! encrypted wherever it is not the memory of this process. The [`engine`] asks a source for rows
//! and knows nothing of blocks. What is over a bound is counted and named; a full store drops its
//! oldest blocks and never fails a writer.
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )
)]

pub mod backend;
pub mod block;
mod bloom;
mod column;
pub mod crypt;
mod cursor;
pub mod engine;
#[doc(hidden)]
pub mod fuzzing;
mod head;
pub mod ingest;
pub mod manifest;
mod postings;
pub mod retention;
mod scan;
mod shred;
pub mod store;
pub mod stream;
pub mod surface;
pub mod trace;
pub mod vault;
mod wal;

pub use cursor::Malformed;
pub use store::{Config, Store};
