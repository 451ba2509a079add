//! The file in which a watcher remembers: verified heads, when each open epoch last moved, and what
//! was signalled.
//!
//! It is the auditor's own memory and is believed; who can write it can silence the watcher. One
//! JSON object of version 1, replaced whole, so that a kill leaves the old one or the new one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lucarne_gateway::durable_file;
use lucarne_ledger::hash::Hash;
use serde::{Deserialize, Serialize};

use super::names::Place;
use crate::commands::audit::since::{self, Heads};
use crate::failure::Failure;

/// What is remembered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct State {
    /// Up to where each ledger is verified.
    pub(super) heads: Heads,
    /// Epochs that have not ended.
    pub(super) epochs: BTreeMap<Place, Times>,
    /// What was or is to be signalled, oldest first.
    pub(super) signals: Vec<Signal>,
}

/// When an epoch was seen, in milliseconds since the Unix epoch by the watcher's clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Times {
    /// First.
    pub(super) first_seen_ms: u64,
    /// With something new.
    pub(super) moved_ms: u64,
}

/// One finding that was told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Signal {
    /// The identity of the finding.
    pub(super) key: Hash,
    /// The identity of this signal, for receivers that see it twice.
    pub(super) id: String,
    /// What is posted; `None` once it was taken.
    pub(super) body: Option<String>,
}

/// Its name and version.
const SCHEMA: &str = "lucarne.audit.watch/1";
/// The heads of years of epochs, and as many signals as wait at most.
const FILE_BYTES_MAX: u64 = 64 << 20;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    heads: String,
    epochs: Vec<EpochTimes>,
    signals: Vec<Told>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct EpochTimes {
    instance: String,
    epoch: String,
    first_seen_ms: u64,
    moved_ms: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Told {
    finding: String,
    id: String,
    body: Option<String>,
}

/// Reads the file; without one nothing is remembered.
///
/// # Errors
/// When it cannot be read or is none of ours.
pub(super) fn load(path: &Path) -> Result<State, Failure> {
    let bytes = durable_file::read(path, FILE_BYTES_MAX)
        .map_err(|error| Failure::unreadable(&format!("read {}", path.display()), &error))?;
    let Some(bytes) = bytes else { return Ok(State::default()) };
    parse(&bytes).ok_or_else(|| {
        let text = format!("{}: expected the state of audit watch, version 1", path.display());
        Failure::usage(text).hint("without the file, every finding is signalled again")
    })
}

/// Replaces the file.
///
/// # Errors
/// When it cannot be written.
pub(super) fn save(path: &Path, state: &State) -> Result<(), Failure> {
    // A bare name has an empty directory, which cannot be synced.
    let path = if path.parent().is_some_and(|above| above.as_os_str().is_empty()) {
        PathBuf::from(".").join(path)
    } else {
        path.to_owned()
    };
    let failed =
        |error: std::io::Error| Failure::unreadable(&format!("write {}", path.display()), &error);
    let bytes = write(state).map_err(|error| failed(error.into()))?;
    durable_file::replace(&path, &bytes).map_err(failed)
}

pub(super) fn parse(bytes: &[u8]) -> Option<State> {
    let file: File = serde_json::from_slice(bytes).ok()?;
    let heads = match file.heads.as_str() {
        "" => Heads::new(),
        text => since::parse(text).ok()?,
    };
    let mut state = State { heads, ..State::default() };
    for EpochTimes { instance, epoch, first_seen_ms, moved_ms } in file.epochs {
        let place = (instance.parse().ok()?, epoch.parse().ok()?);
        state.epochs.insert(place, Times { first_seen_ms, moved_ms });
    }
    for Told { finding, id, body } in file.signals {
        let key = Hash(lucarne_ledger::hash::from_hex(&finding).ok()?);
        state.signals.push(Signal { key, id, body });
    }
    (file.schema == SCHEMA).then_some(state)
}

pub(super) fn write(state: &State) -> Result<Vec<u8>, serde_json::Error> {
    let heads: Vec<_> = state.heads.values().cloned().collect();
    let epochs = state.epochs.iter().map(|((instance, epoch), times)| EpochTimes {
        instance: instance.to_string(),
        epoch: epoch.to_string(),
        first_seen_ms: times.first_seen_ms,
        moved_ms: times.moved_ms,
    });
    let signals = state.signals.iter().map(|signal| Told {
        finding: signal.key.to_string(),
        id: signal.id.clone(),
        body: signal.body.clone(),
    });
    serde_json::to_vec(&File {
        schema: SCHEMA.to_owned(),
        heads: since::text(&heads),
        epochs: epochs.collect(),
        signals: signals.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        assert_eq!(load(&path).unwrap(), State::default());
        let mut state = State::default();
        let origin = format!("a.example/nitro-001/{}/audit", "ab".repeat(16));
        let text = format!("{origin}\n7\n{}\n", "A".repeat(43) + "=");
        state.heads = since::parse(&text).unwrap();
        let place = ("nitro-001".parse().unwrap(), "ab".repeat(16).parse().unwrap());
        state.epochs.insert(place, Times { first_seen_ms: 1, moved_ms: 2 });
        for body in [None, Some("{}".to_owned())] {
            let (key, id) = (Hash::of(b"key"), "7".to_owned());
            state.signals.push(Signal { key, id, body });
        }
        save(&path, &state).unwrap();
        assert_eq!(load(&path).unwrap(), state);
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let good = String::from_utf8(write(&State::default()).unwrap()).unwrap();
        assert_eq!(parse(good.as_bytes()), Some(State::default()));
        for (from, to) in [
            ("watch/1", "watch/2"),
            ("\"heads\":\"\"", "\"heads\":\"x\""),
            ("\"epochs\":[]", "\"epochs\":[],\"more\":1"),
            ("}", "} x"),
        ] {
            let wrong = good.replacen(from, to, 1);
            assert_ne!(wrong, good);
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
