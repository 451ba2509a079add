//! What each entry changes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Awaited, Flap, Hold, Liveness, Pending, State};
use crate::approval::{RequestId, Standing};
use crate::decision::{Action, Decision, Notice, What};
use crate::digest::Digest;
use crate::event::{Change, Entry, Event, Fact, Input, Outcome, SignalId};
use crate::incident::{Check, Incident, IncidentId, Phase, Severity};
use crate::moment::{DAY_MS, MINUTE_MS, Moment};
use crate::person::Actor;
use crate::policy::{Policy, Response, Verdict};
use crate::proposal::{Former, Proposal};
use crate::runbook::record::Starting;
use crate::scrub::Scrubbed;
use crate::signal::{Kind, Signal, Status};

/// A capsule that is silent for a week was taken down; what its silence meant was decided long ago.
const SILENT_FOR_GOOD_MS: u64 = 7 * DAY_MS;
/// Changes that are remembered for explanations.
const CHANGES_MAX: usize = 1024;
/// Labels of humans that are remembered for proposals.
const LABELLED_MAX: usize = 256;

impl State {
    /// Takes an entry in.
    pub fn apply(&mut self, entry: &Entry) {
        match &entry.event {
            Event::Input(input) => self.take(input, entry),
            Event::Fact(fact) => self.follow(fact, entry.at),
        }
        self.next_seq = entry.seq.saturating_add(1);
        self.last = Some(entry.at);
    }

    fn take(&mut self, input: &Input, entry: &Entry) {
        self.notice_gap(entry.at);
        self.touch(input, entry);
        match input {
            Input::Policy(source) => {
                if let Ok(policy) = Policy::parse(source)
                    && (policy.covers_integrity() || !self.policy.covers_integrity())
                {
                    self.configured = Some(policy.digest());
                    self.former = None;
                    self.policy = policy;
                }
            }
            Input::Person(person) => {
                self.people.insert(person.id.clone(), person.clone());
            }
            Input::Signal(signal) => {
                let id = SignalId::Received(self.received);
                self.received += 1;
                self.see(id, signal, entry.at);
            }
            Input::Beat { capsule, .. } => self.beat(capsule.as_str(), entry.at),
            Input::Tick => self.forget(entry.at),
            Input::Window(window) if !window.scope.is_empty() => {
                self.windows.insert(window.id.clone(), window.clone());
            }
            Input::WindowEnd(id) => {
                self.windows.remove(id);
            }
            Input::Mute(mute) if !mute.scope.is_empty() => {
                self.mutes.insert(mute.id.clone(), (entry.at, mute.clone()));
            }
            Input::MuteEnd(id) => {
                self.mutes.remove(id);
            }
            Input::Change(change) if !change.scope.is_empty() => self.change(change),
            Input::RunStart { source, inputs, .. } | Input::RunPlanned { source, inputs, .. } => {
                self.starting = Starting::read(source, inputs, &entry.actor);
            }
            other => self.take_of_incident(other, entry.at),
        }
    }

    fn take_of_incident(&mut self, input: &Input, at: Moment) {
        match input {
            Input::Collected { incident, item } => self.with(*incident, |incident| {
                incident.evidence.insert(item.clone());
            }),
            Input::Sealed { incident, bundle } => {
                self.with(*incident, |incident| incident.sealed = Some(*bundle));
            }
            Input::Checks { incident, checks } => self.with(*incident, |incident| {
                let fresh =
                    |soak_ms: &u64| Check { soak_ms: *soak_ms, green_since: None, skipped: false };
                incident.checks =
                    checks.iter().map(|(name, soak)| (name.clone(), fresh(soak))).collect();
            }),
            Input::Checked { incident, check, outcome } => self.with(*incident, |incident| {
                let Some(check) = incident.checks.get_mut(check) else { return };
                check.skipped = *outcome == Outcome::Skipped;
                check.green_since = match outcome {
                    Outcome::Pass => check.green_since.or(Some(at)),
                    Outcome::Fail | Outcome::Skipped => None,
                };
            }),
            Input::Reviewed { incident, review, follow_ups } => {
                self.with(*incident, |incident| {
                    incident.review = Some(review.clone());
                    incident.follow_ups.clone_from(follow_ups);
                });
            }
            Input::Drained(incident) => self.with(*incident, |incident| incident.drained = true),
            Input::Reported { incident, report } => {
                self.with(*incident, |incident| incident.report = Some(*report));
            }
            _ => {}
        }
    }

