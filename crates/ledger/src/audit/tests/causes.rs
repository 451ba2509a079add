//! Causes by their codes, where another test compares kinds only: what is encrypted, what a later
//! revision leaves out, and the bounds of an audit itself.

use super::*;
use crate::batch;
use crate::batch::encrypted::{encryption, take_apart};
use crate::encryption::{Erasure, KeyId};
use crate::key::Signer;

const KEY: KeyId = KeyId([5; 16]);

/// Each finding's code and range.
fn causes(report: &Report) -> Vec<(&'static str, Option<(u64, u64)>)> {
    let code = |f: &Finding| (f.cause.code(), f.range.map(|range| (range.first, range.last)));
    report.findings.iter().map(code).collect()
}

/// A batch with its payloads in the place of which `content` stands, by the word of `signer`.
fn encrypted(batch: &[u8], content: &[u8], signer: &dyn Signer) -> Vec<u8> {
    let apart = take_apart(batch).unwrap().unwrap();
    let word = encryption(apart.statement(), KEY, content).sign(signer).unwrap();
    apart.with(KEY, content, &word)
}

/// The site with the second file encrypted: records 10 to 19, all of them events.
fn encrypted_site(signer: &dyn Signer) -> Site {
    let mut site = site();
    for half in 0..2 {
        let bytes = encrypted(&site.segment(1).1[half], b"nobody can read this", signer);
        site.segment(1).1[half] = bytes;
    }
    site
}

/// The verdict with these orders, and with the site's keys given but for those excused.
fn judged(site: &Site, orders: &[Erasure], given: Option<&[KeyId]>) -> Report {
    let policy = policy();
    let mut audit = Audit::new(&policy);
    let mut ledger = audit.ledger(LedgerKind::Audit, &keys(&site.key));
    ledger.erasures(orders);
    if let Some(excused) = given {
        ledger.data_keys_given(excused);
    }
    epochs::feed(&mut ledger, &site.files);
    audit.add(ledger);
    audit.finish()
}

fn order(key: KeyId, kind: LedgerKind) -> Erasure {
    let (instance, day) = (instance(), "2026/05/25".to_string());
    Erasure { instance, kind, day, key, rule: "order of a court".to_string(), time_ms: TIME_MS }
}

#[test]
fn encrypted_payloads_are_unread_erased_by_order_or_lost_with_their_key() {
    let site = encrypted_site(&outer_layer());
    let nothing = judged(&site, &[], None);
    assert_eq!((causes(&nothing), nothing.ledgers[0].encrypted), (vec![], 10));
    assert_eq!(exit_code(&nothing), 5);
    let erased = judged(&site, &[order(KEY, LedgerKind::Audit)], Some(&[]));
    assert_eq!(causes(&erased), [("erased", Some((10, 19)))]);
    assert_eq!((exit_code(&erased), erased.ledgers[0].encrypted), (5, 0));
    // Whoever brings the keys is told of one that is gone without a word.
    let absent = vec![("data-key-absent", Some((10, 19)))];
    let lost = judged(&site, &[], Some(&[]));
    assert_eq!((exit_code(&lost), causes(&lost)), (2, absent.clone()));
    for other in [order(KeyId([6; 16]), LedgerKind::Audit), order(KEY, LedgerKind::Telemetry)] {
        assert_eq!(causes(&judged(&site, &[other], Some(&[]))), absent);
    }
    // Of a key whose order is refused there is a finding already.
    assert_eq!(causes(&judged(&site, &[], Some(&[KEY]))), []);
    assert_eq!(causes(&judged(&site, &[], Some(&[KeyId([6; 16])]))), absent);
}

#[test]
fn payloads_encrypted_without_authority_are_missing() {
    let stranger = Ed25519Key::from_seed(&[1; 32]).unwrap();
    let site = encrypted_site(&stranger);
    let found = vec![("encryption-unauthorised", Some((10, 19)))];
    for report in [judged(&site, &[], None), judged(&site, &[], Some(&[]))] {
        assert_eq!((exit_code(&report), causes(&report)), (1, found.clone()));
    }
    let ordered = judged(&site, &[order(KEY, LedgerKind::Audit)], None);
    assert_eq!(causes(&ordered), found, "an order makes nothing of a stranger's bytes");
}

