//! `lucarne audit export`: the records of an archive in forms that other tools read, verified
//! before they are written.
//!
//! The whole archive is judged first, as `audit verify` judges it, and the exit code is that of the
//! judgement. Records of batches that do not verify are never written. What an export lacks that
//! the archive has is proof: only the bag can be verified again.

mod bag;
mod json_batch;
mod ocsf;
mod parquet;
mod records;
mod view;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use lucarne_archive::Directory;
use lucarne_gateway::policy::{self, Policy};
use lucarne_ledger::identity::LedgerKind;
use serde_json::Value;

use self::records::Walk;
use super::catalogue::{Catalogue, unreadable};
use super::payloads::Payloads;
use super::{Place, verify};
use crate::failure::{Exit, Failure};

/// Write the records of an archive for other tools, after verifying them
///
/// Without --ledger, records of the audit ledger are written; the bag holds both ledgers, and so do
/// signed log batches. The
/// target must not exist yet.
///
/// Exit codes: those of `audit verify` for the same part of the archive. With 1 and 2 the export is
/// written as well, as far as batches verify, for it may be evidence. 1 also when a signed log
/// batch in JSON does not verify.
///
/// Example: lucarne audit export --records-dir ./archive --policy ./audit-policy.yaml
/// --format bagit --to ./evidence-bag
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// The form
    #[arg(long, value_enum)]
    format: Format,
    /// The file, or for a bag the directory, to make
    #[arg(long, value_name = "PATH")]
    to: PathBuf,
    /// Read encrypted payloads with the data keys in this folder or in a copy of it
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    /// One JSON object a record and line: seq, prev_hash, record_hash, tee_measurement and more
    Jsonl,
    /// A BagIt bag (RFC 8493) of the archive itself, the policy and the report: evidence
    Bagit,
    /// OCSF events, one a line: API Activity for records, Detection Finding for findings
    Ocsf,
    /// One Parquet file, a row a record
    Parquet,
    /// Signed log batches that the enclave made, a folder an epoch with its key in tee.pem
    JsonBatch,
}

/// Runs the command.
///
/// # Errors
/// When the command line or the policy is wrong, or something cannot be read or written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    run_to(args, &mut std::io::stdout().lock())
}

fn run_to(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut place = args.place.clone();
    if !matches!(args.format, Format::Bagit | Format::JsonBatch) {
        place.wanted.ledger.get_or_insert(LedgerKind::Audit);
    }
    let policy = policy::read(&place.policy).map_err(|error| Failure::usage(error.to_string()))?;
    let keys = args.keys.as_deref();
    let judgement = Judgement::of(&place, keys)?;
    let archive = Directory::open_read_only(&place.records_dir).map_err(|e| unreadable(&e))?;
    let payloads = Payloads::of(&archive, &policy.audit.withholding_keys, keys)?;
    let (place, policy) = (&place, &policy);
    let source = Source { place, policy, judgement: &judgement, payloads: &payloads };
    let mut refused = 0;
    let count = match args.format {
        Format::Jsonl => source.to_file(&args.to, &mut |walk, file| view::write(walk, file))?,
        Format::Ocsf => {
            source.to_file(&args.to, &mut |walk, file| ocsf::write(walk, &judgement, file))?
        }
        Format::Parquet => {
            source.to_file(&args.to, &mut |walk, file| parquet::write(walk, file))?
        }
        Format::Bagit => bag::write(&source, &args.to)?,
        Format::JsonBatch => {
            let written = json_batch::write(&source, &args.to)?;
            refused = written.refused;
            written.batches
        }
    };
    let what = match args.format {
        Format::Bagit => "files",
        Format::JsonBatch => "batches",
        Format::Jsonl | Format::Ocsf | Format::Parquet => "records",
    };
    writeln!(out, "{count} {what} in {}; {}", args.to.display(), judgement.sentence())?;
    let unread = payloads.unread();
    if unread > 0 {
        writeln!(
            out,
            "{unread} payloads are ENCRYPTED or ERASED, and their records say which; --keys opens \
             the encrypted ones"
        )?;
    }
    if refused > 0 {
        writeln!(out, "{refused} {what} do not verify and are not among them")?;
        return Ok(Exit::No);
    }
    Ok(judgement.exit)
}

