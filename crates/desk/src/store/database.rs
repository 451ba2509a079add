//! A database as the desk needs one: statements with values, in transactions.
//!
//! Two implementations, SQLite and PostgreSQL, run the same statements; places for values are
//! written `$1`. What differs is in [`Database::locks`] and in the types of the schema.

use super::StoreError;

/// One value of a row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Value {
    /// A count that fits; what does not is the largest that does.
    pub fn of(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// A text.
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// The number, as a count.
    ///
    /// # Errors
    /// When it is none.
    pub fn count(&self) -> Result<u64, StoreError> {
        match self {
            Self::Int(number) => u64::try_from(*number).map_err(|_| StoreError::Shape),
            _ => Err(StoreError::Shape),
        }
    }

    /// The text.
    ///
    /// # Errors
    /// When it is none.
    pub fn into_text(self) -> Result<String, StoreError> {
        match self {
            Self::Text(text) => Ok(text),
            _ => Err(StoreError::Shape),
        }
    }

    /// The bytes.
    ///
    /// # Errors
    /// When it has none.
    pub fn into_bytes(self) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(StoreError::Shape),
        }
    }
}

/// One row.
pub type Row = Vec<Value>;

/// A connection to a database.
pub trait Database: Send {
    /// Runs statements without values.
    ///
    /// # Errors
    /// When the database refuses or is gone.
    fn script(&mut self, sql: &str) -> Result<(), StoreError>;

    /// Runs a statement; how many rows it has changed.
    ///
    /// # Errors
    /// When the database refuses or is gone.
    fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError>;

    /// Runs a query.
    ///
    /// # Errors
    /// When the database refuses or is gone.
    fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError>;

    /// Begins a transaction that will write.
    ///
    /// # Errors
    /// When the database refuses or is gone.
    fn begin(&mut self) -> Result<(), StoreError>;

    /// What a query ends with to lock the rows it finds: in SQLite the file is locked already.
    fn locks(&self) -> &'static str;

    /// The same, passing over rows that somebody else has locked.
    fn skips(&self) -> &'static str;

    /// The type of bytes.
    fn bytes_type(&self) -> &'static str;
}
