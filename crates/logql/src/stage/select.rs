//! `drop` and `keep`: which labels stay with the line. The line itself always stays.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::CompileError;
use super::label_filter::TextTest;
use super::working::Labels;
use crate::ast;

/// Labels by name, and by value where there is a condition.
#[derive(Debug)]
pub(super) struct Selection {
    labels: Vec<(String, Option<TextTest>)>,
}

impl Selection {
    pub(super) fn compile(selectors: &[ast::LabelSelector]) -> Result<Self, CompileError> {
        let mut labels = Vec::with_capacity(selectors.len());
        for selector in selectors {
            let condition = selector.condition.as_ref();
            let test = condition.map(|(op, value)| TextTest::compile(*op, value)).transpose()?;
            labels.push((selector.name.clone(), test));
        }
        Ok(Self { labels })
    }

    pub(super) fn drop_from(&self, labels: &mut Labels<'_>) {
        for (name, test) in &self.labels {
            let meant = |value: &str| test.as_ref().is_none_or(|test| test.holds(value));
            if labels.get(name).is_some_and(meant) {
                labels.remove(name);
            }
        }
    }

    pub(super) fn keep_in(&self, labels: &mut Labels<'_>) {
        labels.retain(|name, value| {
            self.labels.iter().any(|(wanted, test)| {
                wanted == name && test.as_ref().is_none_or(|test| test.holds(value))
            })
        });
    }
}
