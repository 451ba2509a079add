//! `lucarne triage probe`: two of the five probes of a telemetry gap in one word each, for
//! runbooks.
//!
//! `head` looks at the archive: whether the audit ledger grows, stands still, or began anew.
//! `evidence` asks the enclave and holds it against a policy. Whether a boot is new is told by the
//! register, so that both say it of the same boot.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Subcommand;
use lucarne_archive::{Directory, Name};
use lucarne_gateway::policy;
use lucarne_ledger::identity::{EpochId, Instance, LedgerKind};
use lucarne_ledger::register::Entry;
use serde_json::json;

use crate::clock;
use crate::commands::audit::register_log;
use crate::commands::query::channel::Channel;
use crate::commands::query::connection::Connection;
use crate::failure::{Exit, Failure};
use crate::shutdown;

/// Say in a word how the audit ledger goes on, or what the enclave's evidence is
///
/// One JSON object; its `answer` is a word that the runbook for telemetry gaps knows.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to look at.
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Head(Head),
    Evidence(Evidence),
}

/// Say whether the audit ledger in an archive advances
///
/// Words: advances, frozen, `new_epoch`, broken (of the register), unknown.
///
/// Exit codes: 0 a word; 2 unknown.
///
/// Example: lucarne triage probe head --instance nitro-001-us-east --records-dir ./archive
/// --policy ./audit-policy.yaml
#[derive(Debug, clap::Args)]
struct Head {
    #[command(flatten)]
    of: Of,
    /// What to trust: roots, measurements, keys (audit-policy.yaml)
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
}

/// Say whether the enclave is what it was and may be
///
/// Words: same, `same_after_boot`, changed (the policy does not accept it), unknown.
///
/// Exit codes: 0 a word; 2 unknown.
///
/// Example: lucarne triage probe evidence --of nitro-001-us-east --records-dir ./archive --connect
/// vsock:16:5100 --policy ./policy.yaml --identity alice.pem --key alice.key
#[derive(Debug, clap::Args)]
struct Evidence {
    /// The instance
    #[arg(long, value_name = "NAME")]
    of: Instance,
    /// The archive
    #[arg(long, value_name = "DIR")]
    records_dir: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Args)]
struct Of {
    /// The instance
    #[arg(long, value_name = "NAME")]
    instance: Instance,
    /// The archive
    #[arg(long, value_name = "DIR")]
    records_dir: PathBuf,
}

/// The newest boot that the register names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Boot {
    epoch: EpochId,
    /// Whether it followed another one a short while ago.
    is_new: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let (word, epoch) = match &args.what {
        What::Head(args) => head(args)?,
        What::Evidence(args) => evidence(args)?,
    };
    let epoch = epoch.map(|epoch| epoch.to_string());
    writeln!(out, "{}", json!({ "answer": word, "epoch": epoch }))?;
    Ok(if word == "unknown" { Exit::CouldNotTell } else { Exit::Yes })
}

fn head(args: &Head) -> Result<(&'static str, Option<EpochId>), Failure> {
    let Of { instance, records_dir } = &args.of;
    let trust = policy::read(&args.policy).map_err(|error| Failure::usage(error.to_string()))?;
    let archive = open(records_dir)?;
    let log = register_log::read(&archive, &trust)?;
    if !log.faults.is_empty() {
        return Ok(("broken", None));
    }
    let Some(boot) = newest(&log.entries, instance, clock::unix_ms()) else {
        return Ok(("unknown", None));
    };
    let age = newest_age(&archive, records_dir, instance, boot.epoch)?;
    let word = match age {
        _ if boot.is_new => "new_epoch",
        Some(age) if age <= GROWS_WITHIN => "advances",
        Some(_) => "frozen",
        None => "unknown",
    };
    Ok((word, Some(boot.epoch)))
}

