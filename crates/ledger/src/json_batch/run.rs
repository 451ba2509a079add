//! A run of `SignedLogBatch`: one verdict a batch, as the verifier that the format came with gives
//! it.
//!
//! Judging goes on after a gap from the batch behind it, so one hole is one verdict. The format has
//! no epochs: a signer that starts again counts from 1 again, and nothing tells that from a second
//! history under the same key. Both are a `SequenceGap`; the note beside it says so.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{JsonBatchError, VerifiedJsonBatch};
use crate::hash::Hash;

/// What is said of a batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Signed by the key, by the expected code, next in the sequence; with this many records.
    Valid {
        /// Number of records.
        records: u64,
    },
    /// Not believed.
    TamperedOrInvalidSignature {
        /// Its unsigned `Sequence`, if it could be read at all.
        sequence: Option<u64>,
    },
    /// Signed by the key, by other code than expected.
    UnexpectedCodeVersion {
        /// The measurement that it states.
        measurement: String,
    },
    /// Signed by the key, and not the next in the sequence.
    SequenceGap {
        /// Last number before it.
        last: u64,
        /// Its number.
        next: u64,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valid { records } => write!(f, "Valid({records})"),
            Self::TamperedOrInvalidSignature { sequence: Some(sequence) } => {
                write!(f, "TamperedOrInvalidSignature({sequence})")
            }
            Self::TamperedOrInvalidSignature { sequence: None } => {
                write!(f, "TamperedOrInvalidSignature(unknown)")
            }
            // Escaped: what somebody signed must not steer the reader's terminal.
            Self::UnexpectedCodeVersion { measurement } => {
                write!(f, "UnexpectedCodeVersion({})", measurement.escape_debug())
            }
            Self::SequenceGap { last, next } => write!(f, "SequenceGap({last}, {next})"),
        }
    }
}

/// Something that a reader of the verdict must know as well.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Note {
    /// Why it is not believed.
    Refused(JsonBatchError),
    /// The payload does not repeat the sequence number, so anybody could have written it.
    SequenceUnsigned,
    /// These numbers, from and to, are not there.
    Missing(u64, u64),
    /// The same batch once more.
    Repeated,
    /// Another signed payload has this number too.
    StartedAgain,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::SequenceUnsigned => write!(f, "sequence is unsigned"),
            Self::Missing(first, last) if first == last => {
                write!(f, "batch {first} is not there; this one is signed by the key")
            }
            Self::Missing(first, last) => {
                write!(f, "batches {first} to {last} are not there; this one is signed by the key")
            }
            Self::Repeated => write!(f, "the same batch once more"),
            Self::StartedAgain => write!(
                f,
                "the signer counts from here again: a restart, or a second history under the key"
            ),
        }
    }
}

/// A batch that could be read or not, and what came of verifying it.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// Its unsigned `Sequence`, if it could be read at all.
    pub outside: Option<u64>,
    /// The batch, or why it is refused.
    pub outcome: Result<Signed, JsonBatchError>,
}

/// What a run needs of a batch that verified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signed {
    sequence: u64,
    sequence_is_signed: bool,
    digest: Hash,
    time: String,
    measurement: String,
    records: u64,
}

impl From<&VerifiedJsonBatch> for Signed {
    fn from(batch: &VerifiedJsonBatch) -> Self {
        Self {
            sequence: batch.sequence(),
            sequence_is_signed: batch.sequence_is_signed(),
            digest: batch.digest(),
            time: batch.payload().timestamp_utc.clone(),
            measurement: batch.payload().tee_measurement.clone(),
            records: batch.payload().record_count,
        }
    }
}

impl Read {
    /// The number whose place it takes: the signed one where there is one.
    pub const fn place(&self) -> Option<u64> {
        match &self.outcome {
            Ok(signed) => Some(signed.sequence),
            Err(JsonBatchError::SequenceDiffers { inside, .. }) => Some(*inside),
            Err(_) => self.outside,
        }
    }
}

/// Which code may have signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CodeVersion {
    /// The one with this measurement.
    Exactly(String),
    /// Measurements are not compared; the caller says so to whom it reports.
    NotCompared,
}

/// Brings batches into the order in which they were signed: by number, and where two signed
/// payloads share one, so that the signer began again, by their signed time.
pub fn sort<T>(batches: &mut [T], read: impl Fn(&T) -> &Read) {
    let mut seen: BTreeMap<u64, Hash> = BTreeMap::new();
    let mut began_again = false;
    for signed in batches.iter().filter_map(|batch| read(batch).outcome.as_ref().ok()) {
        let first = seen.entry(signed.sequence).or_insert(signed.digest);
        began_again |= *first != signed.digest;
    }
    batches.sort_by_cached_key(|batch| {
        let read = read(batch);
        let time = match &read.outcome {
            Ok(signed) if began_again => signed.time.clone(),
            Ok(_) | Err(_) => String::new(),
        };
        (time, read.place())
    });
}

/// Judges the batches of a run one after the other.
#[derive(Clone, Debug)]
pub struct Run {
    code: CodeVersion,
    last: Option<u64>,
    digest: Option<Hash>,
}

impl Run {
    /// A run whose first batch is `first`, or if that is not known, whichever comes.
    pub fn new(code: CodeVersion, first: Option<u64>) -> Self {
        Self { code, last: first.map(|first| first.saturating_sub(1)), digest: None }
    }

    /// The last number so far.
    pub const fn last(&self) -> Option<u64> {
        self.last
    }

    /// The verdict on the next batch.
    pub fn judge(&mut self, read: &Read) -> (Verdict, Vec<Note>) {
        match &read.outcome {
            Err(error) => {
                // It stands where its number belongs: it is broken, and not missing as well.
                if read.place().is_some_and(|place| self.is_next(place)) {
                    (self.last, self.digest) = (read.place(), None);
                }
                let verdict = Verdict::TamperedOrInvalidSignature { sequence: read.outside };
                (verdict, Vec::from([Note::Refused(error.clone())]))
            }
            Ok(signed) => self.judge_signed(signed),
        }
    }

    fn is_next(&self, number: u64) -> bool {
        self.last.is_none_or(|last| last.checked_add(1) == Some(number))
    }

    fn judge_signed(&mut self, signed: &Signed) -> (Verdict, Vec<Note>) {
        let mut notes = Vec::new();
        if !signed.sequence_is_signed {
            notes.push(Note::SequenceUnsigned);
        }
        let next = signed.sequence;
        let repeated = self.last == Some(next) && self.digest == Some(signed.digest);
        let gap = self.last.filter(|_| !repeated && !self.is_next(next));
        (self.last, self.digest) = (Some(next), Some(signed.digest));
        if repeated {
            notes.push(Note::Repeated);
        }
        if let Some(last) = gap {
            notes.push(match last.checked_add(1).filter(|first| *first < next) {
                Some(first) => Note::Missing(first, next.saturating_sub(1)),
                None => Note::StartedAgain,
            });
        }
        let verdict = match (&self.code, gap) {
            (CodeVersion::Exactly(code), _) if *code != signed.measurement => {
                Verdict::UnexpectedCodeVersion { measurement: signed.measurement.clone() }
            }
            (_, Some(last)) => Verdict::SequenceGap { last, next },
            (_, None) => Verdict::Valid { records: signed.records },
        };
        (verdict, notes)
    }
}
