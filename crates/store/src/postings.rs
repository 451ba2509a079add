//! Which streams have which labels: sorted lists of stream numbers.
//!
//! Streams are few (see [`STREAMS_MAX`](crate::stream::STREAMS_MAX)), so a sorted list a label
//! pair is enough, and a compressed bitmap would be one more crate to trust.

use std::collections::BTreeMap;
use std::sync::Arc;

use lucarne_logql::ast::{MatchOp, Matcher};
use lucarne_logql::go_regex::{Anchor, Regex};

use crate::stream::Stream;

/// Streams by label name and value.
#[derive(Debug, Default)]
pub(crate) struct Postings {
    streams: BTreeMap<u32, Arc<Stream>>,
    by_name: BTreeMap<String, BTreeMap<String, Vec<u32>>>,
}

/// A matcher whose pattern does not compile.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct WrongPattern {
    pub(crate) label: String,
}

impl Postings {
    pub(crate) fn add(&mut self, stream: &Arc<Stream>) {
        self.streams.insert(stream.id, Arc::clone(stream));
        for (name, value) in stream.labels.iter() {
            let values = self.by_name.entry(name.to_owned()).or_default();
            let ids = values.entry(value.to_owned()).or_default();
            if let Err(at) = ids.binary_search(&stream.id) {
                ids.insert(at, stream.id);
            }
        }
    }

    pub(crate) fn remove(&mut self, stream: &Stream) {
        self.streams.remove(&stream.id);
        for (name, value) in stream.labels.iter() {
            let Some(values) = self.by_name.get_mut(name) else { continue };
            if let Some(ids) = values.get_mut(value) {
                ids.retain(|id| *id != stream.id);
                if ids.is_empty() {
                    values.remove(value);
                }
            }
            if values.is_empty() {
                self.by_name.remove(name);
            }
        }
    }

    /// The streams for which all matchers hold, by number. Without a matcher it is all.
    ///
    /// # Errors
    /// When a pattern does not compile.
    pub(crate) fn select(&self, matchers: &[Matcher]) -> Result<Vec<Arc<Stream>>, WrongPattern> {
        let mut chosen: Vec<u32> = self.streams.keys().copied().collect();
        for matcher in matchers {
            let test = Test::of(matcher)?;
            let values = self.by_name.get(&matcher.name);
            // A stream without the label has the empty value.
            let absent = test.holds("");
            let mut listed: Vec<u32> = Vec::new();
            for (value, ids) in values.into_iter().flatten() {
                if test.holds(value) != absent {
                    listed.extend_from_slice(ids);
                }
            }
            listed.sort_unstable();
            chosen.retain(|id| listed.binary_search(id).is_ok() != absent);
        }
        Ok(chosen.into_iter().filter_map(|id| self.streams.get(&id).cloned()).collect())
    }
}

/// A matcher, ready to be asked.
enum Test<'m> {
    Equal(&'m str, bool),
    Pattern(Box<Regex>, bool),
}

impl<'m> Test<'m> {
    fn of(matcher: &'m Matcher) -> Result<Self, WrongPattern> {
        let wanted = matches!(matcher.op, MatchOp::Eq | MatchOp::Re);
        if !matcher.op.is_regex() {
            return Ok(Self::Equal(&matcher.value, wanted));
        }
        match Regex::new(&matcher.value, Anchor::Whole) {
            Ok(pattern) => Ok(Self::Pattern(Box::new(pattern), wanted)),
            Err(_) => Err(WrongPattern { label: matcher.name.clone() }),
        }
    }

    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Equal(other, wanted) => (value == *other) == *wanted,
            Self::Pattern(pattern, wanted) => pattern.is_match(value) == *wanted,
        }
    }
}

#[cfg(test)]
mod tests {
    use lucarne_logql::labels::LabelSet;

    use super::*;

    fn postings() -> Postings {
        let mut postings = Postings::default();
        let sets = [
            vec![("job", "a"), ("level", "Error")],
            vec![("job", "a"), ("level", "Warning")],
            vec![("job", "b")],
        ];
        for (id, set) in (0..).zip(sets) {
            postings.add(&Arc::new(Stream { id, labels: LabelSet::from_pairs(set) }));
        }
        postings
    }

    #[track_caller]
    fn check(matchers: &[(&str, MatchOp, &str)], expected: &[u32]) {
        let matchers: Vec<_> = matchers
            .iter()
            .map(|&(name, op, value)| Matcher { name: name.into(), op, value: value.into() })
            .collect();
        let found = postings().select(&matchers).unwrap();
        assert_eq!(found.iter().map(|stream| stream.id).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn matchers_choose_streams() {
        check(&[], &[0, 1, 2]);
        check(&[("job", MatchOp::Eq, "a")], &[0, 1]);
        check(&[("job", MatchOp::Ne, "a")], &[2]);
        check(&[("job", MatchOp::Eq, "a"), ("level", MatchOp::Eq, "Error")], &[0]);
        check(&[("level", MatchOp::Eq, "")], &[2]);
        check(&[("level", MatchOp::Ne, "")], &[0, 1]);
        check(&[("level", MatchOp::Ne, "Error")], &[1, 2]);
        check(&[("level", MatchOp::Re, "Err.*|Warn.*")], &[0, 1]);
        check(&[("level", MatchOp::Re, "Err")], &[]);
        check(&[("level", MatchOp::Re, ".*")], &[0, 1, 2]);
        check(&[("level", MatchOp::Nre, ".+")], &[2]);
        check(&[("none", MatchOp::Eq, "x")], &[]);
    }

    #[test]
    fn a_wrong_pattern_names_its_label() {
        let matcher = Matcher { name: "job".into(), op: MatchOp::Re, value: "(".into() };
        let wrong = postings().select(&[matcher]).unwrap_err();
        assert_eq!(wrong, WrongPattern { label: "job".into() });
    }

    #[test]
    fn a_stream_that_is_removed_is_not_found() {
        let mut postings = postings();
        let gone = postings.select(&[]).unwrap().remove(2);
        postings.remove(&gone);
        assert_eq!(postings.select(&[]).unwrap().len(), 2);
        assert_eq!(postings.by_name.get("job").unwrap().len(), 1);
    }
}
