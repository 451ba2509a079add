//! The outcome of `audit verify`: all that its reports tell, in whatever form.

use lucarne_ledger::audit::finding::{Finding, FindingKind, Severity};
use lucarne_ledger::audit::report::Report;

use super::text::{Valid, records};

/// What was found, and what was not looked at.
pub(super) struct Outcome<'a> {
    /// The auditor's report.
    pub(super) report: &'a Report,
    /// The runs of records that verified.
    pub(super) valid: &'a Valid,
    /// Files that do not concern the archive.
    pub(super) ignored: &'a [String],
    /// What the reader must know: keys taken on trust, parts not looked at.
    pub(super) notes: &'a [String],
}

/// One sentence for people, and one on what cannot be known where records are gone.
pub(super) fn sentence(report: &Report) -> String {
    let worst = report.findings.iter().map(Finding::severity).max().unwrap_or(Severity::Ok);
    let of_worst = || report.findings.iter().filter(|finding| finding.severity() == worst);
    let more = match of_worst().count() {
        0 | 1 => String::new(),
        2 => "; one more finding of this gravity follows".to_owned(),
        count => format!("; {} more findings of this gravity follow", count - 1),
    };
    match (worst, of_worst().next()) {
        (Severity::Tamper, Some(finding)) => {
            format!("{}{more}.{}", tampered(finding), unknown(finding))
        }
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
    let (was, is) = number(finding);
    let of = finding.range.map_or(String::new(), |_| format!(" of {}", finding.subject));
    match finding.kind() {
        FindingKind::Missing | FindingKind::Truncated => {
            format!("{what}{of} {was} sealed inside the TEE and {is} absent from this archive")
        }
        kind => format!("Evidence of tampering: {kind}, {what}{of}: {finding}"),
    }
}

// That something was sealed is all that a commitment tells.
fn unknown(finding: &Finding) -> String {
    if !matches!(finding.kind(), FindingKind::Missing | FindingKind::Truncated) {
        return String::new();
    }
    let (they, them, were) = match number(finding) {
        ("were", _) => ("they", "them", "were"),
        _ => ("it", "it", "was"),
    };
    format!(
        " What {they} said cannot be known from here, nor who removed {them}, nor whether {they} \
         {were} removed from the archive or never reached it; what would settle it: {}.",
        finding.settle(),
    )
}

fn number(finding: &Finding) -> (&'static str, &'static str) {
    match finding.range {
        Some(range) if range.first != range.last => ("were", "are"),
        _ => ("was", "is"),
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
