//! What is said about several ledgers at once: required ones, predecessors, an empty archive.

use super::FindingKind::{
    Downgraded, Forked, Incomplete, Missing, RolledBack, Truncated, UncleanEnd,
};
use super::*;
use crate::audit::ledger::TOLERANCE_MS;

fn required(required: &[LedgerKind]) -> Policy {
    Policy { required: required.to_vec(), ..policy() }
}

#[test]
fn nothing_to_verify_is_not_verified() {
    let policy = policy();
    let report = Audit::new(&policy).finish();
    assert_eq!(verdict(&report), (2, vec![(Incomplete, None)]));
    assert_eq!(report.findings[0].cause, Cause::NothingToVerify);
}

#[test]
fn a_required_ledger_that_is_not_there_is_missing_when_the_other_one_ended() {
    let report = site().audit(&required(&LedgerKind::ALL));
    assert_eq!(verdict(&report), (1, vec![(Missing, None)]));
    assert_eq!(report.findings[0].subject.kind(), Some(LedgerKind::Telemetry));
}

#[test]
fn an_epoch_that_was_killed_before_it_wrote_anything_is_unclean() {
    let policy = required(&[LedgerKind::Audit]);
    let mut audit = Audit::new(&policy);
    audit.epoch(&instance(), epoch());
    assert_eq!(verdict(&audit.finish()), (2, vec![(UncleanEnd, None)]));
}

/// The report over an epoch of 40 records and a later one that names it with this size and root.
fn after(size: u64, root: Hash, policy: &Policy, earlier: &[File]) -> Report {
    after_with((size, root), policy, earlier, (TIME_MS, true))
}

/// The same, where the later one opened at this time, and the earlier one had a root that is
/// insecure or was not.
fn after_with(
    (size, root): (u64, Hash),
    policy: &Policy,
    earlier: &[File],
    (opened_ms, insecure): (u64, bool),
) -> Report {
    let before = site();
    let key = P256::fresh();
    let id = EpochId([0xe2; 16]);
    let mut later: seal::Ledger<seal::Audit> =
        seal::Ledger::new(instance(), id, crate::testing::seed(1));
    let previous = Previous { epoch: epoch().to_string(), size, root: root.to_string() };
    let crate::control::Control::Open(mut opening) = open::<seal::Audit>(Some(previous)) else {
        panic!("an open")
    };
    opening.epoch = id.to_string();
    opening.time_ms = opened_ms;
    later.append_control(&crate::control::Control::Open(opening)).unwrap();
    let end = close(&later);
    later.append_control(&end).unwrap();
    let batch = seal(&mut later, &key).into_bytes();
    let mut audit = Audit::new(policy);
    if !earlier.is_empty() {
        let known = AttestedKeys { insecure, ..keys(&before.key) };
        let mut ledger = audit.ledger(LedgerKind::Audit, &known);
        feed(&mut ledger, earlier);
        audit.add(ledger);
    }
    let mut attested = keys(&key);
    attested.statement.epoch = id;
    let mut ledger = audit.ledger(LedgerKind::Audit, &attested);
    let note = signed_note(&key, later.id(), 2, later.root());
    ledger.checkpoint("2.note", (2, later.root()), note.as_bytes());
    feed(&mut ledger, &[segment(0, 2, later.root(), vec![batch])]);
    audit.add(ledger);
    audit.finish()
}

pub(super) fn feed(ledger: &mut LedgerAudit<'_>, files: &[File]) {
    for file in files {
        match file {
            File::Checkpoint { name, named, note } => {
                ledger.checkpoint(name, *named, note.as_bytes());
            }
            File::Segment { name, batches, .. } => {
                ledger.begin_segment(name.clone());
                batches.iter().for_each(|batch| drop(ledger.batch(batch)));
            }
        }
    }
}

#[test]
fn a_predecessor_as_it_was_named_is_no_finding() {
    let before = site();
    let report = after(40, before.root(40), &policy(), &before.files);
    assert_eq!(verdict(&report), (5, vec![]));
    // What was known when the next epoch began may have been older.
    let report = after(20, before.root(20), &policy(), &before.files);
    assert_eq!(verdict(&report), (5, vec![]));
}

#[test]
fn a_predecessor_longer_than_the_archive_was_truncated() {
    let before = site();
    // End and checkpoints of the earlier epoch are gone; the later one still says how long it was.
    let report = after(40, before.root(40), &policy(), &before.files[..6]);
    assert_eq!(verdict(&report), (1, vec![(Truncated, Some((30, 39)))]));
}

#[test]
fn a_predecessor_with_another_root_is_a_fork() {
    let before = site();
    let report = after(40, Hash([5; 32]), &policy(), &before.files);
    assert_eq!(verdict(&report), (1, vec![(Forked, Some((39, 39)))]));
}

#[test]
fn an_absent_predecessor_is_missed_only_in_a_whole_archive() {
    let report = after(40, Hash::ZERO, &policy(), &[]);
    assert_eq!(verdict(&report), (1, vec![(Missing, None)]));
    let part = Policy { scope: Scope::Part, ..policy() };
    assert_eq!(verdict(&after(40, Hash::ZERO, &part, &[])), (5, vec![]));
}

#[test]
fn a_boot_that_was_told_of_a_head_long_outgrown_was_rolled_back() {
    let before = site();
    let told =
        |opened_ms| after_with((20, before.root(20)), &policy(), &before.files, (opened_ms, true));
    let report = told(TIME_MS + TOLERANCE_MS + 1);
    assert_eq!(verdict(&report), (1, vec![(RolledBack, Some((20, 39)))]));
    let successor = EpochId([0xe2; 16]);
    assert_eq!(report.findings[0].cause, Cause::HeadForgotten { successor, size: 20 });
    assert_eq!(verdict(&told(TIME_MS + TOLERANCE_MS)), (5, vec![]), "the rest was under way");
}

#[test]
fn a_boot_under_an_insecure_root_after_one_that_was_not_is_downgraded() {
    let before = site();
    let report = after_with((40, before.root(40)), &policy(), &before.files, (TIME_MS, false));
    assert_eq!(verdict(&report), (1, vec![(Downgraded, None)]));
    assert_eq!(report.findings[0].cause, Cause::ProtectionLost { epoch: epoch() });
}
