//! Proof bundles: everything that is needed to judge one record, in one file, years later.
//!
//! A bundle carries the record with its salt, the statement of its batch, the path to a signed
//! checkpoint, the record that opened the ledger, and the evidence for the keys. It is judged with
//! nothing else but a policy: [`ProofBundle::verify`] takes keys that the evidence in the bundle
//! has been found to vouch for. Reading accepts one spelling; what is read has not been believed.
//! A record whose payload was withheld is proven by its commitment, and the rest says so.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::audit::AttestedKeys;
use crate::cbor::CborError;
use crate::checkpoint::{Checkpoint, CheckpointError, origin};
use crate::control::{Control, Open};
use crate::cose::{self, ContentType, SignatureError};
use crate::hash::{Hash, to_hex};
use crate::note::NoteKey;
use crate::proof::{Inclusion, ProofError};
use crate::record::{self, Stream};
use crate::salt::Salt;
use crate::statement::Statement;

mod encoding;

/// Longest bundle: a record and its two contexts of the longest kind, and ample evidence.
pub const BUNDLE_BYTES_MAX: usize = 8 << 20;
/// Most time stamps of a bundle: of the checkpoint as the log signed it, and as witnesses did.
pub const STAMPS_MAX: usize = 4;
/// Most records of a bundle: the one it is about, its scope and its resource.
pub const RECORDS_MAX: usize = 3;

/// One record with its proofs, as read: nothing is checked but its form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProofBundle {
    /// Which record it is about.
    pub seq: u64,
    /// The signed statement of the batch that the record was sealed in.
    pub statement: Vec<u8>,
    /// The record, and the contexts of the same batch that it refers to; by sequence number.
    pub records: Vec<BundledRecord>,
    /// The signed checkpoint, cosignatures included.
    pub checkpoint: String,
    /// From the record to the checkpoint's root.
    pub path: Vec<Hash>,
    /// How the ledger began, if that is known.
    pub opening: Option<Opening>,
    /// Deterministic CBOR of the epoch binding.
    pub binding: Vec<u8>,
    /// What the TEE signed about itself.
    pub evidence: Vec<u8>,
    /// What the evidence was checked with at the time, if that was stored.
    pub collateral: Option<Vec<u8>>,
    /// What third parties say about when the checkpoint existed.
    pub stamps: Vec<Stamp>,
    /// The entry of the site's baseline for the code that sealed it, in the baseline's own form.
    pub baseline: Option<String>,
}

/// The word of a time-stamping authority over a checkpoint (RFC 3161).
///
/// Not checked here: that needs a root, and a reader of certificates.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// How many bytes of the checkpoint's note were stamped: lines of witnesses may have been added
    /// to it since.
    pub covered: usize,
    /// The authority's answer.
    pub response: Vec<u8>,
}

/// A record of a sealed batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BundledRecord {
    /// Its sequence number.
    pub seq: u64,
    /// Its stream.
    pub stream: Stream,
    /// Its payload, or what stands in its place.
    pub content: BundledContent,
    /// From the record to the root after its batch.
    pub path: Vec<Hash>,
}

/// A payload, or what stands in its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BundledContent {
    /// Here it is.
    Present {
        /// What was sealed.
        payload: Vec<u8>,
        /// What hides it behind its commitment.
        salt: Salt,
    },
    /// Left out after it was sealed.
    Withheld {
        /// What was committed to.
        commitment: Hash,
        /// The signed authority to leave it out; empty when there is none.
        authorisation: Vec<u8>,
    },
}

/// Record 0 of the ledger with the statement of its batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opening {
    /// The signed statement.
    pub statement: Vec<u8>,
    /// The record.
    pub record: BundledRecord,
}

/// Why a bundle does not prove its record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BundleError {
    /// Longer than `BUNDLE_BYTES_MAX`.
    TooLong,
    /// Not deterministic CBOR of its shape.
    Cbor(CborError),
    /// A statement is not signed by the epoch's key.
    Statement(SignatureError),
    /// A statement is of another ledger than its key may speak for, or not of the batch that it
    /// should.
    Foreign,
    /// The record that it is about is not in it, or not in the batch of its statement.
    Absent,
    /// A record is not in the tree of its statement.
    Record {
        /// Its sequence number.
        seq: u64,
        /// Why.
        why: ProofError,
    },
    /// The checkpoint is not signed by the epoch's keys.
    Checkpoint(CheckpointError),
    /// The checkpoint is of another ledger.
    Origin,
    /// The record is not in the tree of the checkpoint.
    Path(ProofError),
    /// Statement and checkpoint give one size two roots: the epoch's key has signed two histories.
    Forked {
        /// Root by the statement.
        statement: Hash,
        /// Root by the checkpoint.
        checkpoint: Hash,
    },
    /// The record that opened the ledger does not speak of this epoch and this evidence.
    Opening,
    /// A time stamp does not cover the text of the checkpoint.
    Stamp,
}

