//! Collectors: where the evidence of a run comes from. They read, bounded in time and size.
//!
//! A collector gives bytes, or says why not, and a word for the branches of the runbook. What a
//! TEE gives to nobody has no collector: it is listed in every bag as unavailable by design.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::NoTls;
use tokio_postgres::types::{ToSql, Type};

use crate::bundle::collect::difference;
use crate::exchange::{Call, Names, Place, escape, fill};
use crate::probe::{Canaries, Probe as _};
use crate::program::Program;

/// Where evidence comes from.
pub trait Collector {
    /// Goes there. An error is a reason for people.
    fn collect(
        &self,
        names: &Names,
        patience: Duration,
    ) -> impl Future<Output = Result<Vec<u8>, String>> + Send;

    /// What is asked, for the ledger of the bag.
    fn tool(&self) -> String;
}

/// A collector of the catalogue.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CollectorAt {
    /// Where from.
    pub from: From,
    /// Where in a JSON answer the word for branches is (RFC 6901).
    pub answer: Option<String>,
    /// The word when something came; absent: `found`.
    pub found: Option<String>,
    /// The word when nothing came; absent: `empty`.
    pub empty: Option<String>,
    /// The word when nobody answered; absent: the step fails.
    pub failed: Option<String>,
}

/// Where evidence comes from.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum From {
    /// A call.
    Http(Call),
    /// A Loki, ours or another, or a tunnel into the TEE.
    Logql(Query),
    /// A Prometheus.
    Promql(Query),
    /// A file.
    File(PathBuf),
    /// A program.
    Command(Program),
    /// What differs between two configurations, without secrets.
    ConfigDiff(Pair),
    /// Rows of PostgreSQL, read only.
    Sql(Sql),
    /// What came of a matrix of canaries.
    Canaries(Canaries),
}

/// A query.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// The address of the server.
    pub at: String,
    /// The query; absent: the text of the step.
    pub query: Option<String>,
    /// The file with a bearer token.
    pub token_file: Option<PathBuf>,
}

/// Two files.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// What it was.
    pub before: PathBuf,
    /// What it is.
    pub after: PathBuf,
}

/// A question to PostgreSQL.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Sql {
    /// The file with `host=… user=… dbname=…`.
    pub postgres_file: PathBuf,
    /// One SELECT; values are `$1`, `$2`, … and never part of the text.
    pub query: String,
    /// The values, with `{names}`; each is a text.
    #[serde(default)]
    pub values: Vec<String>,
}

impl CollectorAt {
    /// The word for branches, of what came.
    pub fn word(&self, came: &Result<Vec<u8>, String>) -> Option<String> {
        let Ok(bytes) = came else { return self.failed.clone() };
        if let Some(pointer) = &self.answer {
            let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
            let found = body.pointer(pointer)?;
            return Some(found.as_str().map_or_else(|| found.to_string(), str::to_owned));
        }
        if is_empty(bytes) {
            return Some(self.empty.clone().unwrap_or_else(|| "empty".to_owned()));
        }
        Some(self.found.clone().unwrap_or_else(|| "found".to_owned()))
    }
}

// Servers say "nothing" in JSON.
fn is_empty(bytes: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let result = body.pointer("/data/result").and_then(Value::as_array);
    bytes.is_empty()
        || result.is_some_and(Vec::is_empty)
        || body.as_array().is_some_and(Vec::is_empty)
}

impl Collector for CollectorAt {
    async fn collect(&self, names: &Names, patience: Duration) -> Result<Vec<u8>, String> {
        match &self.from {
            From::Http(call) => call.collect(names, patience).await,
            From::Logql(query) => query.collect(names, patience).await,
            From::Promql(query) => query.ask("query", names, patience).await,
            From::File(path) => {
                let read = std::fs::metadata(path).and_then(|about| {
                    let small = about.len() <= FILE_BYTES_MAX;
                    if small {
                        std::fs::read(path)
                    } else {
                        Err(std::io::ErrorKind::FileTooLarge.into())
                    }
                });
                read.map_err(|error| error.to_string())
            }
            From::Command(program) => program.collect(names, patience).await,
            From::ConfigDiff(pair) => {
                let read = |path| std::fs::read(path).map_err(|error| error.to_string());
                let text = difference(&read(&pair.before)?, &read(&pair.after)?);
                text.map(String::into_bytes).ok_or_else(|| "not two short texts".to_owned())
            }
            From::Sql(sql) => sql.collect(names, patience).await,
            From::Canaries(canaries) => {
                let sample = canaries.sample(names, "", patience).await;
                let said =
                    serde_json::json!({ "answer": sample.answer, "said": sample.transcript });
                Ok(said.to_string().into_bytes())
            }
        }
    }

