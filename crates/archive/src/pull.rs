//! Bringing an archive home: every object of a bucket into a directory, and what hides behind them.
//!
//! The current version of a name gets the name. Whatever else there is comes along under a name
//! beside it that no archive has (`.version-<id>`, `.deleted-<id>`, `.differs-<id>`,
//! `.damaged-<id>`, `foreign-<digest>`), so that an audit of the copy reports it as a file that
//! does not belong there. What is there already with the right length is not fetched again: an
//! object appears whole or not at all.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};

use lucarne_ledger::hash::{Hash, to_hex};

use crate::directory::Directory;
use crate::name::Name;
use crate::s3::S3;
use crate::s3::version::{History, Version};
use crate::store::{Archive as _, ArchiveError, Put};

/// What was brought.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pulled {
    /// Objects fetched.
    pub fetched: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were there already.
    pub kept: u64,
    /// What does not belong there, in the order of keys; no more than [`ODDITIES_MAX`].
    pub oddities: Vec<Oddity>,
    /// How many there are.
    pub oddity_count: u64,
}

/// Something that no archive has.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Oddity {
    /// The key in the bucket.
    pub key: String,
    /// The version.
    pub version: String,
    /// What it is.
    pub kind: OddityKind,
    /// Where it was put, below the directory.
    pub path: PathBuf,
}

/// What an oddity is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum OddityKind {
    /// A delete marker.
    DeleteMarker,
    /// A version that readers of the key do not get.
    OtherVersion,
    /// A key that is no name of an archive.
    Foreign,
    /// The bytes are not what their digest in the bucket says.
    Damaged,
    /// The directory has another object of this name.
    Differs,
}

impl OddityKind {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeleteMarker => "delete-marker",
            Self::OtherVersion => "other-version",
            Self::Foreign => "foreign",
            Self::Damaged => "damaged",
            Self::Differs => "differs",
        }
    }
}

/// Why not everything was brought. Running it again goes on from there.
#[derive(Debug)]
pub enum PullError {
    /// The bucket, or the archive in the directory.
    Archive(ArchiveError),
    /// A file that is no object could not be written.
    File {
        /// Which.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
}

impl fmt::Display for PullError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(error) => write!(f, "{error}"),
            Self::File { path, .. } => write!(f, "write {}", path.display()),
        }
    }
}

impl std::error::Error for PullError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Archive(error) => error.source(),
            Self::File { source, .. } => Some(source),
        }
    }
}

impl From<ArchiveError> for PullError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

/// Fetches what is below `prefix`, `jobs` objects at a time; `on_key` hears of each key done.
///
/// # Errors
/// The first failure of the bucket or the directory; what came before it stays.
pub fn pull(
    from: &S3,
    to: &Directory,
    prefix: &str,
    jobs: usize,
    on_key: &(dyn Fn() + Sync),
) -> Result<Pulled, PullError> {
    let (give, take) = sync_channel::<History>(jobs.max(1));
    let worker = Worker {
        from,
        to,
        take: Mutex::new(take),
        pulled: Mutex::new(Pulled::default()),
        stop: AtomicBool::new(false),
        on_key,
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(|| worker.run())).collect();
        let mut listed = Ok(());
        for history in from.versions(prefix).histories() {
            match history {
                // All have stopped when nobody takes it; why, they say below.
                Ok(history) if !worker.stop.load(Ordering::Acquire) => drop(give.send(history)),
                Ok(_) => break,
                Err(error) => {
                    listed = Err(PullError::Archive(error));
                    break;
                }
            }
        }
        drop(give);
        for thread in threads {
            // A panic of a worker goes on here.
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        listed
    })?;
    let mut pulled = worker.pulled.into_inner().unwrap_or_else(PoisonError::into_inner);
    pulled.oddities.sort();
    Ok(pulled)
}

struct Worker<'a> {
    from: &'a S3,
    to: &'a Directory,
    take: Mutex<Receiver<History>>,
    pulled: Mutex<Pulled>,
    stop: AtomicBool,
    on_key: &'a (dyn Fn() + Sync),
}

