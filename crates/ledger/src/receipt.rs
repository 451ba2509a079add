//! Receipts (RFC 9942): a proof with the signature over its root in one COSE_Sign1, for users who
//! speak COSE.
//!
//! RFC 9942 signs the root alone, so a bare receipt proves that something is in *a* tree. Ours name
//! the log (CWT claim `iss`) and the size of the tree (`tree_size`) in the protected header; a
//! receipt without them is accepted for what it proves, and [`Proven::head`] is then `None`. We
//! write one form. The reader also takes the receipts of others: header labels in any order, but no
//! label twice, no critical label and no indefinite length, and exactly one proof.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::cbor::{CborError, Reader, Writer};
use crate::cose::to_be_signed;
use crate::hash::Hash;
use crate::key::{PublicKey, Signer, SigningFailed};
use crate::proof::{Consistency, Inclusion, PATH_HASHES_MAX, ProofError};

mod header;

use header::Header;

/// Longest receipt: the longest path, an origin and a signature.
pub const RECEIPT_BYTES_MAX: usize = 8192;

/// Why a receipt is not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReceiptError {
    /// Longer than `RECEIPT_BYTES_MAX`.
    TooLong,
    /// Not a COSE_Sign1 with one proof of RFC 9942 in shortest CBOR.
    Cbor(CborError),
    /// A label stands twice, is critical, or says another kind of tree than RFC 9162's.
    Header,
    /// It names another algorithm or key than the one given.
    Key,
    /// It is a receipt of inclusion where one of consistency was asked for, or the reverse.
    Kind,
    /// The signed size is not that of the proof.
    Size {
        /// What the protected header says.
        signed: u64,
        /// What the proof says.
        proof: u64,
    },
    /// The path is not one, or does not begin with the tree it should.
    Proof(ProofError),
    /// The attached root is not the one that the path leads to.
    Root {
        /// What is attached.
        attached: Hash,
        /// Where the path leads.
        found: Hash,
    },
    /// The signature is not the key's over this header and root.
    Signature,
}

impl From<CborError> for ReceiptError {
    fn from(error: CborError) -> Self {
        Self::Cbor(error)
    }
}

impl fmt::Display for ReceiptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "receipt is too long"),
            Self::Cbor(_) => write!(f, "receipt is not COSE_Sign1 with one proof"),
            Self::Header => write!(f, "receipt has a header that cannot be accepted"),
            Self::Key => write!(f, "receipt names another key or algorithm"),
            Self::Kind => write!(f, "receipt is not of the kind asked for"),
            Self::Size { signed, proof } => {
                write!(f, "receipt is signed for size {signed}, its proof is for {proof}")
            }
            Self::Proof(_) => write!(f, "proof of the receipt is not accepted"),
            Self::Root { attached, found } => {
                write!(f, "path leads to root {found}, the receipt carries {attached}")
            }
            Self::Signature => write!(f, "signature of the receipt does not verify"),
        }
    }
}

impl core::error::Error for ReceiptError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Cbor(error) => Some(error),
            Self::Proof(error) => Some(error),
            Self::TooLong
            | Self::Header
            | Self::Key
            | Self::Kind
            | Self::Size { .. }
            | Self::Root { .. }
            | Self::Signature => None,
        }
    }
}

/// What a receipt carries beside the signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Proof {
    /// A leaf is in the tree.
    Inclusion(Inclusion),
    /// The tree begins with an earlier one.
    Consistency(Consistency),
}

impl Proof {
    /// Leaves of the tree whose root is signed.
    pub const fn size(&self) -> u64 {
        match self {
            Self::Inclusion(proof) => proof.size,
            Self::Consistency(proof) => proof.new,
        }
    }
}

/// The log and the size that a signature covers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// Which log.
    pub origin: String,
    /// Leaves of its tree.
    pub size: u64,
}

/// What a receipt has proven.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proven {
    /// The signed root.
    pub root: Hash,
    /// The log and size, if they are signed too. Without them membership is proven, and neither a
    /// log nor a sequence number.
    pub head: Option<Head>,
}

/// A receipt as read: nothing is checked but its form.
#[derive(Clone, Debug)]
pub struct Receipt<'a> {
    protected: &'a [u8],
    header: Header<'a>,
    proof: Proof,
    attached: Option<Hash>,
    signature: &'a [u8],
}

