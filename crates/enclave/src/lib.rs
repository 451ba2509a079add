//! The process in the TEE: receive, contract, seal, uplink.
#![forbid(unsafe_code)]

pub mod budget;
pub mod clock;
pub mod command;
pub mod config;
pub mod entropy;
pub mod epoch;
#[doc(hidden)]
pub mod fuzzing;
pub mod intake;
pub mod journal;
pub mod json_batches;
pub mod life;
mod own_points;
pub mod pipeline;
pub mod probe;
pub mod progress;
pub mod quote;
pub mod raw_ring;
pub mod receive;
pub mod sealer;
pub mod signer;
pub mod software;
pub mod uplink;