impl Worker<'_> {
    fn run(&self) -> Result<(), PullError> {
        loop {
            let next = self.take.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(history) = next else { return Ok(()) };
            // After a failure the queue is only emptied, so that the lister is not left waiting.
            if self.stop.load(Ordering::Acquire) {
                continue;
            }
            if let Err(error) = self.key(&history) {
                self.stop.store(true, Ordering::Release);
                while self.take.lock().unwrap_or_else(PoisonError::into_inner).recv().is_ok() {}
                return Err(error);
            }
            (self.on_key)();
        }
    }

    fn key(&self, history: &History) -> Result<(), PullError> {
        let name: Option<Name> = history.key.parse().ok();
        for version in &history.versions {
            match &name {
                Some(name) if version.is_latest && !version.is_marker() => {
                    self.object(name, version)?;
                }
                Some(_) => {
                    let (word, kind) = match version.is_marker() {
                        true => ("deleted", OddityKind::DeleteMarker),
                        false => ("version", OddityKind::OtherVersion),
                    };
                    let path = format!("{}.{word}-{}", history.key, plain(&version.id));
                    self.beside(version, path.into(), kind)?;
                }
                None => {
                    let path = foreign(&history.key, &version.id);
                    self.beside(version, path, OddityKind::Foreign)?;
                }
            }
        }
        Ok(())
    }

    fn object(&self, name: &Name, version: &Version) -> Result<(), PullError> {
        let path = PathBuf::from(name.to_string());
        if self.has(&path, version) {
            self.note(|pulled| pulled.kept += 1);
            return Ok(());
        }
        let other = |word| PathBuf::from(format!("{name}.{word}-{}", plain(&version.id)));
        let differs = other("differs");
        let is_known = fs::symlink_metadata(self.to.root().join(&path)).is_ok();
        if is_known && self.has(&differs, version) {
            self.note(|pulled| pulled.kept += 1);
            self.odd(version, differs, OddityKind::Differs);
            return Ok(());
        }
        let content = self.from.read_version(version)?;
        // What only this copy could see is put beside, where every later audit meets it; and before
        // the object, which a pull that was killed in between would take for done.
        if !content.is_as_digested {
            let path = other("damaged");
            self.write(&path, &content.bytes)?;
            self.odd(version, path, OddityKind::Damaged);
        }
        let put = self.to.put(name, &content.bytes)?;
        self.note(|pulled| {
            pulled.fetched += 1;
            pulled.bytes += content.bytes.len() as u64;
        });
        if put == Put::Different {
            self.write(&differs, &content.bytes)?;
            self.odd(version, differs, OddityKind::Differs);
        }
        Ok(())
    }

    /// Something that has no name of its own.
    fn beside(&self, version: &Version, path: PathBuf, kind: OddityKind) -> Result<(), PullError> {
        if version.is_marker() {
            let text = format!("{}\n{}\n", version.id, version.modified_s);
            self.write(&path, text.as_bytes())?;
        } else if self.has(&path, version) {
            self.note(|pulled| pulled.kept += 1);
        } else {
            let content = self.from.read_version(version)?;
            self.write(&path, &content.bytes)?;
            self.note(|pulled| {
                pulled.fetched += 1;
                pulled.bytes += content.bytes.len() as u64;
            });
        }
        self.odd(version, path, kind);
        Ok(())
    }

    fn has(&self, path: &Path, version: &Version) -> bool {
        let there = fs::symlink_metadata(self.to.root().join(path));
        there.is_ok_and(|file| file.is_file() && Some(file.len()) == version.bytes)
    }

    /// Paths come from names and digests alone, so none leads out of the directory.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), PullError> {
        let whole = self.to.root().join(path);
        let written = || {
            if let Some(parent) = whole.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut file = fs::File::create(&whole)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        written().map_err(|source| PullError::File { path: whole.clone(), source })
    }

    fn note(&self, change: impl FnOnce(&mut Pulled)) {
        change(&mut self.pulled.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn odd(&self, version: &Version, path: PathBuf, kind: OddityKind) {
        let (key, version) = (version.key.clone(), version.id.clone());
        self.note(|pulled| {
            pulled.oddity_count += 1;
            if pulled.oddities.len() < ODDITIES_MAX {
                pulled.oddities.push(Oddity { key, version, kind, path });
            }
        });
    }
}

/// A store's name of a version as part of a file's: as it is, or its digest.
fn plain(id: &str) -> String {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(fits) {
        id.to_owned()
    } else {
        to_hex(&Hash::of(id.as_bytes()).0)
    }
}

/// Where a key goes that is no name: beside the objects that it pretends to be of, where an audit
/// reports it, or apart, where an audit lists it as ignored.
fn foreign(key: &str, version: &str) -> PathBuf {
    let top = key.split('/').next().unwrap_or_default();
    let year = top.len() == 4 && top.bytes().all(|b| b.is_ascii_digit());
    let ours = year || matches!(top, "epochs" | "checkpoints" | "register" | "json" | "erasures");
    let folder = if ours && key.contains('/') { top } else { "foreign" };
    let digest = to_hex(&Hash::of(format!("{key}\n{version}").as_bytes()).0);
    PathBuf::from(folder).join(format!("foreign-{digest}"))
}

/// More than that nobody reads one by one.
pub const ODDITIES_MAX: usize = 10_000;
/// AWS has 32, others up to 36.
const ID_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_and_no_version_leads_out_of_the_directory() {
        for key in ["../x", "/etc/passwd", "2026/../../x", "epochs/\0", "a", "2026", ""] {
            let path = foreign(key, "v");
            let parts: Vec<_> = path.components().collect();
            let normal =
                |part: &std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
            assert!(parts.len() == 2 && parts.iter().all(normal), "{key}: {}", path.display());
        }
        assert_eq!(foreign("2026/x", "v").parent(), Some(Path::new("2026")));
        assert_eq!(foreign("2026", "v").parent(), Some(Path::new("foreign")));
        assert_eq!(plain("aZ_9-"), "aZ_9-");
        for id in ["..", "a/b", "", "a.b"] {
            assert_eq!(plain(id).len(), 64, "{id}");
        }
    }
}