fn evidence(args: &Evidence) -> Result<(&'static str, Option<EpochId>), Failure> {
    let terms = args.connection.terms()?;
    let archive = open(&args.records_dir)?;
    let log = register_log::read(&archive, &terms.policy)?;
    let boot = newest(&log.entries, &args.of, clock::unix_ms());
    let asked = shutdown::runtime()?.block_on(async {
        let opened = tokio::time::timeout(PATIENCE, Channel::open(terms)).await;
        opened.map(|opened| opened.map(|channel| channel.epoch().epoch))
    });
    Ok(match asked {
        Ok(Ok(epoch)) => match boot {
            Some(boot) if boot.epoch == epoch && boot.is_new => ("same_after_boot", Some(epoch)),
            _ => ("same", Some(epoch)),
        },
        // What is refused is not what it should be; the worst of it is assumed.
        Ok(Err(failure)) if failure.exit() == Exit::No => ("changed", None),
        Ok(Err(_)) | Err(_) => ("unknown", None),
    })
}

fn open(dir: &Path) -> Result<Directory, Failure> {
    Directory::open_read_only(dir).map_err(|error| Failure::unreadable("read the archive", &error))
}

fn newest(entries: &[Entry], wanted: &Instance, now_ms: u64) -> Option<Boot> {
    entries.iter().rev().find_map(|entry| match entry {
        Entry::Epoch { instance, epoch, predecessor, time_ms, .. } if instance == wanted => {
            let young = now_ms.saturating_sub(*time_ms) <= NEW_MS;
            Some(Boot { epoch: *epoch, is_new: young && predecessor.is_some() })
        }
        Entry::Epoch { .. } | Entry::End { .. } => None,
    })
}

// By the host's clock, which is good enough to say whether something comes at all.
fn newest_age(
    archive: &dyn lucarne_archive::Archive,
    dir: &Path,
    instance: &Instance,
    epoch: EpochId,
) -> Result<Option<Duration>, Failure> {
    let mut newest: Option<SystemTime> = None;
    let names = archive.list("");
    for name in names.map_err(|cause| Failure::unreadable("read the archive", &cause))? {
        let Ok(Name::Seal(seal)) = &name else { continue };
        let ledger = &seal.ledger;
        let of_boot = ledger.instance == *instance && ledger.epoch == epoch;
        if !of_boot || ledger.kind != LedgerKind::Audit {
            continue;
        }
        let path = dir.join(Name::Seal(seal.clone()).to_string());
        let written = std::fs::metadata(path).and_then(|about| about.modified());
        newest = newest.max(written.ok());
    }
    Ok(newest.map(|at| at.elapsed().unwrap_or_default()))
}

/// Heartbeats are records, so a ledger that lives grows within it.
const GROWS_WITHIN: Duration = Duration::from_secs(20);
/// A boot is news for so long.
const NEW_MS: u64 = 600_000;
/// An enclave that takes longer does not answer.
const PATIENCE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;
    use lucarne_ledger::hash::Hash;
    use lucarne_ledger::register::Predecessor;

    fn began(byte: u8, after: Option<u8>, time_ms: u64) -> Entry {
        let id = |byte: u8| -> EpochId { format!("{byte:02x}").repeat(16).parse().unwrap() };
        let predecessor = after.map(|before| Predecessor { epoch: id(before), heads: Vec::new() });
        Entry::Epoch {
            instance: "i1".parse().unwrap(),
            epoch: id(byte),
            binding_sha256: Hash::of(b"b"),
            evidence_sha256: Hash::of(b"e"),
            predecessor,
            time_ms,
        }
    }

    #[test]
    fn a_boot_is_new_when_it_is_young_and_not_the_first() {
        let i1: Instance = "i1".parse().unwrap();
        let seen = |entries: &[Entry], now_ms| newest(entries, &i1, now_ms).map(|it| it.is_new);
        assert_eq!(seen(&[], 0), None);
        assert_eq!(seen(&[began(1, None, 5)], 6), Some(false));
        let both = [began(1, None, 5), began(2, Some(1), 10)];
        assert_eq!(seen(&both, 600_010), Some(true));
        assert_eq!(seen(&both, 600_011), Some(false));
    }
}
