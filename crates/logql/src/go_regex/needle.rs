//! The longest text that every match of a pattern contains.
//!
//! Looking for it is many times faster than running the automaton, and a store can skip whole
//! blocks that do not have it. Only what is certain is used: pieces of a concatenation and what is
//! repeated at least once, never one arm of several.

use alloc::string::String;
use alloc::vec::Vec;

use regex_syntax::hir::{Hir, HirKind};

/// The needle of a pattern, if it has one of at least [`NEEDLE_BYTES_MIN`] bytes.
pub(super) fn required(hir: &Hir) -> Option<String> {
    let mut best = Vec::new();
    longest(hir, &mut best);
    String::from_utf8(best).ok().filter(|needle| needle.len() >= NEEDLE_BYTES_MIN)
}

/// Depth is bounded by the nesting limit of the parser.
fn longest(hir: &Hir, best: &mut Vec<u8>) {
    match hir.kind() {
        HirKind::Literal(literal) => keep(&literal.0, best),
        HirKind::Capture(capture) => longest(&capture.sub, best),
        HirKind::Repetition(repetition) if repetition.min > 0 => longest(&repetition.sub, best),
        HirKind::Concat(parts) => {
            for part in parts {
                longest(part, best);
            }
        }
        HirKind::Repetition(_)
        | HirKind::Empty
        | HirKind::Class(_)
        | HirKind::Look(_)
        | HirKind::Alternation(_) => {}
    }
}

fn keep(literal: &[u8], best: &mut Vec<u8>) {
    if literal.len() > best.len() {
        best.clear();
        best.extend_from_slice(literal);
    }
}

/// One byte is in nearly every line.
const NEEDLE_BYTES_MIN: usize = 2;
