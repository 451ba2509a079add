//! Batches: a run of records with the statement that seals it, verifiable on its own.
//!
//! `[1, statement, frontier, secret, records]` in deterministic CBOR; `secret` is `[0, seed]` while
//! every payload is present, else `[1, salts of those that are]`; a record is `[stream, payload]`
//! or, withheld, `[stream, commitment, authorisation]`. The checks of [`verify`] come in the order
//! of the design, each with its own error, and all of them are over the received bytes. What a
//! batch looks like whose payloads are encrypted says [`encrypted`].

use alloc::vec::Vec;
use core::fmt;

use crate::cbor::{CborError, Reader, Writer};
use crate::chain;
use crate::cose::{self, ContentType, SignatureError};
use crate::encryption::KeyId;
use crate::hash::Hash;
use crate::identity::{EpochId, Instance, LedgerKind};
use crate::key::PublicKey;
use crate::record::{self, NO_CONTEXT, PAYLOAD_BYTES_MAX, Stream};
use crate::salt::{Salt, Seed};
use crate::statement::Statement;
use crate::tree::{Frontier, WrongShape};

pub mod encrypted;

use self::encrypted::Sealing;
use self::encrypted::shares::{self, Shares};

/// Version of the batch format.
pub const BATCH_VERSION: u64 = 1;
/// Longest batch as it is sealed: what a gateway must be able to hold for one connection.
pub const BATCH_BYTES_MAX: usize = 16 << 20;
/// Longest batch with holes: the longest sealed one, with every payload replaced by what may stand
/// in its place, or by its salt. So whatever was sealed can be withheld.
pub const WITHHELD_BYTES_MAX: usize = 64 << 20;
/// Most records of one batch: bounds the memory of a verifier.
pub const BATCH_RECORDS_MAX: u64 = 1 << 16;
/// Longest authorisation: a COSE_Sign1 with the longest names of instance and rule.
pub const AUTHORISATION_BYTES_MAX: usize = 640;

/// The key that may seal for an epoch, once evidence has said so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EpochKey {
    /// The workload.
    pub instance: Instance,
    /// Its boot.
    pub epoch: EpochId,
    /// The attested P-256 key.
    pub key: PublicKey,
}

/// Why a batch is not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BatchError {
    /// Longer than `BATCH_BYTES_MAX`, or with holes than `WITHHELD_BYTES_MAX`.
    TooLong {
        /// Bytes given.
        bytes: usize,
    },
    /// Not deterministic CBOR of this shape.
    Cbor(CborError),
    /// The statement is not signed by the epoch's key.
    Signature(SignatureError),
    /// The statement speaks of another instance or epoch than its key may.
    Foreign,
    /// The frontier does not have the shape of `first`.
    Frontier(WrongShape),
    /// The frontier does not fold to the root before the batch.
    PrevRoot {
        /// What the statement says.
        stated: Hash,
        /// What the frontier folds to.
        found: Hash,
    },
    /// Another number of records than stated.
    Count {
        /// What the statement says.
        stated: u64,
        /// What is there.
        found: u64,
    },
    /// A seed beside a hole, salts without one, or not one salt for each payload.
    Secret,
    /// The word about encrypted payloads is not of this form, or of another batch, key or content.
    Encryption,
    /// The encrypted payloads do not decrypt under their key.
    NotDecrypted,
    /// A record of a stream that this ledger does not have.
    Stream {
        /// Its sequence number.
        seq: u64,
    },
    /// A payload or an authorisation longer than its limit.
    RecordTooLong {
        /// Its sequence number.
        seq: u64,
    },
    /// A payload whose context index does not point to an earlier context of the right kind.
    Context {
        /// Its sequence number.
        seq: u64,
    },
    /// A record of the audit ledger that does not name the leaf before it.
    PrevHash {
        /// Its sequence number.
        seq: u64,
    },
    /// The leaves do not lead to the stated root.
    Root {
        /// What the statement says.
        stated: Hash,
        /// What the leaves lead to.
        found: Hash,
    },
}

