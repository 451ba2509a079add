//! The process in the TEE: receive, contract, seal, uplink.
#![forbid(unsafe_code)]

pub mod budget;
pub mod canaries;
pub mod channel;
pub mod clock;
pub mod command;
pub mod config;
mod egress;
pub mod entropy;
pub mod epoch;
#[doc(hidden)]
pub mod fuzzing;
pub mod hardware;
pub mod inside_store;
pub mod journal;
pub mod json_batches;
pub mod life;
mod own_points;
pub mod pipeline;
pub mod probe;
pub mod progress;
pub mod quote;
pub mod sealer;
pub mod signer;
pub mod software;
pub mod uplink;
pub mod witnesses;

pub use lucarne_receive as receive;
/// The seam between the receivers and the pipeline behind them.
pub use lucarne_receive as intake;
