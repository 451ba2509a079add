//! A report as Markdown and HTML, and an event as a line for people.

use std::fmt::Write as _;

use super::{Line, Report};
use crate::decision::What;
use crate::event::{Event, Fact, Input};
use crate::moment::{DAY_MS, MINUTE_MS, SECOND_MS};
use crate::runbook::run::{RunEvent, RunId};
use crate::scrub::Scrubbed;

impl Report {
    /// As Markdown, in the order of the playbook's template.
    pub fn markdown(&self) -> String {
        let mut out = String::from("# Incident Report\n\n");
        for (name, value) in self.head() {
            // Writing to a text cannot fail.
            writeln!(out, "**{name}:** {}  ", plain(&value)).ok();
        }
        out.push_str("\n## Timeline\n\n");
        for (what, at) in self.milestones() {
            writeln!(out, "- {}: {what}", at.map_or_else(|| "not yet".to_owned(), utc)).ok();
        }
        out.push_str("\n### Every entry\n\n");
        for line in &self.timeline {
            writeln!(out, "- {}", plain(&told(line))).ok();
        }
        if self.repeats > 0 {
            writeln!(out, "- {} lines of repeats are left out", self.repeats).ok();
        }
        let review = |text: Option<&str>| text.map_or_else(|| "Not written yet.".to_owned(), plain);
        let root = self.review.as_ref().map(|review| review.root_cause.as_str());
        let lessons = self.review.as_ref().map(|review| review.lessons.as_str());
        write!(out, "\n## Root Cause\n\n{}\n", review(root)).ok();
        write!(out, "\n## Lessons Learned\n\n{}\n", review(lessons)).ok();
        out.push_str("\n## Action Items\n\n");
        if self.follow_ups.is_empty() {
            out.push_str("None.\n");
        }
        for (task, whose) in self.tasks() {
            writeln!(out, "- [ ] {} ({})", plain(&task), plain(&whose)).ok();
        }
        out
    }

    /// As one HTML page without scripts, styles or links.
    pub fn html(&self) -> String {
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <title>{0}</title></head><body>\n<h1>Incident Report</h1>\n<table>\n",
            escape(&self.incident)
        );
        for (name, value) in self.head() {
            writeln!(out, "<tr><th>{name}</th><td>{}</td></tr>", escape(&value)).ok();
        }
        out.push_str("</table>\n<h2>Timeline</h2>\n<ul>\n");
        for (what, at) in self.milestones() {
            let at = at.map_or_else(|| "not yet".to_owned(), utc);
            writeln!(out, "<li>{at}: {what}</li>").ok();
        }
        out.push_str("</ul>\n<h3>Every entry</h3>\n<ol>\n");
        for line in &self.timeline {
            writeln!(out, "<li>{}</li>", escape(&told(line))).ok();
        }
        if self.repeats > 0 {
            writeln!(out, "<li>{} lines of repeats are left out</li>", self.repeats).ok();
        }
        let text = |text: Option<&str>| escape(text.unwrap_or("Not written yet."));
        let root = self.review.as_ref().map(|review| review.root_cause.as_str());
        let lessons = self.review.as_ref().map(|review| review.lessons.as_str());
        write!(
            out,
            "</ol>\n<h2>Root Cause</h2>\n<p>{}</p>\n<h2>Lessons Learned</h2>\n<p>{}</p>\n\
             <h2>Action Items</h2>\n<ul>\n",
            text(root),
            text(lessons)
        )
        .ok();
        for (task, whose) in self.tasks() {
            writeln!(out, "<li>{} ({})</li>", escape(&task), escape(&whose)).ok();
        }
        out.push_str("</ul>\n</body></html>\n");
        out
    }

    fn head(&self) -> Vec<(&'static str, String)> {
        let or = |text: Option<String>| text.unwrap_or_else(|| "not stated".to_owned());
        let scrubbed = |text: &Option<Scrubbed>| text.as_ref().map(|it| it.to_string());
        let labels: Vec<String> =
            self.labels.iter().map(|(name, text)| format!("{name}={text}")).collect();
        vec![
            ("Incident", self.incident.clone()),
            ("Date", utc(self.made_ms)),
            ("Kind", or(self.kind.map(|kind| kind.to_string()))),
            ("Severity", or(self.severity.map(|severity| severity.to_string()))),
            ("Standing", self.phase.to_string()),
            ("Verdict", or(self.verdict.clone())),
            ("Capsule Hash", or(scrubbed(&self.capsule))),
            ("Tenant ID", or(scrubbed(&self.tenant))),
            ("Risk Score", or(self.risk.clone())),
            ("Heartbeat Misses", or(self.misses.clone())),
            ("Labels", labels.join(", ")),
            ("Evidence Bundle", or(self.evidence.map(|digest| digest.to_string()))),
        ]
    }

    fn milestones(&self) -> [(&'static str, Option<u64>); 3] {
        [
            ("Incident detected", self.detected_ms),
            ("Rollback initiated", self.rollback_ms),
            ("Recovery completed", self.recovered_ms),
        ]
    }

    fn tasks(&self) -> Vec<(String, String)> {
        let tell = |task: &crate::incident::FollowUp| {
            let owner = task.owner.as_ref().map_or("nobody yet", |owner| owner.0.as_str());
            let due = task.due_ms.map_or_else(|| "no date".to_owned(), utc);
            (task.task.to_string(), format!("{owner}, {due}"))
        };
        self.follow_ups.iter().map(tell).collect()
    }
}

fn told(line: &Line) -> String {
    let cause = line.cause.map_or_else(String::new, |cause| format!(" from {cause}"));
    format!("{} entry {}{cause} by {}: {}", utc(line.at_ms), line.seq, line.by, line.text)
}

