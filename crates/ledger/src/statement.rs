//! What keys sign about a ledger: statements, archive acknowledgements and withholding
//! authorisations.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use crate::cbor::{CborError, Reader, Writer};
use crate::cose::{self, ContentType, SignatureError};
use crate::hash::Hash;
use crate::identity::{EpochId, LedgerId, LedgerKind};
use crate::key::{PublicKey, Signer, SigningFailed};

/// "After these records my ledger has this size and this root."
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statement {
    /// Whose ledger.
    pub ledger: LedgerId,
    /// Sequence number of the first record, which is the size before the batch.
    pub first: u64,
    /// Number of records, at least one.
    pub count: u64,
    /// Milliseconds since the Unix epoch by the enclave's clock, which the host controls.
    pub time_ms: u64,
    /// Root before the batch.
    pub prev_root: Hash,
    /// Root after it.
    pub root: Hash,
}

const STATEMENT_VERSION: u64 = 1;
/// Text of the longest rule or order name.
pub const RULE_BYTES_MAX: usize = 256;

impl Statement {
    /// Size of the ledger after the batch.
    pub const fn size(&self) -> u64 {
        self.first.saturating_add(self.count)
    }

    /// Deterministic CBOR: a map from 1 (version) to 9 (root).
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.map(9).uint(1).uint(STATEMENT_VERSION);
        write_ledger(&mut out, &self.ledger);
        out.uint(5).uint(self.first).uint(6).uint(self.count).uint(7).uint(self.time_ms);
        out.uint(8).bytes(&self.prev_root.0).uint(9).bytes(&self.root.0);
        out.finish()
    }

    /// Reads what `to_cbor` writes and nothing else.
    ///
    /// # Errors
    /// When the bytes are not exactly one statement of this version.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, CborError> {
        let mut reader = Reader::new(bytes);
        map_of(&mut reader, 9)?;
        let ledger = read_ledger(&mut reader)?;
        let first = field(&mut reader, 5, Reader::uint)?;
        let count = field(&mut reader, 6, Reader::uint)?;
        let time_ms = field(&mut reader, 7, Reader::uint)?;
        let prev_root = field(&mut reader, 8, Reader::array_of).map(Hash)?;
        let root = field(&mut reader, 9, Reader::array_of).map(Hash)?;
        reader.end()?;
        if count == 0 || first.checked_add(count).is_none() {
            return Err(CborError::Value);
        }
        Ok(Self { ledger, first, count, time_ms, prev_root, root })
    }
}

/// "Everything up to here is in the archive": what lets the enclave forget.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Archived {
    /// Whose ledger.
    pub ledger: LedgerId,
    /// First record of the last batch archived.
    pub first: u64,
    /// Its number of records.
    pub count: u64,
    /// Root after it; it commits to everything before.
    pub root: Hash,
}

impl Archived {
    /// Size up to which the archive holds everything.
    pub const fn size(&self) -> u64 {
        self.first.saturating_add(self.count)
    }

    /// The signed acknowledgement.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Vec<u8>, SigningFailed> {
        let mut out = Writer::new();
        out.map(7).uint(1).uint(STATEMENT_VERSION);
        write_ledger(&mut out, &self.ledger);
        out.uint(5).uint(self.first).uint(6).uint(self.count).uint(7).bytes(&self.root.0);
        cose::sign(signer, ContentType::Archived, &out.finish())
    }

    /// Checks and reads an acknowledgement.
    ///
    /// # Errors
    /// When it is not `key`'s, or not of this form.
    pub fn verify(message: &[u8], key: &PublicKey) -> Result<Self, SignatureError> {
        let payload = cose::verify(message, key, ContentType::Archived)?;
        let mut reader = Reader::new(payload);
        map_of(&mut reader, 7)?;
        let ledger = read_ledger(&mut reader)?;
        let first = field(&mut reader, 5, Reader::uint)?;
        let count = field(&mut reader, 6, Reader::uint)?;
        let root = field(&mut reader, 7, Reader::array_of).map(Hash)?;
        reader.end()?;
        if first.checked_add(count).is_none() {
            return Err(CborError::Value.into());
        }
        Ok(Self { ledger, first, count, root })
    }
}

/// The authority to leave one payload out of the archive: which record, by which rule or order,
/// when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Withholding {
    /// Whose ledger.
    pub ledger: LedgerId,
    /// Sequence number of the record.
    pub seq: u64,
    /// The commitment that stays in its place.
    pub commitment: Hash,
    /// Name of the rule of the outer layer, or of the order.
    pub rule: String,
    /// Milliseconds since the Unix epoch.
    pub time_ms: u64,
}

impl Withholding {
    /// The signed authorisation.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Vec<u8>, SigningFailed> {
        let mut out = Writer::new();
        out.map(8).uint(1).uint(STATEMENT_VERSION);
        write_ledger(&mut out, &self.ledger);
        out.uint(5).uint(self.seq).uint(6).bytes(&self.commitment.0);
        out.uint(7).text(&self.rule).uint(8).uint(self.time_ms);
        cose::sign(signer, ContentType::Withholding, &out.finish())
    }

    /// Checks and reads an authorisation.
    ///
    /// # Errors
    /// When it is not `key`'s, or not of this form.
    pub fn verify(message: &[u8], key: &PublicKey) -> Result<Self, SignatureError> {
        let payload = cose::verify(message, key, ContentType::Withholding)?;
        let mut reader = Reader::new(payload);
        map_of(&mut reader, 8)?;
        let ledger = read_ledger(&mut reader)?;
        let seq = field(&mut reader, 5, Reader::uint)?;
        let commitment = field(&mut reader, 6, Reader::array_of).map(Hash)?;
        let rule = field(&mut reader, 7, Reader::text)?;
        let time_ms = field(&mut reader, 8, Reader::uint)?;
        reader.end()?;
        if rule.len() > RULE_BYTES_MAX {
            return Err(CborError::Value.into());
        }
        Ok(Self { ledger, seq, commitment, rule: rule.to_owned(), time_ms })
    }
}

pub(crate) fn write_ledger(out: &mut Writer, ledger: &LedgerId) {
    out.uint(2).text(ledger.instance.as_str());
    out.uint(3).bytes(&ledger.epoch.0).uint(4).uint(ledger.kind.code());
}

pub(crate) fn map_of(reader: &mut Reader<'_>, pairs: u64) -> Result<(), CborError> {
    if reader.map()? != pairs {
        return Err(CborError::Value);
    }
    field(reader, 1, |reader| reader.exactly(STATEMENT_VERSION))
}

pub(crate) fn read_ledger(reader: &mut Reader<'_>) -> Result<LedgerId, CborError> {
    let instance = field(reader, 2, Reader::text)?.parse().map_err(|_| CborError::Value)?;
    let epoch = field(reader, 3, Reader::array_of).map(EpochId)?;
    let kind = field(reader, 4, Reader::uint)?;
    let kind = LedgerKind::from_code(kind).ok_or(CborError::Value)?;
    Ok(LedgerId { instance, epoch, kind })
}

pub(crate) fn field<'a, T>(
    reader: &mut Reader<'a>,
    key: u64,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, CborError>,
) -> Result<T, CborError> {
    reader.exactly(key)?;
    read(reader)
}

#[cfg(test)]
mod tests;
