//! The past by another policy: the inputs of a log are decided again, and what would have been said
//! otherwise is told, signal by signal, before that policy is approved.
//!
//! All inputs are taken in from the first, since a decision depends on what came before; only those
//! signals are compared that came within the time that is asked for. It refuses nothing and does
//! nothing: whoever decides here has no hands.

use std::collections::{BTreeMap, BTreeSet};

use crate::decide::Desk;
use crate::event::{Entry, Event, Fact, Input, SignalId};
use crate::policy::{Policy, Response, RuleId, Verdict};

/// What another policy would have said otherwise.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// Of which signal.
    pub signal: SignalId,
    /// What was said, in order.
    pub was: Vec<Said>,
    /// What would have been.
    pub now: Vec<Said>,
}

/// One decision in short.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Said {
    /// The row.
    pub rule: Option<RuleId>,
    /// The verdict.
    pub verdict: Verdict,
    /// What is done.
    pub actions: Vec<Response>,
}

type Decisions = BTreeMap<SignalId, Vec<Said>>;

/// A log on its way through another policy; entries are handed in one by one.
#[derive(Debug)]
pub struct Replay {
    desk: Desk,
    from_ms: u64,
    // signals so far: those that came, and those that were made of silence
    seen: [u64; 2],
    // how many there were before the time that is asked for
    before: Option<[u64; 2]>,
    was: Decisions,
    now: Decisions,
    // signals about which both said the same so far
    settled: BTreeSet<SignalId>,
}

impl Replay {
    /// Nothing is taken in yet; signals from `from_ms` on, milliseconds since 1970, are compared.
    pub const fn new(policy: Policy, from_ms: u64) -> Self {
        Self {
            desk: Desk::comparing(policy),
            from_ms,
            seen: [0, 0],
            before: None,
            was: Decisions::new(),
            now: Decisions::new(),
            settled: BTreeSet::new(),
        }
    }

    /// Takes in the next entry of the log.
    pub fn take(&mut self, entry: &Entry) {
        if self.before.is_none() && entry.at.wall_ms >= self.from_ms {
            self.before = Some(self.seen);
        }
        match &entry.event {
            Event::Input(input) => {
                if matches!(input, Input::Signal(_)) {
                    self.seen[0] += 1;
                }
                if is_of_policies(input) {
                    return;
                }
                let (taken, _) = self.desk.take(entry.at, entry.actor.clone(), input.clone());
                for entry in &taken {
                    decided(&mut self.now, self.before, entry);
                }
            }
            Event::Fact(Fact::Sensed(_)) => self.seen[1] += 1,
            Event::Fact(_) => decided(&mut self.was, self.before, entry),
        }
    }

    /// Forgets what both said alike, but for the signals that it was about: what is held is what
    /// differs, and a number for each signal.
    pub fn settle(&mut self) {
        let (was, settled) = (&mut self.was, &mut self.settled);
        self.now.retain(|signal, said| {
            let same = was.get(signal) == Some(said);
            if same {
                was.remove(signal);
                settled.insert(*signal);
            }
            !same
        });
    }

    /// Signals about which the log and this policy have not said the same.
    pub fn held(&self) -> usize {
        let here_alone = self.now.keys().filter(|signal| !self.was.contains_key(signal));
        self.was.len() + here_alone.count()
    }

    /// Signals that were decided about within the time, by the log or here.
    pub fn compared(&self) -> usize {
        self.signals().union(&self.settled).count()
    }

    fn signals(&self) -> BTreeSet<SignalId> {
        self.was.keys().chain(self.now.keys()).copied().collect()
    }

    /// What would have been said otherwise.
    pub fn differences(mut self) -> Vec<Difference> {
        let signals = self.signals().into_iter();
        let compare = |signal| Difference {
            signal,
            was: self.was.remove(&signal).unwrap_or_default(),
            now: self.now.remove(&signal).unwrap_or_default(),
        };
        signals.map(compare).filter(|one| one.was != one.now).collect()
    }
}

/// Runs the inputs of a log by another policy and compares the decisions, signal by signal.
pub fn replay(entries: &[Entry], policy: &Policy) -> Vec<Difference> {
    let mut replay = Replay::new(policy.clone(), 0);
    entries.iter().for_each(|entry| replay.take(entry));
    replay.differences()
}

// The policy that is asked about holds from the first entry to the last.
const fn is_of_policies(input: &Input) -> bool {
    matches!(
        input,
        Input::Policy(_) | Input::Propose { .. } | Input::Grant { .. } | Input::Revert { .. }
    )
}

fn decided(into: &mut Decisions, before: Option<[u64; 2]>, entry: &Entry) {
    let Event::Fact(Fact::Decided(decision)) = &entry.event else { return };
    let Some([received, sensed]) = before else { return };
    let wanted = match decision.signal {
        SignalId::Received(number) => number >= received,
        SignalId::Sensed(number) => number >= sensed,
    };
    if wanted {
        into.entry(decision.signal).or_default().push(Said {
            rule: decision.rule.clone(),
            verdict: decision.verdict,
            actions: decision.actions.clone(),
        });
    }
}
