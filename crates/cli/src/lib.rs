//! The command `lucarne`: one file a command under `commands`, and what those commands share.
//!
//! Decided here: exit codes (`Failure`), one message on standard error, results on standard output.
//! Refused here: logic that another crate should own; a command parses, calls and prints.
#![forbid(unsafe_code)]

pub mod capture;
mod clock;
pub mod commands;
pub mod demo;
mod desk_client;
pub mod failure;
pub mod load;
pub mod otlp_client;
mod proposal;
pub mod random;
pub mod shutdown;
pub mod telemetry;
pub mod view;
pub mod waterfall;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::commands::Lucarne;
use crate::failure::{Exit, Failure};

/// Runs the command line of this process and says how it ended.
pub fn run() -> ExitCode {
    run_with(std::env::args_os())
}

/// Runs one command line; the first argument is the program's name.
pub fn run_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let exit = catch_unwind(AssertUnwindSafe(|| parse_and_run(args)));
    match exit {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(failure)) => failure.report(),
        Err(_) => Failure::bug("the command panicked; the lines above say where").report(),
    }
}

/// The whole command line as clap sees it: for help, completions, man pages and the reference.
pub fn definition() -> clap::Command {
    Lucarne::command()
}

fn parse_and_run(args: impl IntoIterator<Item = OsString>) -> Result<Exit, Failure> {
    let matches = match definition().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => return from_clap(&error),
    };
    match Lucarne::from_arg_matches(&matches) {
        Ok(lucarne) => commands::run(lucarne),
        Err(error) => from_clap(&error),
    }
}

/// Help and version are answers; everything else that clap refuses is a usage error with our exit
/// code.
fn from_clap(error: &clap::Error) -> Result<Exit, Failure> {
    // clap prints help to standard output and errors to standard error, and honours NO_COLOR
    // itself.
    match error.print() {
        Err(io) if io.kind() != std::io::ErrorKind::BrokenPipe => {
            return Err(Failure::unreadable("print the help", &io));
        }
        Ok(()) | Err(_) => {}
    }
    Ok(if error.use_stderr() { Exit::Usage } else { Exit::Yes })
}
