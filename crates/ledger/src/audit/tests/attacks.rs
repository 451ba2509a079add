//! What somebody with access to the storage can do to one ledger.

use super::FindingKind::{
    Duplicate, Forked, GapDeclared, Incomplete, Inserted, Missing, Modified, Reordered, Replayed,
    Truncated, UnanchoredTail, UncleanEnd, Withheld,
};
use alloc::collections::BTreeMap;

use super::*;
use crate::batch;

#[test]
fn an_untouched_ledger_verifies_under_its_insecure_root() {
    let site = site();
    let report = site.audit(&policy());
    assert_eq!(report.findings, vec![]);
    assert_eq!(exit_code(&report), 5);
    let [summary] = &report.ledgers[..] else { panic!("one ledger") };
    assert_eq!((summary.size, summary.verified, summary.anchored), (40, 40, 40));
    assert_eq!((summary.root, summary.closed), (site.root(40), true));
}

#[test]
fn a_removed_segment_is_missing_and_nothing_else_is_wrong() {
    let expected = [
        (Missing, 0, 9),
        (Missing, 10, 19),
        (Missing, 20, 29),
        // The anchor beyond the archive tells a removed end from a crash.
        (Truncated, 30, 39),
    ];
    for (number, expected) in expected.into_iter().enumerate() {
        let mut site = site();
        site.files.remove(number * 2);
        check(&site, &[expected]);
    }
}

#[test]
fn two_removed_segments_in_a_row_are_one_cause_and_apart_they_are_two() {
    let mut row = site();
    row.files.drain(2..6);
    check(&row, &[(Missing, 10, 29)]);
    let mut apart = site();
    apart.files.remove(4);
    apart.files.remove(0);
    check(&apart, &[(Missing, 0, 9), (Missing, 20, 29)]);
}

#[test]
fn a_removed_end_without_its_checkpoints_is_an_unclean_end_and_never_verified() {
    let mut site = site();
    site.files.truncate(6);
    assert_eq!(site.verdict(), (2, vec![(UncleanEnd, None)]));
}

#[test]
fn a_removed_batch_is_missing_in_its_file() {
    for (number, half, first, last) in
        [(0, 0, 0, 4), (0, 1, 5, 9), (1, 0, 10, 14), (1, 1, 15, 19), (3, 0, 30, 34), (3, 1, 35, 39)]
    {
        let mut site = site();
        site.segment(number).1.remove(half);
        let kind = Missing;
        check(&site, &[(kind, first, last)]);
    }
}

#[test]
fn a_single_missing_record_is_named_with_its_leaf() {
    let key = P256::of_rfc_6979();
    let mut ledger = ledger::<seal::Audit>();
    let mut site = Site { key, files: vec![], ends: vec![] };
    for n in 0..4 {
        match n {
            0 => ledger.append_control(&open::<seal::Audit>(None)).map(drop).unwrap(),
            3 => {
                let close = close(&ledger);
                ledger.append_control(&close).map(drop).unwrap();
            }
            _ => ledger.append_event(&event(n)).map(drop).unwrap(),
        }
        let first = ledger.size() - 1;
        let batch = seal(&mut ledger, &site.key).into_bytes();
        site.files.push(segment(first, ledger.size(), ledger.root(), vec![batch]));
    }
    site.files.push(site.checkpoint(4, ledger.root()));
    let File::Segment { batches, .. } = site.files.remove(1) else { panic!("a segment") };
    let epoch_key = epoch_key(&site.key);
    let leaf = batch::verify(&batches[0], &epoch_key).unwrap().records()[0].leaf;
    let report = site.audit(&policy());
    let expected = Finding {
        subject: Subject::Ledger(report.ledgers[0].id.clone()),
        range: SeqRange::before(1, 2),
        file: None,
        cause: Cause::RecordAbsent { leaf, confirmed: true },
        accepted: None,
    };
    assert_eq!(report.findings, vec![expected]);
}

