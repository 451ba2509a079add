//! Rows of the state as it was at an entry of the log: a short way to the same state. Whether one
//! is believed is for whoever reads it: its digest is in the log, which is sealed.

use super::database::Value;
use super::{Store, StoreError};

impl Store {
    /// Keeps the state as it was before an entry, and forgets all but the newest few; within
    /// [`locked`](Self::locked), beside that entry.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn keep_snapshot(&mut self, seq: u64, body: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT INTO snapshot (seq, body) VALUES ($1, $2)";
        self.database.run(sql, &[Value::of(seq), Value::Bytes(body.to_vec())])?;
        let sql = "DELETE FROM snapshot WHERE seq NOT IN \
                   (SELECT seq FROM snapshot ORDER BY seq DESC LIMIT $1)";
        self.database.run(sql, &[Value::of(KEPT)]).map(|_| ())
    }

    /// The entries that have one, the newest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn snapshots(&mut self) -> Result<Vec<u64>, StoreError> {
        let rows = self.database.rows("SELECT seq FROM snapshot ORDER BY seq DESC", &[])?;
        rows.into_iter().flatten().map(|seq| seq.count()).collect()
    }

    /// The state as it was before an entry.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn snapshot(&mut self, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let rows =
            self.database.rows("SELECT body FROM snapshot WHERE seq = $1", &[Value::of(seq)])?;
        rows.into_iter().flatten().next().map(Value::into_bytes).transpose()
    }
}

/// The entry of the newest may not be sealed yet; the one before is.
const KEPT: u64 = 3;
