//! Attacks on a small archive in memory, each with the one finding that it must lead to.

extern crate std;

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use std::format;

use super::*;
use crate::audit::finding::FindingKind;
use crate::audit::ledger::{Extent, SegmentName};
use crate::audit::report::exit_code;
use crate::control::Previous;
use crate::hash::Hash;
use crate::identity::LedgerId;
use crate::key::{Ed25519Key, Signer};
use crate::seal;
use crate::statement::Withholding;
use crate::testing::{
    P256, TIME_MS, close, epoch, epoch_key, event, gap, heartbeat, instance, ledger, logs, open,
    seal,
};

mod attacks;
mod causes;
mod clock;
mod epochs;
mod extent;
mod register;
mod witnessed;

const PREFIX: &str = "lucarne.local";
const DAY: u64 = TIME_MS / 86_400_000;

/// Kind and range of a finding.
type Short = (FindingKind, Option<(u64, u64)>);

/// A file of the archive under test.
#[derive(Clone, Debug)]
enum File {
    Segment { name: SegmentName, batches: Vec<Vec<u8>>, torn: Option<String> },
    Checkpoint { name: String, named: (u64, Hash), note: String },
}

/// An archive of one ledger, and what signed it.
struct Site {
    key: P256,
    files: Vec<File>,
    // root after each number of records that a batch ends at
    ends: Vec<(u64, Hash)>,
}

/// A checkpoint with the lines of both keys of the epoch.
fn signed_note(key: &P256, id: &LedgerId, size: u64, root: Hash) -> String {
    let origin = crate::checkpoint::origin(PREFIX, id);
    let head = crate::checkpoint::Checkpoint { origin: origin.clone(), size, root };
    let ed25519 = Ed25519Key::from_seed(&[7; 32]).unwrap();
    let signature = ed25519.sign(head.to_string().as_bytes()).unwrap();
    let line = crate::note::NoteKey::new(&origin, ed25519.public_key().clone()).line(&signature);
    key.checkpoint(PREFIX, id, size, root) + &line
}

fn policy() -> Policy {
    Policy {
        log_prefix: PREFIX.to_string(),
        required: vec![],
        withholding_keys: vec![outer_layer().public_key().clone()],
        witnesses: None,
        witnesses_min: 0,
        accepted_ends: vec![],
        scope: Scope::Whole,
        range: None,
    }
}

fn outer_layer() -> Ed25519Key {
    Ed25519Key::from_seed(&[9; 32]).unwrap()
}

fn keys(key: &P256) -> AttestedKeys {
    let checkpoint = Ed25519Key::from_seed(&[7; 32]).unwrap().public_key().clone();
    AttestedKeys { statement: epoch_key(key), checkpoint, insecure: true }
}

fn segment(first: u64, size: u64, root: Hash, batches: Vec<Vec<u8>>) -> File {
    let range = SeqRange::before(first, size).unwrap();
    let file = format!("{first:020}-{:020}-{root}.r0.seal", range.last);
    File::Segment {
        name: SegmentName { file, range, root, revision: 0, day: Some(DAY) },
        batches,
        torn: None,
    }
}

/// An audit ledger of four segments of ten records, two batches each, with a checkpoint after each.
fn site() -> Site {
    let key = P256::of_rfc_6979();
    let mut ledger = ledger::<seal::Audit>();
    let mut site = Site { key, files: vec![], ends: vec![] };
    for number in 0..4_u32 {
        let first = ledger.size();
        let mut batches = vec![];
        for half in 0..2 {
            let last = if number == 3 && half == 1 { 4 } else { 5 };
            for n in 0..last {
                if ledger.size() == 0 {
                    ledger.append_control(&open::<seal::Audit>(None)).unwrap();
                } else {
                    ledger.append_event(&event(n)).unwrap();
                }
            }
            if last == 4 {
                let close = close(&ledger);
                ledger.append_control(&close).unwrap();
            }
            batches.push(seal(&mut ledger, &site.key).into_bytes());
            site.ends.push((ledger.size(), ledger.root()));
        }
        site.files.push(segment(first, ledger.size(), ledger.root(), batches));
        let checkpoint = site.checkpoint(ledger.size(), ledger.root());
        site.files.push(checkpoint);
    }
    site
}

impl Site {
    fn checkpoint(&self, size: u64, root: Hash) -> File {
        let id = LedgerId { instance: instance(), epoch: epoch(), kind: LedgerKind::Audit };
        let note = signed_note(&self.key, &id, size, root);
        File::Checkpoint { name: format!("{size:020}-{root}.note"), named: (size, root), note }
    }

    fn segment(&mut self, number: usize) -> (&mut SegmentName, &mut Vec<Vec<u8>>) {
        match &mut self.files[number * 2] {
            File::Segment { name, batches, .. } => (name, batches),
            File::Checkpoint { .. } => unreachable!("segments and checkpoints alternate"),
        }
    }

    fn root(&self, size: u64) -> Hash {
        self.ends.iter().find(|end| end.0 == size).unwrap().1
    }

    /// Checkpoints first, then segments by name, as a reader of a directory does.
    fn audit(&self, policy: &Policy) -> Report {
        self.audit_part(policy, Extent::WHOLE)
    }

    fn audit_part(&self, policy: &Policy, extent: Extent) -> Report {
        let mut files = self.files.clone();
        files.sort_by_key(|file| match file {
            File::Checkpoint { named, .. } => (0, named.0, String::new(), 0),
            File::Segment { name, .. } => {
                (1, name.range.first, name.root.to_string(), name.revision)
            }
        });
        let mut audit = Audit::new(policy);
        let mut ledger = audit.ledger(LedgerKind::Audit, &keys(&self.key));
        ledger.limit(extent);
        for file in files {
            match file {
                File::Checkpoint { name, named, note } => {
                    ledger.checkpoint(&name, named, note.as_bytes());
                }
                File::Segment { name, batches, torn } => {
                    ledger.begin_segment(name);
                    for batch in &batches {
                        ledger.batch(batch);
                    }
                    if let Some(detail) = torn {
                        ledger.unreadable(&detail);
                    }
                }
            }
        }
        audit.add(ledger);
        audit.finish()
    }

    /// Kind and range of each finding, and the exit code.
    fn verdict(&self) -> (u8, Vec<Short>) {
        verdict(&self.audit(&policy()))
    }
}

fn verdict(report: &Report) -> (u8, Vec<Short>) {
    let short = |f: &Finding| (f.kind(), f.range.map(|range| (range.first, range.last)));
    (exit_code(report), report.findings.iter().map(short).collect())
}

#[track_caller]
fn check(site: &Site, expected: &[(FindingKind, u64, u64)]) {
    let found = site.audit(&policy());
    let expected: Vec<_> = expected.iter().map(|(k, a, b)| (*k, Some((*a, *b)))).collect();
    let code = if expected.iter().any(|(kind, _)| kind.severity() == finding::Severity::Tamper) {
        report::EXIT_TAMPERED
    } else {
        report::EXIT_INCOMPLETE
    };
    assert_eq!(verdict(&found), (code, expected), "{found:#?}");
}
