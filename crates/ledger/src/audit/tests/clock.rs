//! Times, and the order in which files and batches come.

use super::FindingKind::{
    Duplicate, Incomplete, Inserted, Modified, Reordered, Stale, TimeInconsistent,
};
use super::*;

/// A closed ledger of one batch of two records for each time, all in one file.
fn timed(times_ms: &[u64], attested_ms: u64) -> (u8, Vec<Short>) {
    let key = P256::of_rfc_6979();
    let mut ledger = ledger::<seal::Audit>();
    let mut batches = vec![];
    for (n, time_ms) in (0_u8..).zip(times_ms) {
        match n {
            0 => ledger.append_control(&open::<seal::Audit>(None)).map(drop).unwrap(),
            _ => ledger.append_event(&event(1)).map(drop).unwrap(),
        }
        if usize::from(n) + 1 == times_ms.len() {
            let end = close(&ledger);
            ledger.append_control(&end).unwrap();
        } else {
            ledger.append_event(&event(2)).unwrap();
        }
        let next = crate::testing::seed(n + 1);
        batches.push(ledger.seal(&key, *time_ms, next).unwrap().unwrap().into_bytes());
    }
    let mut site = Site { key, files: vec![], ends: vec![] };
    site.files.push(segment(0, ledger.size(), ledger.root(), batches.clone()));
    let policy = policy();
    let mut audit = Audit::new(&policy);
    let mut walk = audit.ledger(LedgerKind::Audit, &keys(&site.key));
    walk.attested_at(attested_ms);
    let File::Checkpoint { name, named, note } = site.checkpoint(ledger.size(), ledger.root())
    else {
        panic!("a checkpoint")
    };
    walk.checkpoint(&name, named, note.as_bytes());
    let File::Segment { name, .. } = &site.files[0] else { panic!("a segment") };
    walk.begin_segment(SegmentName { day: None, ..name.clone() });
    batches.iter().for_each(|batch| drop(walk.batch(batch)));
    audit.add(walk);
    verdict(&audit.finish())
}

const S: u64 = 1_000;

#[test]
fn a_silence_is_longer_than_three_heartbeats() {
    let after = |ms| timed(&[TIME_MS, TIME_MS + ms, TIME_MS + ms + 10 * S], TIME_MS);
    assert_eq!(after(45 * S), (5, vec![]));
    assert_eq!(after(45 * S + 1), (2, vec![(Stale, Some((1, 2)))]));
}

#[test]
fn a_clock_may_be_corrected_and_a_long_step_back_leaves_its_times_in_doubt() {
    let back = |ms| timed(&[TIME_MS, TIME_MS - ms, TIME_MS - ms], TIME_MS);
    assert_eq!(back(60 * S), (5, vec![]));
    assert_eq!(back(60 * S + 1), (2, vec![(Incomplete, Some((2, 3)))]));
}

#[test]
fn no_record_is_older_than_the_evidence_for_its_key() {
    let after = |ms| timed(&[TIME_MS, TIME_MS, TIME_MS + 1], TIME_MS + ms);
    assert_eq!(after(600 * S), (5, vec![]));
    assert_eq!(after(600 * S + 1), (1, vec![(TimeInconsistent, Some((0, 3)))]));
}

#[test]
fn a_copy_is_one_whether_it_is_read_before_or_after() {
    type Change = fn(&mut SegmentName);
    let changes: [Change; 4] = [
        |name| name.range.first = 2,
        |name| name.range.last = 90,
        |name| name.root = Hash::ZERO,
        |name| name.root = Hash([0xff; 32]),
    ];
    for change in changes {
        let mut site = site();
        let mut copy = site.files[2].clone();
        let File::Segment { name, .. } = &mut copy else { panic!("a segment") };
        change(name);
        name.file = "copy".to_string();
        site.files.push(copy);
        check(&site, &[(Duplicate, 10, 19)]);
    }
}

#[test]
fn a_file_named_for_earlier_records_too_is_misnamed() {
    for first in [0, 5, 9] {
        let mut site = site();
        site.segment(2).0.range.first = first;
        check(&site, &[(Reordered, 20, 29)]);
    }
}

#[test]
fn a_line_of_either_key_taken_off_a_checkpoint_shows() {
    for (line, size) in [(4, 20), (5, 20), (5, 40)] {
        let mut site = site();
        let at = if size == 20 { 3 } else { 7 };
        let File::Checkpoint { note, .. } = &mut site.files[at] else { panic!("a checkpoint") };
        let lines = note.lines().enumerate().filter(|(n, _)| *n != line);
        *note = lines.map(|(_, line)| format!("{line}\n")).collect();
        check(&site, &[(Modified, size - 1, size - 1)]);
    }
}

#[test]
fn garbage_beyond_an_end_stands_for_nothing() {
    for (first, last) in [(40, 49), (35, 60), (90, 99)] {
        let mut site = site();
        let end = last + 1;
        site.files.push(segment(first, end, Hash([0xff; 32]), vec![b"garbage".to_vec()]));
        check(&site, &[(Inserted, first, last)]);
    }
}
