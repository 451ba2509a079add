//! Evidence as a file: its encoding undone and its kind recognised.
//!
//! Only the outermost form is looked at, and what it says decides who judges, never how. What is
//! of no known form is given to no judge; it is refused as such.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use lucarne_ledger::hash::Hash;

use crate::failure::{Exit, Failure};

/// What sort of evidence it looks like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A document of the Nitro format: AWS Nitro, or a software TEE under a root of its own.
    Nitro,
    /// A quote of TDX, or of SGX, which is refused by name.
    Tdx,
    /// A report of SEV-SNP.
    Snp,
    /// None of these.
    Unknown,
}

/// How the file was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    /// As the device gave it.
    Raw,
    /// Hex digits.
    Hex,
    /// Base64, in either alphabet.
    Base64,
}

/// A file of evidence.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Evidence {
    /// Its bytes, with the encoding undone.
    pub(super) bytes: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) encoding: Encoding,
    /// SHA-256 of the file as it is stored. Names the file, not the evidence.
    pub(super) file_sha256: Hash,
}

impl Kind {
    /// Its name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Nitro => "nitro",
            Self::Tdx => "tdx",
            Self::Snp => "snp",
            Self::Unknown => "unknown",
        }
    }

    fn of(bytes: &[u8]) -> Self {
        match bytes {
            // Little-endian: version, then the type of the key, 2 or 3 for ECDSA.
            [3..=5, 0, 2..=3, 0, ..] => Self::Tdx,
            // Little-endian version of the report.
            [0..=15, 0, 0, 0, ..] => Self::Snp,
            // A CBOR array or tag; nothing at all is refused by the same reader.
            [] | [0x80..=0x9f | 0xc0..=0xdb, ..] => Self::Nitro,
            _ => Self::Unknown,
        }
    }
}

impl Encoding {
    /// Its name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Hex => "hex",
            Self::Base64 => "base64",
        }
    }
}

impl Evidence {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is longer than any evidence.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        Ok(Self::of(&read_bounded(path, FILE_BYTES_MAX)?))
    }

    fn of(stored: &[u8]) -> Self {
        let (encoding, bytes) = decoded(stored);
        let (kind, file_sha256) = (Kind::of(&bytes), Hash::of(stored));
        Self { bytes, kind, encoding, file_sha256 }
    }
}

/// Reads a file of a bounded length.
///
/// # Errors
/// When it cannot be read or is longer.
pub(super) fn read_bounded(path: &Path, max: u64) -> Result<Vec<u8>, Failure> {
    let what = format!("read {}", path.display());
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(max + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::unreadable(&what, &error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= max) {
        Ok(bytes)
    } else {
        Err(Failure::new(Exit::Unreadable, format!("{what}: it is longer than {max} bytes")))
    }
}

/// Undoes hex or base64, if the file is text of the one or the other.
fn decoded(stored: &[u8]) -> (Encoding, Vec<u8>) {
    let raw = || (Encoding::Raw, stored.to_vec());
    if stored.is_empty() || !stored.is_ascii() {
        return raw();
    }
    let digits: Vec<u8> =
        stored.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if let Some(bytes) = from_hex(&digits) {
        return (Encoding::Hex, bytes);
    }
    let unpadded = digits.strip_suffix(b"==").or(digits.strip_suffix(b"=")).unwrap_or(&digits);
    let read = STANDARD_NO_PAD.decode(unpadded).or_else(|_| URL_SAFE_NO_PAD.decode(unpadded));
    match read {
        Ok(bytes) if !bytes.is_empty() => (Encoding::Base64, bytes),
        Ok(_) | Err(_) => raw(),
    }
}

/// Bytes of hex digits in either case.
pub(super) fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    digits.chunks(2).map(pair).collect()
}

/// Quotes have 5 KB, in hex twice that; certificates may be attached.
const FILE_BYTES_MAX: u64 = 256 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stored: &[u8], encoding: Encoding, kind: Kind, bytes: &[u8]) {
        let read = Evidence::of(stored);
        assert_eq!((read.encoding, read.kind, &read.bytes[..]), (encoding, kind, bytes));
        assert_eq!(read.file_sha256, Hash::of(stored));
    }

    #[test]
    fn kinds_are_told_by_their_first_bytes() {
        for (bytes, kind) in [
            (&[0x84, 0x44, 0xa1, 0xff][..], Kind::Nitro),
            (&[0xd2, 0x84, 0x44, 0xff], Kind::Nitro),
            (&[4, 0, 2, 0, 0x81, 0xff], Kind::Tdx),
            (&[5, 0, 2, 0, 0x81, 0xff], Kind::Tdx),
            (&[3, 0, 2, 0, 0, 0xff], Kind::Tdx),
            (&[2, 0, 0, 0, 0xff], Kind::Snp),
            (&[5, 0, 0, 0, 0xff], Kind::Snp),
            (&[0xff, 0xff], Kind::Unknown),
        ] {
            check(bytes, Encoding::Raw, kind, bytes);
        }
        check(b"", Encoding::Raw, Kind::Nitro, b"");
        check(b"no evidence at all!", Encoding::Raw, Kind::Unknown, b"no evidence at all!");
    }

    #[test]
    fn encodings_are_undone() {
        let bytes = [0x84, 0x44, 0xa1, 0x01, 0xfb, 0xff];
        check(b"8444a101fbff\n", Encoding::Hex, Kind::Nitro, &bytes);
        check(b"8444A101 FBFF", Encoding::Hex, Kind::Nitro, &bytes);
        check(b"hEShAfv/\n", Encoding::Base64, Kind::Nitro, &bytes);
        check(b"hESh\r\nAfv_", Encoding::Base64, Kind::Nitro, &bytes);
        check(b"hEQ=", Encoding::Base64, Kind::Nitro, &bytes[..2]);
    }
}
