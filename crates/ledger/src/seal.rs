//! The sealer: appends what may leave to a ledger and signs one statement a batch.
//!
//! A ledger of one epoch is one value that is moved, never copied: there is no way to append to the
//! same position twice. Records are committed as they come, so sealing a batch costs one signature.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use crate::batch::{self, BATCH_BYTES_MAX, BATCH_RECORDS_MAX, Secret};
use crate::cbor::Writer;
use crate::chain;
use crate::control::Control;
use crate::cose::{self, ContentType};
use crate::hash::Hash;
use crate::identity::{EpochId, Instance, LedgerId, LedgerKind};
use crate::key::{Signer, SigningFailed};
use crate::payload::{AuditEvent, ContextSlot, Payloads};
use crate::record::{self, NO_CONTEXT, PAYLOAD_BYTES_MAX, Stream};
use crate::salt::{Salt, Seed};
use crate::statement::Statement;
use crate::tree::Frontier;

/// Marks the audit ledger.
#[derive(Debug)]
pub enum Audit {}
/// Marks the telemetry ledger.
#[derive(Debug)]
pub enum Telemetry {}

/// One of the two kinds of ledger, as a type.
pub trait Kind {
    /// The same as a value.
    const KIND: LedgerKind;
}
impl Kind for Audit {
    const KIND: LedgerKind = LedgerKind::Audit;
}
impl Kind for Telemetry {
    const KIND: LedgerKind = LedgerKind::Telemetry;
}

/// Why something cannot be appended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AppendError {
    /// It does not fit beside what is already in the open batch: seal, then try again.
    BatchFull,
    /// It is too large for any batch, or one payload is over its limit. It can never be sealed.
    TooLarge,
    /// A slot points outside its buffer or to a context that does not come before it.
    Slots,
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BatchFull => write!(f, "open batch has no room left"),
            Self::TooLarge => write!(f, "payloads are too large for a batch"),
            Self::Slots => write!(f, "payloads are not laid out as their slots say"),
        }
    }
}

impl core::error::Error for AppendError {}

/// A batch with its signature: what may cross the boundary. Only [`Ledger::seal`] makes one.
///
/// ```compile_fail
/// use lucarne_ledger::seal::Sealed;
/// fn forge(sealed: Sealed) -> Sealed {
///     Sealed { bytes: vec![], ..sealed } // private fields: what was signed cannot be swapped
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Sealed {
    bytes: Vec<u8>,
    statement: Statement,
}

impl Sealed {
    /// The encoded batch.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The encoded batch, given away.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// What was signed.
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }
}

/// A ledger that is being written.
#[derive(Debug)]
pub struct Ledger<K> {
    id: LedgerId,
    head: Frontier,
    last_leaf: Hash,
    open: OpenBatch,
    kind: PhantomData<K>,
}

/// The batch that is being filled.
#[derive(Debug)]
struct OpenBatch {
    start: Frontier,
    seed: Seed,
    salts: Vec<Salt>,
    records: Writer,
    // where each context of this batch stands, by its payload
    contexts: BTreeMap<Vec<u8>, u32>,
    scratch: Vec<u8>,
}

// Salts are drawn ahead by this many; one AES key schedule serves them all.
const SALTS_AHEAD: usize = 256;
// What statement, frontier and heads can take of a batch beside its records.
const ENVELOPE_BYTES_MAX: usize = 4096;
// CBOR heads of one record.
const RECORD_HEAD_BYTES_MAX: usize = 8;

// Room for records that is kept from batch to batch: fresh pages cost a sixth of the sealing time,
// and what one large batch needed shall not stay for ever.
const KEPT_BYTES_MAX: usize = 1 << 20;

impl OpenBatch {
    // `records` and `scratch` are room that an earlier batch has used.
    fn new(start: Frontier, seed: Seed, mut records: Vec<u8>, scratch: Vec<u8>) -> Self {
        records.clear();
        records.shrink_to(KEPT_BYTES_MAX);
        let (salts, contexts) = (Vec::new(), BTreeMap::new());
        Self { start, seed, salts, records: Writer::after(records), contexts, scratch }
    }

