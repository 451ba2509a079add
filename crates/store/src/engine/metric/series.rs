//! Series by number: label sets are interned once, and every operator works on small numbers.
//!
//! What an operator makes of a label set (its group, its signature, its result) it remembers by
//! number, so that a step costs a lookup a series and no text.

use std::collections::HashMap;
use std::ops::ControlFlow;

use lucarne_logql::ast::Grouping;
use lucarne_logql::labels::LabelSet;

use crate::engine::limits::Meter;

/// A label set of this query.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(in crate::engine) struct LabelId(u32);

/// One value of one series at one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine) struct Sample {
    pub(in crate::engine) labels: LabelId,
    pub(in crate::engine) value: f64,
}

/// All label sets of a query, each once.
#[derive(Debug, Default)]
pub(in crate::engine) struct Interner {
    sets: Vec<LabelSet>,
    ids: HashMap<LabelSet, LabelId>,
    bytes: usize,
}

impl Interner {
    /// The number of a set. Labels with an empty value are no labels.
    pub(in crate::engine) fn id(&mut self, mut set: LabelSet) -> LabelId {
        if set.iter().any(|(_, value)| value.is_empty()) {
            set = LabelSet::from_pairs(set.iter().filter(|(_, value)| !value.is_empty()));
        }
        if let Some(id) = self.ids.get(&set) {
            return *id;
        }
        let id = LabelId(u32::try_from(self.sets.len()).unwrap_or(u32::MAX));
        self.bytes = self.bytes.saturating_add(set_bytes(&set).saturating_mul(2));
        self.sets.push(set.clone());
        self.ids.insert(set, id);
        id
    }

    /// The set of a number that this interner gave out.
    pub(in crate::engine) fn set(&self, id: LabelId) -> &LabelSet {
        static NONE: LabelSet = LabelSet::new();
        self.sets.get(id.0 as usize).unwrap_or(&NONE)
    }

    /// Charges what was interned since the last call.
    pub(in crate::engine) fn charge(&mut self, meter: &Meter<'_>) -> ControlFlow<()> {
        meter.hold(std::mem::take(&mut self.bytes))
    }
}

/// About what a set occupies.
pub(in crate::engine) fn set_bytes(set: &LabelSet) -> usize {
    const PAIR: usize = size_of::<(String, String)>();
    let text: usize = set.iter().map(|(n, v)| n.len().saturating_add(v.len())).sum();
    text.saturating_add(set.len().saturating_mul(PAIR)).saturating_add(64)
}

/// The labels that a grouping leaves.
pub(in crate::engine) fn grouped(set: &LabelSet, grouping: &Grouping) -> LabelSet {
    let mut left = set.clone();
    left.retain(|name| grouping.labels.iter().any(|label| label == name) != grouping.without);
    left
}

/// A function of label sets, computed once a set.
#[derive(Debug, Default)]
pub(super) struct Mapped(HashMap<LabelId, LabelId>);

impl Mapped {
    pub(super) fn of(
        &mut self,
        id: LabelId,
        interner: &mut Interner,
        make: impl FnOnce(&LabelSet) -> LabelSet,
    ) -> LabelId {
        *self.0.entry(id).or_insert_with(|| {
            let set = make(interner.set(id));
            interner.id(set)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_have_one_number_and_empty_values_do_not_count() {
        let mut interner = Interner::default();
        let one = interner.id(LabelSet::from_pairs([("a", "1"), ("b", "")]));
        let same = interner.id(LabelSet::from_pairs([("a", "1")]));
        let other = interner.id(LabelSet::new());
        assert_eq!(one, same);
        assert_ne!(one, other);
        assert_eq!(interner.set(one).to_string(), r#"{a="1"}"#);
    }

    #[test]
    fn a_grouping_keeps_or_takes_away() {
        let set = LabelSet::from_pairs([("a", "1"), ("b", "2")]);
        let labels = vec!["b".to_owned(), "c".to_owned()];
        let by = Grouping { without: false, labels: labels.clone() };
        assert_eq!(grouped(&set, &by).to_string(), r#"{b="2"}"#);
        assert_eq!(grouped(&set, &Grouping { without: true, labels }).to_string(), r#"{a="1"}"#);
    }
}
