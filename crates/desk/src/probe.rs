//! Probes: what shows that something is so, by asking it. One sample is one look; how long it must
//! stay so, and how often it is looked, is the run's.
//!
//! A probe says which expectations of runbooks it can show. Any other is skipped, and a skipped
//! check keeps a grave incident from being closed: a probe that shows something else shows nothing.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::event::Outcome;
use crate::exchange::{Call, Names, Place, escape, fill, roots};
use crate::program::Program;

/// Something that can be looked at.
pub trait Probe {
    /// Looks once.
    fn sample(
        &self,
        names: &Names,
        expect: &str,
        patience: Duration,
    ) -> impl Future<Output = Sample> + Send;
}

/// One look.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What it shows.
    pub outcome: Outcome,
    /// In a word.
    pub answer: String,
    /// Whether looking again cannot change it: what had to be refused was let through.
    pub decisive: bool,
    /// What was asked and what came.
    pub transcript: Value,
}

/// A probe of the catalogue.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ProbeAt {
    /// Expectations of runbooks, word for word, that it shows.
    #[serde(default)]
    pub shows: Vec<String>,
    /// How.
    pub by: Look,
}

/// How it is looked.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Look {
    /// A status; the expectation may be the number itself.
    Ready(Call),
    /// A name resolves, a port answers, TLS is spoken, soon enough.
    Reach(Reach),
    /// A measured value; the expectation may be the comparison itself.
    Metric(Metric),
    /// What is measured is what should run, under a nonce of now.
    Measurement(Measurement),
    /// What must be let through and what must not, and why not.
    Canaries(Canaries),
    /// A program says yes by exit code 0.
    Command(Program),
}

/// Something that listens.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// PEM file of the roots, when it speaks TLS.
    pub ca: Option<PathBuf>,
    /// It must answer within so many milliseconds.
    pub latency_ms_max: u64,
}

/// A measured value.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// The address of a Prometheus, or of a Loki with `/loki` at its end.
    pub at: String,
    /// The query; it must give one value.
    pub query: String,
    /// The comparison, such as `< 0.01`, when the expectation is none.
    pub is: Option<String>,
}

/// What should run.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// Where it is asked; `{nonce}` is filled in.
    pub call: Call,
    /// Where in the answer the nonce is (RFC 6901).
    pub nonce: String,
    /// Where in the answer the measurements are.
    pub measured: String,
    /// The file with what they must be, as JSON.
    pub baseline: PathBuf,
}

/// A matrix.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Canaries {
    /// How often each is asked.
    #[serde(default = "once")]
    pub times: u32,
    /// All of them.
    pub cases: Vec<Canary>,
}

const fn once() -> u32 {
    1
}

/// One canary.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// Its name.
    pub name: String,
    /// What it asks.
    pub call: Call,
    /// What must come of it.
    pub expect: Expect,
    /// What the body of a refusal must hold.
    pub reason: Option<String>,
}

/// What must come of a canary.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// It is let through.
    Allow,
    /// It is refused.
    Deny,
}

impl Sample {
    fn of(passes: bool, answer: &str, transcript: Value) -> Self {
        let outcome = if passes { Outcome::Pass } else { Outcome::Fail };
        Self { outcome, answer: answer.to_owned(), decisive: false, transcript }
    }

    /// Nobody can look.
    pub fn skipped(why: &str) -> Self {
        let (outcome, transcript) = (Outcome::Skipped, json!({ "skipped": why }));
        Self { outcome, answer: "SKIPPED".to_owned(), decisive: true, transcript }
    }
}

impl Probe for ProbeAt {
    async fn sample(&self, names: &Names, expect: &str, patience: Duration) -> Sample {
        let shown = self.shows.iter().any(|shown| shown == expect);
        let own = match &self.by {
            Look::Ready(_) => expect.parse::<u16>().is_ok(),
            Look::Metric(_) => Comparison::parse(expect).is_some(),
            Look::Reach(_) | Look::Measurement(_) | Look::Canaries(_) | Look::Command(_) => false,
        };
        if !shown && !own {
            return Sample::skipped("the probe does not show this expectation");
        }
        match &self.by {
            Look::Ready(call) => ready(call, names, expect, patience).await,
            Look::Reach(reach) => reach.sample(names, expect, patience).await,
            Look::Metric(metric) => metric.sample(names, expect, patience).await,
            Look::Measurement(measurement) => measurement.sample(names, expect, patience).await,
            Look::Canaries(canaries) => canaries.sample(names, expect, patience).await,
            Look::Command(program) => program.sample(names, expect, patience).await,
        }
    }
}

