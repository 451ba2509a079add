//! `lucarne audit import-json`: signed log batches in JSON, judged as the verifier judges them that
//! the format came with.
//!
//! It reads every file first and judges then, so that the order of file names does not matter. A
//! batch is one JSON object in a `.json` file, or one line of a `.jsonl` file; what else lies there
//! is counted and not read.

mod files;

#[cfg(test)]
mod tests;

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use lucarne_ledger::hash::Hash;
use lucarne_ledger::json_batch::run::{CodeVersion, Note, Read, Run, Signed, Verdict, sort};
use lucarne_ledger::json_batch::{Certificate, SignedLogBatch};
use lucarne_ledger::key::PublicKey;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;

use self::files::{BATCHES_MAX, Place};
use super::pinned;
use crate::failure::{Exit, Failure};

/// Verify signed log batches in JSON (`SignedLogBatch`), one verdict a batch
///
/// Prints `Valid(records)`, `TamperedOrInvalidSignature(seq)`, `UnexpectedCodeVersion(measurement)`
/// or `SequenceGap(last, next)` for each batch, and goes on after a gap.
///
/// Exit codes: 0 every batch from --from-seq to --to-seq is there and signed by the expected code;
/// 1 one is not; 2 nothing contradicts, but the command line does not say which batches there must
/// be or which code signs, or a sequence number is not signed.
///
/// Example: lucarne audit import-json --records-dir ./batches --tee-public-key tee.pem
/// --expect-measurement sha384:c3d4e5 --from-seq 1 --to-seq 60
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The batches: a directory, or one file
    #[arg(long, value_name = "DIR|FILE")]
    records_dir: PathBuf,
    /// The P-256 key of the TEE: a certificate, whose SHA-256 each batch must name, or a public key
    #[arg(long, value_name = "PEM")]
    tee_public_key: PathBuf,
    /// The measurement that the code must have, as the batches spell it
    #[arg(long, value_name = "M")]
    expect_measurement: Option<String>,
    /// The first batch that must be there
    #[arg(long, value_name = "A")]
    from_seq: Option<u64>,
    /// The last batch that must be there
    #[arg(long, value_name = "B")]
    to_seq: Option<u64>,
    /// What to print
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Output {
    /// A line a batch, and a conclusion
    Text,
    /// One JSON object, schema lucarne.import-json/1
    Json,
}

/// Runs the command.
///
/// # Errors
/// When the command line is wrong or a file cannot be read.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let exit = run_to(args, &mut out)?;
    out.flush()?;
    Ok(exit)
}

pub(super) fn run_to(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    if let (Some(from), Some(to)) = (args.from_seq, args.to_seq)
        && from > to
    {
        return Err(Failure::usage(format!("--from-seq {from} is larger than --to-seq {to}")));
    }
    let trust = Trust {
        key: pinned::read_key(&args.tee_public_key)?,
        certificate: certificate(&args.tee_public_key)?,
    };
    let found = files::find(&args.records_dir)?;
    let mut batches = Vec::new();
    for path in &found.files {
        files::each(path, &mut |place, json| {
            let read = trust.read(json);
            if args.wants(&read) {
                batches.push(Batch { place, read });
            }
            if batches.len() > BATCHES_MAX {
                let text = format!("more than {BATCHES_MAX} batches");
                return Err(Failure::usage(text).hint("give a day's folder at a time"));
            }
            Ok(())
        })?;
    }
    sort(&mut batches, |batch| &batch.read);
    let report = Report::of(args, &trust, &batches, found.ignored);
    match args.output {
        Output::Text => report.write_text(out)?,
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, &report).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(report.outcome)
}

/// What the command line believes.
struct Trust {
    key: PublicKey,
    certificate: Certificate,
}

/// The certificate that the key came in, if the file holds one.
fn certificate(path: &Path) -> Result<Certificate, Failure> {
    let what = format!("read {}", path.display());
    let pem = std::fs::read(path).map_err(|error| Failure::unreadable(&what, &error))?;
    Ok(match CertificateDer::from_pem_slice(&pem) {
        Ok(der) => Certificate::Sha256(Hash::of(&der)),
        Err(_) => Certificate::KeyAlone,
    })
}

impl Trust {
    fn read(&self, json: &[u8]) -> Read {
        let parsed = SignedLogBatch::parse(json);
        let outside = parsed.as_ref().ok().map(|batch| batch.sequence);
        let outcome = parsed
            .and_then(|batch| batch.verify(&self.key, self.certificate))
            .map(|batch| Signed::from(&batch));
        Read { outside, outcome }
    }
}

impl Args {
    /// Whether a batch is in the range; one without a number may be.
    fn wants(&self, read: &Read) -> bool {
        read.place().is_none_or(|place| {
            self.from_seq.is_none_or(|from| from <= place)
                && self.to_seq.is_none_or(|to| place <= to)
        })
    }
}

/// A batch and where it lies.
struct Batch {
    place: Place,
    read: Read,
}

