//! `lucarne archive check`: whether a bucket keeps what an archive needs, and what hides in it.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;
use lucarne_archive::S3;
use lucarne_archive::s3::inspection::{Finding, Locks, Weight};
use serde_json::{Value, json};

use super::bucket::{self, unreadable};
use crate::failure::{Exit, Failure};

/// Say whether a bucket is write-once, and which of its keys were touched
///
/// Looks at versioning, object lock, the policy and access logging, then lists every version: a key
/// with more than one or with a delete marker is a finding. Changes nothing.
///
/// Exit codes: 0 nothing found; 1 something is wrong; 2 the store did not tell; 4 could not read.
///
/// Example: lucarne archive check --s3 bucket.yaml --locks
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How the bucket is reached: what stands below archive.s3 in a gateway's file
    #[arg(long, value_name = "FILE")]
    s3: PathBuf,
    /// Look only at keys that begin like this
    #[arg(long, default_value = "")]
    prefix: String,
    /// Ask for the lock of every version: a request each
    #[arg(long)]
    locks: bool,
    /// Kinds of findings that somebody has explained; they are shown and count for nothing
    #[arg(long, value_name = "KIND", value_parser = Finding::KINDS)]
    accept: Vec<String>,
    /// For people, or for programs
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Output {
    /// A line for each finding, then a sentence
    Text,
    /// One JSON object, schema lucarne.archive-check/1
    Json,
}

/// Findings that a program is told one by one; the rest is counted.
const LISTED_MAX: usize = 10_000;

/// Runs the command.
///
/// # Errors
/// When the settings are wrong, or the store cannot be read.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let s3 = bucket::open(&args.s3)?;
    let mut out = std::io::stdout().lock();
    let mut tally = Tally::new(args);
    for finding in s3.inspect_bucket().map_err(|error| unreadable(&error))? {
        tally.take(&finding, &mut out)?;
    }
    let locks = if args.locks { Locks::Each } else { Locks::Unasked };
    for history in s3.versions(&args.prefix).histories() {
        let history = history.map_err(|error| unreadable(&error))?;
        tally.keys += 1;
        tally.versions += history.versions.len() as u64;
        for finding in s3.inspect_key(&history, locks).map_err(|error| unreadable(&error))? {
            tally.take(&finding, &mut out)?;
        }
    }
    tally.conclude(&s3, &mut out)
}

/// What was found so far.
struct Tally<'a> {
    args: &'a Args,
    keys: u64,
    versions: u64,
    wrong: u64,
    unknown: u64,
    accepted: u64,
    listed: Vec<Value>,
}

impl<'a> Tally<'a> {
    const fn new(args: &'a Args) -> Self {
        let listed = Vec::new();
        Self { args, keys: 0, versions: 0, wrong: 0, unknown: 0, accepted: 0, listed }
    }

    fn take(&mut self, finding: &Finding, out: &mut dyn Write) -> Result<(), Failure> {
        let accepted = self.args.accept.iter().any(|kind| kind == finding.kind());
        let (word, count) = match (accepted, finding.weight()) {
            (true, _) => ("ACCEPTED", &mut self.accepted),
            (false, Weight::Wrong) => ("WRONG", &mut self.wrong),
            (false, Weight::Unknown) => ("NOT TOLD", &mut self.unknown),
        };
        *count += 1;
        match self.args.output {
            Output::Text => writeln!(out, "{word} {}: {finding}", finding.kind())?,
            Output::Json if self.listed.len() < LISTED_MAX => self.listed.push(json!({
                "kind": finding.kind(),
                "weight": match finding.weight() {
                    Weight::Wrong => "wrong",
                    Weight::Unknown => "unknown",
                },
                "accepted": accepted,
                "key": finding.key(),
                "text": finding.to_string(),
            })),
            Output::Json => {}
        }
        Ok(())
    }

    const fn exit(&self) -> Exit {
        match (self.wrong, self.unknown) {
            (0, 0) => Exit::Yes,
            (0, _) => Exit::CouldNotTell,
            _ => Exit::No,
        }
    }

    fn conclude(self, s3: &S3, out: &mut dyn Write) -> Result<Exit, Failure> {
        let exit = self.exit();
        let Self { keys, versions, wrong, unknown, accepted, listed, args } = self;
        let bucket = s3.settings().bucket();
        if args.output == Output::Json {
            let object = json!({
                "schema": "lucarne.archive-check/1", "exit": exit.code(), "bucket": bucket,
                "keys": keys, "versions": versions, "wrong": wrong, "unknown": unknown,
                "accepted": accepted, "findings": listed,
            });
            serde_json::to_writer_pretty(&mut *out, &object).map_err(std::io::Error::from)?;
            writeln!(out)?;
            return Ok(exit);
        }
        let verdict = match exit {
            Exit::Yes => "nothing is wrong with it that a bucket can tell",
            Exit::CouldNotTell => "the store did not tell everything",
            _ => "it is not write-once, or somebody has touched it",
        };
        writeln!(
            out,
            "CONCLUSION: {bucket}: {keys} keys, {versions} versions and markers, {wrong} findings, \
             {unknown} not told, {accepted} accepted: {verdict}."
        )?;
        Ok(exit)
    }
}
