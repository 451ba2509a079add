//! The signals of a watcher: each finding once, kept until the webhook has taken it.
//!
//! What is to be sent is in the state file before it is sent, so a kill loses nothing and may
//! repeat one signal under the same id. A file that cannot be written keeps nothing back: people
//! are told, and may be told again after a restart. The queue is bounded, for evidence of tampering
//! twice as wide as for the rest; what finds no room is told by a later round, for it still stands
//! then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lucarne_gateway::export::timestamp::rfc3339;
use lucarne_ledger::audit::finding::{Finding, Severity};
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
/// Signals that are remembered: as many as an audit lists findings of one severity.
const SIGNALS_MAX: usize = 10_000;
/// Bytes of an id: nobody meets two of them.
const ID_BYTES: usize = 16;
const NS_PER_MS: u64 = 1_000_000;

/// Who remembers what was told.
#[derive(Debug)]
pub(super) struct Signals {
    inner: Mutex<Kept>,
    path: Option<PathBuf>,
    archive: String,
    posts: bool,
    more: Notify,
}

/// What is remembered, and whether the file has it too.
#[derive(Debug)]
struct Kept {
    state: State,
    is_saved: bool,
}

/// What a round has brought.
#[derive(Debug)]
pub(super) struct Raised {
    /// A line for each new signal.
    pub(super) lines: Vec<String>,
    /// Findings that stand and found no room.
    pub(super) left_out: usize,
    /// Why the state could not be written, if it could not.
    pub(super) unsaved: Option<Failure>,
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
        let inner = Mutex::new(Kept { state, is_saved: true });
        Self { inner, path, archive, posts, more: Notify::new() }
    }

    /// Remembers what a round found and queues what is new of it, the worst first.
    ///
    /// # Errors
    /// When a signal cannot be written down.
    pub(super) fn raise(
        &self,
        standing: &Standing,
        memory: &Memory,
        policy_sha256: Hash,
        full: bool,
        now_ms: u64,
    ) -> Result<Raised, Failure> {
        let mut inner = self.lock();
        let mut next = State {
            heads: memory.heads(None),
            epochs: open_epochs(memory),
            signals: inner.state.signals.clone(),
        };
        forget(&mut next.signals, standing, full);
        let mut known: BTreeSet<Hash> = next.signals.iter().map(|signal| signal.key).collect();
        let mut waiting = next.signals.iter().filter(|signal| signal.body.is_some()).count();
        let (mut lines, mut left_out) = (Vec::new(), 0);
        for finding in worst_first(standing) {
            let key = news::key(finding);
            if known.contains(&key) {
                continue;
            }
            let width = if finding.severity() == Severity::Tamper { 2 } else { 1 };
            if next.signals.len() >= width * SIGNALS_MAX || waiting >= width * WAITING_MAX {
                left_out += 1;
                continue;
            }
            known.insert(key);
            let id = to_hex(&Hash::of(format!("{key} {now_ms}").as_bytes()).0[..ID_BYTES]);
            let body = self.posts.then(|| self.body(finding, &id, policy_sha256, now_ms));
            let body = body.transpose()?;
            waiting += usize::from(body.is_some());
            lines.push(line(finding));
            next.signals.push(Signal { key, id, body });
        }
        if inner.state != next {
            *inner = Kept { state: next, is_saved: false };
        }
        let unsaved = self.save(&mut inner).err();
        drop(inner);
        self.more.notify_one();
        Ok(Raised { lines, left_out, unsaved })
    }

    /// Brings the file to what is remembered.
    fn save(&self, inner: &mut Kept) -> Result<(), Failure> {
        if let Some(path) = self.path.as_deref().filter(|_| !inner.is_saved) {
            state::save(path, &inner.state)?;
        }
        inner.is_saved = true;
        Ok(())
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
        self.lock().state.signals.iter().filter(|signal| signal.body.is_some()).count()
    }

    /// The oldest that waits, or the next of them behind the one with this id.
    pub(super) fn next(&self, behind: Option<&str>) -> Option<(String, String)> {
        let inner = self.lock();
        let mut waiting = inner
            .state
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
        if let Some(signal) = inner.state.signals.iter_mut().find(|signal| signal.id == id) {
            signal.body = None;
            inner.is_saved = false;
        }
        self.save(&mut inner)
    }

    /// Waits until there may be more to send.
    pub(super) async fn more(&self) {
        self.more.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn worst_first(standing: &Standing) -> Vec<&Finding> {
    let mut news: Vec<&Finding> = standing.news().collect();
    news.sort_by_key(|finding| std::cmp::Reverse(finding.severity()));
    news
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
    let file = finding.file.as_ref().map_or(String::new(), |file| format!(" file {file}"));
    format!("{} {}{range}{file}: {finding}", finding.kind(), finding.subject)
}
