//! What can be looked up, made of the state: incidents, requests, windows, mutes and changes; and
//! the notifications that actions ask for.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::approval::RequestId;
use crate::decision::{Action, Notice, What};
use crate::drill;
use crate::event::{Entry, Event, Fact, Input};
use crate::incident::{Incident, IncidentId};
use crate::moment::Moment;
use crate::runbook::run::RunId;
use crate::state::State;
use crate::store::Doc;
use crate::store::work::NewWork;

/// What changed.
#[derive(Debug, Default)]
pub(super) struct Touched {
    incidents: BTreeSet<IncidentId>,
    requests: BTreeSet<RequestId>,
    runs: BTreeSet<RunId>,
    plans: bool,
    changes: BTreeSet<String>,
}

/// An incident as it is looked up.
#[derive(Debug, Serialize)]
pub struct IncidentView<'a> {
    /// Its name, such as `INC-1`.
    pub name: String,
    /// Whether its evidence is held.
    pub held: bool,
    /// It.
    pub incident: &'a Incident,
}

impl Touched {
    pub(super) fn see(&mut self, entry: &Entry, about: Option<IncidentId>) {
        self.incidents.extend(about);
        match &entry.event {
            Event::Input(Input::Window(_) | Input::WindowEnd(_) | Input::Mute(_)) => {
                self.plans = true;
            }
            Event::Input(Input::MuteEnd(_) | Input::Tick) => self.plans = true,
            Event::Input(Input::Change(change)) => {
                self.changes.insert(change.id.clone());
            }
            Event::Fact(Fact::Requested(request)) => {
                self.requests.insert(request.id);
            }
            Event::Fact(
                Fact::RunBegan { run, .. }
                | Fact::Stepped { run, .. }
                | Fact::RunBlocked { run, .. }
                | Fact::RunUnblocked { run, .. }
                | Fact::RunStands { run, .. }
                | Fact::RunAsked { run, .. }
                | Fact::MeasureOverdue { run, .. },
            ) => {
                self.runs.insert(*run);
            }
            Event::Fact(
                Fact::Granted { request, .. }
                | Fact::Approved(request)
                | Fact::Rejected(request)
                | Fact::Voided(request)
                | Fact::Expired(request)
                | Fact::Executed(request),
            ) => {
                self.requests.insert(*request);
            }
            Event::Fact(Fact::Merged { into, .. }) => {
                self.incidents.insert(*into);
            }
            _ => {}
        }
    }

    pub(super) fn docs(&self, state: &State) -> Vec<Doc> {
        let mut docs = Vec::new();
        for id in &self.incidents {
            // What is retired stays as it was.
            let Some(incident) = state.incident(*id) else { continue };
            let held = state.is_held(*id);
            let view = IncidentView { name: id.to_string(), held, incident };
            docs.push(doc("incident", id.to_string(), id.0, &view));
        }
        for id in &self.requests {
            let Some(request) = state.request(*id) else { continue };
            docs.push(doc("request", id.to_string(), id.0, request));
        }
        for id in &self.runs {
            let Some(record) = state.run(*id) else { continue };
            docs.push(doc("run", id.to_string(), id.0, &record.view()));
        }
        if self.plans {
            let windows: Vec<_> = state.windows.values().collect();
            docs.push(doc("windows", "all".to_owned(), 0, &windows));
            let mutes: Vec<_> = state.mutes.values().map(|(_, mute)| mute).collect();
            docs.push(doc("mutes", "all".to_owned(), 0, &mutes));
        }
        for id in &self.changes {
            let newest = state.changes.iter().rev().find(|change| change.id == *id);
            let Some(change) = newest else { continue };
            docs.push(doc("change", id.clone(), change.at_ms, change));
        }
        docs
    }
}

#[expect(clippy::expect_used, reason = "maps have keys that are texts or numbers")]
fn doc(kind: &'static str, id: String, order: u64, body: &impl Serialize) -> Doc {
    let body = serde_json::to_string(body).expect("a view is JSON");
    Doc { kind, id, order, body: Some(body) }
}

