//! Work that waits: notifications and actions, made with the entries that ask for them.
//!
//! A piece is leased to one worker at a time; a worker that dies loses its lease and the piece is
//! given out again, under the same key. Pieces of one queue are given out in order: the next waits
//! until the one before is done or dead.

use super::database::Value;
use super::{Store, StoreError};
use crate::incident::IncidentId;

/// Work to be added.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewWork {
    /// What works on it, such as the name of a channel.
    pub queue: String,
    /// Under which it is done once.
    pub key: String,
    /// For which incident.
    pub incident: IncidentId,
    /// What.
    pub body: String,
    /// When it was made, milliseconds since 1970.
    pub made_ms: u64,
}

/// Work that is given out or looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Work {
    /// Its number.
    pub id: u64,
    /// What works on it.
    pub queue: String,
    /// Under which it is done once.
    pub key: String,
    /// For which incident.
    pub incident: IncidentId,
    /// What.
    pub body: String,
    /// How it stands.
    pub standing: Standing,
    /// How often it was tried.
    pub attempts: u64,
    /// When it was made, milliseconds since 1970.
    pub made_ms: u64,
    /// When it is tried next, milliseconds since 1970.
    pub due_ms: u64,
    /// Why it was not done.
    pub error: String,
}

/// How work stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It is to be done.
    Open,
    /// It is done.
    Done,
    /// It is not tried any more.
    Dead,
}

impl Standing {
    const fn number(self) -> u64 {
        match self {
            Self::Open => 0,
            Self::Done => 1,
            Self::Dead => 2,
        }
    }

    const fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Open),
            1 => Some(Self::Done),
            2 => Some(Self::Dead),
            _ => None,
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }
}

/// How much waits.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Backlog {
    /// Pieces that are to be done.
    pub open: u64,
    /// When the oldest of them was made, milliseconds since 1970.
    pub oldest_ms: Option<u64>,
    /// Pieces that are not tried any more, by queue.
    pub dead: Vec<(String, u64)>,
}

const COLUMNS: &str = "id, queue, key, incident, body, standing, attempts, made_ms, due_ms, error";

pub(super) fn add(store: &mut Store, work: &[NewWork]) -> Result<(), StoreError> {
    if work.is_empty() {
        return Ok(());
    }
    let lock = store.database.locks();
    let sql = format!("SELECT number FROM meta WHERE name = 'work'{lock}");
    let rows = store.database.rows(&sql, &[])?;
    let mut next = rows.first().and_then(|row| row.first()).ok_or(StoreError::Shape)?.count()?;
    for piece in work {
        let sql = "INSERT INTO work (id, queue, key, incident, body, standing, attempts, made_ms, \
                   due_ms, leased_ms, owner, error) \
                   VALUES ($1, $2, $3, $4, $5, 0, 0, $6, $6, 0, '', '') \
                   ON CONFLICT (key) DO NOTHING";
        let values = [
            Value::of(next),
            Value::text(&piece.queue),
            Value::text(&piece.key),
            Value::of(piece.incident.0),
            Value::text(&piece.body),
            Value::of(piece.made_ms),
        ];
        store.database.run(sql, &values)?;
        next += 1;
    }
    store.database.run("UPDATE meta SET number = $1 WHERE name = 'work'", &[Value::of(next)])?;
    Ok(())
}

