//! `lucarne audit verify`: reads an archive, hands it to the auditor, prints what that says.

mod watch;

use std::io::{BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::ValueEnum;
use lucarne_archive::Archive;
use lucarne_attest::Register;
use lucarne_ledger::audit::cause::Cause;
use lucarne_ledger::audit::finding::{Finding, SeqRange, Severity, Subject};
use lucarne_ledger::audit::ledger::Extent;
use lucarne_ledger::audit::register::RegisterFault;
use lucarne_ledger::audit::report::{Report, exit_code};
use lucarne_ledger::audit::{self, Audit, Scope};
use lucarne_ledger::checkpoint::{self, Checkpoint};
use lucarne_ledger::identity::{EpochId, Instance, LedgerId, LedgerKind};

use self::watch::{Progress, Watch};
use super::catalogue::{Catalogue, Files};
use super::outcome::Outcome;
use super::reading::{Reading, Watcher};
use super::since::{self, Heads};
use super::text::{Records, Valid};
use super::trust::{Believe, Judge, Trust};
use super::{Wanted, erasures, json, json_objects, junit, part, register_log, sarif, text};
use crate::failure::{Exit, Failure};
use crate::shutdown;

/// Say what an archive is worth: what is missing, changed or foreign, and what is whole
///
/// Needs no network and no running Lucarne. DIR is an archive, or a copy of a part of one, such as
/// a day's folder copied with `aws s3 cp --recursive`.
///
/// With --policy, the evidence of each epoch vouches for its key. With --tee-public-key that key is
/// believed because it is given, and the report says what is not known for it. A copy of a day has
/// no checkpoints, so it verifies as far as it goes and ends with 2.
///
/// Exit codes: 0 verified and covered by an accepted anchor; 1 evidence of tampering; 2 incomplete;
/// 3 usage or policy; 4 could not read; 5 verified, but only under a root that the policy names
/// insecure. Ctrl-C ends it with 2, or 1 if there was evidence already, and prints checkpoints for
/// --since.
///
/// Example: lucarne audit verify --records-dir ./archive --policy ./audit-policy.yaml
///
/// Example: lucarne audit verify --records-dir ./audit-records --tee-public-key ./tee.pem
/// --from-seq 1000 --to-seq 2000 --per-record
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The archive: a directory, or a copy of one or of a part of one
    #[arg(long, value_name = "DIR")]
    records_dir: PathBuf,
    #[command(flatten)]
    believe: Believe,
    /// Look for evidence here too: a copy of the archive's epochs/, or of a folder in it
    #[arg(long, value_name = "DIR", requires = "policy")]
    evidence_dir: Option<PathBuf>,
    /// Accept only this measurement (PCR0, 96 hex digits); may be given several times
    #[arg(long, value_name = "HEX")]
    expect_measurement: Vec<Register>,
    /// Read encrypted payloads too, with the data keys in this folder or in a copy of it
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Ask for the word of so many witnesses of the policy, beside its quorum
    #[arg(long, value_name = "N", requires = "policy")]
    require_witnesses: Option<NonZeroUsize>,
    #[command(flatten)]
    wanted: Wanted,
    /// First sequence number that matters; of the audit ledger unless --ledger says otherwise
    #[arg(long, value_name = "A", requires = "to_seq")]
    from_seq: Option<u64>,
    /// Last sequence number that matters
    #[arg(long, value_name = "B", requires = "from_seq")]
    to_seq: Option<u64>,
    /// Go on behind a checkpoint of an earlier audit; what lies before is not verified again
    #[arg(long, value_name = "CHECKPOINT", conflicts_with = "from_seq")]
    since: Vec<PathBuf>,
    /// Print a line for each record instead of one for each range
    #[arg(long, conflicts_with = "output")]
    per_record: bool,
    /// What to print
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Segments that are verified at a time, each in some 13 MiB [default: one a core, up to 3]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Output {
    /// Sentences and lines for people
    Text,
    /// One JSON object, schema lucarne.audit/1
    Json,
    /// SARIF 2.1.0, one result a finding
    Sarif,
    /// JUnit XML, one test case a range
    Junit,
}

/// More workers than this wait for each other's turns.
const JOBS_MAX: usize = 16;
/// As many segments as fit into 64 MiB together with everything else.
const JOBS_UNASKED_MAX: usize = 3;

/// Runs the command.
///
/// # Errors
/// When the command line or the policy is wrong, or something cannot be read.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let runtime = shutdown::runtime()?;
    let stop = runtime.block_on(async { shutdown::on_signal() })?;
    let mut out = BufWriter::new(std::io::stdout());
    let exit = run_to(args, &mut out, &|| *stop.borrow())?;
    out.flush()?;
    Ok(exit)
}

