//! Reading a runbook, what is wrong with it, and what it would do.

use std::io::Write;
use std::path::{Path, PathBuf};

use lucarne_desk::runbook::{FILE_BYTES_MAX, Runbook};

use crate::desk_client::Scope;
use crate::failure::{Exit, Failure};

/// Say what is wrong with runbooks
///
/// Exit codes: 0 nothing; 1 something should not be; 3 one cannot be run.
///
/// Example: lucarne runbook lint runbooks/audit-chain-failure.yaml
#[derive(Debug, clap::Args)]
pub(super) struct Lint {
    /// The runbooks
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Print what would happen, in order, and do nothing
///
/// Example: lucarne runbook dry-run runbooks/error-rate-spike.yaml --input
/// instance=nitro-001-us-east
#[derive(Debug, clap::Args)]
pub(super) struct DryRun {
    /// The runbook
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What a run is given; may be repeated
    #[arg(long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<Scope>,
}

/// Reads a runbook.
///
/// # Errors
/// When it cannot be read, or cannot be run.
pub(in crate::commands) fn read(path: &Path) -> Result<Runbook, Failure> {
    let what = format!("read {}", path.display());
    let text = std::fs::read_to_string(path).map_err(|cause| Failure::unreadable(&what, &cause))?;
    if text.len() > FILE_BYTES_MAX {
        return Err(Failure::usage(format!(
            "{what}: a runbook has at most {FILE_BYTES_MAX} bytes"
        )));
    }
    Runbook::parse(&text).map_err(|cause| Failure::because(Exit::Usage, &what, &cause))
}

pub(super) fn lint(args: &Lint, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut exit = Exit::Yes;
    for path in &args.files {
        for found in read(path)?.lint() {
            writeln!(out, "{}: {found}", path.display())?;
            exit = Exit::No;
        }
    }
    Ok(exit)
}

pub(super) fn dry_run(args: &DryRun, out: &mut dyn Write) -> Result<Exit, Failure> {
    let runbook = read(&args.file)?;
    let inputs: Vec<(String, String)> = Scope::all(&args.inputs)?.into_iter().collect();
    if let Some((name, _)) = inputs.iter().find(|(name, _)| !runbook.inputs.contains(name)) {
        let known = runbook.inputs.join(", ");
        return Err(
            Failure::usage(format!("{name} is no input of it")).hint(format!("inputs: {known}"))
        );
    }
    writeln!(out, "{}: {}", runbook.id, runbook.title)?;
    for line in runbook.dry_run(&inputs) {
        writeln!(out, "{line}")?;
    }
    Ok(Exit::Yes)
}