async fn ready(call: &Call, names: &Names, expect: &str, patience: Duration) -> Sample {
    match call.send(names, &[], patience).await {
        Ok(answered) => {
            let wanted = expect.parse::<u16>().ok();
            let passes = wanted.map_or(call.accepts(answered.status), |it| it == answered.status);
            let body = String::from_utf8_lossy(&answered.body).into_owned();
            let said = json!({ "status": answered.status, "ms": answered.took_ms, "body": body });
            Sample::of(passes, &answered.status.to_string(), said)
        }
        Err(cause) => Sample::of(false, "UNAVAILABLE", json!({ "error": cause.to_string() })),
    }
}

impl Probe for Reach {
    async fn sample(&self, names: &Names, _: &str, patience: Duration) -> Sample {
        let (host, began) = (fill(&self.host, names, Place::Plain), Instant::now());
        let limit = patience.min(Duration::from_millis(self.latency_ms_max));
        let look = async {
            let found = tokio::net::lookup_host((host.as_str(), self.port)).await;
            let address = found.ok().and_then(|mut found| found.next()).ok_or("DNS")?;
            let stream = TcpStream::connect(address).await.map_err(|_| "TCP")?;
            if let Some(ca) = &self.ca {
                let config = roots(ca).map_err(|_| "TLS")?;
                let name = rustls_pki_types::ServerName::try_from(host.clone());
                let connector = tokio_rustls::TlsConnector::from(config);
                let name = name.map_err(|_| "TLS")?;
                connector.connect(name, stream).await.map_err(|_| "TLS")?;
            }
            Ok::<_, &'static str>(address)
        };
        let reached = tokio::time::timeout(limit, look).await.unwrap_or(Err("LATENCY"));
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match reached {
            Ok(address) => {
                let said = json!({ "host": host, "address": address.to_string(), "ms": ms });
                Sample::of(true, "REACHED", said)
            }
            Err(stage) => Sample::of(false, stage, json!({ "host": host, "ms": ms })),
        }
    }
}

/// A server of measured values does not answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Silent;

/// A comparison with a number: `< 0.01`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison(&'static str, f64);

impl Comparison {
    /// Reads one.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, number) = text.split_once(' ')?;
        let sign = ["<", "<=", ">", ">=", "=="].into_iter().find(|one| *one == sign)?;
        let number: f64 = number.parse().ok()?;
        number.is_finite().then_some(Self(sign, number))
    }

    /// Whether a value is so. No number is.
    #[expect(clippy::float_cmp, reason = "whoever writes == means it: counters and flags")]
    pub fn holds(self, value: f64) -> bool {
        match self.0 {
            "<" => value < self.1,
            "<=" => value <= self.1,
            ">" => value > self.1,
            ">=" => value >= self.1,
            _ => value == self.1,
        }
    }
}

impl Metric {
    /// The value now; nothing when there is none.
    ///
    /// # Errors
    /// When the server does not answer, or not with one value: which of several was meant, nobody
    /// said.
    pub async fn asked(&self, names: &Names, patience: Duration) -> Result<Option<f64>, Silent> {
        let query = escape(&fill(&self.query, names, Place::Plain), Place::Url);
        let at = self.at.trim_end_matches('/');
        let url = format!("{at}/api/v1/query?query={query}");
        let answered = Call::get(url).send(&Names::new(), &[], patience).await;
        let answered = answered.ok().filter(|answered| answered.status == 200).ok_or(Silent)?;
        let answer: Value = serde_json::from_slice(&answered.body).map_err(|_| Silent)?;
        let result = answer.pointer("/data/result").ok_or(Silent)?;
        let nothing = result.as_array().is_some_and(Vec::is_empty);
        if nothing { Ok(None) } else { one_value(&answer).map(Some).ok_or(Silent) }
    }
}

/// The one value of an instant query's answer, of Prometheus or Loki.
pub fn one_value(answer: &Value) -> Option<f64> {
    let data = answer.get("data")?;
    let result = data.get("result")?;
    let pair = match data.get("resultType")?.as_str()? {
        "scalar" => result,
        "vector" => match result.as_array()?.as_slice() {
            [one] => one.get("value")?,
            _ => return None,
        },
        _ => return None,
    };
    pair.get(1)?.as_str()?.parse().ok()
}

