//! Streams: which labels a record has, and which streams there are.
//!
//! Labels come from a few resource attributes by a [`Mapping`], so that the number of streams
//! depends on what is deployed and not on what is logged. A stream lives as long as it has rows.

use std::collections::HashMap;
use std::sync::Arc;

use lucarne_logql::labels::LabelSet;

/// As Loki's `max_label_names`.
pub const LABELS_MAX: usize = 15;
/// Bytes of a label name, and of a value. Loki's defaults are 1,024 and 2,048.
pub const LABEL_BYTES_MAX: usize = 2048;
/// Streams that have rows. Each costs up to a kibibyte of index, beside its rows.
pub const STREAMS_MAX: usize = 10_000;

/// Which attributes of a resource name a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mapping {
    /// Attributes that become labels, by their sanitised names.
    index: Vec<String>,
    /// The label `job`.
    job: String,
}

impl Mapping {
    /// The attributes that Loki takes, and a value for `job`.
    #[must_use]
    pub fn with_job(job: &str) -> Self {
        Self { index: INDEXED.iter().map(|name| (*name).to_owned()).collect(), job: job.to_owned() }
    }

    /// Whether this attribute names a stream.
    pub(crate) fn is_label(&self, attribute: &str) -> bool {
        self.index.iter().any(|name| name == attribute)
    }

    pub(crate) fn job(&self) -> &str {
        &self.job
    }
}

/// Loki's `default_resource_attributes_as_index_labels`.
pub(crate) const INDEXED: [&str; 17] = [
    "cloud.availability_zone",
    "cloud.region",
    "container.name",
    "deployment.environment",
    "deployment.environment.name",
    "k8s.cluster.name",
    "k8s.container.name",
    "k8s.cronjob.name",
    "k8s.daemonset.name",
    "k8s.deployment.name",
    "k8s.job.name",
    "k8s.namespace.name",
    "k8s.pod.name",
    "k8s.replicaset.name",
    "k8s.statefulset.name",
    "service.instance.id",
    "service.name",
];

/// An attribute name as a label: what is no letter, digit or underscore becomes one, and a leading
/// digit gets one before it.
pub(crate) fn sanitise<'a>(name: &'a str, scratch: &'a mut String) -> &'a str {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let digit = name.starts_with(|first: char| first.is_ascii_digit());
    if !digit && name.bytes().all(plain) {
        return name;
    }
    scratch.clear();
    if digit {
        scratch.push('_');
    }
    let mapped = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    scratch.extend(name.chars().map(mapped));
    scratch
}

/// One stream.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Stream {
    pub(crate) id: u32,
    pub(crate) labels: LabelSet,
}

/// The streams that have rows, by number and by labels.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    by_labels: HashMap<LabelSet, Arc<Stream>>,
    next: u32,
    pub(crate) bytes: usize,
}

impl Streams {
    pub(crate) fn len(&self) -> usize {
        self.by_labels.len()
    }

    /// The stream of these labels, with whether it is new; `None` when there are too many.
    pub(crate) fn add(&mut self, labels: LabelSet) -> Option<(Arc<Stream>, bool)> {
        if let Some(known) = self.by_labels.get(&labels) {
            return Some((Arc::clone(known), false));
        }
        if self.by_labels.len() >= STREAMS_MAX || self.next == u32::MAX {
            return None;
        }
        let stream = Arc::new(Stream { id: self.next, labels });
        self.next += 1;
        self.bytes += label_bytes(&stream.labels);
        self.by_labels.insert(stream.labels.clone(), Arc::clone(&stream));
        Some((stream, true))
    }

    pub(crate) fn remove(&mut self, stream: &Stream) {
        if self.by_labels.remove(&stream.labels).is_some() {
            self.bytes -= label_bytes(&stream.labels);
        }
    }
}

/// A set is kept twice, and its pairs once more in the postings.
fn label_bytes(labels: &LabelSet) -> usize {
    labels.iter().map(|(name, value)| 3 * (name.len() + value.len() + 48)).sum::<usize>() + 128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        assert_eq!(sanitise(name, &mut String::new()), expected);
    }

    #[test]
    fn attribute_names_become_labels() {
        check("service.name", "service_name");
        check("plain_1", "plain_1");
        check("9lives", "_9lives");
        check("é-b", "__b");
        check("", "");
    }

    #[test]
    fn a_stream_is_found_again_and_forgotten() {
        let mut streams = Streams::default();
        let labels = LabelSet::from_pairs([("job", "a")]);
        let (first, new) = streams.add(labels.clone()).unwrap();
        assert!(new);
        assert_eq!(streams.add(labels.clone()), Some((Arc::clone(&first), false)));
        streams.remove(&first);
        assert_eq!((streams.len(), streams.bytes), (0, 0));
        let (again, new) = streams.add(labels).unwrap();
        assert_eq!((again.id, new), (1, true));
    }

    #[test]
    fn streams_are_bounded() {
        let mut streams = Streams::default();
        for n in 0..STREAMS_MAX {
            assert!(streams.add(LabelSet::from_pairs([("n", n.to_string())])).is_some());
        }
        assert_eq!(streams.add(LabelSet::from_pairs([("n", "more")])), None);
    }
}