impl From<CborError> for BatchError {
    fn from(error: CborError) -> Self {
        Self::Cbor(error)
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(f, "batch of {bytes} bytes is longer than any"),
            Self::Cbor(_) => write!(f, "batch is not deterministic CBOR of its shape"),
            Self::Signature(_) => write!(f, "statement is not signed by the epoch's key"),
            Self::Foreign => write!(f, "statement speaks of another instance or epoch"),
            Self::Frontier(_) => write!(f, "frontier does not fit the first sequence number"),
            Self::PrevRoot { stated, found } => {
                write!(f, "frontier folds to {found}, the statement says {stated}")
            }
            Self::Count { stated, found } => {
                write!(f, "{found} records, the statement says {stated}")
            }
            Self::Secret => write!(f, "seed or salts do not fit the payloads that are present"),
            Self::Encryption => write!(f, "word about the encrypted payloads is not of this batch"),
            Self::NotDecrypted => write!(f, "encrypted payloads do not decrypt under their key"),
            Self::Stream { seq } => write!(f, "record {seq} has a stream that this ledger has not"),
            Self::RecordTooLong { seq } => write!(f, "record {seq} is longer than allowed"),
            Self::Context { seq } => write!(f, "record {seq} has no valid context before it"),
            Self::PrevHash { seq } => write!(f, "record {seq} does not name the leaf before it"),
            Self::Root { stated, found } => {
                write!(f, "records lead to root {found}, the statement says {stated}")
            }
        }
    }
}

impl core::error::Error for BatchError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Cbor(error) => Some(error),
            Self::Signature(error) => Some(error),
            Self::Frontier(error) => Some(error),
            Self::TooLong { .. }
            | Self::Foreign
            | Self::PrevRoot { .. }
            | Self::Count { .. }
            | Self::Secret
            | Self::Encryption
            | Self::NotDecrypted
            | Self::Stream { .. }
            | Self::RecordTooLong { .. }
            | Self::Context { .. }
            | Self::PrevHash { .. }
            | Self::Root { .. } => None,
        }
    }
}

/// A batch of which every check has passed. Only [`verify`] makes one.
///
/// ```compile_fail
/// use lucarne_ledger::batch::VerifiedBatch;
/// fn forge(batch: VerifiedBatch<'_>) -> VerifiedBatch<'_> {
///     VerifiedBatch { records: vec![], ..batch } // private fields: trust cannot be typed in
/// }
/// ```
#[derive(Debug)]
pub struct VerifiedBatch<'a> {
    parts: Parts<'a>,
    statement: Statement,
    records: Vec<Record<'a>>,
    end: Frontier,
}

/// One record of a verified batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Record<'a> {
    /// Its stream.
    pub stream: Stream,
    /// Its payload, or what stands in its place.
    pub content: Content<'a>,
    /// `SHA-256(salt || payload)`.
    pub commitment: Hash,
    /// Its hash in the tree.
    pub leaf: Hash,
}

/// A payload, or what stands in its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Content<'a> {
    /// Here it is.
    Present {
        /// What was sealed.
        payload: &'a [u8],
        /// What hides it behind its commitment.
        salt: Salt,
    },
    /// Left out after it was sealed.
    Withheld {
        /// The signed authority to do so; empty when there is none. It has not been checked.
        authorisation: &'a [u8],
    },
    /// Encrypted with the others of its batch: there, and not to be read without the key.
    Encrypted,
}

/// The statement of a batch *before anybody checked it*: for finding the key to check it with.
///
/// # Errors
/// When the bytes do not begin like a batch.
pub fn claimed_statement(bytes: &[u8]) -> Result<Statement, BatchError> {
    let parts = Parts::split(bytes)?;
    Ok(Statement::from_cbor(cose::unverified_payload(parts.statement)?)?)
}

/// The first batch of a CBOR sequence (RFC 8742), and what follows it.
///
/// Nothing is checked. Bytes that are no batch are handed out whole: checking refuses them.
pub fn split_first(sequence: &[u8]) -> (&[u8], &[u8]) {
    let mut reader = Reader::new(sequence);
    let after = match skip(&mut reader) {
        Ok(()) => reader.rest().len(),
        Err(_) => 0,
    };
    sequence.split_at(sequence.len().saturating_sub(after))
}

fn skip(reader: &mut Reader<'_>) -> Result<(), CborError> {
    reader.array()?;
    let version = reader.uint()?;
    reader.bytes()?;
    reader.bytes()?;
    let fields = reader.array()?;
    match version {
        encrypted::VERSION => (0..fields).try_for_each(|_| reader.bytes().map(drop))?,
        shares::VERSION => shares::skip(reader)?,
        _ => {
            reader.uint()?;
            reader.bytes()?;
        }
    }
    for _ in 0..reader.array()? {
        let fields = reader.array()?;
        reader.uint()?;
        for _ in 1..fields {
            reader.bytes()?;
        }
    }
    Ok(())
}

