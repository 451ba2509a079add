//! `lucarne gateway`: the host side of the enclaves, as a process.

use std::io::Write;
use std::path::PathBuf;

use lucarne_gateway::service::{self, ServiceError};

use crate::failure::{Exit, Failure};
use crate::shutdown;

/// Take sealed batches from enclaves: verify, screen, archive, acknowledge, export
///
/// Everything is said by one YAML file. Nothing is written before the outer layer has seen it, and
/// nothing is acknowledged before the archive holds it.
///
/// Prints the line "ready" on standard output when it accepts enclaves. SIGTERM and Ctrl-C archive
/// what was received and let the exporters finish.
///
/// Example, to see whether a file can be used, and then to use it:
///
///   lucarne gateway --config gateway.yaml --check-config
///   lucarne gateway --config gateway.yaml
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Say whether the configuration can be used, and start nothing
    #[arg(long)]
    check_config: bool,
}

/// Runs until a signal stops it.
///
/// # Errors
/// When the configuration, a socket or a disk cannot be used.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    if args.check_config {
        service::check(&args.config).map_err(|error| failure(&error))?;
        writeln!(std::io::stdout(), "the configuration can be used")?;
        return Ok(Exit::Yes);
    }
    let ready = || {
        let mut out = std::io::stdout();
        // Whoever started the process may not listen.
        drop(writeln!(out, "ready").and_then(|()| out.flush()));
    };
    shutdown::runtime()?
        .block_on(service::run(&args.config, ready))
        .map_err(|error| failure(&error))?;
    Ok(Exit::Yes)
}

fn failure(error: &ServiceError) -> Failure {
    let exit = if error.is_configuration() { Exit::Usage } else { Exit::Unreadable };
    Failure::new(exit, error.to_string())
}
