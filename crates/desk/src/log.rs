//! The log: every entry in one spelling, sealed as a Lucarne ledger, and read back from it.
//!
//! The projection is made from entries and from nothing else. A log can be run again from its
//! inputs, by the same policy to see that it is what the desk would say, or by another to see what
//! that would change. It refuses an entry of another spelling, a gap, and a batch that does not
//! follow from the one before.

mod replay;

use std::fmt;

use lucarne_ledger::batch::{self, BatchError, Content, EpochKey};
use lucarne_ledger::chain;
use lucarne_ledger::control::{Control, Open};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{EpochId, Instance};
use lucarne_ledger::key::{Signer, SigningFailed};
use lucarne_ledger::payload::AuditEvent;
use lucarne_ledger::record::Stream;
use lucarne_ledger::salt::Seed;
use lucarne_ledger::seal::{AppendError, Audit, Ledger, Sealed};

pub use self::replay::{Difference, Replay, Said, replay};
use crate::decide::Desk;
use crate::event::{Entry, Event};
use crate::policy::Policy;
use crate::state::State;

/// Longest entry: a signal with all its labels at their longest.
pub const ENTRY_BYTES_MAX: usize = 1 << 20;

/// Why bytes are no log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LogError {
    /// A batch does not verify.
    Batch {
        /// Its position.
        position: usize,
        /// Why not.
        cause: BatchError,
    },
    /// A batch does not follow from the one before.
    NotNext {
        /// Its position.
        position: usize,
    },
    /// A record is neither the begin of the ledger nor an entry.
    NotAnEntry {
        /// Its sequence number in the ledger.
        record: u64,
    },
    /// An entry is longer than one may be.
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// An entry is not in its one spelling.
    Spelling,
    /// An entry has another number than its place.
    OutOfOrder {
        /// The number it should have.
        expected: u64,
        /// The one it has.
        found: u64,
    },
}

impl LogError {
    fn at(self, place: usize) -> Self {
        match self {
            Self::Batch { cause, .. } => Self::Batch { position: place, cause },
            Self::NotNext { .. } => Self::NotNext { position: place },
            other => other,
        }
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch { position, .. } => write!(f, "batch {position} does not verify"),
            Self::NotNext { position } => {
                write!(f, "batch {position} does not follow from the one before")
            }
            Self::NotAnEntry { record } => write!(f, "record {record} is no entry of a desk"),
            Self::TooLong { bytes } => {
                write!(f, "entry has {bytes} bytes, at most {ENTRY_BYTES_MAX} are read")
            }
            Self::Spelling => f.write_str("entry is not in its one spelling"),
            Self::OutOfOrder { expected, found } => {
                write!(f, "entry {found} stands where {expected} should")
            }
        }
    }
}

impl std::error::Error for LogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Batch { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

/// The one spelling of an entry: a JSON object.
#[expect(clippy::expect_used, reason = "entries have no maps but of texts, and finite numbers")]
pub fn encode(entry: &Entry) -> Vec<u8> {
    serde_json::to_vec(entry).expect("an entry is JSON")
}

/// Reads an entry.
///
/// # Errors
/// When it is too long or not in its one spelling.
pub fn decode(bytes: &[u8]) -> Result<Entry, LogError> {
    if bytes.len() > ENTRY_BYTES_MAX {
        return Err(LogError::TooLong { bytes: bytes.len() });
    }
    let entry: Entry = serde_json::from_slice(bytes).map_err(|_| LogError::Spelling)?;
    if encode(&entry) == bytes { Ok(entry) } else { Err(LogError::Spelling) }
}

/// A log that is being sealed.
#[derive(Debug)]
pub struct SealedLog {
    ledger: Ledger<Audit>,
}

impl SealedLog {
    /// An empty log of a desk; `epoch` is new for every start of it, `seed` 32 random bytes.
    ///
    /// # Errors
    /// Never for names of the lengths that the types allow.
    pub fn new(
        desk: &Instance,
        epoch: EpochId,
        seed: Seed,
        time_ms: u64,
    ) -> Result<Self, AppendError> {
        let mut ledger = Ledger::new(desk.clone(), epoch, seed);
        ledger.append_control(&Control::Open(Open {
            time_ms,
            instance: desk.to_string(),
            epoch: epoch.to_string(),
            ledger: ledger.id().kind.to_string(),
            // A desk runs outside: no evidence vouches for its key.
            tee: "none".to_owned(),
            measurement: String::new(),
            binding: String::new(),
            evidence_sha256: String::new(),
            previous: None,
        }))?;
        Ok(Self { ledger })
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// When the open batch is full: seal, then try again. When it is too large for any.
    pub fn append(&mut self, entry: &Entry) -> Result<u64, AppendError> {
        self.append_encoded(&encode(entry))
    }

    /// The same of an entry that is written already, in its one spelling.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_encoded(&mut self, object: &[u8]) -> Result<u64, AppendError> {
        let fields = object.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
        let fields = fields.unwrap_or_default().to_vec();
        self.ledger.append_event(&AuditEvent::assertion_by_desk(fields))
    }

