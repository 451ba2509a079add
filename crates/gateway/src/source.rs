//! What exporters read: rolls of the write-ahead log as far as they are archived, and the archive
//! behind them.
//!
//! A place is `<roll>:<ordinal>`, where every record of every run of the roll counts, exported or
//! not, so that it means the same whether the roll is read from the log or from its `.seal` files.
//! Batches are verified again as they are read: a disk is not to be trusted with what was once
//! good.

use std::collections::HashMap;
use std::error::Error;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use lucarne_archive::data_keys::DataKeys;
use lucarne_archive::encryption::{Decrypted, decrypt};
use lucarne_archive::name::{EpochFile, EpochName, SealName};
use lucarne_archive::segment::SegmentReader;
use lucarne_archive::store::is_there;
use lucarne_archive::withhold::REVISIONS_MAX;
use lucarne_archive::{Archive, ArchiveError, Name};
use lucarne_attest::{At, CollateralFiles, Exhibit, Expect, Time};
use lucarne_ledger::batch::{
    Content, EpochKey, Record as Sealed, VerifiedBatch, claimed_statement, split_context, verify,
};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::identity::{EpochId, Instance, LedgerId};
use lucarne_ledger::key::PublicKey;
use lucarne_ledger::record::Stream;

use crate::archiver::Archived;
use crate::causes::chain;
use crate::delivery::{Batch, Delivery, Refused};
use crate::export::{
    Entry, HostMessage, HostTelemetry, Item, Origin, Position, Record, Source, SourceError,
    Telemetry, Unverified,
};
use crate::host_telemetry;
use crate::policy::Terms;
use crate::run_of_batches;
use crate::wal::WalError;

/// The shared part: where things lie.
#[derive(Clone)]
pub struct Rolls {
    /// The log, and what became of it.
    pub archived: Archived,
    /// The archive.
    pub archive: Arc<dyn Archive>,
    /// What payloads in the archive are encrypted under, if they are.
    pub keys: Option<Arc<DataKeys>>,
    /// Which evidence is believed; for epochs of earlier runs of the gateway.
    pub terms: Arc<Terms>,
}

/// A reader with a roll in hand.
pub struct LogSource {
    rolls: Rolls,
    epochs: HashMap<(Instance, EpochId), Arc<Known>>,
    held: Option<Held>,
}

/// A roll in hand, as far as it has not been given out.
struct Held {
    roll: u64,
    /// The ordinal of the first slot that is left.
    next: usize,
    slots: std::vec::IntoIter<Slot>,
}

impl Held {
    fn new(roll: u64, mut slots: Vec<Slot>, ordinal: usize) -> Self {
        slots.drain(..ordinal.min(slots.len()));
        Self { roll, next: ordinal, slots: slots.into_iter() }
    }

    /// Whether what is left begins at this place.
    const fn goes_on(&self, roll: u64, ordinal: usize) -> bool {
        self.roll == roll && self.next == ordinal
    }

    /// The next items, and whether that was the last of them.
    fn give(&mut self, items_max: usize) -> (Vec<Item>, bool) {
        let mut items = Vec::with_capacity(items_max.min(self.slots.len()));
        while items.len() < items_max {
            let Some(slot) = self.slots.next() else { break };
            self.next += 1;
            items.extend(slot);
        }
        (items, self.slots.len() == 0)
    }
}

/// What is known of an epoch from its evidence in the archive.
struct Known {
    key: EpochKey,
    thumbprint: String,
    measurement: String,
}

/// One ordinal of a roll: a record that may be exported, or one that may not.
type Slot = Option<Item>;

impl LogSource {
    /// A reader of these rolls.
    pub fn new(rolls: Rolls) -> Self {
        Self { rolls, epochs: HashMap::new(), held: None }
    }

    /// The roll in hand if it goes on at `ordinal`; else it is read again.
    fn hold(&mut self, roll: u64, ordinal: usize) -> Result<Held, SourceError> {
        if let Some(held) = self.held.take().filter(|held| held.goes_on(roll, ordinal)) {
            return Ok(held);
        }
        Ok(Held::new(roll, self.load(roll)?, ordinal))
    }