/// What is locked stays beside the revision that leaves a record out: the hole counts, once.
#[test]
fn what_a_later_revision_leaves_out_is_withheld_though_the_earlier_one_is_there() {
    let mut site = site();
    let (name, batches) = site.segment(1);
    let (mut later, mut less) = (name.clone(), batches.clone());
    let key = epoch_key(&site.key);
    let word = |seq: u64, batch: &batch::VerifiedBatch<'_>, signer: &Ed25519Key| {
        let index = usize::try_from(seq - batch.statement().first).unwrap();
        let word = Withholding {
            ledger: batch.statement().ledger.clone(),
            seq,
            commitment: batch.records()[index].commitment,
            rule: "order".to_string(),
            time_ms: TIME_MS,
        };
        word.sign(signer).unwrap()
    };
    let without = |bytes: &[u8], signer: &Ed25519Key| {
        let batch = batch::verify(bytes, &key).unwrap();
        batch.withhold(|index| (index == 2).then(|| word(12, &batch, signer)))
    };
    let stranger = Ed25519Key::from_seed(&[1; 32]).unwrap();
    let whole = less[0].clone();
    later.revision = 1;
    later.file = later.file.replace(".r0.", ".r1.");
    less[0] = without(&whole, &outer_layer());
    let revision = |revision: u32, batches: &[Vec<u8>]| File::Segment {
        name: SegmentName { revision, ..later.clone() },
        batches: batches.to_vec(),
        torn: None,
    };
    site.files.push(revision(1, &less));
    let once = vec![("withheld", Some((12, 12)))];
    let report = site.audit(&policy());
    assert_eq!((exit_code(&report), causes(&report)), (5, once.clone()));
    assert_eq!(report.ledgers[0].withheld, [("order".to_string(), 1)].into());
    site.files.push(revision(2, &less));
    let report = site.audit(&policy());
    assert_eq!(causes(&report), once);
    assert_eq!(report.ledgers[0].withheld, [("order".to_string(), 1)].into(), "counted once");
    // Without authority it is no loss: the record is there.
    less[0] = without(&whole, &stranger);
    site.files.truncate(site.files.len() - 2);
    site.files.push(revision(1, &less));
    assert_eq!(causes(&site.audit(&policy())), []);
}

/// What is left of one tenant is erased: the order names its key, and its neighbours stay.
#[test]
fn an_order_for_one_key_of_a_batch_erases_the_records_of_that_key_alone() {
    use crate::batch::encrypted::shares::Divided;

    const KEYS: [KeyId; 3] = [KeyId([5; 16]), KeyId([6; 16]), KeyId([7; 16])];
    let shared = |batch: &[u8], signer: &dyn Signer| {
        let apart = take_apart(batch).unwrap().unwrap();
        let divided: Result<Divided<'_, '_>, batch::BatchError> =
            apart.divide(|index| Ok(KEYS[index % 3]));
        let divided = divided.unwrap();
        let contents = vec![b"nobody can read this".to_vec(); 3];
        let word = divided.encryption(&contents).sign(signer).unwrap();
        divided.with(&contents, &word)
    };
    let shared_site = |signer: &dyn Signer| {
        let mut site = site();
        for half in 0..2 {
            let bytes = shared(&site.segment(1).1[half], signer);
            site.segment(1).1[half] = bytes;
        }
        site
    };
    let site = shared_site(&outer_layer());
    let nothing = judged(&site, &[], None);
    assert_eq!((causes(&nothing), nothing.ledgers[0].encrypted), (vec![], 10));
    let order = order(KEYS[1], LedgerKind::Audit);
    let erased = judged(&site, std::slice::from_ref(&order), None);
    // The second of each three records of each half: 11, 14, 16, 19.
    assert_eq!(causes(&erased), [("erased", Some((11, 19)))]);
    let counted = &erased.ledgers[0];
    assert_eq!((counted.erased.clone(), counted.encrypted), ([(order.rule.clone(), 4)].into(), 6));
    let given = judged(&site, std::slice::from_ref(&order), Some(&[]));
    let absent = ("data-key-absent", Some((10, 18)));
    assert_eq!(
        causes(&given),
        [("erased", Some((11, 19))), absent, ("data-key-absent", Some((12, 17)))]
    );
    // Nobody but the gateway says whose a record is.
    let strange = shared_site(&Ed25519Key::from_seed(&[1; 32]).unwrap());
    let found = judged(&strange, &[order], None);
    assert_eq!(causes(&found), [("encryption-unauthorised", Some((10, 19)))]);
}

