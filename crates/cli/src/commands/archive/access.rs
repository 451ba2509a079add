//! `lucarne archive access`: who tried to delete, overwrite or unlock, by the provider's own logs.

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use lucarne_archive::Name;
use lucarne_archive::access::{self, Access, Kind, LOG_BYTES_MAX, Outcome};
use lucarne_ledger::audit::finding::SeqRange;
use lucarne_ledger::identity::{EpochId, Instance, LedgerKind};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};

/// List attempts to delete, overwrite or unlock objects, from the store's own logs
///
/// Reads S3 server access logs and CloudTrail data events, plain or compressed, from a directory
/// and all below it. A put is listed when it failed, or when its key had been put before. Logs come
/// late and may lack events: that nothing is listed does not mean that nothing was tried.
///
/// Exit codes: 0 no attempts; 1 attempts; 4 a log could not be read or understood.
///
/// Example: lucarne archive access --logs ./logs --instance nitro-001-us-east --from-seq 1000
/// --to-seq 2000
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the logs are
    #[arg(long, value_name = "DIR")]
    logs: PathBuf,
    /// What stands before every name in the bucket
    #[arg(long, default_value = "")]
    prefix: String,
    /// Only of this instance
    #[arg(long)]
    instance: Option<Instance>,
    /// Only of this epoch (32 hex digits)
    #[arg(long)]
    epoch: Option<EpochId>,
    /// Only of this ledger: audit or telemetry
    #[arg(long)]
    ledger: Option<LedgerKind>,
    /// Only of files with records from this sequence number on
    #[arg(long, value_name = "A", requires = "to_seq")]
    from_seq: Option<u64>,
    /// Only of files with records up to this sequence number
    #[arg(long, value_name = "B", requires = "from_seq")]
    to_seq: Option<u64>,
    /// Link to the findings of this report: what `audit verify --output json` printed
    #[arg(long, value_name = "FILE")]
    findings: Option<PathBuf>,
    /// For people, or for programs
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Output {
    /// A line for each attempt, then a sentence
    Text,
    /// One JSON object, schema lucarne.archive-access/1
    Json,
}

/// Runs the command.
///
/// # Errors
/// When a log cannot be read or understood.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let findings = args.findings.as_deref().map(read_findings).transpose()?.unwrap_or_default();
    let mut attempts = Vec::new();
    let mut files = Vec::new();
    collect(&args.logs, 0, &mut files)?;
    files.sort();
    for file in &files {
        let accesses = access::read(&read(file)?)
            .map_err(|error| Failure::unreadable(&file.display().to_string(), &error))?;
        attempts.extend(accesses.into_iter().filter_map(|access| args.wanted(access)));
    }
    attempts.sort_by(|a, b| a.access.time.cmp(&b.access.time));
    keep_overwrites(&mut attempts);
    let linked: Vec<(Attempt, Vec<&Found>)> = attempts
        .into_iter()
        .map(|attempt| {
            let links = findings.iter().filter(|found| found.concerns(&attempt)).collect();
            (attempt, links)
        })
        .collect();
    let mut out = std::io::stdout().lock();
    match args.output {
        Output::Text => write_text(&linked, files.len(), &mut out)?,
        Output::Json => write_json(&linked, files.len(), &mut out)?,
    }
    Ok(if linked.is_empty() { Exit::Yes } else { Exit::No })
}

/// Something that nobody has a reason to try.
struct Attempt {
    access: Access,
    /// The key below the prefix.
    key: String,
    /// What it names, if it is a name.
    scope: Option<ScopeOf>,
}

/// What a name is about.
struct ScopeOf {
    instance: Instance,
    epoch: EpochId,
    ledger: Option<LedgerKind>,
    range: Option<SeqRange>,
}

impl ScopeOf {
    fn of(name: &Name) -> Option<Self> {
        let (ledger, range) = match name {
            Name::Seal(seal) => {
                (&seal.ledger, Some(SeqRange { first: seal.first, last: seal.last }))
            }
            Name::Checkpoint(checkpoint) | Name::Stamp(checkpoint) => {
                (&checkpoint.ledger, SeqRange::before(0, checkpoint.size))
            }
            Name::Epoch(file) => {
                let (instance, epoch) = (file.instance.clone(), file.epoch);
                return Some(Self { instance, epoch, ledger: None, range: None });
            }
            Name::Json(batch) => {
                let (instance, epoch) = (batch.instance.clone(), batch.epoch);
                return Some(Self { instance, epoch, ledger: None, range: None });
            }
            Name::Register(_) | Name::Erasure(_) => return None,
        };
        let (instance, epoch) = (ledger.instance.clone(), ledger.epoch);
        Some(Self { instance, epoch, ledger: Some(ledger.kind), range })
    }
}

impl Args {
    /// The attempt that an access is, if it is one in the asked range.
    fn wanted(&self, access: Access) -> Option<Attempt> {
        if access.kind == Kind::Other {
            return None;
        }
        let whole = match self.prefix.trim_end_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let about_bucket = access.key.is_empty();
        let key = access.key.strip_prefix(&whole).unwrap_or_default().to_owned();
        if key.is_empty() && !about_bucket {
            return None;
        }
        let scope = key.parse().ok().and_then(|name| ScopeOf::of(&name));
        let narrowed = self.instance.is_some()
            || self.epoch.is_some()
            || self.ledger.is_some()
            || self.from_seq.is_some();
        // What changes the rules of the bucket concerns every range.
        let fits = match &scope {
            _ if about_bucket || !narrowed => true,
            None => false,
            Some(scope) => self.covers(scope),
        };
        fits.then_some(Attempt { access, key, scope })
    }