impl<'a> Receipt<'a> {
    /// Signs `root` as that of the log `origin` at the proof's size, and packs the proof with it.
    ///
    /// Whoever holds the signer vouches for the root, so receipts come from where checkpoints are
    /// signed and from nowhere else.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(
        signer: &dyn Signer,
        origin: &str,
        proof: &Proof,
        root: Hash,
    ) -> Result<Vec<u8>, SigningFailed> {
        let header = header::write(signer.public_key(), origin, proof.size());
        let signature = signer.sign(&to_be_signed(&header, &root.0))?;
        let mut out = Writer::new();
        out.tag(18).array(4).bytes(&header);
        // The root is recomputed by whoever verifies: RFC 9942 §5.2.
        out.raw(&write_proof(proof)).null().bytes(&signature);
        Ok(out.finish())
    }

    /// Reads a receipt.
    ///
    /// # Errors
    /// When it is not one, or its header cannot be accepted whoever signed it.
    pub fn parse(message: &'a [u8]) -> Result<Self, ReceiptError> {
        if message.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::TooLong);
        }
        let mut reader = Reader::new(message);
        reader.tag(18)?;
        if reader.array()? != 4 {
            return Err(CborError::Value.into());
        }
        let protected = reader.bytes()?;
        let proof = read_proof(&mut reader)?;
        let attached = if reader.null() { None } else { Some(Hash(reader.array_of()?)) };
        let signature = reader.bytes()?;
        reader.end()?;
        Ok(Self { protected, header: Header::parse(protected)?, proof, attached, signature })
    }

    /// The proof, which nobody has checked.
    pub const fn unverified_proof(&self) -> &Proof {
        &self.proof
    }

    /// The key identifier, for finding the key.
    pub const fn key_id(&self) -> Option<&'a [u8]> {
        self.header.key_id
    }

    /// Checks that `key` signed a tree which has `leaf` at the proof's index.
    ///
    /// # Errors
    /// Each check its own.
    pub fn verify_inclusion(&self, key: &PublicKey, leaf: Hash) -> Result<Proven, ReceiptError> {
        let Proof::Inclusion(proof) = &self.proof else { return Err(ReceiptError::Kind) };
        let root = proof.root(leaf).map_err(ReceiptError::Proof)?;
        self.verify_root(key, root)
    }

    /// Checks that `key` signed a tree which begins with that of the root `old`.
    ///
    /// # Errors
    /// Each check its own.
    pub fn verify_consistency(&self, key: &PublicKey, old: Hash) -> Result<Proven, ReceiptError> {
        let Proof::Consistency(proof) = &self.proof else { return Err(ReceiptError::Kind) };
        let root = proof.root(old).map_err(ReceiptError::Proof)?;
        self.verify_root(key, root)
    }

    fn verify_root(&self, key: &PublicKey, root: Hash) -> Result<Proven, ReceiptError> {
        if !self.header.is_of(key) {
            return Err(ReceiptError::Key);
        }
        let proof = self.proof.size();
        let signed = self.header.tree_size.unwrap_or(proof);
        if signed != proof {
            return Err(ReceiptError::Size { signed, proof });
        }
        if let Some(attached) = self.attached.filter(|attached| *attached != root) {
            return Err(ReceiptError::Root { attached, found: root });
        }
        if !key.verifies(&to_be_signed(self.protected, &root.0), self.signature) {
            return Err(ReceiptError::Signature);
        }
        let head = match (self.header.origin, self.header.tree_size) {
            (Some(origin), Some(size)) => Some(Head { origin: origin.to_owned(), size }),
            _ => None,
        };
        Ok(Proven { root, head })
    }
}

// Labels of RFC 9942: verifiable data structure proofs, and in there -1 inclusion, -2 consistency.
const PROOFS: u64 = 396;
const INCLUSION: u64 = 0;
const CONSISTENCY: u64 = 1;

/// The unprotected header: `{396: {-1 or -2: [<<[size, size or index, [path]]>>]}}`.
fn write_proof(proof: &Proof) -> Vec<u8> {
    let (label, first, second, path) = match proof {
        Proof::Inclusion(it) => (INCLUSION, it.size, it.index, &it.path),
        Proof::Consistency(it) => (CONSISTENCY, it.old, it.new, &it.path),
    };
    let mut inner = Writer::new();
    inner.array(3).uint(first).uint(second).array(path.len() as u64);
    for hash in path {
        inner.bytes(&hash.0);
    }
    let mut out = Writer::new();
    out.map(1).uint(PROOFS).map(1).negative(label).array(1).bytes(&inner.finish());
    out.finish()
}

fn read_proof(reader: &mut Reader<'_>) -> Result<Proof, CborError> {
    let one = |found: u64| if found == 1 { Ok(()) } else { Err(CborError::Value) };
    one(reader.map()?)?;
    reader.exactly(PROOFS)?;
    one(reader.map()?)?;
    let label = reader.negative()?;
    one(reader.array()?)?;
    let mut inner = Reader::new(reader.bytes()?);
    if inner.array()? != 3 {
        return Err(CborError::Value);
    }
    let (first, second) = (inner.uint()?, inner.uint()?);
    let count = inner.array()?;
    if count > PATH_HASHES_MAX as u64 {
        return Err(CborError::Value);
    }
    let mut path = Vec::new();
    for _ in 0..count {
        path.push(Hash(inner.array_of()?));
    }
    inner.end()?;
    match label {
        INCLUSION => Ok(Proof::Inclusion(Inclusion { size: first, index: second, path })),
        CONSISTENCY => Ok(Proof::Consistency(Consistency { old: first, new: second, path })),
        _ => Err(CborError::Value),
    }
}

#[cfg(test)]
mod tests;
