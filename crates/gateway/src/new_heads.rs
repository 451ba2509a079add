//! New heads: the newest checkpoint of each ledger that was archived since somebody last looked.
//!
//! For who goes behind the archive and vouches for it: witnesses, time-stamping authorities. Of
//! each ledger only the newest checkpoint matters, since it vouches for all before it.

use std::collections::BTreeMap;

use lucarne_archive::Name;
use lucarne_archive::name::CheckpointName;
use lucarne_ledger::identity::LedgerId;

use crate::archiver::Archived;

/// What was archived and nobody took yet.
pub(crate) struct NewHeads {
    archived: Archived,
    next_roll: u64,
    pub(crate) found: BTreeMap<LedgerId, CheckpointName>,
}

impl NewHeads {
    pub(crate) const fn new(archived: Archived) -> Self {
        Self { archived, next_roll: 0, found: BTreeMap::new() }
    }

    /// What is archived, for who has to read more of it.
    pub(crate) const fn archived(&self) -> &Archived {
        &self.archived
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Looks at what was archived since.
    pub(crate) fn collect(&mut self) {
        let through = *self.archived.through.borrow_and_update();
        for roll in self.next_roll..through {
            for name in self.archived.names.of(roll).iter() {
                let Name::Seal(seal) = name else { continue };
                let (ledger, root) = (seal.ledger.clone(), seal.root);
                let size = seal.last.saturating_add(1);
                if self.found.get(&ledger).is_none_or(|known| known.size < size) {
                    let name = CheckpointName { ledger, size, root, cosigned: false };
                    self.found.insert(name.ledger.clone(), name);
                }
            }
        }
        self.next_roll = through;
    }

    /// Hands over those of ledgers that `known` already has, and so many others.
    pub(crate) fn take(
        &mut self,
        known: impl Fn(&LedgerId) -> bool,
        others_max: usize,
    ) -> Vec<CheckpointName> {
        let (mut now, new): (Vec<_>, Vec<_>) =
            self.found.keys().cloned().partition(|ledger| known(ledger));
        now.extend(new.into_iter().take(others_max));
        now.iter().filter_map(|ledger| self.found.remove(ledger)).collect()
    }

    /// Waits for more in the archive. Never ends when the archiver has gone: then the stop is near.
    pub(crate) async fn more(&mut self) {
        let next_roll = self.next_roll;
        let more = self.archived.through.wait_for(|through| *through > next_roll);
        if more.await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
