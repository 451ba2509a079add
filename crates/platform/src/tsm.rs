//! Reports of TDX and SEV-SNP guests through the kernel's configfs-tsm (Linux 6.7 and later).
//!
//! Each question has a directory of its own, so that no two can be mixed; the kernel's count of
//! writes is compared all the same. It refuses a provider that it does not know, and the CBOR web
//! token that newer TDX modules can give in place of a quote.

use std::fmt;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;

use crate::failed::errno;

/// Where the kernel has it.
const ROOT: &str = "/sys/kernel/config/tsm/report";
/// The longest report and the longest auxiliary data that are read; quotes have 5 KiB, tables of
/// certificates of SNP at most 16 KiB.
const BLOB_BYTES_MAX: usize = 64 << 10;
/// What is longer than this and comes from a TDX guest is a web token (kernel documentation).
const TDX_QUOTE_BYTES_MAX: usize = 8 << 10;
/// Short attributes are numbers and names.
const LINE_BYTES_MAX: usize = 64;
/// `TSM_PRIVLEVEL_MAX`.
const PRIVLEVEL_MAX: u64 = 3;
/// Names that are tried when somebody left theirs behind.
const NAMES_MAX: usize = 16;

/// The tree of reports: directories whose files the kernel makes.
pub trait TsmTree: Send + Sync {
    /// Makes the directory of a question.
    ///
    /// # Errors
    /// What the kernel says; `EEXIST` when it is there.
    fn create(&self, entry: &str) -> Result<(), Errno>;

    /// Writes a whole attribute.
    ///
    /// # Errors
    /// What the kernel says.
    fn write(&self, entry: &str, attribute: &str, bytes: &[u8]) -> Result<(), Errno>;

    /// Reads a whole attribute.
    ///
    /// # Errors
    /// What the kernel says; `EFBIG` for more than `bytes_max`.
    fn read(&self, entry: &str, attribute: &str, bytes_max: usize) -> Result<Vec<u8>, Errno>;

    /// Removes the directory of a question.
    ///
    /// # Errors
    /// What the kernel says.
    fn remove(&self, entry: &str) -> Result<(), Errno>;
}

/// What sort of guest reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TsmProvider {
    /// Intel TDX: quotes.
    Tdx,
    /// AMD SEV-SNP: reports, with certificates beside them where the host has some.
    SevSnp,
}

impl TsmProvider {
    fn parse(name: &[u8]) -> Option<Self> {
        match name.trim_ascii_end() {
            b"tdx_guest" => Some(Self::Tdx),
            b"sev_guest" => Some(Self::SevSnp),
            _ => None,
        }
    }
}

/// A report, and what came with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TsmReport {
    /// A quote or a report, by provider.
    pub report: Vec<u8>,
    /// For SEV-SNP the table of certificates; often empty.
    pub auxiliary: Vec<u8>,
}

/// Why there is no report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TsmError {
    /// A step failed in the kernel.
    Io {
        /// The attribute, or what was done with the directory.
        at: &'static str,
        /// What the kernel says.
        errno: Errno,
    },
    /// The kernel's guest is none that is known here.
    Provider,
    /// A number of the kernel is none.
    Number {
        /// The attribute.
        at: &'static str,
    },
    /// Somebody else wrote to the same question.
    Conflict {
        /// Writes that the kernel counts.
        counted: u64,
        /// Writes that were made here.
        made: u64,
    },
    /// The TDX module gave a CBOR web token (DICE), which is not supported.
    WebToken {
        /// Its length.
        got: usize,
    },
    /// The report is empty.
    Empty,
}

impl fmt::Display for TsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { at, errno } => write!(f, "{ROOT}: {at}: {}", errno.desc()),
            Self::Provider => {
                write!(f, "{ROOT}: the provider is neither tdx_guest nor sev_guest")
            }
            Self::Number { at } => write!(f, "{ROOT}: {at} is not a number that it can have"),
            Self::Conflict { counted, made } => write!(
                f,
                "{ROOT}: the kernel counts {counted} writes where {made} were made: somebody else \
                 used the same entry"
            ),
            Self::WebToken { got } => write!(
                f,
                "{ROOT}: a TDX report of {got} bytes is a DICE web token, which is not supported; \
                 turn DICE off in the TDX module"
            ),
            Self::Empty => write!(f, "{ROOT}: the report is empty"),
        }
    }
}

impl std::error::Error for TsmError {}

/// The reports of this guest.
#[derive(Debug)]
pub struct Tsm<T = Configfs> {
    tree: T,
    provider: TsmProvider,
    next: AtomicU64,
}

impl Tsm {
    /// The reports of this machine; nothing if its kernel has none.
    ///
    /// # Errors
    /// When there are some and they cannot be used.
    pub fn open() -> Result<Option<Self>, TsmError> {
        Self::open_at(Path::new(ROOT))
    }
}

impl Tsm {
    /// The reports of a kernel whose configfs is mounted elsewhere; nothing if it has none there.
    ///
    /// # Errors
    /// When there are some and they cannot be used.
    pub fn open_at(root: &Path) -> Result<Option<Self>, TsmError> {
        let tree = Configfs { root: root.to_owned() };
        if tree.root.is_dir() { Self::over(tree).map(Some) } else { Ok(None) }
    }
}

impl<T: TsmTree> Tsm<T> {
    /// The reports of this tree.
    ///
    /// # Errors
    /// When the tree cannot be used, or nobody known provides its reports.
    pub fn over(tree: T) -> Result<Self, TsmError> {
        let mut tsm = Self { tree, provider: TsmProvider::Tdx, next: AtomicU64::new(0) };
        tsm.provider = tsm.in_entry(|entry| entry.provider())?;
        Ok(tsm)
    }