/// The incident that an entry is about.
pub(super) fn about(entry: &Entry, state: &State) -> Option<IncidentId> {
    match &entry.event {
        Event::Input(input) => crate::decide::incident_of(input),
        Event::Fact(fact) => about_fact(fact, state),
    }
}

fn about_fact(fact: &Fact, state: &State) -> Option<IncidentId> {
    match fact {
        Fact::Granted { request, .. }
        | Fact::Approved(request)
        | Fact::Rejected(request)
        | Fact::Voided(request)
        | Fact::Expired(request)
        | Fact::Executed(request) => Some(state.request(*request)?.incident),
        Fact::RunAsked { run, .. } | Fact::MeasureOverdue { run, .. } => {
            Some(state.run(*run)?.incident)
        }
        Fact::Refused { incident, .. } => *incident,
        Fact::Decided(decision) => decision.incident,
        Fact::Issued(action) => Some(action.incident),
        Fact::Requested(request) => Some(request.incident),
        Fact::Opened { incident, .. }
        | Fact::Attached { incident, .. }
        | Fact::Moved { incident, .. }
        | Fact::Rose { incident, .. }
        | Fact::Fell { incident, .. }
        | Fact::Flapping(incident)
        | Fact::Settled(incident)
        | Fact::Paging(incident)
        | Fact::Acked { incident, .. }
        | Fact::AckLapsed(incident)
        | Fact::Contained(incident)
        | Fact::HoldSet(incident)
        | Fact::Released { incident, .. }
        | Fact::HoldReleased(incident)
        | Fact::GateShut { incident, .. }
        | Fact::Frozen(incident)
        | Fact::Once { incident, .. }
        | Fact::Merged { incident, .. }
        | Fact::Waived { incident, .. }
        | Fact::ReviewDue { incident, .. }
        | Fact::Retired(incident)
        | Fact::Labelled { incident, .. }
        | Fact::Thawed(incident)
        | Fact::RunBegan { incident, .. }
        | Fact::Stepped { incident, .. }
        | Fact::RunBlocked { incident, .. }
        | Fact::RunUnblocked { incident, .. }
        | Fact::RunStands { incident, .. }
        | Fact::ChecksAdded { incident, .. } => Some(*incident),
        Fact::Deferred { .. }
        | Fact::Done(_)
        | Fact::Failed { .. }
        | Fact::Overdue(_)
        | Fact::GateOpened(_)
        | Fact::Sensed(_)
        | Fact::PolicyDrafted(_)
        | Fact::PolicyGranted { .. }
        | Fact::PolicyAdopted(_)
        | Fact::PolicyDropped(_)
        | Fact::PolicyReverted(_)
        | Fact::Proposed { .. } => None,
    }
}

/// What a channel is told: nothing but what is in the state, which was scrubbed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// Under which it is sent once.
    pub key: String,
    /// `INC-1`.
    pub incident: String,
    /// `opened`, `redecided`, `resolved`, …
    pub event: String,
    /// Whom it is for, when the ladder says.
    pub role: Option<String>,
    /// `SEV0` to `SEV3`.
    pub severity: String,
    /// What it is about.
    pub kind: String,
    /// How it stands.
    pub phase: String,
    /// What the desk says.
    pub verdict: String,
    /// One line for people.
    pub summary: String,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
}

/// The notifications of an action, one for each channel.
pub fn notices(state: &State, action: &Action, now: Moment, channels: &[String]) -> Vec<NewWork> {
    let What::Tell(notice) = &action.what else { return Vec::new() };
    let Some(incident) = state.incident(action.incident) else { return Vec::new() };
    let make = |channel: &String| {
        let key = format!("{}/{channel}", action.id);
        let told = notification(state, incident, notice, now, key.clone());
        let body = serde_json::to_string(&told).unwrap_or_default();
        let (queue, incident) = (format!("notify/{channel}"), action.incident);
        NewWork { queue, key, incident, body, made_ms: now.wall_ms }
    };
    channels.iter().map(make).collect()
}

