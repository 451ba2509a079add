//! What rot and missing files look like, and how an unfinished group is told from them.

use std::fs;

use super::*;

/// A log with two sealed rolls and a current one, two groups each.
fn three_rolls(folder: &Path) -> Vec<PathBuf> {
    let (mut wal, _) = Wal::open(folder, LIMITS).unwrap();
    for number in 0..6 {
        wal.append(&group(number)).unwrap();
        if number % 2 == 1 && number < 5 {
            wal.seal_roll().unwrap();
        }
    }
    (0..3).map(|roll| roll_path(folder, roll)).collect()
}

fn open(folder: &Path) -> Result<(Vec<u64>, u64), String> {
    let (wal, recovered) = Wal::open(folder, LIMITS).map_err(|error| error.to_string())?;
    Ok((check_wal(&wal), recovered.torn_bytes))
}

#[test]
fn every_flipped_byte_of_a_sealed_roll_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let rolls = three_rolls(folder.path());
    let whole = fs::read(&rolls[0]).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&rolls[0], &bytes).unwrap();
        let second = (whole.len() - HEADER_BYTES) / 2 + HEADER_BYTES;
        let begins = if at < HEADER_BYTES {
            0
        } else if at < second {
            HEADER_BYTES
        } else {
            second
        };
        let expected =
            format!("write-ahead log is damaged: {} at byte {begins}", rolls[0].display());
        assert_eq!(open(folder.path()), Err(expected), "byte {at}");
    }
}

#[test]
fn in_the_last_roll_only_the_last_group_may_be_unfinished() {
    let folder = tempfile::tempdir().unwrap();
    let rolls = three_rolls(folder.path());
    let whole = fs::read(&rolls[2]).unwrap();
    let second = (whole.len() - HEADER_BYTES) / 2 + HEADER_BYTES;
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&rolls[2], &bytes).unwrap();
        let found = open(folder.path());
        if at < second {
            let begins = if at < HEADER_BYTES { 0 } else { HEADER_BYTES };
            let damaged =
                format!("write-ahead log is damaged: {} at byte {begins}", rolls[2].display());
            assert_eq!(found, Err(damaged), "byte {at}");
        } else {
            assert_eq!(found, Ok((vec![0, 1, 2, 3, 4], (whole.len() - second) as u64)), "{at}");
        }
    }
}

#[test]
fn every_cut_of_the_last_roll_leaves_whole_groups() {
    let folder = tempfile::tempdir().unwrap();
    let rolls = three_rolls(folder.path());
    let whole = fs::read(&rolls[2]).unwrap();
    let second = (whole.len() - HEADER_BYTES) / 2 + HEADER_BYTES;
    for length in 0..=whole.len() {
        fs::write(&rolls[2], &whole[..length]).unwrap();
        let groups = 4 + u64::from(length >= second) + u64::from(length == whole.len());
        let (found, torn) = open(folder.path()).unwrap();
        assert_eq!(found, (0..groups).collect::<Vec<u64>>(), "cut at {length}");
        let (again, none) = open(folder.path()).unwrap();
        assert_eq!((again, none), (found, 0), "after {torn} torn bytes were cut off");
    }
}

#[test]
fn a_payload_that_looks_like_groups_hides_nothing_and_keeps_nothing_shut() {
    // The frames of another log, and those of the log before this format, many times.
    let other = tempfile::tempdir().unwrap();
    let theirs = fs::read(&three_rolls(other.path())[2]).unwrap();
    let frames = &theirs[HEADER_BYTES..];
    let payload = [frames.repeat(20), b"LWG2\0\0\0\0".repeat(2000)].concat();
    let folder = tempfile::tempdir().unwrap();
    let (mut wal, _) = Wal::open(folder.path(), LIMITS).unwrap();
    wal.append(&group(0)).unwrap();
    let before = wal.current.end();
    wal.append(&[entry(Kind::Batch, &payload)]).unwrap();
    let roll = roll_path(folder.path(), 0);
    drop(wal);
    let whole = fs::read(&roll).unwrap();
    // Behind all that the payload holds, and before.
    for length in [whole.len() - 1, whole.len() - 5000, usize::try_from(before).unwrap() + 90] {
        fs::write(&roll, &whole[..length]).unwrap();
        assert_eq!(open(folder.path()), Ok((vec![0], length as u64 - before)));
    }
}