    fn load(&mut self, roll: u64) -> Result<Vec<Slot>, SourceError> {
        let names = self.rolls.archived.names.of(roll);
        let seals = names.iter().filter_map(|name| match name {
            Name::Seal(seal) => Some(seal),
            Name::Epoch(_)
            | Name::Checkpoint(_)
            | Name::Stamp(_)
            | Name::Register(_)
            | Name::Json(_)
            | Name::Erasure(_) => None,
        });
        let seals: Vec<SealName> = seals.cloned().collect();
        let mut entries = Vec::new();
        for group in self.rolls.archived.reader.read_roll(roll) {
            match group {
                Ok(group) => entries.extend(group.entries),
                Err(WalError::Removed { .. }) => return self.slots_of_archive(&seals),
                Err(error) => return Err(unread(roll, &error)),
            }
        }
        self.slots_of_log(roll, &seals, &entries)
    }

    fn slots_of_log(
        &mut self,
        roll: u64,
        seals: &[SealName],
        entries: &[crate::wal::Entry],
    ) -> Result<Vec<Slot>, SourceError> {
        let corrupt = || SourceError::Corrupt { name: format!("roll {roll}") };
        let mut batches = Vec::new();
        let mut others = Vec::new();
        for entry in entries {
            match Delivery::decode(&entry.payload).map_err(|_| corrupt())? {
                Delivery::Batch(batch) => batches.push(batch),
                Delivery::Refused(one) => others.push(Item::Unverified(unverified(one))),
                Delivery::Message(job, json) => {
                    let json = Bytes::from(json);
                    others.push(Item::Host(HostMessage { job, json }));
                }
                Delivery::Telemetry(signal, request, received_ns) => {
                    let records = host_telemetry::records(&request).map_err(|_| corrupt())?;
                    others.extend(records.into_iter().map(|telemetry| {
                        Item::Telemetry(HostTelemetry { signal, telemetry, received_ns })
                    }));
                }
            }
        }
        let runs = run_of_batches::cut(batches).map_err(|_| corrupt())?;
        let mut slots = Vec::new();
        for (run, seal) in runs.into_iter().zip(seals) {
            for batch in run.batches {
                self.add(&mut slots, batch, seal)?;
            }
        }
        slots.extend(others.into_iter().map(Some));
        Ok(slots)
    }

    fn slots_of_archive(&mut self, seals: &[SealName]) -> Result<Vec<Slot>, SourceError> {
        let mut slots = Vec::new();
        for seal in seals {
            let name = Name::Seal(seal.clone());
            let corrupt = || SourceError::Corrupt { name: name.to_string() };
            let file = open_newest(&*self.rolls.archive, seal)?;
            let mut reader = SegmentReader::open(file).map_err(|_| corrupt())?;
            while let Some(frame) = reader.next_frame().map_err(|_| corrupt())? {
                let bytes = self.plain(frame.content).ok_or_else(corrupt)?;
                let bytes = bytes.into();
                let batch = Batch { bytes, note: String::new(), copies: Vec::new() };
                self.add(&mut slots, batch, seal)?;
            }
        }
        Ok(slots)
    }

    // What was erased, or cannot be read for want of its key, has no payloads any more.
    fn plain(&self, batch: &[u8]) -> Option<Vec<u8>> {
        let opened = self.rolls.keys.as_ref().map(|keys| decrypt(batch, keys));
        match opened {
            None | Some(Ok(Decrypted::Plain | Decrypted::Closed(_))) => Some(batch.to_vec()),
            Some(Ok(Decrypted::Opened(plain))) => Some(plain),
            Some(Err(_)) => None,
        }
    }

