//! Life without faults, on the real file system of the machine.

use super::*;

fn open(folder: &Path) -> (Wal, Recovered) {
    Wal::open(&folder.join("wal"), LIMITS).unwrap()
}

#[test]
fn groups_come_back_in_order_and_across_rolls() {
    let folder = tempfile::tempdir().unwrap();
    let (mut wal, recovered) = open(folder.path());
    let empty = RollSummary { number: 0, bytes: 28, groups: 0 };
    assert_eq!(recovered, Recovered { rolls: vec![empty], torn_bytes: 0 });
    assert_eq!(wal.append(&group(0)).unwrap(), Position { roll: 0, offset: 28 });
    wal.append(&group(1)).unwrap();
    assert_eq!(wal.seal_roll().unwrap(), Some(0));
    assert_eq!(wal.seal_roll().unwrap(), None, "an empty roll goes on");
    assert_eq!(wal.append(&group(2)).unwrap(), Position { roll: 1, offset: 28 });
    assert_eq!(check_wal(&wal), [0, 1, 2]);
    let rolls: Vec<Vec<u64>> = [0, 1]
        .map(|roll| wal.reader().read_roll(roll).map(|group| number_of(&group.unwrap())).collect())
        .into();
    assert_eq!(rolls, [vec![0, 1], vec![2]]);
    drop(wal);
    let (wal, recovered) = open(folder.path());
    assert_eq!(check_wal(&wal), [0, 1, 2]);
    let groups: Vec<(u64, u64)> = recovered.rolls.iter().map(|r| (r.number, r.groups)).collect();
    assert_eq!((groups, recovered.torn_bytes), (vec![(0, 2), (1, 1)], 0));
    let bytes: u64 = recovered.rolls.iter().map(|roll| roll.bytes).sum();
    assert_eq!(wal.total_bytes(), bytes);
}

#[test]
fn a_log_says_whether_all_of_it_is_archived() {
    let folder = tempfile::tempdir().unwrap();
    let (mut wal, _) = open(folder.path());
    let first_left = |wal: &Wal| match wal.check_archived() {
        Ok(()) => None,
        Err(WalError::NotArchived { roll }) => Some(roll),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(first_left(&wal), None);
    wal.append(&group(0)).unwrap();
    assert_eq!(first_left(&wal), Some(0), "what is being written is not archived");
    wal.seal_roll().unwrap();
    assert_eq!(first_left(&wal), Some(0), "what is sealed is not archived either");
    wal.record(0, &[]).unwrap();
    assert_eq!(first_left(&wal), None);
    wal.append(&group(1)).unwrap();
    assert_eq!(first_left(&wal), Some(1));
}

#[test]
fn every_kind_of_entry_round_trips() {
    let folder = tempfile::tempdir().unwrap();
    let (mut wal, _) = open(folder.path());
    let kinds = [Kind::Batch, Kind::Unverified, Kind::Message];
    let kinds = [kinds, kinds].concat();
    let mut entries: Vec<Entry> = kinds.into_iter().map(|kind| entry(kind, b"payload")).collect();
    entries[3].origin.kind = LedgerKind::Telemetry;
    entries[4].payload.clear();
    entries[5].payload = vec![0xff; 100_000].into();
    let at = wal.append(&entries).unwrap();
    assert_eq!(wal.reader().read(at).unwrap().unwrap().entries, entries);
}

#[test]
fn a_reader_waits_at_the_end_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (mut wal, _) = open(folder.path());
    let reader = wal.reader();
    let start = reader.oldest();
    assert_eq!(reader.read(start).unwrap(), None);
    wal.append(&group(0)).unwrap();
    let first = reader.read(start).unwrap().unwrap();
    assert_eq!(reader.read(first.next).unwrap(), None);
    assert_eq!(reader.newest(), first.next);
    wal.seal_roll().unwrap();
    assert_eq!(reader.read(first.next).unwrap(), None);
    wal.append(&group(1)).unwrap();
    let second = reader.read(first.next).unwrap().unwrap();
    assert_eq!((number_of(&second), second.at), (1, Position { roll: 1, offset: 28 }));
}

