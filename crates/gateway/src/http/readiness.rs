//! `/ready`: does every part accept what it is there to accept?

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{Pages, json};

/// A part of the gateway that has to get ready.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Part {
    /// Log and archive take batches.
    Archiver,
    /// Enclaves can connect.
    Uplink,
    /// Exporters have their cursors.
    Exporters,
}

impl Part {
    const ALL: [Self; 3] = [Self::Archiver, Self::Uplink, Self::Exporters];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Archiver => "archiver",
            Self::Uplink => "uplink",
            Self::Exporters => "exporters",
        }
    }
}

/// Which parts are ready; clones share it.
#[derive(Clone, Debug)]
pub struct Readiness {
    waiting: Arc<Mutex<BTreeSet<Part>>>,
}

impl Readiness {
    /// Nothing is ready.
    pub fn new() -> Self {
        Self { waiting: Arc::new(Mutex::new(Part::ALL.into())) }
    }

    /// A part is ready.
    pub fn ready(&self, part: Part) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&part);
    }

    /// A part no longer takes anything.
    pub fn waiting(&self, part: Part) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(part);
    }

    fn names(&self) -> Vec<&'static str> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.iter().map(|part| part.as_str()).collect()
    }
}

/// A store that restarts is back in less.
const STALL_MAX: Duration = Duration::from_secs(10);

/// Answers `GET /ready`.
pub(super) async fn show(State(pages): State<Arc<Pages>>) -> Response {
    let mut waiting = pages.readiness.names();
    // What was ready and has not been able to write for a while takes nothing any more.
    let stalled = pages.metrics.counters.stall.lasts() >= STALL_MAX;
    if stalled && !waiting.contains(&Part::Archiver.as_str()) {
        waiting.insert(0, Part::Archiver.as_str());
    }
    let (status, ready) = match waiting.is_empty() {
        true => (StatusCode::OK, true),
        false => (StatusCode::SERVICE_UNAVAILABLE, false),
    };
    let body = serde_json::json!({ "ready": ready, "waiting_for": waiting });
    json(status, &body)
}
