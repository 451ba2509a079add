//! What the register says of epochs, against what is there of them.

use super::FindingKind::{
    Duplicate, Forked, Incomplete, Inserted, Missing, Modified, Truncated, UnanchoredTail,
};
use super::epochs::feed;
use super::*;
use crate::audit::register::{RegisterFault, RegisterLog};
use crate::identity::{EpochId, LedgerKind};
use crate::register::{Entry, Head, Predecessor};

const OTHER: EpochId = EpochId([0xe2; 16]);

fn listed(epoch: EpochId, before: Option<(EpochId, Vec<Head>)>) -> Entry {
    Entry::Epoch {
        instance: instance(),
        epoch,
        binding_sha256: Hash([2; 32]),
        evidence_sha256: Hash([3; 32]),
        predecessor: before.map(|(epoch, heads)| Predecessor { epoch, heads }),
        time_ms: TIME_MS,
    }
}

fn end(size: u64, root: Hash) -> Entry {
    let ledger = LedgerId { instance: instance(), epoch: epoch(), kind: LedgerKind::Audit };
    Entry::End { ledger, size, root, time_ms: TIME_MS }
}

/// The verdict over one whole epoch with its audit ledger, and this register.
fn judged(entries: Vec<Entry>, faults: Vec<RegisterFault>, policy: &Policy) -> (u8, Vec<Short>) {
    let site = site();
    let mut audit = Audit::new(policy);
    let mut ledger = audit.ledger(LedgerKind::Audit, &keys(&site.key));
    feed(&mut ledger, &site.files);
    audit.add(ledger);
    audit.register(&RegisterLog { entries, faults });
    verdict(&audit.finish())
}

fn verdict_of(entries: Vec<Entry>) -> (u8, Vec<Short>) {
    judged(entries, vec![], &policy())
}

#[test]
fn a_register_that_names_what_is_there_says_nothing() {
    let root = site().root(40);
    let quiet = (5, vec![]);
    assert_eq!(verdict_of(vec![listed(epoch(), None)]), quiet);
    assert_eq!(verdict_of(vec![listed(epoch(), None), end(40, root)]), quiet);
    let heads = vec![Head { kind: LedgerKind::Audit, size: 40, root }];
    // Of a part of an archive it is not missed that a later epoch is elsewhere.
    let part = Policy { scope: Scope::Part, ..policy() };
    let entries = vec![listed(epoch(), None), listed(OTHER, Some((epoch(), heads)))];
    assert_eq!(judged(entries, vec![], &part), quiet);
    assert_eq!(judged(vec![], vec![], &part), quiet);
}

/// Evidence can be genuine and still not be that of the boot: three signed words name it.
#[test]
fn evidence_that_another_digest_was_sealed_for_is_one_finding() {
    let site = site();
    let of = |found: Hash, entries: Vec<Entry>| {
        let policy = policy();
        let mut audit = Audit::new(&policy);
        audit.evidence(&instance(), epoch(), found);
        let mut ledger = audit.ledger(LedgerKind::Audit, &keys(&site.key));
        feed(&mut ledger, &site.files);
        audit.add(ledger);
        audit.register(&RegisterLog { entries, faults: vec![] });
        verdict(&audit.finish())
    };
    // What `open` of the site names, and what its register would.
    let (sealed, listed_as) = (Hash([0x11; 32]), Hash([3; 32]));
    let named = |sha256: Hash| match listed(epoch(), None) {
        Entry::Epoch { instance, epoch, binding_sha256, predecessor, time_ms, .. } => {
            let evidence_sha256 = sha256;
            Entry::Epoch { instance, epoch, binding_sha256, evidence_sha256, predecessor, time_ms }
        }
        end @ Entry::End { .. } => end,
    };
    assert_eq!(of(sealed, vec![named(sealed)]), (5, vec![]));
    let modified = (Modified, None);
    assert_eq!(of(Hash([9; 32]), vec![named(sealed)]), (1, vec![modified]));
    assert_eq!(of(sealed, vec![named(listed_as)]), (1, vec![modified]));
    assert_eq!(of(Hash([9; 32]), vec![named(listed_as)]), (1, vec![modified, modified]));
}

#[test]
fn an_epoch_that_is_missing_unlisted_doubled_or_a_second_successor_is_named() {
    let first = || listed(epoch(), None);
    let after = |epoch_id| listed(epoch_id, Some((epoch(), vec![])));
    let (third, missing) = (EpochId([0xe3; 16]), (Missing, None));
    assert_eq!(verdict_of(vec![first(), after(OTHER)]), (1, vec![missing]));
    assert_eq!(verdict_of(vec![]), (1, vec![(Inserted, None)]));
    assert_eq!(verdict_of(vec![first(), first()]), (1, vec![(Duplicate, None)]));
    let both = verdict_of(vec![first(), after(OTHER), after(third)]);
    assert_eq!(both, (1, vec![(Forked, None), missing, missing]));
}

#[test]
fn an_end_that_the_register_knows_is_an_anchor() {
    let root = site().root(40);
    let of = |entry| verdict_of(vec![listed(epoch(), None), entry]);
    assert_eq!(of(end(41, root)), (1, vec![(Truncated, Some((40, 40)))]));
    assert_eq!(of(end(40, Hash([9; 32]))), (1, vec![(Forked, Some((39, 39)))]));
    assert_eq!(of(end(20, site().root(20))), (5, vec![]), "it may have gone on");
    assert_eq!(of(end(20, root)), (1, vec![(Forked, Some((19, 19)))]));
    // Heard twice it is one finding.
    let heads = vec![Head { kind: LedgerKind::Audit, size: 41, root }];
    let part = Policy { scope: Scope::Part, ..policy() };
    let entries = vec![listed(epoch(), None), end(41, root), listed(OTHER, Some((epoch(), heads)))];
    assert_eq!(judged(entries, vec![], &part), (1, vec![(Truncated, Some((40, 40)))]));
}

#[test]
fn what_is_wrong_with_the_register_itself_has_its_kind_and_accuses_no_epoch() {
    let hash = Hash([9; 32]);
    let table = [
        (RegisterFault::Absent, 2, Incomplete),
        (RegisterFault::Unsigned { signed: 1 }, 2, Incomplete),
        (RegisterFault::Entry { index: 1 }, 1, Modified),
        (RegisterFault::Note { size: 1 }, 1, Modified),
        (RegisterFault::Gap { index: 1 }, 1, Missing),
        (RegisterFault::Head { size: 1, stated: hash, found: hash }, 1, Forked),
        (RegisterFault::Short { size: 2, found: 1 }, 1, Truncated),
    ];
    for (fault, exit, kind) in table {
        assert_eq!(judged(vec![], vec![fault], &policy()), (exit, vec![(kind, None)]), "{fault}");
    }
    // Entries that no witness saw are entries all the same: what they do not name was inserted.
    let faults = || vec![RegisterFault::Unwitnessed { witnessed: 1 }];
    let of = |entries| judged(entries, faults(), &policy());
    assert_eq!(of(vec![listed(epoch(), None)]), (2, vec![(UnanchoredTail, None)]));
    assert_eq!(of(vec![]), (1, vec![(UnanchoredTail, None), (Inserted, None)]));
}
