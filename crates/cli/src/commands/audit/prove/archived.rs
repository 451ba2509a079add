//! From an archive to a proof: the batch that holds the record, then every leaf up to the
//! checkpoint.
//!
//! Each batch is verified before anything of it is used. A range may lie in the archive in several
//! revisions, the later with fewer payloads: the last one that verifies speaks for its records.

use lucarne_archive::name::{CheckpointName, EpochFile, EpochName};
use lucarne_archive::{Archive, ArchiveError, Directory, Name};
use lucarne_ledger::audit::finding::SeqRange;
use lucarne_ledger::audit::{AttestedKeys, Policy};
use lucarne_ledger::batch::{self, Content, EpochKey, VerifiedBatch, split_context};
use lucarne_ledger::checkpoint::{Checkpoint, origin};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{LedgerId, LedgerKind};
use lucarne_ledger::note::NoteKey;
use lucarne_ledger::proof::{Inclusion, InclusionProver};
use lucarne_ledger::proof_bundle::{BundledContent, BundledRecord, Opening, ProofBundle, Stamp};
use lucarne_ledger::record::{NO_CONTEXT, Stream};
use lucarne_ledger::trust_policy::TrustPolicy;

use crate::commands::audit::catalogue::{Catalogue, Files, unreadable};
use crate::commands::audit::payloads::Payloads;
use crate::commands::audit::reading::Segments;
use crate::commands::audit::{Wanted, epochs};
use crate::failure::{Exit, Failure, chain};

/// A ledger of an archive.
pub(super) struct Ledger<'a> {
    archive: &'a Directory,
    payloads: &'a Payloads,
    id: LedgerId,
    files: Files,
}

/// A checkpoint of the archive.
struct Stored {
    name: CheckpointName,
    note: String,
    head: Checkpoint,
}

/// A record that is proven.
pub(super) struct Found {
    /// The record itself.
    pub(super) subject: BundledRecord,
    statement: Vec<u8>,
    records: Vec<BundledRecord>,
    opening: Option<Opening>,
    /// The signed note.
    pub(super) checkpoint: String,
    /// What it says.
    pub(super) head: Checkpoint,
    /// Where it lies.
    name: CheckpointName,
    /// From the record to its root.
    pub(super) path: Vec<Hash>,
}

impl<'a> Ledger<'a> {
    /// The one ledger among those wanted whose names speak of the record.
    pub(super) fn with_record(
        archive: &'a Directory,
        payloads: &'a Payloads,
        wanted: &Wanted,
        seq: u64,
    ) -> Result<Self, Failure> {
        let kind = wanted.ledger.unwrap_or(LedgerKind::Audit);
        let range = SeqRange { first: seq, last: seq };
        let mut found = Vec::new();
        for ((instance, epoch), mut ledgers) in Catalogue::of(archive, wanted)?.epochs {
            let files = ledgers.remove(&kind).unwrap_or_default();
            if files.named.is_some_and(|named| named.meets(&range)) {
                let id = LedgerId { instance, epoch, kind };
                found.push(Self { archive, payloads, id, files });
            }
        }
        let one = |ledger: &Self| {
            format!("--instance {} --epoch {}", ledger.id.instance, ledger.id.epoch)
        };
        match found.len() {
            0 => Err(could_not_tell(format!("no file of the archive is named for record {seq}"))),
            1 => Ok(found.remove(0)),
            count => {
                let list: Vec<String> = found.iter().map(one).collect();
                let text = format!("{count} epochs have a record {seq}");
                Err(Failure::usage(text).hint(format!("say which: {}", list.join(", or "))))
            }
        }
    }

    pub(super) const fn id(&self) -> &LedgerId {
        &self.id
    }

    /// Proves the record against the smallest checkpoint that covers it and that the policy's
    /// witnesses vouch for; where nothing leads to such a one, against the smallest of all.
    pub(super) fn prove(
        &self,
        seq: u64,
        keys: &AttestedKeys,
        policy: &Policy,
    ) -> Result<Found, Failure> {
        let (smallest, witnessed) = self.covering(seq, keys, policy)?;
        let witnessed = witnessed.map(|stored| self.prove_against(stored, seq, keys));
        match witnessed {
            Some(Ok(found)) => Ok(found),
            Some(Err(_)) | None => self.prove_against(smallest, seq, keys),
        }
    }