    fn tool(&self) -> String {
        match &self.from {
            From::Http(call) => call.tool(),
            From::Logql(query) => format!("logql {}", query.tool()),
            From::Promql(query) => format!("promql {}", query.tool()),
            From::File(path) => format!("file {}", path.display()),
            From::Command(program) => program.tool(),
            From::ConfigDiff(pair) => {
                format!("diff {} {}", pair.before.display(), pair.after.display())
            }
            From::Sql(sql) => sql.tool(),
            From::Canaries(canaries) => format!("{} canaries", canaries.cases.len()),
        }
    }
}

impl Collector for Call {
    async fn collect(&self, names: &Names, patience: Duration) -> Result<Vec<u8>, String> {
        let answered = self.send(names, &[], patience).await.map_err(|error| error.to_string())?;
        if self.accepts(answered.status) {
            Ok(answered.body.to_vec())
        } else {
            Err(format!("answered {}", answered.status))
        }
    }

    fn tool(&self) -> String {
        format!("http {}", self.url)
    }
}

impl Collector for Query {
    async fn collect(&self, names: &Names, patience: Duration) -> Result<Vec<u8>, String> {
        // Loki answers a query for lines over a range only; without one, over the last hour.
        let lines = self.query.as_deref().unwrap_or_default().trim_start().starts_with('{');
        self.ask(if lines { "query_range" } else { "query" }, names, patience).await
    }

    fn tool(&self) -> String {
        format!("{} {}", self.at, self.query.as_deref().unwrap_or_default())
    }
}

impl Query {
    async fn ask(&self, how: &str, names: &Names, patience: Duration) -> Result<Vec<u8>, String> {
        // Braces of selectors are no names: what no input is called stays.
        let text = self.query.as_deref().unwrap_or_default();
        let query = escape(&fill(text, names, Place::Plain), Place::Url);
        let at = self.at.trim_end_matches('/');
        let url = format!("{at}/api/v1/{how}?limit=1000&query={query}");
        let call = Call { token_file: self.token_file.clone(), ..Call::get(url) };
        call.collect(&Names::new(), patience).await
    }
}

impl Collector for Program {
    async fn collect(&self, names: &Names, patience: Duration) -> Result<Vec<u8>, String> {
        match self.run(names, patience).await {
            Ok(said) if self.accepts(said.code) => Ok(said.out),
            Ok(said) => Err(format!("exit code {}", said.code)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn tool(&self) -> String {
        format!("command {} {}", self.program.display(), self.args.join(" "))
    }
}

impl Collector for Sql {
    async fn collect(&self, names: &Names, patience: Duration) -> Result<Vec<u8>, String> {
        let work = tokio::time::timeout(patience, self.rows(names));
        work.await.map_err(|_| "timed out".to_owned())?
    }

    fn tool(&self) -> String {
        format!("sql {}", self.query)
    }
}

impl Sql {
    async fn rows(&self, names: &Names) -> Result<Vec<u8>, String> {
        if self.query.contains(';') {
            return Err("one statement is asked for".to_owned());
        }
        let url =
            std::fs::read_to_string(&self.postgres_file).map_err(|error| error.to_string())?;
        // The words of a database may quote its rows; its code does not.
        let failed = |error: tokio_postgres::Error| {
            let code = error.code().map(|code| format!("the database says {}", code.code()));
            code.unwrap_or_else(|| error.to_string())
        };
        let (mut client, connection) =
            tokio_postgres::connect(url.trim(), NoTls).await.map_err(failed)?;
        let driver = tokio::spawn(connection);
        let values: Vec<String> =
            self.values.iter().map(|value| fill(value, names, Place::Plain)).collect();
        let typed: Vec<(&(dyn ToSql + Sync), Type)> =
            values.iter().map(|value| (value as &(dyn ToSql + Sync), Type::TEXT)).collect();
        // The server itself refuses to write within such a transaction.
        let reading = client.build_transaction().read_only(true).start().await.map_err(failed)?;
        let sql =
            format!("SELECT row_to_json(t)::text FROM ({}) t LIMIT {}", self.query, ROWS_MAX + 1);
        let rows = reading.query_typed(&sql, &typed).await.map_err(failed)?;
        driver.abort();
        if rows.len() > ROWS_MAX {
            return Err("more than 10000 rows".to_owned());
        }
        let lines: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        let lines = lines.map_err(failed)?;
        Ok(if lines.is_empty() {
            Vec::new()
        } else {
            format!("[{}]", lines.join(",\n")).into_bytes()
        })
    }
}

/// Rows of one question.
const ROWS_MAX: usize = 10_000;
/// What fits in memory twice.
const FILE_BYTES_MAX: u64 = 64 << 20;
