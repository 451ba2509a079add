//! `lucarne contract`: tools for those who write, review and sign a contract.
//!
//! All of them use the contract as the enclave compiles it; none decides anything by itself. One
//! file a verb.

mod check;
mod diff;
mod explain;
mod learn;
mod sheet;

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use lucarne_contract::Contract;
use lucarne_otlp::Signal;

use crate::capture::{self, Request};
use crate::failure::{Exit, Failure};

/// Review what a contract lets leave, before it is deployed
///
/// Captures are files of OTLP: JSON (one request a line, or one in all) as the collector's file
/// exporter writes it, or protobuf.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Check(check::Args),
    Explain(explain::Args),
    Diff(diff::Args),
    Learn(learn::Args),
    Sheet(sheet::Args),
}

/// What a capture in protobuf holds.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum CapturedSignal {
    /// Log records
    Logs,
    /// Metrics
    Metrics,
    /// Spans
    Traces,
}

/// Runs the chosen verb.
///
/// # Errors
/// When a file cannot be read or is not what it should be.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let out = &mut std::io::stdout().lock();
    match &args.verb {
        Verb::Check(args) => check::run(args, out),
        Verb::Explain(args) => explain::run(args, out),
        Verb::Diff(args) => diff::run(args, out),
        Verb::Learn(args) => learn::run(args, out),
        Verb::Sheet(args) => sheet::run(args, out),
    }
}

impl From<CapturedSignal> for Signal {
    fn from(signal: CapturedSignal) -> Self {
        match signal {
            CapturedSignal::Logs => Self::Logs,
            CapturedSignal::Metrics => Self::Metrics,
            CapturedSignal::Traces => Self::Traces,
        }
    }
}

/// Reads a contract; the word `default` is the one that the enclave has when none is given.
fn contract(path: &Path) -> Result<Contract, Failure> {
    if path == Path::new("default") {
        return Ok(Contract::default_contract());
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::unreadable(&format!("read {}", path.display()), &error))?;
    Contract::parse(&text)
        .map_err(|error| Failure::because(Exit::Usage, &path.display().to_string(), &error))
}

/// Reads captures.
fn captures(paths: &[PathBuf], signal: Option<CapturedSignal>) -> Result<Vec<Request>, Failure> {
    let mut all = Vec::new();
    for path in paths {
        let read = capture::read(path, signal.map(Signal::from));
        all.extend(read.map_err(|error| {
            Failure::unreadable(&format!("capture {}", path.display()), &error)
        })?);
    }
    Ok(all)
}

/// A value as JSON, cut to what fits a line.
fn shown(value: lucarne_otlp::view::AnyValue<'_>) -> String {
    let mut json = Vec::new();
    if lucarne_otlp::display::value_to_json(value, &mut json).is_err() {
        return String::from("?");
    }
    let text = String::from_utf8_lossy(&json);
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.into_owned(),
    }
}

/// Longest example in characters.
const SHOWN_CHARS: usize = 60;

#[cfg(test)]
mod tests;
