//! `lucarne archive hold`: what has to stay as it is. While a hold covers a file, nothing of it is
//! withheld or erased, and the gateway cuts nothing off its log.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use lucarne_archive::disk::RealDisk;
use lucarne_archive::hold::{Entry, Hold, HoldError, HoldId, Holds, Lift};
use lucarne_archive::name::Date;
use lucarne_ledger::identity::Instance;
use serde_json::{Value, json};

use crate::clock;
use crate::failure::{Exit, Failure};

/// Set, list and lift legal holds
///
/// A hold stops withholding, erasure, retention and the cutting of the gateway's log, wherever they
/// run, until it is lifted. Both are kept for good with their authority and reason.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Set(Set),
    Lift(End),
    List(List),
}

/// Hold an archive, an instance, or some days of it
///
/// Example: lucarne archive hold set case-4711 --records-dir ./archive --authority "Landgericht
/// Mitte" --reason "3 O 12/26" --instance nitro-001-us-east --from 2026/11/01
#[derive(Debug, clap::Args)]
struct Set {
    #[command(flatten)]
    word: Word,
    /// Hold only files of this instance
    #[arg(long)]
    instance: Option<Instance>,
    /// Hold only files of this day and later
    #[arg(long, value_name = "YYYY/MM/DD")]
    from: Option<Date>,
    /// Hold only files of this day and earlier
    #[arg(long, value_name = "YYYY/MM/DD")]
    to: Option<Date>,
}

/// End a hold
///
/// Example: lucarne archive hold lift case-4711 --records-dir ./archive --authority "Landgericht
/// Mitte" --reason "settled"
#[derive(Debug, clap::Args)]
struct End {
    #[command(flatten)]
    word: Word,
}

/// Show every hold that was ever set, and how it ended
///
/// Exits with 1 while anything is held, and with 0 when nothing is.
#[derive(Debug, clap::Args)]
struct List {
    /// The archive
    #[arg(long, value_name = "DIR")]
    records_dir: PathBuf,
    /// For people, or for programs
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// Which hold, where, and on whose word.
#[derive(Debug, clap::Args)]
struct Word {
    /// Its name: a-z, 0-9 and -
    name: HoldId,
    /// The archive
    #[arg(long, value_name = "DIR")]
    records_dir: PathBuf,
    /// On whose authority
    #[arg(long)]
    authority: String,
    /// Why
    #[arg(long)]
    reason: String,
}

/// What to print.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum Output {
    /// Sentences
    Text,
    /// One JSON document
    Json,
}

/// Runs the command.
///
/// # Errors
/// When the hold cannot be set, lifted or read.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::Set(set) => set.run(),
        Verb::Lift(end) => end.run(),
        Verb::List(list) => list.run(&mut std::io::stdout().lock()),
    }
}

impl Set {
    fn run(&self) -> Result<Exit, Failure> {
        let day = |day: Option<Date>| day.map(|day| day.to_string());
        let hold = Hold {
            authority: self.word.authority.clone(),
            reason: self.word.reason.clone(),
            set_ms: clock::unix_ms(),
            instance: self.instance.as_ref().map(ToString::to_string),
            from: day(self.from),
            to: day(self.to),
        };
        holds(&self.word.records_dir)?
            .set(&self.word.name, &hold)
            .map_err(|error| refused(&error))?;
        Ok(Exit::Yes)
    }
}

impl End {
    fn run(&self) -> Result<Exit, Failure> {
        let lift = Lift {
            authority: self.word.authority.clone(),
            reason: self.word.reason.clone(),
            lifted_ms: clock::unix_ms(),
        };
        holds(&self.word.records_dir)?
            .lift(&self.word.name, &lift)
            .map_err(|error| refused(&error))?;
        Ok(Exit::Yes)
    }
}

impl List {
    fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let entries = holds(&self.records_dir)?.list().map_err(|error| refused(&error))?;
        if self.output == Output::Json {
            let list: Vec<Value> = entries.iter().map(as_json).collect();
            serde_json::to_writer_pretty(&mut *out, &json!({ "holds": list }))
                .map_err(std::io::Error::from)?;
            writeln!(out)?;
        } else {
            entries.iter().try_for_each(|entry| writeln!(out, "{}", as_text(entry)))?;
        }
        let held = entries.iter().any(|entry| entry.lifted.is_none());
        Ok(if held { Exit::No } else { Exit::Yes })
    }
}

fn holds(archive: &Path) -> Result<Holds, Failure> {
    if !archive.is_dir() {
        return Err(Failure::usage(format!("{} is not a directory", archive.display()))
            .hint("--records-dir names the archive that is to be held"));
    }
    Ok(Holds::at(Arc::new(RealDisk), &Holds::folder_of(archive)))
}

/// Who is at fault decides the code: a hold that is in the way is a no, a disk could not be read.
pub(super) fn refused(error: &HoldError) -> Failure {
    match error {
        HoldError::Disk { .. } => Failure::unreadable("holds", error),
        HoldError::Scope => Failure::usage(error.to_string()),
        HoldError::Held { .. } => Failure::new(Exit::No, error.to_string())
            .hint("`lucarne archive hold list` says on whose authority, and `hold lift` ends it"),
        HoldError::Taken { .. } => Failure::new(Exit::No, error.to_string())
            .hint("a name stays on record once it was used: take another one"),
        HoldError::Unknown { .. } => Failure::new(Exit::No, error.to_string())
            .hint("`lucarne archive hold list` names those that there are"),
    }
}

fn as_json(entry: &Entry) -> Value {
    json!({ "name": entry.id.to_string(), "hold": entry.hold, "lifted": entry.lifted })
}

fn as_text(entry: &Entry) -> String {
    let id = &entry.id;
    let Some(hold) = &entry.hold else {
        return format!("{id}: its file cannot be read, so everything is held");
    };
    let what = hold.instance.as_deref().unwrap_or("everything");
    let from = hold.from.as_ref().map_or(String::new(), |day| format!(" from {day}"));
    let to = hold.to.as_ref().map_or(String::new(), |day| format!(" to {day}"));
    let word = format!("{}: {}", hold.authority, hold.reason);
    match &entry.lifted {
        None => format!("{id}: holds {what}{from}{to} ({word})"),
        Some(lift) => {
            format!(
                "{id}: held {what}{from}{to} ({word}), lifted ({}: {})",
                lift.authority, lift.reason
            )
        }
    }
}
