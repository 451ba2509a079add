//! Runs: the batches of a roll that go on from one another, in the order of their files.
//!
//! A run becomes one `.seal` file. The archiver and the exporters cut a roll into the same runs, so
//! a place in a roll means the same whether it is read from the log or, later, from the archive.

use lucarne_archive::name::{CheckpointName, Date, SealName};
use lucarne_ledger::batch::{BatchError, claimed_statement};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::LedgerId;

use crate::delivery::Batch;

/// Batches of one ledger without a hole between them.
#[derive(Debug)]
pub struct Run {
    /// Whose.
    pub ledger: LedgerId,
    /// First sequence number.
    pub first: u64,
    /// Size of the ledger after them.
    pub size: u64,
    /// Root of the ledger after them.
    pub root: Hash,
    /// Time of the first statement, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The batches, in their order.
    pub batches: Vec<Batch>,
}

impl Run {
    /// The name of the file that they make.
    pub fn seal_name(&self, revision: u32) -> SealName {
        SealName {
            date: Date::of_unix_ms(self.time_ms),
            ledger: self.ledger.clone(),
            first: self.first,
            last: self.size.saturating_sub(1),
            root: self.root,
            revision,
        }
    }

    /// The name of the checkpoint of their end.
    pub fn checkpoint_name(&self) -> CheckpointName {
        let ledger = self.ledger.clone();
        CheckpointName { ledger, size: self.size, root: self.root, cosigned: false }
    }

    /// The checkpoint of their end.
    pub fn note(&self) -> &str {
        self.batches.last().map_or("", |batch| &batch.note)
    }
}

/// Cuts verified batches into runs, in the order in which each run began.
///
/// # Errors
/// When a batch, which was verified before it was written, no longer reads as one.
pub fn cut(batches: impl IntoIterator<Item = Batch>) -> Result<Vec<Run>, BatchError> {
    let mut runs: Vec<Run> = Vec::new();
    for batch in batches {
        let statement = claimed_statement(&batch.bytes)?;
        let goes_on = |run: &&mut Run| {
            run.ledger == statement.ledger
                && run.size == statement.first
                && run.root == statement.prev_root
        };
        if let Some(run) = runs.iter_mut().rfind(|run| goes_on(run)) {
            run.size = statement.size();
            run.root = statement.root;
            run.batches.push(batch);
        } else {
            runs.push(Run {
                first: statement.first,
                size: statement.size(),
                root: statement.root,
                time_ms: statement.time_ms,
                ledger: statement.ledger,
                batches: vec![batch],
            });
        }
    }
    Ok(runs)
}
