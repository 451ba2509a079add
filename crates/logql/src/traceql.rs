//! TraceQL, the query language of Tempo: text to typed expressions and back.
//!
//! Written from the documentation. What a query says about types is checked here (`status = 5` is
//! no condition), and what is not evaluated is refused by its name and column. It lives beside
//! LogQL because both have Go's strings, durations and regular expressions, and one form of error.

pub mod ast;
mod lexer;
mod parser;
mod print;
mod typing;

#[cfg(test)]
mod tests;

pub use parser::{parse, parse_field};