/// What there is to say.
#[derive(Serialize)]
struct Report {
    schema: &'static str,
    #[serde(skip)]
    outcome: Exit,
    exit: u8,
    batches: Vec<Line>,
    valid: u64,
    records: u64,
    /// Numbers from and to that must be there and are not, after the last batch.
    missing_at_end: Option<[u64; 2]>,
    not_known: Vec<&'static str>,
    ignored: u64,
    conclusion: String,
}

#[derive(Serialize)]
struct Line {
    file: String,
    /// Counted from 1, in a file with a batch a line.
    line: Option<u64>,
    sequence: Option<u64>,
    verdict: String,
    notes: Vec<String>,
}

/// What judging a run adds up to.
#[derive(Default)]
struct Tally {
    lines: Vec<Line>,
    valid: u64,
    records: u64,
    first: Option<u64>,
    unsigned: bool,
}

impl Tally {
    fn add(&mut self, batch: &Batch, verdict: &Verdict, notes: &[Note]) {
        if let Verdict::Valid { records } = verdict {
            self.valid += 1;
            self.records = self.records.saturating_add(*records);
        }
        if batch.read.outcome.is_ok() {
            self.first = self.first.or(batch.read.place());
        }
        self.unsigned |= notes.contains(&Note::SequenceUnsigned);
        self.lines.push(Line {
            file: batch.place.file.display().to_string(),
            line: batch.place.line,
            sequence: batch.read.place(),
            verdict: verdict.to_string(),
            notes: notes.iter().map(ToString::to_string).collect(),
        });
    }
}

impl Report {
    fn of(args: &Args, trust: &Trust, batches: &[Batch], ignored: u64) -> Self {
        let code = match &args.expect_measurement {
            Some(measurement) => CodeVersion::Exactly(measurement.clone()),
            None => CodeVersion::NotCompared,
        };
        let mut run = Run::new(code, args.from_seq);
        let mut tally = Tally::default();
        for batch in batches {
            let (verdict, notes) = run.judge(&batch.read);
            tally.add(batch, &verdict, &notes);
        }
        let before = args.from_seq.map(|from| from.saturating_sub(1));
        let last = run.last().or(before).unwrap_or_default();
        let missing_at_end =
            args.to_seq.filter(|to| last < *to).map(|to| [last.saturating_add(1), to]);
        let not_known = not_known(args, trust, &tally);
        let count = u64::try_from(batches.len()).unwrap_or(u64::MAX);
        let outcome = if tally.valid < count || missing_at_end.is_some() {
            Exit::No
        } else if count == 0 || not_known.iter().any(|(_, open)| *open) {
            Exit::CouldNotTell
        } else {
            Exit::Yes
        };
        let conclusion = conclusion(&tally, count, missing_at_end);
        Self {
            schema: "lucarne.import-json/1",
            outcome,
            exit: outcome.code(),
            batches: tally.lines,
            valid: tally.valid,
            records: tally.records,
            missing_at_end,
            not_known: not_known.into_iter().map(|(text, _)| text).collect(),
            ignored,
            conclusion,
        }
    }

    fn write_text(&self, out: &mut dyn Write) -> Result<(), Failure> {
        for Line { file, line, verdict, notes, .. } in &self.batches {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            let notes = notes.join("; ");
            let colon = if notes.is_empty() { "" } else { ": " };
            writeln!(out, "{verdict}  {file}{line}{colon}{notes}")?;
        }
        writeln!(out, "CONCLUSION: {}", self.conclusion)?;
        for text in &self.not_known {
            writeln!(out, "not known: {text}")?;
        }
        if self.ignored > 0 {
            writeln!(out, "{} other files were not read", self.ignored)?;
        }
        Ok(())
    }
}

fn conclusion(tally: &Tally, count: u64, missing: Option<[u64; 2]>) -> String {
    let mut text = match (count, tally.valid) {
        (0, _) => "there is no batch to verify.".to_owned(),
        (all, valid) if all == valid => {
            let records = tally.records;
            format!(
                "all {all} batches are signed by the key and follow each other; {records} records."
            )
        }
        (all, valid) => format!("{valid} of {all} batches are valid; the others are named above."),
    };
    if let Some([from, to]) = missing {
        text.push_str(&format!(" Batches {from} to {to} are not there at the end."));
    }
    text
}

/// What this cannot say, and whether the question is one that the command line leaves open.
fn not_known(args: &Args, trust: &Trust, tally: &Tally) -> Vec<(&'static str, bool)> {
    let thumbprint = trust.certificate == Certificate::KeyAlone;
    // The signer counts from 1.
    let first_open = args.from_seq.is_none() && tally.first != Some(1);
    let all = [
        (
            args.expect_measurement.is_none(),
            "whether the expected code signed: no --expect-measurement",
            true,
        ),
        (first_open, "whether batches are missing before the first: no --from-seq", true),
        (args.to_seq.is_none(), "whether batches are missing after the last: no --to-seq", true),
        (
            tally.unsigned,
            "whether the sequence numbers are the signer's: a payload does not repeat its own",
            true,
        ),
        (
            thumbprint,
            "whether AttestationCertThumbprint is right: the key came without a certificate",
            false,
        ),
        (true, "whether the key is that of a TEE: the format carries no evidence", false),
    ];
    all.into_iter().filter(|(is, ..)| *is).map(|(_, text, open)| (text, open)).collect()
}