impl Store {
    /// Leases the first piece of a queue that is to be done; none while it is leased or not due.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn lease(
        &mut self,
        queue: &str,
        owner: &str,
        now_ms: u64,
        for_ms: u64,
    ) -> Result<Option<Work>, StoreError> {
        self.database.begin()?;
        match self.lease_first(queue, owner, now_ms, for_ms) {
            Ok(found) => self.database.script("COMMIT").map(|()| found),
            Err(cause) => Err(self.roll_back(cause)),
        }
    }

    fn lease_first(
        &mut self,
        queue: &str,
        owner: &str,
        now_ms: u64,
        for_ms: u64,
    ) -> Result<Option<Work>, StoreError> {
        // The first is looked for without a lock and taken with one: to pass over a locked row
        // here would give out the second before the first.
        let sql = "SELECT MIN(id) FROM work WHERE queue = $1 AND standing = 0";
        let first = self.database.rows(sql, &[Value::text(queue)])?;
        let Some(id @ Value::Int(_)) = first.into_iter().flatten().next() else { return Ok(None) };
        let skips = self.database.skips();
        let sql = format!(
            "SELECT {COLUMNS} FROM work WHERE id = $1 AND standing = 0 AND due_ms <= $2 \
             AND leased_ms <= $2{skips}"
        );
        let found = self.database.rows(&sql, &[id.clone(), Value::of(now_ms)])?;
        let Some(row) = found.into_iter().next() else { return Ok(None) };
        let sql = "UPDATE work SET leased_ms = $2, owner = $3, attempts = attempts + 1 \
                   WHERE id = $1";
        let until = Value::of(now_ms.saturating_add(for_ms));
        self.database.run(sql, &[id, until, Value::text(owner)])?;
        let mut work = work(row)?;
        work.attempts += 1;
        Ok(Some(work))
    }

    /// Open work of a queue that was made before a time and whose key with this ending is no work,
    /// the oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn without_copy(
        &mut self,
        queue: &str,
        ending: &str,
        made_before_ms: u64,
        most: u64,
    ) -> Result<Vec<Work>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM work WHERE queue = $1 AND standing = 0 AND made_ms <= $2 AND \
             NOT EXISTS (SELECT 1 FROM work AS copy WHERE copy.key = work.key || $3) \
             ORDER BY id LIMIT $4"
        );
        let values =
            [Value::text(queue), Value::of(made_before_ms), Value::text(ending), Value::of(most)];
        self.database.rows(&sql, &values)?.into_iter().map(work).collect()
    }

    /// Ends a lease: done, dead, or due again later. False when the lease was lost.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn settle(
        &mut self,
        id: u64,
        owner: &str,
        standing: Standing,
        due_ms: u64,
        error: &str,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE work SET standing = $3, due_ms = $4, leased_ms = 0, owner = '', \
                   error = $5 WHERE id = $1 AND owner = $2 AND standing = 0";
        let values = [
            Value::of(id),
            Value::text(owner),
            Value::of(standing.number()),
            Value::of(due_ms),
            Value::text(error),
        ];
        Ok(self.database.run(sql, &values)? == 1)
    }

    /// Work below a number, the newest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn work(&mut self, below: u64, most: u64) -> Result<Vec<Work>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM work WHERE id < $1 ORDER BY id DESC LIMIT $2");
        let rows = self.database.rows(&sql, &[Value::of(below), Value::of(most)])?;
        rows.into_iter().map(work).collect()
    }

    /// Tries dead work again. False when there is none of the number.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn revive(&mut self, id: u64, now_ms: u64) -> Result<bool, StoreError> {
        let sql = "UPDATE work SET standing = 0, attempts = 0, due_ms = $2 \
                   WHERE id = $1 AND standing = 2";
        Ok(self.database.run(sql, &[Value::of(id), Value::of(now_ms)])? == 1)
    }

    /// Whether an incident has work that is to be done.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn has_open_work(&mut self, incident: IncidentId) -> Result<bool, StoreError> {
        let sql = "SELECT id FROM work WHERE incident = $1 AND standing = 0 LIMIT 1";
        Ok(!self.database.rows(sql, &[Value::of(incident.0)])?.is_empty())
    }

    /// How much waits.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn backlog(&mut self) -> Result<Backlog, StoreError> {
        let sql = "SELECT COUNT(*), MIN(made_ms) FROM work WHERE standing = 0";
        let mut backlog = Backlog::default();
        if let [open, oldest] = self.database.rows(sql, &[])?.concat().as_slice() {
            backlog.open = open.count()?;
            backlog.oldest_ms = oldest.count().ok();
        }
        let sql = "SELECT queue, COUNT(*) FROM work WHERE standing = 2 GROUP BY queue \
                   ORDER BY queue";
        for row in self.database.rows(sql, &[])? {
            let [queue, count] = <[Value; 2]>::try_from(row).map_err(|_| StoreError::Shape)?;
            backlog.dead.push((queue.into_text()?, count.count()?));
        }
        Ok(backlog)
    }

    /// Forgets work that was done before a time.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn forget_done(&mut self, before_ms: u64) -> Result<u64, StoreError> {
        let sql = "DELETE FROM work WHERE standing = 1 AND made_ms < $1";
        self.database.run(sql, &[Value::of(before_ms)])
    }
}

fn work(row: Vec<Value>) -> Result<Work, StoreError> {
    let row = <[Value; 10]>::try_from(row).map_err(|_| StoreError::Shape)?;
    let [id, queue, key, incident, body, standing, attempts, made, due, error] = row;
    Ok(Work {
        id: id.count()?,
        queue: queue.into_text()?,
        key: key.into_text()?,
        incident: IncidentId(incident.count()?),
        body: body.into_text()?,
        standing: Standing::from_number(standing.count()?).ok_or(StoreError::Shape)?,
        attempts: attempts.count()?,
        made_ms: made.count()?,
        due_ms: due.count()?,
        error: error.into_text()?,
    })
}
