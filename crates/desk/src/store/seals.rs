//! The sealed batches beside the log, and the comparison of both: what somebody changed in the
//! database shows, because the seal cannot be made again without the key.

use lucarne_ledger::batch::EpochKey;
use lucarne_ledger::identity::{EpochId, Instance};
use lucarne_ledger::key::PublicKey;

use super::database::Value;
use super::{Store, StoreError};
use crate::event::Entry;
use crate::log;

/// A sealed batch of entries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SealedBatch {
    /// Its place among all.
    pub position: u64,
    /// The epoch it was sealed in.
    pub epoch: [u8; 16],
    /// The key of the epoch, DER.
    pub spki: Vec<u8>,
    /// Its first entry.
    pub first: u64,
    /// The entry after its last.
    pub next: u64,
    /// The batch.
    pub body: Vec<u8>,
}

impl Store {
    /// Keeps a sealed batch; within [`locked`](Self::locked).
    ///
    /// # Errors
    /// When the database refuses.
    pub fn keep_sealed(&mut self, batch: &SealedBatch) -> Result<(), StoreError> {
        let sql = "INSERT INTO sealed (position, epoch, spki, first, next, body) \
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let values = [
            Value::of(batch.position),
            Value::Bytes(batch.epoch.to_vec()),
            Value::Bytes(batch.spki.clone()),
            Value::of(batch.first),
            Value::of(batch.next),
            Value::Bytes(batch.body.clone()),
        ];
        self.database.run(sql, &values).map(|_| ())
    }

    /// The place after the last sealed batch, and the first entry that is not sealed.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn sealed_end(&mut self) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT position, next FROM sealed ORDER BY position DESC LIMIT 1";
        match self.database.rows(sql, &[])?.concat().as_slice() {
            [position, next] => Ok((position.count()? + 1, next.count()?)),
            _ => Ok((0, 0)),
        }
    }

    /// Verifies every sealed batch against `key` and compares it with the log; how many entries
    /// are sealed. Any other key is refused: the database may be somebody else's.
    ///
    /// # Errors
    /// With the first batch that does not verify, does not follow, or says other than the log.
    pub fn verify_sealed(&mut self, desk: &Instance, key: &PublicKey) -> Result<u64, StoreError> {
        let (mut next, mut position) = (0, 0);
        let mut heads: std::collections::BTreeMap<[u8; 16], log::Head> = Default::default();
        while let Some(batch) = self.sealed(position)? {
            let differs = StoreError::Sealed { position, cause: None };
            if batch.spki != key.spki() {
                return Err(StoreError::Stranger { position });
            }
            if batch.first != next {
                return Err(differs);
            }
            let epoch =
                EpochKey { instance: desk.clone(), epoch: EpochId(batch.epoch), key: key.clone() };
            let head = heads.get(&batch.epoch).copied();
            let (sealed, head) = log::read_next(&batch.body, &epoch, head)
                .map_err(|cause| StoreError::Sealed { position, cause: Some(cause) })?;
            let entries: Vec<Entry> = self.entries(batch.first, batch.next - batch.first)?;
            if entries != sealed {
                return Err(differs);
            }
            heads.insert(batch.epoch, head);
            (next, position) = (batch.next, position + 1);
        }
        Ok(next)
    }

    /// The place of the sealed batch that holds an entry.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn sealed_holding(&mut self, seq: u64) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT position FROM sealed WHERE first <= $1 AND next > $1";
        let rows = self.database.rows(sql, &[Value::of(seq)])?;
        rows.into_iter().flatten().next().map(|position| position.count()).transpose()
    }

    /// A sealed batch.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn sealed(&mut self, position: u64) -> Result<Option<SealedBatch>, StoreError> {
        let sql = "SELECT epoch, spki, first, next, body FROM sealed WHERE position = $1";
        let rows = self.database.rows(sql, &[Value::of(position)])?;
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        let row = <[Value; 5]>::try_from(row).map_err(|_| StoreError::Shape)?;
        let [epoch, spki, first, next, body] = row;
        let epoch = epoch.into_bytes()?.try_into().map_err(|_| StoreError::Shape)?;
        let (first, next) = (first.count()?, next.count()?);
        if next < first {
            return Err(StoreError::Shape);
        }
        let (spki, body) = (spki.into_bytes()?, body.into_bytes()?);
        Ok(Some(SealedBatch { position, epoch, spki, first, next, body }))
    }
}
