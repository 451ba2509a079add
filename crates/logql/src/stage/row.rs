//! A line that came through a pipeline.

use core::fmt;

use super::working::{Class, Working, each, find};
use super::{ERROR, ERROR_DETAILS, Input, Scratch};
use crate::labels::LabelSet;

/// A line that came through, with its labels.
#[derive(Clone, Copy)]
pub struct Row<'r> {
    /// The line as the pipeline left it.
    pub line: &'r str,
    input: &'r Input<'r>,
    own: &'r Working,
}

impl<'r> Row<'r> {
    pub(super) fn of(input: &'r Input<'r>, scratch: &'r Scratch) -> Self {
        Self { line: scratch.texts.line(input), input, own: &scratch.working }
    }

    /// The value of a label, the error labels included.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'r str> {
        find(self.input, self.own, name).map(|(_, value)| value)
    }

    /// Each label with where it comes from, in no order to rely on; the error labels count as
    /// parsed.
    pub fn labels(&self) -> impl Iterator<Item = (Class, &'r str, &'r str)> + use<'r> {
        each(self.input, self.own)
    }

    /// What went wrong with the line: the value of `__error__`.
    #[must_use]
    pub fn error(&self) -> Option<&'r str> {
        self.get(ERROR)
    }

    /// What went wrong at length: the value of `__error_details__`.
    #[must_use]
    pub fn error_details(&self) -> Option<&'r str> {
        self.get(ERROR_DETAILS)
    }

    /// All labels together, which is what names the row without `categorize-labels`.
    #[must_use]
    pub fn label_set(&self) -> LabelSet {
        LabelSet::from_pairs(self.labels().map(|(_, name, value)| (name, value)))
    }

    /// The labels of one class.
    #[must_use]
    pub fn labels_of(&self, class: Class) -> LabelSet {
        let of_class = self.labels().filter(|(have, _, _)| *have == class);
        LabelSet::from_pairs(of_class.map(|(_, name, value)| (name, value)))
    }
}

/// Raw telemetry is not printed by accident: neither line nor labels are shown.
impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").finish_non_exhaustive()
    }
}
