//! The report of an audit as JUnit XML, for build servers: one suite a ledger, one case a range.
//!
//! Tampering is a failure, what could not be told is an error, so a build that fails on either
//! never takes an archive for whole that is not. A report without any case has an error of its own.

use std::fmt;
use std::io::Write;

use lucarne_ledger::audit::finding::{Finding, Severity, Subject};
use lucarne_ledger::audit::report::LedgerSummary;

use super::outcome::{Outcome, sentence};
use crate::failure::Failure;

/// Writes the report.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(outcome: &Outcome<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    let suites = suites(outcome);
    let count = |verdict: fn(&Case<'_>) -> bool| -> usize {
        suites.iter().flat_map(|suite| &suite.cases).filter(|case| verdict(case)).count()
    };
    let (tests, failures, errors) =
        (count(|_| true), count(|case| case.failed()), count(|case| case.unsure()));
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        out,
        "<testsuites name=\"lucarne audit\" tests=\"{tests}\" failures=\"{failures}\" \
         errors=\"{errors}\">"
    )?;
    for suite in &suites {
        suite.write(out)?;
    }
    writeln!(out, "</testsuites>")?;
    Ok(())
}

struct Suite<'a> {
    name: String,
    cases: Vec<Case<'a>>,
    said: Vec<String>,
}

/// A range that verified, or a finding.
enum Case<'a> {
    Valid(String),
    Found(&'a Finding),
    Nothing(String),
}

fn suites<'a>(outcome: &Outcome<'a>) -> Vec<Suite<'a>> {
    let report = outcome.report;
    let mut suites: Vec<Suite<'_>> =
        report.ledgers.iter().map(|ledger| of_ledger(outcome, ledger)).collect();
    let named: Vec<&LedgerSummary> = report.ledgers.iter().collect();
    let elsewhere = |finding: &&Finding| {
        !named.iter().any(|ledger| finding.subject == Subject::Ledger(ledger.id.clone()))
    };
    let mut cases: Vec<Case<'_>> =
        report.findings.iter().filter(elsewhere).map(Case::Found).collect();
    if cases.is_empty() && suites.iter().all(|suite| suite.cases.is_empty()) {
        cases.push(Case::Nothing(sentence(report)));
    }
    let said = outcome.notes.iter().map(|note| format!("note: {note}"));
    let said = std::iter::once(sentence(report)).chain(said).collect();
    suites.insert(0, Suite { name: "archive".to_owned(), cases, said });
    suites
}

fn of_ledger<'a>(outcome: &Outcome<'a>, ledger: &LedgerSummary) -> Suite<'a> {
    let subject = Subject::Ledger(ledger.id.clone());
    let findings = &outcome.report.findings;
    let valid = outcome.valid.of(&ledger.id, findings).into_iter();
    let valid = valid.map(|range| Case::Valid(format!("seq {range}")));
    let found = findings.iter().filter(|finding| finding.subject == subject).map(Case::Found);
    Suite { name: ledger.id.to_string(), cases: valid.chain(found).collect(), said: Vec::new() }
}

impl Suite<'_> {
    fn write(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let count =
            |verdict: fn(&Case<'_>) -> bool| self.cases.iter().filter(|c| verdict(c)).count();
        writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\">",
            Escaped(&self.name),
            self.cases.len(),
            count(|case| case.failed()),
            count(|case| case.unsure())
        )?;
        for case in &self.cases {
            case.write(&self.name, out)?;
        }
        if !self.said.is_empty() {
            writeln!(out, "    <system-out>{}</system-out>", Escaped(&self.said.join("\n")))?;
        }
        writeln!(out, "  </testsuite>")?;
        Ok(())
    }
}

impl Case<'_> {
    fn failed(&self) -> bool {
        matches!(self, Self::Found(finding) if finding.severity() == Severity::Tamper)
    }

    fn unsure(&self) -> bool {
        match self {
            Self::Found(finding) => finding.severity() == Severity::Incomplete,
            Self::Nothing(_) => true,
            Self::Valid(_) => false,
        }
    }

    fn write(&self, suite: &str, out: &mut dyn Write) -> Result<(), Failure> {
        let (name, class) = (self.name(), Escaped(suite));
        let head = format!("    <testcase name=\"{}\" classname=\"{class}\"", Escaped(&name));
        let element = match self {
            _ if self.failed() => "failure",
            _ if self.unsure() => "error",
            _ => {
                writeln!(out, "{head}/>")?;
                return Ok(());
            }
        };
        let (kind, message, text) = match self {
            Self::Found(finding) => (finding.kind().as_str(), finding.to_string(), long(finding)),
            Self::Nothing(text) | Self::Valid(text) => ("INCOMPLETE", text.clone(), String::new()),
        };
        writeln!(
            out,
            "{head}>\n      <{element} type=\"{kind}\" message=\"{}\">{}</{element}>\n    \
             </testcase>",
            Escaped(&message),
            Escaped(&text)
        )?;
        Ok(())
    }

    fn name(&self) -> String {
        match self {
            Self::Valid(range) => range.clone(),
            Self::Nothing(_) => "something to verify".to_owned(),
            Self::Found(finding) => match (finding.range, &finding.file) {
                (Some(range), _) => format!("seq {range}: {}", finding.kind()),
                (None, Some(file)) => format!("{file}: {}", finding.kind()),
                (None, None) => format!("{}: {}", finding.subject, finding.kind()),
            },
        }
    }
}

fn long(finding: &Finding) -> String {
    let mut lines = vec![format!("where: {}", finding.subject)];
    lines.extend(finding.file.as_ref().map(|file| format!("file: {file}")));
    lines.extend(finding.expected().map(|hash| format!("expected: {hash}")));
    lines.extend(finding.found().map(|hash| format!("found: {hash}")));
    lines.extend(finding.likely().map(|likely| format!("likely: {likely}")));
    lines.push(format!("would settle it: {}", finding.settle()));
    lines.join("\n")
}

/// Text in XML 1.0. What XML cannot hold (§2.2) becomes a replacement character.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\n' | '\t' => fmt::Write::write_char(f, c)?,
                '\u{fffe}' | '\u{ffff}' => f.write_str("\u{fffd}")?,
                c if c < ' ' => f.write_str("\u{fffd}")?,
                c => fmt::Write::write_char(f, c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Escaped;

    #[test]
    fn no_text_breaks_out_of_its_element() {
        let text = "a<b>&\"c\"\u{1}\n";
        assert_eq!(Escaped(text).to_string(), "a&lt;b&gt;&amp;&quot;c&quot;\u{fffd}\n");
    }
}
