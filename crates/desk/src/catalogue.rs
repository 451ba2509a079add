//! The catalogue: what the names of runbooks mean at this site. Runbooks say what is done; this
//! file says by which address, program or query.
//!
//! Nothing that it does not name can be asked or done. Its query of `usage_events` is shipped and
//! wants only the database.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

use crate::act::ActionAt;
use crate::collect::{CollectorAt, From, Query, Sql};
use crate::probe::ProbeAt;
use crate::watchers::RuleAt;

/// Longest file.
const FILE_BYTES_MAX: usize = 1 << 20;

/// What names mean.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Servers that questions go to which name no other.
    #[serde(default)]
    pub sources: Sources,
    /// By the names of actions in runbooks.
    #[serde(default)]
    pub actions: BTreeMap<String, ActionAt>,
    /// By the names of probes.
    #[serde(default)]
    pub probes: BTreeMap<String, ProbeAt>,
    /// By the names of items of evidence.
    #[serde(default)]
    pub collectors: BTreeMap<String, CollectorAt>,
    /// Rules over measured values.
    #[serde(default)]
    pub rules: Vec<RuleAt>,
}

/// Servers.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    /// A Loki: the address before `/api/v1`.
    pub logql: Option<String>,
    /// A Prometheus.
    pub promql: Option<String>,
    /// A tunnel into the TEE, which speaks as a Loki.
    pub attested: Option<String>,
    /// The file with the address of a PostgreSQL.
    pub postgres_file: Option<PathBuf>,
}

/// Why a text is no catalogue.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CatalogueError {
    /// Line, from 1; 0 when the whole is meant.
    pub line: u64,
    detail: String,
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.detail),
            line => write!(f, "line {line}: {}", self.detail),
        }
    }
}

impl std::error::Error for CatalogueError {}

impl Catalogue {
    /// Reads a catalogue.
    ///
    /// # Errors
    /// At the first line that is not of the grammar.
    pub fn parse(yaml: &str) -> Result<Self, CatalogueError> {
        if yaml.len() > FILE_BYTES_MAX {
            let detail = "catalogue is longer than 1 MiB".to_owned();
            return Err(CatalogueError { line: 0, detail });
        }
        let options = serde_saphyr::options! { with_snippet: false };
        let read = serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
            let line = error.location().map_or(0, |place| place.line());
            let text = error.without_snippet().to_string();
            let detail = text.rsplit_once(" at line ").map_or(text.as_str(), |(head, _)| head);
            CatalogueError { line, detail: detail.lines().collect::<Vec<_>>().join(", ") }
        });
        let read: Self = read?;
        match read.rules.iter().find_map(|rule| Some((rule, rule.fault()?))) {
            Some((rule, fault)) => {
                let detail = format!("rule {}: {fault}", rule.name);
                Err(CatalogueError { line: 0, detail })
            }
            None => Ok(read),
        }
    }

    /// Where an item comes from: what is named, or the server of its source.
    pub fn collector(&self, source: &str, text: &str, item: &str) -> Option<CollectorAt> {
        let plain =
            |from| CollectorAt { from, answer: None, found: None, empty: None, failed: None };
        if let Some(found) = self.collectors.get(item) {
            let mut found = found.clone();
            if let From::Logql(query) | From::Promql(query) = &mut found.from {
                query.query.get_or_insert_with(|| text.to_owned());
            }
            return Some(found);
        }
        let query =
            |at: &String| Query { at: at.clone(), query: Some(text.to_owned()), token_file: None };
        match source {
            "logql" => self.sources.logql.as_ref().map(|at| plain(From::Logql(query(at)))),
            "promql" => self.sources.promql.as_ref().map(|at| plain(From::Promql(query(at)))),
            "attested" => self.sources.attested.as_ref().map(|at| plain(From::Logql(query(at)))),
            "sql" if item == "usage-events" => {
                let postgres_file = self.sources.postgres_file.clone()?;
                let values = vec!["{tenant}".to_owned()];
                let query = USAGE_EVENTS.to_owned();
                Some(plain(From::Sql(Sql { postgres_file, query, values })))
            }
            _ => None,
        }
    }
}

/// What the playbook looks at for data that left.
pub const USAGE_EVENTS: &str =
    "SELECT * FROM usage_events WHERE tenant_id = $1 ORDER BY ts DESC LIMIT 100";
