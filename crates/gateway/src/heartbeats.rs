//! Signs of life: the newest verified heartbeat of each instance.
//!
//! Only what came in a verified batch counts, and only in the audit ledger, so that nobody but the
//! enclave can make an instance look alive. Age is measured by this machine's own clock from the
//! moment of receipt.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lucarne_ledger::batch::{Content, VerifiedBatch};
use lucarne_ledger::control::{Control, Workload};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{EpochId, Instance, LedgerKind};
use lucarne_ledger::record::Stream;

use crate::clock::Clock;
use crate::epochs::Epoch;

/// The newest heartbeats, by instance.
#[derive(Clone)]
pub struct Heartbeats {
    clock: Arc<dyn Clock>,
    newest: Arc<Mutex<BTreeMap<Instance, Beat>>>,
}

/// One heartbeat.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Beat {
    /// The boot that it is from.
    pub epoch: EpochId,
    /// What the enclave's probe says of the workload.
    pub workload: Workload,
    /// When the enclave says it was, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Size of the audit ledger after the batch that carried it.
    pub size: u64,
    /// Root of the audit ledger after that batch.
    pub root: Hash,
    /// Requests that the enclave refused for want of room, since the epoch began.
    pub refused: u64,
    received: Duration,
}

impl Heartbeats {
    /// None yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, newest: Arc::default() }
    }

    /// Looks for heartbeats in a verified batch.
    pub fn see(&self, batch: &VerifiedBatch<'_>, epoch: &Epoch) {
        let statement = batch.statement();
        if statement.ledger.kind != LedgerKind::Audit {
            return;
        }
        let received = self.clock.elapsed();
        for record in batch.records().iter().filter(|record| record.stream == Stream::Control) {
            let Content::Present { payload, .. } = record.content else { continue };
            let Ok(Control::Heartbeat(beat)) = Control::parse(payload, LedgerKind::Audit) else {
                continue;
            };
            let beat = Beat {
                epoch: epoch.key.epoch,
                workload: beat.workload,
                time_ms: beat.time_ms,
                size: statement.size(),
                root: statement.root,
                refused: beat.refused,
                received,
            };
            self.lock().insert(epoch.key.instance.clone(), beat);
        }
    }

    /// Every instance with its newest heartbeat and the heartbeat's age.
    pub fn all(&self) -> Vec<(Instance, Beat, Duration)> {
        let now = self.clock.elapsed();
        let age = |beat: &Beat| now.saturating_sub(beat.received);
        self.lock().iter().map(|(name, beat)| (name.clone(), *beat, age(beat))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Instance, Beat>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
