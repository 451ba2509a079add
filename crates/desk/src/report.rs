//! The report of an incident: every field of the playbook's template, filled from recorded events.
//!
//! It reads the incident's entries and nothing else, so that the same log gives the same report and
//! its digest can be sealed. Texts of others are shown as texts: a label cannot become a heading,
//! a link or a script.

mod ocsf;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use self::text::utc;
use crate::decision::{Action, Decision, What};
use crate::digest::Digest;
use crate::event::{Entry, Event, Fact, Input};
use crate::incident::{FollowUp, IncidentId, Phase, Review, Severity};
use crate::policy::{Response, Verdict};
use crate::scrub::Scrubbed;
use crate::signal::{Kind, Misses, Risk};

/// Lines of one report before repeats are left out: a busy incident has hundreds.
const LINES_MAX: usize = 10_000;

/// The report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The incident.
    pub incident: String,
    /// Of the newest entry, milliseconds since 1970; the file is named by it.
    pub made_ms: u64,
    /// What it is about.
    pub kind: Option<Kind>,
    /// How bad it is.
    pub severity: Option<Severity>,
    /// Where it stands.
    pub phase: Phase,
    /// The verdict that stands, with the row that said so.
    pub verdict: Option<String>,
    /// Labels of the first signal.
    pub labels: BTreeMap<String, Scrubbed>,
    /// The capsule, if it is about one.
    pub capsule: Option<Scrubbed>,
    /// The tenant, if it is about one.
    pub tenant: Option<Scrubbed>,
    /// The risk that was decided about.
    pub risk: Option<String>,
    /// The missed beats that were decided about.
    pub misses: Option<String>,
    /// When it was detected.
    pub detected_ms: Option<u64>,
    /// When a rollback was first issued.
    pub rollback_ms: Option<u64>,
    /// When it was resolved by its checks.
    pub recovered_ms: Option<u64>,
    /// Root cause and lessons.
    pub review: Option<Review>,
    /// What is left to do.
    pub follow_ups: Vec<FollowUp>,
    /// The sealed bundle.
    pub evidence: Option<Digest>,
    /// Everything, in order, but for repeats beyond the first thousands of lines.
    pub timeline: Vec<Line>,
    /// Lines that are left out: signals that said again what was known.
    #[serde(skip_serializing_if = "is_none")]
    pub repeats: u64,
}

/// One line of the timeline.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Line {
    /// The number of the entry.
    pub seq: u64,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// Who.
    pub by: String,
    /// The entry it follows from.
    pub cause: Option<u64>,
    /// What.
    pub text: String,
}

/// A report that is being made, page by page.
#[derive(Debug)]
pub struct Reading {
    report: Report,
    // the last input with what followed from it: more of it may be on the next page
    held: Vec<Entry>,
}

impl Reading {
    /// The report of an incident of which nothing is known.
    pub fn of(incident: IncidentId) -> Self {
        let report = Report {
            incident: incident.to_string(),
            made_ms: 0,
            kind: None,
            severity: None,
            phase: Phase::Detected,
            verdict: None,
            labels: BTreeMap::new(),
            capsule: None,
            tenant: None,
            risk: None,
            misses: None,
            detected_ms: None,
            rollback_ms: None,
            recovered_ms: None,
            review: None,
            follow_ups: Vec::new(),
            evidence: None,
            timeline: Vec::new(),
            repeats: 0,
        };
        Self { report, held: Vec::new() }
    }

    /// Takes the next entries in.
    pub fn take(&mut self, page: Vec<Entry>) {
        self.held.extend(page);
        let of = |entry: &Entry| entry.cause.unwrap_or(entry.seq);
        let last = self.held.last().map(of);
        let whole = self.held.iter().rposition(|entry| Some(of(entry)) != last);
        let rest = self.held.split_off(whole.map_or(0, |at| at + 1));
        let whole = std::mem::replace(&mut self.held, rest);
        self.report.follow(&whole);
    }

    /// The report; none of an incident without entries.
    pub fn end(mut self) -> Option<Report> {
        self.report.follow(&self.held);
        (!self.report.timeline.is_empty()).then_some(self.report)
    }
}

