//! What the engine has to know about a compiled pipeline: which columns it may read.
//!
//! A metric query that groups by named labels and filters by named labels needs no other column;
//! an answer with lines shows every label and needs all. When in doubt, all.

use std::fmt::Display;

use lucarne_logql::ast::{LabelFilter, LabelFormatValue, Stage};

use super::error::QueryError;
use super::source::Columns;

/// The columns of a query, owned for as long as it runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Wanted {
    None,
    Named(Vec<String>),
    Only(Vec<String>),
    All,
}

impl Wanted {
    /// The columns that the stages read, and those of the labels that are asked for afterwards;
    /// none: every label is.
    pub(super) fn by(stages: &[Stage], labels: Option<&[String]>) -> Self {
        let parses = stages.iter().any(|stage| match stage {
            Stage::Json(fields) | Stage::Logfmt { fields, .. } => fields.is_empty(),
            _ => false,
        });
        if !parses {
            return Self::None;
        }
        let Some(labels) = labels else { return Self::All };
        let mut names = labels.to_vec();
        if stages.iter().any(|stage| !read_by(stage, &mut names)) {
            return Self::All;
        }
        let suffixed: Vec<String> = names
            .iter()
            .filter_map(|name| name.strip_suffix("_extracted").map(str::to_owned))
            .collect();
        names.extend(suffixed);
        names.sort();
        names.dedup();
        Self::Named(names)
    }

    /// The same when whoever looks at rows afterwards does not look at their lines.
    pub(super) fn without_lines(self, stages: &[Stage]) -> Self {
        match self {
            Self::Named(names) if fields_suffice(stages) => Self::Only(names),
            other => other,
        }
    }

    pub(super) fn columns(&self) -> Columns<'_> {
        match self {
            Self::None => Columns::None,
            Self::Named(names) => Columns::Named(names),
            Self::Only(names) => Columns::Only(names),
            Self::All => Columns::All,
        }
    }
}

/// Whether all stages read fields of JSON and nothing else of a line.
fn fields_suffice(stages: &[Stage]) -> bool {
    let Some((Stage::Json(fields), rest)) = stages.split_first() else { return false };
    let by_label = |stage: &Stage| {
        use Stage::{Drop, Keep, LabelFilter, LabelFormat};
        matches!(stage, LabelFilter(_) | LabelFormat(_) | Drop(_) | Keep(_))
    };
    fields.is_empty() && rest.iter().all(by_label)
}

/// Adds the labels that a stage reads; false when they cannot be told.
fn read_by(stage: &Stage, names: &mut Vec<String>) -> bool {
    match stage {
        Stage::LabelFilter(filter) => read_by_filter(filter, names),
        Stage::LabelFormat(formats) => {
            return formats.iter().all(|format| match &format.value {
                LabelFormatValue::Rename(from) => {
                    names.push(from.clone());
                    true
                }
                LabelFormatValue::Template(_) => false,
            });
        }
        Stage::Drop(labels) | Stage::Keep(labels) => {
            names.extend(labels.iter().map(|label| label.name.clone()));
        }
        // A template reads what it likes.
        Stage::LineFormat(_) => return false,
        Stage::LineFilter(_)
        | Stage::Json(_)
        | Stage::Logfmt { .. }
        | Stage::Regexp(_)
        | Stage::Pattern(_)
        | Stage::Unpack
        | Stage::Decolorize => {}
    }
    true
}

/// Adds the labels that a condition reads.
pub(super) fn read_by_filter(filter: &LabelFilter, names: &mut Vec<String>) {
    match filter {
        LabelFilter::Test(test) => names.push(test.name.clone()),
        LabelFilter::All(filters) | LabelFilter::Any(filters) => {
            filters.iter().for_each(|filter| read_by_filter(filter, names));
        }
    }
}

pub(super) fn compile_error(error: impl Display) -> QueryError {
    QueryError::Compile { message: error.to_string() }
}
