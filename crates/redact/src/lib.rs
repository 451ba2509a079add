//! The outer layer: finds what should never have left.
//!
//! It is the second of two mechanisms. The contract inside the TEE is a positive list; this crate
//! looks for what must not be there, and shares no rule and no decision code with it. The patterns
//! run over the raw bytes of a payload as well as over its walked values, so a value cannot hide in
//! an encoding (an integer as varint), nor in a field that the walk does not know: what cannot be
//! walked counts as a hit.
//!
//! It never edits a sealed payload. [`Rules::rewrite`] makes a copy for export, without what was
//! found.
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

mod config;
mod glob;
mod identifier;
mod inspect;
mod json;
mod need;
mod number;
pub mod ottl;
mod pattern;
mod rewrite;
mod rules;
mod schema;
mod walk;

#[doc(hidden)]
pub mod fuzzing;

pub use config::{OnHit, RulesConfig};
pub use glob::GlobError;
pub use inspect::{Hit, Shape, Verdict};
pub use pattern::PatternError;
pub use rules::{RuleId, RuleKind, Rules, RulesError};

#[cfg(test)]
mod tests;