    fn follow(&mut self, fact: &Fact, at: Moment) {
        match fact {
            Fact::Opened { incident, kind, fingerprint, severity, labels } => {
                self.open(*incident, *kind, *fingerprint, *severity, labels, at);
            }
            Fact::Attached { incident, firing, .. } => self.with(*incident, |incident| {
                incident.signals += 1;
                incident.firing = *firing;
            }),
            Fact::Deferred { signal, for_ms } => {
                if let Some((_, received, held)) = self.current.clone() {
                    let pending = Pending { received, since: at, for_ms: *for_ms, signal: held };
                    self.pending.insert(*signal, pending);
                }
            }
            Fact::Decided(decision) => self.decided(decision, at),
            Fact::Moved { incident, to, reopened, .. } => self.moved(*incident, *to, *reopened, at),
            Fact::Rose { incident, to } | Fact::Fell { incident, to, .. } => {
                self.with(*incident, |incident| {
                    incident.severity = *to;
                    incident.worst = incident.worst.min(*to);
                });
            }
            Fact::Flapping(incident) => self.with(*incident, |incident| incident.flapping = true),
            Fact::Settled(incident) => self.with(*incident, |incident| incident.flapping = false),
            Fact::Paging(incident) => self.with(*incident, |incident| incident.pages = true),
            Fact::Acked { incident, by } => {
                self.with(*incident, |incident| incident.acked = Some((by.clone(), at)));
            }
            Fact::AckLapsed(incident) => self.with(*incident, |incident| incident.acked = None),
            Fact::Contained(incident) => self.with(*incident, |incident| incident.contained = true),
            Fact::Once { incident, rule, what } => self.with(*incident, |incident| {
                incident.done_once.insert((rule.clone(), *what));
            }),
            Fact::Merged { incident, into } => self.merged(*incident, *into, at),
            Fact::Waived { incident, item, employee } => self.with(*incident, |incident| {
                incident.waivers.entry(item.clone()).or_default().insert(employee.clone());
            }),
            Fact::Sensed(signal) => {
                let id = SignalId::Sensed(self.sensed);
                self.sensed += 1;
                self.see(id, signal, at);
                let capsule = signal.label("capsule_hash").unwrap_or_default();
                if let (Some(beats), Some(misses)) =
                    (self.beats.get_mut(capsule), signal.misses.known())
                {
                    beats.said = u64::from(misses);
                }
            }
            Fact::Labelled { incident, risk } => {
                self.labelled.retain(|(when, id, _)| at.since(*when) < DAY_MS && id != incident);
                self.labelled.push_back((at, *incident, *risk));
                while self.labelled.len() > LABELLED_MAX {
                    self.labelled.pop_front();
                }
            }
            Fact::Proposed { .. } => self.labelled.clear(),
            Fact::Retired(incident) => self.retire(*incident),
            Fact::PolicyDrafted(_)
            | Fact::PolicyGranted { .. }
            | Fact::PolicyAdopted(_)
            | Fact::PolicyDropped(_)
            | Fact::PolicyReverted(_) => self.follow_policy(fact, at),
            other => self.follow_control(other, at),
        }
    }