    fn prove_against(
        &self,
        Stored { name, note: checkpoint, head }: Stored,
        seq: u64,
        keys: &AttestedKeys,
    ) -> Result<Found, Failure> {
        let mut walk = Walk::new(self, &keys.statement, seq, head.size);
        for name in Segments::new(self.archive, &self.id, &self.files, seq) {
            let name = name?;
            if name.first > seq && walk.is_done() {
                break;
            }
            self.read(&name.into(), &mut |batch| walk.batch(batch))?;
        }
        let opening = self.opening(&keys.statement)?;
        let (subject, path) = walk.finish()?;
        let Subject { statement, records } = subject;
        let subject = records.iter().find(|record| record.seq == seq).cloned();
        let subject = subject.ok_or_else(|| Failure::bug("a batch lost its record"))?;
        let found = Found { subject, statement, records, opening, checkpoint, head, name, path };
        found.check()?;
        Ok(found)
    }

    /// The record with all that belongs to it; `baseline` is the entry for the code that sealed it.
    pub(super) fn bundle(
        &self,
        found: &Found,
        baseline: Option<String>,
    ) -> Result<ProofBundle, Failure> {
        let file = |file| {
            let name = EpochName { instance: self.id.instance.clone(), epoch: self.id.epoch, file };
            epochs::read_file(self.archive, &Name::Epoch(name))
        };
        let gone = || could_not_tell("the evidence has gone from the archive".to_owned());
        Ok(ProofBundle {
            seq: found.subject.seq,
            statement: found.statement.clone(),
            records: found.records.clone(),
            checkpoint: found.checkpoint.clone(),
            path: found.path.clone(),
            opening: found.opening.clone(),
            binding: file(EpochFile::Binding)?.ok_or_else(gone)?,
            evidence: file(EpochFile::Evidence)?.ok_or_else(gone)?,
            collateral: file(EpochFile::Collateral)?,
            stamps: self.stamps(found)?,
            baseline,
        })
    }

    /// The time stamps of the checkpoint, and of what witnesses then added their lines to.
    fn stamps(&self, found: &Found) -> Result<Vec<Stamp>, Failure> {
        let mut stamps = Vec::new();
        for cosigned in [false, true] {
            let name = CheckpointName { cosigned, ..found.name.clone() };
            let read = |name| epochs::read_file(self.archive, &name);
            let Some(response) = read(Name::Stamp(name.clone()))? else { continue };
            let Some(note) = read(Name::Checkpoint(name))? else { continue };
            if found.checkpoint.as_bytes().starts_with(&note) {
                stamps.push(Stamp { covered: note.len(), response });
            }
        }
        Ok(stamps)
    }

    /// The smallest checkpoint that covers the record and that the epoch's keys have signed; of one
    /// size, the cosigned one, whose name comes first. Beside it the smallest that has the quorum
    /// of the policy, if that is another one.
    fn covering(
        &self,
        seq: u64,
        keys: &AttestedKeys,
        policy: &Policy,
    ) -> Result<(Stored, Option<Stored>), Failure> {
        let log = origin(&policy.log_prefix, &self.id);
        let note_keys =
            [&keys.statement.key, &keys.checkpoint].map(|key| NoteKey::new(&log, key.clone()));
        let has_quorum = |note: &str| {
            let judged = |trusted: &TrustPolicy| trusted.judge(note, &note_keys);
            policy.witnesses.as_ref().is_none_or(|it| judged(it).is_ok_and(|said| said.is_quorum()))
        };
        let (mut refused, mut smallest) = (None, None);
        let prefix = format!("checkpoints/{}/", self.id);
        for name in self.archive.list(&prefix).map_err(|error| unreadable(&error))? {
            let name = match name {
                // Behind the first only what witnesses have signed is worth reading.
                Ok(Name::Checkpoint(name))
                    if name.size > seq && (name.cosigned || smallest.is_none()) =>
                {
                    name
                }
                Ok(_) | Err(ArchiveError::Stray { .. }) => continue,
                Err(error) => return Err(unreadable(&error)),
            };
            match self.open_checkpoint(&name, &note_keys)? {
                Ok((_, head)) if head.origin != log => {
                    refused = Some(format!("{}: of another log", Name::Checkpoint(name)));
                }
                Ok((_, head)) if (head.size, head.root) != (name.size, name.root) => {
                    refused = Some(format!("{}: not what its name says", Name::Checkpoint(name)));
                }
                Ok((note, head)) => {
                    let quorum = has_quorum(&note);
                    let stored = Stored { name, note, head };
                    match smallest.take() {
                        None if quorum => return Ok((stored, None)),
                        None => smallest = Some(stored),
                        Some(first) if quorum => return Ok((first, Some(stored))),
                        Some(first) => smallest = Some(first),
                    }
                }
                Err(why) => refused = Some(format!("{}: {why}", Name::Checkpoint(name))),
            }
        }
        if let Some(smallest) = smallest {
            return Ok((smallest, None));
        }
        Err(match refused {
            Some(why) => Failure::new(Exit::No, format!("checkpoint is not accepted: {why}")),
            None => could_not_tell(format!("no stored checkpoint covers record {seq}"))
                .hint("a checkpoint is stored with each .seal file; this record has none yet"),
        })
    }