/// Hands over each record of a part of an archive as the view has it, and how the part is judged.
///
/// # Errors
/// When something cannot be read.
pub(super) fn records_of(place: &Place, each: &mut dyn FnMut(&Value)) -> Result<Exit, Failure> {
    let policy = policy::read(&place.policy).map_err(|error| Failure::usage(error.to_string()))?;
    let judgement = Judgement::of(place, None)?;
    let (archive, catalogue) = open(place)?;
    let payloads = Payloads::of(&archive, &policy.audit.withholding_keys, None)?;
    let (archive, catalogue, payloads) = (&archive, &catalogue, &payloads);
    let walk = Walk { archive, catalogue, policy: &policy, payloads };
    walk.each(&mut |row| {
        let view = serde_json::to_value(view::View::of(row)).map_err(std::io::Error::from)?;
        each(&view);
        Ok(())
    })?;
    Ok(judgement.exit)
}

/// What `audit verify` says of the part that is exported.
struct Judgement {
    exit: Exit,
    /// Its report in JSON, schema lucarne.audit/1.
    text: Vec<u8>,
    report: Value,
}

/// The command line of `audit verify`.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: verify::Args,
}

impl Judgement {
    fn of(place: &Place, keys: Option<&Path>) -> Result<Self, Failure> {
        let mut line: Vec<OsString> = vec!["verify".into(), "--records-dir".into()];
        line.extend([place.records_dir.clone().into(), "--policy".into()]);
        line.extend([place.policy.clone().into(), "--output=json".into()]);
        let wanted = &place.wanted;
        line.extend(wanted.ledger.map(|kind| format!("--ledger={kind}").into()));
        line.extend(wanted.instance.iter().map(|one| format!("--instance={one}").into()));
        line.extend(wanted.epoch.map(|epoch| format!("--epoch={epoch}").into()));
        if let Some(keys) = keys {
            line.extend(["--keys".into(), keys.into()]);
        }
        let line = Line::try_parse_from(line)
            .map_err(|error| Failure::bug(format!("the verifier's command line: {error}")))?;
        let mut text = Vec::new();
        let exit = verify::run_to(&line.args, &mut text, &|| false)?;
        let report = serde_json::from_slice(&text)
            .map_err(|error| Failure::bug(format!("the verifier's report: {error}")))?;
        Ok(Self { exit, text, report })
    }

    fn sentence(&self) -> &str {
        self.report["sentence"].as_str().unwrap_or_default()
    }

    fn findings(&self) -> &[Value] {
        self.report["findings"].as_array().map(Vec::as_slice).unwrap_or_default()
    }
}

/// What is exported.
struct Source<'a> {
    place: &'a Place,
    policy: &'a Policy,
    judgement: &'a Judgement,
    payloads: &'a Payloads,
}

fn open(place: &Place) -> Result<(Directory, Catalogue), Failure> {
    let archive =
        Directory::open_read_only(&place.records_dir).map_err(|error| unreadable(&error))?;
    let catalogue = Catalogue::of(&archive, &place.wanted)?;
    Ok((archive, catalogue))
}

/// Writes the records of a walk into a file and says how many.
type Writer<'w> = &'w mut dyn FnMut(&Walk<'_>, &mut (dyn Write + Send)) -> Result<u64, Failure>;

impl Source<'_> {
    fn open(&self) -> Result<(Directory, Catalogue), Failure> {
        open(self.place)
    }

    /// Writes a file, which appears whole or not at all.
    fn to_file(&self, to: &Path, write: Writer<'_>) -> Result<u64, Failure> {
        let (archive, catalogue) = self.open()?;
        let (policy, payloads) = (self.policy, self.payloads);
        let walk = Walk { archive: &archive, catalogue: &catalogue, policy, payloads };
        let what = format!("write {}", to.display());
        let failed = |error: std::io::Error| Failure::unreadable(&what, &error);
        let draft = to.with_added_extension("new");
        if to.exists() {
            return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
        }
        let mut file = BufWriter::new(File::create(&draft).map_err(failed)?);
        let count = write(&walk, &mut file)?;
        file.flush().and_then(|()| file.get_ref().sync_all()).map_err(failed)?;
        std::fs::hard_link(&draft, to).map_err(failed)?;
        std::fs::remove_file(&draft).map_err(failed)?;
        Ok(count)
    }
}
