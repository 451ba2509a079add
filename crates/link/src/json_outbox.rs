//! The outbox of signed log batches in JSON: those that the gateway has not yet taken.
//!
//! Each is acknowledged by itself, by number *and* digest, under the pinned key. The numbers of an
//! epoch rise, so an acknowledgement of a number that is no longer here repeats an earlier one.

use alloc::collections::VecDeque;

use lucarne_ledger::identity::{EpochId, Instance};
use lucarne_ledger::json_batch::taken::{Fate, Taken};
use lucarne_ledger::json_batch::writer::SealedJsonBatch;
use lucarne_ledger::key::PublicKey;

use crate::outbox::AckError;

/// A batch on its way.
#[derive(Debug)]
pub struct PendingJson<T> {
    /// What was signed.
    pub sealed: SealedJsonBatch,
    /// What is given back when it is released: the reservation of its bytes, say.
    pub token: T,
}

/// Batches in the order of their numbers.
#[derive(Debug)]
pub struct JsonOutbox<T> {
    key: PublicKey,
    instance: Instance,
    epoch: EpochId,
    waiting: VecDeque<PendingJson<T>>,
    // INVARIANT: at most `waiting.len()`; how many of them this connection has sent
    sent: usize,
    // the largest number that was ever here
    last: u64,
}

impl<T> JsonOutbox<T> {
    /// An empty outbox of an epoch that believes acknowledgements of `key`.
    pub const fn new(key: PublicKey, instance: Instance, epoch: EpochId) -> Self {
        Self { key, instance, epoch, waiting: VecDeque::new(), sent: 0, last: 0 }
    }

    /// Takes a batch to be sent.
    pub fn push(&mut self, pending: PendingJson<T>) {
        self.last = pending.sealed.sequence.max(self.last);
        self.waiting.push_back(pending);
    }

    /// The next batch that this connection has not sent.
    pub fn next_to_send(&mut self) -> Option<&PendingJson<T>> {
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

    /// Releases the batch that a verified acknowledgement names, and says what became of it;
    /// `None` for one that repeats an earlier acknowledgement.
    ///
    /// # Errors
    /// When it does not verify or names nothing that was here; then nothing changes.
    pub fn acknowledge(
        &mut self,
        message: &[u8],
    ) -> Result<Option<(Fate, PendingJson<T>)>, AckError> {
        let taken = Taken::verify(message, &self.key).map_err(AckError::Signature)?;
        if (&taken.instance, taken.epoch) != (&self.instance, self.epoch) {
            return Err(AckError::Foreign);
        }
        let number = taken.sequence;
        let named = self.waiting.iter().position(|pending| pending.sealed.sequence == number);
        let Some(place) = named else {
            return if number <= self.last { Ok(None) } else { Err(AckError::Unknown) };
        };
        let digest = self.waiting.get(place).map(|pending| pending.sealed.digest);
        if digest != Some(taken.digest) {
            return Err(AckError::Unknown);
        }
        self.sent -= usize::from(place < self.sent);
        Ok(self.waiting.remove(place).map(|pending| (taken.fate, pending)))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use lucarne_ledger::cose::SignatureError;
    use lucarne_ledger::hash::Hash;
    use lucarne_ledger::key::{Ed25519Key, Signer as _};

    use super::*;

    const EPOCH: EpochId = EpochId([1; 16]);

    fn key(seed: u8) -> Ed25519Key {
        Ed25519Key::from_seed(&[seed; 32]).unwrap()
    }

    fn digest(sequence: u64) -> Hash {
        Hash::of(&sequence.to_be_bytes())
    }

    fn outbox() -> JsonOutbox<&'static str> {
        let public = key(1).public_key().clone();
        let mut outbox = JsonOutbox::new(public, "i".parse().unwrap(), EPOCH);
        for (sequence, token) in (1..).zip(["one", "two", "three"]) {
            let digest = digest(sequence);
            let sealed = SealedJsonBatch { sequence, digest, bytes: Vec::new() };
            outbox.push(PendingJson { sealed, token });
        }
        outbox
    }

    fn taken(sequence: u64) -> Taken {
        let (instance, digest) = ("i".parse().unwrap(), digest(sequence));
        Taken { instance, epoch: EPOCH, sequence, digest, fate: Fate::Archived }
    }

    fn sent(outbox: &mut JsonOutbox<&'static str>) -> Vec<u64> {
        core::iter::from_fn(|| outbox.next_to_send().map(|it| it.sealed.sequence)).collect()
    }

    #[track_caller]
    fn released(
        outbox: &mut JsonOutbox<&'static str>,
        taken: &Taken,
    ) -> Option<(Fate, &'static str)> {
        let message = taken.sign(&key(1)).unwrap();
        outbox.acknowledge(&message).unwrap().map(|(fate, pending)| (fate, pending.token))
    }

    #[test]
    fn each_leaves_by_its_own_acknowledgement_and_the_others_are_sent_again() {
        let mut outbox = outbox();
        assert_eq!(sent(&mut outbox), [1, 2, 3]);
        assert_eq!(released(&mut outbox, &taken(2)), Some((Fate::Archived, "two")));
        assert_eq!(sent(&mut outbox), [] as [u64; 0]);
        // Said twice, it is no error and releases nothing.
        assert_eq!(released(&mut outbox, &taken(2)), None);
        outbox.rewind();
        assert_eq!(sent(&mut outbox), [1, 3]);
        let withheld = Taken { fate: Fate::Withheld, ..taken(1) };
        assert_eq!(released(&mut outbox, &withheld), Some((Fate::Withheld, "one")));
        assert!(!outbox.is_empty());
        assert_eq!(released(&mut outbox, &taken(3)), Some((Fate::Archived, "three")));
        assert!(outbox.is_empty());
    }

    #[test]
    fn what_is_acknowledged_before_it_is_sent_is_not_sent() {
        let mut outbox = outbox();
        assert_eq!(outbox.next_to_send().unwrap().sealed.sequence, 1);
        assert_eq!(released(&mut outbox, &taken(3)), Some((Fate::Archived, "three")));
        assert_eq!(sent(&mut outbox), [2]);
    }

    #[test]
    fn a_lie_releases_nothing() {
        let mut outbox = outbox();
        let lies = [
            (Taken { instance: "j".parse().unwrap(), ..taken(1) }, AckError::Foreign),
            (Taken { epoch: EpochId([2; 16]), ..taken(1) }, AckError::Foreign),
            (Taken { sequence: 4, ..taken(1) }, AckError::Unknown),
            (Taken { digest: Hash([9; 32]), ..taken(1) }, AckError::Unknown),
        ];
        for (lie, error) in lies {
            let message = lie.sign(&key(1)).unwrap();
            assert_eq!(outbox.acknowledge(&message).unwrap_err(), error, "{lie:?}");
        }
        let foreign = taken(1).sign(&key(2)).unwrap();
        let unsigned = AckError::Signature(SignatureError::Header);
        assert_eq!(outbox.acknowledge(&foreign).unwrap_err(), unsigned);
        assert_eq!(sent(&mut outbox), [1, 2, 3]);
    }
}
