//! The inner layer: a positive list in, [`Sanitized`] out.
//!
//! A [`Contract`] names what may leave the TEE. [`Contract::sanitize`] walks a request and writes a
//! new one from accepted values only: what the contract does not name, what fails its rule, what is
//! repeated or mistyped is never copied, only counted. The result is a type that nothing else can
//! make.
//!
//! The contract stops accidents. A workload that wants to leak can still encode data in the ids,
//! numbers and times that the contract lets pass.
#![no_std]
#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "a test stops at the first surprise"
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod compile;
mod contract;
mod description;
mod difference;
mod egress;
mod error;
mod file;
mod json_lines;
mod limits;
mod names;
mod own;
mod pattern;
mod run;
mod sanitize;
mod severity;
mod slot;
mod tally;

#[doc(hidden)]
pub mod fuzzing;

pub use contract::Contract;
pub use description::{Description, MetricText, RuleText, SlotPlace, SlotText};
pub use difference::NewlyLeaving;
pub use egress::Egress;
pub use error::{ContractError, Problem};
pub use json_lines::{json_line_of_event, json_lines_of_logs};
pub use own::{OwnKind, OwnPoint, OwnTime};
pub use sanitize::{Malformed, Memory, Parts, Sanitized, Scratch};
pub use tally::{Reason, Tally};