#[test]
fn a_file_that_cannot_be_read_is_modified_over_what_it_may_have_held() {
    for number in 0..4 {
        for intact in 0..=2 {
            let mut site = site();
            let File::Segment { batches, torn, .. } = &mut site.files[number * 2] else {
                panic!("a segment")
            };
            batches.truncate(intact);
            *torn = Some("frame 1 has another digest".to_string());
            let first = number as u64 * 10;
            // Bytes after the last frame took nothing away: they were put there.
            if intact == 2 {
                check(&site, &[(Inserted, first, first + 9)]);
            } else {
                check(&site, &[(Modified, first + intact as u64 * 5, first + 9)]);
            }
        }
    }
}

#[test]
fn any_flipped_byte_of_a_batch_is_one_finding() {
    let length = site().segment(1).1[0].len();
    for at in 0..length {
        let mut site = site_once();
        site.segment(1).1[0][at] ^= 1;
        check(&site, &[(Modified, 10, 14)]);
    }
}

// The same site each time: making one costs eight signatures.
fn site_once() -> Site {
    use std::sync::OnceLock;
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    let files = FILES.get_or_init(|| site().files).clone();
    Site { key: P256::of_rfc_6979(), files, ends: vec![] }
}

#[test]
fn a_damaged_file_beside_a_removed_one_are_two_causes() {
    let mut site = site();
    let File::Segment { batches, torn, .. } = &mut site.files[0] else { panic!("a segment") };
    batches.clear();
    *torn = Some("not a segment".to_string());
    site.files.remove(2);
    check(&site, &[(Modified, 0, 9), (Missing, 10, 19)]);
}

#[test]
fn a_damaged_last_file_is_one_cause_though_the_end_is_in_it() {
    let mut site = site();
    site.segment(3).1[1].truncate(30);
    check(&site, &[(Modified, 35, 39)]);
}

#[test]
fn a_later_revision_of_the_same_records_is_benign() {
    let mut site = site();
    let mut again = site.files[2].clone();
    if let File::Segment { name, .. } = &mut again {
        name.revision = 1;
    }
    site.files.push(again);
    assert_eq!(site.verdict(), (5, vec![]));
    // Without the revision before it, something was removed.
    site.files.remove(2);
    check(&site, &[(Incomplete, 10, 19)]);
}

#[test]
fn an_overlap_that_is_cut_elsewhere_is_benign() {
    let mut site = site();
    let (first, second) = (site.segment(0).1[1].clone(), site.segment(1).1[0].clone());
    let overlap = segment(5, 15, site.root(15), vec![first, second]);
    site.files.push(overlap);
    assert_eq!(site.verdict(), (5, vec![]));
}

