//! What is told while an archive is read: runs of valid records, a line a record, a bar.

use std::io::{IsTerminal, Write};

use lucarne_ledger::audit::ledger::{LedgerAudit, Step};

use crate::commands::audit::reading::Watcher;
use crate::commands::audit::text::{Records, Valid};
use crate::failure::Failure;

/// Everything that is told on the way.
pub(super) struct Watch<'o> {
    pub(super) valid: Valid,
    pub(super) records: Option<Records<'o>>,
    pub(super) progress: Progress,
}

impl Watcher for Watch<'_> {
    fn batch(&mut self, ledger: &LedgerAudit<'_>, step: &Step<'_>) -> Result<(), Failure> {
        self.valid.add(ledger.id(), step);
        match &mut self.records {
            Some(records) => records.batch(ledger, step),
            None => Ok(()),
        }
    }

    fn file(&mut self) {
        self.progress.step();
    }
}

/// Files read, on a terminal's standard error.
pub(super) struct Progress {
    total: u64,
    done: u64,
    shown: Option<u64>,
}

impl Progress {
    /// A bar over so many files.
    pub(super) fn new(total: u64) -> Self {
        let shown = std::io::stderr().is_terminal().then_some(u64::MAX);
        Self { total, done: 0, shown }
    }

    fn step(&mut self) {
        self.done += 1;
        let percent = (self.done.saturating_mul(100) / self.total.max(1)).min(100);
        if self.shown.is_some_and(|shown| shown != percent) {
            self.shown = Some(percent);
            let line = format!("\rverifying: {percent} % of {} files", self.total);
            std::io::stderr().write_all(line.as_bytes()).ok();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            std::io::stderr().write_all(b"\r\x1b[K").ok();
        }
    }
}
