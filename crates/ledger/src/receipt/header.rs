//! The protected header of a receipt: ours in its one form, and what is read of others.
//!
//! What a verifier must understand is read; what it may ignore is skipped, but only as far as it is
//! well-formed, so that nothing hides behind a length. `crit` is refused: we know no label that may
//! stand there.

use alloc::vec::Vec;

use crate::cbor::{CborError, Reader, Writer};
use crate::key::{Algorithm, PublicKey};

use super::ReceiptError;

/// What matters of a header.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Header<'a> {
    algorithm: Option<Algorithm>,
    pub(super) key_id: Option<&'a [u8]>,
    pub(super) origin: Option<&'a str>,
    pub(super) tree_size: Option<u64>,
    tree: bool,
}

// RFC 9052 §3.1, RFC 9597 §2 and RFC 9942 §7.
const ALG: u64 = 1;
const CRIT: u64 = 2;
const KID: u64 = 4;
const CLAIMS: u64 = 15;
const TREE: u64 = 395;
/// The only kind of tree that we know: `RFC9162_SHA256`.
const RFC9162_SHA256: u64 = 1;
/// CWT claim `iss`: who runs the log; for us, the log's origin.
const ISSUER: u64 = 1;
const TREE_SIZE: &str = "tree_size";

/// More labels than any receipt has; a bound for the search for doubled ones.
const LABELS_MAX: u64 = 16;
/// Values that are skipped may be nested so deep.
const DEPTH_MAX: u32 = 4;

/// The header that we write: `{1: alg, 4: kid, 15: {1: origin}, 395: 1, "tree_size": size}`.
pub(super) fn write(key: &PublicKey, origin: &str, size: u64) -> Vec<u8> {
    let mut out = Writer::new();
    out.map(5).uint(ALG);
    match key.algorithm() {
        Algorithm::EcdsaP256 => out.negative(8), // ESP256 = -9
        Algorithm::Ed25519 => out.negative(18),  // Ed25519 = -19
    };
    out.uint(KID).bytes(&key.id().0);
    out.uint(CLAIMS).map(1).uint(ISSUER).text(origin);
    out.uint(TREE).uint(RFC9162_SHA256).text(TREE_SIZE).uint(size);
    out.finish()
}

impl<'a> Header<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ReceiptError> {
        let mut reader = Reader::new(bytes);
        let mut header = Self::default();
        for_each_label(&mut reader, &mut |label, reader| {
            match label {
                Label::Number(CRIT) => return Err(ReceiptError::Header),
                Label::Number(ALG) => header.algorithm = Some(algorithm(reader)?),
                Label::Number(KID) => header.key_id = Some(reader.bytes()?),
                Label::Number(TREE) => header.tree = reader.uint()? == RFC9162_SHA256,
                Label::Number(CLAIMS) => header.origin = issuer(reader)?,
                Label::Text(TREE_SIZE) => header.tree_size = Some(reader.uint()?),
                Label::Number(_) | Label::Negative(_) | Label::Text(_) => skip(reader, DEPTH_MAX)?,
            }
            Ok(())
        })?;
        reader.end()?;
        if header.tree { Ok(header) } else { Err(ReceiptError::Header) }
    }

    /// Whether it names this key, or no key but the algorithm of this one.
    pub(super) fn is_of(&self, key: &PublicKey) -> bool {
        self.algorithm == Some(key.algorithm()) && self.key_id.is_none_or(|id| id == key.id().0)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Label<'a> {
    Number(u64),
    Negative(u64),
    Text(&'a str),
}

/// Reads a map, handing over the reader at each value; no label may stand twice.
fn for_each_label<'a>(
    reader: &mut Reader<'a>,
    each: &mut dyn FnMut(Label<'a>, &mut Reader<'a>) -> Result<(), ReceiptError>,
) -> Result<(), ReceiptError> {
    let count = reader.map()?;
    if count > LABELS_MAX {
        return Err(ReceiptError::Header);
    }
    let mut seen = Vec::new();
    for _ in 0..count {
        let label = match reader.peek_major() {
            Some(0) => Label::Number(reader.uint()?),
            Some(1) => Label::Negative(reader.negative()?),
            _ => Label::Text(reader.text()?),
        };
        if seen.contains(&label) {
            return Err(ReceiptError::Header);
        }
        seen.push(label);
        each(label, reader)?;
    }
    Ok(())
}

fn algorithm(reader: &mut Reader<'_>) -> Result<Algorithm, ReceiptError> {
    match reader.negative()? {
        // ES256 = -7 is the older name of ESP256 = -9; the key fixes the curve.
        6 | 8 => Ok(Algorithm::EcdsaP256),
        18 => Ok(Algorithm::Ed25519),
        _ => Err(ReceiptError::Key),
    }
}

fn issuer<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a str>, ReceiptError> {
    let mut found = None;
    for_each_label(reader, &mut |label, reader| {
        if label == Label::Number(ISSUER) {
            found = Some(reader.text()?);
        } else {
            skip(reader, DEPTH_MAX)?;
        }
        Ok(())
    })?;
    Ok(found)
}

/// Passes over one item of a kind that headers have.
fn skip(reader: &mut Reader<'_>, depth: u32) -> Result<(), CborError> {
    let Some(depth) = depth.checked_sub(1) else { return Err(CborError::Value) };
    let items = match reader.peek_major() {
        Some(0) => reader.uint().map(|_| 0),
        Some(1) => reader.negative().map(|_| 0),
        Some(2) => reader.bytes().map(|_| 0),
        Some(3) => reader.text().map(|_| 0),
        Some(4) => reader.array(),
        Some(5) => reader.map().map(|pairs| pairs.saturating_mul(2)),
        _ => Err(CborError::Value),
    }?;
    for _ in 0..items {
        skip(reader, depth)?;
    }
    Ok(())
}