/// Reads a batch as if its signature held: a fuzzer cannot sign.
pub(crate) fn read_unsigned(bytes: &[u8]) -> Result<(), BatchError> {
    let parts = Parts::split(bytes)?;
    let statement = Statement::from_cbor(cose::unverified_payload(parts.statement)?)?;
    Frontier::from_bytes(statement.first, parts.frontier).map_err(BatchError::Frontier)?;
    if parts.count != statement.count {
        return Err(BatchError::Count { stated: statement.count, found: parts.count });
    }
    let records = parts.records(&statement)?;
    check_links(&statement, &records)
}

/// Checks a whole batch against the key of its epoch.
///
/// # Errors
/// The first check that fails.
pub fn verify<'a>(bytes: &'a [u8], epoch: &EpochKey) -> Result<VerifiedBatch<'a>, BatchError> {
    let parts = Parts::split(bytes)?;
    let signed = cose::verify(parts.statement, &epoch.key, ContentType::Statement)
        .map_err(BatchError::Signature)?;
    let statement = Statement::from_cbor(signed)?;
    if (&statement.ledger.instance, statement.ledger.epoch) != (&epoch.instance, epoch.epoch) {
        return Err(BatchError::Foreign);
    }
    parts.check(statement)
}

impl<'a> VerifiedBatch<'a> {
    /// What was signed.
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The records in their order; the first has the sequence number `statement().first`.
    pub fn records(&self) -> &[Record<'a>] {
        &self.records
    }

    /// The tree before the batch.
    pub fn start(&self) -> Frontier {
        // The shape was checked when the batch was verified.
        Frontier::from_bytes(self.statement.first, self.parts.frontier)
            .unwrap_or_else(|_| Frontier::empty())
    }

    /// The tree after the batch.
    pub const fn end(&self) -> &Frontier {
        &self.end
    }

    /// The statement as it was signed: COSE_Sign1, half of a portable proof when ledgers fork.
    pub const fn signed_statement(&self) -> &'a [u8] {
        self.parts.statement
    }

    /// Whether a payload has been left out.
    pub fn has_holes(&self) -> bool {
        self.records.iter().any(|record| matches!(record.content, Content::Withheld { .. }))
    }

    /// The gateway's signed word on the payloads that are, or were, encrypted. Its signature has
    /// not been checked.
    pub const fn encryption(&self) -> Option<&'a [u8]> {
        match &self.parts.secret {
            Secret::Encrypted(sealing) => Some(sealing.word),
            Secret::Shared(shares) => Some(shares.word()),
            Secret::Seed(_) | Secret::Salts(_) => None,
        }
    }

    /// The data key of the record at a position; `None` when it is under none.
    pub fn data_key(&self, index: usize) -> Option<KeyId> {
        match &self.parts.secret {
            Secret::Encrypted(sealing) => {
                let encrypted = matches!(self.records.get(index)?.content, Content::Encrypted);
                encrypted.then_some(sealing.key)
            }
            Secret::Shared(shares) => shares.key_of(index),
            Secret::Seed(_) | Secret::Salts(_) => None,
        }
    }

    /// The OTLP message of the context `index`, if it is one and its payload is present.
    pub fn context(&self, index: u32) -> Option<(u32, &'a [u8])> {
        match self.records.get(usize::try_from(index).ok()?)? {
            Record {
                stream: Stream::Context, content: Content::Present { payload, .. }, ..
            } => split_context(payload),
            _ => None,
        }
    }

    /// The same batch with some payloads left out: `authorise` gives the authority for those, by
    /// position.
    ///
    /// Statement, root and every proof stay valid. The seed is replaced by the salts of what
    /// remains. A batch with encrypted payloads is given back as it is: it is decrypted first.
    pub fn withhold(&self, mut authorise: impl FnMut(usize) -> Option<Vec<u8>>) -> Vec<u8> {
        let mut salts = Vec::with_capacity(self.records.len() * 16);
        let mut records = Writer::new();
        let mut holes = false;
        if self.encryption().is_some() {
            return self.parts.whole.to_vec();
        }
        for (index, record) in self.records.iter().enumerate() {
            let stream = u64::from(record.stream.code());
            let commitment = &record.commitment.0;
            match (record.content, authorise(index)) {
                (Content::Present { .. }, Some(authority)) => {
                    holes = true;
                    records.array(3).uint(stream).bytes(commitment).bytes(&authority);
                }
                (Content::Present { payload, salt }, None) => {
                    salts.extend_from_slice(&salt);
                    records.array(2).uint(stream).bytes(payload);
                }
                (Content::Withheld { authorisation }, _) => {
                    holes = true;
                    records.array(3).uint(stream).bytes(commitment).bytes(authorisation);
                }
                // Only in a batch that was given back above.
                (Content::Encrypted, _) => {}
            }
        }
        if !holes {
            return self.parts.whole.to_vec();
        }
        let secret = Secret::Salts(&salts);
        let count = self.statement.count;
        assemble(self.parts.statement, self.parts.frontier, &secret, count, &records.finish())
    }
}