    fn open_checkpoint(
        &self,
        name: &CheckpointName,
        keys: &[NoteKey],
    ) -> Result<Result<(String, Checkpoint), String>, Failure> {
        let source = self.archive.open(&name.clone().into()).map_err(|error| unreadable(&error))?;
        let Ok(note) = String::from_utf8(epochs::read_all(source)?) else {
            return Ok(Err("not a text".to_owned()));
        };
        Ok(match Checkpoint::open_by_all(&note, keys) {
            Ok(head) => Ok((note, head)),
            Err(error) => Err(chain(&error)),
        })
    }

    /// Record 0, if the first file of the ledger has it and verifies.
    fn opening(&self, key: &EpochKey) -> Result<Option<Opening>, Failure> {
        let mut opening = None;
        let first = Segments::new(self.archive, &self.id, &self.files, 0).next().transpose()?;
        if let Some(name) = first.filter(|name| name.first == 0) {
            self.read(&name.into(), &mut |bytes| {
                if let Ok(batch) = batch::verify(bytes, key)
                    && batch.statement().first == 0
                    && batch.statement().ledger == self.id
                {
                    let statement = batch.signed_statement().to_vec();
                    opening =
                        Some(Opening { statement, record: bundled(&batch, 0, self.payloads)? });
                }
                Ok(())
            })?;
        }
        Ok(opening)
    }

    /// Hands out the batches of a segment up to where it is broken: the gap then shows.
    fn read(
        &self,
        name: &Name,
        each: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let source = self.archive.open(name).map_err(|error| unreadable(&error))?;
        self.payloads.batches(source, each).map(drop)
    }
}

impl Found {
    /// What is given away must hold for whoever gets it.
    fn check(&self) -> Result<(), Failure> {
        let proof =
            Inclusion { index: self.subject.seq, size: self.head.size, path: self.path.clone() };
        proof.verify(self.subject.leaf(), self.head.root).map_err(|error| {
            let text = "the records that follow do not lead to the signed checkpoint";
            Failure::because(Exit::No, text, &error)
                .hint("lucarne audit verify says which records differ")
        })
    }
}

/// The batch of the record: the signed statement, and the records that go into a bundle.
struct Subject {
    statement: Vec<u8>,
    records: Vec<BundledRecord>,
}

/// From the batch of the record to the size of the checkpoint.
struct Walk<'a> {
    id: &'a LedgerId,
    payloads: &'a Payloads,
    key: &'a EpochKey,
    seq: u64,
    size: u64,
    found: Option<(Subject, InclusionProver)>,
    refused: Option<String>,
}

impl<'a> Walk<'a> {
    const fn new(ledger: &'a Ledger<'_>, key: &'a EpochKey, seq: u64, size: u64) -> Self {
        let (id, payloads) = (&ledger.id, ledger.payloads);
        Self { id, payloads, key, seq, size, found: None, refused: None }
    }

    fn is_done(&self) -> bool {
        self.found.as_ref().is_some_and(|(_, prover)| prover.next().is_none())
    }

