//! The monitor: what each connected enclave says about itself when it is asked, again and again.
//!
//! It judges fresh evidence against the policy and against what the instance showed before, keeps
//! every answer whole, counts, and tells operators when the class of the answers changes. It ends
//! no session and holds nothing back: batches stand on their own signatures, and what a machine
//! sealed while it was suspect is what somebody will want to read. Silence is its own class, and
//! never a mismatch.

mod config;
mod judge;
mod log;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lucarne_attest::classify::{Change, RegisterNames};
use lucarne_attest::{Exhibit, Register, Rejected, Time};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::identity::{EpochId, Instance};
use lucarne_link::session::Answer;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock::{Clock, Moment};
use crate::counters::Counters;
use crate::instances::REMEMBERED;
use crate::journal::{Journal, Level, Value};
use crate::policy::Terms;
pub use config::{MonitorFile, Monitoring};
pub use judge::Class;
use judge::{Judged, Judgement};
use log::{EvidenceLog, Line};

/// Measurement registers by number.
type Registers = BTreeMap<u8, Register>;

/// What the monitor works with.
pub struct Parts {
    /// How often, and how much is kept.
    pub settings: Monitoring,
    /// Which evidence is believed.
    pub terms: Terms,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Counts answers that could not be kept.
    pub counters: Arc<Counters>,
    /// Where changes are told.
    pub journal: Journal,
}

/// Peers that were refused and are remembered by the name they gave; more begin anew.
const REFUSED_MAX: usize = 64;

/// The monitor of a gateway.
pub struct Monitor {
    parts: Parts,
    log: Mutex<EvidenceLog>,
    state: Mutex<State>,
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor").finish_non_exhaustive()
    }
}

/// When evidence was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Occasion {
    /// At the beginning of a session.
    Handshake,
    /// In the middle of one.
    Monitor,
}

impl Occasion {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Monitor => "monitor",
        }
    }
}

/// One question and its answer.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Who answers; at a handshake that fails it is only what somebody says.
    pub instance: &'a Instance,
    /// Which boot of it.
    pub epoch: EpochId,
    /// Its binding, as far as it was shown.
    pub binding: Option<&'a EpochBinding>,
    /// When it was asked.
    pub occasion: Occasion,
    /// What it was asked with.
    pub nonce: &'a [u8; 32],
    /// What it answers.
    pub answer: Answer<'a>,
}

#[derive(Debug, Default)]
struct State {
    instances: BTreeMap<Instance, Watched>,
    // of peers that were not accepted: their names are theirs to choose, and become no label
    unverified: BTreeMap<&'static str, u64>,
    // what was told of them last, so that one who comes again and again is told once
    refused: BTreeMap<Instance, Class>,
}

/// One instance that was accepted at least once.
#[derive(Debug)]
struct Watched {
    epoch: EpochId,
    class: Class,
    // it said `close`, so its silence is no outage
    ended: bool,
    heard: Moment,
    matched: Option<Moment>,
    // what it showed when that was last authorised
    before: Option<Registers>,
    counts: BTreeMap<&'static str, u64>,
}

/// What is remembered of one over a restart.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeptClass {
    instance: String,
    epoch: String,
    class: String,
    heard_unix_s: u64,
    matched_unix_s: Option<u64>,
}

/// What the monitor counts of one instance.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Measured {
    /// The instance; nothing for all peers that were never accepted.
    pub instance: Option<Instance>,
    /// Answers by class.
    pub counts: Vec<(&'static str, u64)>,
    /// Class of the last one.
    pub class: Option<&'static str>,
    /// Time since the last answer that was as it should be.
    pub match_age: Option<Duration>,
}

