//! `lucarne register`: the one long-lived log of a site, which names every epoch and the end of
//! each.

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;
use lucarne_archive::Directory;
use lucarne_gateway::policy;
use lucarne_ledger::audit::finding::Severity;
use lucarne_ledger::audit::register::{RegisterFault, RegisterLog};
use lucarne_ledger::register::Entry;
use serde_json::{Value, json};

use super::audit::register_log;
use crate::failure::{Exit, Failure};

/// Show or check the register, which names every epoch of a site
///
/// What it names and the archive lacks is MISSING, and the other way round INSERTED: `lucarne audit
/// verify` compares the two. These commands look at the register alone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List its entries in their order
    ///
    /// Example: lucarne register show --records-dir ./archive --policy ./audit-policy.yaml
    Show(Place),
    /// Check that its heads are signed and that its entries lead to them
    ///
    /// Exits with 0 when they do, 1 when they do not, and 2 when something is missing to tell.
    ///
    /// Example: lucarne register check --records-dir ./archive --policy ./audit-policy.yaml
    Check(Place),
}

/// Where the register is, and whose it has to be.
#[derive(Debug, clap::Args)]
struct Place {
    /// The archive
    #[arg(long, value_name = "DIR")]
    records_dir: PathBuf,
    /// The policy that names the register's key (audit-policy.yaml)
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// For people, or for programs
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// What to print.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Output {
    /// Lines
    Text,
    /// One JSON document
    Json,
}

/// Runs the command.
///
/// # Errors
/// When the policy names no register, or something cannot be read.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match &args.verb {
        Verb::Show(place) => place.show(&mut out),
        Verb::Check(place) => place.check(&mut out),
    }
}

impl Place {
    fn read(&self) -> Result<RegisterLog, Failure> {
        let policy =
            policy::read(&self.policy).map_err(|error| Failure::usage(error.to_string()))?;
        if policy.register.is_none() {
            let text = format!("{} names no register", self.policy.display());
            return Err(Failure::usage(text).hint("add `register: { ed25519: HEX }`"));
        }
        let archive = Directory::open_read_only(&self.records_dir)
            .map_err(|error| Failure::unreadable("read the archive", &error))?;
        register_log::read(&archive, &policy)
    }

    fn show(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let log = self.read()?;
        if self.output == Output::Json {
            let entries: Vec<Value> = log.entries.iter().map(as_json).collect();
            print(out, &json!({ "entries": entries, "faults": faults(&log) }))?;
        } else {
            for (index, entry) in log.entries.iter().enumerate() {
                writeln!(out, "{index}: {}", as_text(entry))?;
            }
        }
        Ok(exit(&log))
    }

    fn check(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let log = self.read()?;
        let entries = log.entries.len();
        if self.output == Output::Json {
            print(out, &json!({ "entries": entries, "faults": faults(&log) }))?;
        } else if log.faults.is_empty() {
            writeln!(out, "register of {entries} entries: they lead to its signed heads")?;
        } else {
            log.faults.iter().try_for_each(|fault| writeln!(out, "{}: {fault}", fault.kind()))?;
        }
        Ok(exit(&log))
    }
}

fn exit(log: &RegisterLog) -> Exit {
    match log.faults.iter().map(|fault| fault.kind().severity()).max() {
        None | Some(Severity::Ok) => Exit::Yes,
        Some(Severity::Incomplete) => Exit::CouldNotTell,
        Some(Severity::Tamper) => Exit::No,
    }
}

fn faults(log: &RegisterLog) -> Vec<Value> {
    let one =
        |fault: &RegisterFault| json!({ "kind": fault.kind().as_str(), "text": fault.to_string() });
    log.faults.iter().map(one).collect()
}

fn print(out: &mut dyn Write, value: &Value) -> Result<(), Failure> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(std::io::Error::from)?;
    Ok(writeln!(out)?)
}

fn as_json(entry: &Entry) -> Value {
    match entry {
        Entry::Epoch { instance, epoch, binding_sha256, evidence_sha256, predecessor, time_ms } => {
            let before = predecessor.as_ref().map(|before| {
                let heads = before.heads.iter().map(|head| {
                    let (kind, root) = (head.kind.as_str(), head.root.to_string());
                    json!({ "ledger": kind, "size": head.size, "root": root })
                });
                json!({ "epoch": before.epoch.to_string(), "heads": heads.collect::<Vec<_>>() })
            });
            json!({
                "entry": "epoch",
                "instance": instance.as_str(),
                "epoch": epoch.to_string(),
                "binding_sha256": binding_sha256.to_string(),
                "evidence_sha256": evidence_sha256.to_string(),
                "predecessor": before,
                "time_ms": time_ms,
            })
        }
        Entry::End { ledger, size, root, time_ms } => json!({
            "entry": "end",
            "instance": ledger.instance.as_str(),
            "epoch": ledger.epoch.to_string(),
            "ledger": ledger.kind.as_str(),
            "size": size,
            "root": root.to_string(),
            "time_ms": time_ms,
        }),
    }
}

fn as_text(entry: &Entry) -> String {
    match entry {
        Entry::Epoch { instance, epoch, predecessor: None, .. } => {
            format!("epoch {instance}/{epoch}, the first of its instance")
        }
        Entry::Epoch { instance, epoch, predecessor: Some(before), .. } => {
            format!("epoch {instance}/{epoch}, after {}", before.epoch)
        }
        Entry::End { ledger, size, root, .. } => {
            format!("end   {ledger} at {size} records, root {root}")
        }
    }
}