    fn add(
        &mut self,
        slots: &mut Vec<Slot>,
        batch: Batch,
        seal: &SealName,
    ) -> Result<(), SourceError> {
        let bytes = batch.bytes;
        // The gateway believed the epoch when this was sealed; the disk alone is doubted here.
        let said_ms = claimed_statement(&bytes).map_or(0, |statement| statement.time_ms);
        let known = self.epoch(&seal.ledger, Time::from_unix_ms(said_ms))?;
        let name = Name::Seal(seal.clone()).to_string();
        let verified =
            verify(&bytes, &known.key).map_err(|_| SourceError::Corrupt { name: name.clone() })?;
        let statement = verified.statement();
        let origin = Arc::new(Origin {
            ledger: statement.ledger.clone(),
            thumbprint: known.thumbprint.clone(),
            measurement: known.measurement.clone(),
            batch_first: statement.first,
            batch_time_ns: statement.time_ms.saturating_mul(1_000_000),
            head_size: statement.size(),
            head_root: statement.root.to_string(),
            seal: name,
        });
        for (seq, record) in (statement.first..).zip(verified.records()) {
            let copy = batch.copies.iter().find(|(at, _)| *at == seq).map(|(_, copy)| copy);
            let entry = entry(&verified, record, &bytes, copy);
            let record = entry.map(|entry| Record {
                origin: Arc::clone(&origin),
                index: seq,
                unsealed: copy.is_some(),
                entry,
            });
            slots.push(record.map(Item::Record));
        }
        Ok(())
    }

    fn epoch(&mut self, ledger: &LedgerId, at: Time) -> Result<Arc<Known>, SourceError> {
        let place = (ledger.instance.clone(), ledger.epoch);
        if let Some(known) = self.epochs.get(&place) {
            return Ok(Arc::clone(known));
        }
        let known = Arc::new(self.read_epoch(ledger, at)?);
        self.epochs.insert(place, Arc::clone(&known));
        Ok(known)
    }

    fn read_epoch(&self, ledger: &LedgerId, at: Time) -> Result<Known, SourceError> {
        let (binding, name) = self.epoch_file(ledger, EpochFile::Binding)?;
        let (evidence, _) = self.epoch_file(ledger, EpochFile::Evidence)?;
        let corrupt = || SourceError::Corrupt { name: name.clone() };
        let binding = EpochBinding::from_cbor(&binding).map_err(|_| corrupt())?;
        let nonce = Expect::Nonce(binding.nonce);
        let collateral = if self.has_collateral(ledger)? {
            let (bytes, _) = self.epoch_file(ledger, EpochFile::Collateral)?;
            CollateralFiles::from_cbor(&bytes).map_err(|_| corrupt())?
        } else {
            self.rolls.terms.collateral_for(&evidence, &[])
        };
        let exhibit = Exhibit { evidence: &evidence, collateral: &collateral, binding: &binding };
        let accepts = &self.rolls.terms.accepts;
        let keys = accepts
            .verify_epoch(&exhibit, At::Replay { shown: Some(at) }, nonce)
            .map_err(|error| SourceError::Refused { name: name.clone(), reason: chain(&error) })?
            .into_inner();
        if keys.epoch != ledger.epoch || binding.instance != ledger.instance {
            return Err(corrupt());
        }
        let key = PublicKey::from_spki(&binding.p256_spki).map_err(|_| corrupt())?;
        Ok(Known {
            thumbprint: format!("sha256:{}", key.id()),
            measurement: keys.claims.measurement().to_string(),
            key: EpochKey { instance: ledger.instance.clone(), epoch: ledger.epoch, key },
        })
    }

    fn has_collateral(&self, ledger: &LedgerId) -> Result<bool, SourceError> {
        let (instance, epoch) = (ledger.instance.clone(), ledger.epoch);
        let name = Name::Epoch(EpochName { instance, epoch, file: EpochFile::Collateral });
        is_there(&*self.rolls.archive, &name).map_err(|error| unreadable(&name, &error))
    }

    fn epoch_file(
        &self,
        ledger: &LedgerId,
        file: EpochFile,
    ) -> Result<(Vec<u8>, String), SourceError> {
        let instance = ledger.instance.clone();
        let name = Name::Epoch(EpochName { instance, epoch: ledger.epoch, file });
        let unreadable = |error: &dyn Error| unreadable(&name, error);
        let mut bytes = Vec::new();
        let mut object = self.rolls.archive.open(&name).map_err(|error| unreadable(&error))?;
        object.read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        Ok((bytes, name.to_string()))
    }
}