/// Runs the command with its result going to `out`, until `stop` says so.
///
/// # Errors
/// As for [`run`].
pub fn run_to(
    args: &Args,
    out: &mut (dyn Write + Send),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Exit, Failure> {
    let range = args.range()?;
    let mut wanted = args.wanted.clone();
    if range.is_some() {
        wanted.ledger.get_or_insert(LedgerKind::Audit);
    }
    let trust = Trust::read(&args.believe)?;
    let heads = since::read(&args.since)?;
    let source = part::open(&args.records_dir)?;
    let archive: Box<dyn Archive> = match &args.evidence_dir {
        Some(dir) => Box::new(part::WithEvidence::new(source.archive, dir.clone())),
        None => source.archive,
    };
    let mut catalogue = Catalogue::of(&*archive, &wanted)?;
    catalogue.expect(heads.keys(), &wanted);
    if let Some(range) = range {
        keep_fitting(&mut catalogue, range)?;
    }
    let mut judge = trust.judge(&*archive, &catalogue, &args.expect_measurement)?;
    judge.narrow(&wanted, range, source.above.is_some());
    judge.data_keys = args.keys.as_deref().map(erasures::read_keys).transpose()?;
    if let Some(min) = args.require_witnesses {
        judge.require_witnesses(min.get())?;
    }
    let plan =
        Plan { archive: &*archive, above: source.above.as_deref(), heads, jobs: args.jobs(), stop };
    let mut watch = Watch {
        valid: Valid::new(range),
        records: args.per_record.then(|| Records::new(out, range, &judge.policy)),
        progress: Progress::new(catalogue.file_count),
    };
    let report = plan.verify(&catalogue, &judge, &mut watch);
    let Watch { valid, progress, .. } = watch;
    drop(progress);
    let report = match report? {
        Verdict::Whole(report) => report,
        Verdict::Stopped { heads, findings } => return stopped(&heads, &findings, out),
    };
    let unread = erasures::notes(&*archive, &judge, &report)?;
    let notes = [judge.notes(), plan.notes(&report), unread].concat();
    let ignored = &catalogue.ignored;
    let outcome = Outcome { report: &report, valid: &valid, ignored, notes: &notes };
    args.print(&outcome, out)?;
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

    fn jobs(&self) -> NonZeroUsize {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let jobs = match self.jobs {
            Some(asked) => asked.get().min(JOBS_MAX),
            None => cores().min(JOBS_UNASKED_MAX),
        };
        NonZeroUsize::new(jobs).unwrap_or(NonZeroUsize::MIN)
    }

    fn print(&self, outcome: &Outcome<'_>, out: &mut dyn Write) -> Result<(), Failure> {
        match self.output {
            Output::Text if self.per_record => text::conclude(outcome, out),
            Output::Text => text::write(outcome, out),
            Output::Json => json::write(outcome, out),
            Output::Sarif => sarif::write(outcome, out),
            Output::Junit => junit::write(outcome, out),
        }
    }
}

/// Sequence numbers begin anew with each epoch: a range means one of them.
fn keep_fitting(catalogue: &mut Catalogue, range: SeqRange) -> Result<(), Failure> {
    let fits = |files: &Files| files.named.is_some_and(|named| named.meets(&range));
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

/// How an archive is gone through.
pub(super) struct Plan<'a> {
    /// What is read.
    pub(super) archive: &'a dyn Archive,
    /// The folders above, in a copy of a part.
    pub(super) above: Option<&'a str>,
    /// Where to go on in each ledger.
    pub(super) heads: Heads,
    /// Segments that are verified at a time.
    pub(super) jobs: NonZeroUsize,
    /// Whether somebody wants it to end.
    pub(super) stop: &'a (dyn Fn() -> bool + Sync),
}

/// How far an archive was gone through.
pub(super) enum Verdict {
    /// To its end.
    Whole(Report),
    /// Until somebody wanted it to end: where to go on, and what was found.
    Stopped { heads: Vec<Checkpoint>, findings: Vec<Finding> },
}

impl Plan<'_> {
    /// Verifies everything in the catalogue.
    ///
    /// # Errors
    /// When something cannot be read, or the watcher cannot write.
    pub(super) fn verify(
        &self,
        catalogue: &Catalogue,
        judge: &Judge,
        watcher: &mut dyn Watcher,
    ) -> Result<Verdict, Failure> {
        let mut audit = Audit::new(&judge.policy);
        let orders = erasures::read(self.archive, &judge.policy.withholding_keys)?;
        orders.findings.iter().for_each(|finding| audit.note(finding.clone()));
        let (mut done, mut keys) = (Vec::new(), json_objects::Keys::new());
        for ((instance, epoch), ledgers) in &catalogue.epochs {
            let believed = match judge.keys(self.archive, instance, *epoch)? {
                Ok(believed) => believed,
                Err(cause) => {
                    let sealed = ledgers.values().any(|files| files.first_sealed.is_some());
                    if matches!(cause, Cause::EvidenceAbsent { .. }) && !sealed {
                        audit.trace(instance, *epoch, cause);
                    } else {
                        let subject = Subject::Epoch { instance: instance.clone(), epoch: *epoch };
                        audit.note(finding(subject, None, cause));
                    }
                    continue;
                }
            };
            audit.epoch(instance, *epoch);
            if let Some(sha256) = believed.evidence_sha256 {
                audit.evidence(instance, *epoch, sha256);
            }
            keys.insert((instance.clone(), *epoch), believed.keys.statement.key.clone());
            for (kind, files) in ledgers {
                let mut ledger = audit.ledger(*kind, &believed.keys);
                if let Some(attested_ms) = believed.attested_ms {
                    ledger.attested_at(attested_ms);
                }
                ledger.erasures(&orders.accepted);
                if judge.data_keys.is_some() {
                    ledger.data_keys_given(&orders.refused);
                }
                let mut reading = self.reading(ledger.id(), files, believed.checkpoints);
                reading.stamp_roots = judge.stamp_roots();
                reading.data_keys = judge.data_keys.as_ref();
                let whole = reading.feed(files, &mut ledger, watcher)?;
                let (size, root) = ledger.head();
                let origin = checkpoint::origin(&judge.policy.log_prefix, ledger.id());
                done.extend((size > 0).then_some(Checkpoint { origin, size, root }));
                if !whole {
                    let findings = [audit.findings(), ledger.findings()].concat();
                    return Ok(Verdict::Stopped { heads: done, findings });
                }
                audit.add(ledger);
            }
        }
        for path in &catalogue.malformed {
            audit.note(finding(Subject::Archive, Some(path.clone()), Cause::NameMalformed));
        }
        json_objects::judge(self.archive, &keys, &mut audit)?;
        let alone = |place: &&(Instance, EpochId)| !catalogue.epochs.contains_key(*place);
        for (instance, epoch) in catalogue.in_json.iter().filter(alone) {
            let detail = "only batches in JSON speak of it".to_owned();
            audit.trace(instance, *epoch, Cause::EvidenceAbsent { detail });
        }
        self.compare_register(judge, &mut audit)?;
        Ok(Verdict::Whole(audit.finish()))
    }

    fn compare_register(&self, judge: &Judge, audit: &mut Audit<'_>) -> Result<(), Failure> {
        let Some(policy) = judge.register() else { return Ok(()) };
        let log = register_log::read(self.archive, policy)?;
        // A part of an archive may well come without it.
        let elsewhere = log.faults == [RegisterFault::Absent] && judge.policy.scope == Scope::Part;
        if !elsewhere {
            audit.register(&log);
        }
        Ok(())
    }

    fn reading(&self, id: &LedgerId, files: &Files, checkpoints: bool) -> Reading<'_> {
        let extent = match (self.heads.get(id), self.above) {
            (Some(head), _) => since::after(head),
            (None, Some(_)) => {
                let from = files.first_sealed.unwrap_or_default();
                Extent { from, root: None, open_ended: true }
            }
            (None, None) => Extent::WHOLE,
        };
        let (jobs, stop) = (self.jobs, self.stop);
        let days_known = self.above.is_none();
        let archive = self.archive;
        let (stamp_roots, data_keys) = (&[], None);
        Reading { archive, extent, days_known, checkpoints, stamp_roots, data_keys, jobs, stop }
    }

    /// What was not looked at.
    fn notes(&self, report: &Report) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(above) = self.above {
            let above = above.trim_end_matches('/');
            notes.push(format!(
                "this is a copy of a part, taken for {above}; what lies before or behind it is \
                 not here and not missed"
            ));
        }
        for ledger in report.ledgers.iter().filter(|ledger| ledger.from > 0) {
            let (id, from) = (&ledger.id, ledger.from);
            notes.push(if self.heads.contains_key(id) {
                format!(
                    "the first {} of {id} were not verified again: the checkpoint given is \
                     believed for them",
                    text::records(from)
                )
            } else {
                format!("nothing is known of the first {} of {id}", text::records(from))
            });
        }
        notes
    }
}