impl From<CborError> for BundleError {
    fn from(error: CborError) -> Self {
        Self::Cbor(error)
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "bundle is too long"),
            Self::Cbor(_) => write!(f, "not a proof bundle in deterministic CBOR"),
            Self::Statement(_) => write!(f, "statement is not signed by the epoch's key"),
            Self::Foreign => write!(f, "statement is of another ledger or batch"),
            Self::Absent => write!(f, "the record is not in the batch of its statement"),
            Self::Record { seq, .. } => write!(f, "record {seq} is not what was sealed"),
            Self::Checkpoint(_) => write!(f, "checkpoint is not accepted"),
            Self::Origin => write!(f, "checkpoint is of another ledger"),
            Self::Path(_) => write!(f, "the record is not in the tree of the checkpoint"),
            Self::Forked { statement, checkpoint } => {
                write!(f, "two roots are signed for one size: {statement} and {checkpoint}")
            }
            Self::Opening => write!(f, "the ledger was opened by another epoch or evidence"),
            Self::Stamp => write!(f, "a time stamp does not cover the text of the checkpoint"),
        }
    }
}

impl core::error::Error for BundleError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Cbor(error) => Some(error),
            Self::Statement(error) => Some(error),
            Self::Checkpoint(error) => Some(error),
            Self::Record { why, .. } | Self::Path(why) => Some(why),
            Self::TooLong
            | Self::Foreign
            | Self::Absent
            | Self::Origin
            | Self::Forked { .. }
            | Self::Stamp
            | Self::Opening => None,
        }
    }
}

/// What a bundle has proven. Only [`ProofBundle::verify`] makes one.
///
/// ```compile_fail
/// use lucarne_ledger::proof_bundle::Proven;
/// fn forge(proven: Proven<'_>) -> Proven<'_> {
///     Proven { opened: None, ..proven } // private fields: trust cannot be typed in
/// }
/// ```
#[derive(Debug)]
pub struct Proven<'b> {
    bundle: &'b ProofBundle,
    record: &'b BundledRecord,
    statement: Statement,
    head: Checkpoint,
    opened: Option<Open>,
}

impl<'b> Proven<'b> {
    /// The record.
    pub const fn record(&self) -> &'b BundledRecord {
        self.record
    }

    /// What was signed when it was sealed.
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The signed head whose tree it is in.
    pub const fn head(&self) -> &Checkpoint {
        &self.head
    }

    /// What the ledger said of itself when it began, if that is in the bundle.
    pub const fn opened(&self) -> Option<&Open> {
        self.opened.as_ref()
    }

    /// The time stamps, each with the bytes that its authority has to have seen.
    pub fn stamped(&self) -> impl Iterator<Item = (&'b [u8], &'b [u8])> {
        self.bundle.stamps.iter().filter_map(|stamp| self.bundle.stamped(stamp))
    }

    /// The payload of the context with this index, counted from the batch's first record; with the
    /// index that it refers to itself.
    pub fn context(&self, index: u32) -> Option<(u32, &'b [u8])> {
        let seq = self.statement.first.checked_add(u64::from(index))?;
        let context = self.bundle.record(seq).filter(|it| it.stream == Stream::Context)?;
        match &context.content {
            BundledContent::Present { payload, .. } => crate::batch::split_context(payload),
            BundledContent::Withheld { .. } => None,
        }
    }
}

impl BundledRecord {
    /// `SHA-256(salt || payload)`.
    pub fn commitment(&self) -> Hash {
        match &self.content {
            BundledContent::Present { payload, salt } => {
                record::commitment(salt, payload, &mut Vec::new())
            }
            BundledContent::Withheld { commitment, .. } => *commitment,
        }
    }

    /// Its hash in the tree.
    pub fn leaf(&self) -> Hash {
        record::leaf(self.stream, self.commitment())
    }

    fn verify(&self, statement: &Statement) -> Result<(), BundleError> {
        if !(statement.first..statement.size()).contains(&self.seq) {
            return Err(BundleError::Absent);
        }
        let (index, size) = (self.seq, statement.size());
        let inclusion = Inclusion { index, size, path: self.path.clone() };
        let verdict = inclusion.verify(self.leaf(), statement.root);
        verdict.map_err(|why| BundleError::Record { seq: self.seq, why })
    }
}

