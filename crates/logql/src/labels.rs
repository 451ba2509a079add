//! Label sets: what names a stream, and what a query groups by.
//!
//! A set is kept sorted by name with one value a name, so that equal sets are equal values and can
//! be keys. An empty value is kept: LogQL tells "absent" from "empty" nowhere but in what it
//! prints.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::go_number::quote;

/// Sorted, unique pairs of name and value.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LabelSet(Vec<(String, String)>);

impl LabelSet {
    /// The set without labels.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// A set of pairs in any order; of two with one name the first stays.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut pairs: Vec<(String, String)> =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        pairs.sort_by(|one, other| one.0.cmp(&other.0));
        pairs.dedup_by(|later, first| later.0 == first.0);
        Self(pairs)
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.at(self.position(name)?).map(|(_, value)| value)
    }

    /// Where a name is, for [`Self::at`].
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        // Comparing lengths first beats a search by order on sets as small as those of streams.
        if self.0.len() <= SCAN_MAX {
            return self.0.iter().position(|(have, _)| have == name);
        }
        self.0.binary_search_by(|(have, _)| have.as_str().cmp(name)).ok()
    }

    /// The pair at a place.
    pub(crate) fn at(&self, at: usize) -> Option<(&str, &str)> {
        self.0.get(at).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Sets the value of a name, whether it is there or not.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.0.binary_search_by(|(have, _)| have.as_str().cmp(name)) {
            Ok(at) => {
                if let Some(pair) = self.0.get_mut(at) {
                    pair.1 = value.into();
                }
            }
            Err(at) => self.0.insert(at, (name.into(), value.into())),
        }
    }

    /// Takes a name out.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(have, _)| have != name);
    }

    /// Keeps the pairs whose name the caller wants.
    pub fn retain(&mut self, mut wanted: impl FnMut(&str) -> bool) {
        self.0.retain(|(name, _)| wanted(name));
    }

    /// The pairs, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many labels there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for LabelSet {
    /// As Prometheus prints it: `{a="b", c="d"}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (name, value)) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            write!(f, "{separator}{name}={}", quote(value))?;
        }
        f.write_str("}")
    }
}

/// Streams have at most fifteen labels.
const SCAN_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn pairs_are_sorted_and_unique() {
        let set = LabelSet::from_pairs([("b", "2"), ("a", "1"), ("b", "3")]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!(set.get("b"), Some("2"));
        assert_eq!(set.get("c"), None);
        assert_eq!(set.to_string(), r#"{a="1", b="2"}"#);
        assert_eq!((set.len(), set.is_empty(), LabelSet::new().is_empty()), (2, false, true));
    }

    #[test]
    fn large_sets_are_searched_too() {
        let names = (0..40).map(|at| alloc::format!("n{at:02}"));
        let set = LabelSet::from_pairs(names.map(|name| (name.clone(), name)));
        assert_eq!(
            (set.get("n00"), set.get("n39"), set.get("n40")),
            (Some("n00"), Some("n39"), None)
        );
    }

    #[test]
    fn a_name_is_set_removed_and_kept() {
        let mut set = LabelSet::from_pairs([("a", "1"), ("c", "3")]);
        set.set("b", "say \"2\"");
        set.set("c", "");
        assert_eq!(set.to_string(), r#"{a="1", b="say \"2\"", c=""}"#);
        set.remove("b");
        set.retain(|name| name == "c");
        assert_eq!(set, LabelSet::from_pairs([("c", "")]));
    }
}
