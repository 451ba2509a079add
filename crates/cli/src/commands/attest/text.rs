//! A verdict for people: what it is, why, what was checked, what was not, and until when it holds.

use std::io::Write;

use super::verdict::{Outcome, Verdict};
use crate::failure::Failure;

/// Prints a verdict.
///
/// # Errors
/// When it cannot be written.
pub(super) fn print(verdict: &Verdict, out: &mut dyn Write) -> Result<(), Failure> {
    let attester = verdict.attester;
    match &verdict.outcome {
        Outcome::Verified => writeln!(out, "verified: genuine {attester} evidence")?,
        Outcome::Insecure { why } => writeln!(out, "INSECURE: {why}")?,
        Outcome::Refused { code, class, text, hint } => {
            writeln!(out, "refused: {text}\nreason: {code} ({class})")?;
            if let Some(hint) = hint {
                writeln!(out, "hint: {hint}")?;
            }
        }
        Outcome::CouldNotTell { code, text } => {
            writeln!(out, "could not tell: {text}\nreason: {code}")?;
        }
    }
    writeln!(out)?;
    facts(verdict, out)?;
    list("checked", &verdict.checked, out)?;
    list("NOT checked", &verdict.not_checked, out)
}

fn facts(verdict: &Verdict, out: &mut dyn Write) -> Result<(), Failure> {
    let mut line = |label: &str, value: &str| writeln!(out, "{label:<15} {value}");
    line("kind", &format!("{} ({})", verdict.kind.as_str(), verdict.encoding.as_str()))?;
    line("judged at", &format!("{} ({})", verdict.judged_at, verdict.judged_by))?;
    if let Some((until, why)) = &verdict.holds_until {
        line("holds until", &format!("{until} ({why})"))?;
    }
    if let Some(identity) = &verdict.identity {
        line("identity", &format!("sha256:{identity} (of the signed part)"))?;
    }
    if matches!(verdict.outcome, Outcome::Refused { .. }) && !verdict.facts.is_empty() {
        line("it says", "(not believed)")?;
    }
    for (label, value) in &verdict.facts {
        line(label, value)?;
    }
    line("file", &format!("sha256:{}", verdict.file_sha256))?;
    Ok(())
}

fn list(title: &str, lines: &[String], out: &mut dyn Write) -> Result<(), Failure> {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}:")?;
    for line in lines {
        writeln!(out, "  - {line}")?;
    }
    Ok(())
}
