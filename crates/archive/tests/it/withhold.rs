//! Records left out of sealed files: what stays, what goes, and every fault at every step.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;

use lucarne_archive::hold::Hold;
use lucarne_archive::name::{Date, SealName};
use lucarne_archive::segment::{SegmentReader, SegmentWriter};
use lucarne_archive::withhold::{Order, Outcome, WithholdError, told, withhold, withhold_locked};
use lucarne_archive::{Archive, ArchiveError, Directory, Name, Put};
use lucarne_ledger::batch::{self, Content, EpochKey};
use lucarne_ledger::control::{Control, Open};
use lucarne_ledger::identity::{EpochId, LedgerId, LedgerKind};
use lucarne_ledger::key::{Ed25519Key, Signer as _};
use lucarne_ledger::payload::AuditEvent;
use lucarne_ledger::salt::Seed;
use lucarne_ledger::seal::{Audit, Ledger};
use lucarne_ledger::statement::Withholding;
use lucarne_testkit::{Fault, Loss, SimDisk};

pub(super) const TIME_MS: u64 = 1_779_703_200_000;
pub(super) const SECRET: &[u8] = b"4711-planted";
const RULE: &str = "order of the data protection officer: request 17";

pub(super) struct Place {
    pub(super) disk: SimDisk,
    pub(super) signer: Ed25519Key,
    pub(super) epoch: EpochKey,
    pub(super) seal: SealName,
}

/// An archive with one file: `open`, and four events of which the third tells a secret.
pub(super) fn place() -> Place {
    let signer = Ed25519Key::from_seed(&[3; 32]).unwrap();
    let (instance, epoch) = ("a".parse().unwrap(), EpochId([1; 16]));
    let id = LedgerId { instance, epoch, kind: LedgerKind::Audit };
    let mut ledger = Ledger::<Audit>::new(id.instance.clone(), epoch, Seed::new([1; 32]));
    let open = Open {
        time_ms: TIME_MS,
        instance: id.instance.to_string(),
        epoch: epoch.to_string(),
        ledger: "audit".to_owned(),
        tee: "test".to_owned(),
        measurement: String::new(),
        binding: String::new(),
        evidence_sha256: String::new(),
        previous: None,
    };
    ledger.append_control(&Control::Open(open)).unwrap();
    for n in 1..5 {
        let what = if n == 3 { "4711-planted" } else { "quiet" };
        let fields = format!("\"event_type\":\"node.started\",\"what\":\"{what}\"");
        ledger.append_event(&AuditEvent::assertion_by_contract(fields.into_bytes())).unwrap();
    }
    let sealed = ledger.seal(&signer, TIME_MS, Seed::new([2; 32])).unwrap().unwrap();
    let mut writer = SegmentWriter::new().unwrap();
    writer.push(sealed.bytes()).unwrap();
    let seal = SealName {
        date: Date::of_unix_ms(TIME_MS),
        ledger: id.clone(),
        first: 0,
        last: 4,
        root: ledger.root(),
        revision: 0,
    };
    let key = EpochKey { instance: id.instance, epoch, key: signer.public_key().clone() };
    let place = Place { disk: SimDisk::new(Path::new("/a")), signer, epoch: key, seal };
    let put = place.archive().put(&Name::Seal(place.seal.clone()), &writer.finish());
    assert_eq!(put.unwrap(), Put::Created);
    place
}

impl Place {
    pub(super) fn archive(&self) -> Directory {
        self.try_archive().unwrap()
    }

    fn try_archive(&self) -> Result<Directory, ArchiveError> {
        Directory::open_on(Arc::new(self.disk.clone()), Path::new("/a/b"))
    }

    fn revisions(&self, archive: &Directory) -> Vec<SealName> {
        let names = archive.list("").unwrap().map(|name| match name.unwrap() {
            Name::Seal(seal) => seal,
            other => panic!("{other}"),
        });
        names.collect()
    }

    pub(super) fn run(
        &self,
        archive: &Directory,
        records: &[u64],
    ) -> Result<Option<Outcome>, WithholdError> {
        let records: BTreeSet<u64> = records.iter().copied().collect();
        let order = Order {
            records: &records,
            rule: RULE,
            time_ms: TIME_MS,
            signer: &self.signer,
            epoch: &self.epoch,
        };
        withhold(archive, &archive.holds(), &self.revisions(archive), &order)
    }

    /// The content of every file: what a reader of the archive can find in it.
    fn tells(&self, archive: &Directory) -> Vec<(u32, bool)> {
        let one = |seal: SealName| {
            let revision = seal.revision;
            let file = archive.open(&Name::Seal(seal)).unwrap();
            let mut reader = SegmentReader::open(file).unwrap();
            let frame = reader.next_frame().unwrap().unwrap();
            let batch = batch::verify(frame.content, &self.epoch).unwrap();
            assert_eq!(batch.statement().root, self.seal.root);
            (revision, frame.content.windows(SECRET.len()).any(|window| window == SECRET))
        };
        self.revisions(archive).into_iter().map(one).collect()
    }
}

