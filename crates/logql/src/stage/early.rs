//! Conditions right behind `| json` that are decided on columns, before any field is extracted.
//!
//! They are necessary conditions alone: a line that fails one is dropped by its filter anyway, and
//! one that passes all goes the whole way. Left out is whatever a label of the stream, metadata or
//! an error could decide otherwise; a value that cannot be read as a number ends the look.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::CompileError;
use super::label_filter::{TextTest, number};
use super::working::{ERROR, ERROR_DETAILS, EXTRACTED};
use super::{Fields, Input, Shredding, convert};
use crate::ast::{CompareOp, LabelFilter, LabelValue, Stage};

/// Conditions on fields of the line.
#[derive(Debug, Default)]
pub(super) struct Early {
    tests: Vec<(String, Test)>,
}

#[derive(Debug)]
enum Test {
    Text(TextTest),
    Number(CompareOp, f64),
}

impl Early {
    /// The conditions of the filters that follow the first stage, if that is `| json`.
    pub(super) fn of(stages: &[Stage]) -> Result<Self, CompileError> {
        let mut stages = stages.iter().filter(|stage| !matches!(stage, Stage::LineFilter(_)));
        let mut collecting = Collecting { early: Self::default(), may_be_marked: false };
        if stages
            .next()
            .is_some_and(|stage| matches!(stage, Stage::Json(paths) if paths.is_empty()))
        {
            for stage in stages {
                let Stage::LabelFilter(filter) = stage else { break };
                collecting.filter(filter)?;
            }
        }
        Ok(collecting.early)
    }

    /// The fields that are looked at.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().map(|(name, _)| name.as_str())
    }

    /// Whether the line may be kept.
    pub(super) fn may_keep(&self, input: &Input<'_>, value: &mut String) -> bool {
        if self.tests.is_empty() {
            return true;
        }
        let json = |fields: &&dyn Fields| fields.shredding() == Shredding::Json;
        let Some(fields) = input.shredded.filter(json) else { return true };
        for (name, test) in &self.tests {
            let is_metadata = input.metadata.iter().any(|&(other, _)| other == name);
            if is_metadata || input.stream.get(name).is_some() {
                match test {
                    Test::Text(_) => continue,
                    // What it reads is another value, which may mark the line.
                    Test::Number(..) => return true,
                }
            }
            value.clear();
            let is_there = fields.get(name, value);
            let holds = match test {
                Test::Text(test) => test.holds(value),
                Test::Number(op, want) if is_there => match convert::number(value) {
                    Ok(have) => number(*op, have, *want),
                    Err(_) => return true,
                },
                Test::Number(..) => false,
            };
            if !holds {
                return false;
            }
        }
        true
    }
}

struct Collecting {
    early: Early,
    /// Something that is not looked at may have marked the line; then numbers decide nothing.
    may_be_marked: bool,
}

impl Collecting {
    fn filter(&mut self, filter: &LabelFilter) -> Result<(), CompileError> {
        let test = match filter {
            LabelFilter::All(filters) => return filters.iter().try_for_each(|f| self.filter(f)),
            LabelFilter::Any(_) => {
                self.may_be_marked = true;
                return Ok(());
            }
            LabelFilter::Test(test) => test,
        };
        let is_plain = ![ERROR, ERROR_DETAILS].contains(&test.name.as_str())
            && !test.name.ends_with(EXTRACTED);
        let early = match &test.value {
            LabelValue::Text(op, value) => Test::Text(TextTest::compile(*op, value)?),
            LabelValue::Number(op, value) if !self.may_be_marked && is_plain => {
                Test::Number(*op, *value)
            }
            LabelValue::Number(..)
            | LabelValue::Duration(..)
            | LabelValue::Bytes(..)
            | LabelValue::Ip { .. } => {
                self.may_be_marked = true;
                return Ok(());
            }
        };
        if is_plain {
            self.early.tests.push((test.name.clone(), early));
        }
        Ok(())
    }
}