#[test]
fn rolls_go_only_when_archived_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (mut wal, _) = open(folder.path());
    for number in 0..2 {
        wal.append(&group(number)).unwrap();
        wal.seal_roll().unwrap();
    }
    let shown = |result: Result<(), WalError>| result.unwrap_err().to_string();
    assert_eq!(shown(wal.remove_roll(0)), "roll 0 is not archived");
    assert_eq!(shown(wal.record(1, &[])), "roll 1 recorded before roll 0");
    assert_eq!(shown(wal.record(2, &[])), "roll 2 is not sealed");
    wal.record(0, &[name(1), name(2)]).unwrap();
    wal.record(0, &[name(1), name(2)]).unwrap();
    assert_eq!(shown(wal.record(0, &[name(1)])), "roll 0 is recorded with other names");
    assert_eq!(shown(wal.remove_roll(1)), "roll 1 cannot be removed before roll 0");
    wal.remove_roll(0).unwrap();
    assert_eq!(check_wal(&wal), [1]);
    let gone = wal.reader().read(Position { roll: 0, offset: 0 }).unwrap_err();
    assert_eq!(gone.to_string(), "roll 0 is not in the log any more");
    wal.record(1, &[]).unwrap();
    wal.remove_roll(1).unwrap();
    assert_eq!(shown(wal.remove_roll(2)), "roll 2 cannot be removed before roll 2");
    drop(wal);
    let (wal, recovered) = open(folder.path());
    assert_eq!(recovered.rolls, [RollSummary { number: 2, bytes: 28, groups: 0 }]);
    assert_eq!(wal.manifest().archived_through(), Some(1));
    assert_eq!(wal.manifest().names(0), Some(&[name(1), name(2)][..]));
    assert_eq!(wal.manifest().names(1), Some(&[][..]));
}

#[test]
fn the_manifest_forgets_all_but_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let (mut wal, _) = open(folder.path());
    for number in 0..3 {
        wal.append(&group(number)).unwrap();
        wal.seal_roll().unwrap();
        wal.record(number, &[name(number)]).unwrap();
        wal.remove_roll(number).unwrap();
    }
    wal.forget_before(2).unwrap();
    assert_eq!((wal.manifest().names(1), wal.manifest().archived_through()), (None, Some(2)));
    wal.forget_before(99).unwrap();
    wal.append(&group(3)).unwrap();
    wal.seal_roll().unwrap();
    wal.record(3, &[name(3)]).unwrap();
    drop(wal);
    let (wal, _) = open(folder.path());
    let known: Vec<u64> = (0..9).filter(|&roll| wal.manifest().names(roll).is_some()).collect();
    assert_eq!(known, [2, 3]);
}

#[test]
fn a_full_log_says_so_and_takes_more_once_a_roll_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { total_bytes_max: 1000 };
    let (mut wal, _) = Wal::open(folder.path(), limits).unwrap();
    let big = [entry(Kind::Batch, &[1; 600])];
    wal.append(&big).unwrap();
    let error = wal.append(&big).unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(error.to_string(), "write-ahead log is full: 1356 of 1000 bytes");
    wal.seal_roll().unwrap();
    wal.record(0, &[]).unwrap();
    wal.remove_roll(0).unwrap();
    assert_eq!(wal.append(&big).unwrap(), Position { roll: 1, offset: 28 });
}

#[test]
fn groups_have_entries_and_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    let (mut wal, _) = open(folder.path());
    assert_eq!(wal.append(&[]).unwrap_err().to_string(), "group has no entries");
    let error = wal.append(&[entry(Kind::Batch, &vec![0; 33 << 20])]).unwrap_err();
    assert!(matches!(error, WalError::TooLarge { got } if got > 33 << 20), "{error}");
    assert_eq!(check_wal(&wal), Vec::<u64>::new());
}

#[test]
fn one_process_has_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let (wal, _) = open(folder.path());
    let second = Wal::open(&folder.path().join("wal"), LIMITS).map(|_| ()).unwrap_err();
    assert!(matches!(second, WalError::Locked { .. }), "{second}");
    drop(wal);
    assert_eq!(check_wal(&open(folder.path()).0), Vec::<u64>::new());
}

#[test]
fn positions_are_groups_and_have_one_spelling() {
    let folder = tempfile::tempdir().unwrap();
    let (mut wal, _) = open(folder.path());
    wal.append(&group(0)).unwrap();
    for offset in [29, 60, 1 << 40] {
        let error = wal.reader().read(Position { roll: 0, offset }).unwrap_err();
        assert_eq!(error.to_string(), format!("no group begins at byte {offset} of roll 0"));
    }
    let position = Position { roll: 3, offset: 1024 };
    assert_eq!(position.to_string().parse(), Ok(position));
    for text in ["", "3", "3:", ":3", "03:4", "3:+4", "3:4:5"] {
        assert_eq!(text.parse::<Position>(), Err(NotAPosition), "{text}");
    }
}

#[test]
fn what_is_not_ours_is_named() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    std::fs::write(folder.path().join("wal/7.wal"), b"").unwrap();
    let error = Wal::open(&folder.path().join("wal"), LIMITS).map(|_| ()).unwrap_err();
    assert!(matches!(&error, WalError::Stray { path } if path.ends_with("7.wal")), "{error}");
}
