//! What was withheld, counted by key and reason.
//!
//! A key is a name that the contract itself uses, or one of a fixed set of fields. Any other name
//! is workload text and is counted under `other`: not even the names of what stays inside may
//! leave.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

/// Why something was withheld.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Reason {
    /// The contract does not name it.
    Unlisted,
    /// The value has another type than the contract says.
    Type,
    /// The value fails its pattern, list or bounds.
    Value,
    /// The value holds what the reject list looks for.
    Rejected,
    /// The name was given again after its first accepted value.
    Duplicate,
    /// Nothing was left of the record.
    Empty,
    /// It became equal to another series and cannot be merged with it.
    Collision,
    /// More of it than the limits allow.
    Limit,
    /// The series stands for fewer observations than its cohort needs.
    Cohort,
}

/// Counts by key and reason.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    names: Arc<[Box<str>]>,
    counts: Vec<[u64; REASONS]>,
}

/// A key of a tally: its position among the names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Key(u16);

impl Reason {
    /// Every reason, in the order of a tally.
    pub const ALL: [Self; REASONS] = [
        Self::Unlisted,
        Self::Type,
        Self::Value,
        Self::Rejected,
        Self::Duplicate,
        Self::Empty,
        Self::Collision,
        Self::Limit,
        Self::Cohort,
    ];

    /// The reason as a label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unlisted => "unlisted",
            Self::Type => "type",
            Self::Value => "value",
            Self::Rejected => "rejected",
            Self::Duplicate => "duplicate",
            Self::Empty => "empty",
            Self::Collision => "collision",
            Self::Limit => "limit",
            Self::Cohort => "cohort",
        }
    }
}

impl Tally {
    pub(crate) fn new(names: Arc<[Box<str>]>) -> Self {
        Self { counts: vec![[0; REASONS]; names.len()], names }
    }

    #[inline]
    pub(crate) fn add(&mut self, key: Key, reason: Reason) {
        self.add_many(key, reason, 1);
    }

    #[inline]
    pub(crate) fn add_many(&mut self, key: Key, reason: Reason, times: u64) {
        let row = self.counts.get_mut(usize::from(key.0));
        if let Some(count) = row.and_then(|row| row.get_mut(reason as usize)) {
            *count = count.saturating_add(times);
        }
    }

    /// Adds the counts of another tally, by name.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.is_empty() {
            self.clone_from(other);
            return;
        }
        for (position, (name, row)) in other.names.iter().zip(&other.counts).enumerate() {
            // Tallies of one contract share their names; only then positions mean the same.
            let position = if self.names.get(position) == Some(name) {
                Some(position)
            } else {
                self.names.iter().position(|own| own == name)
            };
            let Ok(key) = u16::try_from(position.unwrap_or(0)) else { continue };
            for (reason, times) in Reason::ALL.into_iter().zip(row) {
                self.add_many(Key(key), reason, *times);
            }
        }
    }

    /// What was counted, without zeros.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Reason, u64)> {
        self.names.iter().zip(&self.counts).flat_map(|(name, row)| {
            Reason::ALL
                .into_iter()
                .zip(row)
                .filter(|(_, times)| **times > 0)
                .map(move |(reason, times)| (&**name, reason, *times))
        })
    }

    /// The count of one key and reason.
    pub fn count(&self, key: &str, reason: Reason) -> u64 {
        self.iter().filter(|(name, why, _)| *name == key && *why == reason).map(|(.., n)| n).sum()
    }
}

impl Key {
    /// A name of workload text.
    pub(crate) const OTHER: Self = Self(0);
    /// The body of a log record.
    pub(crate) const BODY: Self = Self(1);
    /// The level's name of a log record.
    pub(crate) const SEVERITY_TEXT: Self = Self(2);
    /// A trace id.
    pub(crate) const TRACE_ID: Self = Self(3);
    /// A span id.
    pub(crate) const SPAN_ID: Self = Self(4);
    /// The event name of a log record.
    pub(crate) const EVENT_NAME: Self = Self(5);
    /// A whole log record.
    pub(crate) const LOG_RECORD: Self = Self(6);
    /// A whole audit event.
    pub(crate) const AUDIT_EVENT: Self = Self(7);
    /// A whole metric.
    pub(crate) const METRIC: Self = Self(8);
    /// An exemplar.
    pub(crate) const EXEMPLAR: Self = Self(9);
    /// A whole span.
    pub(crate) const SPAN: Self = Self(10);
    /// The name of a span.
    pub(crate) const SPAN_NAME: Self = Self(11);
    /// An attribute of a span.
    pub(crate) const SPAN_ATTRIBUTE: Self = Self(12);
    /// An event of a span.
    pub(crate) const SPAN_EVENT: Self = Self(13);
    /// A link of a span.
    pub(crate) const SPAN_LINK: Self = Self(14);
    /// The message of a span's status.
    pub(crate) const STATUS_MESSAGE: Self = Self(15);
    /// The trace state of a span.
    pub(crate) const TRACE_STATE: Self = Self(16);

    /// The names of the fields above, in their order.
    pub(crate) const FIELDS: [&'static str; 17] = [
        "other",
        "body",
        "severity_text",
        "trace_id",
        "span_id",
        "event_name",
        "log_record",
        "audit_event",
        "metric",
        "exemplar",
        "span",
        "span_name",
        "span_attribute",
        "span_event",
        "span_link",
        "status_message",
        "trace_state",
    ];
}

/// The keys of a contract while it is compiled.
#[derive(Debug)]
pub(crate) struct Keys(Vec<Box<str>>);

impl Keys {
    pub(crate) fn new() -> Self {
        Self(Key::FIELDS.into_iter().map(Box::from).collect())
    }

    /// The key of a name of the contract; names of several kinds share it.
    pub(crate) fn intern(&mut self, name: &str) -> Key {
        let position = self.0.iter().position(|known| **known == *name).unwrap_or_else(|| {
            self.0.push(name.into());
            self.0.len().saturating_sub(1)
        });
        // The limits of a contract keep its names far below 2^16; beyond, they count as `other`.
        u16::try_from(position).map_or(Key::OTHER, Key)
    }

    pub(crate) fn into_names(self) -> Arc<[Box<str>]> {
        self.0.into()
    }
}

/// Number of reasons.
const REASONS: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(names: &[&str]) -> (Tally, Vec<Key>) {
        let mut keys = Keys::new();
        let found = names.iter().map(|name| keys.intern(name)).collect();
        (Tally::new(keys.into_names()), found)
    }

    #[test]
    fn tallies_of_different_contracts_merge_by_name() {
        let (mut one, keys) = tally(&["a", "b"]);
        one.add(keys[0], Reason::Value);
        let (mut two, keys) = tally(&["b", "a", "c"]);
        two.add_many(keys[1], Reason::Value, 4);
        two.add(keys[2], Reason::Type);
        two.add(Key::BODY, Reason::Unlisted);
        one.merge(&two);
        let mut merged = Tally::default();
        merged.merge(&one);
        let expected = [
            ("other", Reason::Type, 1), // the first contract does not name `c`
            ("body", Reason::Unlisted, 1),
            ("a", Reason::Value, 5),
        ];
        assert_eq!(merged.iter().collect::<Vec<_>>(), expected);
        assert_eq!(merged.count("a", Reason::Value), 5);
        assert_eq!(merged.count("b", Reason::Value), 0);
    }

    #[test]
    fn reasons_are_numbered_as_listed() {
        for (number, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number);
        }
    }
}