    /// Signs what was appended since; `None` when nothing was.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn seal(
        &mut self,
        signer: &dyn Signer,
        time_ms: u64,
        next_seed: Seed,
    ) -> Result<Option<Sealed>, SigningFailed> {
        self.ledger.seal(signer, time_ms, next_seed)
    }
}

/// Where a ledger stands after a batch: its size and root.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head(u64, Hash);

/// Reads the entries of the next batch of an epoch, after those that ended at `head`; whoever
/// calls compares their numbers.
///
/// # Errors
/// When the batch does not verify or follow, or holds something else.
pub fn read_next(
    bytes: &[u8],
    key: &EpochKey,
    head: Option<Head>,
) -> Result<(Vec<Entry>, Head), LogError> {
    let (bodies, head) = bodies_next(bytes, key, head)?;
    let entries = bodies.iter().map(|body| decode(body)).collect::<Result<_, _>>()?;
    Ok((entries, head))
}

/// The same, each entry as it is written: whoever compares bytes need not read them.
///
/// # Errors
/// When the batch does not verify or follow, or holds something else.
pub fn bodies_next(
    bytes: &[u8],
    key: &EpochKey,
    head: Option<Head>,
) -> Result<(Vec<Vec<u8>>, Head), LogError> {
    bodies(bytes, key, |before| match head {
        None => before.0 == 0,
        Some(head) => head == before,
    })
}

/// The same of a batch that may follow on any other.
///
/// # Errors
/// When the batch does not verify, or holds something else.
pub fn bodies_of(bytes: &[u8], key: &EpochKey) -> Result<(Vec<Vec<u8>>, Head), LogError> {
    bodies(bytes, key, |_| true)
}

fn bodies(
    bytes: &[u8],
    key: &EpochKey,
    follows: impl Fn(Head) -> bool,
) -> Result<(Vec<Vec<u8>>, Head), LogError> {
    let position = 0;
    let verified =
        batch::verify(bytes, key).map_err(|cause| LogError::Batch { position, cause })?;
    let statement = verified.statement();
    if !follows(Head(statement.first, statement.prev_root)) {
        return Err(LogError::NotNext { position });
    }
    let mut bodies = Vec::new();
    for (record, seq) in verified.records().iter().zip(statement.first..) {
        let Content::Present { payload, .. } = record.content else {
            return Err(LogError::NotAnEntry { record: seq });
        };
        match (record.stream, seq) {
            (Stream::Control, 0) => continue,
            (Stream::Audit, _) => {}
            _ => return Err(LogError::NotAnEntry { record: seq }),
        }
        let (_, fields) = chain::split(payload).ok_or(LogError::NotAnEntry { record: seq })?;
        bodies.push([b"{", fields, b"}"].concat());
    }
    Ok((bodies, Head(verified.end().size(), verified.end().root())))
}

/// Reads the entries of a sealed log, every check passed.
///
/// # Errors
/// With the first batch or entry that does not belong there.
pub fn read(batches: &[&[u8]], key: &EpochKey) -> Result<Vec<Entry>, LogError> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut head = None;
    for (position, bytes) in batches.iter().enumerate() {
        let (found, end) = read_next(bytes, key, head).map_err(|cause| cause.at(position))?;
        for entry in found {
            let expected = entries.len() as u64;
            if entry.seq != expected {
                return Err(LogError::OutOfOrder { expected, found: entry.seq });
            }
            entries.push(entry);
        }
        head = Some(end);
    }
    Ok(entries)
}

/// The projection of a log that began under `policy`.
pub fn rebuild(policy: Policy, entries: &[Entry]) -> State {
    let mut state = State::new(policy);
    entries.iter().for_each(|entry| state.apply(entry));
    state
}

/// The log that the same inputs lead to; under the same policy it is the same log.
pub fn rerun(policy: Policy, entries: &[Entry]) -> Vec<Entry> {
    let mut desk = Desk::comparing(policy);
    let mut log = Vec::new();
    for entry in entries {
        if let Event::Input(input) = &entry.event {
            let (taken, _) = desk.take(entry.at, entry.actor.clone(), input.clone());
            log.extend(taken);
        }
    }
    log
}