fn notification(
    state: &State,
    incident: &Incident,
    notice: &Notice,
    now: Moment,
    key: String,
) -> Notification {
    let (event, role) = notice.event();
    let role = role.map(str::to_owned);
    let told = notice.told();
    let rule = incident.rule.as_ref().map(|rule| format!(" ({rule})")).unwrap_or_default();
    let detail = detail(state, incident, notice).map(|text| format!(": {text}"));
    let detail = detail.unwrap_or_default();
    let labels = &incident.labels;
    let drill = if drill::is_one(labels) { "DRILL " } else { "" };
    // What tells this incident from another of its kind.
    let chosen = state.policy().chosen(incident.kind).iter().map(String::as_str);
    let about = chosen.chain(["alertname"]).collect::<BTreeSet<_>>();
    let about = about.into_iter().filter_map(|name| Some(labels.get(name)?.as_str()));
    let short = |text: &str| text.chars().take(LABEL_CHARS_MAX).collect::<String>();
    let about: String = about.map(|text| format!(" {}", short(text))).collect();
    let summary = format!(
        "{drill}{} {} {}{about}: {told}, {}{rule}, {}{detail}",
        incident.severity,
        incident.id,
        incident.kind,
        incident.verdict.as_str(),
        incident.phase,
    );
    Notification {
        key,
        incident: incident.id.to_string(),
        event: event.to_owned(),
        role,
        severity: incident.severity.to_string(),
        kind: incident.kind.to_string(),
        phase: incident.phase.to_string(),
        verdict: incident.verdict.as_str().to_owned(),
        summary: line(&summary),
        at_ms: now.wall_ms,
    }
}

// What a notice says beside what it is about.
fn detail(state: &State, incident: &Incident, notice: &Notice) -> Option<String> {
    Some(match notice {
        Notice::Resolved => {
            let skipped = incident.checks.iter().filter(|(_, check)| check.skipped);
            let skipped: Vec<&str> = skipped.map(|(name, _)| name.as_str()).collect();
            if skipped.is_empty() {
                return None;
            }
            format!("not shown by {}", skipped.join(", "))
        }
        Notice::ActionFailed { name, why, .. } => format!("{}: {}", name.as_ref()?, why.as_ref()?),
        Notice::Overdue { action } => {
            let awaited = state.awaited().find(|awaited| awaited.id == *action)?;
            format!("nothing was heard of {}", awaited.what.name())
        }
        Notice::Asked { request } => {
            let asked = state.request(*request)?;
            let groups = asked.quorum.distinct_groups.join(" and ");
            let of = if groups.is_empty() { groups } else { format!(" of {groups}") };
            let (id, by, n) = (asked.id, &asked.by, asked.quorum.n);
            format!("{id} by {by} needs {n} people{of} for {}", asked.action.name)
        }
        Notice::BrokenGlass { request, .. } => {
            let asked = state.request((*request)?)?;
            format!("{} did {} alone: {}", asked.by, asked.action.name, asked.reason)
        }
        Notice::Said { text, .. } => text.as_str().to_owned(),
        Notice::MeasureOverdue { action, .. } => action.clone(),
        Notice::RunWaits { run } => {
            let view = state.run(*run)?.view();
            let step = view.step.unwrap_or_default();
            let why = view.blocked.or_else(|| Some(view.failures.get(step)?.to_string()));
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            format!("{run} is {} at {step}{why}", view.standing)
        }
        _ => return None,
    })
}

// One line, whatever it is made of.
fn line(text: &str) -> String {
    let line = |text: &str| text.replace(char::is_control, " ");
    match text.char_indices().nth(SUMMARY_CHARS_MAX) {
        None => line(text),
        Some((end, _)) => line(text.get(..end).unwrap_or_default()) + "…",
    }
}

/// Enough to tell it by; the rest of the line is what people must read.
const LABEL_CHARS_MAX: usize = 40;
/// What a pager shows; a subject of mail has 998 bytes (RFC 5322, section 2.1.1).
const SUMMARY_CHARS_MAX: usize = 300;
