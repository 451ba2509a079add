//! Rules of our own over Prometheus, Loki and readiness endpoints, asked at an interval: a value
//! above its bound fires, silence does not resolve, and a source that is away makes the desk say
//! that it is blind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;

use crate::engine::lanes::Unavailable;
use crate::event::Input;
use crate::exchange::{Call, ExchangeError, Names};
use crate::intake::empty;
use crate::moment::SECOND_MS;
use crate::number::Number;
use crate::probe::Metric;
use crate::rule::{Change, Rule, Standing, Watch};
use crate::runner::Seat;
use crate::scrub::Scrubber;
use crate::signal::{Draft, Kind, Signal, Source, Status};

/// A rule as it is written.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RuleAt {
    /// Its name, once in a catalogue.
    pub name: String,
    /// What it measures; this or `ready`.
    pub metric: Option<Metric>,
    /// What has to be ready.
    pub ready: Option<Unready>,
    /// Values above it count.
    #[serde(default)]
    pub above: f64,
    /// For how long they must.
    #[serde(default)]
    pub for_seconds: u64,
    /// For how long they must not, before it is over.
    #[serde(default)]
    pub keep_firing_for_seconds: u64,
    /// Whether no value is what it waits for: the server answers, and there is nothing.
    #[serde(default)]
    pub absent: bool,
    /// What its signals are about.
    pub kind: Kind,
    /// Labels of its signals.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// An endpoint that says that it is not ready: 1 while it does, and 0 otherwise. One that does not
/// answer says nothing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Unready {
    /// Where it is asked.
    pub call: Call,
    /// What its body holds when it is not ready for the reason that is looked for; absent: any.
    pub says: Option<String>,
}

impl Unready {
    async fn asked(&self) -> Result<Option<f64>, ExchangeError> {
        let answered = self.call.send(&Names::new(), &[], PATIENCE).await?;
        let body = String::from_utf8_lossy(&answered.body);
        let told = self.says.as_ref().is_none_or(|says| body.contains(says));
        let unready = !self.call.accepts(answered.status) && told;
        Ok(Some(f64::from(u8::from(unready))))
    }
}

impl RuleAt {
    /// Whether it says what it looks at, and only once.
    pub const fn is_whole(&self) -> bool {
        self.metric.is_some() != self.ready.is_some()
    }

    async fn asked(&self) -> Option<Option<f64>> {
        match (&self.metric, &self.ready) {
            (Some(metric), _) => metric.asked(&Names::new(), PATIENCE).await.ok(),
            (None, Some(ready)) => ready.asked().await.ok(),
            (None, None) => None,
        }
    }
}

/// A rule and what it has seen.
#[derive(Debug)]
pub struct Watcher {
    at: RuleAt,
    rule: Rule,
    watch: Watch,
}

impl Watcher {
    /// One that has seen nothing; nothing for a bound that is no number.
    pub fn new(at: RuleAt) -> Option<Self> {
        let rule = Rule {
            above: Number::new(if at.absent { 0.5 } else { at.above })?,
            for_ms: at.for_seconds.saturating_mul(SECOND_MS),
            keep_firing_for_ms: at.keep_firing_for_seconds.saturating_mul(SECOND_MS),
            blind_after_ms: BLIND_AFTER_MS,
        };
        Some(Self { at, rule, watch: Watch::default() })
    }

    /// Where the rule stands.
    pub const fn standing(&self) -> Standing {
        self.watch.standing()
    }

    /// Asks once, and hands in what follows.
    ///
    /// # Errors
    /// When the desk takes nothing; the same is handed in again when it is seen again.
    pub async fn turn<S: Seat>(
        &mut self,
        seat: &S,
        scrubber: &Scrubber,
    ) -> Result<(), Unavailable> {
        let value = match (self.at.absent, self.at.asked().await) {
            (_, None) => None,
            (true, Some(found)) => Number::new(f64::from(u8::from(found.is_none()))),
            // No series is no failure: a rate of nothing is not above any bound.
            (false, Some(found)) => Number::new(found.unwrap_or(0.0)),
        };
        let kind = self.at.kind;
        let (now, chosen, blind) = seat
            .see(move |state, now| {
                let policy = state.policy();
                let of = |kind| policy.chosen(kind).to_vec();
                (now, of(kind), of(Kind::DeskFault))
            })
            .await?;
        let mut next = self.watch;
        let changes = next.see(&self.rule, value, now);
        let mut inputs = Vec::new();
        for change in changes {
            let (kind, status) = match change {
                Change::Fires => (kind, Status::Firing),
                Change::Resolves => (kind, Status::Resolved),
                Change::Blind => (Kind::DeskFault, Status::Firing),
                Change::Sees => (Kind::DeskFault, Status::Resolved),
            };
            let by = if kind == Kind::DeskFault { &blind } else { &chosen };
            let draft = self.draft(kind, status, value, now.wall_ms);
            inputs.extend(Signal::new(&draft, scrubber, by).ok().map(Input::Signal));
        }
        if !inputs.is_empty() {
            seat.ask(inputs).await?;
        }
        self.watch = next;
        Ok(())
    }

    fn draft(&self, kind: Kind, status: Status, value: Option<Number>, wall_ms: u64) -> Draft {
        let mut labels = self.at.labels.clone();
        let name = if kind == Kind::DeskFault {
            format!("RuleBlind:{}", self.at.name)
        } else {
            self.at.name.clone()
        };
        labels.insert("alertname".to_owned(), name);
        let ends_ms = (status == Status::Resolved).then_some(wall_ms);
        let value = value.map(Number::get);
        let plain = empty(Source::Rule, kind, self.at.name.clone().into_bytes());
        Draft { labels, status, value, starts_ms: wall_ms, ends_ms, ..plain }
    }
}

/// Asks all rules until it is told to stop.
pub async fn run<S: Seat>(
    seat: S,
    rules: Vec<RuleAt>,
    scrubber: Arc<Scrubber>,
    mut stop: watch::Receiver<bool>,
) {
    let mut watchers: Vec<Watcher> = rules.into_iter().filter_map(Watcher::new).collect();
    let mut beat = tokio::time::interval(EVERY);
    while !watchers.is_empty() {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = beat.tick() => {}
        }
        for watcher in &mut watchers {
            // What is not taken now is seen again at the next turn.
            watcher.turn(&seat, &scrubber).await.ok();
        }
    }
}

/// As Prometheus does by default in the shipped rules.
const EVERY: Duration = Duration::from_secs(15);
/// A server that takes longer is away.
const PATIENCE: Duration = Duration::from_secs(5);
/// With the interval and the patience the desk says so within a minute.
const BLIND_AFTER_MS: u64 = 30_000;
