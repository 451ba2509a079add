//! `/health`: is the workload in the TEE alive, by its last signed heartbeat?
//!
//! `{"processengine":"healthy"}` with 200, or `"not-responding"` with 503 when the workload does
//! not answer its probe, no heartbeat came for a while, or none ever came. A workload without a
//! probe counts as healthy while its agent signs. With several instances the worst one is told;
//! `?instance=` asks for one.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use lucarne_ledger::control::Workload;

use super::{Pages, Problem, json};

/// Answers `GET /health`.
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let wanted = match query.as_deref() {
        None | Some("") => None,
        Some(query) => Some(query.strip_prefix("instance=").ok_or(Problem::QUERY)?),
    };
    let mut states = pages.heartbeats.all();
    states.retain(|(instance, _, _)| wanted.is_none_or(|wanted| instance.as_str() == wanted));
    let alive = states.iter().all(|(_, beat, age)| lives(beat.workload, *age, pages.silent_after));
    Ok(render(alive && !states.is_empty()))
}

fn lives(workload: Workload, age: Duration, silent_after: Duration) -> bool {
    match workload {
        Workload::Healthy | Workload::Unknown => age <= silent_after,
        Workload::NotResponding => false,
    }
}

fn render(alive: bool) -> Response {
    let (status, state) = match alive {
        true => (StatusCode::OK, Workload::Healthy),
        false => (StatusCode::SERVICE_UNAVAILABLE, Workload::NotResponding),
    };
    json(status, &serde_json::json!({ "processengine": state.as_str() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_a_dead_workload_are_not_responding() {
        let (limit, just, over) =
            (Duration::from_secs(45), Duration::from_secs(45), Duration::from_millis(45_001));
        assert!(lives(Workload::Healthy, just, limit));
        assert!(lives(Workload::Unknown, just, limit));
        assert!(!lives(Workload::Healthy, over, limit));
        assert!(!lives(Workload::NotResponding, Duration::ZERO, limit));
    }
}