    /// What sort of guest this is.
    pub const fn provider(&self) -> TsmProvider {
        self.provider
    }

    /// A report over 64 bytes. Blocks for as long as the host takes.
    ///
    /// # Errors
    /// When there is none.
    pub fn report(&self, data: &[u8; 64]) -> Result<TsmReport, TsmError> {
        self.in_entry(|entry| {
            let before = entry.number("generation")?;
            let mut made = 1;
            entry.write("inblob", data)?;
            if let Some(floor) = entry.floor()? {
                entry.write("privlevel", floor.to_string().as_bytes())?;
                made += 1;
            }
            let report = entry.read("outblob", BLOB_BYTES_MAX)?;
            let auxiliary = entry.optional("auxblob", BLOB_BYTES_MAX)?.unwrap_or_default();
            let provider = entry.provider()?;
            // Judged last: a write of somebody else at any moment before shows in the count.
            let counted = entry.number("generation")?.wrapping_sub(before);
            if counted != made {
                return Err(TsmError::Conflict { counted, made });
            }
            if provider != self.provider {
                return Err(TsmError::Provider);
            }
            match report.len() {
                0 => Err(TsmError::Empty),
                got if provider == TsmProvider::Tdx && got > TDX_QUOTE_BYTES_MAX => {
                    Err(TsmError::WebToken { got })
                }
                _ => Ok(TsmReport { report, auxiliary }),
            }
        })
    }

    fn in_entry<U>(
        &self,
        ask: impl FnOnce(&Entry<'_, T>) -> Result<U, TsmError>,
    ) -> Result<U, TsmError> {
        let entry = self.create()?;
        let asked = ask(&entry);
        // An entry that stays is in nobody's way: no name is used twice.
        let _left = self.tree.remove(&entry.name);
        asked
    }

    fn create(&self) -> Result<Entry<'_, T>, TsmError> {
        for _ in 0..NAMES_MAX {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let name = format!("lucarne-{}-{number}", process::id());
            match self.tree.create(&name) {
                Ok(()) => return Ok(Entry { tree: &self.tree, name }),
                // A process of the same number died here once.
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(TsmError::Io { at: "a new entry", errno }),
            }
        }
        Err(TsmError::Io { at: "a new entry", errno: Errno::EEXIST })
    }
}

/// The directory of one question.
struct Entry<'a, T> {
    tree: &'a T,
    name: String,
}

impl<T: TsmTree> Entry<'_, T> {
    fn write(&self, at: &'static str, bytes: &[u8]) -> Result<(), TsmError> {
        self.tree.write(&self.name, at, bytes).map_err(|errno| TsmError::Io { at, errno })
    }

    fn read(&self, at: &'static str, bytes_max: usize) -> Result<Vec<u8>, TsmError> {
        self.tree.read(&self.name, at, bytes_max).map_err(|errno| TsmError::Io { at, errno })
    }

    fn optional(&self, at: &'static str, bytes_max: usize) -> Result<Option<Vec<u8>>, TsmError> {
        match self.read(at, bytes_max) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(TsmError::Io { errno: Errno::ENOENT, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn provider(&self) -> Result<TsmProvider, TsmError> {
        TsmProvider::parse(&self.read("provider", LINE_BYTES_MAX)?).ok_or(TsmError::Provider)
    }

    fn number(&self, at: &'static str) -> Result<u64, TsmError> {
        number(&self.read(at, LINE_BYTES_MAX)?).ok_or(TsmError::Number { at })
    }

    /// The least privilege level that may be asked for, where there are levels.
    fn floor(&self) -> Result<Option<u64>, TsmError> {
        let at = "privlevel_floor";
        let Some(line) = self.optional(at, LINE_BYTES_MAX)? else { return Ok(None) };
        let floor = number(&line).filter(|floor| *floor <= PRIVLEVEL_MAX);
        floor.map(Some).ok_or(TsmError::Number { at })
    }
}

fn number(line: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(line).ok()?.trim_end();
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The tree of the running kernel.
#[derive(Debug)]
pub struct Configfs {
    root: PathBuf,
}

impl Configfs {
    fn path(&self, entry: &str, attribute: &str) -> PathBuf {
        self.root.join(entry).join(attribute)
    }
}

impl TsmTree for Configfs {
    fn create(&self, entry: &str) -> Result<(), Errno> {
        fs::create_dir(self.root.join(entry)).map_err(|error| errno(&error))
    }

    fn write(&self, entry: &str, attribute: &str, bytes: &[u8]) -> Result<(), Errno> {
        let path = self.path(entry, attribute);
        // Binary attributes are taken when the file is closed, which only the kernel can refuse
        // then: the count of writes shows it.
        let written = open(&path, true).and_then(|mut file| file.write_all(bytes));
        written.map_err(|error| errno(&error))
    }

    fn read(&self, entry: &str, attribute: &str, bytes_max: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = Vec::new();
        let limit = bytes_max as u64 + 1;
        let path = self.path(entry, attribute);
        let read = open(&path, false).and_then(|file| file.take(limit).read_to_end(&mut bytes));
        match read {
            Ok(count) if count <= bytes_max => Ok(bytes),
            Ok(_) => Err(Errno::EFBIG),
            Err(error) => Err(errno(&error)),
        }
    }

    fn remove(&self, entry: &str) -> Result<(), Errno> {
        fs::remove_dir(self.root.join(entry)).map_err(|error| errno(&error))
    }
}

fn open(path: &Path, writing: bool) -> std::io::Result<File> {
    File::options().read(!writing).write(writing).open(path)
}

#[cfg(test)]
mod tests;
