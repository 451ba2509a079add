//! The write-ahead log: on a real file system, against damage, and against a disk that fails at
//! every step.

mod damage;
mod faults;
mod ordinary;

use std::path::Path;
use std::sync::Arc;

use lucarne_archive::disk::Disk;
use lucarne_archive::name::Name;
use lucarne_ledger::identity::{EpochId, LedgerId, LedgerKind};

use super::*;

const LIMITS: Limits = Limits { total_bytes_max: 1 << 20 };

fn entry(kind: Kind, payload: &[u8]) -> Entry {
    let origin = LedgerId {
        instance: "nitro-001-us-east".parse().unwrap(),
        epoch: EpochId([7; 16]),
        kind: LedgerKind::Audit,
    };
    Entry { kind, origin, payload: Bytes::copy_from_slice(payload) }
}

/// A group that tells its number.
fn group(number: u64) -> Vec<Entry> {
    vec![entry(Kind::Batch, &number.to_be_bytes()), entry(Kind::Message, b"a message")]
}

fn number_of(group: &Group) -> u64 {
    let payload = &group.entries[0].payload;
    u64::from_be_bytes(payload[..].try_into().unwrap())
}

/// The numbers of all groups that are in the log, in order, checked on the way: what is read is
/// what was written, and each group begins where the one before said.
#[track_caller]
fn check_wal(wal: &Wal) -> Vec<u64> {
    let reader = wal.reader();
    let mut numbers = Vec::new();
    let mut at = reader.oldest();
    while let Some(found) = reader.read(at).unwrap() {
        let number = number_of(&found);
        assert_eq!(found.entries, group(number));
        assert_eq!(found.at.roll == at.roll && at.offset > 0, found.at == at);
        assert!(found.next > found.at);
        numbers.push(number);
        at = found.next;
    }
    assert_eq!(at.max(reader.newest()), reader.newest());
    numbers
}

fn name(number: u64) -> Name {
    let (epoch, root) = ("ab".repeat(16), "cd".repeat(32));
    format!("checkpoints/a/{epoch}/audit/{number:020}-{root}.note").parse().unwrap()
}
