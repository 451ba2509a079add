//! What follows from time: beats that are missed, waits that end, ladders, checks, expiry.

use std::collections::BTreeMap;

use crate::decide::Course;
use crate::decision::{ActionId, Notice, What};
use crate::event::{Fact, SignalId};
use crate::incident::{Incident, IncidentId, Phase};
use crate::moment::DAY_MS;
use crate::number::Number;
use crate::policy::Response;
use crate::refusal::Refusal;
use crate::scrub::Scrubbed;
use crate::signal::{Kind, Misses, Risk, Signal, Source, Status, fingerprint};

/// An action that fails is tried again so often: the second and third attempt outlast a rolling
/// restart of what refuses it, the fourth is for luck.
const ATTEMPTS_MAX: u64 = 4;
/// Past every window in which an incident can come back or be looked back at.
const RETIRED_AFTER_MS: u64 = 7 * DAY_MS;
/// Working days until a review.
const REVIEW_DAYS: u64 = 5;

impl Course<'_> {
    pub(super) fn tick(&mut self) {
        self.count_misses();
        self.end_waits();
        self.end_windows();
        self.end_requests();
        self.end_policies();
        self.look_at_actions();
        self.look_at_measures();
        self.look_at_runs();
        let open: Vec<IncidentId> = self.state.incidents.keys().copied().collect();
        for incident in open {
            self.pass(incident);
        }
        self.retire();
    }

    // Memory is for what can still matter. A cause comes back as a new incident.
    fn retire(&mut self) {
        // The newest keeps its number from being used again.
        let newest = self.state.incidents.last_key_value().map(|(newest, _)| *newest);
        let over = |incident: &&Incident| {
            let ended = matches!(
                incident.phase,
                Phase::Closed
                    | Phase::FalsePositive
                    | Phase::Suppressed
                    | Phase::Merged
                    | Phase::Cancelled
            );
            ended
                && Some(incident.id) != newest
                && !self.state.is_held(incident.id)
                && !self.state.frozen.contains(&incident.id)
                && !self.state.gates.values().any(|shut_for| *shut_for == incident.id)
                && self.at.since(incident.entered.max_count(incident.decided)) >= RETIRED_AFTER_MS
        };
        let ended: Vec<IncidentId> =
            self.state.incidents.values().filter(over).map(|incident| incident.id).collect();
        for incident in ended {
            self.fact(Fact::Retired(incident));
        }
    }

    // Signals are made at the two counts that rows speak of.
    fn count_misses(&mut self) {
        let counts = [self.state.policy.suspicious, self.state.policy.silent].map(u64::from);
        let mut sensed = Vec::new();
        for (capsule, beats) in &self.state.beats {
            let misses = self.state.misses(capsule, self.at).unwrap_or(0);
            let reached = counts.into_iter().filter(|count| misses >= *count).max();
            if let Some(count) = reached.filter(|count| *count > beats.said) {
                sensed.push((capsule.clone(), count, beats.risk));
            }
        }
        let sensed =
            sensed.into_iter().map(|(capsule, count, risk)| self.silence(capsule, count, risk));
        for signal in sensed.collect::<Vec<_>>() {
            self.fact(Fact::Sensed(signal));
            self.signal();
        }
    }

    // A heartbeat states no risk. The last one that is known counts, and otherwise the rows for
    // silence decide alone.
    fn silence(&self, capsule: String, count: u64, risk: Option<Number>) -> Signal {
        let labels: BTreeMap<String, Scrubbed> =
            BTreeMap::from([("capsule_hash".to_owned(), Scrubbed::assertion(capsule))]);
        let misses = u32::try_from(count).unwrap_or(u32::MAX);
        let chosen = self.state.policy.chosen(Kind::Heartbeat);
        Signal {
            source: Source::Heartbeat,
            kind: Kind::Heartbeat,
            fault: None,
            fingerprint: fingerprint(Kind::Heartbeat, &labels, chosen),
            raw: crate::digest::Digest::of(b""),
            labels,
            value: None,
            risk: risk
                .or_else(|| Number::new(0.0))
                .map_or(Risk::Unknown(crate::signal::Unknown::Missing), Risk::Known),
            misses: Misses::Known(misses),
            stated_ms: None,
            starts_ms: self.at.wall_ms,
            ends_ms: None,
            status: Status::Firing,
            secret: None,
        }
    }

    fn end_waits(&mut self) {
        let over = self.state.pending.iter().filter(|(_, p)| self.at.since(p.since) >= p.for_ms);
        let over: Vec<SignalId> = over.map(|(id, _)| *id).collect();
        over.into_iter().for_each(|id| self.release(id));
    }

    /// Looks again, once, at what a window explained that is over, and that still holds.
    pub(super) fn end_windows(&mut self) {
        let kept = self.state.suppressed.values();
        let kept = kept.filter(|(_, window, _)| !self.state.windows.contains_key(window));
        let kept: Vec<_> = kept.map(|(id, _, signal)| (*id, signal.clone())).collect();
        for (id, signal) in kept {
            self.reconsider(id, &signal);
        }
    }

    fn end_requests(&mut self) {
        let late = self.state.requests.values();
        let late = late.filter(|request| request.standing.is_live() && request.is_late(self.at));
        let late: Vec<_> = late.map(|request| request.id).collect();
        late.into_iter().for_each(|id| self.fact(Fact::Expired(id)));
    }

    fn look_at_actions(&mut self) {
        let limit = self.state.policy.windows.action_ms;
        let late = self.state.awaited.values();
        let late = late.filter(|awaited| !awaited.overdue && self.at.since(awaited.since) >= limit);
        let late: Vec<_> = late.map(|a| (a.action.id, a.action.incident)).collect();
        for (action, incident) in late {
            self.fact(Fact::Overdue(action));
            self.tell(incident, Notice::Overdue { action });
        }
    }

    /// What became of an action.
    pub(super) fn result(&mut self, action: ActionId, failed: Option<&Scrubbed>) -> super::Asked {
        let Some(awaited) = self.state.awaited.get(&action).cloned() else {
            return Err((None, Refusal::Unknown));
        };
        let incident = awaited.action.incident;
        let Some(why) = failed else {
            self.fact(Fact::Done(action));
            if matches!(awaited.action.what, What::Respond(_)) {
                self.fact(Fact::Contained(incident));
                self.shift(incident, Phase::Preserving);
            }
            return Ok(());
        };
        let attempt = awaited.action.attempt;
        // What people approved is done once; trying again needs another approval.
        let held = awaited.action.what == What::Respond(Response::Rollback)
            && self.state.is_kept(incident);
        let respond = matches!(awaited.action.what, What::Respond(_));
        let again = respond && !held && attempt < ATTEMPTS_MAX;
        self.fact(Fact::Failed { action, last: !again });
        if again {
            self.act(incident, awaited.action.what, attempt + 1);
        } else {
            let (name, why) = (Some(awaited.action.what.name()), Some(why.clone()));
            self.tell(incident, Notice::ActionFailed { action, name, why });
        }
        Ok(())
    }

    fn pass(&mut self, id: IncidentId) {
        let Some(incident) = self.state.incidents.get(&id) else { return };
        if incident.flapping {
            let quiet = self.state.flaps.get(&incident.fingerprint).is_none_or(|flap| {
                let span = self.state.policy.windows.flap_span_ms;
                flap.changes.back().is_none_or(|last| self.at.since(*last) >= span)
            });
            if quiet {
                self.fact(Fact::Settled(id));
            }
        }
        let Some(incident) = self.state.incidents.get(&id) else { return };
        if incident.phase == Phase::Validating
            && incident.guard(Phase::Resolved, None, self.at).is_ok()
        {
            self.resolve(id);
        }
        self.lapse(id);
        self.climb(id);
    }

    /// Moves an incident to its end, and says so once.
    pub(super) fn resolve(&mut self, id: IncidentId) {
        self.shift(id, Phase::Resolved);
        self.fact(Fact::ReviewDue { incident: id, due_ms: working_days_after(self.at.wall_ms) });
        self.tell(id, Notice::Resolved);
    }

    fn lapse(&mut self, id: IncidentId) {
        let Some(incident) = self.state.incidents.get(&id) else { return };
        let silence = self.state.policy.windows.silence_after_ack_ms;
        let silent = incident.acked.as_ref().is_some_and(|(_, at)| self.at.since(*at) >= silence);
        if silent && incident.phase.is_open() {
            self.fact(Fact::AckLapsed(id));
        }
    }

    /// Tells the roles whose time has come.
    pub(super) fn climb(&mut self, id: IncidentId) {
        let Some(incident) = self.state.incidents.get(&id) else { return };
        if !incident.pages || !incident.phase.is_open() || incident.acked.is_some() {
            return;
        }
        let age = self.at.since(incident.opened);
        let due = self.state.policy.ladder.iter().filter(|rung| {
            let at_once = rung.at_once.contains(&incident.severity)
                || rung.at_once_for.contains(&incident.kind);
            (at_once || age >= rung.after_ms) && !incident.told.contains(&rung.role)
        });
        let roles: Vec<String> = due.map(|rung| rung.role.clone()).collect();
        roles.into_iter().for_each(|role| self.tell(id, Notice::Escalated { role }));
    }
}

// 1970-01-01 was a Thursday.
fn working_days_after(wall_ms: u64) -> u64 {
    let mut day = wall_ms / DAY_MS;
    let mut left = REVIEW_DAYS;
    while left > 0 {
        day += 1;
        let weekday = (day + 3) % 7;
        if weekday < 5 {
            left -= 1;
        }
    }
    day * DAY_MS + wall_ms % DAY_MS
}
