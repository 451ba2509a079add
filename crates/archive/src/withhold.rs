//! Leaving records out of files that are archived already, by order.
//!
//! A file is written again as its next revision, with commitments and a signed authorisation in the
//! place of the payloads; statement, root and proofs stay valid. Only when that revision is durable
//! the ones that tell the payload are removed. A kill in between leaves both, and the same order
//! again removes what is left. In a bucket they are locked and stay: the outcome says what still
//! tells. A hold on the file, or a batch that does not verify, stops it before anything is written.

use std::collections::BTreeSet;
use std::fmt;

use lucarne_ledger::batch::{self, BatchError, Content, EpochKey, VerifiedBatch};
use lucarne_ledger::key::{Signer, SigningFailed};
use lucarne_ledger::record::Stream;
use lucarne_ledger::statement::Withholding;

use crate::hold::{Clearance, HoldError, Holds};
use crate::name::SealName;
use crate::segment::{SegmentError, SegmentReader, SegmentWriter};
use crate::{Archive, ArchiveError, Directory, Name, Put};

/// Who has which records left out, and by what right.
pub struct Order<'a> {
    /// Sequence numbers.
    pub records: &'a BTreeSet<u64>,
    /// Name of the order as reports show it: authority and reason, at most
    /// [`RULE_BYTES_MAX`](lucarne_ledger::statement::RULE_BYTES_MAX) bytes.
    pub rule: &'a str,
    /// Milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The key that the auditor's policy names for this.
    pub signer: &'a dyn Signer,
    /// The key that the batches are verified with.
    pub epoch: &'a EpochKey,
}

/// What became of the revisions of one file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The file that stays: without the payloads.
    pub kept: SealName,
    /// Records that it leaves out and that the order asks for.
    pub withheld: u64,
    /// Files that told them and are gone.
    pub removed: Vec<SealName>,
    /// Files that still tell them: what a store has locked stays as it is.
    pub locked: Vec<SealName>,
}

/// Why nothing, or not everything, was left out.
#[derive(Debug)]
pub enum WithholdError {
    /// A hold covers the file.
    Hold(HoldError),
    /// The archive.
    Archive(ArchiveError),
    /// A file cannot be read or written.
    Segment(SegmentError),
    /// A batch of the file does not verify: there is something to investigate first.
    Batch(BatchError),
    /// The authorisation could not be signed.
    Signing(SigningFailed),
    /// A control record tells the life of the ledger and is never left out.
    Control {
        /// Its sequence number.
        seq: u64,
    },
    /// Its payload is encrypted, and goes with the key of its day only.
    Encrypted {
        /// Its sequence number.
        seq: u64,
    },
    /// A file does not hold all that its name says: there is something to investigate first.
    Short {
        /// Which.
        name: Box<SealName>,
    },
    /// There are more revisions than anybody should have made.
    Revisions,
}

impl fmt::Display for WithholdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hold(error) => write!(f, "{error}"),
            Self::Archive(error) => write!(f, "{error}"),
            Self::Segment(error) => write!(f, "{error}"),
            Self::Batch(_) => write!(f, "a batch of the file does not verify"),
            Self::Signing(_) => write!(f, "the authorisation cannot be signed"),
            Self::Control { seq } => write!(f, "record {seq} is a control record"),
            Self::Encrypted { seq } => write!(f, "the payload of record {seq} is encrypted"),
            Self::Short { name } => write!(f, "{name} does not hold what its name says"),
            Self::Revisions => write!(f, "the file has too many revisions"),
        }
    }
}

impl std::error::Error for WithholdError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Batch(error) => Some(error),
            Self::Signing(error) => Some(error),
            Self::Hold(error) => error.source(),
            Self::Archive(error) => error.source(),
            Self::Segment(error) => error.source(),
            Self::Control { .. }
            | Self::Encrypted { .. }
            | Self::Short { .. }
            | Self::Revisions => None,
        }
    }
}

impl From<SegmentError> for WithholdError {
    fn from(error: SegmentError) -> Self {
        Self::Segment(error)
    }
}

impl From<ArchiveError> for WithholdError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

/// Leaves the records out of all revisions of one range, which are given by their number.
///
/// `None` when no revision tells any of them.
///
/// # Errors
/// When a hold covers it, a file is short or does not verify, or the disk fails. Until the new
/// revision is durable nothing was removed; after an error the same call may be made again.
pub fn withhold(
    archive: &Directory,
    holds: &Holds,
    revisions: &[SealName],
    order: &Order<'_>,
) -> Result<Option<Outcome>, WithholdError> {
    let Some((mut outcome, telling)) = put_without(archive, holds, revisions, order)? else {
        return Ok(None);
    };
    for clearance in telling {
        archive.remove(&clearance)?;
        outcome.removed.push(clearance.seal().clone());
    }
    Ok(Some(outcome))
}

/// As [`withhold`], in an archive from which nothing can be removed: the revision without the
/// records is written after the others, and those that tell them are named as locked.
///
/// `None` when no revision tells any of them, or the last one leaves all of them out already.
///
/// # Errors
/// As for [`withhold`]; after an error the same call may be made again.
pub fn withhold_locked(
    archive: &dyn Archive,
    holds: &Holds,
    revisions: &[SealName],
    order: &Order<'_>,
) -> Result<Option<Outcome>, WithholdError> {
    let Some(last) = revisions.last() else { return Ok(None) };
    if told(archive, last, order)? == 0 {
        return Ok(None);
    }
    let done = put_without(archive, holds, revisions, order)?;
    Ok(done.map(|(mut outcome, telling)| {
        outcome.locked.extend(telling.iter().map(|clearance| clearance.seal().clone()));
        outcome
    }))
}

