//! `lucarne incident`: from the list to the report. One file a group of verbs.

mod act;
mod close;
mod export;
mod look;
mod report;

use clap::Subcommand;

use crate::failure::{Exit, Failure};

/// Work on the desk's incidents
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(look::List),
    Show(look::One),
    Timeline(look::Timeline),
    Ack(act::Ack),
    Unack(act::Unack),
    Note(act::Note),
    Move(act::Move),
    Severity(act::Severity),
    Label(act::Label),
    Waive(act::Waive),
    Release(act::Release),
    Review(close::Review),
    Report(report::Args),
    Export(export::Args),
    Close(close::Close),
}

/// Runs the chosen verb.
///
/// # Errors
/// When the desk refuses or cannot be reached.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match &args.verb {
        Verb::List(args) => look::list(args, &mut out),
        Verb::Show(args) => look::show(args, &mut out),
        Verb::Timeline(args) => look::timeline(args, &mut out),
        Verb::Ack(args) => act::ack(args, &mut out),
        Verb::Unack(args) => act::unack(args, &mut out),
        Verb::Note(args) => act::note(args, &mut out),
        Verb::Move(args) => act::moves(args, &mut out),
        Verb::Severity(args) => act::severity(args, &mut out),
        Verb::Label(args) => act::label(args, &mut out),
        Verb::Waive(args) => act::waive(args, &mut out),
        Verb::Release(args) => act::release(args, &mut out),
        Verb::Review(args) => close::review(args, &mut out),
        Verb::Report(args) => report::run(args, &mut out),
        Verb::Export(args) => export::run(args, &mut out),
        Verb::Close(args) => close::close(args, &mut out),
    }
}
