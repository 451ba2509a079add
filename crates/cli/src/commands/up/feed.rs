//! What the desk of `lucarne up` is told of the site: heartbeats, silence, and the error rate.
//!
//! The rules are those of the seeds, over what the gateway exports and answers: failed over
//! finished workflows above 5 %, no health, and evidence of what nobody approved. Spans are shorter
//! than in production, so that whoever watches a demo sees one fire; a source that does not
//! answer fires nothing.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use lucarne_desk::moment::Moment;
use lucarne_desk::number::Number;
use lucarne_desk::rule::{Change, Rule, Watch};
use serde_json::{Value, json};

use super::attested::Attested;
use crate::desk_client::Desk;

/// Tells until it is dropped.
#[derive(Debug)]
pub(super) struct Feed {
    stop: Arc<AtomicBool>,
}

/// Where everything is.
pub(super) struct Sources {
    /// The desk, with the key that sends signals.
    pub(super) desk: Desk,
    /// The gateway's pages.
    pub(super) gateway: Desk,
    /// The lines that it exports.
    pub(super) lines: PathBuf,
    /// What all of it is about.
    pub(super) instance: String,
    /// The look at the enclave's evidence; none when nobody can ask.
    pub(super) attested: Option<Attested>,
}

impl Feed {
    /// Begins to tell.
    pub(super) fn start(sources: Sources) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        std::thread::spawn(move || {
            let mut teller = Teller::new(sources);
            while !stopped.load(Ordering::Relaxed) {
                teller.round();
                std::thread::park_timeout(EVERY);
            }
        });
        Self { stop }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The gateway's pages as something to ask.
pub(super) fn pages_of(gateway: SocketAddr) -> Option<Desk> {
    Desk::new(&format!("http://{gateway}").parse().ok()?, None).ok()
}

struct Teller {
    sources: Sources,
    started: Instant,
    tail: Tail,
    errors: Ratio,
    error_rate: Watch,
    healthy_once: bool,
    silence: Watch,
}

impl Teller {
    fn new(sources: Sources) -> Self {
        let tail = Tail { path: sources.lines.clone(), at: 0, rest: Vec::new() };
        Self {
            sources,
            started: Instant::now(),
            tail,
            errors: Ratio::default(),
            error_rate: Watch::default(),
            healthy_once: false,
            silence: Watch::default(),
        }
    }

    fn round(&mut self) {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let now = Moment { wall_ms: crate::clock::unix_ms(), mono_ms: elapsed };
        self.look_at_health(now);
        for line in self.tail.lines() {
            self.errors.see(&line, now);
        }
        let instance = &self.sources.instance;
        let signal = self.sources.attested.as_mut().and_then(|attested| attested.look(instance));
        signal.iter().for_each(|signal| self.post(signal));
        let rate = self.errors.rate(now);
        let changes = match (rule(ERROR_RATE, ERROR_FOR_MS), rate) {
            (Some(rule), Some(rate)) => self.error_rate.see(&rule, Some(rate), now),
            _ => Vec::new(),
        };
        self.tell("workflow_error_rate", "WorkflowErrorRate", rate, &changes);
    }

    fn look_at_health(&mut self, now: Moment) {
        let health = self.sources.gateway.ask(&Method::GET, "/health", None);
        let healthy = health.is_ok_and(|answer| answer.status == 200);
        self.healthy_once |= healthy;
        if healthy {
            let beat = json!({ "capsule": self.sources.instance, "stated_ms": now.wall_ms });
            // The next beat says the same.
            self.sources.desk.post("/v1/heartbeats", &beat).ok();
        }
        // A site that has not begun is not silent.
        if !self.healthy_once {
            return;
        }
        let silent = Number::new(if healthy { 0.0 } else { 1.0 });
        let changes = match (rule(0.5, SILENT_FOR_MS), silent) {
            (Some(rule), Some(silent)) => self.silence.see(&rule, Some(silent), now),
            _ => Vec::new(),
        };
        self.tell("telemetry_gap", "TelemetryGap", silent, &changes);
    }

    fn tell(&self, kind: &str, alert: &str, value: Option<Number>, changes: &[Change]) {
        for change in changes {
            let status = match change {
                Change::Fires => "firing",
                Change::Resolves => "resolved",
                Change::Blind | Change::Sees => continue,
            };
            let labels = json!({ "alertname": alert, "instance": self.sources.instance });
            let signal = json!({ "kind": kind, "labels": labels, "status": status,
                                 "value": value.map(Number::get) });
            self.post(&signal);
        }
    }

