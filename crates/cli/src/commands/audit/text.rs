//! The report of an audit as text: first one sentence for people, then lines, then what is claimed
//! and what is not.

use std::io::Write;

use lucarne_ledger::audit::cause::Cause;
use lucarne_ledger::audit::finding::{Finding, SeqRange, Severity};
use lucarne_ledger::audit::ledger::{LedgerAudit, Step};
use lucarne_ledger::audit::report::{LedgerSummary, Report};
use lucarne_ledger::audit::{FINDINGS_MAX, Policy, withholding_rule};
use lucarne_ledger::batch::Content;
use lucarne_ledger::identity::{LedgerId, LedgerKind};

use super::outcome::{Outcome, sentence};
use crate::failure::Failure;

/// Runs of records that verified, as long as nothing breaks them.
#[derive(Debug)]
pub(super) struct Valid {
    runs: Vec<(LedgerId, SeqRange)>,
    wanted: Option<SeqRange>,
}

impl Valid {
    pub(super) const fn new(wanted: Option<SeqRange>) -> Self {
        Self { runs: Vec::new(), wanted }
    }

    /// Adds a batch.
    pub(super) fn add(&mut self, id: &LedgerId, step: &Step<'_>) {
        let Some(batch) = &step.batch else { return };
        let statement = batch.statement();
        let Some(range) = SeqRange::before(statement.first, statement.size()) else { return };
        // As many breaks as a report lists.
        let room = self.runs.len() <= FINDINGS_MAX;
        match self.runs.last_mut().filter(|(run, _)| run == id) {
            Some((_, run)) if range.last <= run.last && range.first >= run.first => {}
            Some((_, run)) if step.joined && run.last.checked_add(1) == Some(range.first) => {
                run.last = range.last;
            }
            Some(_) | None if room => self.runs.push((id.clone(), range)),
            Some(_) | None => {}
        }
    }

    /// The runs of a ledger, without those records that a finding says are not there.
    pub(super) fn of(&self, id: &LedgerId, findings: &[Finding]) -> Vec<SeqRange> {
        let holes: Vec<SeqRange> = findings
            .iter()
            .filter(|f| matches!(f.cause, Cause::HoleUnauthorised { .. }))
            .filter(|f| f.subject.kind() == Some(id.kind) && f.subject.epoch() == Some(id.epoch))
            .filter_map(|finding| finding.range)
            .collect();
        let mut left = Vec::new();
        for (_, run) in self.runs.iter().filter(|(run, _)| run == id) {
            let Some(run) = clamp(*run, self.wanted) else { continue };
            let mut first = run.first;
            for hole in holes.iter().filter(|hole| hole.meets(&run)) {
                left.extend(SeqRange::before(first, hole.first));
                first = hole.last.saturating_add(1);
            }
            left.extend(SeqRange::before(first, run.last.saturating_add(1)));
        }
        left
    }
}

fn clamp(range: SeqRange, wanted: Option<SeqRange>) -> Option<SeqRange> {
    let Some(wanted) = wanted else { return Some(range) };
    range.meets(&wanted).then(|| SeqRange {
        first: range.first.max(wanted.first),
        last: range.last.min(wanted.last),
    })
}

/// Prints a line a record while the archive is read.
pub(super) struct Records<'o> {
    out: &'o mut (dyn Write + Send),
    wanted: Option<SeqRange>,
    policy: Policy,
    ledger: Option<LedgerId>,
    told: usize,
    last: Option<u64>,
}

/// Longer ranges of missing records are one line.
const SINGLE_LINES_MAX: u64 = 1_000;

impl<'o> Records<'o> {
    pub(super) fn new(
        out: &'o mut (dyn Write + Send),
        wanted: Option<SeqRange>,
        policy: &Policy,
    ) -> Self {
        Self { out, wanted, policy: policy.clone(), ledger: None, told: 0, last: None }
    }

