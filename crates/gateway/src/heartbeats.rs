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
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::clock::{Clock, Moment};
use crate::epochs::Epoch;
use crate::instances::REMEMBERED;

/// The newest heartbeats, by instance.
#[derive(Clone)]
pub struct Heartbeats {
    clock: Arc<dyn Clock>,
    newest: Arc<Mutex<BTreeMap<Instance, Beat>>>,
    ends: Arc<Notify>,
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
    received: Moment,
    /// The epoch has said its end since.
    ended: bool,
}

/// A heartbeat as it is remembered over a restart.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeptBeat {
    instance: String,
    epoch: String,
    workload: Workload,
    time_ms: u64,
    size: u64,
    root: String,
    refused: u64,
    received_unix_ms: u64,
}

impl Heartbeats {
    /// None yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, newest: Arc::default(), ends: Arc::default() }
    }

    /// Looks for heartbeats in a verified batch.
    pub fn see(&self, batch: &VerifiedBatch<'_>, epoch: &Epoch) {
        let statement = batch.statement();
        if statement.ledger.kind != LedgerKind::Audit {
            return;
        }
        let received = Moment::now(&*self.clock);
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
                ended: false,
            };
            self.lock().insert(epoch.key.instance.clone(), beat);
        }
    }

    /// Every instance with its newest heartbeat and the heartbeat's age.
    pub fn all(&self) -> Vec<(Instance, Beat, Duration)> {
        let age = |beat: &Beat| beat.received.age(&*self.clock);
        self.lock().iter().map(|(name, beat)| (name.clone(), *beat, age(beat))).collect()
    }

    /// Notes that an epoch has said its end: it stays silent, and no restart asks for it.
    pub fn ended(&self, instance: &Instance, epoch: EpochId) {
        if let Some(beat) = self.lock().get_mut(instance) {
            beat.ended |= beat.epoch == epoch;
        }
        self.ends.notify_one();
    }

    /// Waits for the next end: it has to be remembered before a gateway that dies is silent of it.
    pub async fn end(&self) {
        self.ends.notified().await;
    }

    /// What a restart is to know.
    pub fn kept(&self) -> Vec<KeptBeat> {
        let all = self.all().into_iter().filter(|(_, beat, _)| !beat.ended);
        let kept = all.map(|(instance, beat, _)| KeptBeat {
            instance: instance.to_string(),
            epoch: beat.epoch.to_string(),
            workload: beat.workload,
            time_ms: beat.time_ms,
            size: beat.size,
            root: beat.root.to_string(),
            refused: beat.refused,
            // To the second: a reading of two clocks is no exacter, and the file changes less.
            received_unix_ms: beat.received.unix_ms(&*self.clock) / 1_000 * 1_000,
        });
        kept.collect()
    }

    /// Takes over what an earlier run knew; false when it makes no sense.
    pub fn restore(&self, kept: &KeptBeat) -> bool {
        let (Ok(instance), Ok(epoch), Ok(root)) =
            (kept.instance.parse::<Instance>(), kept.epoch.parse(), kept.root.parse())
        else {
            return false;
        };
        let received = Moment::of_unix_ms(kept.received_unix_ms, &*self.clock);
        if received.age(&*self.clock) <= REMEMBERED {
            let KeptBeat { workload, time_ms, size, refused, .. } = *kept;
            let ended = false;
            let beat = Beat { epoch, workload, time_ms, size, root, refused, received, ended };
            self.lock().entry(instance).or_insert(beat);
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Instance, Beat>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