#[test]
fn a_withheld_record_is_nowhere_and_the_batch_still_verifies() {
    let place = place();
    let archive = place.archive();
    assert_eq!(place.tells(&archive), [(0, true)]);
    let kept = SealName { revision: 1, ..place.seal.clone() };
    let (removed, locked) = (vec![place.seal.clone()], vec![]);
    let outcome = Outcome { kept: kept.clone(), withheld: 1, removed, locked };
    assert_eq!(place.run(&archive, &[3, 900]).unwrap(), Some(outcome));
    assert_eq!(place.tells(&archive), [(1, false)]);
    // The neighbours are told as before, and the hole has the word of the order.
    let mut bytes = Vec::new();
    archive.open(&Name::Seal(kept)).unwrap().read_to_end(&mut bytes).unwrap();
    let mut reader = SegmentReader::open(&bytes[..]).unwrap();
    let frame = reader.next_frame().unwrap().unwrap();
    let batch = batch::verify(frame.content, &place.epoch).unwrap();
    for (seq, record) in (0..).zip(batch.records()) {
        let Content::Withheld { authorisation } = record.content else { continue };
        let word = Withholding::verify(authorisation, place.signer.public_key()).unwrap();
        assert_eq!((seq, word.seq, word.rule.as_str()), (3, 3, RULE));
        assert_eq!((word.commitment, word.time_ms), (record.commitment, TIME_MS));
    }
    assert_eq!(
        batch.records().iter().filter(|r| matches!(r.content, Content::Withheld { .. })).count(),
        1
    );
    assert_eq!(place.run(&archive, &[3]).unwrap(), None, "a second time there is nothing to do");
}

/// What a bucket has locked stays, and everybody is told so; another order begins where it ended.
#[test]
fn where_nothing_can_be_removed_the_last_revision_leaves_the_record_out() {
    let place = place();
    let archive = place.archive();
    let run = |records: &[u64]| {
        let records: BTreeSet<u64> = records.iter().copied().collect();
        let (time_ms, signer) = (TIME_MS, &place.signer);
        let order = Order { records: &records, rule: RULE, time_ms, signer, epoch: &place.epoch };
        withhold_locked(&archive, &archive.holds(), &place.revisions(&archive), &order)
    };
    let revision = |revision| SealName { revision, ..place.seal.clone() };
    let locked = vec![revision(0)];
    let done = Outcome { kept: revision(1), withheld: 1, removed: vec![], locked };
    assert_eq!(run(&[3]).unwrap(), Some(done));
    assert_eq!(place.tells(&archive), [(0, true), (1, false)]);
    assert_eq!(run(&[3]).unwrap(), None, "a second time there is nothing to do");
    let locked = vec![revision(0), revision(1)];
    let more = Outcome { kept: revision(2), withheld: 2, removed: vec![], locked };
    assert_eq!(run(&[2, 3]).unwrap(), Some(more));
}

#[test]
fn a_hold_a_control_record_and_a_short_file_stop_it_and_nothing_changes() {
    let place = place();
    let archive = place.archive();
    let hold = Hold {
        authority: "court".to_owned(),
        reason: "3 O 12/26".to_owned(),
        set_ms: 1,
        instance: Some("a".to_owned()),
        from: None,
        to: None,
    };
    archive.holds().set(&"case-1".parse().unwrap(), &hold).unwrap();
    let held = place.run(&archive, &[3]).unwrap_err();
    assert_eq!(held.to_string(), "hold case-1 covers it: 3 O 12/26");
    assert_eq!(place.tells(&archive), [(0, true)]);
    let lift = lucarne_archive::hold::Lift {
        authority: "court".to_owned(),
        reason: "over".to_owned(),
        lifted_ms: 2,
    };
    archive.holds().lift(&"case-1".parse().unwrap(), &lift).unwrap();
    let control = place.run(&archive, &[0]).unwrap_err();
    assert_eq!(control.to_string(), "record 0 is a control record");
    let other = SealName { last: 5, ..place.seal.clone() };
    let mut bytes = Vec::new();
    archive.open(&Name::Seal(place.seal.clone())).unwrap().read_to_end(&mut bytes).unwrap();
    archive.put(&Name::Seal(other.clone()), &bytes).unwrap();
    let order_on = |name: &SealName| {
        let records = BTreeSet::from([3]);
        let order = Order {
            records: &records,
            rule: RULE,
            time_ms: TIME_MS,
            signer: &place.signer,
            epoch: &place.epoch,
        };
        told(&archive, name, &order).map_err(|error| error.to_string())
    };
    assert_eq!(order_on(&place.seal), Ok(1));
    assert_eq!(order_on(&other), Err(format!("{other} does not hold what its name says")));
}

#[test]
fn every_fault_leaves_the_record_somewhere_until_its_order_is_done_and_then_nowhere() {
    let faults = [
        Fault::NotDone(ErrorKind::Other),
        Fault::DoneButError(ErrorKind::Other),
        Fault::Torn(ErrorKind::Other),
        Fault::Killed,
    ];
    for fault in faults {
        for step in 0.. {
            let place = place();
            let archive = place.archive();
            place.disk.plan(step, fault);
            let outcome = place.run(&archive, &[3]);
            if !place.disk.take_plan() {
                assert_eq!(place.tells(&archive), [(1, false)]);
                break;
            }
            drop(archive);
            place.disk.crash(Loss::Power(step));
            let archive = place.archive();
            let tells = place.tells(&archive);
            assert!(!tells.is_empty(), "{fault:?} at {step}: the records are gone");
            if outcome.is_ok() {
                assert!(tells.iter().all(|(_, told)| !told), "{fault:?} at {step}: {tells:?}");
            }
            // The same order again ends it, whatever was left.
            place.run(&archive, &[3]).unwrap();
            let tells = place.tells(&archive);
            assert!(
                !tells.is_empty() && tells.iter().all(|(_, told)| !told),
                "{fault:?} at {step}"
            );
        }
    }
}
