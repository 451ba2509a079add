//! Parts of a ledger: a copy of one day, and what came after an earlier audit.

use super::*;
use crate::audit::ledger::Extent;
use FindingKind::{Forked, Missing, Modified, Truncated, UnanchoredTail, UncleanEnd};

fn since(site: &Site, from: u64) -> Extent {
    Extent { from, root: Some(site.root(from)), open_ended: false }
}

const fn day(from: u64) -> Extent {
    Extent { from, root: None, open_ended: true }
}

fn part(site: &Site, extent: Extent) -> Report {
    site.audit_part(&policy(), extent)
}

#[test]
fn what_came_after_a_remembered_head_is_all_that_counts() {
    for from in [5, 10, 15, 20, 35] {
        let mut site = site();
        // Four files in ten records; those that end before the start are not handed over.
        site.files.drain(..(usize::try_from(from).unwrap() - 1) / 10 * 2);
        let report = part(&site, since(&site, from));
        assert_eq!(verdict(&report), (5, vec![]), "{from}: {report:#?}");
        let [summary] = &report.ledgers[..] else { panic!("one ledger") };
        assert_eq!((summary.from, summary.size, summary.verified), (from, 40, 40 - from));
        assert_eq!((summary.root, summary.closed), (site.root(40), true));
    }
}

#[test]
fn a_finished_ledger_has_nothing_more_to_say() {
    let site = site();
    let report = part(&site, since(&site, 40));
    assert_eq!(verdict(&report), (5, vec![]), "{report:#?}");
    assert_eq!((report.ledgers[0].closed, report.ledgers[0].root), (true, site.root(40)));
}

#[test]
fn a_remembered_head_that_the_archive_contradicts_is_a_fork() {
    for from in [10, 15, 40] {
        let site = site();
        let extent = Extent { root: Some(Hash::of(b"another")), ..since(&site, from) };
        let (exit, found) = verdict(&part(&site, extent));
        assert_eq!((exit, found.len(), found[0].0), (1, 1, Forked), "{from}: {found:?}");
    }
}

#[test]
fn an_archive_that_does_not_reach_a_remembered_head_is_truncated() {
    let mut site = site();
    let extent = since(&site, 30);
    site.files.truncate(4);
    let (exit, found) = verdict(&part(&site, extent));
    assert_eq!((exit, found[0]), (1, (Truncated, Some((20, 29)))), "{found:?}");
}

#[test]
fn what_is_missing_behind_a_remembered_head_is_missing() {
    let mut site = site();
    let extent = since(&site, 10);
    site.files.remove(2);
    assert_eq!(verdict(&part(&site, extent)), (1, vec![(Missing, Some((10, 19)))]));
}

#[test]
fn a_day_in_the_middle_verifies_as_far_as_it_goes() {
    let mut site = site();
    site.files.retain(|file| matches!(file, File::Segment { .. }));
    site.files.drain(3..);
    site.files.drain(..1);
    let report = part(&site, day(10));
    assert_eq!(verdict(&report), (2, vec![(UnanchoredTail, Some((10, 29)))]), "{report:#?}");
    let [summary] = &report.ledgers[..] else { panic!("one ledger") };
    assert_eq!((summary.from, summary.size, summary.verified), (10, 30, 20));
}

#[test]
fn damage_to_the_first_file_of_a_day_is_named_and_what_lies_before_is_not() {
    let mut site = site();
    site.files.drain(..2);
    let (_, batches) = site.segment(0);
    *batches[0].last_mut().unwrap() ^= 1;
    let (exit, found) = verdict(&part(&site, day(10)));
    assert_eq!((exit, &found[..]), (1, &[(Modified, Some((10, 14)))][..]));
    let mut site = self::site();
    site.files.drain(..2);
    site.segment(0).1.remove(0);
    let (exit, found) = verdict(&part(&site, day(10)));
    assert_eq!((exit, &found[..]), (1, &[(Missing, Some((10, 14)))][..]));
}

#[test]
fn a_part_that_shall_have_an_end_says_when_it_has_none() {
    let mut site = site();
    let extent = since(&site, 10);
    site.files.truncate(6);
    assert_eq!(verdict(&part(&site, extent)), (2, vec![(UncleanEnd, None)]));
}

#[test]
fn batches_that_were_checked_before_are_joined_as_if_they_were_not() {
    let site = site();
    let policy = policy();
    let mut audit = Audit::new(&policy);
    let mut ledger = audit.ledger(LedgerKind::Audit, &keys(&site.key));
    let key = ledger.epoch_key().clone();
    for file in &site.files {
        match file {
            File::Checkpoint { name, named, note } => {
                ledger.checkpoint(name, *named, note.as_bytes());
            }
            File::Segment { name, batches, .. } => {
                ledger.begin_segment(name.clone());
                for bytes in batches {
                    let checked = crate::batch::verify(bytes, &key);
                    assert!(ledger.checked(bytes, checked).joined);
                }
            }
        }
    }
    audit.add(ledger);
    assert_eq!(audit.finish(), site.audit(&policy));
}