    fn post(&self, signal: &Value) {
        for _ in 0..TRIES {
            if self.sources.desk.post("/v1/signals", signal).is_ok() {
                break;
            }
        }
    }
}

fn rule(above: f64, for_ms: u64) -> Option<Rule> {
    let above = Number::new(above)?;
    Some(Rule { above, for_ms, keep_firing_for_ms: KEEP_MS, blind_after_ms: 60_000 })
}

/// Failed over finished workflows of the last while.
#[derive(Debug, Default)]
struct Ratio {
    // when, and whether it failed
    finished: VecDeque<(Moment, bool)>,
}

impl Ratio {
    fn see(&mut self, line: &str, now: Moment) {
        let failed = line.contains("\"workflow.failed\"");
        let over = failed
            || line.contains("\"workflow.completed\"")
            || line.contains("\"workflow.cancelled\"");
        // What does not verify is nobody's figure.
        let signed = || {
            serde_json::from_str::<Value>(line).is_ok_and(|line| line["signature_valid"] == true)
        };
        if over && self.finished.len() < FINISHED_MAX && signed() {
            self.finished.push_back((now, failed));
        }
    }

    fn rate(&mut self, now: Moment) -> Option<Number> {
        while self.finished.front().is_some_and(|(at, _)| now.since(*at) > WINDOW_MS) {
            self.finished.pop_front();
        }
        if self.finished.len() < FINISHED_MIN {
            return None;
        }
        let failed = self.finished.iter().filter(|(_, failed)| *failed).count();
        Number::new(failed as f64 / self.finished.len() as f64)
    }
}

/// The lines that a file grew by.
struct Tail {
    path: PathBuf,
    at: u64,
    rest: Vec<u8>,
}

impl Tail {
    fn lines(&mut self) -> Vec<String> {
        let read = |tail: &mut Self| -> std::io::Result<()> {
            let mut file = File::open(&tail.path)?;
            // A file that was turned over begins again.
            if file.metadata()?.len() < tail.at {
                tail.at = 0;
                tail.rest.clear();
            }
            file.seek(SeekFrom::Start(tail.at))?;
            let read = file.take(READ_BYTES_MAX).read_to_end(&mut tail.rest)?;
            tail.at += u64::try_from(read).unwrap_or_default();
            Ok(())
        };
        if read(self).is_err() {
            return Vec::new();
        }
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
    }
}

/// Of the seeds: more than 5 %.
const ERROR_RATE: f64 = 0.05;
/// The seeds wait for five minutes; the demo errs for ten seconds a minute.
const ERROR_FOR_MS: u64 = 5_000;
/// The seeds wait for two minutes.
const SILENT_FOR_MS: u64 = 20_000;
/// An end that lasts.
const KEEP_MS: u64 = 60_000;
/// Twenty workflows a second make 600 in it.
const WINDOW_MS: u64 = 30_000;
/// Fewer say nothing.
const FINISHED_MIN: usize = 40;
/// A tenfold demo.
const FINISHED_MAX: usize = 6_000;
const READ_BYTES_MAX: u64 = 16 << 20;
const EVERY: Duration = Duration::from_secs(1);
const TRIES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment { wall_ms: 0, mono_ms: seconds * 1000 }
    }

    #[test]
    fn a_rate_needs_figures_that_verify_and_forgets_old_ones() {
        let mut ratio = Ratio::default();
        let line = |event: &str, valid: bool| {
            format!("{{\"event_type\":\"workflow.{event}\",\"signature_valid\":{valid}}}")
        };
        for _ in 0..39 {
            ratio.see(&line("completed", true), at(1));
        }
        ratio.see(&line("failed", false), at(1));
        ratio.see(&line("started", true), at(1));
        assert_eq!(ratio.rate(at(1)), None);
        ratio.see(&line("failed", true), at(1));
        assert_eq!(ratio.rate(at(1)).map(Number::get), Some(0.025));
        assert_eq!(ratio.rate(at(32)), None);
    }

    #[test]
    fn a_tail_gives_whole_lines_once_and_begins_again_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs");
        let mut tail = Tail { path: path.clone(), at: 0, rest: Vec::new() };
        assert_eq!(tail.lines(), Vec::<String>::new());
        std::fs::write(&path, "one\ntw").unwrap();
        assert_eq!(tail.lines(), ["one"]);
        std::fs::write(&path, "one\ntwo\n").unwrap();
        assert_eq!(tail.lines(), ["two"]);
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(tail.lines(), ["new"]);
    }
}
