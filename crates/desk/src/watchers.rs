//! Rules of our own over Prometheus, Loki and readiness endpoints, asked at an interval: a value
//! above its bound fires, silence does not resolve, and a source that is away makes the desk say
//! that it is blind.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::sync::watch;

use crate::catalogue::Catalogue;
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
use crate::signal::{Draft, Kind, LABELS_MAX, Signal, Source, Status, is_label_name};

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
    #[serde(default, deserialize_with = "bound")]
    pub above: Number,
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
    /// Why it cannot be asked, or what it finds not be told.
    pub fn fault(&self) -> Option<&'static str> {
        if self.metric.is_some() == self.ready.is_some() {
            return Some("expected either metric or ready");
        }
        // The alert's name is a label of its own.
        if self.labels.len() >= LABELS_MAX {
            return Some("expected fewer labels");
        }
        let named = self.labels.keys().all(|name| is_label_name(name));
        (!named).then_some("expected names of labels as Prometheus has them")
    }

    /// What it says of the values that it measures.
    pub const fn rule(&self) -> Rule {
        Rule {
            above: if self.absent { Number::HALF } else { self.above },
            for_ms: self.for_seconds.saturating_mul(SECOND_MS),
            keep_firing_for_ms: self.keep_firing_for_seconds.saturating_mul(SECOND_MS),
            blind_after_ms: BLIND_AFTER_MS,
        }
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
    watch: Watch,
}

impl Watcher {
    /// One that has seen nothing.
    pub fn new(at: RuleAt) -> Self {
        Self { at, watch: Watch::default() }
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
        let changes = next.see(&self.at.rule(), value, now);
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

/// The rules of a catalogue file, which can be read again while they are asked.
#[derive(Debug)]
pub struct RuleFile {
    path: PathBuf,
    rules: watch::Sender<Vec<RuleAt>>,
}

/// What reading a file again has changed, by the names of rules. One that was altered is gone and
/// new.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Reloaded {
    /// How many are asked now.
    pub rules: usize,
    /// Those that were not asked before.
    pub new: Vec<String>,
    /// Those that are not asked any more.
    pub gone: Vec<String>,
}

impl RuleFile {
    /// The rules that were read from a file.
    pub fn new(path: PathBuf, rules: Vec<RuleAt>) -> Self {
        Self { path, rules: watch::Sender::new(rules) }
    }

    /// Reads the file again and has its rules asked from now on. Whatever else it names stays as
    /// it was read at the start.
    ///
    /// # Errors
    /// In words, when it cannot be read or is no catalogue; the rules stay as they are.
    pub fn reload(&self) -> Result<Reloaded, String> {
        let text = std::fs::read_to_string(&self.path).map_err(|cause| cause.to_string())?;
        let read = Catalogue::parse(&text).map_err(|cause| cause.to_string())?.rules;
        let before = self.rules.send_replace(read.clone());
        let names = |of: &[RuleAt], without: &[RuleAt]| {
            let left = of.iter().filter(|rule| !without.contains(rule));
            left.map(|rule| rule.name.clone()).collect()
        };
        let (new, gone) = (names(&read, &before), names(&before, &read));
        Ok(Reloaded { rules: read.len(), new, gone })
    }

    /// What is asked, and each change of it.
    pub fn asked(&self) -> watch::Receiver<Vec<RuleAt>> {
        self.rules.subscribe()
    }
}

fn bound<'de, D: Deserializer<'de>>(from: D) -> Result<Number, D::Error> {
    let number = Number::new(f64::deserialize(from)?);
    number.ok_or_else(|| D::Error::custom("expected a bound that is a number"))
}

/// Watchers for these rules: of those that stay as they are, what they have seen stays too.
fn turn_to(rules: &[RuleAt], mut watchers: Vec<Watcher>) -> Vec<Watcher> {
    let one = |rule: &RuleAt| match watchers.iter().position(|watcher| watcher.at == *rule) {
        Some(at) => watchers.swap_remove(at),
        None => Watcher::new(rule.clone()),
    };
    rules.iter().map(one).collect()
}

/// Asks all rules until it is told to stop.
pub async fn run<S: Seat>(
    seat: S,
    mut rules: watch::Receiver<Vec<RuleAt>>,
    scrubber: Arc<Scrubber>,
    mut stop: watch::Receiver<bool>,
) {
    let mut watchers = turn_to(&rules.borrow_and_update(), Vec::new());
    let mut beat = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            Ok(()) = rules.changed() => {
                watchers = turn_to(&rules.borrow_and_update(), watchers);
                continue;
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, above: f64) -> RuleAt {
        let yaml = format!(
            "rules: [{{name: {name}, kind: other, above: {above}, \
             ready: {{call: {{url: 'http://x'}}}}}}]"
        );
        Catalogue::parse(&yaml).unwrap().rules.remove(0)
    }

    #[test]
    fn a_bound_is_a_number_or_the_file_is_refused() {
        let read = |above: &str| {
            let rule = "name: a, kind: other, ready: {call: {url: 'http://x'}}";
            Catalogue::parse(&format!("rules:\n  - {{{rule},\n     above: {above}}}\n"))
        };
        assert_eq!(read("-0.5").unwrap().rules[0].rule().above, Number::new(-0.5).unwrap());
        for none in [".nan", ".inf", "-.inf"] {
            let refused = read(none).unwrap_err().to_string();
            assert_eq!(refused, "line 3: expected a bound that is a number", "{none}");
        }
    }

    #[test]
    fn a_rule_that_stays_as_it_was_keeps_what_it_has_seen() {
        let names = |watchers: &[Watcher]| -> Vec<(String, Standing)> {
            watchers.iter().map(|one| (one.at.name.clone(), one.standing())).collect()
        };
        let mut watchers = turn_to(&[rule("a", 1.0), rule("b", 1.0)], Vec::new());
        let now = crate::moment::Moment { wall_ms: 0, mono_ms: 0 };
        for watcher in &mut watchers {
            watcher.watch.see(&watcher.at.rule(), Number::new(2.0), now);
        }
        let fires = watchers[0].standing();
        let fresh = Watch::default().standing();
        assert_ne!(fires, fresh);
        let watchers = turn_to(&[rule("c", 1.0), rule("b", 1.0), rule("a", 3.0)], watchers);
        let expected = [("c", fresh), ("b", fires), ("a", fresh)];
        assert_eq!(names(&watchers), expected.map(|(name, at)| (name.to_owned(), at)));
    }
}