    /// Prints what the batch settled, then its records.
    pub(super) fn batch(
        &mut self,
        ledger: &LedgerAudit<'_>,
        step: &Step<'_>,
    ) -> Result<(), Failure> {
        if self.ledger.as_ref() != Some(ledger.id()) {
            writeln!(self.out, "{}", ledger.id())?;
            (self.ledger, self.told, self.last) = (Some(ledger.id().clone()), 0, None);
        }
        let news = ledger.findings().get(self.told..).unwrap_or_default();
        self.told = ledger.findings().len();
        for finding in news.iter().filter(|f| !matches!(f.cause, Cause::HoleUnauthorised { .. })) {
            self.finding(finding)?;
        }
        let Some(batch) = &step.batch else { return Ok(()) };
        let statement = batch.statement();
        for (seq, record) in (statement.first..).zip(batch.records()) {
            let at = SeqRange { first: seq, last: seq };
            if clamp(at, self.wanted).is_none() {
                continue;
            }
            if let Content::Withheld { authorisation } = record.content {
                let (id, commitment) = (&statement.ledger, record.commitment);
                match withholding_rule(id, seq, commitment, authorisation, &self.policy) {
                    Some(rule) => writeln!(self.out, "seq {seq}: WITHHELD (by the rule `{rule}`)")?,
                    None => writeln!(
                        self.out,
                        "seq {seq}: MISSING (left out without an accepted authorisation)"
                    )?,
                }
            } else {
                let broken = seq == statement.first && !step.joined;
                let link = self.link(seq, broken, statement.ledger.kind);
                let unread = match record.content {
                    Content::Encrypted => "; payload encrypted and not read",
                    Content::Present { .. } | Content::Withheld { .. } => "",
                };
                writeln!(self.out, "seq {seq}: VALID (signature ok, {link}{unread})")?;
            }
            self.last = Some(seq);
        }
        Ok(())
    }

    fn link(&self, seq: u64, broken: bool, kind: LedgerKind) -> String {
        let (good, what) = match kind {
            LedgerKind::Audit => ("hash chain ok", "previous hash does not match"),
            LedgerKind::Telemetry => ("root ok", "root does not follow on"),
        };
        match self.last {
            Some(last) if broken => format!("{what} seq {last}"),
            None if broken => format!("{what} anything before it"),
            None if seq > 0 => "nothing before it was looked at".to_owned(),
            _ => good.to_owned(),
        }
    }

    fn finding(&mut self, finding: &Finding) -> Result<(), Failure> {
        let Some(range) = finding.range.and_then(|range| clamp(range, self.wanted)) else {
            return Ok(());
        };
        let kind = finding.kind();
        if range.count() > SINGLE_LINES_MAX {
            writeln!(self.out, "seq {range}: {kind} ({finding})")?;
            return Ok(());
        }
        for seq in range.first..=range.last {
            writeln!(self.out, "seq {seq}: {kind} ({finding})")?;
        }
        Ok(())
    }
}

/// Everything, with a line a range.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(outcome: &Outcome<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    let report = outcome.report;
    writeln!(out, "{}\n", sentence(report))?;
    for ledger in &report.ledgers {
        write_ledger(ledger, report, outcome.valid, out)?;
    }
    let known = |finding: &&Finding| report.ledgers.iter().any(|ledger| is_of(finding, ledger));
    for finding in report.findings.iter().filter(|finding| !known(finding)) {
        write_finding(finding, out)?;
    }
    write_claims(outcome, out)
}

/// What follows after a line a record.
///
/// # Errors
/// When it cannot be written.
pub(super) fn conclude(outcome: &Outcome<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "CONCLUSION: {}\n", sentence(outcome.report))?;
    for finding in &outcome.report.findings {
        write_finding(finding, out)?;
    }
    write_claims(outcome, out)
}

fn is_of(finding: &Finding, ledger: &LedgerSummary) -> bool {
    finding.subject == lucarne_ledger::audit::finding::Subject::Ledger(ledger.id.clone())
}

