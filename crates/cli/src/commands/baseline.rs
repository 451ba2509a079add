//! `lucarne baseline`: which versions may run, proposed by one, approved by two, retired by anyone.
//! One file a verb.
//!
//! Every verb reads the whole file and checks every signature in it before it does anything.

mod approve;
mod diff;
mod expected;
mod export;
mod list;
mod propose;
mod retire;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use lucarne_attest::Time;
use lucarne_attest::baseline::{Baseline, BaselineError, Version};
use lucarne_gateway::baseline;
use lucarne_gateway::config::key_file;
use lucarne_ledger::key::{Ed25519Key, Signer};

use crate::clock;
use crate::failure::{Exit, Failure};

/// Keep the list of versions that may run, each approved by two people
///
/// The list is a file, baseline.yaml, that belongs under version control. Whose approval counts is
/// said by the policy of who relies on it, never by the file.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Propose(propose::Args),
    Approve(approve::Args),
    List(list::Args),
    Diff(diff::Args),
    Retire(retire::Args),
    Export(export::Args),
}

/// Runs the chosen verb.
///
/// # Errors
/// When the command line or the file is wrong, or something cannot be read or written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match &args.verb {
        Verb::Propose(args) => propose::run(args, &mut out),
        Verb::Approve(args) => approve::run(args, &mut out),
        Verb::List(args) => list::run(args, &mut out),
        Verb::Diff(args) => diff::run(args, &mut out),
        Verb::Retire(args) => retire::run(args, &mut out),
        Verb::Export(args) => export::run(args, &mut out),
    }
}

/// Where the list is.
#[derive(Debug, clap::Args)]
struct File {
    /// The baseline
    #[arg(long = "file", value_name = "FILE", default_value = "baseline.yaml")]
    path: PathBuf,
}

impl File {
    fn read(&self) -> Result<Baseline, Failure> {
        baseline::read(&self.path).map_err(|error| Failure::usage(error.to_string()))
    }

    /// Changes one version and puts the new list in the place of the old.
    fn edit(
        &self,
        name: &str,
        change: impl FnOnce(&mut Version) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut versions = self.read()?.versions().to_vec();
        let version = versions.iter_mut().find(|version| version.entry.version == name);
        change(version.ok_or_else(|| self.unknown(name))?)?;
        self.write(versions)
    }

    fn write(&self, versions: Vec<Version>) -> Result<(), Failure> {
        let changed = Baseline::new(versions).map_err(|error| refused(&error))?;
        baseline::replace(&self.path, &changed)
            .map_err(|error| Failure::unreadable(&format!("write {}", self.path.display()), &error))
    }

    fn version(&self, name: &str) -> Result<Version, Failure> {
        self.read()?.version(name).cloned().ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Failure {
        Failure::usage(format!("{} has no version {name}", self.path.display()))
            .hint("`lucarne baseline list` shows which there are")
    }
}

/// Who signs.
#[derive(Debug, clap::Args)]
struct Person {
    /// Your name, as policies have it
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Your key: a file with an Ed25519 seed in hex
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

/// A signature with the key it is of.
struct Signed {
    key: [u8; 32],
    signature: [u8; 64],
}

impl Person {
    fn sign(&self, message: &[u8]) -> Result<Signed, Failure> {
        let key: Ed25519Key = key_file(&self.key).map_err(Failure::usage)?;
        let signature = key.sign(message);
        let public = key.public_key().raw().try_into();
        match (public, signature) {
            (Ok(key), Ok(signature)) => Ok(Signed { key, signature }),
            (Err(_), _) | (_, Err(_)) => Err(Failure::bug("an Ed25519 key does not sign")),
        }
    }
}

/// What the list refuses is a plain no: nothing was done.
fn refused(error: &BaselineError) -> Failure {
    Failure::new(Exit::No, error.to_string())
}

fn now() -> Time {
    Time::from_unix_ms(clock::unix_ms())
}

fn read_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let what = format!("read {}", path.display());
    let read = || {
        let length = std::fs::metadata(path)?.len();
        if length > bytes_max {
            let text = format!("{length} bytes, expected at most {bytes_max}");
            return Err(std::io::Error::other(text));
        }
        std::fs::read(path)
    };
    read().map_err(|error| Failure::unreadable(&what, &error))
}
