//! The command line of the process: one file names everything, because the file is what is
//! measured.
//!
//! There is no argument parser in the trusted code: three options, read by hand.

use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::Config;
use crate::hardware::SourceError;
use crate::{hardware, life};

const HELP: &str = "\
Run the Lucarne agent inside a TEE: receive OTLP, apply the contract, seal, ship

Usage: lucarne-enclave --config FILE [--check-config | --software-root]

Options:
  --config FILE    The configuration, YAML; its digest is bound into the evidence
  --check-config   Say whether the configuration can be used, and start nothing
  --software-root  Print the fingerprint of the INSECURE software root; mint it if there is none
  --version        Print the version
  --help           Print this text

Prints `ready` on standard output when it accepts telemetry. SIGTERM and SIGINT end the epoch
gracefully.
Exit status: 0 ended gracefully and everything is archived; 2 ended gracefully, not everything is
archived; 3 configuration or command line; 4 a file, socket or device cannot be used; 70 our bug.
";

/// How the process ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// Gracefully, and everything is archived.
    Complete = 0,
    /// Gracefully, but the gateway has not archived everything.
    Incomplete = 2,
    /// The command line or the configuration cannot be used.
    Configuration = 3,
    /// A file, a socket or a device cannot be used.
    Environment = 4,
    /// A broken invariant.
    Bug = 70,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

enum Task {
    Run,
    Check,
    SoftwareRoot,
}

/// Runs one command line, the program's name not included.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let mut path = None;
    let mut task = Task::Run;
    let mut args = args;
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--config") => path = args.next().map(PathBuf::from),
            Some("--check-config") => task = Task::Check,
            Some("--software-root") => task = Task::SoftwareRoot,
            Some("--help" | "-h") => return print(&HELP),
            Some("--version" | "-V") => {
                return print(&concat!("lucarne-enclave ", env!("CARGO_PKG_VERSION"), "\n"));
            }
            _ => return fail(Exit::Configuration, &"unknown option; try --help"),
        }
    }
    let Some(path) = path else {
        return fail(Exit::Configuration, &"--config FILE is missing; try --help");
    };
    let config = match Config::load(&path) {
        Ok(config) => config,
        Err(error) => return fail(Exit::Configuration, &error),
    };
    match task {
        Task::Check => print(&"the configuration can be used\n"),
        Task::SoftwareRoot => match hardware::software(&config) {
            Ok(tee) => print(&format_args!("{}\n", tee.root_fingerprint())),
            Err(error @ SourceError::NotSoftware) => {
                fail(Exit::Configuration, &format_args!("{}: {error}", path.display()))
            }
            Err(error) => fail(Exit::Environment, &error),
        },
        Task::Run => match life::live(config) {
            Ok(exit) => exit.into(),
            Err(error) if error.exit() == Exit::Configuration => {
                fail(error.exit(), &format_args!("{}:{error}", path.display()))
            }
            Err(error) => fail(error.exit(), &error),
        },
    }
}

fn print(text: &dyn fmt::Display) -> ExitCode {
    // A closed pipe is the reader's choice.
    drop(write!(std::io::stdout(), "{text}"));
    ExitCode::SUCCESS
}

fn fail(exit: Exit, error: &dyn fmt::Display) -> ExitCode {
    drop(writeln!(std::io::stderr(), "error: {error}"));
    exit.into()
}
