//! What follows from what people and runbooks say about an incident.

use std::collections::BTreeSet;

use crate::decide::{Asked, Course};
use crate::decision::Notice;
use crate::drill;
use crate::event::{Fact, Input};
use crate::incident::{Incident, IncidentId, Phase, Severity};
use crate::number::Number;
use crate::person::Actor;
use crate::policy::Verdict;
use crate::refusal::Refusal;
use crate::scrub::Scrubbed;

/// So many false positives in a day make a proposal.
const LABELS_FOR_PROPOSAL: usize = 3;

impl Course<'_> {
    pub(super) fn about_incident(&mut self, input: &Input) -> Asked {
        let Some(id) = incident_of(input) else { return Ok(()) };
        let refuse = |why| (Some(id), why);
        let found = self.state.incidents.get(&id).ok_or((None, Refusal::Unknown))?;
        let answer = match input {
            Input::Ack(_) => self.ack(found),
            Input::Unack(_) if found.acked.is_none() => Err(Refusal::NotOpen),
            Input::Unack(_) => Ok(vec![Fact::AckLapsed(id)]),
            Input::Move { to, reason, .. } => self.moves(found, *to, reason),
            Input::Lower { to, reason, .. } => self.lower(found, *to, reason),
            Input::Label { verdict, .. } => self.label(found, *verdict),
            Input::Merge { into, .. } => self.merge(found, *into),
            Input::Waive { item, reason, .. } => self.waive(found, item, reason),
            Input::Checked { check, .. } if !found.checks.contains_key(check) => {
                Err(Refusal::Unknown)
            }
            _ => Ok(Vec::new()),
        };
        for fact in answer.map_err(refuse)? {
            self.fact(fact);
        }
        self.tell_end(id, input);
        match input {
            Input::Move { to: Phase::Resolved, .. } => self.resolve(id),
            Input::Move { to: Phase::Cancelled, .. } => self.end_drill(id),
            Input::Move { .. } | Input::Unack(_) => self.climb(id),
            Input::Label { .. } => self.propose(),
            _ => {}
        }
        Ok(())
    }

    // Whoever was told that it began is told that there is nothing to do.
    fn tell_end(&mut self, id: IncidentId, input: &Input) {
        let over = matches!(
            input,
            Input::Merge { .. } | Input::Move { to: Phase::FalsePositive | Phase::Cancelled, .. }
        );
        let was_told = self.state.incidents.get(&id).is_some_and(|found| found.spoken);
        if over && was_told {
            self.tell(id, Notice::Ended);
        }
    }

    // What a drill has set in motion ends with it: it was about nothing.
    fn end_drill(&mut self, id: IncidentId) {
        let Some(found) = self.state.incidents.get(&id) else { return };
        if !drill::is_one(&found.labels) {
            return;
        }
        if self.state.is_held(id) {
            self.fact(Fact::HoldReleased(id));
        }
        let shut = self.state.gates.iter().filter(|(_, shut_for)| **shut_for == id);
        let shut: Vec<String> = shut.map(|(gate, _)| gate.clone()).collect();
        shut.into_iter().for_each(|gate| self.fact(Fact::GateOpened(gate)));
    }

    fn ack(&self, incident: &Incident) -> Result<Vec<Fact>, Refusal> {
        let by = self.person()?.id.clone();
        if !incident.phase.is_open() {
            return Err(Refusal::NotOpenIncident);
        }
        Ok(vec![Fact::Acked { incident: incident.id, by }])
    }

    fn moves(
        &self,
        incident: &Incident,
        to: Phase,
        reason: &Scrubbed,
    ) -> Result<Vec<Fact>, Refusal> {
        let by = match self.actor {
            Actor::Person(_) => Some(self.person()?),
            // Runbooks move incidents along; to end one is for people, or for checks.
            Actor::Desk | Actor::Adapter(_) => None,
        };
        let ends = matches!(to, Phase::FalsePositive | Phase::Closed | Phase::Cancelled);
        if ends && by.is_none() {
            return Err(Refusal::NotAPerson);
        }
        if ends && reason.as_str().trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        // Merging names the other one, suppressing is for windows.
        if matches!(to, Phase::Merged | Phase::Suppressed) {
            return Err(Refusal::NoSuchMove { from: incident.phase, to });
        }
        incident.guard(to, by, self.at)?;
        if to == Phase::Resolved {
            return Ok(Vec::new());
        }
        let (from, again) = (incident.phase, to == Phase::Triaged);
        let reopened = again && from != Phase::Detected;
        Ok(vec![Fact::Moved { incident: incident.id, from, to, reopened }])
    }

    fn lower(
        &self,
        incident: &Incident,
        to: Severity,
        reason: &Scrubbed,
    ) -> Result<Vec<Fact>, Refusal> {
        let by = self.person()?.id.clone();
        if reason.as_str().trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        if to <= incident.severity {
            return Err(Refusal::NotLower);
        }
        Ok(vec![Fact::Fell { incident: incident.id, to, by, reason: reason.clone() }])
    }

    fn label(&self, incident: &Incident, verdict: Verdict) -> Result<Vec<Fact>, Refusal> {
        self.person()?;
        let high = self.state.policy.thresholds.high;
        let risk = incident.risk.filter(|risk| *risk >= high);
        match (verdict, risk) {
            (Verdict::FalsePositive, Some(risk)) => {
                Ok(vec![Fact::Labelled { incident: incident.id, risk }])
            }
            _ => Ok(Vec::new()),
        }
    }

    // The next twentieth above all risks that humans called false.
    fn propose(&mut self) {
        if self.state.labelled.len() < LABELS_FOR_PROPOSAL {
            return;
        }
        let from = self.state.policy.thresholds.high;
        let most = self.state.labelled.iter().map(|(_, _, risk)| *risk).max();
        let above = most.and_then(|most| Number::new((most.get() * 20.0).floor() / 20.0 + 0.05));
        // Written and read again, so that 0.85 is 0.85.
        let rounded = above.and_then(|above| format!("{:.2}", above.get()).parse().ok());
        let to = rounded.and_then(Number::new).filter(|to| to.get() <= 0.95);
        let Some(to) = to else { return };
        let cases = self.state.labelled.iter().map(|(_, incident, _)| *incident);
        let cases: BTreeSet<IncidentId> = cases.collect();
        self.fact(Fact::Proposed { from, to, cases: cases.into_iter().collect() });
    }

    fn merge(&self, incident: &Incident, into: IncidentId) -> Result<Vec<Fact>, Refusal> {
        self.person()?;
        if incident.id == into {
            return Err(Refusal::SameIncident);
        }
        let whole = self.state.incidents.get(&into).ok_or(Refusal::Unknown)?;
        if !whole.phase.is_open() {
            return Err(Refusal::NotOpenIncident);
        }
        // What is held stays where it is held.
        if self.state.is_held(incident.id) && !self.state.is_held(into) {
            return Err(Refusal::ForensicHold);
        }
        incident.guard(Phase::Merged, None, self.at)?;
        let mut facts = vec![Fact::Merged { incident: incident.id, into }];
        if incident.severity < whole.severity {
            facts.push(Fact::Rose { incident: into, to: incident.severity });
        }
        Ok(facts)
    }

    fn waive(
        &self,
        incident: &Incident,
        item: &str,
        reason: &Scrubbed,
    ) -> Result<Vec<Fact>, Refusal> {
        let employee = self.person()?.employee.clone();
        if reason.as_str().trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        if incident.waivers.get(item).is_some_and(|humans| humans.contains(&employee)) {
            return Err(Refusal::SamePerson);
        }
        Ok(vec![Fact::Waived { incident: incident.id, item: item.to_owned(), employee }])
    }
}

pub(crate) const fn incident_of(input: &Input) -> Option<IncidentId> {
    match input {
        Input::Ack(incident)
        | Input::Unack(incident)
        | Input::Drained(incident)
        | Input::Move { incident, .. }
        | Input::Lower { incident, .. }
        | Input::Label { incident, .. }
        | Input::Merge { incident, .. }
        | Input::Collected { incident, .. }
        | Input::Sealed { incident, .. }
        | Input::Waive { incident, .. }
        | Input::Note { incident, .. }
        | Input::Checks { incident, .. }
        | Input::Checked { incident, .. }
        | Input::Reviewed { incident, .. }
        | Input::Reported { incident, .. } => Some(*incident),
        _ => None,
    }
}
