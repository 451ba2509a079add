//! `lucarne archive pull`: an archive out of a bucket into a directory, for an audit without a
//! network.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use lucarne_archive::pull::{PullError, Pulled, pull};
use lucarne_archive::{Directory, S3};
use serde_json::json;

use super::bucket::{self, unreadable};
use crate::failure::{Exit, Failure};

/// Copy an archive out of a bucket into a directory, with what hides behind its keys
///
/// Goes on where it was stopped. Delete markers, versions that are not current and foreign keys
/// come along under names that no archive has, so that an audit of the copy reports them.
///
/// Exit codes: 0 all copied; 1 all copied, but the bucket holds what no archive has; 4 could not
/// read or write.
///
/// Example: lucarne archive pull --from bucket.yaml --to ./archive
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How the bucket is reached: what stands below archive.s3 in a gateway's file
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Where the copy goes; made if it is not there
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Copy only keys that begin like this, as in 2026/11/21/
    #[arg(long, default_value = "")]
    prefix: String,
    /// Objects that are fetched at a time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    jobs: u8,
    /// For people, or for programs
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Output {
    /// A line for each oddity, then a sentence
    Text,
    /// One JSON object, schema lucarne.archive-pull/1
    Json,
}

/// Runs the command.
///
/// # Errors
/// When the settings are wrong, or something cannot be read or written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let from = bucket::open(&args.from)?;
    let to =
        Directory::open(&args.to).map_err(|error| Failure::unreadable("open the copy", &error))?;
    let bar = Bar::new(&from, &args.prefix)?;
    let pulled = pull(&from, &to, &args.prefix, usize::from(args.jobs), &|| bar.step());
    bar.end();
    let pulled = pulled.map_err(|error| failure(&error))?;
    let mut out = std::io::stdout().lock();
    match args.output {
        Output::Text => write_text(&pulled, &mut out)?,
        Output::Json => write_json(&pulled, &mut out)?,
    }
    Ok(exit(&pulled))
}

fn failure(error: &PullError) -> Failure {
    Failure::unreadable("copy the archive", error).hint("run it again, it goes on from there")
}

const fn exit(pulled: &Pulled) -> Exit {
    if pulled.oddity_count == 0 { Exit::Yes } else { Exit::No }
}

fn write_text(pulled: &Pulled, out: &mut dyn Write) -> Result<(), Failure> {
    for odd in &pulled.oddities {
        let (kind, key, path) = (odd.kind.as_str(), &odd.key, odd.path.display());
        writeln!(out, "{kind} {key:?} version {}: {path}", odd.version)?;
    }
    let Pulled { fetched, bytes, kept, oddity_count, .. } = pulled;
    writeln!(
        out,
        "{fetched} objects of {bytes} bytes copied, {kept} were there, {oddity_count} oddities."
    )?;
    Ok(())
}

fn write_json(pulled: &Pulled, out: &mut dyn Write) -> Result<(), Failure> {
    let oddities: Vec<_> = pulled
        .oddities
        .iter()
        .map(|odd| {
            json!({
                "kind": odd.kind.as_str(), "key": odd.key, "version": odd.version,
                "path": odd.path.display().to_string(),
            })
        })
        .collect();
    let object = json!({
        "schema": "lucarne.archive-pull/1", "exit": exit(pulled).code(),
        "fetched": pulled.fetched, "bytes": pulled.bytes, "kept": pulled.kept,
        "oddity_count": pulled.oddity_count, "oddities": oddities,
    });
    serde_json::to_writer_pretty(&mut *out, &object).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// How far it is, on a terminal; nothing anywhere else.
struct Bar(Option<Mutex<Shown>>);

struct Shown {
    done: u64,
    total: u64,
    last: Instant,
}

impl Bar {
    /// Counts the keys first, which costs a request for each thousand, if anybody is there to see.
    fn new(from: &S3, prefix: &str) -> Result<Self, Failure> {
        if !std::io::stderr().is_terminal() {
            return Ok(Self(None));
        }
        let mut total = 0;
        for history in from.versions(prefix).histories() {
            history.map_err(|error| unreadable(&error))?;
            total += 1;
        }
        let last = Instant::now();
        Ok(Self(Some(Mutex::new(Shown { done: 0, total, last }))))
    }

    fn step(&self) {
        let Some(shown) = &self.0 else { return };
        let Ok(mut shown) = shown.lock() else { return };
        shown.done += 1;
        if shown.last.elapsed() >= REDRAW || shown.done == shown.total {
            shown.last = Instant::now();
            // A terminal that is gone needs no bar.
            write!(std::io::stderr(), "\r{}", line(shown.done, shown.total)).ok();
        }
    }

    fn end(&self) {
        if self.0.is_some() {
            writeln!(std::io::stderr()).ok();
        }
    }
}

fn line(done: u64, total: u64) -> String {
    let filled = usize::try_from(done.saturating_mul(BAR_COLUMNS) / total.max(1)).unwrap_or(0);
    let width = usize::try_from(BAR_COLUMNS).unwrap_or(0);
    let filled = filled.min(width);
    format!("[{}{}] {done} of {total} keys", "#".repeat(filled), "-".repeat(width - filled))
}

const BAR_COLUMNS: u64 = 40;
/// Ten times a second is smooth and costs nothing.
const REDRAW: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn the_bar_fills_and_never_overflows() {
        assert_eq!(line(0, 0), format!("[{}] 0 of 0 keys", "-".repeat(40)));
        assert_eq!(line(1, 2), format!("[{}{}] 1 of 2 keys", "#".repeat(20), "-".repeat(20)));
        assert_eq!(line(3, 2), format!("[{}] 3 of 2 keys", "#".repeat(40)));
    }
}