/// An overlap with records so far back that neither their leaves nor a root among them are
/// remembered is neither benign nor a fork: the auditor says that it could not tell.
#[test]
fn an_overlap_that_is_too_far_back_is_not_called_benign() {
    let key = P256::of_rfc_6979();
    let sealed = |ledger: &mut seal::Ledger<seal::Audit>, count: u32| {
        for n in 0..count {
            if ledger.size() == 0 {
                ledger.append_control(&open::<seal::Audit>(None)).unwrap();
            } else {
                ledger.append_event(&event(n)).unwrap();
            }
        }
        seal(ledger, &key).into_bytes()
    };
    let mut whole = ledger::<seal::Audit>();
    let batches: Vec<Vec<u8>> = (0..18).map(|_| sealed(&mut whole, 4_000)).collect();
    let mut again = ledger::<seal::Audit>();
    sealed(&mut again, 1);
    let copy = sealed(&mut again, 4);
    let (size, root) = (whole.size(), whole.root());
    let far = segment(1, 5, again.root(), vec![copy]);
    let mut site = Site { key, files: vec![segment(0, size, root, batches), far], ends: vec![] };
    site.files.push(site.checkpoint(size, root));
    let found = site.audit(&policy()).findings;
    let told = found.iter().map(|one| (one.cause.code(), one.range.map(|it| (it.first, it.last))));
    let expected = [("overlap-uncompared", Some((1, 4))), ("no-close", None)];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[test]
fn an_intact_revision_beside_a_damaged_one_leaves_nothing_missing() {
    let mut site = site();
    let mut again = site.files[2].clone();
    if let File::Segment { name, .. } = &mut again {
        name.revision = 1;
    }
    site.files.push(again);
    site.segment(1).1[0][100] ^= 1;
    // The records are all here; that somebody changed the first copy is still evidence of
    // tampering.
    check(&site, &[(Modified, 10, 14)]);
}

#[test]
fn a_renamed_segment_is_reordered_where_its_records_are() {
    for (first, last) in [(90, 99), (2, 5), (12, 21), (25, 34)] {
        let mut site = site();
        site.segment(1).0.range = SeqRange { first, last };
        check(&site, &[(Reordered, 10, 19)]);
    }
}

#[test]
fn a_name_that_claims_more_records_or_another_root_is_named() {
    let mut more = site();
    more.segment(1).0.range.last = 24;
    check(&more, &[(Reordered, 10, 19)]);
    let mut root = site();
    root.segment(1).0.root = Hash::ZERO;
    check(&root, &[(Modified, 10, 19)]);
    let mut day = site();
    day.segment(1).0.day = Some(DAY + 1);
    check(&day, &[(Reordered, 10, 19)]);
}

#[test]
fn a_copy_under_another_name_is_a_duplicate() {
    let mut site = site();
    let mut copy = site.files[2].clone();
    if let File::Segment { name, .. } = &mut copy {
        name.range = SeqRange { first: 90, last: 99 };
    }
    site.files.push(copy);
    check(&site, &[(Duplicate, 10, 19)]);
}

#[test]
fn swapped_batches_of_a_file_are_reordered() {
    let mut site = site();
    site.segment(1).1.swap(0, 1);
    check(&site, &[(Reordered, 10, 14)]);
}

#[test]
fn a_doubled_batch_of_a_file_is_benign() {
    let mut site = site();
    let batch = site.segment(1).1[0].clone();
    site.segment(1).1.insert(1, batch);
    assert_eq!(site.verdict(), (5, vec![]));
}

#[test]
fn bytes_that_nobody_sealed_are_inserted() {
    let mut within = site();
    within.segment(1).1.insert(1, b"garbage".to_vec());
    check(&within, &[(Inserted, 10, 19)]);
    let mut beside = site();
    beside.files.push(segment(10, 20, Hash([0xff; 32]), vec![b"garbage".to_vec()]));
    check(&beside, &[(Inserted, 10, 19)]);
    let mut before = site();
    before.files.push(segment(10, 20, Hash::ZERO, vec![b"garbage".to_vec()]));
    check(&before, &[(Inserted, 10, 19)]);
}

/// A second history under the same key: what a thief of the key, or a cloned machine, would write.
fn other_history(key: &P256, records: u32) -> (Vec<u8>, u64, Hash) {
    let mut ledger = ledger::<seal::Audit>();
    ledger.append_control(&open::<seal::Audit>(None)).unwrap();
    for n in 1..records {
        ledger.append_event(&event(n + 1_000)).unwrap();
    }
    let batch = seal(&mut ledger, key).into_bytes();
    (batch, ledger.size(), ledger.root())
}

#[test]
fn a_second_history_is_one_fork_with_a_proof() {
    let mut site = site();
    // Only the last checkpoint, so that statement stands against statement.
    [5, 3, 1].into_iter().for_each(|number| drop(site.files.remove(number)));
    let (batch, size, root) = other_history(&site.key, 10);
    site.files.push(segment(0, size, root, vec![batch]));
    let report = site.audit(&policy());
    assert_eq!(verdict(&report).0, 1);
    let [finding] = &report.findings[..] else { panic!("one finding: {:#?}", report.findings) };
    let last = finding.range.map(|range| range.last);
    assert_eq!((finding.kind(), last), (Forked, Some(9)));
    let proof = finding.cause.proof().unwrap();
    let content = crate::cose::ContentType::Statement;
    let key = site.key.public_key();
    let signed = [&proof.one, &proof.other].map(|statement| {
        let payload = crate::cose::verify(statement, key, content).unwrap();
        let statement = crate::statement::Statement::from_cbor(payload).unwrap();
        (statement.size(), statement.root)
    });
    assert_eq!(signed[0].0, signed[1].0);
    assert_ne!(signed[0].1, signed[1].1);
}

#[test]
fn a_second_history_without_a_common_size_is_a_fork_by_its_leaves() {
    let mut site = site();
    let (batch, size, root) = other_history(&site.key, 3);
    site.files.push(segment(0, size, root, vec![batch]));
    let policy = policy();
    let mut audit = Audit::new(&policy);
    let mut ledger = audit.ledger(LedgerKind::Audit, &keys(&site.key));
    epochs::feed(&mut ledger, &site.files);
    audit.add(ledger);
    let report = audit.finish();
    let causes: Vec<&Cause> = report.findings.iter().map(|found| &found.cause).collect();
    let [Cause::TwoLeaves { seq }] = causes[..] else { panic!("{causes:?}") };
    assert_eq!((exit_code(&report), *seq), (1, report.findings[0].range.unwrap().first));
}

#[test]
fn a_record_that_names_another_leaf_than_there_is_is_a_fork() {
    let key = P256::of_rfc_6979();
    let mut ledger = ledger::<seal::Audit>();
    ledger.append_control(&open::<seal::Audit>(None)).unwrap();
    let one = seal(&mut ledger, &key).into_bytes();
    let root = ledger.root();
    ledger.append_event(&event(1)).unwrap();
    let genuine = seal(&mut ledger, &key).into_bytes();
    let forged = batch::tests::naming_another_leaf(&genuine);
    let end = batch::claimed_statement(&forged).unwrap().root;
    let files = vec![segment(0, 1, root, vec![one]), segment(1, 2, end, vec![forged])];
    let report = Site { key, files, ends: vec![] }.audit(&policy());
    let causes: Vec<&Cause> = report.findings.iter().map(|found| &found.cause).collect();
    let [Cause::ChainBroken { named: Hash([0xab, ..]), .. }] = causes[..] else {
        panic!("{causes:?}")
    };
    assert_eq!(verdict(&report), (1, vec![(Forked, Some((1, 1)))]));
}

#[test]
fn a_second_history_that_replaces_a_segment_is_a_fork_where_they_part() {
    let mut site = site();
    let (batch, size, root) = other_history(&site.key, 10);
    site.files[0] = segment(0, size, root, vec![batch]);
    let (code, findings) = site.verdict();
    assert_eq!(code, 1);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].0, Forked);
}

