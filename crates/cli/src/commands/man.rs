//! `lucarne man`: one manual page a command, out of the same definitions as the help.

use std::path::PathBuf;

use crate::failure::{Exit, Failure};

/// Write the manual pages into a directory
///
/// Example:
///
///   lucarne man /usr/local/share/man/man1
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Directory to write `lucarne.1`, `lucarne-up.1` and so on into; created when absent
    dir: PathBuf,
}

/// Writes the pages.
///
/// # Errors
/// When the directory or a page cannot be written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let cannot = |cause: std::io::Error| {
        Failure::unreadable(&format!("write manual pages to {}", args.dir.display()), &cause)
    };
    std::fs::create_dir_all(&args.dir).map_err(cannot)?;
    clap_mangen::generate_to(crate::definition(), &args.dir).map_err(cannot)?;
    Ok(Exit::Yes)
}
