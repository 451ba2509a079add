//! Legal holds: what has to stay as it is while somebody needs it, whatever a retention rule or an
//! erasure order says.
//!
//! A hold is a small JSON file in a folder of its own, `<id>.json`. It is lifted by a second file,
//! `<id>.lifted.json`, that says who lifted it and why. Neither is ever changed or removed, so the
//! folder tells the whole story, and a kill at any step leaves a hold set or not set, lifted or
//! not. A file that cannot be read as either holds everything: in doubt, nothing is lost.

use std::fmt;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use lucarne_ledger::identity::Instance;
use serde::{Deserialize, Serialize};

use crate::disk::{Disk, EntryKind};
use crate::name::{Date, SealName};

/// The name of a hold: `[a-z0-9-]{1,63}`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct HoldId(String);

/// A text that is not the name of a hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAHoldId;

impl fmt::Display for NotAHoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the name of a hold is 1 to 63 of a-z, 0-9 and -")
    }
}

impl std::error::Error for NotAHoldId {}

impl FromStr for HoldId {
    type Err = NotAHoldId;

    fn from_str(text: &str) -> Result<Self, NotAHoldId> {
        // It has the form of the name of an instance.
        if is_instance(text) { Ok(Self(text.to_owned())) } else { Err(NotAHoldId) }
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A hold as its file says it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// On whose authority: a court, a regulator, a person.
    pub authority: String,
    /// Why.
    pub reason: String,
    /// Milliseconds since the Unix epoch.
    pub set_ms: u64,
    /// Only records of this instance; none means of every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Only files of this day and later, `yyyy/mm/dd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Only files of this day and earlier, `yyyy/mm/dd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// The end of a hold as its file says it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lift {
    /// On whose authority.
    pub authority: String,
    /// Why.
    pub reason: String,
    /// Milliseconds since the Unix epoch.
    pub lifted_ms: u64,
}

/// A hold and what became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its name.
    pub id: HoldId,
    /// What its file says; `None` when it cannot be read, and then it holds everything.
    pub hold: Option<Hold>,
    /// How it ended.
    pub lifted: Option<Lift>,
}

/// Word that no hold covers a file of the archive. Only [`Holds::clear`] gives it, and what
/// destroys asks for it.
///
/// ```compile_fail
/// use lucarne_archive::hold::Clearance;
/// fn forge(seal: lucarne_archive::name::SealName) -> Clearance {
///     Clearance { seal } // a private field: it cannot be typed in
/// }
/// ```
#[derive(Debug)]
pub struct Clearance {
    seal: SealName,
}

impl Clearance {
    /// The file that it speaks of.
    pub const fn seal(&self) -> &SealName {
        &self.seal
    }
}

/// Word that no hold covers a day of an instance. Only [`Holds::clear_day`] gives it, and what
/// destroys the key of that day asks for it.
#[derive(Debug)]
pub struct DayClearance {
    instance: Instance,
    date: Date,
}

impl DayClearance {
    /// The instance and the day that it speaks of.
    pub const fn of(&self) -> (&Instance, Date) {
        (&self.instance, self.date)
    }
}

/// Why a hold could not be set, lifted or looked up.
#[derive(Debug)]
pub enum HoldError {
    /// A hold covers the file.
    Held {
        /// Which.
        id: HoldId,
        /// Its reason, if its file can be read.
        reason: Option<String>,
    },
    /// There is a hold, or an end of one, of that name already.
    Taken {
        /// The name.
        id: HoldId,
    },
    /// There is no hold of that name.
    Unknown {
        /// The name.
        id: HoldId,
    },
    /// A day that is not written `yyyy/mm/dd`, or an instance that none can be.
    Scope,
    /// The folder could not be read or written.
    Disk {
        /// Which file or folder.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
}

impl fmt::Display for HoldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { id, reason: Some(reason) } => write!(f, "hold {id} covers it: {reason}"),
            Self::Held { id, reason: None } => {
                write!(f, "hold {id} cannot be read and so covers everything")
            }
            Self::Taken { id } => write!(f, "hold {id} is there already"),
            Self::Unknown { id } => write!(f, "there is no hold {id}"),
            Self::Scope => write!(f, "a hold names an instance, and days as yyyy/mm/dd"),
            Self::Disk { path, .. } => write!(f, "holds: {}", path.display()),
        }
    }
}

impl std::error::Error for HoldError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Disk { source, .. } => Some(source),
            Self::Held { .. } | Self::Taken { .. } | Self::Unknown { .. } | Self::Scope => None,
        }
    }
}

/// The holds of an archive.
#[derive(Clone, Debug)]
pub struct Holds {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
}

impl Holds {
    /// The holds in this folder, which need not be there.
    pub fn at(disk: Arc<dyn Disk>, folder: &Path) -> Self {
        Self { disk, folder: folder.to_owned() }
    }

    /// Where an archive in a directory keeps its holds.
    pub fn folder_of(archive: &Path) -> PathBuf {
        archive.join(FOLDER)
    }

