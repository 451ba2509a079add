//! What a directory must hold after any history of minting, killing and damaging.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_root_is_minted_once_and_opened_ever_after() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("state/tee");
    let minted = Root::open_or_mint(&directory).unwrap();
    let opened = Root::open_or_mint(&directory).unwrap();
    assert_eq!(minted.certificate, opened.certificate);
    assert_eq!(names(&directory), [SECRET_FILE, PUBLIC_FILE]);
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(&directory.join(SECRET_FILE)), 0o600);
    let other = tempfile::tempdir().unwrap();
    assert_ne!(Root::open_or_mint(other.path()).unwrap().certificate, minted.certificate);
}

#[test]
fn the_public_copy_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(PUBLIC_FILE);
    let root = Root::open_or_mint(directory.path()).unwrap();
    let expected = fs::read_to_string(&path).unwrap();
    let body: String = expected.lines().filter(|line| !line.starts_with('-')).collect();
    assert_eq!(STANDARD.decode(body).unwrap(), root.certificate);
    assert!(expected.lines().all(|line| line.len() <= 64));
    fs::remove_file(&path).unwrap();
    Root::open_or_mint(directory.path()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    fs::write(&path, "another").unwrap();
    Root::open_or_mint(directory.path()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
}

/// A kill before the link leaves a stray, whole or cut; it is never taken for the root.
#[test]
fn what_a_kill_leaves_behind_is_never_the_root() {
    let directory = tempfile::tempdir().unwrap();
    let stray = mint().unwrap();
    for length in [0, 1, stray.len() / 2, stray.len()] {
        let beside = directory.path().join(format!(".{SECRET_FILE}.{length:016x}"));
        fs::write(&beside, &stray[..length]).unwrap();
    }
    let root = Root::open_or_mint(directory.path()).unwrap();
    assert_ne!(root.certificate, Root::parse(&stray).unwrap().certificate);
    assert_eq!(Root::open_or_mint(directory.path()).unwrap().certificate, root.certificate);
}

#[test]
fn of_two_that_mint_at_once_one_wins() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(SECRET_FILE);
    let (first, second) = (mint().unwrap(), mint().unwrap());
    create(directory.path(), &path, &first).unwrap();
    create(directory.path(), &path, &second).unwrap();
    assert_eq!(fs::read(&path).unwrap(), *first);
    assert_eq!(names(directory.path()), [SECRET_FILE]);

    let together = tempfile::tempdir().unwrap();
    let certificates: Vec<_> = std::thread::scope(|scope| {
        let mint = || Root::open_or_mint(together.path()).unwrap().certificate;
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(mint)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(certificates.iter().all(|certificate| *certificate == certificates[0]));
    assert_eq!(names(together.path()), [SECRET_FILE, PUBLIC_FILE]);
}

#[test]
fn a_damaged_secret_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(SECRET_FILE);
    let good = mint().unwrap();
    let key_length = der_length(&good).unwrap();
    // Every byte of the certificate matters; of the key, those that `from_pkcs8` looks at.
    for at in key_length..good.len() {
        let mut bytes = good.to_vec();
        bytes[at] ^= 1;
        assert!(Root::parse(&bytes).is_none(), "byte {at} of {}", good.len());
    }
    for length in 0..good.len() {
        assert!(Root::parse(&good[..length]).is_none(), "cut at {length}");
    }
    fs::write(&path, b"not a root").unwrap();
    let refused = Root::open_or_mint(directory.path()).map(|_| ()).unwrap_err();
    assert!(matches!(&refused, MintError::Damaged { path: named } if *named == path), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), b"not a root");
}

#[test]
fn a_directory_that_cannot_be_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, b"").unwrap();
    let refused = Root::open_or_mint(&file.join("tee")).map(|_| ()).unwrap_err();
    let text = format!("cannot use {} for the INSECURE software TEE", file.join("tee").display());
    assert_eq!(refused.to_string(), text);
}