#[test]
fn an_order_that_was_forged_is_evidence_of_tampering() {
    let policy = policy();
    let mut audit = Audit::new(&policy);
    let detail = "no withholding key of the policy signed it".to_string();
    audit.note(subject_finding(Subject::Archive, None, Cause::ErasureRefused { detail }));
    let report = audit.finish();
    let found = report.findings.iter().find(|found| found.cause.code() == "erasure-refused");
    let found = found.unwrap();
    assert_eq!((found.kind(), exit_code(&report)), (FindingKind::Modified, 1));
}

#[test]
fn a_report_and_an_auditors_mind_have_bounds_that_are_said() {
    let policy = policy();
    let mut audit = Audit::new(&policy);
    let found = subject_finding(Subject::Archive, None, Cause::NameMalformed);
    (0..=FINDINGS_MAX + 5).for_each(|_| audit.note(found.clone()));
    let report = audit.finish();
    assert_eq!(report.findings.len(), FINDINGS_MAX + 1);
    assert_eq!(report.findings.last().unwrap().cause, Cause::TooMany);
}

fn changed(range: Option<SeqRange>) -> Finding {
    let cause = Cause::JsonRefused { detail: "forged".to_string() };
    subject_finding(Subject::Archive, range, cause)
}

#[test]
fn what_is_harmless_takes_no_room_of_evidence() {
    let policy = policy();
    let mut audit = Audit::new(&policy);
    let lost = || Cause::GapDeclared { count: 1, reason: "full".to_string() };
    for cause in [lost as fn() -> Cause, || Cause::NameMalformed] {
        let found = subject_finding(Subject::Archive, None, cause());
        (0..=FINDINGS_MAX).for_each(|_| audit.note(found.clone()));
    }
    audit.note(changed(None));
    let report = audit.finish();
    assert_eq!(exit_code(&report), 1);
    assert_eq!(report.findings.len(), 2 * FINDINGS_MAX + 2);
    let full = report.findings.iter().filter(|found| found.cause == Cause::TooMany);
    assert_eq!(full.count(), 1);
}

#[test]
fn what_nobody_asked_for_takes_no_room_of_what_was_asked_for() {
    let range = SeqRange { first: 7, last: 7 };
    let policy = Policy { range: Some(range), ..policy() };
    let mut audit = Audit::new(&policy);
    let outside = SeqRange { first: 8, last: 8 };
    (0..=FINDINGS_MAX).for_each(|_| audit.note(changed(Some(outside))));
    audit.note(changed(Some(range)));
    let report = audit.finish();
    assert_eq!(report.findings, [changed(Some(range))], "and all of that was listed");
}

#[test]
fn what_turns_out_otherwise_gives_its_room_back() {
    let mut findings = Findings::new(None);
    for _ in 0..3 * FINDINGS_MAX {
        findings.push(changed(None));
        findings.replace(0, None);
        findings.push(changed(None));
        findings.retain(|_| false);
    }
    assert_eq!(findings.into_vec(), []);
}

#[test]
fn causes_of_one_kind_are_told_apart() {
    type Case = (fn(&mut Site), &'static str, (u64, u64));
    let table: [Case; 7] = [
        (|site| drop(site.segment(1).1.pop()), "batches-absent", (15, 19)),
        (|site| site.segment(1).1[0].truncate(40), "batch-refused", (10, 14)),
        (|site| drop(site.files.remove(2)), "files-absent", (10, 19)),
        (|site| site.segment(1).0.range.last = 25, "misnamed", (10, 19)),
        (|site| site.segment(1).0.root = Hash([9; 32]), "name-differs", (10, 19)),
        (|site| site.segment(1).0.day = Some(1), "wrong-day", (10, 19)),
        (|site| site.segment(1).0.revision = 2, "revision-absent", (10, 19)),
    ];
    for (attack, code, range) in table {
        let mut site = site();
        attack(&mut site);
        assert_eq!(causes(&site.audit(&policy())), [(code, Some(range))]);
    }
}
