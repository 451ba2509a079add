//! `lucarne contract learn`: a proposal for a contract, for a person to judge.

use std::io::Write;
use std::path::PathBuf;

use super::{CapturedSignal, captures};
use crate::failure::{Exit, Failure};
use crate::proposal::Proposal;

/// Propose a contract for captured telemetry
///
/// Proposed are lists of few values, patterns that are as narrow as what was seen, bounds of
/// numbers that count or measure time, and bodies that came again without a digit in them. What
/// looks like text, names, amounts or secrets is refused, and the proposal says so in comments. No
/// pattern that is proposed admits a card number, a social security number or a bearer token.
///
/// A proposal is not a contract before a person has read and signed it off: `lucarne contract
/// sheet` makes the page for that.
///
/// Example: lucarne contract learn logs.json metrics.json --out proposed.yaml
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Captured OTLP
    #[arg(required = true, value_name = "CAPTURE")]
    pub(super) captures: Vec<PathBuf>,
    /// Where to write the proposal [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// What captures in protobuf hold [default: what their names say]
    #[arg(long, value_enum)]
    pub(super) signal: Option<CapturedSignal>,
}

/// Runs the command.
///
/// # Errors
/// When something cannot be read or written.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let requests = captures(&args.captures, args.signal)?;
    let unreadable = |error| Failure::unreadable("capture", &error);
    let text = Proposal::of(&requests).map_err(unreadable)?.text();
    lucarne_contract::Contract::parse(&text)
        .map_err(|error| Failure::bug(format!("the proposal is no contract: {error}")))?;
    match &args.out {
        None => out.write_all(text.as_bytes())?,
        Some(path) => {
            let mut file = std::fs::File::create_new(path).map_err(|error| {
                Failure::unreadable(&format!("create {}", path.display()), &error)
            })?;
            file.write_all(text.as_bytes())?;
        }
    }
    Ok(Exit::Yes)
}