impl ProofBundle {
    /// The record with this sequence number.
    pub fn record(&self, seq: u64) -> Option<&BundledRecord> {
        self.records.iter().find(|record| record.seq == seq)
    }

    /// What was stamped, and the answer; `None` when that is not whole lines with all of the text.
    fn stamped<'b>(&'b self, stamp: &'b Stamp) -> Option<(&'b [u8], &'b [u8])> {
        let covered = self.checkpoint.get(..stamp.covered)?;
        let whole = covered.ends_with('\n') && covered.contains("\n\n");
        whole.then_some((covered.as_bytes(), stamp.response.as_slice()))
    }

    /// What the statement claims, *before anybody checked it*: for judging the evidence of that
    /// epoch.
    ///
    /// # Errors
    /// When it is no statement.
    pub fn claimed_statement(&self) -> Result<Statement, BundleError> {
        Ok(Statement::from_cbor(cose::unverified_payload(&self.statement)?)?)
    }

    /// Checks everything that is in the bundle against keys that its evidence vouches for.
    ///
    /// # Errors
    /// The first check that fails: statement, records, checkpoint, path, opening.
    pub fn verify(&self, keys: &AttestedKeys, log_prefix: &str) -> Result<Proven<'_>, BundleError> {
        let statement = verify_statement(&self.statement, keys)?;
        for record in &self.records {
            record.verify(&statement)?;
        }
        let record = self.record(self.seq).ok_or(BundleError::Absent)?;
        let head = self.verify_checkpoint(&statement, keys, log_prefix)?;
        if self.stamps.iter().any(|stamp| self.stamped(stamp).is_none()) {
            return Err(BundleError::Stamp);
        }
        let inclusion = Inclusion { index: self.seq, size: head.size, path: self.path.clone() };
        inclusion.verify(record.leaf(), head.root).map_err(BundleError::Path)?;
        let opened = match &self.opening {
            Some(opening) => self.verify_opening(opening, &statement, keys)?,
            None => None,
        };
        Ok(Proven { bundle: self, record, statement, head, opened })
    }

    fn verify_checkpoint(
        &self,
        statement: &Statement,
        keys: &AttestedKeys,
        log_prefix: &str,
    ) -> Result<Checkpoint, BundleError> {
        let name = origin(log_prefix, &statement.ledger);
        let note_keys =
            [&keys.statement.key, &keys.checkpoint].map(|key| NoteKey::new(&name, key.clone()));
        let head = Checkpoint::open_by_all(&self.checkpoint, &note_keys)
            .map_err(BundleError::Checkpoint)?;
        if head.origin != name {
            return Err(BundleError::Origin);
        }
        if head.size == statement.size() && head.root != statement.root {
            let (statement, checkpoint) = (statement.root, head.root);
            return Err(BundleError::Forked { statement, checkpoint });
        }
        Ok(head)
    }

    fn verify_opening(
        &self,
        opening: &Opening,
        sealed: &Statement,
        keys: &AttestedKeys,
    ) -> Result<Option<Open>, BundleError> {
        let statement = verify_statement(&opening.statement, keys)?;
        if statement.ledger != sealed.ledger || opening.record.seq != 0 {
            return Err(BundleError::Foreign);
        }
        opening.record.verify(&statement)?;
        let BundledContent::Present { payload, .. } = &opening.record.content else {
            return Ok(None);
        };
        let Ok(Control::Open(open)) = Control::parse(payload, sealed.ledger.kind) else {
            return Err(BundleError::Opening);
        };
        let ours = open.instance == sealed.ledger.instance.as_str()
            && open.epoch == to_hex(&sealed.ledger.epoch.0)
            && open.ledger == sealed.ledger.kind.as_str()
            && open.binding == to_hex(&self.binding)
            && open.evidence_sha256 == to_hex(&Hash::of(&self.evidence).0);
        if ours { Ok(Some(open)) } else { Err(BundleError::Opening) }
    }
}

fn verify_statement(message: &[u8], keys: &AttestedKeys) -> Result<Statement, BundleError> {
    let payload = cose::verify(message, &keys.statement.key, ContentType::Statement)
        .map_err(BundleError::Statement)?;
    let statement = Statement::from_cbor(payload)?;
    let epoch = (&keys.statement.instance, keys.statement.epoch);
    if (&statement.ledger.instance, statement.ledger.epoch) == epoch {
        Ok(statement)
    } else {
        Err(BundleError::Foreign)
    }
}

#[cfg(test)]
mod tests;
