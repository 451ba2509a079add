//! The store behind `lucarne view`, and what a request to it becomes.
//!
//! Logs and spans lie in a directory. The API is the store's own; here are its clock, its limits
//! and its numbers about itself.

mod encoding;

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::{StatusCode, header};
use lucarne_gateway::view_server::{Answering, Bounds, text};
use lucarne_store::Store;
use lucarne_store::engine::error::QueryError;
use lucarne_store::engine::limits::{Cancel, Limits};
use lucarne_store::retention::Retention;
use lucarne_store::store::open_keyed;
use lucarne_store::surface::{self, Asker, Doors, Mode, Polled, Request, Response, Tailing};

use self::encoding::{BODY_BYTES_MAX, BadBody, expand};
use crate::clock;
use crate::failure::{Exit, Failure};

/// How a view is set up.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Bytes of what is kept.
    pub max_bytes: u64,
    /// Age of what is kept.
    pub age: Duration,
    /// Time of one query.
    pub query_timeout: Duration,
    /// Nothing is added to rows that are pushed.
    pub as_pushed: bool,
    /// Extensions of LogQL are refused.
    pub strict_logql: bool,
}

/// A store that is open.
#[derive(Debug)]
pub struct View {
    store: Store,
    settings: Settings,
    /// Nobody else opens the directory while this is held.
    _lock: std::fs::File,
}

/// Of rows and spans that are in no block yet.
const HEAD_BYTES: usize = 32 << 20;

impl View {
    /// Opens the store of a directory, and makes it when there is none.
    ///
    /// # Errors
    /// When the directory cannot be used, or is used already.
    pub fn open(path: &Path, settings: Settings) -> Result<Self, Failure> {
        let age_ns = i64::try_from(settings.age.as_nanos()).unwrap_or(i64::MAX);
        let config = lucarne_store::Config {
            mapping: lucarne_store::stream::Mapping::with_job(""),
            retention: Retention { bytes: settings.max_bytes, age_ns },
            head_bytes: HEAD_BYTES,
        };
        let opened = open_keyed(config, path, now_ns());
        let (store, lock) = opened.map_err(|error| {
            let what = format!("open the store {}", path.display());
            Failure::because(Exit::Unreadable, &what, &error)
        })?;
        Ok(Self { store, settings, _lock: lock })
    }

    fn asker<'a>(
        &self,
        cancel: &'a Cancel,
        now_ns: i64,
        elapsed: &'a (dyn Fn() -> Duration + Sync),
    ) -> Asker<'a> {
        let time_ms = u64::try_from(self.settings.query_timeout.as_millis()).unwrap_or(u64::MAX);
        let mode = if self.settings.strict_logql { Mode::Strict } else { Mode::Extended };
        let limits = Limits { time_ms, ..Limits::STANDARD };
        Asker { limits, mode, cancel, now_ns, elapsed }
    }

    fn metrics(&self) -> Response {
        let report = self.store.report();
        let mut text = String::new();
        for (name, kind, value) in [
            ("streams", "gauge", report.streams),
            ("blocks", "gauge", report.blocks),
            ("records", "gauge", report.records),
            ("spans", "gauge", report.spans),
            ("stored_bytes", "gauge", report.stored_bytes),
            ("memory_bytes", "gauge", report.memory_bytes),
            ("evicted_records_total", "counter", report.evicted.records),
            ("evicted_bytes_total", "counter", report.evicted.bytes),
            ("failed_puts_total", "counter", report.failed_puts),
            ("faulty_blocks", "gauge", report.faults.len() as u64),
        ] {
            text.push_str(&format!(
                "# TYPE lucarne_view_{name} {kind}\nlucarne_view_{name} {value}\n"
            ));
        }
        Response {
            status: 200,
            content_type: "text/plain; version=0.0.4",
            headers: Vec::new(),
            body: text.into_bytes(),
        }
    }
}

impl Answering for View {
    const BOUNDS: Bounds = Bounds {
        // Grafana opens a few, agents one each.
        connections: 256,
        // Each may hold a body and what it is expanded to, too.
        calls: 8,
        body_bytes: BODY_BYTES_MAX,
        too_long: "the body is longer than 16 MiB\n",
    };

    fn body(head: &Parts, body: Bytes) -> Result<Bytes, (StatusCode, &'static str)> {
        let json = text(&head.headers, header::CONTENT_TYPE).starts_with("application/json");
        let block = head.uri.path() == "/loki/api/v1/push" && !json;
        let encoding = text(&head.headers, header::CONTENT_ENCODING);
        expand(body.into(), encoding, block).map(Bytes::from).map_err(BadBody::say)
    }

    fn answer(&self, request: &Request<'_>, cancel: &Cancel) -> Response {
        let now_ns = now_ns();
        let (store, as_pushed) = (&self.store, self.settings.as_pushed);
        let doors = Doors { store, as_pushed };
        if let Some(taken) = surface::push(request, &doors, now_ns) {
            return taken;
        }
        if request.path == "/metrics" {
            return self.metrics();
        }
        let began = Instant::now();
        surface::answer(request, store, &self.asker(cancel, now_ns, &|| began.elapsed()))
    }

    fn follow(&self, request: &Request<'_>) -> Result<Tailing, Response> {
        let cancel = Cancel::default();
        Tailing::open(request, &self.asker(&cancel, now_ns(), &|| Duration::ZERO))
    }

    fn poll(&self, tailing: &mut Tailing) -> Result<Polled, QueryError> {
        let (cancel, began) = (Cancel::default(), Instant::now());
        tailing.poll(&self.store, &self.asker(&cancel, now_ns(), &|| began.elapsed()))
    }

    fn maintain(&self) {
        self.store.maintain(now_ns());
    }
}

fn now_ns() -> i64 {
    i64::try_from(clock::unix_ns()).unwrap_or(i64::MAX)
}