/// What happened, in a line.
pub(super) fn tell(event: &Event) -> String {
    match event {
        Event::Input(Input::Signal(signal)) => {
            format!("signal {} {}", signal.kind, signal.status)
        }
        Event::Input(Input::Note { text, .. }) => format!("note: {text}"),
        Event::Input(Input::Move { to, reason, .. }) => format!("asks for {to}: {reason}"),
        Event::Input(Input::Checked { check, outcome, .. }) => {
            format!("check {check}: {outcome:?}").to_lowercase()
        }
        Event::Input(Input::Request { action, reason, .. }) => {
            format!("asks for {}: {reason}", action.name)
        }
        Event::Fact(Fact::Decided(decision)) => {
            let rule = decision.rule.as_ref().map_or("none", |rule| rule.as_str());
            format!("decided {} by {rule}: {}", decision.verdict, decision.explanation.join("; "))
        }
        Event::Fact(Fact::Moved { from, to, .. }) => format!("{from} becomes {to}"),
        Event::Fact(Fact::Issued(action)) => match &action.what {
            What::Respond(response) => format!("{} {}", action.id, response.as_str()),
            What::Execute { action: spec, .. } => format!("{} {}", action.id, spec.name),
            What::Tell(notice) => format!("{} {}", action.id, notice.told()),
        },
        Event::Fact(Fact::Granted { request, by }) => format!("{by} agrees to {request}"),
        Event::Fact(Fact::Approved(request)) => format!("{request} is approved"),
        Event::Fact(Fact::Rejected(request)) => format!("{request} is rejected"),
        Event::Fact(Fact::Voided(request)) => format!("{request} was edited and is void"),
        Event::Fact(Fact::Expired(request)) => format!("{request} ran out of time"),
        Event::Fact(Fact::Executed(request)) => format!("{request} is executed"),
        Event::Fact(Fact::Stepped { run, event, .. }) => stepped(*run, event),
        Event::Fact(Fact::RunBlocked { run, why, .. }) => format!("{run} waits: {why}"),
        Event::Input(Input::Result { action, failed: Some(why) }) => {
            format!("{action} could not be done: {why}")
        }
        Event::Input(Input::Result { action, failed: None }) => format!("{action} is done"),
        Event::Input(Input::Waive { item, reason, .. }) => {
            format!("goes on without {item}: {reason}")
        }
        Event::Input(Input::BreakGlass { action, reason, .. }) => {
            format!("does {} alone: {reason}", action.name)
        }
        Event::Input(Input::Release { reason, .. }) => format!("releases the hold: {reason}"),
        Event::Input(Input::Resume { run, reason, .. }) => format!("lets {run} go on: {reason}"),
        Event::Input(Input::Abort { run, reason }) => format!("stops {run}: {reason}"),
        Event::Fact(Fact::Refused { why, .. }) => format!("refused: {why}"),
        Event::Fact(Fact::Acked { by, .. }) => format!("{by} has it in hand"),
        Event::Fact(Fact::GateShut { gate, .. }) => format!("gate {gate} is shut"),
        Event::Fact(Fact::Rose { to, .. }) => format!("severity rises to {to}"),
        Event::Fact(Fact::Fell { to, reason, .. }) => format!("severity falls to {to}: {reason}"),
        other => name(other),
    }
}

fn stepped(run: RunId, event: &RunEvent) -> String {
    let what = match event {
        RunEvent::Begun { step, by, .. } => format!("begins step {step} by {by}"),
        RunEvent::Ended { step, answer: Some(answer), .. } => {
            format!("has done step {step}: {answer}")
        }
        RunEvent::Ended { step, why, .. } => {
            format!("failed at step {step}{}", because(why.as_ref()))
        }
        RunEvent::Undoing { step, by, .. } => format!("begins to undo step {step} by {by}"),
        RunEvent::Undone { step, done: true, .. } => format!("has undone step {step}"),
        RunEvent::Undone { step, why, .. } => {
            format!("could not undo step {step}{}", because(why.as_ref()))
        }
        RunEvent::Aborted => "was stopped".to_owned(),
        RunEvent::Resumed(_) => "goes on".to_owned(),
        RunEvent::Returned { step } => format!("goes back to step {step}"),
    };
    format!("{run} {what}")
}

fn because(why: Option<&Scrubbed>) -> String {
    why.map(|why| format!(": {why}")).unwrap_or_default()
}

// Everything else by the name it has in the log.
fn name(event: &Event) -> String {
    let value = serde_json::to_value(event).unwrap_or_default();
    let inner = value.as_object().and_then(|outer| outer.values().next());
    let name = match inner {
        Some(serde_json::Value::Object(fields)) => fields.keys().next().cloned(),
        Some(serde_json::Value::String(name)) => Some(name.clone()),
        _ => None,
    };
    name.unwrap_or_default().replace('_', " ")
}

// No character that means something to Markdown or HTML, and one line.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '!' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A moment as RFC 3339 in UTC, to the second.
pub fn utc(wall_ms: u64) -> String {
    let [year, month, day, hour, minute, second] = civil(wall_ms);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month, day, hour, minute and second of a moment in UTC, by the Gregorian calendar
/// (Hinnant, "civil from days": years begin in March).
pub(super) const fn civil(wall_ms: u64) -> [u64; 6] {
    let days = wall_ms / DAY_MS + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + if month <= 2 { 1 } else { 0 };
    let rest = wall_ms % DAY_MS;
    let hour = rest / (60 * MINUTE_MS);
    [year, month, day, hour, rest / MINUTE_MS % 60, rest / SECOND_MS % 60]
}
