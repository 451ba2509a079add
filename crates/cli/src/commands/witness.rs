//! `lucarne witness`: a witness of checkpoints, for those who cannot or will not ask public ones.

use std::io::Write;
use std::path::PathBuf;

use lucarne_gateway::witness::{self, WitnessError};

use crate::failure::{Exit, Failure};
use crate::shutdown;

/// Cosign checkpoints that go on from those cosigned before
///
/// A witness remembers the largest tree it has seen of each log. It cosigns a
/// checkpoint only when a proof shows that the log still holds all of that tree,
/// so a log that has shown it one history can show nobody another under its
/// cosignature. It speaks the C2SP protocol tlog-witness.
///
/// It knows the logs whose verifier keys its file lists, and the epochs whose
/// evidence its policy believes. It cosigns with Ed25519, and with ML-DSA-44 when
/// a key for that is configured. Keys are drawn at the first start.
///
/// Prints the line "ready" on standard output when it answers.
///
/// Example, to see whether a file can be used, to get the keys for the policies
/// of those who trust it, and to run it:
///
///   lucarne witness --config witness.yaml --check-config
///   lucarne witness --config witness.yaml --new-key
///   lucarne witness --config witness.yaml
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Say whether the configuration can be used, and start nothing
    #[arg(long, conflicts_with = "new_key")]
    check_config: bool,
    /// Draw the keys that are absent, print the verifier keys of all, and start nothing
    #[arg(long)]
    new_key: bool,
}

/// Runs until a signal stops it.
///
/// # Errors
/// When the configuration, a key, the state or the socket cannot be used.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = std::io::stdout();
    if args.check_config {
        witness::check(&args.config).map_err(|error| failure(&error))?;
        writeln!(out, "the configuration can be used")?;
        return Ok(Exit::Yes);
    }
    if args.new_key {
        for key in witness::new_keys(&args.config).map_err(|error| failure(&error))? {
            writeln!(out, "{key}")?;
        }
        return Ok(Exit::Yes);
    }
    shutdown::runtime()?.block_on(async {
        let stop = shutdown::on_signal()?;
        let ready = || {
            let mut out = std::io::stdout();
            // Whoever started the process may not listen.
            drop(writeln!(out, "ready").and_then(|()| out.flush()));
        };
        witness::run(&args.config, stop, ready).await.map_err(|error| failure(&error))?;
        Ok(Exit::Yes)
    })
}

fn failure(error: &WitnessError) -> Failure {
    let exit = if error.is_configuration() { Exit::Usage } else { Exit::Unreadable };
    match std::error::Error::source(error) {
        Some(cause) => Failure::because(exit, &error.to_string(), cause),
        None => Failure::new(exit, error.to_string()),
    }
}
