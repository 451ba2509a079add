//! `lucarne gateway`: the host side of the enclaves, as a process.

use std::io::Write;
use std::path::PathBuf;

use lucarne_gateway::collector::{Override, Resolve};
use lucarne_gateway::config::Invocation;
use lucarne_gateway::service::{self, ServiceError};

use crate::failure::{Exit, Failure};
use crate::shutdown;

/// Take sealed batches from enclaves: verify, screen, archive, acknowledge, export
///
/// Everything is said by one YAML file: the gateway's own, or a file of the OpenTelemetry Collector
/// (known by its `service:`), which needs a --data DIR for keys, policy, log and archive. Nothing
/// is written before the outer layer has seen it, and nothing is acknowledged before the archive
/// holds it.
///
/// Prints the line "ready" on standard output when it accepts enclaves. SIGTERM and Ctrl-C archive
/// what was received and let the exporters finish.
///
/// Example, to see whether a file can be used, and then to use it:
///
///   lucarne gateway --config gateway.yaml --check-config
///   lucarne gateway --config gateway.yaml
///
/// Example, to try a collector file whose Loki is on this machine:
///
///   lucarne gateway --config otelcol.yaml --data site --resolve loki:3100=127.0.0.1:3100
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Say whether the configuration can be used, and start nothing
    #[arg(long)]
    check_config: bool,
    /// Where a collector file's gateway keeps its keys, policy, log and archive; made if missing
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where a HOST:PORT of a collector file is on this machine; listening addresses too
    #[arg(long, value_name = "HOST:PORT=IP:PORT")]
    resolve: Vec<Override>,
}

/// Runs until a signal stops it.
///
/// # Errors
/// When the configuration, a socket or a disk cannot be used.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let invocation = Invocation {
        file: args.config.clone(),
        data: args.data.clone(),
        resolve: Resolve(args.resolve.clone()),
    };
    if args.check_config {
        service::check(&invocation).map_err(|error| failure(&error))?;
        writeln!(std::io::stdout(), "the configuration can be used")?;
        return Ok(Exit::Yes);
    }
    let ready = || {
        let mut out = std::io::stdout();
        // Whoever started the process may not listen.
        drop(writeln!(out, "ready").and_then(|()| out.flush()));
    };
    shutdown::runtime()?
        .block_on(service::run(&invocation, ready))
        .map_err(|error| failure(&error))?;
    Ok(Exit::Yes)
}

fn failure(error: &ServiceError) -> Failure {
    let exit = if error.is_configuration() { Exit::Usage } else { Exit::Unreadable };
    Failure::new(exit, error.to_string())
}