    fn salt(&mut self, position: usize) -> Salt {
        if self.salts.len() <= position {
            let first = self.start.size() + self.salts.len() as u64;
            let mut ahead = [[0; 16]; SALTS_AHEAD];
            self.seed.fill(first, &mut ahead);
            self.salts.extend_from_slice(&ahead);
        }
        self.salts.get(position).copied().unwrap_or_default()
    }
}

impl<K: Kind> Ledger<K> {
    /// An empty ledger of an epoch; `seed` is 32 fresh random bytes for the first batch.
    pub fn new(instance: Instance, epoch: EpochId, seed: Seed) -> Self {
        let head = Frontier::empty();
        let open = OpenBatch::new(head.clone(), seed, Vec::new(), Vec::new());
        let id = LedgerId { instance, epoch, kind: K::KIND };
        Self { id, head, last_leaf: Hash::ZERO, open, kind: PhantomData }
    }

    /// Whose ledger it is.
    pub const fn id(&self) -> &LedgerId {
        &self.id
    }

    /// Number of records appended.
    pub const fn size(&self) -> u64 {
        self.head.size()
    }

    /// Root over all records appended, sealed or not.
    pub fn root(&self) -> Hash {
        self.head.root()
    }

    /// Number of records that the next statement will cover.
    pub const fn open_count(&self) -> u64 {
        self.head.size() - self.open.start.size()
    }

    /// Bytes of the records that the next batch will carry.
    pub const fn open_bytes(&self) -> usize {
        self.open.records.len()
    }

    /// Appends a record of the ledger's own life.
    ///
    /// # Errors
    /// When it is too large, or the open batch is full.
    pub fn append_control(&mut self, control: &Control) -> Result<u64, AppendError> {
        let fields = control.fields();
        let payload = match K::KIND {
            LedgerKind::Audit => chain::link(self.last_leaf, &fields),
            LedgerKind::Telemetry => [b"{", &fields[..], b"}"].concat(),
        };
        // A verifier would refuse the whole batch for it.
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(AppendError::TooLarge);
        }
        self.reserve(payload.len(), 1)?;
        Ok(self.push(Stream::Control, &payload))
    }

    /// Signs the open batch and starts the next one with `next_seed`; `None` when nothing is open.
    ///
    /// # Errors
    /// When the key cannot sign. The batch stays open and nothing is lost.
    pub fn seal(
        &mut self,
        signer: &dyn Signer,
        time_ms: u64,
        next_seed: Seed,
    ) -> Result<Option<Sealed>, SigningFailed> {
        let count = self.open_count();
        if count == 0 {
            return Ok(None);
        }
        let statement = Statement {
            ledger: self.id.clone(),
            first: self.open.start.size(),
            count,
            time_ms,
            prev_root: self.open.start.root(),
            root: self.head.root(),
        };
        let signed = cose::sign(signer, ContentType::Statement, &statement.to_cbor())?;
        let open = &mut self.open;
        let records = core::mem::take(&mut open.records).finish();
        let secret = Secret::Seed(open.seed.bytes());
        let bytes = batch::assemble(&signed, &open.start.to_bytes(), &secret, count, &records);
        let scratch = core::mem::take(&mut open.scratch);
        self.open = OpenBatch::new(self.head.clone(), next_seed, records, scratch);
        Ok(Some(Sealed { bytes, statement }))
    }

    fn reserve(&self, bytes: usize, records: u64) -> Result<(), AppendError> {
        let heads =
            usize::try_from(records).unwrap_or(usize::MAX).saturating_mul(RECORD_HEAD_BYTES_MAX);
        let needed = bytes.saturating_add(heads).saturating_add(ENVELOPE_BYTES_MAX);
        if needed > BATCH_BYTES_MAX || records > BATCH_RECORDS_MAX {
            return Err(AppendError::TooLarge);
        }
        let full = self.open_bytes().saturating_add(needed) > BATCH_BYTES_MAX
            || self.open_count() + records > BATCH_RECORDS_MAX;
        if full { Err(AppendError::BatchFull) } else { Ok(()) }
    }

    fn push(&mut self, stream: Stream, payload: &[u8]) -> u64 {
        let seq = self.head.size();
        let position = usize::try_from(self.open_count()).unwrap_or(usize::MAX);
        let salt = self.open.salt(position);
        let commitment = record::commitment(&salt, payload, &mut self.open.scratch);
        let leaf = record::leaf(stream, commitment);
        self.open.records.array(2).uint(u64::from(stream.code())).bytes(payload);
        self.head.append(leaf);
        self.last_leaf = leaf;
        seq
    }
}

