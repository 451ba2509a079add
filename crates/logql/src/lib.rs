//! LogQL, the query language of Loki: text to typed expressions and back, and pipelines that run.
//!
//! Written from the documented grammar and behaviour. [`parse`] takes standard LogQL and, in
//! [`Mode::Extended`], a few forms that LogQL rejects (`| sort by (…)`, `| head 10`,
//! `| count_over_time([5m]) by (x)`); it answers with the typed query and its canonical spelling,
//! which parses to the same query. What cannot be evaluated is refused here with line, column and,
//! where one is near, a suggestion: nothing that was parsed fails later for its form.
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

pub mod ast;
pub mod bytesize;
mod check;
pub mod duration;
mod error;
mod extension;
#[doc(hidden)]
pub mod fuzzing;
pub mod go_number;
pub mod go_regex;
pub mod ip;
pub mod labels;
mod lexer;
mod parser;
pub mod pattern_filter;
mod print;
pub mod stage;
mod suggestion;
pub mod template;
pub mod traceql;

pub use error::{ParseError, Span};
pub use parser::{MAX_QUERY_BYTES, Mode, Parsed, parse, parse_filter, parse_selector};
