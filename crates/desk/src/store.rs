//! The store: the log, what can be looked up in it, work that waits, and the sealed batches.
//!
//! One transaction holds an input, everything that follows from it and the work it makes, so that
//! none is without the others. The log has one end, which is a row: whoever appends holds its lock
//! and has read what others appended, so several desks decide each signal once. What can be looked
//! up is written from the log and can be written again.

pub mod database;
mod postgres;
mod seals;
mod snapshots;
mod sqlite;
#[cfg(test)]
pub(crate) mod tests;
pub mod work;

use std::fmt;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use self::database::{Database, Value};
pub use self::postgres::Postgres;
pub use self::seals::SealedBatch;
pub use self::sqlite::Sqlite;
use self::work::NewWork;
use crate::event::Entry;
use crate::incident::IncidentId;
use crate::log;

/// Why the store did not do something.
#[derive(Debug)]
pub enum StoreError {
    /// No room.
    Full,
    /// Somebody else wrote the same.
    Conflict,
    /// It took too long, or there is no connection.
    Late,
    /// A value is not what it should be.
    Shape,
    /// An entry of the log cannot be read.
    Entry {
        /// Its number.
        seq: u64,
        /// Why not.
        cause: log::LogError,
    },
    /// A sealed batch does not fit the log.
    Sealed {
        /// Its position.
        position: u64,
        /// Why not; nothing when it differs from the entries.
        cause: Option<log::LogError>,
    },
    /// A sealed batch is under the key of somebody else.
    Stranger {
        /// Its position.
        position: u64,
    },
    /// SQLite refused.
    Sqlite(rusqlite::Error),
    /// PostgreSQL refused.
    Postgres(tokio_postgres::Error),
    /// No runtime for the connection.
    Runtime(std::io::Error),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("store is full"),
            Self::Conflict => f.write_str("store holds it already"),
            Self::Late => f.write_str("store did not answer in time"),
            Self::Shape => f.write_str("store holds a value of another shape"),
            Self::Entry { seq, .. } => write!(f, "entry {seq} of the log cannot be read"),
            Self::Sealed { position, cause: Some(_) } => {
                write!(f, "sealed batch {position} does not verify")
            }
            Self::Sealed { position, cause: None } => {
                write!(f, "sealed batch {position} is not what the log says")
            }
            Self::Stranger { position } => {
                write!(f, "sealed batch {position} is under another key than this desk's")
            }
            Self::Sqlite(_) => f.write_str("SQLite refused"),
            Self::Postgres(_) => f.write_str("PostgreSQL refused"),
            Self::Runtime(_) => f.write_str("no runtime for the store"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Entry { cause, .. } | Self::Sealed { cause: Some(cause), .. } => Some(cause),
            Self::Sqlite(cause) => Some(cause),
            Self::Postgres(cause) => Some(cause),
            Self::Runtime(cause) => Some(cause),
            _ => None,
        }
    }
}

/// Something that can be looked up: what it is, its name, and it as JSON.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Doc {
    /// `incident`, `request`, `window`, …
    pub kind: &'static str,
    /// Its name.
    pub id: String,
    /// By what it is ordered.
    pub order: u64,
    /// It as JSON; none: it is gone.
    pub body: Option<String>,
}

/// An entry with the incident it is found by.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// It in its one spelling.
    pub body: &'a [u8],
    /// The incident, if it is about one.
    pub incident: Option<IncidentId>,
}

/// The store of a desk.
pub struct Store {
    pub(crate) database: Box<dyn Database>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

/// Works on a shared store, on a thread that may wait for it.
///
/// # Errors
/// Those of the work; `Late` when it did not come to its end.
pub(crate) async fn apart<T: Send + 'static>(
    store: &Arc<Mutex<Store>>,
    work: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let store = Arc::clone(store);
    let done = tokio::task::spawn_blocking(move || {
        work(&mut store.lock().unwrap_or_else(PoisonError::into_inner))
    });
    done.await.map_err(|_| StoreError::Late)?
}

