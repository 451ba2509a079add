//! `lucarne inflight`: which executions were running, from the sealed audit ledger alone.
//!
//! A restart of a TEE leaves no other trace of them. An execution that began and whose end is not
//! there is running while its epoch is open, and unknown once the epoch is over: nobody can tell
//! whether it ended in the part that was never sealed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;
use lucarne_ledger::identity::{Instance, LedgerKind};
use serde_json::{Value, json};

use super::{Place, Wanted, export};
use crate::failure::{Exit, Failure};

/// List executions by what became of them: completed, cancelled, failed, running or unknown
///
/// The archive is judged first. Records that do not verify count for nothing, and an archive that
/// does not verify leaves what it says in doubt.
///
/// Exit codes: 0 every execution ended; 1 at least one is running; 2 one is unknown, or the archive
/// does not verify.
///
/// Example: lucarne inflight --instance nitro-001-us-east --records-dir ./archive --policy
/// ./audit-policy.yaml
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The instance
    #[arg(long, value_name = "NAME")]
    instance: Instance,
    /// The archive: a directory, or a copy of one
    #[arg(long, value_name = "DIR")]
    records_dir: PathBuf,
    /// What to trust: roots, measurements, keys (audit-policy.yaml)
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// How to print it
    #[arg(long, short, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// What became of an execution.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Standing {
    Completed,
    Cancelled,
    Failed,
    Running,
    Unknown,
}

impl Standing {
    const ALL: [Self; 5] =
        [Self::Completed, Self::Cancelled, Self::Failed, Self::Running, Self::Unknown];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Running => "running",
            Self::Unknown => "unknown",
        }
    }
}

/// Executions, made of records in any order.
#[derive(Debug, Default)]
struct Executions {
    begun: BTreeMap<String, String>,
    ended: BTreeMap<String, Standing>,
    // epochs that said that they are over, and all in the order in which they were first seen
    closed: BTreeSet<String>,
    newest: Option<(String, String)>,
}

/// Runs the command.
///
/// # Errors
/// When the archive or the policy cannot be read, or the result not be written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let wanted = Wanted {
        ledger: Some(LedgerKind::Audit),
        instance: Some(args.instance.clone()),
        ..Wanted::default()
    };
    let (records_dir, policy) = (args.records_dir.clone(), args.policy.clone());
    let place = Place { records_dir, policy, wanted };
    let mut executions = Executions::default();
    let judged = export::records_of(&place, &mut |record| executions.see(record))?;
    let verified = matches!(judged, Exit::Yes | Exit::Insecure);
    let all = executions.settle();
    let mut out = std::io::stdout().lock();
    match args.output {
        Output::Text => write_text(&all, verified, &mut out)?,
        Output::Json => writeln!(out, "{}", as_json(&args.instance, &all, verified))?,
    }
    Ok(exit(&all, verified))
}

impl Executions {
    fn see(&mut self, record: &Value) {
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let (event, epoch) = (text("event_type"), text("tee_epoch"));
        let at = text("timestamp_utc");
        if self.newest.as_ref().is_none_or(|(newest, _)| at > *newest) {
            self.newest = Some((at, epoch.clone()));
        }
        if event == "control.close" {
            self.closed.insert(epoch);
            return;
        }
        let Some(id) = execution(record) else { return };
        let standing = match event.as_str() {
            "workflow.started" => {
                self.begun.insert(id, epoch);
                return;
            }
            "workflow.completed" => Standing::Completed,
            "workflow.failed" => Standing::Failed,
            "workflow.cancelled" => Standing::Cancelled,
            _ => return,
        };
        self.ended.insert(id, standing);
    }

    fn settle(&self) -> BTreeMap<String, Standing> {
        let newest = self.newest.as_ref().map(|(_, epoch)| epoch);
        let mut all = self.ended.clone();
        for (id, epoch) in &self.begun {
            let open = newest == Some(epoch) && !self.closed.contains(epoch);
            let otherwise = if open { Standing::Running } else { Standing::Unknown };
            all.entry(id.clone()).or_insert(otherwise);
        }
        all
    }
}

fn execution(record: &Value) -> Option<String> {
    let places = [record, &record["attributes"], &record["payload_context"]];
    let names = ["executionId", "execution_id"];
    let found = places.iter().find_map(|place| names.iter().find_map(|name| place[*name].as_str()));
    found.map(str::to_owned)
}

fn exit(all: &BTreeMap<String, Standing>, verified: bool) -> Exit {
    let any = |standing: Standing| all.values().any(|one| *one == standing);
    if !verified || any(Standing::Unknown) {
        Exit::CouldNotTell
    } else if any(Standing::Running) {
        Exit::No
    } else {
        Exit::Yes
    }
}

fn count(all: &BTreeMap<String, Standing>, standing: Standing) -> usize {
    all.values().filter(|one| **one == standing).count()
}

fn write_text(
    all: &BTreeMap<String, Standing>,
    verified: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    for standing in Standing::ALL {
        writeln!(out, "{:10} {}", standing.as_str(), count(all, standing))?;
    }
    for (id, standing) in all {
        if matches!(standing, Standing::Running | Standing::Unknown) {
            writeln!(out, "{:10} {id}", standing.as_str())?;
        }
    }
    if !verified {
        writeln!(out, "the archive does not verify: see `lucarne audit verify`")?;
    }
    Ok(())
}

fn as_json(instance: &Instance, all: &BTreeMap<String, Standing>, verified: bool) -> Value {
    let of = |standing: Standing| -> Vec<&String> {
        all.iter().filter(|(_, one)| **one == standing).map(|(id, _)| id).collect()
    };
    let lists: serde_json::Map<String, Value> = Standing::ALL
        .into_iter()
        .map(|standing| (standing.as_str().to_owned(), json!(of(standing))))
        .collect();
    json!({ "version": 1, "instance": instance.as_str(), "verified": verified,
            "executions": lists })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(records: &[(&str, &str, &str)]) -> BTreeMap<String, Standing> {
        let mut executions = Executions::default();
        for (at, (event, epoch, id)) in records.iter().enumerate() {
            executions.see(&json!({ "event_type": event, "tee_epoch": epoch, "executionId": id,
                                    "timestamp_utc": format!("2026-05-25T10:00:0{at}Z") }));
        }
        executions.settle()
    }

    #[test]
    fn what_began_and_did_not_end_is_running_while_its_epoch_is_open() {
        let all = seen(&[
            ("workflow.started", "e1", "a"),
            ("workflow.completed", "e1", "a"),
            ("workflow.started", "e1", "b"),
        ]);
        assert_eq!(
            all,
            BTreeMap::from([("a".into(), Standing::Completed), ("b".into(), Standing::Running)])
        );
        assert_eq!(exit(&all, true), Exit::No);
        assert_eq!(exit(&all, false), Exit::CouldNotTell);
    }

    #[test]
    fn what_a_dead_epoch_left_is_unknown_and_not_running() {
        let crashed = seen(&[
            ("workflow.started", "e1", "a"),
            ("workflow.started", "e2", "b"),
            ("workflow.failed", "e2", "b"),
        ]);
        assert_eq!(crashed["a"], Standing::Unknown);
        assert_eq!(exit(&crashed, true), Exit::CouldNotTell);
        let closed = seen(&[("workflow.started", "e1", "a"), ("control.close", "e1", "")]);
        assert_eq!(closed["a"], Standing::Unknown);
        let ended = seen(&[("workflow.cancelled", "e1", "a")]);
        assert_eq!((ended["a"], exit(&ended, true)), (Standing::Cancelled, Exit::Yes));
    }
}
