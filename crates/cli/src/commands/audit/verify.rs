//! `lucarne audit verify`: reads an archive, hands it to the auditor, prints what that says.

use std::io::{BufWriter, IsTerminal, Write};

use clap::ValueEnum;
use lucarne_archive::Directory;
use lucarne_ledger::audit::cause::Cause;
use lucarne_ledger::audit::finding::{Finding, SeqRange, Subject};
use lucarne_ledger::audit::ledger::{LedgerAudit, Step};
use lucarne_ledger::audit::report::{Report, exit_code};
use lucarne_ledger::audit::{self, Audit, Scope};
use lucarne_ledger::identity::LedgerKind;

use super::catalogue::{Catalogue, unreadable};
use super::text::{Records, Valid};
use lucarne_gateway::policy;

use super::{Place, epochs, json, reading, text};
use crate::failure::{Exit, Failure};

/// Say what an archive is worth: what is missing, changed or foreign, and what is whole
///
/// Needs no network and no running Lucarne.
///
/// Exit codes: 0 verified and covered by an accepted anchor; 1 evidence of tampering; 2 incomplete;
/// 3 usage or policy; 4 could not read; 5 verified, but only under a root that the policy names
/// insecure.
///
/// Example: lucarne audit verify --records-dir ./archive --policy ./audit-policy.yaml
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// First sequence number that matters; of the audit ledger unless --ledger says otherwise
    #[arg(long, value_name = "A", requires = "to_seq")]
    from_seq: Option<u64>,
    /// Last sequence number that matters
    #[arg(long, value_name = "B", requires = "from_seq")]
    to_seq: Option<u64>,
    /// Print a line for each record instead of one for each range
    #[arg(long, conflicts_with = "output")]
    per_record: bool,
    /// What to print
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Output {
    /// Sentences and lines for people
    Text,
    /// One JSON object, schema lucarne.audit/1
    Json,
}

/// Runs the command.
///
/// # Errors
/// When the command line or the policy is wrong, or something cannot be read.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let exit = run_to(args, &mut out)?;
    out.flush()?;
    Ok(exit)
}

fn run_to(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let range = args.range()?;
    let mut place = args.place.clone();
    if range.is_some() {
        place.ledger.get_or_insert(LedgerKind::Audit);
    }
    let mut policy =
        policy::read(&place.policy).map_err(|error| Failure::usage(error.to_string()))?;
    policy.audit.range = range;
    narrow(&mut policy.audit, &place);
    let archive =
        Directory::open_read_only(&place.records_dir).map_err(|error| unreadable(&error))?;
    let mut catalogue = Catalogue::of(&archive, &place)?;
    if let Some(range) = range {
        keep_fitting(&mut catalogue, range)?;
    }
    let mut watcher = Watch {
        valid: Valid::new(range),
        records: args.per_record.then(|| Records::new(out, range, &policy.audit)),
        progress: Progress::new(catalogue.file_count),
    };
    let report = verify(&archive, &catalogue, &policy, &mut watcher)?;
    let Watch { valid, progress, .. } = watcher;
    progress.done();
    match args.output {
        Output::Json => json::write(&report, &valid, &catalogue.ignored, out)?,
        Output::Text if args.per_record => text::conclude(&report, &catalogue.ignored, out)?,
        Output::Text => text::write(&report, &valid, &catalogue.ignored, out)?,
    }
    Ok(exit(&report))
}

impl Args {
    fn range(&self) -> Result<Option<SeqRange>, Failure> {
        match (self.from_seq, self.to_seq) {
            (Some(first), Some(last)) if first > last => {
                Err(Failure::usage(format!("--from-seq {first} is larger than --to-seq {last}")))
            }
            (Some(first), Some(last)) => Ok(Some(SeqRange { first, last })),
            _ => Ok(None),
        }
    }
}

// What the command line leaves out is not missed.
fn narrow(policy: &mut audit::Policy, place: &Place) {
    if place.instance.is_some() || place.epoch.is_some() {
        policy.scope = Scope::Part;
    }
    if let Some(only) = place.ledger {
        policy.required.retain(|kind| *kind == only);
    }
}

