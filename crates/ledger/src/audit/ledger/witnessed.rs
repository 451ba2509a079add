//! What witnesses say of a ledger, where the auditor's policy names some.
//!
//! A checkpoint that a quorum cosigned is an anchor that nobody on the site can take back, so with
//! witnesses what lies beyond the last such one is not covered, even after `close`. The time of a
//! cosignature bounds every record below it from above: the witness's clock is not the host's.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;

use super::clock::TOLERANCE_MS;
use super::{Cause, LedgerAudit, seam};
use crate::audit::anchors::WAITING_MAX;
use crate::audit::finding::SeqRange;
use crate::batch::VerifiedBatch;
use crate::checkpoint::CheckpointError;

/// The cosigned checkpoints seen so far.
#[derive(Debug, Default)]
pub(super) struct Heard {
    // the largest size that a quorum cosigned
    size: u64,
    // when a witness had first seen a size, in milliseconds, of sizes whose records are to come
    seen: BTreeMap<u64, u64>,
}

impl Heard {
    // Somebody with another clock than the host's had seen so many records.
    fn seen_by(&mut self, size: u64, seen_ms: u64) {
        if self.seen.len() < WAITING_MAX {
            let known = self.seen.entry(size).or_insert(seen_ms);
            *known = seen_ms.min(*known);
        }
    }
}

impl LedgerAudit<'_> {
    /// Takes what witnesses say of a checkpoint of this ledger; the error is that of a witness's
    /// line that is bad.
    pub(super) fn hear_witnesses(&mut self, note: &str) -> Result<(), CheckpointError> {
        let Some(witnesses) = &self.policy.witnesses else { return Ok(()) };
        let said = witnesses.judge(note, &self.note_keys)?;
        let size = said.checkpoint.size;
        if said.is_quorum() && said.cosigned.len() >= self.policy.witnesses_min {
            self.heard.size = self.heard.size.max(size);
        }
        if let Some(oldest_s) = said.oldest_s() {
            self.heard.seen_by(size, oldest_s.saturating_mul(1_000));
        }
        Ok(())
    }

    /// Takes what a time stamp says of a checkpoint: the time of the authority, milliseconds since
    /// 1970, or the cause why its word is not believed.
    ///
    /// `named_size` is that of its file name, `note` the checkpoint that was stamped. One that is
    /// not of this ledger bounds nothing here; it has its own finding.
    pub fn stamp(&mut self, file: &str, named_size: u64, note: &[u8], said: Result<u64, Cause>) {
        match said {
            Ok(time_ms) => {
                let head = core::str::from_utf8(note).ok().and_then(|note| self.open(note).ok());
                if let Some(head) = head.filter(|head| head.origin == self.origin) {
                    self.heard.seen_by(head.size, time_ms);
                }
            }
            Err(cause) => self.find(seam(named_size), Some(file.to_owned()), cause),
        }
    }

    /// Compares the time of a batch with when witnesses had seen all of it.
    pub(super) fn check_seen(&mut self, batch: &VerifiedBatch<'_>) {
        let statement = batch.statement();
        let time_ms = statement.time_ms;
        let due = self.heard.seen.range(statement.size()..).map(|(_, seen_ms)| *seen_ms).min();
        if let Some(seen_ms) = due.filter(|seen_ms| seen_ms.saturating_add(TOLERANCE_MS) < time_ms)
        {
            let range = SeqRange::before(statement.first, statement.size());
            self.find(range, None, Cause::AfterWitnesses { time_ms, seen_ms });
        }
        self.heard.seen = self.heard.seen.split_off(&statement.size());
    }

    /// Up to where witnesses cover the records; everything, when the policy names none.
    pub(super) fn witnessed(&self) -> u64 {
        match self.policy.witnesses {
            None => u64::MAX,
            Some(_) => self.heard.size.min(self.anchors.fitting()),
        }
    }
}
