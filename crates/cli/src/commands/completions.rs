//! `lucarne completions`: completion scripts out of the same definitions as the help.

use std::io::Write;

use clap::ValueEnum;
use clap_complete::Shell;

use crate::failure::{Exit, Failure};

/// Print a completion script for a shell
///
/// Example, for the running bash:
///
///   source <(lucarne completions bash)
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The shell to complete in
    shell: Dialect,
}

/// The shells that operators use; a script for another one is a request away.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Dialect {
    /// GNU bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
}

/// Prints the script.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let shell = match args.shell {
        Dialect::Bash => Shell::Bash,
        Dialect::Zsh => Shell::Zsh,
        Dialect::Fish => Shell::Fish,
    };
    // clap_complete panics on a write error, so it writes to memory and the pipe is ours to judge.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::definition(), "lucarne", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(Exit::Yes)
}