/// The context index and the OTLP message of a telemetry payload.
pub fn split_context(payload: &[u8]) -> Option<(u32, &[u8])> {
    let (index, message) = payload.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*index), message))
}

/// Either the seed of all salts, or the salts of those payloads that are present.
#[derive(Debug)]
pub(crate) enum Secret<'a> {
    Seed(&'a [u8; 32]),
    Salts(&'a [u8]),
    Encrypted(Sealing<'a>),
    Shared(Shares<'a>),
}

impl Secret<'_> {
    // Whether the payload of a record that was not withheld is to be read elsewhere. The life of
    // the ledger is not encrypted: without it no end could be told.
    fn hides(&self, index: usize, stream: Stream) -> Result<bool, BatchError> {
        match self {
            Self::Seed(_) | Self::Salts(_) => Ok(false),
            Self::Encrypted(_) => Ok(stream != Stream::Control),
            Self::Shared(shares) => shares.hides(index, stream),
        }
    }

    fn may_withhold(&self, index: usize) -> Result<(), BatchError> {
        match self {
            Self::Shared(shares) if shares.key_of(index).is_some() => Err(BatchError::Encryption),
            Self::Seed(_) | Self::Salts(_) | Self::Encrypted(_) | Self::Shared(_) => Ok(()),
        }
    }
}

pub(crate) fn assemble(
    statement: &[u8],
    frontier: &[u8],
    secret: &Secret<'_>,
    count: u64,
    records: &[u8],
) -> Vec<u8> {
    let (version, content) = match secret {
        Secret::Encrypted(sealing) => (encrypted::VERSION, sealing.content.len()),
        Secret::Shared(shares) => (shares::VERSION, shares.bytes()),
        Secret::Seed(_) | Secret::Salts(_) => (BATCH_VERSION, 0),
    };
    let room = statement.len() + frontier.len() + content + records.len() + 16 * 8;
    let mut out = Writer::after(Vec::with_capacity(room));
    out.array(5).uint(version).bytes(statement).bytes(frontier);
    match secret {
        Secret::Seed(seed) => out.array(2).uint(0).bytes(*seed),
        Secret::Salts(salts) => out.array(2).uint(1).bytes(salts),
        Secret::Encrypted(sealing) => sealing.write(&mut out),
        Secret::Shared(shares) => shares.write(&mut out),
    };
    out.array(count).raw(records);
    out.finish()
}

/// The fields of a batch, in place.
#[derive(Debug)]
struct Parts<'a> {
    whole: &'a [u8],
    statement: &'a [u8],
    frontier: &'a [u8],
    secret: Secret<'a>,
    count: u64,
    records: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(bytes: &'a [u8]) -> Result<Self, BatchError> {
        let within = |max| {
            let too_long = BatchError::TooLong { bytes: bytes.len() };
            if bytes.len() > max { Err(too_long) } else { Ok(()) }
        };
        within(WITHHELD_BYTES_MAX)?;
        let mut reader = Reader::new(bytes);
        if reader.array()? != 5 {
            return Err(CborError::Value.into());
        }
        let version = reader.uint()?;
        let statement = reader.bytes()?;
        let frontier = reader.bytes()?;
        let secret = match (version, reader.array()?) {
            (BATCH_VERSION, 2) => match reader.uint()? {
                0 => {
                    within(BATCH_BYTES_MAX)?;
                    Secret::Seed(reader.bytes()?.try_into().map_err(|_| BatchError::Secret)?)
                }
                1 => Secret::Salts(reader.bytes()?),
                _ => return Err(CborError::Value.into()),
            },
            (encrypted::VERSION, encrypted::FIELDS) => {
                Secret::Encrypted(Sealing::read(&mut reader)?)
            }
            (shares::VERSION, shares::FIELDS) => Secret::Shared(Shares::read(&mut reader)?),
            _ => return Err(CborError::Value.into()),
        };
        let count = reader.array()?;
        if count > BATCH_RECORDS_MAX {
            return Err(CborError::Value.into());
        }
        Ok(Self { whole: bytes, statement, frontier, secret, count, records: reader.rest() })
    }

    // Everything but the signature.
    fn check(self, statement: Statement) -> Result<VerifiedBatch<'a>, BatchError> {
        let mut edge =
            Frontier::from_bytes(statement.first, self.frontier).map_err(BatchError::Frontier)?;
        let found = edge.root();
        if found != statement.prev_root {
            return Err(BatchError::PrevRoot { stated: statement.prev_root, found });
        }
        if self.count != statement.count {
            return Err(BatchError::Count { stated: statement.count, found: self.count });
        }
        match &self.secret {
            Secret::Encrypted(sealing) => sealing.check(&statement)?,
            Secret::Shared(shares) => shares.check(&statement)?,
            Secret::Seed(_) | Secret::Salts(_) => {}
        }
        let records = self.records(&statement)?;
        check_links(&statement, &records)?;
        records.iter().for_each(|record| edge.append(record.leaf));
        let found = edge.root();
        if found != statement.root {
            return Err(BatchError::Root { stated: statement.root, found });
        }
        Ok(VerifiedBatch { parts: self, statement, records, end: edge })
    }

    fn records(&self, statement: &Statement) -> Result<Vec<Record<'a>>, BatchError> {
        let count = usize::try_from(self.count).map_err(|_| CborError::Value)?;
        if let Secret::Shared(shares) = &self.secret {
            shares.check_owners(count)?;
        }
        let mut salts = Salts::new(&self.secret)?;
        let mut reader = Reader::new(self.records);
        let mut records = Vec::with_capacity(count);
        let mut scratch = Vec::new();
        let mut holes = false;
        let mut encrypted = false;
        for (index, seq) in (statement.first..statement.size()).enumerate() {
            let fields = reader.array()?;
            let stream = Stream::from_code(reader.uint()?)
                .filter(|stream| belongs(*stream, statement.ledger.kind))
                .ok_or(BatchError::Stream { seq })?;
            let (content, commitment) = match fields {
                2 if self.secret.hides(index, stream)? => {
                    encrypted = true;
                    (Content::Encrypted, Hash(reader.array_of()?))
                }
                2 => {
                    let payload = bounded(reader.bytes()?, PAYLOAD_BYTES_MAX, seq)?;
                    let salt = salts.next(seq)?;
                    (
                        Content::Present { payload, salt },
                        record::commitment(&salt, payload, &mut scratch),
                    )
                }
                3 => {
                    holes = true;
                    self.secret.may_withhold(index)?;
                    let commitment = Hash(reader.array_of()?);
                    let authorisation = bounded(reader.bytes()?, AUTHORISATION_BYTES_MAX, seq)?;
                    (Content::Withheld { authorisation }, commitment)
                }
                _ => return Err(CborError::Value.into()),
            };
            let leaf = record::leaf(stream, commitment);
            records.push(Record { stream, content, commitment, leaf });
        }
        reader.end()?;
        salts.finish(holes, encrypted)?;
        Ok(records)
    }
}