#[test]
fn a_log_of_another_format_is_called_so_and_rot_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let rolls = three_rolls(folder.path());
    let (mut wal, _) = Wal::open(folder.path(), LIMITS).unwrap();
    wal.record(0, &[name(0)]).unwrap();
    drop(wal);
    let manifest = folder.path().join("manifest");
    for (file, magic) in [(&rolls[0], "LUCWAL02"), (&rolls[2], "LUCWAL02"), (&manifest, "LUCMAN02")]
    {
        let ours = fs::read(file).unwrap();
        // As it was: no mark and no checksum in the header.
        let theirs = [magic.as_bytes(), &ours[8..16], b"LWG2 and so on"].concat();
        fs::write(file, &theirs).unwrap();
        let path = file.display();
        let expected =
            format!("{path} is of another format: only the build that wrote it can read it");
        assert_eq!(open(folder.path()), Err(expected));
        let mut rotten = ours.clone();
        rotten[7] = b'2';
        fs::write(file, &rotten).unwrap();
        assert_eq!(
            open(folder.path()),
            Err(format!("write-ahead log is damaged: {path} at byte 0"))
        );
        fs::write(file, &ours).unwrap();
    }
    assert_eq!(open(folder.path()), Ok((vec![0, 1, 2, 3, 4, 5], 0)), "nothing was changed");
}

#[test]
fn a_missing_roll_is_missed_unless_it_is_archived() {
    for missing in 0..3_u64 {
        let folder = tempfile::tempdir().unwrap();
        let rolls = three_rolls(folder.path());
        fs::remove_file(&rolls[usize::try_from(missing).unwrap()]).unwrap();
        let found = open(folder.path());
        if missing == 2 {
            // The log cannot know of a last roll that nothing mentions; the enclave still has its
            // batches.
            assert_eq!(found, Ok((vec![0, 1, 2, 3], 0)));
        } else {
            let expected = format!("roll {missing} is neither there nor archived");
            assert_eq!(found, Err(expected));
        }
    }
}

#[test]
fn a_log_whose_rolls_are_all_gone_does_not_begin_again() {
    let folder = tempfile::tempdir().unwrap();
    let rolls = three_rolls(folder.path());
    let (mut wal, _) = Wal::open(folder.path(), LIMITS).unwrap();
    wal.record(0, &[name(0)]).unwrap();
    drop(wal);
    for roll in rolls {
        fs::remove_file(roll).unwrap();
    }
    assert_eq!(open(folder.path()), Err("roll 1 is neither there nor archived".to_owned()));
}

#[test]
fn a_damaged_manifest_is_not_read_over() {
    let folder = tempfile::tempdir().unwrap();
    three_rolls(folder.path());
    let (mut wal, _) = Wal::open(folder.path(), LIMITS).unwrap();
    wal.record(0, &[name(0)]).unwrap();
    wal.record(1, &[name(1)]).unwrap();
    drop(wal);
    let path = folder.path().join("manifest");
    let mut bytes = fs::read(&path).unwrap();
    bytes[70] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let expected = format!("write-ahead log is damaged: {} at byte 28", path.display());
    assert_eq!(open(folder.path()), Err(expected));
}

#[test]
fn an_oversized_file_is_not_read_into_memory() {
    let folder = tempfile::tempdir().unwrap();
    let rolls = three_rolls(folder.path());
    let file = fs::OpenOptions::new().write(true).open(&rolls[2]).unwrap();
    file.set_len(1 << 30).unwrap();
    let expected =
        format!("write-ahead log is damaged: {} at byte {}", rolls[2].display(), 128 << 20);
    assert_eq!(open(folder.path()), Err(expected));
}