/// Prints where to go on, and what was found until then.
fn stopped(
    heads: &[Checkpoint],
    findings: &[Finding],
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    write!(out, "{}", since::text(heads))?;
    out.flush()?;
    let tampered = findings.iter().any(|finding| finding.severity() == Severity::Tamper);
    let exit = if tampered { Exit::No } else { Exit::CouldNotTell };
    let records: u64 = heads.iter().map(|head| head.size).sum();
    let message = format!(
        "stopped after {} with {} findings; nothing is claimed for the rest",
        text::records(records),
        findings.len()
    );
    let mut failure = Failure::new(exit, message);
    for finding in findings.iter().take(FINDINGS_SHOWN_MAX) {
        let range = finding.range.map_or(String::new(), |range| format!(" seq {range}"));
        failure =
            failure.hint(format!("{}{range}: {} ({finding})", finding.subject, finding.kind()));
    }
    Err(failure.hint(if heads.is_empty() {
        "nothing was joined yet: start again"
    } else {
        "keep the checkpoints on standard output in a file and go on with --since FILE"
    }))
}

/// Findings that a stopped audit mentions; the whole list comes with a whole audit.
const FINDINGS_SHOWN_MAX: usize = 20;

pub(super) const fn finding(subject: Subject, file: Option<String>, cause: Cause) -> Finding {
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

#[cfg(test)]
pub(super) mod tests;