    fn follow_policy(&mut self, fact: &Fact, at: Moment) {
        match fact {
            Fact::PolicyDrafted(proposal) => {
                self.proposals.insert(proposal.policy, Proposal::clone(proposal));
            }
            Fact::PolicyGranted { policy, by } => {
                if let Some(proposal) = self.proposals.get_mut(policy) {
                    proposal.request.granted.insert(by.clone());
                }
            }
            Fact::PolicyAdopted(policy) => self.adopt(*policy, at),
            Fact::PolicyDropped(policy) => {
                self.proposals.remove(policy);
            }
            Fact::PolicyReverted(_) => {
                let former = self.former.take().map(|former| Policy::parse(&former.source));
                if let Some(Ok(policy)) = former {
                    self.policy = policy;
                }
            }
            _ => {}
        }
    }

    // What is to end by itself is no policy to go back to: the one before it is.
    fn adopt(&mut self, policy: Digest, at: Moment) {
        let Some(proposal) = self.proposals.remove(&policy) else { return };
        let Ok(policy) = Policy::parse(&proposal.source) else { return };
        let passing = self.former.take().filter(|former| former.back_at_ms.is_some());
        let source = passing.map_or_else(|| self.policy.source().to_owned(), |it| it.source);
        let back_at_ms = proposal.for_ms.map(|ms| at.mono_ms.saturating_add(ms));
        self.former = Some(Former { source, back_at_ms });
        self.policy = policy;
    }

    // Gates, holds, actions and requests.
    fn follow_control(&mut self, fact: &Fact, at: Moment) {
        match fact {
            Fact::HoldSet(incident) => {
                let labels = self.incidents.get(incident).map(|incident| &incident.labels);
                let instance = labels.and_then(|labels| labels.get("instance"));
                let instance = instance.map(|name| name.as_str().to_owned());
                let hold = Hold { instance, released_by: BTreeSet::new() };
                self.holds.insert(*incident, hold);
            }
            Fact::Released { incident, employee } => {
                if let Some(hold) = self.holds.get_mut(incident) {
                    hold.released_by.insert(employee.clone());
                }
            }
            Fact::HoldReleased(incident) => {
                self.holds.remove(incident);
            }
            Fact::GateShut { gate, incident } => {
                self.gates.entry(gate.clone()).or_insert(*incident);
            }
            Fact::GateOpened(gate) => {
                self.gates.remove(gate);
            }
            Fact::Frozen(incident) => {
                self.frozen.insert(*incident);
            }
            Fact::Thawed(incident) => {
                self.frozen.remove(incident);
            }
            Fact::RunBegan { .. }
            | Fact::Stepped { .. }
            | Fact::RunBlocked { .. }
            | Fact::RunUnblocked { .. }
            | Fact::RunStands { .. }
            | Fact::RunAsked { .. }
            | Fact::MeasureOverdue { .. }
            | Fact::ChecksAdded { .. } => self.follow_run(fact, at),
            Fact::Issued(action) => self.issue(action, at),
            Fact::Done(action) | Fact::Failed { action, .. } => {
                self.awaited.remove(action);
            }
            Fact::Overdue(action) => {
                if let Some(awaited) = self.awaited.get_mut(action) {
                    awaited.overdue = true;
                }
            }
            Fact::Requested(request) => {
                self.requests.insert(request.id, request.clone());
            }
            Fact::Granted { request, by } => {
                if let Some(request) = self.requests.get_mut(request) {
                    request.granted.insert(by.clone());
                }
            }
            Fact::Approved(request) => self.stand(*request, Standing::Approved),
            Fact::Rejected(request) => self.stand(*request, Standing::Rejected),
            Fact::Voided(request) => self.stand(*request, Standing::Void),
            Fact::Expired(request) => self.stand(*request, Standing::Expired),
            Fact::Executed(request) => self.stand(*request, Standing::Executed),
            _ => {}
        }
    }