/// Makes sure that there is a revision without the records; gives those that tell them.
fn put_without(
    archive: &dyn Archive,
    holds: &Holds,
    revisions: &[SealName],
    order: &Order<'_>,
) -> Result<Option<(Outcome, Vec<Clearance>)>, WithholdError> {
    let mut telling = Vec::new();
    let mut silent = None;
    for name in revisions {
        let rewritten = rewrite(archive, name, order)?;
        if rewritten.told > 0 {
            telling.push((holds.clear(name).map_err(WithholdError::Hold)?, rewritten));
            // What comes after it is what readers take.
            silent = None;
        } else {
            silent = Some((name.clone(), rewritten.withheld)).filter(|(_, count)| *count > 0);
        }
    }
    let Some((newest, rewritten)) = telling.last() else { return Ok(None) };
    let (kept, withheld) = match silent {
        Some(silent) => silent,
        None => {
            (put_next(archive, newest.seal(), revisions, &rewritten.bytes)?, rewritten.withheld)
        }
    };
    let outcome = Outcome { kept, withheld, removed: Vec::new(), locked: Vec::new() };
    Ok(Some((outcome, telling.into_iter().map(|(clearance, _)| clearance).collect())))
}

/// How many of the wanted records a file still tells.
///
/// # Errors
/// When it cannot be read, or does not verify to its end.
pub fn told(
    archive: &dyn Archive,
    name: &SealName,
    order: &Order<'_>,
) -> Result<u64, WithholdError> {
    rewrite(archive, name, order).map(|rewritten| rewritten.told)
}

struct Rewritten {
    bytes: Vec<u8>,
    // wanted records whose payloads were there
    told: u64,
    // wanted records that `bytes` leaves out, those of earlier orders included
    withheld: u64,
}

fn rewrite(
    archive: &dyn Archive,
    name: &SealName,
    order: &Order<'_>,
) -> Result<Rewritten, WithholdError> {
    let mut reader = SegmentReader::open(archive.open(&Name::Seal(name.clone()))?)?;
    let mut writer = SegmentWriter::new()?;
    let (mut told, mut withheld) = (0, 0);
    let mut reached = (name.first, None);
    while let Some(frame) = reader.next_frame()? {
        let mut content = Vec::with_capacity(frame.content.len());
        let mut rest = frame.content;
        while !rest.is_empty() {
            let (first, after) = batch::split_first(rest);
            rest = after;
            let verified = batch::verify(first, order.epoch).map_err(WithholdError::Batch)?;
            if verified.statement().first != reached.0 || verified.statement().ledger != name.ledger
            {
                return Err(WithholdError::Short { name: Box::new(name.clone()) });
            }
            reached = (verified.statement().size(), Some(verified.statement().root));
            let words = words(&verified, order)?;
            told += words.iter().flatten().count() as u64;
            withheld += wanted(&verified, order).count() as u64;
            let mut words = words.into_iter();
            content.extend(verified.withhold(|_| words.next().flatten()));
        }
        writer.push(&content)?;
    }
    if reached != (name.last.saturating_add(1), Some(name.root)) {
        return Err(WithholdError::Short { name: Box::new(name.clone()) });
    }
    Ok(Rewritten { bytes: writer.finish(), told, withheld })
}

/// The positions of wanted records in a batch.
fn wanted(batch: &VerifiedBatch<'_>, order: &Order<'_>) -> impl Iterator<Item = u64> {
    order.records.range(batch.statement().first..batch.statement().size()).copied()
}

/// The authorisation for each record of a batch that is to be left out and is still there.
fn words(
    batch: &VerifiedBatch<'_>,
    order: &Order<'_>,
) -> Result<Vec<Option<Vec<u8>>>, WithholdError> {
    let mut words = vec![None; batch.records().len()];
    for seq in wanted(batch, order) {
        let index = usize::try_from(seq - batch.statement().first).unwrap_or(usize::MAX);
        let (Some(record), Some(word)) = (batch.records().get(index), words.get_mut(index)) else {
            continue;
        };
        match record.content {
            Content::Withheld { .. } => continue,
            Content::Encrypted => return Err(WithholdError::Encrypted { seq }),
            Content::Present { .. } => {}
        }
        if record.stream == Stream::Control {
            return Err(WithholdError::Control { seq });
        }
        // Its word covers which records are encrypted, so none of them can be left out any more.
        if batch.encryption().is_some() {
            return Err(WithholdError::Encrypted { seq });
        }
        let withholding = Withholding {
            ledger: batch.statement().ledger.clone(),
            seq,
            commitment: record.commitment,
            rule: order.rule.to_owned(),
            time_ms: order.time_ms,
        };
        *word = Some(withholding.sign(order.signer).map_err(WithholdError::Signing)?);
    }
    Ok(words)
}

fn put_next(
    archive: &dyn Archive,
    newest: &SealName,
    revisions: &[SealName],
    bytes: &[u8],
) -> Result<SealName, WithholdError> {
    let taken = revisions.iter().map(|name| name.revision).max().unwrap_or(newest.revision);
    for revision in (taken + 1)..taken.saturating_add(REVISIONS_MAX) {
        let name = SealName { revision, ..newest.clone() };
        if archive.put(&Name::Seal(name.clone()), bytes)? != Put::Different {
            return Ok(name);
        }
    }
    Err(WithholdError::Revisions)
}

/// Most revisions of one name: somebody should have looked long before.
pub const REVISIONS_MAX: u32 = 100;