#[test]
fn a_checkpoint_of_a_second_history_is_a_fork() {
    // One that the batches reach, one within a batch's range, one beyond the archive beside the
    // true one.
    for size in [20, 17, 40] {
        let mut site = site();
        site.files.push(site.checkpoint(size, Hash([3; 32])));
        check(&site, &[(Forked, size - 1, size - 1)]);
    }
}

#[test]
fn a_checkpoint_that_does_not_verify_or_fit_its_name_is_modified() {
    let mut flipped = site();
    let File::Checkpoint { note, .. } = &mut flipped.files[3] else { panic!("a checkpoint") };
    *note = note.replacen("20", "21", 1);
    check(&flipped, &[(Modified, 19, 19)]);
    let mut renamed = site();
    let File::Checkpoint { named, .. } = &mut renamed.files[3] else { panic!("a checkpoint") };
    named.0 = 21;
    check(&renamed, &[(Modified, 20, 20)]);
}

#[test]
fn without_a_checkpoint_of_the_end_the_tail_is_unanchored() {
    let mut site = site();
    site.files.remove(7);
    check(&site, &[(UnanchoredTail, 30, 39)]);
    for number in [5, 3, 1] {
        site.files.remove(number);
    }
    check(&site, &[(UnanchoredTail, 0, 39)]);
    // A range that the anchor covers is anchored.
    let mut covered = site_once();
    covered.files.remove(7);
    let range = SeqRange::before(5, 25);
    assert_eq!(verdict(&covered.audit(&Policy { range, ..policy() })), (5, vec![]));
}