    fn follow_run(&mut self, fact: &Fact, at: Moment) {
        if let Fact::ChecksAdded { incident, checks } = fact {
            self.with(*incident, |incident| {
                for (name, soak_ms) in checks {
                    let fresh = Check { soak_ms: *soak_ms, green_since: None, skipped: false };
                    incident.checks.entry(name.clone()).or_insert(fresh);
                }
            });
            return;
        }
        if let Fact::RunBegan { run, incident, .. } = fact {
            self.ran = self.ran.max(run.0);
            let record = self.starting.take().map(|starting| starting.begin(*run, *incident, at));
            self.runs.extend(record.map(|record| (*run, record)));
            return;
        }
        let (Fact::Stepped { run, .. }
        | Fact::RunBlocked { run, .. }
        | Fact::RunUnblocked { run, .. }
        | Fact::RunStands { run, .. }
        | Fact::RunAsked { run, .. }
        | Fact::MeasureOverdue { run, .. }) = fact
        else {
            return;
        };
        if let Some(record) = self.runs.get_mut(run) {
            record.follow(fact, at);
        }
    }

    fn stand(&mut self, request: RequestId, standing: Standing) {
        if let Some(request) = self.requests.get_mut(&request) {
            request.standing = standing;
        }
    }

    fn with(&mut self, id: IncidentId, change: impl FnOnce(&mut Incident)) {
        if let Some(incident) = self.incidents.get_mut(&id) {
            change(incident);
        }
    }

    // A desk that was away cannot know what it did not hear.
    fn notice_gap(&mut self, at: Moment) {
        let away = self.last.map_or(0, |last| at.since(last));
        if away > self.policy.windows.self_gap_ms {
            for beats in self.beats.values_mut() {
                beats.blind_ms = beats.blind_ms.saturating_add(away);
            }
        }
    }

    // A person who does something about an incident has it in hand for longer.
    fn touch(&mut self, input: &Input, entry: &Entry) {
        let Actor::Person(by) = &entry.actor else { return };
        let incident = match input {
            Input::Move { incident, .. }
            | Input::Lower { incident, .. }
            | Input::Waive { incident, .. }
            | Input::Collected { incident, .. }
            | Input::Request { incident, .. }
            | Input::Reviewed { incident, .. } => *incident,
            _ => return,
        };
        self.with(incident, |incident| {
            if let Some((acked_by, last)) = &mut incident.acked
                && acked_by == by
            {
                *last = entry.at;
            }
        });
    }

    fn see(&mut self, id: SignalId, signal: &Signal, at: Moment) {
        self.current = Some((id, at, signal.clone()));
        let flap = self.flaps.entry(signal.fingerprint);
        let flap = flap.or_insert(Flap { status: signal.status, changes: VecDeque::new() });
        if flap.status != signal.status {
            flap.status = signal.status;
            flap.changes.push_back(at);
        }
        let span = self.policy.windows.flap_span_ms;
        flap.changes.retain(|change| at.since(*change) < span);
        if signal.status == Status::Resolved {
            self.suppressed.remove(&signal.fingerprint);
        }
        let Some(capsule) = signal.label("capsule_hash") else { return };
        if let (Some(beats), Some(risk)) = (self.beats.get_mut(capsule), signal.risk.known())
            && signal.kind == Kind::GuardTrip
        {
            beats.risk = Some(risk);
        }
        let span = self.policy.windows.correlation_span_ms;
        self.missing.retain(|_, (seen, _)| at.since(*seen) <= span);
        let missed = signal.misses.known().is_some_and(|count| count > 0);
        if signal.kind.is_scored() && signal.status == Status::Firing {
            // Somebody who rises above the network's explanation must not be counted under it.
            if missed || self.missing.contains_key(capsule) {
                self.missing.insert(capsule.to_owned(), (at, signal.risk));
            }
        }
    }

    // The number of the newest request stays: numbers are not used twice.
    fn retire(&mut self, id: IncidentId) {
        self.incidents.remove(&id);
        self.by_cause.retain(|_, newest| *newest != id);
        self.runs.retain(|_, record| record.incident != id);
        let newest = self.requests.last_key_value().map(|(newest, _)| *newest);
        self.requests.retain(|number, request| request.incident != id || Some(*number) == newest);
    }

