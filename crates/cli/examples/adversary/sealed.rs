//! A ledger of the site: the plan of what it says, and what the sealer makes of it.
//!
//! A plan sealed twice gives the same leaves, so a second history can part from the first wherever
//! the adversary likes.

use lucarne_ledger::control::{Close, Control, Gap, Heartbeat, Open, Previous, Workload};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{LedgerId, LedgerKind};
use lucarne_ledger::key::Signer;
use lucarne_ledger::payload::{AuditEvent, ContextSlot, Payloads, RecordSlot};
use lucarne_ledger::record::Stream;
use lucarne_ledger::salt::Seed;
use lucarne_ledger::seal::{Audit, Kind, Ledger, Telemetry};

/// One record to come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Entry {
    /// What it is told of the boot before, and the digest of its evidence.
    Open {
        previous: Option<Previous>,
        evidence: Hash,
    },
    Heartbeat,
    Gap(u64),
    /// An audit event, or a log record with its two contexts.
    Said(String),
    /// The end; with another root than the true one when it lies.
    Close {
        lies: bool,
    },
}

/// What one batch will hold.
#[derive(Clone, Debug)]
pub(crate) struct BatchPlan {
    pub(crate) time_ms: u64,
    /// What its salts come from.
    pub(crate) seed: [u8; 32],
    pub(crate) entries: Vec<Entry>,
    /// Whether the file ends after it.
    pub(crate) ends_file: bool,
}

/// A batch as it was sealed.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) first: u64,
    /// The size of the ledger after it.
    pub(crate) end: u64,
    pub(crate) root: Hash,
    pub(crate) time_ms: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Seals a plan for a ledger.
pub(crate) fn seal(id: &LedgerId, signer: &dyn Signer, plan: &[BatchPlan]) -> Vec<Batch> {
    match id.kind {
        LedgerKind::Audit => seal_kind::<Audit>(id, signer, plan),
        LedgerKind::Telemetry => seal_kind::<Telemetry>(id, signer, plan),
    }
}

trait Says: Kind + Sized {
    fn say(ledger: &mut Ledger<Self>, text: &str);
}

impl Says for Audit {
    fn say(ledger: &mut Ledger<Self>, text: &str) {
        let fields = format!("\"event_type\":\"workflow.step\",\"text\":\"{text}\"");
        let event = AuditEvent::assertion_by_contract(fields.into_bytes());
        ledger.append_event(&event).expect("a short event fits");
    }
}

impl Says for Telemetry {
    fn say(ledger: &mut Ledger<Self>, text: &str) {
        let mut buffer = Vec::new();
        let mut slot = |message: &[u8]| {
            let start = buffer.len();
            buffer.extend_from_slice(&[0; 4]);
            buffer.extend_from_slice(message);
            start..buffer.len()
        };
        let contexts = vec![
            ContextSlot { resource: None, range: slot(b"resource") },
            ContextSlot { resource: Some(0), range: slot(b"scope") },
        ];
        let record = RecordSlot { stream: Stream::Logs, scope: 1, range: slot(text.as_bytes()) };
        let mut run = Payloads::assertion_by_contract(buffer, contexts, vec![record]);
        ledger.append(&mut run).expect("a short record fits");
    }
}

fn seal_kind<K: Says>(id: &LedgerId, signer: &dyn Signer, plan: &[BatchPlan]) -> Vec<Batch> {
    let seed = |at: usize| Seed::new(plan.get(at).map_or([0; 32], |batch| batch.seed));
    let mut ledger: Ledger<K> = Ledger::new(id.instance.clone(), id.epoch, seed(0));
    let mut sealed = Vec::new();
    for (at, batch) in plan.iter().enumerate() {
        let first = ledger.size();
        for entry in &batch.entries {
            match control(entry, id, batch.time_ms, ledger.size(), ledger.root()) {
                Some(control) => ledger.append_control(&control).map(drop).expect("it fits"),
                None => match entry {
                    Entry::Said(text) => K::say(&mut ledger, text),
                    _ => unreachable!("everything else is a control record"),
                },
            }
        }
        let made = ledger.seal(signer, batch.time_ms, seed(at + 1)).expect("it signs");
        let bytes = made.expect("no batch is empty").into_bytes();
        let (end, root) = (ledger.size(), ledger.root());
        sealed.push(Batch { first, end, root, time_ms: batch.time_ms, bytes });
    }
    sealed
}

fn control(entry: &Entry, id: &LedgerId, time_ms: u64, size: u64, root: Hash) -> Option<Control> {
    Some(match entry {
        Entry::Open { previous, evidence } => Control::Open(Open {
            time_ms,
            instance: id.instance.to_string(),
            epoch: id.epoch.to_string(),
            ledger: id.kind.to_string(),
            tee: "adversary".to_owned(),
            measurement: "01".repeat(48),
            binding: "a0".to_owned(),
            evidence_sha256: evidence.to_string(),
            previous: previous.clone(),
        }),
        Entry::Heartbeat => Control::Heartbeat(Heartbeat {
            time_ms,
            workload: Workload::Healthy,
            refused: 0,
            evicted: 0,
        }),
        Entry::Gap(count) => {
            Control::Gap(Gap { time_ms, count: *count, reason: "queue was full".to_owned() })
        }
        Entry::Close { lies } => {
            let root = if *lies { Hash::of(b"another") } else { root };
            Control::Close(Close {
                time_ms,
                size,
                root: root.to_string(),
                reason: "stopped".into(),
            })
        }
        Entry::Said(_) => return None,
    })
}