/// Sequence numbers begin anew with each epoch: a range means one of them.
fn keep_fitting(catalogue: &mut Catalogue, range: SeqRange) -> Result<(), Failure> {
    let fits =
        |files: &super::catalogue::Files| files.named.is_some_and(|named| named.meets(&range));
    if catalogue.epochs.len() > 1 {
        catalogue.epochs.retain(|_, ledgers| ledgers.values().any(fits));
    }
    if catalogue.epochs.len() > 1 {
        let list: Vec<String> = (catalogue.epochs.keys())
            .map(|(instance, epoch)| format!("--instance {instance} --epoch {epoch}"))
            .collect();
        let text = format!("the range {range} fits {} epochs", list.len());
        return Err(Failure::usage(text).hint(format!("say which: {}", list.join(", or "))));
    }
    Ok(())
}

/// Verifies everything in the catalogue.
fn verify(
    archive: &Directory,
    catalogue: &Catalogue,
    policy: &policy::Policy,
    watcher: &mut dyn reading::Watcher,
) -> Result<Report, Failure> {
    let mut audit = Audit::new(&policy.audit);
    for ((instance, epoch), ledgers) in &catalogue.epochs {
        match epochs::attest(archive, instance, *epoch, policy)? {
            Err(cause) => {
                let subject = Subject::Epoch { instance: instance.clone(), epoch: *epoch };
                audit.note(finding(subject, None, cause));
            }
            Ok(attested) => {
                audit.epoch(instance, *epoch);
                for (kind, files) in ledgers {
                    let mut ledger = audit.ledger(*kind, &attested.keys);
                    reading::feed(archive, files, &mut ledger, watcher)?;
                    audit.add(ledger);
                }
            }
        }
    }
    for path in &catalogue.malformed {
        let file = Some(path.display().to_string());
        audit.note(finding(Subject::Archive, file, Cause::NameMalformed));
    }
    Ok(audit.finish())
}

const fn finding(subject: Subject, file: Option<String>, cause: Cause) -> Finding {
    Finding { subject, range: None, file, cause, accepted: None }
}

fn exit(report: &Report) -> Exit {
    match exit_code(report) {
        audit::report::EXIT_VERIFIED => Exit::Yes,
        audit::report::EXIT_TAMPERED => Exit::No,
        audit::report::EXIT_INSECURE => Exit::Insecure,
        _ => Exit::CouldNotTell,
    }
}

/// Everything that is told while the archive is read.
struct Watch<'o> {
    valid: Valid,
    records: Option<Records<'o>>,
    progress: Progress,
}

impl reading::Watcher for Watch<'_> {
    fn batch(&mut self, ledger: &LedgerAudit<'_>, step: &Step<'_>) -> Result<(), Failure> {
        self.valid.add(ledger.id(), step);
        match &mut self.records {
            Some(records) => records.batch(ledger, step),
            None => Ok(()),
        }
    }

    fn file(&mut self) {
        self.progress.step();
    }
}

/// Files read, on a terminal's standard error.
struct Progress {
    total: u64,
    done: u64,
    shown: Option<u64>,
}

impl Progress {
    fn new(total: u64) -> Self {
        let shown = std::io::stderr().is_terminal().then_some(u64::MAX);
        Self { total, done: 0, shown }
    }

    fn step(&mut self) {
        self.done += 1;
        let percent = self.done.saturating_mul(100) / self.total.max(1);
        if self.shown.is_some_and(|shown| shown != percent) {
            self.shown = Some(percent);
            let line = format!("\rverifying: {percent} % of {} files", self.total);
            std::io::stderr().write_all(line.as_bytes()).ok();
        }
    }

    fn done(self) {
        if self.shown.is_some() {
            std::io::stderr().write_all(b"\r\x1b[K").ok();
        }
    }
}

#[cfg(test)]
mod tests;
