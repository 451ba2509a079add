//! The `logfmt` parser: `key=value` pairs as labels.
//!
//! A pair that is malformed is passed over up to the next space, or ends the line with an error
//! under `--strict`. Keys without a value are left out unless `--keep-empty` asks for them.

mod reader;

use alloc::string::String;
use alloc::vec::Vec;

use super::error::CompileError;
use super::json::push_sanitized;
use super::working::{Full, Labels};
use crate::ast;

pub use reader::LogfmtError;
use reader::{Pair, Reader};

/// A compiled `logfmt` stage.
#[derive(Debug)]
pub(super) struct Logfmt {
    strict: bool,
    keep_empty: bool,
    /// Label and key; none means every field.
    fields: Vec<(String, String)>,
}

/// Buffers of the parser.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    name: String,
    text: String,
}

/// Shows each field of a line as `| logfmt` names it, duplicates and all, in the order of the line.
pub fn logfmt_fields(line: &str, visit: &mut dyn FnMut(&str, &str)) {
    let mut buffers = Buffers::default();
    // Without `--strict` nothing is an error.
    let _ = each(line, false, &mut buffers, &mut |name, value| {
        if !value.is_empty() {
            visit(name, value);
        }
        true
    });
}

impl Logfmt {
    pub(super) fn compile(
        strict: bool,
        keep_empty: bool,
        fields: &[ast::Extraction],
    ) -> Result<Self, CompileError> {
        let mut compiled = Vec::with_capacity(fields.len());
        for field in fields {
            let key = field.expression.as_str();
            if key.is_empty() || key.contains(|c: char| c <= ' ' || matches!(c, '=' | '"')) {
                return Err(CompileError::LogfmtKey { key: key.into() });
            }
            compiled.push((field.name.clone(), key.into()));
        }
        Ok(Self { strict, keep_empty, fields: compiled })
    }

    /// Whether it takes every field and nothing else, as fields out of columns are.
    pub(super) fn is_plain(&self) -> bool {
        !self.strict && !self.keep_empty && self.fields.is_empty()
    }

    pub(super) fn run(
        &self,
        line: &str,
        labels: &mut Labels<'_>,
        buffers: &mut Buffers,
    ) -> Result<(), LogfmtError> {
        if self.fields.is_empty() {
            self.all(line, labels, buffers)
        } else {
            self.some(line, labels, buffers)
        }
    }

    fn all(
        &self,
        line: &str,
        labels: &mut Labels<'_>,
        buffers: &mut Buffers,
    ) -> Result<(), LogfmtError> {
        let mut full = false;
        let read = each(line, self.strict, buffers, &mut |name, value| {
            if self.keep_empty || !value.is_empty() {
                full = labels.extract(name, value).is_err();
            }
            !full
        });
        if full { Err(LogfmtError::TooLarge) } else { read }
    }

    /// Each label that was asked for is there afterwards, empty if its key is not in the line.
    fn some(
        &self,
        line: &str,
        labels: &mut Labels<'_>,
        buffers: &mut Buffers,
    ) -> Result<(), LogfmtError> {
        let mut reader = Reader::new(line);
        while let Some(pair) = reader.next(&mut buffers.text) {
            let pair = match pair {
                Ok(pair) => pair,
                Err(error) if self.strict => return Err(error),
                Err(_) => continue,
            };
            let value = pair.value(&buffers.text);
            buffers.name.clear();
            push_sanitized(pair.key, &mut buffers.name);
            let wanted = |key: &str| key == pair.key || key == buffers.name;
            for (name, _) in self.fields.iter().filter(|(_, key)| wanted(key)) {
                if !value.is_empty() {
                    labels.extract(name, value).map_err(|Full| LogfmtError::TooLarge)?;
                }
            }
        }
        for (name, _) in &self.fields {
            labels.extract(name, "").map_err(|Full| LogfmtError::TooLarge)?;
        }
        Ok(())
    }
}

fn each(
    line: &str,
    strict: bool,
    buffers: &mut Buffers,
    visit: &mut dyn FnMut(&str, &str) -> bool,
) -> Result<(), LogfmtError> {
    let mut reader = Reader::new(line);
    while let Some(pair) = reader.next(&mut buffers.text) {
        let pair: Pair<'_> = match pair {
            Ok(pair) => pair,
            Err(error) if strict => return Err(error),
            Err(_) => continue,
        };
        buffers.name.clear();
        push_sanitized(pair.key, &mut buffers.name);
        if !buffers.name.is_empty() && !visit(&buffers.name, pair.value(&buffers.text)) {
            return Ok(());
        }
    }
    Ok(())
}
