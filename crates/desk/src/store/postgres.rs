//! PostgreSQL: several desks share one log and one outbox by row locks.
//!
//! Its client is asynchronous and the store is not: the connection lives on a runtime of its own
//! that runs while a statement is waited for.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use bytes::BytesMut;
use tokio::runtime::Runtime;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls, Statement};

use super::StoreError;
use super::database::{Database, Row, Value};

/// For one statement, waiting for a lock included.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to a server.
pub struct Postgres {
    // none while it is being dropped
    runtime: Option<Runtime>,
    url: String,
    client: Option<Client>,
    statements: HashMap<String, Statement>,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may hold a password.
        f.write_str("Postgres")
    }
}

impl Postgres {
    /// Connects: `host=/run/postgresql user=desk dbname=desk`. Without TLS: a socket in the file
    /// system, or a tunnel.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StoreError::Runtime)?;
        let mut database = Self {
            runtime: Some(runtime),
            url: url.to_owned(),
            client: None,
            statements: HashMap::new(),
        };
        database.client()?;
        Ok(database)
    }

    // A connection that ended is made anew; what was not committed is gone with it.
    fn client(&mut self) -> Result<&Client, StoreError> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.statements.clear();
            let url = self.url.clone();
            let connect = async {
                let connect = tokio_postgres::connect(&url, NoTls);
                let (client, connection) = tokio::time::timeout(PATIENCE, connect)
                    .await
                    .map_err(|_| StoreError::Late)??;
                drop(tokio::spawn(connection));
                Ok::<_, StoreError>(client)
            };
            let runtime = self.runtime.as_ref().ok_or(StoreError::Late)?;
            self.client = Some(runtime.block_on(connect)?);
        }
        self.client.as_ref().ok_or(StoreError::Late)
    }

    fn statement(&mut self, sql: &str) -> Result<Statement, StoreError> {
        self.client()?;
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let client = self.client.as_ref().ok_or(StoreError::Late)?;
        let statement = wait(self.runtime.as_ref(), client.prepare(sql))?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn connected(&self) -> Result<&Client, StoreError> {
        self.client.as_ref().ok_or(StoreError::Late)
    }
}

fn wait<T>(
    runtime: Option<&Runtime>,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StoreError> {
    runtime.ok_or(StoreError::Late)?.block_on(async {
        let done = tokio::time::timeout(PATIENCE, work).await;
        Ok(done.map_err(|_| StoreError::Late)??)
    })
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Waiting for it is not allowed where the service drops it.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Database for Postgres {
    fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        let client = self.connected()?;
        wait(self.runtime.as_ref(), client.batch_execute(sql))
    }

    fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        let statement = self.statement(sql)?;
        let client = self.connected()?;
        wait(self.runtime.as_ref(), client.execute(&statement, &borrowed(values)))
    }

    fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let statement = self.statement(sql)?;
        let client = self.connected()?;
        let rows = wait(self.runtime.as_ref(), client.query(&statement, &borrowed(values)))?;
        rows.iter().map(read).collect()
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        self.client()?;
        self.script("BEGIN")
    }

    fn locks(&self) -> &'static str {
        " FOR UPDATE"
    }

    fn skips(&self) -> &'static str {
        " FOR UPDATE SKIP LOCKED"
    }

    fn bytes_type(&self) -> &'static str {
        "BYTEA"
    }
}

fn borrowed(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

fn read(row: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let value = |(at, column): (usize, &tokio_postgres::Column)| {
        Ok(match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(at)?.map_or(Value::Null, Value::Int),
            Type::TEXT => row.try_get::<_, Option<String>>(at)?.map_or(Value::Null, Value::Text),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at)?.map_or(Value::Null, Value::Bytes),
            _ => return Err(StoreError::Shape),
        })
    };
    row.columns().iter().enumerate().map(value).collect()
}

impl ToSql for Value {
    fn to_sql(
        &self,
        to: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) => number.to_sql_checked(to, out),
            Self::Text(text) => text.to_sql_checked(to, out),
            Self::Bytes(bytes) => bytes.to_sql_checked(to, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Each value looks at the type itself.
        true
    }

    to_sql_checked!();
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(cause: tokio_postgres::Error) -> Self {
        match cause.code() {
            Some(code) if *code == SqlState::DISK_FULL => Self::Full,
            Some(code) if *code == SqlState::UNIQUE_VIOLATION => Self::Conflict,
            _ => Self::Postgres(cause),
        }
    }
}