    fn batch(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let batch = match batch::verify(bytes, self.key) {
            Ok(batch) if batch.statement().ledger == *self.id => batch,
            Ok(_) => {
                self.refused = Some("a batch is of another ledger".to_owned());
                return Ok(());
            }
            Err(error) => {
                self.refused = Some(chain(&error));
                return Ok(());
            }
        };
        let statement = batch.statement();
        if (statement.first..statement.size()).contains(&self.seq) {
            let subject = Subject::of(&batch, self.seq, self.payloads)?;
            let prover = match self.found.take() {
                Some((_, prover)) => prover,
                None => InclusionProver::new(self.seq, self.size, &batch.start())
                    .map_err(|error| Failure::bug(chain(&error)))?,
            };
            self.found = Some((subject, prover));
        }
        if let Some((_, prover)) = &mut self.found {
            for (seq, record) in (statement.first..).zip(batch.records()) {
                if prover.next() == Some(seq) {
                    prover.push(record.leaf);
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(Subject, Vec<Hash>), Failure> {
        let Self { seq, size, found, refused, .. } = self;
        let refused = |gap: String| match refused {
            Some(why) => Failure::new(Exit::No, format!("{gap}, and what is there: {why}")),
            None => could_not_tell(gap),
        };
        match found {
            None => Err(refused(format!("record {seq} is not in the archive"))),
            Some((subject, prover)) => match prover.next() {
                Some(next) => Err(refused(format!(
                    "record {next} is not in the archive, so nothing leads from record {seq} to \
                     the checkpoint of size {size}"
                ))),
                None => {
                    let proof = prover.finish().map_err(|error| Failure::bug(chain(&error)))?;
                    Ok((subject, proof.path))
                }
            },
        }
    }
}

impl Subject {
    fn of(batch: &VerifiedBatch<'_>, seq: u64, payloads: &Payloads) -> Result<Self, Failure> {
        let first = batch.statement().first;
        let mut wanted = vec![seq];
        // A record names its scope, the scope its resource: both count from the batch's first.
        let mut next = context_of(batch, seq - first);
        while let Some(index) = next.filter(|_| wanted.len() < 3) {
            wanted.push(first + u64::from(index));
            next = context_of(batch, u64::from(index));
        }
        wanted.sort_unstable();
        let records = wanted.into_iter().map(|seq| bundled(batch, seq, payloads));
        let statement = batch.signed_statement().to_vec();
        Ok(Self { statement, records: records.collect::<Result<_, _>>()? })
    }
}

/// The index of the context that a record of the batch refers to.
fn context_of(batch: &VerifiedBatch<'_>, position: u64) -> Option<u32> {
    let record = batch.records().get(usize::try_from(position).ok()?)?;
    match (record.stream, &record.content) {
        (Stream::Control | Stream::Audit, _)
        | (_, Content::Withheld { .. } | Content::Encrypted) => None,
        (_, Content::Present { payload, .. }) => {
            split_context(payload).map(|(index, _)| index).filter(|index| *index != NO_CONTEXT)
        }
    }
}

/// A record of a batch with its path to the root after that batch.
fn bundled(
    batch: &VerifiedBatch<'_>,
    seq: u64,
    payloads: &Payloads,
) -> Result<BundledRecord, Failure> {
    let statement = batch.statement();
    let position = usize::try_from(seq.saturating_sub(statement.first)).unwrap_or(usize::MAX);
    let bug = || Failure::bug("a verified batch has fewer records than its statement says");
    let record = batch.records().get(position).ok_or_else(bug)?;
    let mut prover = InclusionProver::new(seq, statement.size(), &batch.start())
        .map_err(|error| Failure::bug(chain(&error)))?;
    batch.records().iter().for_each(|record| prover.push(record.leaf));
    let content = match record.content {
        Content::Present { payload, salt } => {
            BundledContent::Present { payload: payload.to_vec(), salt }
        }
        Content::Withheld { authorisation } => BundledContent::Withheld {
            commitment: record.commitment,
            authorisation: authorisation.to_vec(),
        },
        Content::Encrypted => return Err(payloads.refusal(batch, seq)),
    };
    let path = prover.finish().map_err(|error| Failure::bug(chain(&error)))?.path;
    Ok(BundledRecord { seq, stream: record.stream, content, path })
}

fn could_not_tell(text: String) -> Failure {
    Failure::new(Exit::CouldNotTell, text)
}