#[test]
fn a_range_beyond_the_end_is_incomplete() {
    let range = SeqRange::before(30, 60);
    let report = site().audit(&Policy { range, ..policy() });
    assert_eq!(verdict(&report), (2, vec![(Incomplete, Some((40, 59)))]));
}

#[test]
fn findings_outside_the_range_are_left_out() {
    let mut site = site();
    site.files.remove(0);
    let range = SeqRange::before(10, 40);
    assert_eq!(verdict(&site.audit(&Policy { range, ..policy() })), (5, vec![]));
    let range = SeqRange::before(9, 40);
    let expected = (1, vec![(Missing, Some((0, 9)))]);
    assert_eq!(verdict(&site.audit(&Policy { range, ..policy() })), expected);
}

#[test]
fn a_batch_of_another_epoch_is_replayed() {
    let other = P256::fresh();
    let mut ledger: seal::Ledger<seal::Audit> =
        seal::Ledger::new(instance(), EpochId([2; 16]), crate::testing::seed(4));
    for n in 0..10 {
        ledger.append_event(&event(n)).unwrap();
    }
    let foreign = seal(&mut ledger, &other).into_bytes();
    let mut replaced = site();
    *replaced.segment(1).1 = vec![foreign.clone()];
    check(&replaced, &[(Replayed, 10, 19)]);
    let mut beside = site();
    beside.files.push(segment(10, 20, ledger.root(), vec![foreign]));
    check(&beside, &[(Replayed, 10, 19)]);
}

#[test]
fn a_batch_of_the_other_ledger_is_replayed() {
    let mut site = site();
    let mut ledger = ledger::<seal::Telemetry>();
    ledger.append_control(&open::<seal::Telemetry>(None)).unwrap();
    ledger.append(&mut logs(&[b"x".as_slice(); 7])).unwrap();
    *site.segment(0).1 = vec![seal(&mut ledger, &site.key).into_bytes()];
    check(&site, &[(Replayed, 0, 9)]);
}

#[test]
fn a_checkpoint_of_another_epoch_is_replayed() {
    let mut site = site();
    let id = LedgerId { instance: instance(), epoch: EpochId([2; 16]), kind: LedgerKind::Audit };
    let note = P256::fresh().checkpoint(PREFIX, &id, 20, Hash::ZERO);
    let name = "foreign.note".to_string();
    site.files.push(File::Checkpoint { name, named: (20, Hash::ZERO), note });
    check(&site, &[(Replayed, 19, 19)]);
}

/// Leaves out the records at `holes` of a batch, each with an authorisation signed by `signer`.
fn withhold(site: &mut Site, number: usize, half: usize, holes: &[usize], signer: &dyn Signer) {
    let key = epoch_key(&site.key);
    let bytes = site.segment(number).1[half].clone();
    let batch = batch::verify(&bytes, &key).unwrap();
    let less = batch.withhold(|index| {
        holes.contains(&index).then(|| {
            let word = Withholding {
                ledger: batch.statement().ledger.clone(),
                seq: batch.statement().first + index as u64,
                commitment: batch.records()[index].commitment,
                rule: "key form.*".to_string(),
                time_ms: TIME_MS,
            };
            word.sign(signer).unwrap()
        })
    });
    site.segment(number).1[half] = less;
}

#[test]
fn records_left_out_with_authority_are_counted_by_rule() {
    let mut site = site();
    withhold(&mut site, 0, 1, &[0, 3], &outer_layer());
    withhold(&mut site, 2, 0, &[1], &outer_layer());
    let report = site.audit(&policy());
    assert_eq!(verdict(&report), (5, vec![(Withheld, Some((5, 21)))]));
    assert_eq!(report.findings[0].to_string(), "3 left out by the rule `key form.*`");
    let counted = BTreeMap::from([("key form.*".to_string(), 3)]);
    assert_eq!(report.ledgers[0].withheld, counted);
}

#[test]
fn a_hole_without_authority_is_missing() {
    let stranger = Ed25519Key::from_seed(&[1; 32]).unwrap();
    let mut site = site();
    withhold(&mut site, 1, 0, &[1, 2, 3], &stranger);
    check(&site, &[(Missing, 11, 13)]);
}