    fn covers(&self, scope: &ScopeOf) -> bool {
        let in_range = match (self.from_seq, self.to_seq, scope.range) {
            (Some(from), Some(to), Some(range)) => range.first <= to && from <= range.last,
            // The files of an epoch are needed to verify any range of it.
            _ => true,
        };
        self.instance.as_ref().is_none_or(|only| *only == scope.instance)
            && self.epoch.is_none_or(|only| only == scope.epoch)
            && self.ledger.is_none_or(|only| scope.ledger.is_none_or(|kind| kind == only))
            && in_range
    }
}

/// The first put of a key that worked is how it came to be; every other one is an attempt.
fn keep_overwrites(attempts: &mut Vec<Attempt>) {
    let mut created: HashSet<(String, String)> = HashSet::new();
    let mut seen: HashSet<String> = HashSet::new();
    attempts.retain(|attempt| {
        let access = &attempt.access;
        if access.kind != Kind::Put {
            return true;
        }
        // Both logs may tell of one request.
        let again = !access.request.is_empty() && !seen.insert(access.request.clone());
        let done = access.result == Outcome::Done;
        let first = done && created.insert((access.bucket.clone(), access.key.clone()));
        !(again || first)
    });
}

/// The part of an auditor's report that links to files.
#[derive(Deserialize)]
struct Report {
    schema: String,
    findings: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    kind: String,
    instance: Option<String>,
    epoch: Option<String>,
    ledger: Option<String>,
    first: Option<u64>,
    last: Option<u64>,
    file: Option<String>,
}

impl Found {
    fn concerns(&self, attempt: &Attempt) -> bool {
        if self.file.as_deref().is_some_and(|file| file.starts_with(&attempt.key))
            && !attempt.key.is_empty()
        {
            return true;
        }
        let Some(scope) = &attempt.scope else { return false };
        let instance = self.instance.as_ref().is_some_and(|one| *one == scope.instance.to_string());
        let epoch = self.epoch.as_ref().is_none_or(|one| *one == scope.epoch.to_string());
        let ledger = match (&self.ledger, scope.ledger) {
            (Some(one), Some(kind)) => *one == kind.to_string(),
            _ => true,
        };
        let range = match (self.first, self.last, scope.range) {
            (Some(first), Some(last), Some(range)) => range.first <= last && first <= range.last,
            _ => true,
        };
        instance && epoch && ledger && range
    }
}

fn read_findings(path: &Path) -> Result<Vec<Found>, Failure> {
    let wrong = || Failure::usage(format!("{}: not a report of audit verify", path.display()));
    let report: Report = serde_json::from_slice(&read(path)?).map_err(|_| wrong())?;
    if report.schema != "lucarne.audit/1" {
        return Err(wrong());
    }
    Ok(report.findings)
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |cause: std::io::Error| Failure::unreadable(&folder.display().to_string(), &cause);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() && depth < DEPTH_MAX {
            collect(&entry.path(), depth + 1, files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |cause: std::io::Error| Failure::unreadable(&path.display().to_string(), &cause);
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(LOG_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn result_of(access: &Access) -> String {
    match &access.result {
        Outcome::Done => "done".to_owned(),
        Outcome::Refused(why) => format!("refused ({why})"),
    }
}

fn write_text(
    linked: &[(Attempt, Vec<&Found>)],
    files: usize,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    for (attempt, links) in linked {
        let access = &attempt.access;
        let kinds: Vec<&str> = links.iter().map(|found| found.kind.as_str()).collect();
        let link = if kinds.is_empty() { String::new() } else { format!(" [{}]", kinds.join(" ")) };
        // Texts of a log are others' words: control characters would reach the terminal.
        let (who, key) = (access.who.escape_debug(), access.key.escape_debug());
        let (kind, result) = (access.kind.as_str(), result_of(access));
        let source = access.source.escape_debug();
        writeln!(out, "{} {kind} {result} by {who} from {source}: {key}{link}", access.time)?;
    }
    let count = linked.len();
    writeln!(
        out,
        "CONCLUSION: {files} logs tell of {count} attempts. What they lack is not known."
    )?;
    Ok(())
}

fn write_json(
    linked: &[(Attempt, Vec<&Found>)],
    files: usize,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let attempts: Vec<Value> = linked
        .iter()
        .map(|(Attempt { access, .. }, links)| {
            json!({
                "time": access.time, "who": access.who, "source": access.source,
                "operation": access.operation, "kind": access.kind.as_str(),
                "bucket": access.bucket, "key": access.key, "version": access.version,
                "result": result_of(access), "request": access.request,
                "findings": links.iter().map(|found| &found.kind).collect::<Vec<_>>(),
            })
        })
        .collect();
    let object =
        json!({ "schema": "lucarne.archive-access/1", "files": files, "attempts": attempts });
    serde_json::to_writer_pretty(&mut *out, &object).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// CloudTrail sorts by account, region, year, month and day.
const DEPTH_MAX: usize = 16;
