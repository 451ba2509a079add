//! The signals of a watcher: each finding once, kept until the webhook has taken it.
//!
//! What is to be sent is in the state file before it is sent, so a kill loses nothing and may
//! repeat one signal under the same id. The queue is bounded; what finds no room is told by a later
//! round, for it still stands then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lucarne_gateway::export::timestamp::rfc3339;
use lucarne_ledger::audit::finding::Finding;
use lucarne_ledger::hash::{Hash, to_hex};
use serde::Serialize;
use tokio::sync::Notify;

use super::memory::{Epoch, Memory};
use super::news::{self, Standing};
use super::state::{self, Signal, State, Times};
use crate::commands::audit::json;
use crate::failure::{Exit, Failure};

/// Signals that wait for the webhook. Whoever has more has one cause that we did not recognise.
const WAITING_MAX: usize = 1_000;
/// Signals that are remembered: as many as an audit lists findings.
const SIGNALS_MAX: usize = 10_000;
/// Bytes of an id: nobody meets two of them.
const ID_BYTES: usize = 16;
const NS_PER_MS: u64 = 1_000_000;

/// Who remembers what was told.
#[derive(Debug)]
pub(super) struct Signals {
    inner: Mutex<State>,
    path: Option<PathBuf>,
    archive: String,
    posts: bool,
    more: Notify,
}

/// A signal as it is posted.
#[derive(Serialize)]
struct Body<'a> {
    schema: &'static str,
    id: &'a str,
    raised: String,
    archive: &'a str,
    policy_sha256: String,
    finding: serde_json::Value,
}

/// Its name and version.
const SCHEMA: &str = "lucarne.audit.signal/1";

impl Signals {
    /// Goes on with what `state` remembers. `posts` says whether there is a webhook.
    pub(super) fn new(state: State, path: Option<PathBuf>, archive: String, posts: bool) -> Self {
        Self { inner: Mutex::new(state), path, archive, posts, more: Notify::new() }
    }

    /// Remembers what a round found and queues what is new of it; gives a line for each.
    ///
    /// # Errors
    /// When the state cannot be written; then nothing is queued, and the next round tries again.
    pub(super) fn raise(
        &self,
        standing: &Standing,
        memory: &Memory,
        policy_sha256: Hash,
        full: bool,
        now_ms: u64,
    ) -> Result<Vec<String>, Failure> {
        let mut inner = self.lock();
        let mut next = State {
            heads: memory.heads(None),
            epochs: open_epochs(memory),
            signals: inner.signals.clone(),
        };
        forget(&mut next.signals, standing, full);
        let mut known: BTreeSet<Hash> = next.signals.iter().map(|signal| signal.key).collect();
        let mut waiting = next.signals.iter().filter(|signal| signal.body.is_some()).count();
        let mut lines = Vec::new();
        for finding in standing.news() {
            let key = news::key(finding);
            let room = next.signals.len() < SIGNALS_MAX && waiting < WAITING_MAX;
            if !room || !known.insert(key) {
                continue;
            }
            let id = to_hex(&Hash::of(format!("{key} {now_ms}").as_bytes()).0[..ID_BYTES]);
            let body = self.posts.then(|| self.body(finding, &id, policy_sha256, now_ms));
            let body = body.transpose()?;
            waiting += usize::from(body.is_some());
            lines.push(line(finding));
            next.signals.push(Signal { key, id, body });
        }
        if *inner != next {
            if let Some(path) = &self.path {
                state::save(path, &next)?;
            }
            *inner = next;
        }
        drop(inner);
        self.more.notify_one();
        Ok(lines)
    }

    fn body(
        &self,
        finding: &Finding,
        id: &str,
        policy_sha256: Hash,
        now_ms: u64,
    ) -> Result<String, Failure> {
        let written = json::value(finding).and_then(|finding| {
            serde_json::to_string(&Body {
                schema: SCHEMA,
                id,
                raised: rfc3339(now_ms.saturating_mul(NS_PER_MS)),
                archive: &self.archive,
                policy_sha256: policy_sha256.to_string(),
                finding,
            })
        });
        written.map_err(|error| Failure::because(Exit::Bug, "write a signal", &error))
    }

    /// How many wait to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.lock().signals.iter().filter(|signal| signal.body.is_some()).count()
    }

    /// The oldest that waits, or the next of them behind the one with this id.
    pub(super) fn next(&self, behind: Option<&str>) -> Option<(String, String)> {
        let inner = self.lock();
        let mut waiting = inner
            .signals
            .iter()
            .filter_map(|signal| Some((signal.id.clone(), signal.body.clone()?)));
        let first = waiting.clone().next();
        match behind {
            Some(id) if waiting.any(|(other, _)| other == id) => waiting.next().or(first),
            _ => first,
        }
    }

    /// Notes that one was taken.
    ///
    /// # Errors
    /// When the state cannot be written; after a restart the signal is then sent again.
    pub(super) fn sent(&self, id: &str) -> Result<(), Failure> {
        let mut inner = self.lock();
        if let Some(signal) = inner.signals.iter_mut().find(|signal| signal.id == id) {
            signal.body = None;
        }
        self.path.as_deref().map_or(Ok(()), |path: &Path| state::save(path, &inner))
    }

    /// Waits until there may be more to send.
    pub(super) async fn more(&self) {
        self.more.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// What is mended, or goes on again, is told again when it comes back. Rounds between two full
// verifications do not see everything.
fn forget(signals: &mut Vec<Signal>, standing: &Standing, full: bool) {
    let stands: BTreeSet<Hash> = standing.news().map(news::key).collect();
    signals.retain(|signal| {
        let gone = full || standing.excused.contains(&signal.key);
        signal.body.is_some() || stands.contains(&signal.key) || !gone
    });
}

fn open_epochs(memory: &Memory) -> BTreeMap<super::names::Place, Times> {
    let is_open = |epoch: &Epoch| {
        let mut summaries = epoch.ledgers.values().map(|known| known.summary.as_ref());
        epoch.ledgers.is_empty() || summaries.any(|ledger| ledger.is_none_or(|l| !l.closed))
    };
    let open = memory.epochs.iter().filter(|(_, epoch)| is_open(epoch));
    let times = open.map(|(place, epoch)| {
        let Epoch { first_seen_ms, moved_ms, .. } = *epoch;
        (place.clone(), Times { first_seen_ms, moved_ms })
    });
    times.collect()
}

fn line(finding: &Finding) -> String {
    let range = finding.range.map_or(String::new(), |range| format!(" seq {range}"));
    format!("{} {}{range}: {finding}", finding.kind(), finding.subject)
}
