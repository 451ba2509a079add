//! The records that an export writes: those of batches that verify, each number once, in order.
//!
//! Where a range has several revisions the last one counts, since the earlier ones may still hold
//! what was withheld later. A batch that does not continue what was written is of another history:
//! it is left to the report.

use lucarne_archive::name::SealName;
use lucarne_archive::{Archive, Name};
use lucarne_gateway::policy::Policy;
use lucarne_ledger::batch::{self, VerifiedBatch};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::LedgerId;
use lucarne_ledger::record::Stream;
use serde_json::Value;

use crate::commands::audit::catalogue::{Catalogue, Files, unreadable};
use crate::commands::audit::epochs::{self, Attested};
use crate::commands::audit::payloads::Payloads;
use crate::commands::audit::reading::Segments;
use crate::commands::audit::record;
use crate::failure::{Exit, Failure};

/// An archive to be walked through.
pub(super) struct Walk<'a> {
    pub(super) archive: &'a dyn Archive,
    pub(super) catalogue: &'a Catalogue,
    pub(super) policy: &'a Policy,
    pub(super) payloads: &'a Payloads,
}

/// One record.
pub(super) struct Row<'a> {
    pub(super) ledger: &'a LedgerId,
    pub(super) seq: u64,
    pub(super) stream: Stream,
    /// Its leaf.
    pub(super) hash: Hash,
    /// When its batch was sealed.
    pub(super) sealed_at_ms: u64,
    /// Measurement of the code, in hex.
    pub(super) measurement: &'a str,
    /// Whether the key is attested only by something that protects nothing.
    pub(super) insecure: bool,
    /// The file that holds it.
    pub(super) seal: &'a str,
    /// As `audit show` prints it: `payload`, `prev_hash`, `context`, or `withheld`, `encrypted`,
    /// `erased`.
    pub(super) content: Value,
}

/// Takes each record in turn.
type Take<'t> = &'t mut dyn FnMut(&Row<'_>) -> Result<(), Failure>;

impl Walk<'_> {
    /// Hands out every record and says how many.
    pub(super) fn each(&self, take: Take<'_>) -> Result<u64, Failure> {
        let mut count = 0;
        for ((instance, epoch), ledgers) in &self.catalogue.epochs {
            // Why an epoch is not believed is in the report.
            let Ok(attested) = epochs::attest(self.archive, instance, *epoch, self.policy)? else {
                continue;
            };
            for (kind, files) in ledgers {
                let id = LedgerId { instance: instance.clone(), epoch: *epoch, kind: *kind };
                count += self.ledger(&id, files, &attested, take)?;
            }
        }
        Ok(count)
    }

    fn ledger(
        &self,
        id: &LedgerId,
        files: &Files,
        attested: &Attested,
        take: Take<'_>,
    ) -> Result<u64, Failure> {
        let measurement = attested.epoch.claims.measurement().to_string();
        let mut written = Written { next: 0, root: None, leaf: None, count: 0 };
        let mut names = Segments::new(self.archive, id, files, 0).peekable();
        while let Some(name) = names.next() {
            let name = name?;
            if matches!(names.peek(), Some(Ok(later)) if same_range(&name, later)) {
                continue;
            }
            let seal = Name::Seal(name.clone()).to_string();
            let source =
                self.archive.open(&Name::Seal(name)).map_err(|error| unreadable(&error))?;
            // What is broken is in the report.
            drop(self.payloads.batches(source, &mut |bytes| {
                let Ok(batch) = batch::verify(bytes, &attested.keys.statement) else {
                    return Ok(());
                };
                if batch.statement().ledger != *id {
                    return Ok(());
                }
                let skip = written.skip(&batch);
                let statement = batch.statement();
                for (seq, record) in (statement.first..).zip(batch.records()).skip(skip) {
                    let what = "decode the payload";
                    let content = record::content(&batch, (seq, record), self.payloads)
                        .map_err(|error| Failure::because(Exit::CouldNotTell, what, &error))?;
                    take(&Row {
                        ledger: id,
                        seq,
                        stream: record.stream,
                        hash: record.leaf,
                        sealed_at_ms: statement.time_ms,
                        measurement: &measurement,
                        insecure: attested.keys.insecure,
                        seal: &seal,
                        content,
                    })?;
                    written.add(seq, record.leaf, statement.root);
                }
                Ok(())
            })?);
        }
        Ok(written.count)
    }
}

fn same_range(one: &SealName, other: &SealName) -> bool {
    (one.first, one.last, one.root) == (other.first, other.last, other.root)
}

/// How far a ledger is written.
struct Written {
    next: u64,
    root: Option<Hash>,
    leaf: Option<Hash>,
    count: u64,
}

impl Written {
    const fn add(&mut self, seq: u64, leaf: Hash, root: Hash) {
        self.next = seq.saturating_add(1);
        (self.leaf, self.root) = (Some(leaf), Some(root));
        self.count += 1;
    }

    /// How many records of the batch are not to be written: those that were, or all of another
    /// history.
    fn skip(&self, batch: &VerifiedBatch<'_>) -> usize {
        let statement = batch.statement();
        let behind = usize::try_from(self.next.saturating_sub(statement.first));
        let behind = behind.unwrap_or(usize::MAX);
        let continues = match behind.checked_sub(1) {
            // After a hole nothing can be compared; the report names the hole.
            None if statement.first > self.next => true,
            None => self.root.is_none_or(|root| root == statement.prev_root),
            Some(last) => batch.records().get(last).map(|record| record.leaf) == self.leaf,
        };
        if continues { behind } else { usize::MAX }
    }
}
