//! The enclave's sealed word about blocks that the host keeps: which of them it kept back or
//! exchanged, what it must be able to give, and that it has not shown for minutes what it has.
//!
//! Within an epoch the manifest in memory is the truth; these records tell it to whoever reads the
//! ledger later. They hold numbers and digests, nothing that was kept. A record for which there is
//! no room is made again at the next look.

use std::sync::Arc;
use std::time::Duration;

use lucarne_ledger::payload::AuditEvent;
use lucarne_otlp::time::write_rfc3339;
use lucarne_store::block::BlockId;
use lucarne_store::manifest::Head;
use lucarne_store::vault::Fault;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};

use super::{Kept, name_of, now_ns};
use crate::pipeline::Pipeline;

/// How often faults are looked for among those that questions have met.
const LOOK: Duration = Duration::from_secs(1);
/// After so many looks the host is asked which blocks it has, and the manifest is sealed if it has
/// changed: once a minute.
const LOOKS_A_MANIFEST: u32 = 60;
/// Minutes in which the host has not said which blocks it has, after which that is recorded: in
/// fewer, a gateway starts anew.
const UNSHOWN_MAX: u32 = 3;

/// What is recorded.
#[derive(Serialize)]
#[serde(tag = "event_type")]
enum Event {
    #[serde(rename = "inside.lost")]
    Lost {
        timestamp_utc: String,
        segment: u32,
        block: u32,
        fault: &'static str,
        #[serde(flatten)]
        manifest: Manifest,
    },
    #[serde(rename = "inside.unshown")]
    Unshown {
        timestamp_utc: String,
        minutes: u32,
        #[serde(flatten)]
        manifest: Manifest,
    },
    #[serde(rename = "inside.manifest")]
    Manifest {
        timestamp_utc: String,
        #[serde(flatten)]
        manifest: Manifest,
    },
}

/// What the host must be able to give at this moment.
#[derive(Serialize)]
struct Manifest {
    manifest_version: u64,
    blocks: u64,
    stored_bytes: u64,
    manifest_digest: String,
}

impl From<Head> for Manifest {
    fn from(head: Head) -> Self {
        Self {
            manifest_version: head.version,
            blocks: head.blocks,
            stored_bytes: head.bytes,
            manifest_digest: head.root.to_string(),
        }
    }
}

/// What was told already.
#[derive(Default)]
struct Told {
    faults: usize,
    version: u64,
    unshown: Unshown,
}

/// How long the host has not said which blocks it has: without its word, what it keeps back is
/// noticed only by who asks for it.
#[derive(Default)]
struct Unshown {
    minutes: u32,
    is_recorded: bool,
}

impl Unshown {
    /// Another minute, in which it was asked with this result.
    fn minute(&mut self, shown: bool) {
        match shown {
            true => *self = Self::default(),
            false => self.minutes = self.minutes.saturating_add(1),
        }
    }

    /// The minutes, when they are to be recorded.
    fn due(&self) -> Option<u32> {
        (self.minutes >= UNSHOWN_MAX && !self.is_recorded).then_some(self.minutes)
    }
}

/// Tells until it is stopped.
pub(crate) async fn run(pipeline: Arc<Pipeline>, mut stop: watch::Receiver<bool>) {
    let Some(kept) = pipeline.inside().kept.clone() else { return };
    let (mut told, mut looking) = (Told::default(), None::<JoinHandle<bool>>);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for look in 1_u32.. {
        tokio::select! {
            // A sender that is gone is a stop too.
            _ = stop.wait_for(|stop| *stop) => return,
            _ = looks.tick() => {}
        }
        let manifest_too = look % LOOKS_A_MANIFEST == 0;
        if manifest_too {
            // A host that does not answer is asked again in a minute, and one that answers slowly
            // does not keep what was met already from being told.
            let shown = match looking.take() {
                None => true,
                Some(asked) if asked.is_finished() => asked.await.unwrap_or(false),
                Some(asked) => {
                    looking = Some(asked);
                    false
                }
            };
            told.unshown.minute(shown);
            let kept = Arc::clone(&kept);
            looking.get_or_insert_with(|| {
                spawn_blocking(move || kept.store.look_for_missing().is_ok())
            });
        }
        told.tell(&kept, manifest_too, |event| pipeline.record(event).is_ok());
    }
}

impl Told {
    /// Records what is new; `record` says whether there was room.
    fn tell(&mut self, kept: &Kept, manifest_too: bool, record: impl Fn(AuditEvent) -> bool) {
        let Some(head) = kept.store.manifest_head() else { return };
        for (id, fault) in kept.store.faults().into_iter().skip(self.faults) {
            if !record(lost(id, fault, head)) {
                return;
            }
            self.faults = self.faults.saturating_add(1);
        }
        let due = self.unshown.due().filter(|_| head.blocks > 0);
        if let Some(minutes) = due {
            let (timestamp_utc, manifest) = (now(), head.into());
            let event = Event::Unshown { timestamp_utc, minutes, manifest };
            self.unshown.is_recorded = record(encode(&event));
        }
        if manifest_too && head.version > self.version {
            let event = Event::Manifest { timestamp_utc: now(), manifest: head.into() };
            if record(encode(&event)) {
                self.version = head.version;
            }
        }
    }
}

fn lost(BlockId { segment, block }: BlockId, fault: Fault, head: Head) -> AuditEvent {
    let (timestamp_utc, fault) = (now(), name_of(fault));
    encode(&Event::Lost { timestamp_utc, segment, block, fault, manifest: head.into() })
}

fn encode(event: &Event) -> AuditEvent {
    // These structs have text keys and finite values: their encoding cannot fail.
    let object = serde_json::to_vec(event).unwrap_or_default();
    let fields = object.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
    AuditEvent::assertion_by_inside(fields.unwrap_or_default().to_vec())
}

fn now() -> String {
    let mut text = Vec::with_capacity(32);
    write_rfc3339(now_ns().unsigned_abs(), &mut text);
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_shows_nothing_is_recorded_once_a_series() {
        let mut unshown = Unshown::default();
        let mut recorded = |shown: &[bool]| -> Vec<u32> {
            let mut all = Vec::new();
            for shown in shown {
                unshown.minute(*shown);
                all.extend(unshown.due());
                unshown.is_recorded |= unshown.due().is_some();
            }
            all
        };
        assert_eq!(recorded(&[false, false, true, false, false]), [0; 0], "it starts anew");
        assert_eq!(recorded(&[false, false, false]), [3]);
        assert_eq!(recorded(&[true, false, false, false, false]), [3]);
    }
}