fn write_ledger(
    ledger: &LedgerSummary,
    report: &Report,
    valid: &Valid,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let insecure = if ledger.insecure { " (INSECURE root)" } else { "" };
    writeln!(out, "{}{insecure}", ledger.id)?;
    let link = match ledger.id.kind {
        LedgerKind::Audit => "hash chain ok",
        LedgerKind::Telemetry => "roots ok",
    };
    let runs = valid.of(&ledger.id, &report.findings).into_iter().map(|run| (run, None));
    let own = report.findings.iter().filter(|finding| is_of(finding, ledger));
    let found = own.clone().filter_map(|finding| Some((finding.range?, Some(finding))));
    let mut lines: Vec<_> = runs.chain(found).collect();
    lines.sort_by_key(|(range, _)| (range.first, range.last));
    for (range, finding) in lines {
        match finding {
            None => {
                let count = records(range.count());
                writeln!(out, "seq {range}: VALID ({count}, signatures ok, {link})")?;
            }
            Some(finding) => write_finding(finding, out)?,
        }
    }
    for finding in own.filter(|finding| finding.range.is_none()) {
        write_finding(finding, out)?;
    }
    writeln!(out)?;
    Ok(())
}

pub(super) fn write_finding(finding: &Finding, out: &mut dyn Write) -> Result<(), Failure> {
    let kind = finding.kind();
    match finding.range {
        Some(range) => writeln!(out, "seq {range}: {kind} ({finding})")?,
        None => writeln!(out, "{}: {kind} ({finding})", finding.subject)?,
    }
    if finding.kind().severity() == Severity::Ok {
        return Ok(());
    }
    if finding.range.is_some() {
        writeln!(out, "    where: {}", finding.subject)?;
    }
    if let Some(file) = &finding.file {
        writeln!(out, "    file: {file}")?;
    }
    if let Some(hash) = finding.expected() {
        writeln!(out, "    expected: {hash}")?;
    }
    if let Some(hash) = finding.found() {
        writeln!(out, "    found: {hash}")?;
    }
    if let Some(likely) = finding.likely() {
        writeln!(out, "    likely: {likely}")?;
    }
    match &finding.accepted {
        Some(explanation) => writeln!(out, "    accepted by the policy: {explanation}")?,
        None => writeln!(out, "    would settle it: {}", finding.settle())?,
    }
    Ok(())
}

/// `1 record`, `2 records`.
pub(super) fn records(count: u64) -> String {
    if count == 1 { "1 record".to_owned() } else { format!("{count} records") }
}

fn write_claims(outcome: &Outcome<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    for ledger in &outcome.report.ledgers {
        let end = if ledger.closed { "closed" } else { "without an end" };
        let (id, size, anchored) = (&ledger.id, ledger.size, ledger.anchored);
        writeln!(out, "{id}: size {size}, {end}, covered by a checkpoint up to {anchored}")?;
        for (rule, count) in &ledger.erased {
            writeln!(out, "    erased by the order `{rule}`: {}", records(*count))?;
        }
        for (rule, count) in &ledger.withheld {
            writeln!(out, "    withheld by the rule `{rule}`: {}", records(*count))?;
        }
    }
    for path in outcome.ignored {
        writeln!(out, "ignored: {path}")?;
    }
    for note in outcome.notes {
        writeln!(out, "note: {note}")?;
    }
    writeln!(out, "\n{CLAIMED}")?;
    if outcome.report.ledgers.iter().any(|ledger| ledger.insecure) {
        writeln!(out, "{INSECURE}")?;
    }
    Ok(())
}

const CLAIMED: &str = "\
Claimed: records called VALID are, byte for byte and in this order, what the attested code sealed.
Not claimed: that the workload told the truth; that times are right, for they come from the host;
that no whole epoch is missing, but for those that a register in the policy names.";

const INSECURE: &str = "\
INSECURE: what vouches for the keys protects nothing. Whoever had them could have sealed this.";
