//! The keys of a witness: seeds in files that only their owner reads.
//!
//! A file holds 32 bytes as 64 hex digits and appears whole or not at all. A key is drawn at the
//! first start, or when somebody asks for it; a witness that has cosigned before and finds its key
//! gone refuses to start.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use lucarne_ledger::cosignature::Cosigner;
use lucarne_ledger::hash::{from_hex, to_hex};

use crate::durable_file;

/// Where the keys of a witness are, and what it signs as.
#[derive(Clone, Debug)]
pub struct KeyFiles {
    /// The cosigner's name.
    pub name: String,
    /// Seed of the Ed25519 key.
    pub ed25519: PathBuf,
    /// Seed of the ML-DSA-44 key, if it has one.
    pub ml_dsa_44: Option<PathBuf>,
}

/// Whether a key that is absent is drawn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Draw {
    /// It is.
    Absent,
    /// It is not: the witness has a history under it.
    Never,
}

/// Why there is no key.
#[derive(Debug)]
pub enum KeyError {
    /// There is no file, and none may be drawn.
    Absent {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file holds something else.
    Format {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl KeyError {
    /// Whether a person has to put something right, rather than a disk.
    pub const fn is_configuration(&self) -> bool {
        match self {
            Self::Absent { .. } | Self::Format { .. } => true,
            Self::File { .. } => false,
        }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent { path } => write!(
                f,
                "{}: this witness has cosigned before and its key is gone: bring the file back, \
                 or draw a key with --new-key and tell everybody who trusts the old one",
                path.display()
            ),
            Self::Format { path } => {
                write!(f, "{}: expected a seed as 64 lower-case hex digits", path.display())
            }
            Self::File { path, .. } => write!(f, "{}: read or draw the key", path.display()),
        }
    }
}

impl std::error::Error for KeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Absent { .. } | Self::Format { .. } => None,
            Self::File { source, .. } => Some(source),
        }
    }
}

/// Opens the keys, Ed25519 first.
///
/// # Errors
/// When one is absent and may not be drawn, or cannot be used.
pub fn open(files: &KeyFiles, draw: Draw) -> Result<Vec<Cosigner>, KeyError> {
    let wrong = |path: &Path| KeyError::Format { path: path.to_owned() };
    let seed = seed(&files.ed25519, draw)?;
    let first = Cosigner::ed25519(&files.name, &seed).map_err(|_| wrong(&files.ed25519))?;
    let mut cosigners = vec![first];
    if let Some(path) = &files.ml_dsa_44 {
        let seed = self::seed(path, draw)?;
        cosigners.push(Cosigner::ml_dsa_44(&files.name, &seed).map_err(|_| wrong(path))?);
    }
    Ok(cosigners)
}

fn seed(path: &Path, draw: Draw) -> Result<[u8; 32], KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let text = match (durable_file::read(path, FILE_BYTES_MAX).map_err(failed)?, draw) {
        (Some(text), _) => text,
        (None, Draw::Absent) => draw_seed(path).map_err(failed)?,
        (None, Draw::Never) => return Err(KeyError::Absent { path: path.to_owned() }),
    };
    let text = std::str::from_utf8(&text).unwrap_or_default();
    from_hex(text.trim_end()).map_err(|_| KeyError::Format { path: path.to_owned() })
}

fn draw_seed(path: &Path) -> io::Result<Vec<u8>> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed).map_err(|_| io::Error::other("no random numbers"))?;
    let text = format!("{}\n", to_hex(&seed)).into_bytes();
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    std::fs::create_dir_all(directory)?;
    let draft = path.with_added_extension("draft");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(&text)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    durable_file::sync_directory(directory)?;
    Ok(text)
}

/// 64 digits and an end of line, or two.
const FILE_BYTES_MAX: u64 = 66;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn files(dir: &Path) -> KeyFiles {
        let ml_dsa_44 = Some(dir.join("keys/pq"));
        KeyFiles { name: "w.example/1".into(), ed25519: dir.join("keys/ed"), ml_dsa_44 }
    }

    fn vkeys(files: &KeyFiles, draw: Draw) -> Vec<String> {
        open(files, draw).unwrap().iter().map(|one| one.verifier().to_string()).collect()
    }

    #[test]
    fn keys_are_drawn_once_for_their_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        let absent = open(&files, Draw::Never).unwrap_err();
        assert!(matches!(absent, KeyError::Absent { path } if path == files.ed25519));
        let drawn = vkeys(&files, Draw::Absent);
        assert_eq!(vkeys(&files, Draw::Never), drawn);
        assert_eq!(vkeys(&files, Draw::Absent), drawn);
        assert_ne!(drawn[0], drawn[1]);
        for path in [&files.ed25519, files.ml_dsa_44.as_ref().unwrap()] {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let names = std::fs::read_dir(dir.path().join("keys")).unwrap().count();
        assert_eq!(names, 2, "a draft stayed behind");
    }

    #[test]
    fn what_is_no_seed_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        vkeys(&files, Draw::Absent);
        for text in ["", "short", &"G".repeat(64), &"A1".repeat(32)] {
            std::fs::write(&files.ed25519, text).unwrap();
            let error = open(&files, Draw::Absent).unwrap_err();
            assert!(matches!(error, KeyError::Format { path } if path == files.ed25519), "{text}");
        }
    }
}
