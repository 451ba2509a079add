//! The write-once store of sealed batches and checkpoints.
#![forbid(unsafe_code)]
