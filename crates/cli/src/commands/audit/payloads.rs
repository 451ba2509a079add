//! Payloads for verbs that show them: encrypted ones are opened with the data keys that were given,
//! and of others it is said why they cannot be read.
//!
//! What a batch decrypts to is verified by its reader like any other batch. A payload that cannot
//! be read is never left out without a word: it is `encrypted` when its key was not given, and
//! `erased` when an order of the policy's authority ended that key.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use lucarne_archive::Archive;
use lucarne_archive::data_keys::DataKeys;
use lucarne_archive::encryption::{Decrypted, decrypt};
use lucarne_archive::segment::SegmentError;
use lucarne_ledger::batch::VerifiedBatch;
use lucarne_ledger::encryption::KeyId;
use lucarne_ledger::key::PublicKey;
use serde_json::{Value, json};

use super::{erasures, reading};
use crate::failure::{Exit, Failure};

/// How payloads of an archive are read.
pub(super) struct Payloads {
    keys: Option<DataKeys>,
    // accepted orders to destroy keys: their rules
    orders: BTreeMap<KeyId, String>,
    unread: Cell<u64>,
}

impl Payloads {
    /// Reads the orders of the archive, and the folder of keys if one is given.
    ///
    /// # Errors
    /// When either cannot be read.
    pub(super) fn of(
        archive: &dyn Archive,
        authorities: &[PublicKey],
        keys: Option<&Path>,
    ) -> Result<Self, Failure> {
        let keys = keys.map(erasures::read_keys).transpose()?;
        let orders = erasures::read(archive, authorities)?.accepted;
        let orders = orders.into_iter().map(|order| (order.key, order.rule)).collect();
        Ok(Self { keys, orders, unread: Cell::new(0) })
    }

    /// As [`reading::batches`], with what was encrypted opened where its key is there.
    ///
    /// # Errors
    /// When the file cannot be read, `each` fails, or a batch does not decrypt under its own key.
    pub(super) fn batches(
        &self,
        source: impl Read,
        each: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<Result<(), SegmentError>, Failure> {
        reading::batches(source, &mut |bytes| {
            let Some(keys) = &self.keys else { return each(bytes) };
            match decrypt(bytes, keys) {
                Ok(Decrypted::Plain | Decrypted::Closed(_)) => each(bytes),
                Ok(Decrypted::Opened(plain)) => each(&plain),
                Err(error) => Err(Failure::because(Exit::No, "read the payloads", &error)),
            }
        })
    }

    /// What stands in the place of an encrypted payload.
    pub(super) fn closed(&self, batch: &VerifiedBatch<'_>, seq: u64) -> Value {
        self.unread.set(self.unread.get().saturating_add(1));
        let key = key_of(batch, seq);
        let named = key.map(|key| key.to_string());
        match key.and_then(|key| self.orders.get(&key)) {
            Some(rule) => json!({ "erased": rule, "data_key": named }),
            None => json!({ "encrypted": true, "data_key": named }),
        }
    }

    /// Why an encrypted payload cannot be read, and what would help.
    pub(super) fn refusal(&self, batch: &VerifiedBatch<'_>, seq: u64) -> Failure {
        let key = key_of(batch, seq);
        let failure = |text| Failure::new(Exit::CouldNotTell, text);
        match (key, key.and_then(|key| self.orders.get(&key))) {
            (_, Some(rule)) => failure(format!("the payload of record {seq} is erased: {rule}")),
            (Some(key), None) => {
                failure(format!("the payload of record {seq} is encrypted under {key}"))
                    .hint("give --keys with the folder of data keys, or a copy of it")
            }
            (None, None) => failure(format!("the payload of record {seq} is encrypted")),
        }
    }

    /// How many payloads could not be read so far.
    pub(super) const fn unread(&self) -> u64 {
        self.unread.get()
    }
}

/// The data key that a record is under.
fn key_of(batch: &VerifiedBatch<'_>, seq: u64) -> Option<KeyId> {
    let index = seq.checked_sub(batch.statement().first)?;
    batch.data_key(usize::try_from(index).ok()?)
}
