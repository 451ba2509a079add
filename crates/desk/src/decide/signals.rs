//! What follows from a signal: a verdict, an incident, and what its row asks for.

use crate::decide::Course;
use crate::decision::{Decision, Notice};
use crate::digest::Digest;
use crate::event::{Fact, SignalId};
use crate::incident::{Incident, IncidentId, Phase};
use crate::moment::Moment;
use crate::policy::{Response, Row, Verdict};
use crate::signal::{Kind, Misses, Risk, Signal, Status, fingerprint};
use crate::triage::{Fleet, Inputs, Recorded, Ruling, triage};

impl Course<'_> {
    /// Decides the signal that has just been taken in, and those that waited for it.
    pub(super) fn signal(&mut self) {
        let Some((id, received, signal)) = self.state.current.clone() else { return };
        self.consider(id, received, &signal);
        self.release_correlated();
    }

    fn consider(&mut self, id: SignalId, received: Moment, signal: &Signal) {
        let inputs = self.inputs(signal, received);
        let ruling = triage(&self.state.policy, &inputs);
        if ruling.waits && self.state.policy.correlates() && inputs.maintenance.is_none() {
            let for_ms = self.state.policy.windows.correlation_wait_ms;
            self.fact(Fact::Deferred { signal: id, for_ms });
            return;
        }
        self.conclude(id, received, signal, inputs, &ruling);
        self.watch_flapping(signal.fingerprint);
    }

    /// Decides signals that waited, now that their capsules are seen to fall silent together.
    fn release_correlated(&mut self) {
        if self.state.pending.is_empty() || self.fleet().is_none() {
            return;
        }
        let waiting: Vec<SignalId> = self.state.pending.keys().copied().collect();
        waiting.into_iter().for_each(|id| self.release(id));
    }

    /// Decides a signal that waited, by what is known now.
    pub(super) fn release(&mut self, id: SignalId) {
        let Some(pending) = self.state.pending.get(&id).cloned() else { return };
        let inputs = self.inputs(&pending.signal, pending.received);
        let ruling = triage(&self.state.policy, &inputs);
        self.conclude(id, pending.received, &pending.signal, inputs, &ruling);
    }

    /// Decides a signal again that planned work explained until now.
    pub(super) fn reconsider(&mut self, id: SignalId, signal: &Signal) {
        let mut inputs = self.inputs(signal, self.at);
        inputs.recorded = None;
        let ruling = triage(&self.state.policy, &inputs);
        self.conclude(id, self.at, signal, inputs, &ruling);
    }

    fn inputs(&self, signal: &Signal, received: Moment) -> Inputs {
        let state = &self.state;
        let stated = signal.stated_ms.unwrap_or(received.wall_ms);
        let skew = state.policy.windows.stated_skew_ms;
        let under_network = signal.kind.is_scored()
            && signal.misses.known().is_some_and(|count| count > 0)
            && self.is_low(signal.risk);
        Inputs {
            kind: signal.kind,
            fault: signal.fault,
            status: signal.status,
            risk: signal.risk,
            misses: if signal.kind.is_scored() { signal.misses } else { Misses::Known(0) },
            skewed: signal.kind.is_scored() && stated.abs_diff(received.wall_ms) > skew,
            maintenance: state.window_in_scope(&signal.labels, self.at),
            muted: state.mute_in_scope(&signal.labels, self.at),
            network: if under_network { self.fleet() } else { None },
            recorded: self.recorded(signal),
            changes: state.changes_in_scope(&signal.labels, self.at),
        }
    }

    fn is_low(&self, risk: Risk) -> bool {
        risk.known().is_some_and(|risk| risk < self.state.policy.thresholds.medium)
    }

    // Capsules that fall silent together, when they are enough and none of them is at risk.
    fn fleet(&self) -> Option<Fleet> {
        let policy = &self.state.policy;
        let span = policy.windows.correlation_span_ms;
        let mut missing = 0;
        for (seen, risk) in self.state.missing.values() {
            if self.at.since(*seen) <= span {
                if !self.is_low(*risk) {
                    return None;
                }
                missing += 1;
            }
        }
        let known = self.state.beats.keys().chain(self.state.missing.keys());
        let of = known.collect::<std::collections::BTreeSet<_>>().len() as u64;
        // One capsule is no network, however small the fleet is.
        let share = missing >= 2 && missing * 100 >= policy.fleet_percent * of;
        (missing >= policy.capsules || share).then_some(Fleet { missing, of })
    }

    fn recorded(&self, signal: &Signal) -> Option<Recorded> {
        let incident = self.standing(signal.fingerprint)?;
        let cool_down = self.state.policy.windows.cool_down_ms;
        let fresh = self.at.since(incident.decided) < cool_down;
        let stands = incident.phase.is_open() || fresh;
        let rule = incident.rule.clone().filter(|_| stands)?;
        let (strength, worst) = (incident.strength, Some(incident.worst));
        Some(Recorded { incident: incident.id, rule, strength, worst })
    }

    // The newest incident of a cause, or what it was merged into.
    pub(super) fn standing(&self, cause: Digest) -> Option<&Incident> {
        let id = self.state.by_cause.get(&cause)?;
        let found = self.state.incidents.get(id)?;
        match found.merged_into {
            Some(into) => self.state.incidents.get(&into),
            None => Some(found),
        }
    }

    fn conclude(
        &mut self,
        id: SignalId,
        received: Moment,
        signal: &Signal,
        inputs: Inputs,
        ruling: &Ruling,
    ) {
        let row = ruling.rule.as_ref().and_then(|rule| self.state.policy.row(rule));
        let is_network = row.is_some_and(|row: &Row| row.when.network == Some(true));
        let cause = if is_network {
            fingerprint(Kind::Network, &signal.labels, self.state.policy.chosen(Kind::Network))
        } else {
            signal.fingerprint
        };
        let firing = signal.status == Status::Firing;
        let (incident, fresh) = match ruling.verdict {
            Verdict::Ignored | Verdict::Undecided => (None, false),
            Verdict::Resolved | Verdict::Duplicate => {
                (self.standing(cause).map(|found| found.id), false)
            }
            Verdict::Legitimate
            | Verdict::FalsePositive
            | Verdict::Investigate
            | Verdict::Suppressed => {
                let kind = if is_network { Kind::Network } else { signal.kind };
                let (incident, fresh) = self.place(cause, kind, ruling, signal);
                (Some(incident), fresh)
            }
        };
        let standing = incident.and_then(|incident| self.state.incidents.get(&incident));
        let stronger = fresh
            || standing.is_none_or(|found| {
                ruling.strength > found.strength || ruling.severity < found.worst
            });
        let latency_ms = self.at.since(received);
        let decision = Decision {
            signal: id,
            incident,
            verdict: ruling.verdict,
            cause: ruling.cause,
            rule: ruling.rule.clone(),
            strength: ruling.strength,
            confidence: ruling.confidence,
            severity: ruling.severity,
            actions: ruling.actions.clone(),
            next_best: ruling.next_best.clone(),
            inputs,
            policy_sha256: self.state.policy.digest,
            latency_ms,
            explanation: ruling.lines.clone(),
        };
        if let Some(incident) = incident {
            self.fact(Fact::Attached { incident, signal: id, firing });
        }
        self.fact(Fact::Decided(decision));
        if let Some(incident) = incident {
            self.follow_ruling(incident, ruling, stronger, fresh);
        }
    }

    // The incident a ruling belongs to, and whether it begins or begins again with it.
    fn place(
        &mut self,
        cause: Digest,
        kind: Kind,
        ruling: &Ruling,
        signal: &Signal,
    ) -> (IncidentId, bool) {
        if let Some(found) = self.standing(cause) {
            let (id, phase, entered) = (found.id, found.phase, found.entered);
            // Capsule after capsule joins what the network explains; nothing begins again.
            let windows = &self.state.policy.windows;
            let said = found.rule == ruling.rule
                && matches!(phase, Phase::FalsePositive | Phase::Suppressed)
                && self.at.since(found.decided) < windows.cool_down_ms
                && ruling.severity >= found.worst;
            if phase.is_open() || said {
                return (id, false);
            }
            let recent = self.at.since(entered) < windows.reopen_ms;
            if recent && phase.may_become(Phase::Triaged) {
                self.shift(id, Phase::Triaged);
                return (id, true);
            }
        }
        let next = self.state.incidents.last_key_value().map_or(1, |(last, _)| last.0 + 1);
        let incident = IncidentId(next);
        let (labels, severity) = (signal.labels.clone(), ruling.severity);
        self.fact(Fact::Opened { incident, kind, fingerprint: cause, severity, labels });
        (incident, true)
    }

    fn follow_ruling(
        &mut self,
        incident: IncidentId,
        ruling: &Ruling,
        stronger: bool,
        fresh: bool,
    ) {
        if matches!(ruling.verdict, Verdict::Resolved | Verdict::Duplicate) {
            return;
        }
        let Some(found) = self.state.incidents.get(&incident) else { return };
        let (phase, severity) = (found.phase, found.severity);
        if !stronger && !phase.is_open() {
            return;
        }
        if ruling.severity < severity {
            self.fact(Fact::Rose { incident, to: ruling.severity });
        }
        if phase == Phase::Detected {
            self.shift(incident, Phase::Triaged);
        }
        for response in &ruling.actions {
            self.respond_by_row(incident, ruling, *response, stronger);
        }
        if !fresh && stronger && ruling.actions.contains(&Response::Page) {
            self.tell(incident, Notice::Redecided);
        }
        let to = match ruling.verdict {
            Verdict::FalsePositive => Some(Phase::FalsePositive),
            Verdict::Suppressed => Some(Phase::Suppressed),
            _ if ruling.actions.iter().any(|response| limits_harm(*response)) => {
                Some(Phase::Containing)
            }
            _ => None,
        };
        // A weaker word does not end what a stronger one has begun.
        if let Some(to) = to.filter(|_| stronger) {
            let from = self.state.incidents.get(&incident).map(|found| found.phase);
            let early = matches!(from, Some(Phase::Detected | Phase::Triaged));
            if early {
                self.shift(incident, to);
            }
        }
        self.climb(incident);
    }

    fn respond_by_row(
        &mut self,
        incident: IncidentId,
        ruling: &Ruling,
        response: Response,
        stronger: bool,
    ) {
        let Some(rule) = &ruling.rule else { return };
        if !ruling.once {
            // A row that is reached again without being stronger belongs to a policy that knows no
            // duplicates.
            self.respond(incident, response);
            return;
        }
        let key = (rule.clone(), response);
        let done = self.state.incidents.get(&incident).map(|found| found.done_once.contains(&key));
        let needed = stronger || !self.state.is_in_force(incident, response);
        if done == Some(false) && needed {
            self.fact(Fact::Once { incident, rule: rule.clone(), what: response });
            self.respond(incident, response);
        }
    }

    fn watch_flapping(&mut self, cause: Digest) {
        let Some(found) = self.standing(cause) else { return };
        let (id, flapping) = (found.id, found.flapping);
        let changes = self.state.flaps.get(&cause).map_or(0, |flap| flap.changes.len() as u64);
        if !flapping && changes >= self.state.policy.flap_changes {
            self.fact(Fact::Flapping(id));
            self.tell(id, Notice::Flapping);
        }
    }
}

const fn limits_harm(response: Response) -> bool {
    matches!(response, Response::Hold | Response::Gate | Response::Rollback | Response::Contain)
}
