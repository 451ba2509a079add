//! SQLite: one file, one desk. A commit returns when the file system has it.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql, params_from_iter};

use super::StoreError;
use super::database::{Database, Row, Value};

/// A reader may be slower than this only when something is wrong.
const BUSY: Duration = Duration::from_secs(5);
/// Statements that are kept: all of them.
const STATEMENTS: usize = 64;

/// A database in a file.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    /// Opens a file, and makes it when it is not there.
    ///
    /// # Errors
    /// When it cannot be opened, or is none of SQLite's.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path).map_err(error)?;
        connection.busy_timeout(BUSY).map_err(error)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // FULL: in WAL mode NORMAL may lose what was committed when the power goes.
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
            .map_err(error)?;
        Ok(Self { connection })
    }
}

impl Database for Sqlite {
    fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        self.connection.execute_batch(sql).map_err(error)
    }

    fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        let mut statement = self.connection.prepare_cached(&places(sql)).map_err(error)?;
        let changed = statement.execute(params_from_iter(values)).map_err(error)?;
        Ok(changed as u64)
    }

    fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.connection.prepare_cached(&places(sql)).map_err(error)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(values)).map_err(error)?;
        let mut out = Vec::new();
        while let Some(row) = rows.next().map_err(error)? {
            let value = |at| row.get_ref(at).map_err(error).and_then(read);
            out.push((0..columns).map(value).collect::<Result<_, _>>()?);
        }
        Ok(out)
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        self.script("BEGIN IMMEDIATE")
    }

    fn locks(&self) -> &'static str {
        ""
    }

    fn skips(&self) -> &'static str {
        ""
    }

    fn bytes_type(&self) -> &'static str {
        "BLOB"
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn read(value: ValueRef<'_>) -> Result<Value, StoreError> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Int(number)),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).map_err(|_| StoreError::Shape)?;
            Ok(Value::text(text))
        }
        ValueRef::Blob(bytes) => Ok(Value::Bytes(bytes.to_vec())),
        ValueRef::Real(_) => Err(StoreError::Shape),
    }
}

// `$1` is a name in SQLite; `?1` is a place.
fn places(sql: &str) -> String {
    sql.replace('$', "?")
}

fn error(cause: rusqlite::Error) -> StoreError {
    match cause.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::ConstraintViolation) => StoreError::Conflict,
        _ => StoreError::Sqlite(cause),
    }
}
