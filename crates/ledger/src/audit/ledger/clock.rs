//! What the times in statements show without a witness.
//!
//! The clock belongs to the host, so times prove little: a step back makes what was said of time
//! doubtful and is no evidence of tampering. Two things can be known. An enclave that may work
//! writes a heartbeat every 15 seconds, so a longer silence is a fact; and no record is older than
//! the evidence for the key that sealed it.

use super::LedgerAudit;
use crate::audit::cause::Cause;
use crate::audit::finding::SeqRange;
use crate::batch::VerifiedBatch;

/// A silence: three heartbeats are missing.
pub(crate) const SILENCE_MS: u64 = 45_000;
/// A clock that steps back by less was corrected, as clocks are.
pub(crate) const STEP_BACK_MS: u64 = 60_000;
/// Two clocks, or a store that was full for a while, may differ by this much.
pub(crate) const TOLERANCE_MS: u64 = 600_000;

impl LedgerAudit<'_> {
    /// Says when the evidence of the epoch was made, in milliseconds since the Unix epoch: a lower
    /// bound of every time in it. To be called before anything is handed over.
    pub const fn attested_at(&mut self, time_ms: u64) {
        self.attested_ms = Some(time_ms);
    }

    /// Compares the time of a batch that follows on the edge with what came before.
    pub(super) fn check_time(&mut self, batch: &VerifiedBatch<'_>, excused: bool) {
        let statement = batch.statement();
        let time_ms = statement.time_ms;
        let range = SeqRange::before(statement.first, statement.size());
        if let Some(attested_ms) = self.attested_ms
            && time_ms.saturating_add(TOLERANCE_MS) < attested_ms
        {
            return self.find(range, None, Cause::BeforeEvidence { time_ms, attested_ms });
        }
        self.check_seen(batch);
        let Some(before_ms) = self.time_ms else { return };
        if time_ms.saturating_add(STEP_BACK_MS) < before_ms {
            self.find(range, None, Cause::ClockStepped { before_ms, time_ms });
        } else if time_ms.saturating_sub(before_ms) > SILENCE_MS && !excused {
            let around =
                SeqRange { first: statement.first.saturating_sub(1), last: statement.first };
            self.find(Some(around), None, Cause::Silence { ms: time_ms - before_ms });
        }
    }
}
