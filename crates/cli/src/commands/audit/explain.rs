//! `lucarne audit explain`: what a finding means, what most likely happened, what would settle it.
//!
//! It prints the auditor's own table of causes, so it can say nothing that a report does not.

use std::io::Write;

use lucarne_ledger::audit::cause::Cause;
use lucarne_ledger::audit::finding::{FindingKind, Severity};

use crate::failure::{Exit, Failure};

/// Explain a kind of finding, or one cause of it
///
/// Takes a kind as reports print it, or the code of a cause as JSON and SARIF reports have it.
/// Without either it lists all kinds and codes.
///
/// Example: lucarne audit explain MISSING
///
/// Example: lucarne audit explain record-absent
#[derive(Debug, clap::Args)]
pub struct Args {
    /// MISSING, record-absent, …
    #[arg(value_name = "KIND|CODE")]
    finding: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// When there is no such kind or code.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    run_to(args.finding.as_deref(), &mut std::io::stdout().lock())
}

fn run_to(finding: Option<&str>, out: &mut dyn Write) -> Result<Exit, Failure> {
    let causes = Cause::examples();
    let Some(asked) = finding else {
        for kind in FindingKind::ALL {
            let codes: Vec<&str> = of(&causes, kind).map(Cause::code).collect();
            writeln!(out, "{kind}: {}", codes.join(", "))?;
        }
        return Ok(Exit::Yes);
    };
    let kind = FindingKind::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(asked));
    if let Some(kind) = kind {
        write_kind(kind, out)?;
        for cause in of(&causes, kind) {
            write_cause(cause, out)?;
        }
        return Ok(Exit::Yes);
    }
    let Some(cause) = causes.iter().find(|cause| cause.code() == asked) else {
        return Err(Failure::usage(format!("no kind of finding and no cause is called {asked}"))
            .hint("`lucarne audit explain` lists them"));
    };
    write_kind(cause.kind(), out)?;
    write_cause(cause, out)?;
    Ok(Exit::Yes)
}

fn of(causes: &[Cause], kind: FindingKind) -> impl Iterator<Item = &Cause> {
    causes.iter().filter(move |cause| cause.kind() == kind)
}

fn write_kind(kind: FindingKind, out: &mut dyn Write) -> Result<(), Failure> {
    let exit = match kind.severity() {
        Severity::Tamper => "evidence of tampering, exit code 1",
        Severity::Incomplete => "the archive cannot be called whole, exit code 2",
        Severity::Ok => "as it should be; said for completeness",
    };
    writeln!(out, "{kind}: {exit}\n{}", kind.meaning())?;
    Ok(())
}

fn write_cause(cause: &Cause, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "\n{}: {cause}", cause.code())?;
    if let Some(likely) = cause.likely() {
        writeln!(out, "    likely: {likely}")?;
    }
    writeln!(out, "    would settle it: {}", cause.settle())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(finding: Option<&str>) -> String {
        let mut out = Vec::new();
        assert_eq!(run_to(finding, &mut out).unwrap(), Exit::Yes);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_cause_is_explained_with_its_kind() {
        let text = said(Some("ledger-absent"));
        assert_eq!(
            text,
            "MISSING: evidence of tampering, exit code 1\n\
             Records were sealed inside the TEE and are not in this archive, and nobody with the \
             authority to leave them out did so. That they were sealed is proven; what they said, \
             who removed them and when is not.\n\
             \n\
             ledger-absent: ledger is not in the archive, though its epoch ended\n\
             \x20   likely: storage deletion or damage\n\
             \x20   would settle it: the storage's access log and versions, and the gateway's \
             write-ahead log\n"
        );
    }

    #[test]
    fn every_kind_and_every_code_has_an_answer() {
        let list = said(None);
        assert_eq!(list.lines().count(), FindingKind::ALL.len());
        for line in list.lines() {
            let (kind, codes) = line.split_once(':').unwrap();
            let text = said(Some(&kind.to_lowercase()));
            assert!(text.starts_with(&format!("{kind}: ")), "{text}");
            for code in codes.split(", ").map(str::trim).filter(|code| !code.is_empty()) {
                assert!(text.contains(&format!("\n{code}: ")), "{text}");
                assert!(said(Some(code)).contains(&format!("\n{code}: ")), "{code}");
            }
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_refused() {
        let failure = run_to(Some("STRANGE"), &mut Vec::new()).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
    }
}