/// The file that a roll became, or its last revision when records were left out of it by order:
/// where nothing can be removed, the first still tells them.
fn open_newest(
    archive: &dyn Archive,
    seal: &SealName,
) -> Result<Box<dyn Read + Send>, SourceError> {
    let name = |revision| Name::Seal(SealName { revision, ..seal.clone() });
    let mut newest = None;
    for revision in seal.revision..=seal.revision.saturating_add(REVISIONS_MAX) {
        match archive.open(&name(revision)) {
            Ok(file) => newest = Some(file),
            Err(ArchiveError::NotFound { .. }) if newest.is_some() => break,
            Err(ArchiveError::NotFound { .. }) => {}
            Err(error) => return Err(unreadable(&name(revision), &error)),
        }
    }
    newest.ok_or_else(|| {
        let name = name(seal.revision);
        unreadable(&name, &ArchiveError::NotFound { name: Box::new(name.clone()) })
    })
}

/// An object of the archive that cannot be read, which says nothing against its bytes.
fn unreadable(name: &Name, error: &dyn Error) -> SourceError {
    SourceError::Read { name: name.to_string(), reason: chain(error) }
}

/// The same for a roll of the log, whose own bytes may be at fault.
fn unread(roll: u64, error: &WalError) -> SourceError {
    let name = format!("roll {roll}");
    match error {
        WalError::Corrupt { .. } => SourceError::Corrupt { name },
        _ => SourceError::Read { name, reason: chain(error) },
    }
}

impl Source for LogSource {
    async fn read(
        &mut self,
        from: &Position,
        items_max: usize,
    ) -> Result<(Vec<Item>, Position), SourceError> {
        let (roll, ordinal) = place(from)?;
        if roll >= *self.rolls.archived.through.borrow() {
            return Ok((Vec::new(), position(roll, ordinal)));
        }
        let mut held = tokio::task::block_in_place(|| self.hold(roll, ordinal))?;
        let (items, was_last) = held.give(items_max);
        if was_last {
            return Ok((items, position(roll + 1, 0)));
        }
        let next = position(roll, held.next);
        self.held = Some(held);
        Ok((items, next))
    }

