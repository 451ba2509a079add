//! `lucarne desk`: signals, incidents and approvals, as a process.

use std::io::Write;
use std::path::PathBuf;

use lucarne_desk::service::{self, ServiceError};

use crate::failure::{Exit, Failure};
use crate::shutdown;

/// Turn signals into incidents: decide, record, tell and take approvals over HTTP
///
/// Everything is said by one YAML file. A signal is answered after it and everything that follows
/// from it is durable. The interface is described at /openapi.json.
///
/// Prints the line "ready" on standard output when it takes signals. SIGTERM and Ctrl-C take what
/// waits, seal the log and stop.
///
/// Example, to see whether a file can be used, and then to use it:
///
///   lucarne desk --config desk.yaml --check-config
///   lucarne desk --config desk.yaml
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
/// When the configuration, the store or the address cannot be used.
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
    shutdown::runtime()?.block_on(async {
        let stop = shutdown::on_signal()?;
        service::run(&args.config, stop, ready).await.map_err(|error| failure(&error))
    })?;
    Ok(Exit::Yes)
}

fn failure(error: &ServiceError) -> Failure {
    let exit = if error.is_configuration() { Exit::Usage } else { Exit::Unreadable };
    Failure::because(exit, "desk", error)
}