impl Probe for Metric {
    async fn sample(&self, names: &Names, expect: &str, patience: Duration) -> Sample {
        let comparison = Comparison::parse(expect);
        let own = || self.is.as_deref().and_then(Comparison::parse);
        let Some(comparison) = comparison.or_else(own) else {
            return Sample::skipped("neither runbook nor probe compares with a number");
        };
        match self.asked(names, patience).await.ok().flatten() {
            Some(value) => {
                let said = json!({ "query": self.query, "value": value });
                Sample::of(comparison.holds(value), &value.to_string(), said)
            }
            // Silence is not green.
            None => Sample::of(false, "UNAVAILABLE", json!({ "query": self.query })),
        }
    }
}

impl Probe for Measurement {
    async fn sample(&self, names: &Names, _: &str, patience: Duration) -> Sample {
        let baseline = std::fs::read(&self.baseline).ok();
        let baseline: Option<Value> = baseline.and_then(|it| serde_json::from_slice(&it).ok());
        let mut nonce = [0; 32];
        let random = aws_lc_rs::rand::fill(&mut nonce);
        let (Some(baseline), Ok(())) = (baseline, random) else {
            return Sample::skipped("no baseline can be read");
        };
        let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut names = names.clone();
        names.insert("nonce".to_owned(), nonce.clone());
        let answered = match self.call.send(&names, &[], patience).await {
            Ok(answered) if self.call.accepts(answered.status) => answered,
            _ => return Sample::of(false, "UNAVAILABLE", json!({ "nonce": nonce })),
        };
        let body: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
        let fresh = body.pointer(&self.nonce).and_then(Value::as_str) == Some(nonce.as_str());
        let measured = body.pointer(&self.measured);
        let said = json!({ "nonce": nonce, "measured": measured, "baseline": baseline });
        match (fresh, measured == Some(&baseline)) {
            (true, true) => Sample::of(true, "BASELINE", said),
            (false, _) => Sample::of(false, "REPLAY", said),
            (true, false) => Sample::of(false, "UNEXPECTED", said),
        }
    }
}

impl Probe for Canaries {
    async fn sample(&self, names: &Names, _: &str, patience: Duration) -> Sample {
        let (mut lines, mut worst) = (Vec::new(), "EXPECTED");
        for case in &self.cases {
            for _ in 0..self.times {
                let (word, said) = case.ask(names, patience).await;
                lines.push(json!({ "case": case.name, "is": word, "answer": said }));
                worst = if rank(word) > rank(worst) { word } else { worst };
            }
        }
        let open = worst == "FAIL_OPEN";
        let passes = worst == "EXPECTED" && !lines.is_empty();
        let sample = Sample::of(passes, worst, json!({ "canaries": lines }));
        Sample { decisive: open, ..sample }
    }
}

// What is worst is what is said.
fn rank(word: &str) -> u8 {
    match word {
        "FAIL_OPEN" => 4,
        "WRONG_REASON" => 3,
        "FAIL_CLOSED" => 2,
        "UNAVAILABLE" => 1,
        _ => 0,
    }
}

impl Canary {
    async fn ask(&self, names: &Names, patience: Duration) -> (&'static str, Value) {
        let answered = match self.call.send(names, &[], patience).await {
            Ok(answered) => answered,
            Err(cause) => return ("UNAVAILABLE", json!({ "error": cause.to_string() })),
        };
        let body = String::from_utf8_lossy(&answered.body).into_owned();
        let status = answered.status;
        let listed = self.call.statuses.contains(&status);
        let word = match self.expect {
            Expect::Allow if self.call.accepts(status) => "EXPECTED",
            Expect::Allow if status >= 500 => "UNAVAILABLE",
            Expect::Allow => "FAIL_CLOSED",
            Expect::Deny if (200..300).contains(&status) => "FAIL_OPEN",
            Expect::Deny => {
                let refused =
                    listed || (self.call.statuses.is_empty() && [401, 403].contains(&status));
                let told = self.reason.as_ref().is_none_or(|reason| body.contains(reason));
                match (refused, told) {
                    (true, true) => "EXPECTED",
                    (true, false) => "WRONG_REASON",
                    (false, _) if status >= 500 => "UNAVAILABLE",
                    (false, _) => "WRONG_REASON",
                }
            }
        };
        (word, json!({ "status": status, "body": body }))
    }
}

impl Probe for Program {
    async fn sample(&self, names: &Names, _: &str, patience: Duration) -> Sample {
        match self.run(names, patience).await {
            Ok(said) => {
                let out = String::from_utf8_lossy(&said.out).into_owned();
                let line = json!({ "code": said.code, "out": out });
                Sample::of(self.accepts(said.code), &format!("exit {}", said.code), line)
            }
            Err(cause) => Sample::of(false, "UNAVAILABLE", json!({ "error": cause.to_string() })),
        }
    }
}
