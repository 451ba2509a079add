//! The report of an audit as text: first one sentence for people, then lines, then what is claimed
//! and what is not.

use std::io::Write;

use lucarne_ledger::audit::cause::Cause;
use lucarne_ledger::audit::finding::{Finding, FindingKind, SeqRange, Severity};
use lucarne_ledger::audit::ledger::{LedgerAudit, Step};
use lucarne_ledger::audit::report::{LedgerSummary, Report};
use lucarne_ledger::audit::{FINDINGS_MAX, Policy, withholding_rule};
use lucarne_ledger::batch::Content;
use lucarne_ledger::identity::{LedgerId, LedgerKind};

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
    out: &'o mut dyn Write,
    wanted: Option<SeqRange>,
    policy: Policy,
    ledger: Option<LedgerId>,
    told: usize,
    last: Option<u64>,
}

/// Longer ranges of missing records are one line.
const SINGLE_LINES_MAX: u64 = 1_000;

impl<'o> Records<'o> {
    pub(super) fn new(out: &'o mut dyn Write, wanted: Option<SeqRange>, policy: &Policy) -> Self {
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
                let link = self.link(seq == statement.first && !step.joined, statement.ledger.kind);
                writeln!(self.out, "seq {seq}: VALID (signature ok, {link})")?;
            }
            self.last = Some(seq);
        }
        Ok(())
    }

    fn link(&self, broken: bool, kind: LedgerKind) -> String {
        let (good, what) = match kind {
            LedgerKind::Audit => ("hash chain ok", "previous hash does not match"),
            LedgerKind::Telemetry => ("root ok", "root does not follow on"),
        };
        match self.last {
            Some(last) if broken => format!("{what} seq {last}"),
            None if broken => format!("{what} anything before it"),
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
pub(super) fn write(
    report: &Report,
    valid: &Valid,
    ignored: &[std::path::PathBuf],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    writeln!(out, "{}\n", sentence(report))?;
    for ledger in &report.ledgers {
        write_ledger(ledger, report, valid, out)?;
    }
    let known = |finding: &&Finding| report.ledgers.iter().any(|ledger| is_of(finding, ledger));
    for finding in report.findings.iter().filter(|finding| !known(finding)) {
        write_finding(finding, out)?;
    }
    write_claims(report, ignored, out)
}

/// What follows after a line a record.
///
/// # Errors
/// When it cannot be written.
pub(super) fn conclude(
    report: &Report,
    ignored: &[std::path::PathBuf],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    writeln!(out, "CONCLUSION: {}\n", sentence(report))?;
    for finding in &report.findings {
        write_finding(finding, out)?;
    }
    write_claims(report, ignored, out)
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

fn write_finding(finding: &Finding, out: &mut dyn Write) -> Result<(), Failure> {
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

/// One sentence for people.
pub(super) fn sentence(report: &Report) -> String {
    let worst = report.findings.iter().map(Finding::severity).max().unwrap_or(Severity::Ok);
    let of_worst = || report.findings.iter().filter(|finding| finding.severity() == worst);
    let more = match of_worst().count() {
        0 | 1 => String::new(),
        2 => "; one more finding of this gravity follows".to_owned(),
        count => format!("; {} more findings of this gravity follow", count - 1),
    };
    match (worst, of_worst().next()) {
        (Severity::Tamper, Some(finding)) => format!("{}{more}.", tampered(finding)),
        (Severity::Incomplete, Some(finding)) => {
            let place = place(finding);
            format!("This archive cannot be called whole: {place}{finding}{more}.")
        }
        _ => verified(report),
    }
}

fn tampered(finding: &Finding) -> String {
    let what = match finding.range {
        Some(range) if range.first == range.last => format!("record {range}"),
        Some(range) => format!("records {range}"),
        None => finding.subject.to_string(),
    };
    let (was, is) = match finding.range {
        Some(range) if range.first != range.last => ("were", "are"),
        _ => ("was", "is"),
    };
    let of = finding.range.map_or(String::new(), |_| format!(" of {}", finding.subject));
    match finding.kind() {
        FindingKind::Missing | FindingKind::Truncated => {
            format!("{what}{of} {was} sealed inside the TEE and {is} absent from this archive")
        }
        kind => format!("Evidence of tampering: {kind}, {what}{of}: {finding}"),
    }
}

fn place(finding: &Finding) -> String {
    match (finding.range, &finding.file) {
        (Some(range), _) => format!("records {range} of {}: ", finding.subject),
        (None, Some(file)) => format!("{file}: "),
        (None, None) => format!("{}: ", finding.subject),
    }
}

fn verified(report: &Report) -> String {
    let count: u64 = report.ledgers.iter().map(|ledger| ledger.verified).sum();
    let ledgers = match report.ledgers.len() {
        1 => "one ledger".to_owned(),
        count => format!("{count} ledgers"),
    };
    if report.ledgers.iter().any(|ledger| ledger.insecure) {
        format!(
            "Verified, but only under a root that the policy names insecure: {} of {ledgers} are \
             as they were sealed, by something that protects nothing.",
            records(count)
        )
    } else {
        format!(
            "Verified: {} of {ledgers} are as they were sealed, up to the last accepted anchor.",
            records(count)
        )
    }
}

fn records(count: u64) -> String {
    if count == 1 { "1 record".to_owned() } else { format!("{count} records") }
}

fn write_claims(
    report: &Report,
    ignored: &[std::path::PathBuf],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    for ledger in &report.ledgers {
        let end = if ledger.closed { "closed" } else { "without an end" };
        let (id, size, anchored) = (&ledger.id, ledger.size, ledger.anchored);
        writeln!(out, "{id}: size {size}, {end}, covered by a checkpoint up to {anchored}")?;
        for (rule, count) in &ledger.withheld {
            writeln!(out, "    withheld by the rule `{rule}`: {}", records(*count))?;
        }
    }
    for path in ignored {
        writeln!(out, "ignored: {}", path.display())?;
    }
    writeln!(out, "\n{CLAIMED}")?;
    if report.ledgers.iter().any(|ledger| ledger.insecure) {
        writeln!(out, "{INSECURE}")?;
    }
    Ok(())
}

const CLAIMED: &str = "\
Claimed: records called VALID are, byte for byte and in this order, what the attested code sealed.
Not claimed: that the workload told the truth; that times are right, for they come from the host;
that no whole epoch is missing, for no register of epochs was given.";

const INSECURE: &str = "\
INSECURE: what vouches for the keys protects nothing. Whoever had them could have sealed this.";