impl Ledger<Audit> {
    /// Appends an audit event, linked to the record before it.
    ///
    /// # Errors
    /// When it is too large, or the open batch is full.
    pub fn append_event(&mut self, event: &AuditEvent) -> Result<u64, AppendError> {
        let payload = chain::link(self.last_leaf, &event.fields);
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(AppendError::TooLarge);
        }
        self.reserve(payload.len(), 1)?;
        Ok(self.push(Stream::Audit, &payload))
    }
}

impl Ledger<Telemetry> {
    /// Appends a run of records; returns the sequence number after the last one.
    ///
    /// Contexts that the batch already has are not repeated. All or nothing is appended.
    ///
    /// # Errors
    /// When the run does not fit, or is not laid out as its slots say.
    pub fn append(&mut self, payloads: &mut Payloads) -> Result<u64, AppendError> {
        payloads.check()?;
        let records = (payloads.contexts.len() + payloads.records.len()) as u64;
        self.reserve(payloads.buffer.len(), records)?;
        let mut places = Vec::with_capacity(payloads.contexts.len());
        for slot in &payloads.contexts {
            places.push(self.place_context(&mut payloads.buffer, slot, &places));
        }
        for slot in &payloads.records {
            let place = usize::try_from(slot.scope).ok().and_then(|at| places.get(at));
            if let Some(payload) = payloads.buffer.get_mut(slot.range.clone()) {
                write_index(payload, place.copied().unwrap_or(NO_CONTEXT));
                self.push(slot.stream, payload);
            }
        }
        Ok(self.head.size())
    }

    fn place_context(&mut self, buffer: &mut [u8], slot: &ContextSlot, places: &[u32]) -> u32 {
        let Some(payload) = buffer.get_mut(slot.range.clone()) else { return NO_CONTEXT };
        let resource = slot.resource.and_then(|at| places.get(usize::try_from(at).ok()?));
        write_index(payload, resource.copied().unwrap_or(NO_CONTEXT));
        if let Some(place) = self.open.contexts.get(payload) {
            return *place;
        }
        let place = u32::try_from(self.open_count()).unwrap_or(NO_CONTEXT);
        self.push(Stream::Context, payload);
        self.open.contexts.insert(payload.to_vec(), place);
        place
    }
}

impl Payloads {
    // The sealer does not trust the layout it is given: a wrong slot would seal a record nobody can
    // read.
    fn check(&self) -> Result<(), AppendError> {
        let sound = |range: &core::ops::Range<usize>| {
            range.end <= self.buffer.len() && range.end.saturating_sub(range.start) >= 4
        };
        for (position, slot) in self.contexts.iter().enumerate() {
            let resource = slot.resource.map(usize::try_from);
            let before = match resource {
                None => true,
                Some(Ok(at)) => {
                    at < position && self.contexts.get(at).is_some_and(|c| c.resource.is_none())
                }
                Some(Err(_)) => false,
            };
            if !before || !sound(&slot.range) {
                return Err(AppendError::Slots);
            }
        }
        for slot in &self.records {
            let scope = usize::try_from(slot.scope).ok().and_then(|at| self.contexts.get(at));
            let telemetry = matches!(slot.stream, Stream::Logs | Stream::Metrics | Stream::Traces);
            if !telemetry
                || !sound(&slot.range)
                || scope.is_none_or(|scope| scope.resource.is_none())
            {
                return Err(AppendError::Slots);
            }
        }
        let lengths = || {
            let records = self.records.iter().map(|slot| slot.range.len());
            records.chain(self.contexts.iter().map(|slot| slot.range.len()))
        };
        // Slots that overlap would take more of a batch than was reserved for their buffer.
        if lengths().sum::<usize>() > self.buffer.len() {
            return Err(AppendError::Slots);
        }
        if lengths().max() > Some(PAYLOAD_BYTES_MAX) { Err(AppendError::TooLarge) } else { Ok(()) }
    }
}

fn write_index(payload: &mut [u8], index: u32) {
    if let Some(head) = payload.first_chunk_mut::<4>() {
        *head = index.to_be_bytes();
    }
}

#[cfg(test)]
mod tests;