    async fn changed(&mut self, from: &Position) {
        let roll = place(from).map_or(0, |(roll, _)| roll);
        // The archiver that has gone will change nothing any more; then this waits until it is
        // dropped.
        if self.rolls.archived.through.wait_for(|through| *through > roll).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn place(position: &Position) -> Result<(u64, usize), SourceError> {
    if position.0.is_empty() {
        return Ok((0, 0));
    }
    let (roll, ordinal) = position.0.split_once(':').ok_or(SourceError::Position)?;
    let roll = roll.parse().map_err(|_| SourceError::Position)?;
    Ok((roll, ordinal.parse().map_err(|_| SourceError::Position)?))
}

/// A place that is read is written as the same place.
pub(crate) fn check_position(from: &Position) {
    if let Ok((roll, ordinal)) = place(from) {
        assert_eq!(place(&position(roll, ordinal)), Ok((roll, ordinal)));
    }
}

fn position(roll: u64, ordinal: usize) -> Position {
    Position(format!("{roll}:{ordinal}"))
}

fn entry(
    batch: &VerifiedBatch<'_>,
    record: &Sealed<'_>,
    bytes: &Bytes,
    copy: Option<&Bytes>,
) -> Option<Entry> {
    let payload = match (copy, record.content) {
        (Some(copy), _) => copy.clone(),
        (None, Content::Present { payload, .. }) => bytes.slice_ref(payload),
        (None, Content::Withheld { .. } | Content::Encrypted) => return None,
    };
    let record_hash = || record.leaf.to_string();
    match record.stream {
        Stream::Control => Some(Entry::Control { json: payload, record_hash: record_hash() }),
        Stream::Audit => Some(Entry::Audit { json: payload, record_hash: record_hash() }),
        Stream::Logs => telemetry(batch, bytes, &payload).map(Entry::Log),
        Stream::Metrics => telemetry(batch, bytes, &payload).map(Entry::Metric),
        Stream::Traces => telemetry(batch, bytes, &payload).map(Entry::Span),
        Stream::Context => None,
    }
}

// A withheld context leaves its records without one; they are exported all the same.
fn telemetry(batch: &VerifiedBatch<'_>, bytes: &Bytes, payload: &Bytes) -> Option<Telemetry> {
    let (index, message) = split_context(payload)?;
    let scope = batch.context(index);
    let resource = scope.and_then(|(index, _)| batch.context(index));
    let slice = |context: Option<(u32, &[u8])>| {
        context.map_or_else(Bytes::new, |(_, message)| bytes.slice_ref(message))
    };
    Some(Telemetry {
        resource: slice(resource),
        scope: slice(scope),
        message: payload.slice_ref(message),
    })
}

fn unverified(refused: Refused) -> Unverified {
    Unverified {
        instance: refused.instance,
        batch_first: refused.first,
        thumbprint: Some(refused.thumbprint),
        reason: REASONS.into_iter().find(|known| *known == refused.reason).unwrap_or("other"),
        received_ns: refused.received_ns,
    }
}

/// The reasons that a refusal can have.
const REASONS: [&str; 12] = [
    "too_long",
    "encoding",
    "signature",
    "foreign",
    "frontier",
    "count",
    "secret",
    "stream",
    "context",
    "prev_hash",
    "root",
    "checkpoint",
];

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use bytes::Bytes;
    use lucarne_archive::{Archive as _, Directory, Name};

    use super::{Held, HostMessage, Item, SealName, Slot, SourceError, open_newest};
    use crate::export::HostJob;

    fn seal(revision: u32) -> SealName {
        let (epoch, root) = ("ab".repeat(16), "cd".repeat(32));
        let range = format!("{:020}-{:020}", 0, 4);
        let text = format!("2026/11/21/i/{epoch}/telemetry/{range}-{root}.r{revision}.seal");
        let Ok(Name::Seal(name)) = text.parse() else { panic!("{text} names a seal") };
        name
    }

    fn message(number: u8) -> Item {
        let json = Bytes::copy_from_slice(&[number]);
        Item::Host(HostMessage { job: HostJob::Gateway, json })
    }

    #[test]
    fn a_roll_is_given_out_from_any_ordinal_in_steps_of_any_size() {
        let withheld = [1, 4, 5];
        let slots: Vec<Slot> = (0..8)
            .map(|number| Some(message(number)).filter(|_| !withheld.contains(&number)))
            .collect();
        for (from, step) in (0..=9).flat_map(|from| (1..=9).map(move |step| (from, step))) {
            let expected: Vec<Item> = slots.iter().skip(from).flatten().cloned().collect();
            let (mut kept, mut items) = (Held::new(7, slots.clone(), from), Vec::new());
            loop {
                // What follows is the same when the roll is read again.
                let mut again = Held::new(7, slots.clone(), kept.next);
                let (more, was_last) = kept.give(step);
                assert_eq!(again.give(step), (more.clone(), was_last));
                assert!(kept.goes_on(7, again.next), "{from} {step}");
                assert!(more.len() == step || was_last, "{from} {step}");
                items.extend(more);
                if was_last {
                    break;
                }
            }
            assert_eq!(items, expected, "{from} {step}");
        }
        let held = Held::new(7, slots.clone(), 2);
        assert_eq!([held.goes_on(7, 1), held.goes_on(7, 3), held.goes_on(8, 2)], [false; 3]);
        assert_eq!(Held::new(0, slots, 2).give(2), (vec![message(2), message(3)], false));
    }

    #[test]
    fn the_last_revision_is_read_whether_the_earlier_ones_could_be_removed_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Directory::open(folder.path()).unwrap();
        let read = |from| {
            let mut text = String::new();
            open_newest(&archive, &seal(from))
                .map(|mut file| file.read_to_string(&mut text))?
                .unwrap();
            Ok::<_, SourceError>(text)
        };
        assert!(matches!(read(0), Err(SourceError::Read { .. })));
        archive.put(&Name::Seal(seal(1)), b"first").unwrap();
        assert_eq!(read(0).unwrap(), "first", "the one before was removed");
        archive.put(&Name::Seal(seal(2)), b"second").unwrap();
        assert_eq!(read(0).unwrap(), "second", "the one before is locked");
        assert_eq!(read(2).unwrap(), "second");
    }
}