impl Report {
    fn follow(&mut self, entries: &[Entry]) {
        let again = repeated(entries);
        for entry in entries {
            self.see(entry);
            self.made_ms = entry.at.wall_ms;
            if self.timeline.len() >= LINES_MAX && is_repeat(entry, &again) {
                self.repeats += 1;
                continue;
            }
            self.timeline.push(Line {
                seq: entry.seq,
                at_ms: entry.at.wall_ms,
                by: entry.actor.to_string(),
                cause: entry.cause,
                text: text::tell(&entry.event),
            });
        }
    }

    fn see(&mut self, entry: &Entry) {
        let at_ms = entry.at.wall_ms;
        match &entry.event {
            Event::Input(Input::Reviewed { review, follow_ups, .. }) => {
                self.review = Some(review.clone());
                self.follow_ups.clone_from(follow_ups);
            }
            Event::Input(Input::Sealed { bundle, .. }) => self.evidence = Some(*bundle),
            Event::Input(_) => {}
            Event::Fact(Fact::Opened { kind, severity, labels, .. }) => {
                let label = |names: [&str; 3]| names.iter().find_map(|name| labels.get(*name));
                self.kind = Some(*kind);
                self.severity = Some(*severity);
                self.detected_ms = Some(at_ms);
                self.capsule = label(["capsule_hash", "capsuleHash", "capsule"]).cloned();
                self.tenant = label(["tenant_id", "tenantHash", "tenant"]).cloned();
                self.labels.clone_from(labels);
            }
            Event::Fact(Fact::Rose { to, .. } | Fact::Fell { to, .. }) => self.severity = Some(*to),
            Event::Fact(Fact::Moved { to, .. }) => {
                self.phase = *to;
                if *to == Phase::Resolved {
                    self.recovered_ms = Some(at_ms);
                }
            }
            Event::Fact(Fact::Decided(decision)) => self.decided(decision),
            Event::Fact(Fact::Issued(action)) if rolls_back(action) => {
                self.rollback_ms = self.rollback_ms.or(Some(at_ms));
            }
            Event::Fact(_) => {}
        }
    }

    fn decided(&mut self, decision: &Decision) {
        if says_nothing(decision) {
            return;
        }
        let rule = decision.rule.as_ref().map_or("none", |rule| rule.as_str());
        self.verdict = Some(format!("{} ({rule})", decision.verdict));
        if decision.inputs.kind.is_scored() {
            self.risk = Some(match decision.inputs.risk {
                Risk::Known(risk) => risk.to_string(),
                Risk::Unknown(why) => format!("unknown: {why}"),
            });
            self.misses = Some(match decision.inputs.misses {
                Misses::Known(count) => count.to_string(),
                Misses::Unknown(why) => format!("unknown: {why}"),
            });
        }
    }

    /// `incident-report-YYYYMMDD-HHMMSS.md`, by the newest entry in UTC.
    pub fn file_name(&self) -> String {
        let [year, month, day, hour, minute, second] = text::civil(self.made_ms);
        format!("incident-report-{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}.md")
    }

    /// SHA-256 of the report as JSON: what is sealed.
    pub fn digest(&self) -> Digest {
        Digest::of(&serde_json::to_vec(self).unwrap_or_default())
    }
}

// Inputs whose signal was found to say nothing new, by their numbers.
fn repeated(entries: &[Entry]) -> BTreeSet<u64> {
    let repeat = |entry: &Entry| match &entry.event {
        Event::Fact(Fact::Decided(decision)) if says_nothing(decision) => entry.cause,
        _ => None,
    };
    entries.iter().filter_map(repeat).collect()
}

// The signal, that it was attached, and that it says nothing; whatever else followed is news.
fn is_repeat(entry: &Entry, again: &BTreeSet<u64>) -> bool {
    let of_signal = match &entry.event {
        Event::Input(Input::Signal(_)) | Event::Fact(Fact::Attached { .. }) => true,
        Event::Fact(Fact::Decided(decision)) => says_nothing(decision),
        _ => false,
    };
    of_signal && again.contains(&entry.cause.unwrap_or(entry.seq))
}

// What only repeats the verdict that stands says nothing new about it.
const fn says_nothing(decision: &Decision) -> bool {
    matches!(decision.verdict, Verdict::Duplicate | Verdict::Ignored | Verdict::Resolved)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

fn rolls_back(action: &Action) -> bool {
    match &action.what {
        What::Respond(response) => *response == Response::Rollback,
        What::Execute { action, .. } => action.name == "rollback",
        What::Tell(_) => false,
    }
}
