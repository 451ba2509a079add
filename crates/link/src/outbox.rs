//! The outbox: sealed batches that the gateway has not yet acknowledged as archived.
//!
//! Batches leave it only by an acknowledgement that verifies under the pinned key and names a batch
//! that is in it, by size *and* root. Anything else that the host says leaves it as it is.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use lucarne_ledger::cose::SignatureError;
use lucarne_ledger::key::PublicKey;
use lucarne_ledger::seal::Sealed;
use lucarne_ledger::statement::Archived;

/// Why an acknowledgement changes nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AckError {
    /// It is not signed by the pinned key.
    Signature(SignatureError),
    /// It speaks of another instance or epoch.
    Foreign,
    /// It names a batch that was never sent, or a root that is not that batch's.
    Unknown,
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature(_) => write!(f, "acknowledgement is not signed by the pinned key"),
            Self::Foreign => write!(f, "acknowledgement is for another ledger"),
            Self::Unknown => write!(f, "acknowledgement names no batch that is waiting"),
        }
    }
}

impl core::error::Error for AckError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Signature(error) => Some(error),
            Self::Foreign | Self::Unknown => None,
        }
    }
}

/// A batch on its way.
#[derive(Debug)]
pub struct Pending<T> {
    /// What was sealed.
    pub sealed: Sealed,
    /// The signed checkpoint of the ledger right after it.
    pub note: String,
    /// Somebody waits for it to be archived.
    pub urgent: bool,
    /// What is given back when it is released: the reservation of its bytes, say.
    pub token: T,
}

/// Batches of both ledgers in the order in which they were sealed.
#[derive(Debug)]
pub struct Outbox<T> {
    key: PublicKey,
    waiting: VecDeque<Pending<T>>,
    // INVARIANT: at most `waiting.len()`; how many of them this connection has sent
    sent: usize,
    // newest acknowledged position of each ledger, by its code
    done: [u64; 2],
}

impl<T> Outbox<T> {
    /// An empty outbox that believes acknowledgements of `key`.
    pub const fn new(key: PublicKey) -> Self {
        Self { key, waiting: VecDeque::new(), sent: 0, done: [0; 2] }
    }

    /// Takes a batch to be sent.
    pub fn push(&mut self, pending: Pending<T>) {
        self.waiting.push_back(pending);
    }

    /// The next batch that this connection has not sent.
    pub fn next_to_send(&mut self) -> Option<&Pending<T>> {
        let pending = self.waiting.get(self.sent)?;
        self.sent += 1;
        Some(pending)
    }

    /// A new connection has sent nothing yet.
    pub const fn rewind(&mut self) {
        self.sent = 0;
    }

    /// Whether everything has been acknowledged.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Number of batches that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Releases what a verified acknowledgement covers, and returns it.
    ///
    /// One that repeats an earlier position releases nothing and is no error: the gateway repeats
    /// itself when a connection begins.
    ///
    /// # Errors
    /// When it does not verify or names nothing that is here; then nothing changes.
    pub fn acknowledge(&mut self, message: &[u8]) -> Result<Released<T>, AckError> {
        let archived = Archived::verify(message, &self.key).map_err(AckError::Signature)?;
        let slot = usize::from(archived.ledger.kind.code() == 1);
        let size = archived.size();
        let named = self.waiting.iter().position(|pending| {
            let statement = pending.sealed.statement();
            statement.ledger == archived.ledger
                && statement.size() == size
                && statement.root == archived.root
        });
        let Some(last) = named else {
            let repeats = self.done.get(slot).is_some_and(|done| size <= *done);
            return if repeats {
                Ok(Released { archived, batches: Vec::new() })
            } else if self.is_foreign(&archived) {
                Err(AckError::Foreign)
            } else {
                Err(AckError::Unknown)
            };
        };
        if let Some(done) = self.done.get_mut(slot) {
            *done = size;
        }
        Ok(Released { batches: self.release(&archived, last), archived })
    }

    fn is_foreign(&self, archived: &Archived) -> bool {
        let ours = |pending: &Pending<T>| pending.sealed.statement().ledger == archived.ledger;
        !self.waiting.is_empty() && !self.waiting.iter().any(ours)
    }

    // Everything of that ledger up to and including position `last`, wherever the other ledger's
    // batches stand.
    fn release(&mut self, archived: &Archived, last: usize) -> Vec<Pending<T>> {
        let mut released = Vec::new();
        let mut kept = VecDeque::with_capacity(self.waiting.len());
        let mut sent = self.sent;
        for (position, pending) in self.waiting.drain(..).enumerate() {
            if position <= last && pending.sealed.statement().ledger == archived.ledger {
                sent -= usize::from(position < self.sent);
                released.push(pending);
            } else {
                kept.push_back(pending);
            }
        }
        self.waiting = kept;
        self.sent = sent;
        released
    }
}

/// What an acknowledgement released.
#[derive(Debug)]
pub struct Released<T> {
    /// What the gateway says is archived.
    pub archived: Archived,
    /// The batches that need not be kept any longer.
    pub batches: Vec<Pending<T>>,
}

#[cfg(test)]
mod tests;
