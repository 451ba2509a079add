//! `lucarne query`: questions to the inside of an enclave, through the attested channel.
//!
//! Nothing is asked before the enclave's evidence was judged over the very connection, and no
//! answer is shown whose record in the enclave's ledger is not proven. One file a verb.

pub mod attestation;
pub mod labels;
pub mod logql;
pub mod logs;
pub mod recent;
pub mod trace;
pub mod traceql;

pub(in crate::commands) mod channel;
pub(in crate::commands) mod connection;
mod line;
mod period;
pub(in crate::commands) mod question;
mod receipt;
mod tls;

use std::io::Write;

use clap::Subcommand;
use lucarne_link::channel::message::Query;

use self::channel::Channel;
use self::connection::Connection;
use crate::failure::{Exit, Failure};
use crate::shutdown;

/// Ask an enclave for what is inside, where its configuration lets you
///
/// The enclave's evidence is judged before anything is sent. Each question is recorded in the
/// enclave's own ledger before it is answered, and the record is proven here.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to ask for.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Attestation(attestation::Args),
    Recent(recent::Args),
    Logs(logs::Args),
    Logql(logql::Args),
    Trace(trace::Args),
    Traceql(traceql::Args),
    Labels(labels::Args),
}

/// Asks.
///
/// # Errors
/// When the enclave cannot be reached or believed, or something cannot be read.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::Attestation(args) => attestation::run(args),
        Verb::Recent(args) => recent::run(args),
        Verb::Logs(args) => logs::run(args),
        Verb::Logql(args) => logql::run(args),
        Verb::Trace(args) => trace::run(args),
        Verb::Traceql(args) => traceql::run(args),
        Verb::Labels(args) => labels::run(args),
    }
}

/// Asks one question and prints the answer as it comes.
fn to_standard_output(connection: &Connection, query: &Query) -> Result<Exit, Failure> {
    let terms = connection.terms()?;
    shutdown::runtime()?.block_on(async {
        let mut channel = Channel::open(terms).await?;
        let take = |piece: &[u8]| Ok(std::io::stdout().write_all(piece)?);
        let ended = channel.ask(query, take).await?;
        ended.conclude(&channel)
    })
}
