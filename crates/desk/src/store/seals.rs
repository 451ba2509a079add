//! The sealed batches beside the log, and the comparison of both: what somebody changed in the
//! database shows, because the seal cannot be made again without the key.

use std::collections::BTreeMap;

use lucarne_ledger::batch::EpochKey;
use lucarne_ledger::identity::{EpochId, Instance};
use lucarne_ledger::key::PublicKey;

use super::database::Value;
use super::{Store, StoreError};
use crate::log;

// What a batch follows on: the end of the batches before it, or whatever was there.
#[derive(Clone, Copy)]
enum Before {
    These(Option<log::Head>),
    Any,
}

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
        self.verify_from(desk, key, 0)
    }

    /// The same of the batches from a place on. On what the first of each epoch there follows, when
    /// it is not the first of all, is not looked at.
    ///
    /// # Errors
    /// As [`verify_sealed`](Self::verify_sealed).
    pub fn verify_from(
        &mut self,
        desk: &Instance,
        key: &PublicKey,
        from: u64,
    ) -> Result<u64, StoreError> {
        let mut heads: BTreeMap<[u8; 16], log::Head> = BTreeMap::new();
        let (mut next, mut position) = (None, from);
        while let Some(batch) = self.sealed(position)? {
            let expected = if position == 0 { Some(0) } else { next };
            if expected.is_some_and(|next| batch.first != next) {
                return Err(StoreError::Sealed { position, cause: None });
            }
            let before = match heads.get(&batch.epoch).copied() {
                None if from > 0 => Before::Any,
                known => Before::These(known),
            };
            heads.insert(batch.epoch, self.verified(&batch, desk, key, before)?);
            (next, position) = (Some(batch.next), position + 1);
        }
        // A batch in the middle that is gone is no end. Looked for last, since another desk may
        // have sealed in between.
        if self.sealed_end()?.0 > position && self.sealed(position)?.is_none() {
            return Err(StoreError::Sealed { position, cause: None });
        }
        Ok(next.unwrap_or(0))
    }

    /// Verifies one sealed batch and compares it with the log.
    ///
    /// # Errors
    /// When it does not verify, or says other than the log.
    pub fn verify_batch(
        &mut self,
        desk: &Instance,
        key: &PublicKey,
        position: u64,
    ) -> Result<(), StoreError> {
        let batch = self.sealed(position)?.ok_or(StoreError::Shape)?;
        self.verified(&batch, desk, key, Before::Any).map(|_| ())
    }

    fn verified(
        &mut self,
        batch: &SealedBatch,
        desk: &Instance,
        key: &PublicKey,
        before: Before,
    ) -> Result<log::Head, StoreError> {
        let position = batch.position;
        if batch.spki != key.spki() {
            return Err(StoreError::Stranger { position });
        }
        let epoch =
            EpochKey { instance: desk.clone(), epoch: EpochId(batch.epoch), key: key.clone() };
        let read = match before {
            Before::Any => log::bodies_of(&batch.body, &epoch),
            Before::These(head) => log::bodies_next(&batch.body, &epoch, head),
        };
        let (sealed, head) =
            read.map_err(|cause| StoreError::Sealed { position, cause: Some(cause) })?;
        if self.bodies(batch.first, batch.next - batch.first)? == sealed {
            Ok(head)
        } else {
            Err(StoreError::Sealed { position, cause: None })
        }
    }

    // Entries from a number on as they are written, up to the first that is missing.
    fn bodies(&mut self, from: u64, most: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        let sql = "SELECT seq, body FROM entry WHERE seq >= $1 ORDER BY seq LIMIT $2";
        let mut bodies = Vec::new();
        let rows = self.database.rows(sql, &[Value::of(from), Value::of(most)])?;
        for (row, expected) in rows.into_iter().zip(from..) {
            let [seq, body] = <[Value; 2]>::try_from(row).map_err(|_| StoreError::Shape)?;
            if seq.count()? != expected {
                break;
            }
            bodies.push(body.into_bytes()?);
        }
        Ok(bodies)
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