impl Monitor {
    /// A monitor that keeps answers in this directory.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn open(directory: &Path, parts: Parts) -> io::Result<Self> {
        let log = EvidenceLog::open(directory, parts.settings.keep_bytes)?;
        Ok(Self { parts, log: Mutex::new(log), state: Mutex::default() })
    }

    /// How often an enclave is asked.
    pub const fn every(&self) -> Duration {
        self.parts.settings.every
    }

    /// Takes the answer of an enclave that is accepted.
    pub fn hear(&self, exchange: &Exchange<'_>) -> Class {
        let judged = self.judge(exchange);
        self.settle(exchange, judged)
    }

    /// Takes the answer of a peer that is not accepted, and why it is not.
    pub fn hear_refused(&self, exchange: &Exchange<'_>, refused: Option<&Rejected>) -> Class {
        let mut judged = self.judge(exchange);
        if let Some(rejected) = refused.filter(|_| judged.class.is_good()) {
            // What it said now is good, and what it said at its boot is not.
            judged = Judged::refused(rejected);
        }
        let Judged { class, reason, genuine, .. } = judged;
        let mut state = self.state();
        *state.unverified.entry(class.as_str()).or_default() += 1;
        if state.refused.len() >= REFUSED_MAX {
            state.refused.clear();
        }
        let told = state.refused.insert(exchange.instance.clone(), class);
        drop(state);
        // Whoever is not accepted may fill neither the journal nor the log.
        if told != Some(class) {
            self.tell(exchange.instance, exchange.epoch, class, told, &reason);
            self.keep(exchange, class, &reason, genuine);
        }
        class
    }

    /// Notes that an epoch has said its end.
    pub fn ended(&self, instance: &Instance, epoch: EpochId) {
        if let Some(watched) = self.state().instances.get_mut(instance) {
            watched.ended |= watched.epoch == epoch;
        }
    }

    /// Looks for instances that nobody has heard for two intervals, until told to stop.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = stopped(&mut stop) => return,
                () = tokio::time::sleep(self.every()) => self.look(),
            }
        }
    }

    /// Counts an outage of each instance that should have answered and has not.
    pub fn look(&self) {
        let clock = &*self.parts.clock;
        let patience = self.every() * 2;
        let mut told = Vec::new();
        for (instance, watched) in &mut self.state().instances {
            if watched.ended || watched.heard.known(clock) <= patience {
                continue;
            }
            let class = Class::Change(Change::Outage);
            *watched.counts.entry(class.as_str()).or_default() += 1;
            if watched.class != class {
                told.push((instance.clone(), watched.epoch, watched.class));
                watched.class = class;
            }
        }
        for (instance, epoch, before) in told {
            let class = Class::Change(Change::Outage);
            self.tell(&instance, epoch, class, Some(before), "no answer for two intervals");
        }
    }

    /// What is counted, for `/metrics`.
    pub fn measured(&self) -> Vec<Measured> {
        let clock = &*self.parts.clock;
        let counts = |counts: &BTreeMap<&'static str, u64>| {
            counts.iter().map(|(class, count)| (*class, *count)).collect()
        };
        let state = self.state();
        let watched = state.instances.iter().map(|(instance, watched)| Measured {
            instance: Some(instance.clone()),
            counts: counts(&watched.counts),
            class: Some(watched.class.as_str()),
            match_age: watched.matched.map(|at| at.age(clock)),
        });
        let unverified = Measured {
            instance: None,
            counts: counts(&state.unverified),
            class: None,
            match_age: None,
        };
        watched.chain([unverified]).collect()
    }

    /// What a restart is to know: the class of each instance that has not said its end.
    pub fn kept(&self) -> Vec<KeptClass> {
        let clock = &*self.parts.clock;
        let state = self.state();
        let all = state.instances.iter().filter(|(_, watched)| !watched.ended);
        let kept = all.map(|(instance, watched)| KeptClass {
            instance: instance.to_string(),
            epoch: watched.epoch.to_string(),
            class: watched.class.as_str().to_owned(),
            heard_unix_s: watched.heard.unix_ms(clock) / 1_000,
            matched_unix_s: watched.matched.map(|at| at.unix_ms(clock) / 1_000),
        });
        kept.collect()
    }

    /// Takes over what an earlier run knew; false when it makes no sense. The instance has as long
    /// to answer as any other.
    pub fn restore(&self, kept: &KeptClass) -> bool {
        let (Ok(instance), Ok(epoch), Some(class)) =
            (kept.instance.parse::<Instance>(), kept.epoch.parse(), Class::named(&kept.class))
        else {
            return false;
        };
        let clock = &*self.parts.clock;
        let at = |unix_s: u64| Moment::of_unix_ms(unix_s.saturating_mul(1_000), clock);
        let heard = at(kept.heard_unix_s);
        if heard.age(clock) <= REMEMBERED {
            let matched = kept.matched_unix_s.map(at);
            let watched = Watched { matched, ..Watched::begin(epoch, class, heard) };
            self.state().instances.entry(instance).or_insert(watched);
        }
        true
    }

    fn now_ms(&self) -> u64 {
        self.parts.clock.unix_ns() / 1_000_000
    }

    fn judge(&self, exchange: &Exchange<'_>) -> Judged {
        let before = self.state().instances.get(exchange.instance).and_then(|w| w.before.clone());
        let judgement = Judgement {
            accepts: &self.parts.terms.accepts,
            names: &RegisterNames::nitro(),
            before: before.as_ref(),
            now: Time::from_unix_ms(self.now_ms()),
        };
        match (exchange.answer, exchange.binding) {
            (Answer::Fresh { evidence, collateral }, Some(binding)) => {
                let collateral = self.parts.terms.collateral_for(evidence, collateral);
                let exhibit = Exhibit { evidence, collateral: &collateral, binding };
                judgement.fresh(&exhibit, exchange.nonce)
            }
            (Answer::Fresh { .. }, None) => Judged::refused(&Rejected::BindingMissing),
            (Answer::None(fault), _) => Judged::no_evidence(fault),
        }
    }

    fn settle(&self, exchange: &Exchange<'_>, judged: Judged) -> Class {
        let Judged { class, reason, shown, .. } = judged;
        let now = Moment::now(&*self.parts.clock);
        let mut state = self.state();
        state.refused.remove(exchange.instance);
        let known = state.instances.remove(exchange.instance);
        let told = known.as_ref().map(|watched| watched.class);
        let mut watched = known.unwrap_or_else(|| Watched::begin(exchange.epoch, class, now));
        watched.epoch = exchange.epoch;
        watched.class = class;
        watched.ended &= exchange.occasion == Occasion::Monitor;
        watched.heard = now;
        if class.is_good() {
            watched.matched = Some(now);
        }
        // Registers that nobody authorised are nothing to compare with.
        watched.before = shown.or(watched.before);
        *watched.counts.entry(class.as_str()).or_default() += 1;
        state.instances.insert(exchange.instance.clone(), watched);
        drop(state);
        if told != Some(class) {
            self.tell(exchange.instance, exchange.epoch, class, told, &reason);
        }
        self.keep(exchange, class, &reason, true);
        class
    }

    fn tell(
        &self,
        instance: &Instance,
        epoch: EpochId,
        class: Class,
        before: Option<Class>,
        reason: &str,
    ) {
        let fields = [
            ("instance", Value::Shown(instance)),
            ("epoch", Value::Shown(&epoch)),
            ("class", Value::Text(class.as_str())),
            ("before", Value::Text(before.map_or("none", Class::as_str))),
            ("reason", Value::Text(reason)),
        ];
        self.parts.journal.note(class.level(), "attestation changed its class", &fields);
    }

    fn keep(&self, exchange: &Exchange<'_>, class: Class, reason: &str, whole: bool) {
        let line = Line::new(exchange, class, reason, self.parts.clock.unix_ns(), whole);
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = log.append(&line) {
            self.parts.counters.write_failures.add(1);
            let fields = [("error", Value::Shown(&error))];
            let message = "cannot keep an answer of the monitor";
            self.parts.journal.note(Level::Error, message, &fields);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone is a stop too.
    drop(stop.wait_for(|stop| *stop).await);
}

impl Watched {
    fn begin(epoch: EpochId, class: Class, heard: Moment) -> Self {
        let (matched, before, counts) = (None, None, BTreeMap::new());
        Self { epoch, class, ended: false, heard, matched, before, counts }
    }
}

#[cfg(test)]
mod tests;
