//! What follows from requests and approvals. A hold comes before every approval.

use std::collections::{BTreeMap, BTreeSet};

use crate::approval::{ActionSpec, Quorum, Request, RequestId, Standing};
use crate::decide::{Asked, Course};
use crate::decision::{Notice, What};
use crate::digest::Digest;
use crate::event::{Fact, Input};
use crate::incident::{Incident, IncidentId};
use crate::person::PersonId;
use crate::policy::{ActionRule, Effect};
use crate::refusal::Refusal;
use crate::scrub::Scrubbed;

/// The group that may act alone.
const COMMANDER: &str = "commander";
/// Whom it concerns when somebody does.
const CISO: &str = "ciso";
/// Humans who must end a hold.
const RELEASES: usize = 2;

impl Course<'_> {
    pub(super) fn request(&mut self, input: &Input) -> Asked {
        let about = |id: RequestId| self.state.requests.get(&id).map(|request| request.incident);
        let incident = match input {
            Input::Request { incident, .. }
            | Input::BreakGlass { incident, .. }
            | Input::Release { incident, .. } => Some(*incident),
            Input::Edit { request, .. } | Input::Approve { request, .. } => about(*request),
            Input::Reject(request) | Input::Execute(request) => about(*request),
            _ => None,
        };
        let answer = match input {
            Input::Request { incident, action, reason } => self.ask(*incident, action, reason),
            Input::Edit { request, args } => self.edit(*request, args),
            Input::Approve { request, digest } => self.approve(*request, *digest),
            Input::Reject(request) => self.reject(*request),
            Input::Execute(request) => self.execute(*request),
            Input::BreakGlass { incident, action, reason } => {
                self.break_glass(*incident, action, reason)
            }
            Input::OpenGate { gate, reason } => self.open_gate(gate, reason),
            Input::Release { incident, reason } => self.let_go(*incident, reason),
            _ => Ok(()),
        };
        answer.map_err(|why| (incident, why))
    }

    fn ask(
        &mut self,
        incident: IncidentId,
        action: &ActionSpec,
        reason: &Scrubbed,
    ) -> Result<(), Refusal> {
        let request = self.draft(incident, action, reason)?;
        self.allowed(&request)?;
        let (id, alone) = (request.id, request.quorum.n == 0);
        self.requested(request);
        if alone {
            self.fact(Fact::Approved(id));
        }
        Ok(())
    }

    fn draft(
        &self,
        incident: IncidentId,
        action: &ActionSpec,
        reason: &Scrubbed,
    ) -> Result<Request, Refusal> {
        let by = self.person()?.id.clone();
        if reason.as_str().trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        let found = self.state.incidents.get(&incident).ok_or(Refusal::Unknown)?;
        if !found.phase.is_open() {
            return Err(Refusal::NotOpenIncident);
        }
        let rule = self.state.policy.actions.get(&action.name).ok_or(Refusal::Unknown)?;
        let next = self.state.requests.last_key_value().map_or(1, |(last, _)| last.0 + 1);
        let asked = self.request_for(by, action.clone(), rule, reason);
        Ok(Request { id: RequestId(next), incident, evidence: found.sealed, ..asked })
    }

    /// A request as its rule has it: found by what it asks for, and about no incident yet.
    pub(super) fn request_for(
        &self,
        by: PersonId,
        action: ActionSpec,
        rule: &ActionRule,
        reason: &Scrubbed,
    ) -> Request {
        Request {
            id: RequestId(0),
            incident: IncidentId(0),
            digest: action.digest(),
            action,
            effect: rule.effect,
            undo: rule.undo.clone(),
            evidence: None,
            by,
            reason: reason.clone(),
            quorum: Quorum {
                n: rule.approvals,
                distinct_groups: rule.groups.clone(),
                exclude_requester: true,
            },
            made: self.at,
            holds_ms: rule.approval_ms.unwrap_or(self.state.policy.windows.approval_ms),
            granted: BTreeSet::new(),
            standing: Standing::Open,
        }
    }

    // The hold, and evidence that must be there first. Looked at when asked and when executed.
    fn allowed(&self, request: &Request) -> Result<(), Refusal> {
        self.not_held(request)?;
        let rule = self.state.policy.actions.get(&request.action.name).ok_or(Refusal::Unknown)?;
        let found = self.state.incidents.get(&request.incident).ok_or(Refusal::Unknown)?;
        let missing = rule.requires_evidence.iter().find(|item| !found.has_evidence(item));
        match missing {
            Some(item) => Err(Refusal::EvidenceRequired { item: item.clone() }),
            None => Ok(()),
        }
    }

    pub(super) fn not_held(&self, request: &Request) -> Result<(), Refusal> {
        let target = request.action.args.get("instance").map(Scrubbed::as_str);
        for (id, hold) in &self.state.holds {
            let sealed = self.state.incidents.get(id).is_some_and(is_sealed);
            let in_scope = *id == request.incident
                || hold.instance.is_none()
                || target.is_none()
                || hold.instance.as_deref() == target;
            let refused = match request.effect {
                Effect::Read | Effect::Reversible => false,
                Effect::Destructive => !sealed,
                Effect::Erasing => true,
            };
            if in_scope && refused {
                return Err(Refusal::ForensicHold);
            }
        }
        Ok(())
    }

    fn edit(&mut self, id: RequestId, args: &BTreeMap<String, Scrubbed>) -> Result<(), Refusal> {
        let old = self.state.requests.get(&id).ok_or(Refusal::Unknown)?.clone();
        if !old.standing.is_live() {
            return Err(Refusal::NotOpen);
        }
        let action = ActionSpec { name: old.action.name.clone(), args: args.clone() };
        let request = self.draft(old.incident, &action, &old.reason)?;
        self.fact(Fact::Voided(id));
        self.allowed(&request)?;
        self.requested(request);
        Ok(())
    }

    // Whoever has to agree is told.
    fn requested(&mut self, request: Request) {
        let (id, incident, n) = (request.id, request.incident, request.quorum.n);
        self.fact(Fact::Requested(request));
        if n > 0 {
            self.tell(incident, Notice::Asked { request: id });
        }
    }

    fn approve(&mut self, id: RequestId, digest: Digest) -> Result<(), Refusal> {
        let request = self.state.requests.get(&id).ok_or(Refusal::Unknown)?;
        let person = self.person()?;
        if request.standing.is_live() && request.is_late(self.at) {
            self.fact(Fact::Expired(id));
            return Err(Refusal::Expired);
        }
        if request.standing == Standing::Expired {
            return Err(Refusal::Expired);
        }
        request.may_grant(person, digest, &self.state.people, self.at)?;
        self.not_held(request)?;
        let by = person.id.clone();
        self.fact(Fact::Granted { request: id, by });
        let request = self.state.requests.get(&id).ok_or(Refusal::Unknown)?;
        if request.standing == Standing::Open && request.has_quorum(&self.state.people) {
            self.fact(Fact::Approved(id));
        }
        Ok(())
    }

    fn reject(&mut self, id: RequestId) -> Result<(), Refusal> {
        self.person()?;
        let request = self.state.requests.get(&id).ok_or(Refusal::Unknown)?;
        if !request.standing.is_live() {
            return Err(Refusal::NotOpen);
        }
        self.fact(Fact::Rejected(id));
        Ok(())
    }

    fn execute(&mut self, id: RequestId) -> Result<(), Refusal> {
        let request = self.state.requests.get(&id).ok_or(Refusal::Unknown)?.clone();
        if request.standing.is_live() && request.is_late(self.at) {
            self.fact(Fact::Expired(id));
            return Err(Refusal::Expired);
        }
        // What a run asked for is done by the run, in its place.
        if self.state.runs.values().any(|record| record.asked.values().any(|asked| *asked == id)) {
            return Err(Refusal::NotOpen);
        }
        request.may_execute(&self.state.people, self.at)?;
        self.allowed(&request)?;
        self.fact(Fact::Executed(id));
        let what = What::Execute { request: id, action: request.action };
        self.act(request.incident, what, 1);
        Ok(())
    }

    fn break_glass(
        &mut self,
        incident: IncidentId,
        action: &ActionSpec,
        reason: &Scrubbed,
    ) -> Result<(), Refusal> {
        if !self.person()?.groups.contains(COMMANDER) {
            return Err(Refusal::NotInGroup { group: COMMANDER.to_owned() });
        }
        let request = self.draft(incident, action, reason)?;
        self.allowed(&request)?;
        let (id, action) = (request.id, request.action.clone());
        self.fact(Fact::Requested(request));
        self.fact(Fact::Approved(id));
        self.fact(Fact::Executed(id));
        self.act(incident, What::Execute { request: id, action }, 1);
        self.tell(incident, Notice::BrokenGlass { role: CISO.to_owned(), request: Some(id) });
        Ok(())
    }

    fn open_gate(&mut self, gate: &str, reason: &Scrubbed) -> Result<(), Refusal> {
        self.person()?;
        if reason.as_str().trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        if self.state.gate(gate).is_none() {
            return Err(Refusal::Unknown);
        }
        self.fact(Fact::GateOpened(gate.to_owned()));
        Ok(())
    }

    fn let_go(&mut self, incident: IncidentId, reason: &Scrubbed) -> Result<(), Refusal> {
        let employee = self.person()?.employee.clone();
        if reason.as_str().trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        let found = self.state.incidents.get(&incident).ok_or(Refusal::Unknown)?;
        if !is_sealed(found) {
            return Err(Refusal::EvidenceNotSealed);
        }
        let hold = self.state.holds.get(&incident).ok_or(Refusal::Unknown)?;
        if hold.released_by.contains(&employee) {
            return Err(Refusal::SamePerson);
        }
        let enough = hold.released_by.len() + 1 >= RELEASES;
        self.fact(Fact::Released { incident, employee });
        if enough {
            self.fact(Fact::HoldReleased(incident));
        }
        Ok(())
    }
}

const fn is_sealed(incident: &Incident) -> bool {
    incident.sealed.is_some()
}