#[test]
fn an_authority_for_another_record_is_none() {
    let mut site = site();
    let key = epoch_key(&site.key);
    let bytes = site.segment(1).1[0].clone();
    let batch = batch::verify(&bytes, &key).unwrap();
    let word = Withholding {
        ledger: batch.statement().ledger.clone(),
        seq: 11,
        commitment: batch.records()[1].commitment,
        rule: "key form.*".to_string(),
        time_ms: TIME_MS,
    };
    let word = word.sign(&outer_layer()).unwrap();
    let less = batch.withhold(|index| (index == 2).then(|| word.clone()));
    site.segment(1).1[0] = less;
    check(&site, &[(Missing, 12, 12)]);
}

/// A whole ledger in one batch, and what follows it in another.
fn single(tail: impl FnOnce(&mut seal::Ledger<seal::Audit>)) -> Site {
    let key = P256::of_rfc_6979();
    let mut ledger = ledger::<seal::Audit>();
    ledger.append_control(&open::<seal::Audit>(None)).unwrap();
    tail(&mut ledger);
    let batch = seal(&mut ledger, &key).into_bytes();
    let mut site = Site { key, files: vec![], ends: vec![] };
    site.files.push(segment(0, ledger.size(), ledger.root(), vec![batch]));
    site.files.push(site.checkpoint(ledger.size(), ledger.root()));
    site
}

#[test]
fn a_declared_gap_is_said_and_is_no_fault() {
    let site = single(|ledger| {
        ledger.append_control(&heartbeat()).unwrap();
        ledger.append_control(&gap(12)).unwrap();
        let close = close(ledger);
        ledger.append_control(&close).unwrap();
    });
    assert_eq!(site.verdict(), (5, vec![(GapDeclared, Some((2, 2)))]));
}

#[test]
fn a_ledger_without_an_end_is_unclean_until_somebody_explains_it() {
    let site = single(|ledger| assert_eq!(ledger.append_event(&event(1)), Ok(1)));
    assert_eq!(site.verdict(), (2, vec![(UncleanEnd, None)]));
    let end = AcceptedEnd {
        instance: instance(),
        epoch: epoch(),
        explanation: "host lost power".to_string(),
    };
    let explained = Policy { accepted_ends: vec![end], ..policy() };
    let report = site.audit(&explained);
    assert_eq!(exit_code(&report), 5);
    assert_eq!(report.findings[0].accepted, Some("host lost power".to_string()));
}

#[test]
fn records_after_the_end_are_inserted() {
    let site = single(|ledger| {
        let close = close(ledger);
        ledger.append_control(&close).unwrap();
        for n in 0..3 {
            ledger.append_event(&event(n)).unwrap();
        }
    });
    check(&site, &[(Inserted, 2, 4)]);
}

#[test]
fn an_end_that_names_another_root_is_a_fork() {
    let site = single(|ledger| {
        let close = close(&crate::testing::ledger::<seal::Audit>());
        let crate::control::Control::Close(mut close) = close else { panic!("a close") };
        close.size = ledger.size();
        ledger.append_control(&crate::control::Control::Close(close)).unwrap();
    });
    check(&site, &[(Forked, 1, 1)]);
}

#[test]
fn a_ledger_that_does_not_begin_with_its_opening_is_incomplete() {
    let key = P256::of_rfc_6979();
    let mut ledger = ledger::<seal::Audit>();
    ledger.append_event(&event(0)).unwrap();
    let end = close(&ledger);
    ledger.append_control(&end).unwrap();
    let batch = seal(&mut ledger, &key).into_bytes();
    let mut site = Site { key, files: vec![], ends: vec![] };
    site.files.push(segment(0, 2, ledger.root(), vec![batch]));
    site.files.push(site.checkpoint(2, ledger.root()));
    check(&site, &[(Incomplete, 0, 0)]);
}

#[test]
fn a_ledger_of_checkpoints_alone_is_truncated() {
    let mut site = site();
    site.files.retain(|file| matches!(file, File::Checkpoint { .. }));
    check(&site, &[(Truncated, 0, 39)]);
}
