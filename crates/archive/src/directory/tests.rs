//! The archive on the real file system of the machine.

use std::io::Read as _;

use super::*;

const EPOCH: &str = "000102030405060708090a0b0c0d0e0f";
const ROOT: &str = "7f3c000000000000000000000000000000000000000000000000000000000001";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn seal(day: u8, instance: &str, revision: u32) -> Name {
    name(&format!(
        "2025/11/{day:02}/{instance}/{EPOCH}/audit/{:020}-{:020}-{ROOT}.r{revision}.seal",
        0, 7
    ))
}

fn read(archive: &Directory, name: &Name) -> Vec<u8> {
    let mut bytes = Vec::new();
    archive.open(name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn listed(archive: &Directory, prefix: &str) -> Vec<Result<String, String>> {
    let text = |item: Result<Name, ArchiveError>| match item {
        Ok(name) => Ok(name.to_string()),
        Err(error) => Err(error.to_string()),
    };
    archive.list(prefix).unwrap().map(text).collect()
}

#[test]
fn an_object_is_created_once_and_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Directory::open(&folder.path().join("a")).unwrap();
    let object = seal(21, "nitro-001-us-east", 0);
    assert_eq!(archive.put(&object, b"first").unwrap(), Put::Created);
    assert_eq!(archive.put(&object, b"first").unwrap(), Put::AlreadyIdentical);
    for other in [&b"other"[..], b"firs", b"first!", b""] {
        assert_eq!(archive.put(&object, other).unwrap(), Put::Different);
    }
    assert_eq!(read(&archive, &object), b"first");
}

#[test]
fn large_objects_are_compared_to_the_last_byte() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Directory::open(folder.path()).unwrap();
    let object = seal(21, "a", 0);
    let mut bytes = vec![7; 3 * READ_BYTES + 5];
    assert_eq!(archive.put(&object, &bytes).unwrap(), Put::Created);
    assert_eq!(archive.put(&object, &bytes).unwrap(), Put::AlreadyIdentical);
    *bytes.last_mut().unwrap() = 8;
    assert_eq!(archive.put(&object, &bytes).unwrap(), Put::Different);
}

#[test]
fn names_are_listed_in_the_order_of_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Directory::open(folder.path()).unwrap();
    let mut names = vec![
        seal(21, "a", 0),
        seal(21, "a", 1),
        seal(21, "a-b", 0),
        seal(20, "z", 0),
        name(&format!("epochs/a/{EPOCH}/open.note")),
        name(&format!("checkpoints/a/{EPOCH}/audit/{:020}-{ROOT}.note", 8)),
    ];
    for object in &names {
        assert_eq!(archive.put(object, b"x").unwrap(), Put::Created);
    }
    names.sort_by_key(ToString::to_string);
    let all: Vec<_> = names.iter().map(|name| Ok(name.to_string())).collect();
    assert_eq!(listed(&archive, ""), all);
    let of = |prefix: &str| -> Vec<Result<String, String>> {
        all.iter().filter(|name| name.as_ref().unwrap().starts_with(prefix)).cloned().collect()
    };
    for prefix in ["2025/11/21/", "2025/11/2", "2025/11/21/a", "epochs", "checkpoints/a/", "20/"] {
        assert_eq!(listed(&archive, prefix), of(prefix), "{prefix}");
    }
    assert_eq!(of("2025/11/21/a").len(), 3);
    let whole = names[0].to_string();
    assert_eq!(listed(&archive, &whole), of(&whole));
}

#[test]
fn prefixes_lead_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Directory::open(folder.path()).unwrap();
    for prefix in ["/", "/etc", "..", "../", "2025/../..", "a//b", ".staging", "A", "a\\b"] {
        let error = archive.list(prefix).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("no archive name begins with this prefix"), "{prefix}");
    }
}

#[test]
fn strays_are_named_and_links_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Directory::open(folder.path()).unwrap();
    let object = seal(21, "a", 0);
    archive.put(&object, b"x").unwrap();
    std::fs::write(folder.path().join("notes.txt"), b"mine").unwrap();
    std::fs::create_dir_all(folder.path().join("2025/11/21/a/.staging")).unwrap();
    std::fs::write(folder.path().join("2025/11/21/a/.staging/0"), b"mine").unwrap();
    std::os::unix::fs::symlink("/etc", folder.path().join("zz")).unwrap();
    let stray = |path: &str| Err(format!("not an archive name: {path}"));
    let expected =
        [stray("2025/11/21/a/.staging/0"), Ok(object.to_string()), stray("notes.txt"), stray("zz")];
    assert_eq!(listed(&archive, ""), expected);
}

#[test]
fn what_a_crash_left_in_staging_is_cleared_and_was_never_listed() {
    let folder = tempfile::tempdir().unwrap();
    drop(Directory::open(folder.path()).unwrap());
    let left = folder.path().join(".staging/17");
    std::fs::write(&left, b"half").unwrap();
    let archive = Directory::open(folder.path()).unwrap();
    assert!(!left.exists());
    assert_eq!(listed(&archive, ""), []);
}

#[test]
fn one_process_writes_and_many_read() {
    let folder = tempfile::tempdir().unwrap();
    let writer = Directory::open(folder.path()).unwrap();
    let object = seal(21, "a", 0);
    writer.put(&object, b"x").unwrap();
    let second = Directory::open(folder.path()).unwrap_err();
    assert!(matches!(second, ArchiveError::Locked { .. }), "{second}");
    assert!(!second.is_retryable());
    let reader = Directory::open_read_only(folder.path()).unwrap();
    assert_eq!(read(&reader, &object), b"x");
    let refused = reader.put(&object, b"x").unwrap_err();
    assert!(matches!(refused, ArchiveError::ReadOnly), "{refused}");
    drop(writer);
    assert_eq!(
        Directory::open(folder.path()).unwrap().put(&object, b"x").unwrap(),
        Put::AlreadyIdentical
    );
}

#[test]
fn what_is_not_there_is_said_to_be_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Directory::open(folder.path()).unwrap();
    let object = seal(21, "a", 0);
    let error = archive.open(&object).err().unwrap();
    assert_eq!(error.to_string(), format!("archive has no {object}"));
    let missing = Directory::open_read_only(&folder.path().join("none")).unwrap_err();
    assert!(matches!(missing, ArchiveError::Disk { step: Step::Open, .. }), "{missing}");
}

#[test]
fn writers_of_one_process_meet_without_harm() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Directory::open(folder.path()).unwrap();
    let object = seal(21, "a", 0);
    let mut outcomes = std::thread::scope(|scope| {
        let put = || archive.put(&object, b"same").unwrap();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(put)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<Put>>()
    });
    outcomes.sort_by_key(|put| *put != Put::Created);
    assert_eq!(outcomes[0], Put::Created);
    assert!(outcomes[1..].iter().all(|put| *put == Put::AlreadyIdentical), "{outcomes:?}");
}
