//! What follows from runs: whether a step may begin now, and what the desk's own actions do.
//!
//! A step is looked at when it begins, whatever was agreed before: the hold, the evidence, the
//! quorum over exactly these arguments, the sealed bag before anything is recovered. What is
//! refused makes the run wait for people. Gates are opened only by runs that a person started.

use std::collections::{BTreeMap, BTreeSet};

use crate::approval::{ActionSpec, Quorum, Request, RequestId, Standing};
use crate::decide::{Asked, Course, GATE};
use crate::decision::Notice;
use crate::event::{Fact, Input};
use crate::incident::{BUNDLE, IncidentId, Phase, Severity};
use crate::person::{Actor, PersonId};
use crate::policy::Effect;
use crate::refusal::Refusal;
use crate::runbook::record::{Record, Starting};
use crate::runbook::run::{Next, Resume, RunEvent, RunId};
use crate::runbook::{Runbook, Step, Work};
use crate::scrub::Scrubbed;
use crate::signal::{Kind, fingerprint};

/// Actions that the desk does itself, in the same transaction as the word that they are done.
pub(crate) const OWN: [&str; 6] =
    ["close_gate", "open_gate", "freeze", "unfreeze", "forensic_hold", "end_hold"];

impl Course<'_> {
    pub(super) fn of_run(&mut self, input: &Input) -> Asked {
        let about = |id: &RunId| self.state.runs.get(id).map(|record| record.incident);
        let incident = match input {
            Input::RunStart { incident, .. } => Some(*incident),
            Input::Step { run, .. } | Input::Resume { run, .. } | Input::Abort { run, .. } => {
                about(run)
            }
            _ => None,
        };
        let answer = match input {
            Input::RunStart { incident, approved, .. } => self.begin_run(*incident, approved),
            Input::RunPlanned { change, approved, .. } => self.begin_planned(change, approved),
            Input::Step { run, event } => self.step(*run, event),
            Input::Resume { run, how, reason } => self.resume(*run, *how, reason),
            Input::Abort { run, reason } => self.abort(*run, reason),
            _ => Ok(()),
        };
        answer.map_err(|why| (incident, why))
    }

    // A change that was announced is worked on as an incident is: it keeps evidence, and it ends by
    // checks. Nobody is paged for it.
    fn begin_planned(&mut self, change: &str, approved: &BTreeSet<String>) -> Result<(), Refusal> {
        self.person()?;
        if !self.state.changes.iter().any(|known| known.id == change) {
            return Err(Refusal::Unknown);
        }
        self.startable(approved)?;
        let incident = self.planned(change);
        self.begin_run(incident, approved)
    }

    fn planned(&mut self, change: &str) -> IncidentId {
        let name = CHANGE.to_owned();
        let labels = BTreeMap::from([(name.clone(), Scrubbed::assertion(change.to_owned()))]);
        let cause = fingerprint(Kind::Other, &labels, &[name]);
        if let Some(open) = self.standing(cause).filter(|found| found.phase.is_open()) {
            return open.id;
        }
        let next = self.state.incidents.last_key_value().map_or(1, |(last, _)| last.0 + 1);
        let incident = IncidentId(next);
        let (kind, severity) = (Kind::Other, Severity::Sev3);
        self.fact(Fact::Opened { incident, kind, fingerprint: cause, severity, labels });
        self.shift(incident, Phase::Triaged);
        incident
    }

    // Whether the text can be run, is given what it names, and is what its roles have signed.
    fn startable(&self, approved: &BTreeSet<String>) -> Result<&Starting, Refusal> {
        let starting = self.state.starting.as_ref().ok_or(Refusal::BadRunbook)?;
        starting.check()?;
        let asks = &starting.runbook.approved_by;
        match asks.iter().find(|role| !approved.contains(*role)) {
            Some(role) => Err(Refusal::NotApproved { role: role.clone() }),
            None => Ok(starting),
        }
    }

    fn begin_run(
        &mut self,
        incident: IncidentId,
        approved: &BTreeSet<String>,
    ) -> Result<(), Refusal> {
        match self.actor {
            Actor::Desk => {}
            Actor::Person(_) => {
                self.person()?;
            }
            Actor::Adapter(_) => return Err(Refusal::NotAPerson),
        }
        let found = self.state.incidents.get(&incident).ok_or(Refusal::Unknown)?;
        if !found.phase.is_open() {
            return Err(Refusal::NotOpenIncident);
        }
        let starting = self.startable(approved)?;
        let (name, digest) = (starting.runbook.id.clone(), starting.runbook.digest());
        let checks = checks(&starting.runbook);
        let run = RunId(self.state.ran.saturating_add(1));
        self.fact(Fact::RunBegan { run, incident, runbook: name, digest });
        if !checks.is_empty() {
            self.fact(Fact::ChecksAdded { incident, checks });
        }
        Ok(())
    }

    fn step(&mut self, run: RunId, event: &RunEvent) -> Result<(), Refusal> {
        let record = self.state.runs.get(&run).ok_or(Refusal::Unknown)?.clone();
        let mut next = record.run.clone();
        next.apply(event).map_err(|_| Refusal::NotNext)?;
        // Of several processes that have seen one gone, one takes its step over; what the one that
        // was gone says of it afterwards is no longer its to say.
        let at_work = record.run.at_work().map(|(_, by)| by);
        if event.of().is_some_and(|of| of != at_work) {
            return Err(Refusal::NotNext);
        }
        let (id, incident) = (record.id, record.incident);
        if let RunEvent::Begun { step, .. } = event
            && let Some(this) = record.step(*step)
        {
            match self.may_begin(&record, *step, this) {
                Ok(executed) => {
                    executed.into_iter().for_each(|request| self.fact(Fact::Executed(request)));
                }
                Err(why) => {
                    self.fact(Fact::RunBlocked { run: id, incident, why: why.clone() });
                    self.tell(incident, Notice::RunWaits { run: id });
                    return Err(why);
                }
            }
        }
        self.fact(Fact::Stepped { run: id, incident, event: event.clone() });
        match event {
            RunEvent::Begun { step, .. } => self.begun(&record, *step),
            RunEvent::Undoing { step, .. } => {
                if let Some(action) = record.action(*step, true) {
                    self.act_itself(incident, &action);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn resume(
        &mut self,
        run: RunId,
        how: Option<Resume>,
        reason: &Scrubbed,
    ) -> Result<(), Refusal> {
        self.person()?;
        if reason.as_str().trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        let record = self.state.runs.get(&run).ok_or(Refusal::Unknown)?.clone();
        let (incident, blocked) = (record.incident, record.blocked.clone());
        if record.may_be_at_work(self.at) {
            return Err(Refusal::AtWork);
        }
        let event = match (how, blocked) {
            (None, Some(why)) => {
                let asks = asks_again(&record, &why);
                let Some(step) = asks else {
                    self.fact(Fact::RunUnblocked { run, incident });
                    return Ok(());
                };
                RunEvent::Returned { step }
            }
            (Some(how), _) => RunEvent::Resumed(how),
            (None, None) => return Err(Refusal::NotOpen),
        };
        let mut trial = record.run;
        trial.apply(&event).map_err(|_| Refusal::NotNext)?;
        self.fact(Fact::Stepped { run, incident, event });
        Ok(())
    }

    fn abort(&mut self, run: RunId, reason: &Scrubbed) -> Result<(), Refusal> {
        self.person()?;
        if reason.as_str().trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        let record = self.state.runs.get(&run).ok_or(Refusal::Unknown)?;
        let (event, incident) = (RunEvent::Aborted, record.incident);
        record.run.clone().apply(&event).map_err(|_| Refusal::NotNext)?;
        self.fact(Fact::Stepped { run, incident, event });
        Ok(())
    }

    // Requests that are used up by it.
    fn may_begin(
        &self,
        record: &Record,
        place: usize,
        step: &Step,
    ) -> Result<Option<RequestId>, Refusal> {
        let found = self.state.incidents.get(&record.incident).ok_or(Refusal::Unknown)?;
        let acts = matches!(step.work, Work::Act { .. });
        let kept = found.sealed.is_some() || found.is_waived(BUNDLE);
        if acts && step.phase == Phase::Recovering && !kept {
            return Err(Refusal::EvidenceNotSealed);
        }
        let Work::Act { requires_evidence, .. } = &step.work else { return Ok(None) };
        let request = self.wanted(record, place).ok_or(Refusal::Unknown)?;
        let human = matches!(record.by, Actor::Person(_));
        if request.action.name == "open_gate" && !human {
            return Err(Refusal::NotAPerson);
        }
        self.not_held(&request)?;
        let rule = self.state.policy.actions.get(&request.action.name);
        let by_rule = rule.into_iter().flat_map(|rule| &rule.requires_evidence);
        let missing =
            requires_evidence.iter().chain(by_rule).find(|item| !found.has_evidence(item));
        if let Some(item) = missing {
            return Err(Refusal::EvidenceRequired { item: item.clone() });
        }
        if request.quorum.n == 0 {
            return Ok(None);
        }
        let asked = record.asked.get(&place).and_then(|id| self.state.requests.get(id));
        let asked = asked.ok_or(Refusal::QuorumNotMet)?;
        // A step that is begun again has used its request up already.
        let begun =
            matches!(record.run.next(), Next::Do { step, by: Some(_), .. } if step == place);
        if asked.standing == Standing::Executed && begun {
            return Ok(None);
        }
        if asked.digest != request.digest {
            return Err(Refusal::OtherArguments);
        }
        asked.may_execute(&self.state.people, self.at)?;
        Ok(Some(asked.id))
    }

    // The request that allows a step: the stricter of policy and runbook.
    fn wanted(&self, record: &Record, place: usize) -> Option<Request> {
        let step = record.step(place)?;
        let Work::Act { effect, undo, .. } = &step.work else { return None };
        let action: ActionSpec = record.action(place, false)?;
        let rule = self.state.policy.actions.get(&action.name);
        let effect = rule.map_or(*effect, |rule| rule.effect.max(*effect));
        let (mut n, mut groups, mut holds_ms) = (0, BTreeSet::new(), None);
        for other in &record.run.runbook().steps {
            if let Work::Approve { action, n: people, groups: of } = &other.work
                && *action == step.id
            {
                n = n.max(*people);
                groups.extend(of.iter().cloned());
                holds_ms = Some(other.timeout_ms);
            }
        }
        // What can be undone is the runbook's to decide, which people have read and signed.
        if let Some(rule) = rule.filter(|_| n > 0 || effect > Effect::Reversible) {
            n = n.max(rule.approvals);
            groups.extend(rule.groups.iter().cloned());
            holds_ms = holds_ms.or(rule.approval_ms);
        }
        let by = PersonId(record.by.to_string());
        let next = self.state.requests.last_key_value().map_or(1, |(last, _)| last.0 + 1);
        let incident = self.state.incidents.get(&record.incident)?;
        let why = format!("runbook {}, step {}", record.run.runbook().id, step.id);
        Some(Request {
            id: RequestId(next),
            incident: record.incident,
            digest: action.digest(),
            action,
            effect,
            undo: undo.clone(),
            evidence: incident.sealed,
            by,
            reason: Scrubbed::assertion(why),
            quorum: Quorum {
                n,
                distinct_groups: groups.into_iter().collect(),
                exclude_requester: true,
            },
            made: self.at,
            holds_ms: holds_ms.unwrap_or(self.state.policy.windows.approval_ms),
            granted: BTreeSet::new(),
            standing: Standing::Open,
        })
    }

    fn begun(&mut self, record: &Record, place: usize) {
        let Some(step) = record.step(place) else { return };
        let incident = record.incident;
        self.lead(incident, step.phase);
        match &step.work {
            Work::Approve { action, .. } => self.ask_people(record, action),
            Work::Act { .. } => {
                if let Some(action) = record.action(place, false) {
                    self.act_itself(incident, &action);
                }
            }
            Work::Notify { to, text } => {
                for role in to {
                    let text = Scrubbed::assertion(text.clone());
                    self.tell(incident, Notice::Said { role: role.clone(), text });
                }
            }
            Work::Query { .. }
            | Work::Check { .. }
            | Work::Preserve { .. }
            | Work::Wait { .. }
            | Work::Branch { .. } => {}
        }
    }

    fn ask_people(&mut self, record: &Record, action: &str) {
        let Some(place) = record.run.runbook().place(action) else { return };
        let open = record.asked.get(&place).and_then(|id| self.state.requests.get(id));
        if open.is_some_and(|request| request.standing.is_live() && !request.is_late(self.at)) {
            return;
        }
        let Some(request) = self.wanted(record, place) else { return };
        let id = request.id;
        self.fact(Fact::Requested(request));
        self.fact(Fact::RunAsked { run: record.id, step: place, request: id });
        if self.is_open(record.incident) {
            self.tell(record.incident, Notice::Asked { request: id });
        }
    }

    // Gates, freezes and holds are state of this desk.
    fn act_itself(&mut self, incident: IncidentId, action: &ActionSpec) {
        let gate = action.args.get("gate").map_or(GATE, Scrubbed::as_str).to_owned();
        match action.name.as_str() {
            "close_gate" => self.fact(Fact::GateShut { gate, incident }),
            "open_gate" if self.state.gate(&gate).is_some() => self.fact(Fact::GateOpened(gate)),
            "freeze" => self.fact(Fact::Frozen(incident)),
            "unfreeze" => self.fact(Fact::Thawed(incident)),
            "forensic_hold" if !self.state.is_held(incident) => self.fact(Fact::HoldSet(incident)),
            // A hold is ended by two people and by nothing else, so `end_hold` leaves it.
            _ => {}
        }
    }

    // Forward only: a step that looks again does not take an incident back.
    fn lead(&mut self, incident: IncidentId, to: Phase) {
        for _ in 0..LEAD_MAX {
            let Some(found) = self.state.incidents.get(&incident) else { return };
            let from = found.phase;
            let hop = match from {
                _ if from == to => return,
                Phase::Recovering | Phase::Validating if to < from => return,
                _ if from.may_become(to) => to,
                Phase::Detected => Phase::Triaged,
                Phase::Triaged | Phase::Containing | Phase::Preserving => Phase::Diagnosing,
                Phase::Diagnosing => Phase::Recovering,
                Phase::Recovering => Phase::Validating,
                _ => return,
            };
            if !from.is_open() || found.guard(hop, None, self.at).is_err() {
                return;
            }
            self.shift(incident, hop);
        }
    }

    fn is_open(&self, incident: IncidentId) -> bool {
        self.state.incidents.get(&incident).is_some_and(|found| found.phase.is_open())
    }

    pub(super) fn look_at_runs(&mut self) {
        // When the incident is over, only what was changed and stands is worth a word.
        let stands = self.state.runs.values().filter(|record| {
            let matters = self.is_open(record.incident) || !record.measures.is_empty();
            !record.told && matters && record.needs_people(self.at)
        });
        for (run, incident) in stands.map(|record| (record.id, record.incident)).collect::<Vec<_>>()
        {
            self.fact(Fact::RunStands { run, incident });
            self.tell(incident, Notice::RunWaits { run });
        }
    }

    pub(super) fn look_at_measures(&mut self) {
        let mut late = Vec::new();
        for record in self.state.runs.values() {
            for (place, measure) in &record.measures {
                let over = self.at.since(measure.since) >= measure.expires_ms;
                let action = record.action(*place, false).filter(|_| over && !measure.told);
                late.extend(action.map(|it| (record.id, record.incident, *place, it.name)));
            }
        }
        for (run, incident, step, action) in late {
            let owner = self.state.runs.get(&run).map(|record| record.by.to_string());
            self.fact(Fact::MeasureOverdue { run, step });
            let owner = owner.unwrap_or_default();
            self.tell(incident, Notice::MeasureOverdue { action, owner });
        }
    }
}

/// The label of an incident that a change is the reason of.
const CHANGE: &str = "change";
// From detected to validating there are six hops.
const LEAD_MAX: usize = 8;

fn checks(runbook: &Runbook) -> BTreeMap<String, u64> {
    let of = |step: &Step| match &step.work {
        Work::Check { soak_ms, .. } if step.phase == Phase::Validating => {
            Some((step.id.clone(), *soak_ms))
        }
        _ => None,
    };
    runbook.steps.iter().filter_map(of).collect()
}

// The step that asks, when it is an approval that is missing.
fn asks_again(record: &Record, why: &Refusal) -> Option<usize> {
    let missing = matches!(
        why,
        Refusal::QuorumNotMet | Refusal::Expired | Refusal::OtherArguments | Refusal::NotOpen
    );
    let Next::Do { step, .. } = record.run.next() else { return None };
    let id = record.step(step).filter(|_| missing).map(|step| step.id.clone())?;
    record.run.runbook().steps.iter().position(|step| match &step.work {
        Work::Approve { action, .. } => *action == id,
        _ => false,
    })
}