impl Store {
    /// A store in a database; its tables are made when they are not there.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn new(mut database: Box<dyn Database>) -> Result<Self, StoreError> {
        database.begin()?;
        if database.locks() != "" {
            // Two desks may start at once, and "if not exists" is no lock.
            database.script("SELECT pg_advisory_xact_lock(7165)")?;
        }
        database.script(&SCHEMA.replace("BYTES", database.bytes_type()))?;
        database.script("COMMIT")?;
        Ok(Self { database })
    }

    /// Runs `work` in one transaction under the lock of the log; `work` is told the next number.
    ///
    /// # Errors
    /// When the database refuses, or `work` does; nothing is kept then. After an error of the
    /// commit itself nobody knows whether it was kept: read the log again.
    pub fn locked<T, E: From<StoreError>>(
        &mut self,
        work: impl FnOnce(&mut Self, u64) -> Result<T, E>,
    ) -> Result<T, E> {
        self.database.begin().map_err(E::from)?;
        let done = self.next().map_err(E::from).and_then(|next| work(self, next));
        match done {
            Ok(done) => match self.database.script("COMMIT") {
                Ok(()) => Ok(done),
                Err(cause) => Err(self.roll_back(cause.into())),
            },
            Err(cause) => Err(self.roll_back(cause)),
        }
    }

    // The transaction may be over already, or the connection gone: the first error is the one
    // that says something.
    fn roll_back<E>(&mut self, cause: E) -> E {
        self.database.script("ROLLBACK").ok();
        cause
    }

    fn next(&mut self) -> Result<u64, StoreError> {
        let lock = self.database.locks();
        let sql = format!("SELECT number FROM meta WHERE name = 'log'{lock}");
        let rows = self.database.rows(&sql, &[])?;
        rows.first().and_then(|row| row.first()).ok_or(StoreError::Shape)?.count()
    }

    /// Entries from a number on, at most `most`.
    ///
    /// # Errors
    /// When the database refuses, or an entry cannot be read.
    pub fn entries(&mut self, from: u64, most: u64) -> Result<Vec<Entry>, StoreError> {
        let sql = "SELECT seq, body FROM entry WHERE seq >= $1 ORDER BY seq LIMIT $2";
        let rows = self.database.rows(sql, &[Value::of(from), Value::of(most)])?;
        let entries: Vec<Entry> = rows.into_iter().map(entry).collect::<Result<_, _>>()?;
        for (entry, seq) in entries.iter().zip(from..) {
            if entry.seq != seq {
                let cause = log::LogError::OutOfOrder { expected: seq, found: entry.seq };
                return Err(StoreError::Entry { seq, cause });
            }
        }
        Ok(entries)
    }

    /// Entries of an incident from a number on, at most `most`.
    ///
    /// # Errors
    /// When the database refuses, or an entry cannot be read.
    pub fn timeline(
        &mut self,
        incident: IncidentId,
        from: u64,
        most: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        let sql = "SELECT seq, body FROM entry WHERE incident = $1 AND seq >= $2 \
                   ORDER BY seq LIMIT $3";
        let values = [Value::of(incident.0), Value::of(from), Value::of(most)];
        self.database.rows(sql, &values)?.into_iter().map(entry).collect()
    }

    /// Appends entries; within [`locked`](Self::locked), their numbers follow the one it told.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn append(&mut self, lines: &[Line<'_>]) -> Result<(), StoreError> {
        let values = |line: &Line<'_>| {
            let incident = line.incident.map_or(Value::Null, |incident| Value::of(incident.0));
            let body = Value::Bytes(line.body.to_vec());
            vec![Value::of(line.entry.seq), Value::of(line.entry.at.wall_ms), incident, body]
        };
        let rows: Vec<Vec<Value>> = lines.iter().map(values).collect();
        self.insert("INSERT INTO entry (seq, at_ms, incident, body) VALUES ", rows)?;
        if let Some(last) = lines.last() {
            let next = Value::of(last.entry.seq.saturating_add(1));
            self.database.run("UPDATE meta SET number = $1 WHERE name = 'log'", &[next])?;
        }
        Ok(())
    }

    // Many rows a statement: a server is a round trip away.
    fn insert(&mut self, head: &str, rows: Vec<Vec<Value>>) -> Result<(), StoreError> {
        let width = rows.first().map_or(0, Vec::len);
        let mut left = rows.len();
        let mut values = rows.into_iter().flatten();
        for many in [ROWS_AT_ONCE, FEW_ROWS_AT_ONCE, 1] {
            if left < many {
                continue;
            }
            let sql = format!("{head}{}", places(width, many));
            while left >= many {
                let some: Vec<Value> = values.by_ref().take(many * width).collect();
                self.database.run(&sql, &some)?;
                left -= many;
            }
        }
        Ok(())
    }

    /// Writes what can be looked up.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn put(&mut self, docs: &[Doc]) -> Result<(), StoreError> {
        for doc in docs {
            let name = [Value::text(doc.kind), Value::text(&doc.id)];
            let Some(body) = &doc.body else {
                let sql = "DELETE FROM doc WHERE kind = $1 AND id = $2";
                self.database.run(sql, &name)?;
                continue;
            };
            let [kind, id] = name;
            let sql = "INSERT INTO doc (kind, id, ord, body) VALUES ($1, $2, $3, $4) \
                       ON CONFLICT (kind, id) DO UPDATE SET ord = excluded.ord, \
                       body = excluded.body";
            self.database.run(sql, &[kind, id, Value::of(doc.order), Value::text(body)])?;
        }
        Ok(())
    }

    /// One of what can be looked up, as JSON.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn doc(&mut self, kind: &str, id: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT body FROM doc WHERE kind = $1 AND id = $2";
        let rows = self.database.rows(sql, &[Value::text(kind), Value::text(id)])?;
        rows.into_iter().flatten().next().map(Value::into_text).transpose()
    }

    /// All of a kind below an order, the newest first, at most `most`.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn docs(&mut self, kind: &str, below: u64, most: u64) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT body FROM doc WHERE kind = $1 AND ord < $2 \
                   ORDER BY ord DESC, id DESC LIMIT $3";
        let values = [Value::text(kind), Value::of(below), Value::of(most)];
        let rows = self.database.rows(sql, &values)?;
        rows.into_iter().flatten().map(Value::into_text).collect()
    }

    /// Forgets what can be looked up, to write it again from the log.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn forget_docs(&mut self) -> Result<(), StoreError> {
        self.database.run("DELETE FROM doc", &[]).map(|_| ())
    }

    /// Writes a little, to see whether the store takes anything.
    ///
    /// # Errors
    /// When it does not.
    pub fn probe(&mut self) -> Result<(), StoreError> {
        // A page or two, so that a file that has room for one number and no signal is full.
        let padding = Value::Bytes(vec![0; PROBE_BYTES]);
        self.database.begin()?;
        let sql = "INSERT INTO probe (id, body) VALUES (1, $1) \
                   ON CONFLICT (id) DO UPDATE SET body = excluded.body";
        let written = self.database.run(sql, &[padding]).map(|_| ());
        let emptied = written.and_then(|()| self.database.run("DELETE FROM probe", &[]));
        match emptied.and_then(|_| self.database.script("COMMIT")) {
            Ok(()) => Ok(()),
            Err(cause) => Err(self.roll_back(cause)),
        }
    }

    /// Adds work; what is there already under its key stays as it is.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn add_work(&mut self, work: &[NewWork]) -> Result<(), StoreError> {
        work::add(self, work)
    }
}

