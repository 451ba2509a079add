//! The root of the software TEE on disk: one secret file, and a public copy of the certificate.
//!
//! The secret file holds key and certificate together, and appears whole under its name or not at
//! all: it is written under another name, synced, then linked. Of two processes that mint at once
//! one wins, and both use its root. The public copy is made again whenever it differs.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lucarne_ledger::hash::to_hex;
use zeroize::Zeroizing;

use super::certificate;

/// Key (PKCS #8, DER) and certificate (DER), one after the other. Readable by its owner only.
pub const SECRET_FILE: &str = "root-INSECURE.key";
/// The certificate in PEM, for relying parties.
pub const PUBLIC_FILE: &str = "root-INSECURE.pem";

/// A root that can issue.
pub(super) struct Root {
    key: EcdsaKeyPair,
    certificate: Vec<u8>,
    random: SystemRandom,
}

/// Why there is no root.
#[derive(Debug)]
pub enum MintError {
    /// A file or the directory could not be read or written.
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The secret file does not hold a root. It is left as it is: delete it to mint another.
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// No key could be drawn, or it could not sign.
    Key,
}

impl fmt::Display for MintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, .. } => {
                write!(f, "cannot use {} for the INSECURE software TEE", path.display())
            }
            Self::Damaged { path } => write!(
                f,
                "{} is not a root of the INSECURE software TEE, delete it to mint another",
                path.display()
            ),
            Self::Key => write!(f, "cannot draw a root key for the INSECURE software TEE"),
        }
    }
}

impl std::error::Error for MintError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Damaged { .. } | Self::Key => None,
        }
    }
}

impl From<Unspecified> for MintError {
    fn from(_: Unspecified) -> Self {
        Self::Key
    }
}

impl Root {
    /// The root that `directory` keeps, or a new one.
    pub(super) fn open_or_mint(directory: &Path) -> Result<Self, MintError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(io_at(directory))?;
        let path = directory.join(SECRET_FILE);
        let secret = match read(&path).map_err(io_at(&path))? {
            Some(secret) => secret,
            None => {
                create(directory, &path, &mint()?)?;
                // Whatever stands there now is the root, whether this process or another linked it.
                read(&path).map_err(io_at(&path))?.unwrap_or_default()
            }
        };
        let root = Self::parse(&secret).ok_or(MintError::Damaged { path })?;
        root.publish(directory)?;
        Ok(root)
    }

    /// DER of the root certificate.
    pub(super) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Signs a certificate.
    pub(super) fn issue(&self, tbs: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let signature = self.key.sign(&self.random, tbs)?;
        Ok(certificate::certificate(tbs, signature.as_ref()))
    }

    /// Reads a secret file: the certificate must be the one that this key has, to the byte.
    fn parse(secret: &[u8]) -> Option<Self> {
        let (pkcs8, stored) = secret.split_at_checked(der_length(secret)?)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, pkcs8).ok()?;
        let point = key.public_key().as_ref();
        let tbs = certificate::root(point);
        let signature = signature_of(stored)?;
        if certificate::certificate(&tbs, signature) != stored {
            return None;
        }
        let public = UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, point);
        public.verify(&tbs, signature).ok()?;
        Some(Self { key, certificate: stored.to_vec(), random: SystemRandom::new() })
    }

    /// Puts the certificate beside the secret file, unless it is there.
    fn publish(&self, directory: &Path) -> Result<(), MintError> {
        let path = directory.join(PUBLIC_FILE);
        let pem = pem(&self.certificate);
        if read(&path).map_err(io_at(&path))?.is_some_and(|found| *found == *pem.as_bytes()) {
            return Ok(());
        }
        let beside = write_beside(directory, PUBLIC_FILE, 0o644, pem.as_bytes())?;
        fs::rename(&beside, &path).map_err(io_at(&path))?;
        sync_directory(directory)
    }
}

/// A new key and its certificate, as the secret file holds them.
fn mint() -> Result<Zeroizing<Vec<u8>>, MintError> {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &random)?;
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, pkcs8.as_ref())
        .map_err(|_| MintError::Key)?;
    let tbs = certificate::root(key.public_key().as_ref());
    let signature = key.sign(&random, &tbs)?;
    let certificate = certificate::certificate(&tbs, signature.as_ref());
    Ok(Zeroizing::new([pkcs8.as_ref(), &certificate].concat()))
}

/// Makes `content` appear at `path` whole; leaves what another process put there first.
fn create(directory: &Path, path: &Path, content: &[u8]) -> Result<(), MintError> {
    let beside = write_beside(directory, SECRET_FILE, 0o600, content)?;
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside).map_err(io_at(&beside))?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io_at(path)(error)),
        Ok(()) | Err(_) => sync_directory(directory),
    }
}

/// Writes `content` under a name of its own, on the disk on return. A kill may leave it as a stray.
fn write_beside(
    directory: &Path,
    name: &str,
    mode: u32,
    content: &[u8],
) -> Result<PathBuf, MintError> {
    let mut suffix = [0; 8];
    aws_lc_rs::rand::fill(&mut suffix)?;
    let path = directory.join(format!(".{name}.{}", to_hex(&suffix)));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(io_at(&path))?;
    Ok(path)
}

fn sync_directory(directory: &Path) -> Result<(), MintError> {
    File::open(directory).and_then(|opened| opened.sync_all()).map_err(io_at(directory))
}

/// The content of a file, nothing if there is none; cut where it is too long to be a root.
fn read(path: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX));
    file.take(FILE_BYTES_MAX as u64).read_to_end(&mut content)?;
    Ok(Some(content))
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> MintError {
    move |source| MintError::Io { path: path.to_owned(), source }
}

/// Length of the DER element at the start, header included, for the sizes that a root has.
fn der_length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [_, short @ 0..=0x7f, ..] => Some(2 + usize::from(*short)),
        [_, 0x81, length, ..] => Some(3 + usize::from(*length)),
        [_, 0x82, high, low, ..] => Some(4 + usize::from(u16::from_be_bytes([*high, *low]))),
        _ => None,
    }
}

/// What follows the algorithm in a certificate: the content of a bit string without its first byte.
fn signature_of(certificate: &[u8]) -> Option<&[u8]> {
    let (_, parts) = certificate.split_at_checked(4)?;
    let (_, after) = parts.split_at_checked(der_length(parts)?)?;
    after.strip_prefix(certificate::ECDSA_SHA384)?.get(3..)
}

/// PEM (RFC 7468) of a certificate.
fn pem(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    for (position, character) in encoded.chars().enumerate() {
        if position > 0 && position % 64 == 0 {
            out.push('\n');
        }
        out.push(character);
    }
    out.push_str("\n-----END CERTIFICATE-----\n");
    out
}

/// A root has less than 1 KiB.
const FILE_BYTES_MAX: usize = 4_096;

#[cfg(test)]
mod tests;
