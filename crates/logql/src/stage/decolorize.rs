//! `decolorize`: the line without ANSI control sequences.

use alloc::string::String;

use super::error::CompileError;
use crate::go_regex::{Anchor, Regex};

/// The compiled stage.
#[derive(Debug)]
pub(super) struct Decolorize {
    sequence: Regex,
}

impl Decolorize {
    pub(super) fn compile() -> Result<Self, CompileError> {
        Ok(Self { sequence: Regex::new(SEQUENCE, Anchor::Unanchored)? })
    }

    /// Writes the line without its sequences; false if it has none.
    pub(super) fn run(&self, line: &str, out: &mut String) -> bool {
        if !line.contains(['\u{1b}', '\u{9b}']) {
            return false;
        }
        out.clear();
        let mut from = 0;
        for (start, end) in self.sequence.find_all(line) {
            out.push_str(line.get(from..start).unwrap_or(""));
            from = end;
        }
        out.push_str(line.get(from..).unwrap_or(""));
        from > 0
    }
}

/// ECMA-48 control sequences and the operating system commands of terminals.
const SEQUENCE: &str = concat!(
    "[\u{1b}\u{9b}][\\[\\]()#;?]*",
    "(?:(?:(?:[a-zA-Z\\d]*(?:;[a-zA-Z\\d]*)*)?\u{7})",
    "|(?:(?:\\d{1,4}(?:;\\d{0,4})*)?[\\dA-PRZcf-ntqry=><~]))",
);