fn entry(row: Vec<Value>) -> Result<Entry, StoreError> {
    let mut values = row.into_iter();
    let seq = values.next().ok_or(StoreError::Shape)?.count()?;
    let body = values.next().ok_or(StoreError::Shape)?.into_bytes()?;
    log::decode(&body).map_err(|cause| StoreError::Entry { seq, cause })
}

// `($1, $2), ($3, $4)`
fn places(width: usize, rows: usize) -> String {
    let mut out = String::new();
    for row in 0..rows {
        out.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..width {
            let comma = if column == 0 { "" } else { ", " };
            // Writing to a text cannot fail.
            write!(out, "{comma}${}", row * width + column + 1).ok();
        }
        out.push(')');
    }
    out
}

/// Four values each: far from the limits of both databases.
const ROWS_AT_ONCE: usize = 64;
/// What is left of those: statements are kept, so there are three of them and not sixty-four.
const FEW_ROWS_AT_ONCE: usize = 8;
/// Two pages of SQLite and some.
const PROBE_BYTES: usize = 16 * 1024;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, number BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS entry (
  seq BIGINT PRIMARY KEY, at_ms BIGINT NOT NULL, incident BIGINT, body BYTES NOT NULL);
CREATE INDEX IF NOT EXISTS entry_of_incident ON entry (incident, seq) WHERE incident IS NOT NULL;
CREATE TABLE IF NOT EXISTS doc (
  kind TEXT NOT NULL, id TEXT NOT NULL, ord BIGINT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (kind, id));
CREATE INDEX IF NOT EXISTS doc_in_order ON doc (kind, ord);
CREATE TABLE IF NOT EXISTS work (
  id BIGINT PRIMARY KEY, queue TEXT NOT NULL, key TEXT NOT NULL UNIQUE, incident BIGINT NOT NULL,
  body TEXT NOT NULL, standing BIGINT NOT NULL, attempts BIGINT NOT NULL, made_ms BIGINT NOT NULL,
  due_ms BIGINT NOT NULL, leased_ms BIGINT NOT NULL, owner TEXT NOT NULL, error TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS work_in_order ON work (queue, standing, id);
CREATE TABLE IF NOT EXISTS sealed (
  position BIGINT PRIMARY KEY, epoch BYTES NOT NULL, spki BYTES NOT NULL,
  first BIGINT NOT NULL, next BIGINT NOT NULL, body BYTES NOT NULL);
CREATE TABLE IF NOT EXISTS snapshot (seq BIGINT PRIMARY KEY, body BYTES NOT NULL);
CREATE TABLE IF NOT EXISTS probe (id BIGINT PRIMARY KEY, body BYTES NOT NULL);
INSERT INTO meta (name, number) VALUES ('log', 0), ('work', 1) ON CONFLICT (name) DO NOTHING;
";
