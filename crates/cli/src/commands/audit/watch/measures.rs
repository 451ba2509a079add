//! What a watcher measures, as Prometheus text, and whether it still watches.
//!
//! Labels are closed sets and the names of epochs whose evidence was verified; the epochs are the
//! newest ones, so that years of restarts do not make years of series.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lucarne_gateway::clock::Clock;
use lucarne_ledger::audit::finding::FindingKind;

use super::news::{Shown, Standing};
use super::signals::Signals;
use crate::failure::Exit;

/// Ledgers with series of their own: the newest of a large site.
const LEDGERS_SHOWN_MAX: usize = 512;
const MS_PER_SECOND: f64 = 1_000.0;

/// How a round may end; the order is that of [`RESULTS`].
#[derive(Clone, Copy)]
enum Outcome {
    Verified,
    Insecure,
    Tampered,
    Incomplete,
    Failed,
}

const RESULTS: [&str; 5] = ["verified", "insecure", "tampered", "incomplete", "failed"];

/// The page and what it is made of.
pub(super) struct Measures {
    clock: Arc<dyn Clock>,
    signals: Arc<Signals>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    rounds: [u64; RESULTS.len()],
    last: Option<Outcome>,
    took: Duration,
    ended_ms: u64,
    full_ms: u64,
    findings: Vec<(FindingKind, usize)>,
    open: usize,
    ledgers: usize,
    shown: Vec<Shown>,
}

impl Measures {
    /// Nothing was looked at yet.
    pub(super) fn new(clock: Arc<dyn Clock>, signals: Arc<Signals>) -> Self {
        let findings = FindingKind::ALL.map(|kind| (kind, 0)).to_vec();
        Self { clock, signals, inner: Mutex::new(Inner { findings, ..Inner::default() }) }
    }

    /// A round has ended, like this if its state could be kept.
    pub(super) fn looked(&self, standing: &Standing, exit: Exit, full: bool, took: Duration) {
        let now_ms = self.now_ms();
        let mut inner = self.lock();
        inner.end(
            match exit {
                Exit::Yes => Outcome::Verified,
                Exit::Insecure => Outcome::Insecure,
                Exit::No => Outcome::Tampered,
                Exit::CouldNotTell => Outcome::Incomplete,
                Exit::Usage | Exit::Unreadable | Exit::Class(_) | Exit::Bug => Outcome::Failed,
            },
            took,
            now_ms,
        );
        if full {
            inner.full_ms = now_ms;
        }
        inner.findings = FindingKind::ALL.map(|kind| (kind, standing.count(kind))).to_vec();
        (inner.open, inner.ledgers) = (standing.open.len(), standing.shown.len());
        inner.shown.clone_from(&standing.shown);
        inner.shown.sort_by_key(|shown| std::cmp::Reverse(shown.time_ms));
        inner.shown.truncate(LEDGERS_SHOWN_MAX);
    }

    /// A round could not be made.
    pub(super) fn failed(&self, took: Duration) {
        let now_ms = self.now_ms();
        self.lock().end(Outcome::Failed, took, now_ms);
    }

    /// Whether the last round could be made, and a word for it.
    pub(super) fn health(&self) -> (bool, &'static str) {
        match self.lock().last {
            None => (false, "starting"),
            Some(Outcome::Failed) => (false, "failing"),
            Some(_) => (true, "watching"),
        }
    }

    /// The page.
    pub(super) fn render(&self) -> String {
        let now_ms = self.now_ms();
        let inner = self.lock();
        let mut page = String::with_capacity(4096);
        inner.ledgers(&mut page, now_ms);
        inner.findings(&mut page);
        inner.rounds(&mut page);
        drop(inner);
        let name = "lucarne_audit_signals_waiting";
        head(&mut page, name, "gauge", "Signals that the webhook has not taken yet");
        line(&mut page, name, "", self.signals.waiting() as f64);
        page
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        self.clock.unix_ns() / 1_000_000
    }
}

impl Inner {
    const fn end(&mut self, outcome: Outcome, took: Duration, now_ms: u64) {
        self.rounds[outcome as usize] += 1;
        (self.last, self.took, self.ended_ms) = (Some(outcome), took, now_ms);
    }

    fn ledgers(&self, page: &mut String, now_ms: u64) {
        let name = "lucarne_audit_verified_seq";
        head(page, name, "gauge", "Last verified sequence number of a ledger");
        for Shown { summary, .. } in self.shown.iter().filter(|shown| shown.summary.size > 0) {
            line(page, name, &labels(summary), summary.size.saturating_sub(1) as f64);
        }
        let name = "lucarne_audit_head_age_seconds";
        let help = "Age of the newest verified statement of a ledger without an end";
        head(page, name, "gauge", help);
        for Shown { summary, time_ms } in self.shown.iter().filter(|s| !s.summary.closed) {
            let Some(time_ms) = time_ms else { continue };
            let age = (now_ms as f64 - *time_ms as f64) / MS_PER_SECOND;
            line(page, name, &labels(summary), age);
        }
        for (name, help, value) in [
            ("lucarne_audit_ledgers", "Ledgers that are verified", self.ledgers),
            ("lucarne_audit_open_ledgers", "Ledgers without an end that go on", self.open),
        ] {
            head(page, name, "gauge", help);
            line(page, name, "", value as f64);
        }
    }

    fn findings(&self, page: &mut String) {
        let name = "lucarne_audit_findings";
        head(page, name, "gauge", "Findings that stand and that nobody has explained, by kind");
        for (kind, count) in &self.findings {
            line(page, name, &format!("{{kind=\"{kind}\"}}"), *count as f64);
        }
    }

    fn rounds(&self, page: &mut String) {
        let name = "lucarne_audit_rounds_total";
        head(page, name, "counter", "Rounds, by their result");
        for (result, count) in RESULTS.iter().zip(self.rounds) {
            line(page, name, &format!("{{result=\"{result}\"}}"), count as f64);
        }
        for (name, help, value) in [
            (
                "lucarne_audit_last_round_seconds",
                "How long the last round took",
                self.took.as_secs_f64(),
            ),
            (
                "lucarne_audit_last_round_timestamp_seconds",
                "When the last round ended",
                self.ended_ms as f64 / MS_PER_SECOND,
            ),
            (
                "lucarne_audit_last_full_timestamp_seconds",
                "When everything was last verified",
                self.full_ms as f64 / MS_PER_SECOND,
            ),
        ] {
            head(page, name, "gauge", help);
            line(page, name, "", value);
        }
    }
}

fn labels(summary: &lucarne_ledger::audit::report::LedgerSummary) -> String {
    let id = &summary.id;
    format!("{{instance=\"{}\",epoch=\"{}\",ledger=\"{}\"}}", id.instance, id.epoch, id.kind)
}

// Writing to a String cannot fail.
fn head(page: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(page: &mut String, name: &str, labels: &str, value: f64) {
    let _ = writeln!(page, "{name}{labels} {value}");
}
