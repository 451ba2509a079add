//! `lucarne baseline diff`: which registers differ between two versions.

use std::io::Write;
use std::path::PathBuf;

use lucarne_attest::classify::RegisterNames;
use serde_json::json;

use super::File;
use super::expected::Expected;
use super::list::Output;
use crate::failure::{Exit, Failure};

/// Compare the registers of two versions, or of a version and an attestation
///
/// Exits with 0 when they are the same and with 1 when they are not.
///
/// Example: lucarne baseline diff v1.2.3 v1.2.4
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of a version
    version: String,
    /// Name of another
    #[arg(required_unless_present = "with", conflicts_with = "with")]
    other: Option<String>,
    /// An attestation instead, as `query attestation --output json` prints it
    #[arg(long, value_name = "FILE")]
    with: Option<PathBuf>,
    #[command(flatten)]
    file: File,
    /// For people, or for programs
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// Runs the command.
///
/// # Errors
/// When there is no such version, or something cannot be read.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let entry = args.file.version(&args.version)?.entry;
    let shown = match (&args.other, &args.with) {
        (_, Some(path)) => vec![Expected::read(path)?.pcrs],
        (Some(other), None) => args.file.version(other)?.entry.any_of,
        (None, None) => return Err(Failure::usage("expected another version or --with")),
    };
    // Of several sets the two that come closest to each other are compared.
    let all = shown.iter().map(|shown| entry.differs(shown));
    let differences = all.min_by_key(Vec::len).unwrap_or_default();
    let names = RegisterNames::nitro();
    if args.output == Output::Json {
        let rows = differences.iter().map(|one| {
            let got = one.got.map(|got| got.to_string());
            let name = names.name(one.index);
            json!({ "pcr": one.index, "name": name, "want": one.want.to_string(), "got": got })
        });
        let rows: Vec<_> = rows.collect();
        serde_json::to_writer_pretty(&mut *out, &json!({ "differences": rows }))
            .map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        for one in &differences {
            let name = names.name(one.index).map(|name| format!(" ({name})")).unwrap_or_default();
            let got = one.got.map_or_else(|| "nothing".to_owned(), |got| got.to_string());
            writeln!(out, "PCR{}{name}\n  - {}\n  + {got}", one.index, one.want)?;
        }
    }
    Ok(if differences.is_empty() { Exit::Yes } else { Exit::No })
}
