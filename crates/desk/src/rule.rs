//! Rules of our own over a measured value: above a bound for a while, and what silence means.
//!
//! The same words as Prometheus uses, `for` and `keep_firing_for`. A source that does not answer
//! makes the state unknown: it neither fires nor resolves anything, and the desk says so of itself.

use crate::moment::Moment;
use crate::number::Number;

/// One rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rule {
    /// Values above it count.
    pub above: Number,
    /// For how many milliseconds they must.
    pub for_ms: u64,
    /// For how many milliseconds they must not, before it is over.
    pub keep_firing_for_ms: u64,
    /// After so many milliseconds without an answer the desk says that it is blind.
    pub blind_after_ms: u64,
}

/// What a rule has seen so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Watch {
    standing: Standing,
    // since when nobody answers, and whether that was said
    silent: Option<(Moment, bool)>,
}

/// Where a rule stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Nothing is wrong.
    Inactive,
    /// Above the bound, not for long enough.
    Pending {
        /// Since when.
        since: Moment,
    },
    /// It fires.
    Firing {
        /// Since when the value is below the bound, if it is.
        below: Option<Moment>,
    },
    /// Nobody answers.
    Unknown,
}

/// What is to be signalled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// It fires now.
    Fires,
    /// It is over.
    Resolves,
    /// The desk is blind: a fault of its own.
    Blind,
    /// It sees again.
    Sees,
}

impl Default for Watch {
    fn default() -> Self {
        Self { standing: Standing::Inactive, silent: None }
    }
}

impl Watch {
    /// Where the rule stands.
    pub const fn standing(&self) -> Standing {
        if self.silent.is_some() { Standing::Unknown } else { self.standing }
    }

    /// Takes an answer, or that there was none, and says what is to be signalled.
    pub fn see(&mut self, rule: &Rule, answer: Option<Number>, now: Moment) -> Vec<Change> {
        let Some(value) = answer else { return self.miss(rule, now) };
        let mut changes = Vec::new();
        if let Some((_, true)) = self.silent.take() {
            changes.push(Change::Sees);
        }
        let above = value > rule.above;
        self.standing = match (self.standing, above) {
            (Standing::Inactive | Standing::Unknown, true) => Standing::Pending { since: now },
            (Standing::Inactive | Standing::Unknown | Standing::Pending { .. }, false) => {
                Standing::Inactive
            }
            (Standing::Firing { .. }, true) => Standing::Firing { below: None },
            (Standing::Firing { below }, false) => Standing::Firing { below: below.or(Some(now)) },
            (pending @ Standing::Pending { .. }, true) => pending,
        };
        match self.standing {
            Standing::Pending { since } if now.since(since) >= rule.for_ms => {
                self.standing = Standing::Firing { below: None };
                changes.push(Change::Fires);
            }
            Standing::Firing { below: Some(since) }
                if now.since(since) >= rule.keep_firing_for_ms =>
            {
                self.standing = Standing::Inactive;
                changes.push(Change::Resolves);
            }
            _ => {}
        }
        changes
    }

    fn miss(&mut self, rule: &Rule, now: Moment) -> Vec<Change> {
        let (since, said) = self.silent.unwrap_or((now, false));
        let blind = !said && now.since(since) >= rule.blind_after_ms;
        self.silent = Some((since, said || blind));
        // What was not seen was not above the bound for long enough, and not below it either.
        match self.standing {
            Standing::Pending { .. } => self.standing = Standing::Inactive,
            Standing::Firing { .. } => self.standing = Standing::Firing { below: None },
            Standing::Inactive | Standing::Unknown => {}
        }
        if blind { vec![Change::Blind] } else { Vec::new() }
    }
}