    /// Sets a hold; on return it is durable.
    ///
    /// # Errors
    /// `Taken` when there was one of that name, lifted or not; `Scope` or a failing disk.
    pub fn set(&self, id: &HoldId, hold: &Hold) -> Result<(), HoldError> {
        let mut scope = hold.clone();
        let days = [scope.from.take(), scope.to.take()];
        let days = days.iter().flatten().all(|day| day.parse::<Date>().is_ok());
        let instance = scope.instance.is_none_or(|instance| is_instance(&instance));
        if !days || !instance {
            return Err(HoldError::Scope);
        }
        match self.disk.make_dir(&self.folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(failed(&self.folder, error));
            }
            _ => {}
        }
        if let Some(parent) = self.folder.parent() {
            self.disk.sync_dir(parent).map_err(|error| failed(parent, error))?;
        }
        self.write(id, &format!("{id}{HOLD}"), hold)
    }

    /// Ends a hold; on return that is durable.
    ///
    /// # Errors
    /// `Unknown` or `Taken`, or a failing disk.
    pub fn lift(&self, id: &HoldId, lift: &Lift) -> Result<(), HoldError> {
        if self.read(&self.folder.join(format!("{id}{HOLD}")))?.is_none() {
            return Err(HoldError::Unknown { id: id.clone() });
        }
        self.write(id, &format!("{id}{LIFT}"), lift)
    }

    /// Every hold that was ever set, by name.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Entry>, HoldError> {
        let names = match self.disk.list(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&self.folder, error)),
        };
        let holds = names.iter().filter(|entry| entry.kind != EntryKind::Directory);
        let holds = holds.filter(|entry| !entry.name.ends_with(LIFT));
        let mut found = Vec::new();
        for id in holds.filter_map(|entry| entry.name.strip_suffix(HOLD)) {
            let Ok(id) = id.parse::<HoldId>() else { continue };
            let hold = self.read(&self.folder.join(format!("{id}{HOLD}")))?;
            let lifted = self.read(&self.folder.join(format!("{id}{LIFT}")))?;
            found.push(Entry {
                hold: hold.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
                lifted: lifted.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
                id,
            });
        }
        found.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(found)
    }

    /// Whether anything at all is held.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn any(&self) -> Result<bool, HoldError> {
        Ok(self.list()?.iter().any(|entry| entry.lifted.is_none()))
    }

    /// Word that no hold covers this file.
    ///
    /// # Errors
    /// `Held` by the first that does, or a folder that cannot be read.
    pub fn clear(&self, seal: &SealName) -> Result<Clearance, HoldError> {
        self.check(&seal.ledger.instance, seal.date)?;
        Ok(Clearance { seal: seal.clone() })
    }

    /// Word that no hold covers anything of this day of an instance.
    ///
    /// # Errors
    /// `Held` by the first that does, or a folder that cannot be read.
    pub fn clear_day(&self, instance: &Instance, date: Date) -> Result<DayClearance, HoldError> {
        self.check(instance, date)?;
        Ok(DayClearance { instance: instance.clone(), date })
    }

    fn check(&self, instance: &Instance, date: Date) -> Result<(), HoldError> {
        match self.list()?.into_iter().find(|entry| entry.covers(instance, date)) {
            None => Ok(()),
            Some(Entry { id, hold, .. }) => {
                Err(HoldError::Held { id, reason: hold.map(|hold| hold.reason) })
            }
        }
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, HoldError> {
        let file = match self.disk.read(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(path, error)),
        };
        let mut bytes = Vec::new();
        // What is longer is cut, cannot be parsed, and so holds everything.
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(|error| failed(path, error))?;
        Ok(Some(bytes))
    }

    // Staged and synced first, then named by a link: it appears whole, and never in the place of
    // another.
    fn write(&self, id: &HoldId, name: &str, content: &impl Serialize) -> Result<(), HoldError> {
        let (path, staged) = (self.folder.join(name), self.folder.join(format!("{name}{STAGED}")));
        let bytes = serde_json::to_vec_pretty(content)
            .map_err(|error| failed(&path, io::Error::other(error)))?;
        match self.disk.remove(&staged) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed(&staged, error));
            }
            _ => {}
        }
        let written = self.disk.create(&staged).and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync()
        });
        let linked = written.and_then(|()| self.disk.link(&staged, &path));
        drop(self.disk.remove(&staged));
        match linked {
            Ok(()) => self.disk.sync_dir(&self.folder).map_err(|e| failed(&self.folder, e)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(HoldError::Taken { id: id.clone() })
            }
            Err(error) => Err(failed(&path, error)),
        }
    }
}

impl Entry {
    /// Whether it keeps the files of this day of an instance as they are.
    fn covers(&self, instance: &Instance, date: Date) -> bool {
        if self.lifted.is_some() {
            return false;
        }
        let Some(hold) = &self.hold else { return true };
        let of = hold.instance.as_ref().is_none_or(|only| only == instance.as_str());
        // A day that cannot be read bounds nothing.
        let day = |text: &Option<String>| text.as_ref().and_then(|day| day.parse::<Date>().ok());
        of && day(&hold.from).is_none_or(|from| from <= date)
            && day(&hold.to).is_none_or(|to| date <= to)
    }
}

fn is_instance(text: &str) -> bool {
    text.parse::<Instance>().is_ok()
}

fn failed(path: &Path, source: io::Error) -> HoldError {
    HoldError::Disk { path: path.to_owned(), source }
}

/// The folder below the root of a directory archive; no name of an object begins like it.
pub(crate) const FOLDER: &str = "holds";
const HOLD: &str = ".json";
const LIFT: &str = ".lifted.json";
const STAGED: &str = ".staged";
/// Reasons are sentences, not books.
const FILE_BYTES_MAX: u64 = 64 << 10;
