//! How far each ledger has come: what is sealed, what the gateway says is archived.

use std::time::Duration;

use lucarne_ledger::identity::LedgerKind;
use tokio::sync::watch;

use crate::intake::{Durability, Refusal};

/// A position in each of the two ledgers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Position {
    /// Size of the audit ledger.
    pub audit: u64,
    /// Size of the telemetry ledger.
    pub telemetry: u64,
}

impl Position {
    const fn covers(self, other: Self) -> bool {
        self.audit >= other.audit && self.telemetry >= other.telemetry
    }

    /// Moves the position of one ledger forward.
    pub fn advance(&mut self, kind: LedgerKind, size: u64) {
        let place = match kind {
            LedgerKind::Audit => &mut self.audit,
            LedgerKind::Telemetry => &mut self.telemetry,
        };
        *place = size.max(*place);
    }
}

/// What is said to who waits for witnesses in vain.
pub const NO_WITNESSES: Refusal =
    Refusal::Unavailable("no witnesses are configured: ask for archived");

/// What those who wait look at.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Under a signed statement.
    pub sealed: watch::Receiver<Position>,
    /// Acknowledged by the gateway's pinned key.
    pub archived: watch::Receiver<Position>,
    /// Seen by a quorum of witnesses; `None` where the configuration names none.
    pub witnessed: Option<watch::Receiver<Position>>,
}

impl Progress {
    /// Waits until everything below `target` has the durability asked for.
    ///
    /// # Errors
    /// `TimedOut` with how far it got; `Unavailable` where no witnesses are configured.
    pub async fn reach(
        &self,
        target: Position,
        wanted: Durability,
        within: Duration,
    ) -> Result<(), Refusal> {
        let mut place = match wanted {
            Durability::Accepted => return Ok(()),
            Durability::Sealed => self.sealed.clone(),
            Durability::Archived => self.archived.clone(),
            Durability::Witnessed => self.witnessed.clone().ok_or(NO_WITNESSES)?,
        };
        let reached = place.wait_for(|position| position.covers(target));
        match tokio::time::timeout(within, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Refusal::TimedOut(self.state(target))),
        }
    }

    fn state(&self, target: Position) -> Durability {
        // What is witnessed is archived, and whoever waits for less does not wait for that.
        if self.archived.borrow().covers(target) {
            Durability::Archived
        } else if self.sealed.borrow().covers(target) {
            Durability::Sealed
        } else {
            Durability::Accepted
        }
    }
}