    // Windows and mutes that are over, causes that are quiet, capsules that are gone.
    fn forget(&mut self, at: Moment) {
        let known = &self.by_cause;
        let span = self.policy.windows.flap_span_ms;
        self.flaps.retain(|cause, flap| {
            known.contains_key(cause)
                || flap.status == Status::Firing
                || flap.changes.iter().any(|change| at.since(*change) < span)
        });
        self.beats.retain(|_, beats| at.since(beats.last) < SILENT_FOR_GOOD_MS);
        self.windows.retain(|_, window| window.to_ms > at.wall_ms);
        self.mutes.retain(|_, (since, mute)| at.since(*since) < mute.for_ms);
    }

    fn beat(&mut self, capsule: &str, at: Moment) {
        let risk = self.beats.get(capsule).and_then(|beats| beats.risk);
        let fresh = Liveness { last: at, blind_ms: 0, said: 0, risk };
        self.beats.insert(capsule.to_owned(), fresh);
    }

    fn change(&mut self, change: &Change) {
        self.changes.push_back(change.clone());
        while self.changes.len() > CHANGES_MAX {
            self.changes.pop_front();
        }
    }

    fn open(
        &mut self,
        id: IncidentId,
        kind: Kind,
        fingerprint: Digest,
        severity: Severity,
        labels: &BTreeMap<String, Scrubbed>,
        at: Moment,
    ) {
        let incident = Incident {
            id,
            kind,
            fingerprint,
            severity,
            worst: severity,
            phase: Phase::Detected,
            entered: at,
            opened: at,
            decided: at,
            rule: None,
            strength: 0,
            verdict: Verdict::Undecided,
            cause: None,
            risk: None,
            labels: labels.clone(),
            signals: 0,
            firing: true,
            pages: false,
            told: BTreeSet::new(),
            spoken: false,
            acked: None,
            flapping: false,
            reopened: 0,
            contained: false,
            done_once: BTreeSet::new(),
            evidence: BTreeSet::new(),
            sealed: None,
            waivers: BTreeMap::new(),
            checks: BTreeMap::new(),
            review: None,
            follow_ups: Vec::new(),
            report: None,
            drained: false,
            merged_into: None,
        };
        self.incidents.insert(id, incident);
        self.by_cause.insert(fingerprint, id);
    }

    fn decided(&mut self, decision: &Decision, at: Moment) {
        let signal = self.signal_of(decision.signal);
        self.pending.remove(&decision.signal);
        self.suppressed.retain(|_, (id, ..)| *id != decision.signal);
        if let (Some(signal), Some(window), Verdict::Suppressed) =
            (signal, &decision.inputs.maintenance, decision.verdict)
        {
            let kept = (decision.signal, window.clone(), signal.clone());
            self.suppressed.insert(signal.fingerprint, kept);
        }
        let settled = [Verdict::Duplicate, Verdict::Resolved];
        let Some(id) = decision.incident.filter(|_| !settled.contains(&decision.verdict)) else {
            return;
        };
        self.with(id, |incident| {
            incident.worst = incident.worst.min(decision.severity);
            let first = incident.rule.is_none();
            if first || decision.strength >= incident.strength || !incident.phase.is_open() {
                incident.rule.clone_from(&decision.rule);
                incident.strength = decision.strength;
                incident.verdict = decision.verdict;
                incident.cause = decision.cause;
                incident.risk = decision.inputs.risk.known();
                incident.decided = at;
            }
        });
    }

    // A signal that is being decided, waits, or was explained by planned work.
    fn signal_of(&self, id: SignalId) -> Option<Signal> {
        let pending = self.pending.get(&id).map(|pending| &pending.signal);
        let current = || self.current.as_ref().filter(|(now, ..)| *now == id).map(|(.., s)| s);
        let kept = || self.suppressed.values().find(|(was, ..)| *was == id).map(|(.., s)| s);
        pending.or_else(current).or_else(kept).cloned()
    }