/// Hands out salts in the order of the payloads, from seed or list.
struct Salts<'s, 'a> {
    source: &'s Secret<'a>,
    seed: Option<Seed>,
    list: &'a [u8],
    block: [Salt; 64],
    // sequence number of the first salt in `block`, which is filled from here on
    base: Option<u64>,
    taken: usize,
}

impl<'s, 'a> Salts<'s, 'a> {
    fn new(source: &'s Secret<'a>) -> Result<Self, BatchError> {
        let (seed, list): (_, &[u8]) = match source {
            Secret::Seed(bytes) => (Some(Seed::new(**bytes)), &[]),
            Secret::Salts(salts) => (None, salts),
            Secret::Encrypted(sealing) => (None, sealing.salts),
            Secret::Shared(shares) => (None, shares.salts()),
        };
        if !list.len().is_multiple_of(16) {
            return Err(BatchError::Secret);
        }
        Ok(Self { source, seed, list, block: [[0; 16]; 64], base: None, taken: 0 })
    }

    fn next(&mut self, seq: u64) -> Result<Salt, BatchError> {
        let Some(seed) = &self.seed else {
            let salt = self.list.as_chunks::<16>().0.get(self.taken).ok_or(BatchError::Secret)?;
            self.taken += 1;
            return Ok(*salt);
        };
        let within = |base: u64| usize::try_from(seq.saturating_sub(base)).unwrap_or(usize::MAX);
        if let Some(salt) = self.base.and_then(|base| self.block.get(within(base))) {
            return Ok(*salt);
        }
        seed.fill(seq, &mut self.block);
        self.base = Some(seq);
        self.block.first().copied().ok_or(BatchError::Secret)
    }

    // One canonical form: a seed when and only when nothing is withheld, no salt to spare, and
    // nothing encrypted that holds no payload.
    fn finish(&self, holes: bool, encrypted: bool) -> Result<(), BatchError> {
        let all = self.taken * 16 == self.list.len();
        let fits = match self.source {
            Secret::Seed(_) => !holes,
            Secret::Salts(_) => holes && all,
            Secret::Encrypted(_) => encrypted && all,
            // That each share holds something says the list of owners.
            Secret::Shared(_) => all,
        };
        if fits { Ok(()) } else { Err(BatchError::Secret) }
    }
}

const fn belongs(stream: Stream, kind: LedgerKind) -> bool {
    match (stream, kind) {
        (Stream::Control, _) | (Stream::Audit, LedgerKind::Audit) => true,
        (Stream::Audit, LedgerKind::Telemetry) => false,
        (Stream::Logs | Stream::Metrics | Stream::Traces | Stream::Context, kind) => {
            matches!(kind, LedgerKind::Telemetry)
        }
    }
}

fn bounded(bytes: &[u8], max: usize, seq: u64) -> Result<&[u8], BatchError> {
    if bytes.len() > max { Err(BatchError::RecordTooLong { seq }) } else { Ok(bytes) }
}

fn check_links(statement: &Statement, records: &[Record<'_>]) -> Result<(), BatchError> {
    match statement.ledger.kind {
        LedgerKind::Audit => check_chain(statement, records),
        LedgerKind::Telemetry => check_contexts(statement, records),
    }
}

fn check_chain(statement: &Statement, records: &[Record<'_>]) -> Result<(), BatchError> {
    let mut before = (statement.first == 0).then_some(Hash::ZERO);
    for (seq, record) in (statement.first..).zip(records) {
        if let Content::Present { payload, .. } = record.content {
            let named =
                chain::split(payload).map(|(prev, _)| prev).ok_or(BatchError::PrevHash { seq })?;
            if before.is_some_and(|before| before != named) {
                return Err(BatchError::PrevHash { seq });
            }
        }
        before = Some(record.leaf);
    }
    Ok(())
}

fn check_contexts(statement: &Statement, records: &[Record<'_>]) -> Result<(), BatchError> {
    for (position, (seq, record)) in (statement.first..).zip(records).enumerate() {
        let Content::Present { payload, .. } = record.content else { continue };
        if record.stream == Stream::Control {
            continue;
        }
        let (index, _) = split_context(payload).ok_or(BatchError::Context { seq })?;
        let is_resource = record.stream == Stream::Context && index == NO_CONTEXT;
        if !is_resource && !points_back(records, position, record.stream, index) {
            return Err(BatchError::Context { seq });
        }
    }
    Ok(())
}

// A scope must point to a resource, everything else to a scope. What a context was that is not to
// be read cannot be known.
fn points_back(records: &[Record<'_>], position: usize, stream: Stream, index: u32) -> bool {
    let Ok(index) = usize::try_from(index) else { return false };
    match records.get(index) {
        Some(context) if index < position && context.stream == Stream::Context => {
            match context.content {
                Content::Withheld { .. } | Content::Encrypted => true,
                Content::Present { payload, .. } => {
                    let is_resource =
                        split_context(payload).is_some_and(|(own, _)| own == NO_CONTEXT);
                    is_resource == (stream == Stream::Context)
                }
            }
        }
        _ => false,
    }
}

#[cfg(test)]
pub(crate) mod tests;