    fn moved(&mut self, id: IncidentId, to: Phase, reopened: bool, at: Moment) {
        self.with(id, |incident| {
            incident.phase = to;
            incident.entered = at;
            if reopened {
                incident.reopened += 1;
                incident.worst = incident.severity;
                incident.acked = None;
                incident.told.clear();
                incident.checks.clear();
                incident.contained = false;
                incident.drained = false;
                incident.report = None;
                incident.done_once.clear();
                incident.opened = at;
            }
        });
        if matches!(to, Phase::Closed | Phase::FalsePositive | Phase::Cancelled) {
            self.frozen.remove(&id);
        }
    }

    fn merged(&mut self, id: IncidentId, into: IncidentId, at: Moment) {
        let Some(part) = self.incidents.get_mut(&id) else { return };
        part.phase = Phase::Merged;
        part.entered = at;
        part.merged_into = Some(into);
        let part = part.clone();
        self.by_cause.insert(part.fingerprint, into);
        self.with(into, |whole| {
            whole.signals += part.signals;
            whole.pages |= part.pages;
            whole.worst = whole.worst.min(part.worst);
            whole.done_once.extend(part.done_once);
            // The stronger decision stands for both, or the part's cause would be decided again.
            if part.strength > whole.strength {
                whole.rule = part.rule;
                whole.strength = part.strength;
                whole.verdict = part.verdict;
                whole.cause = part.cause;
                whole.risk = part.risk;
                whole.decided = part.decided;
            }
        });
    }

    fn issue(&mut self, action: &Action, at: Moment) {
        self.issued = self.issued.max(action.id.0 + 1);
        let awaited = match &action.what {
            What::Respond(response) => response.is_awaited(),
            What::Execute { .. } => true,
            What::Tell(notice) => {
                self.with(action.incident, |incident| {
                    incident.spoken = true;
                    if let Notice::Escalated { role } = notice {
                        incident.told.insert(role.clone());
                    }
                });
                false
            }
        };
        if awaited {
            let awaited = Awaited { action: action.clone(), since: at, overdue: false };
            self.awaited.insert(action.id, awaited);
        }
    }

    /// Names of changes in scope during the last hour.
    pub(crate) fn changes_in_scope(
        &self,
        labels: &BTreeMap<String, Scrubbed>,
        now: Moment,
    ) -> Vec<String> {
        let from = now.wall_ms.saturating_sub(60 * MINUTE_MS);
        let recent = self.changes.iter().filter(|change| {
            (from..=now.wall_ms).contains(&change.at_ms) && in_scope(&change.scope, labels)
        });
        recent.map(|change| change.id.clone()).collect()
    }

    /// The window in scope, the one that ends last.
    pub(crate) fn window_in_scope(
        &self,
        labels: &BTreeMap<String, Scrubbed>,
        now: Moment,
    ) -> Option<String> {
        let open = self.windows.values().filter(|window| {
            (window.from_ms..window.to_ms).contains(&now.wall_ms) && in_scope(&window.scope, labels)
        });
        open.max_by_key(|window| window.to_ms).map(|window| window.id.clone())
    }

    /// The mute in scope.
    pub(crate) fn mute_in_scope(
        &self,
        labels: &BTreeMap<String, Scrubbed>,
        now: Moment,
    ) -> Option<String> {
        let open = self.mutes.values().filter(|(since, mute)| {
            now.since(*since) < mute.for_ms && in_scope(&mute.scope, labels)
        });
        open.map(|(_, mute)| mute.id.clone()).next()
    }

    /// Whether what a response sets is set already for an incident.
    pub(crate) fn is_in_force(&self, incident: IncidentId, response: Response) -> bool {
        match response {
            Response::Hold => self.holds.contains_key(&incident),
            Response::Gate => self.gates.contains_key(crate::decide::GATE),
            Response::Freeze => self.frozen.contains(&incident),
            _ => false,
        }
    }
}

fn in_scope(scope: &BTreeMap<String, String>, labels: &BTreeMap<String, Scrubbed>) -> bool {
    let has = |(name, text): (&String, &String)| {
        labels.get(name).is_some_and(|label| label.as_str() == text)
    };
    !scope.is_empty() && scope.iter().all(has)
}
