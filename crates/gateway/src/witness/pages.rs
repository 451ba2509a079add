//! The pages of a witness: `add-checkpoint`, `add-epoch`, the checkpoints for monitors, and what
//! operators look at.
//!
//! Statuses and bodies are those of c2sp.org/tlog-witness. A failure of ours is 503: the client
//! asks again, and other witnesses make up the quorum meanwhile.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use lucarne_ledger::witness::{ENROLMENT_BYTES_MAX, REQUEST_BYTES_MAX, Refusal};

use super::{AddError, Witness};
use crate::clock::Clock;
use crate::counters::Counter;
use crate::journal::{Journal, Level, Value};

/// What became of requests: a closed set.
#[derive(Debug, Default)]
pub struct Tally {
    cosigned: Counter,
    enrolled: Counter,
    malformed: Counter,
    unsigned: Counter,
    unknown: Counter,
    conflict: Counter,
    inconsistent: Counter,
    failed: Counter,
}

struct Shared {
    witness: Witness,
    clock: Arc<dyn Clock>,
    journal: Journal,
    tally: Tally,
}

/// All routes.
pub(crate) fn router(
    prefix: &str,
    witness: Witness,
    clock: Arc<dyn Clock>,
    journal: Journal,
) -> Router {
    let shared = Shared { witness, clock, journal, tally: Tally::default() };
    Router::new()
        .route(&format!("{prefix}/add-checkpoint"), post(add_checkpoint))
        .route(
            &format!("{prefix}/add-epoch"),
            post(add_epoch).layer(DefaultBodyLimit::max(ENROLMENT_BYTES_MAX)),
        )
        .route(&format!("{prefix}/{{origin}}/checkpoint"), get(checkpoint))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(Arc::new(shared))
}

async fn add_checkpoint(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    // The disk is slow and the signatures are not free: neither belongs on the threads of the
    // network.
    let worked = tokio::task::spawn_blocking(move || {
        let time_s = shared.clock.unix_ns() / 1_000_000_000;
        let added = shared.witness.add_checkpoint(&body, time_s);
        match &added {
            Ok(_) => shared.tally.cosigned.add(1),
            Err(error) => note(&shared, error),
        }
        added
    });
    match worked.await {
        Ok(Ok(lines)) => text(StatusCode::OK, "text/plain; charset=utf-8", lines.concat()),
        Ok(Err(error)) => refuse(&error),
        Err(_) => unavailable(),
    }
}

async fn add_epoch(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let worked = tokio::task::spawn_blocking(move || {
        let time_s = shared.clock.unix_ns() / 1_000_000_000;
        let added = shared.witness.add_epoch(&body, time_s);
        match &added {
            Ok(()) => shared.tally.enrolled.add(1),
            Err(error) => note(&shared, error),
        }
        added
    });
    match worked.await {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(error)) => refuse(&error),
        Err(_) => unavailable(),
    }
}

async fn checkpoint(State(shared): State<Arc<Shared>>, Path(origin): Path<String>) -> Response {
    let read = tokio::task::spawn_blocking(move || shared.witness.checkpoint(&origin));
    match read.await {
        Ok(Ok(Some(note))) => {
            let kind = (CONTENT_TYPE, "text/plain; charset=utf-8");
            (StatusCode::OK, [kind, (CACHE_CONTROL, "no-cache")], note).into_response()
        }
        Ok(Ok(None)) => plain(StatusCode::NOT_FOUND, "nothing was cosigned for this origin"),
        Ok(Err(_)) | Err(_) => unavailable(),
    }
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    if shared.witness.is_settled() {
        plain(StatusCode::OK, "cosigning")
    } else {
        plain(StatusCode::SERVICE_UNAVAILABLE, "which state is on the disk is not known")
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let page = shared.tally.render(shared.witness.is_settled());
    text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", page)
}

impl Tally {
    fn of(&self, error: &AddError) -> &Counter {
        match error {
            AddError::Refused(refusal) => match refusal {
                Refusal::Malformed | Refusal::OldBeyond => &self.malformed,
                Refusal::Unsigned => &self.unsigned,
                Refusal::UnknownOrigin => &self.unknown,
                Refusal::Held { .. } => &self.conflict,
                Refusal::NotConsistent { .. }
                | Refusal::Forked { .. }
                | Refusal::EmptyRoot
                | Refusal::NeedlessProof => &self.inconsistent,
            },
            AddError::Evidence(_) => &self.unsigned,
            AddError::Store(_) | AddError::Cosign(_) => &self.failed,
        }
    }

    fn render(&self, settled: bool) -> String {
        let mut page = String::with_capacity(1024);
        let name = "lucarne_witness_requests_total";
        let head = "Requests, by what became of them";
        let _ = writeln!(page, "# HELP {name} {head}\n# TYPE {name} counter");
        for (result, counter) in [
            ("cosigned", &self.cosigned),
            ("enrolled", &self.enrolled),
            ("malformed", &self.malformed),
            ("unsigned", &self.unsigned),
            ("unknown_origin", &self.unknown),
            ("conflict", &self.conflict),
            ("inconsistent", &self.inconsistent),
            ("failed", &self.failed),
        ] {
            let _ = writeln!(page, "{name}{{result=\"{result}\"}} {}", counter.value());
        }
        let name = "lucarne_witness_settled";
        let head = "Whether the state on the disk is known; at 0 nothing is cosigned";
        let _ = writeln!(page, "# HELP {name} {head}\n# TYPE {name} gauge");
        let _ = writeln!(page, "{name} {}", u8::from(settled));
        page
    }
}

// What a stranger can provoke at will is counted only; what an operator must see is said.
fn note(shared: &Shared, error: &AddError) {
    shared.tally.of(error).add(1);
    let fields = [("error", Value::Shown(error))];
    match error {
        // A bad proof may be anybody's; two roots for one size are the log's own doing.
        AddError::Refused(Refusal::Forked { .. }) => {
            let message = "a log has signed two trees of one size";
            shared.journal.note(Level::Error, message, &fields);
        }
        AddError::Store(_) | AddError::Cosign(_) => {
            shared.journal.note(Level::Error, "witness cannot cosign", &fields);
        }
        AddError::Refused(_) | AddError::Evidence(_) => {}
    }
}

fn refuse(error: &AddError) -> Response {
    let refusal = match error {
        AddError::Refused(refusal) => refusal,
        AddError::Evidence(_) => return plain(StatusCode::FORBIDDEN, &error.to_string()),
        AddError::Store(_) | AddError::Cosign(_) => return unavailable(),
    };
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    match refusal {
        Refusal::Held { size } => text(status, "text/x.tlog.size", format!("{size}\n")),
        Refusal::Malformed
        | Refusal::OldBeyond
        | Refusal::Unsigned
        | Refusal::UnknownOrigin
        | Refusal::NotConsistent { .. }
        | Refusal::Forked { .. }
        | Refusal::EmptyRoot
        | Refusal::NeedlessProof => plain(status, &refusal.to_string()),
    }
}

fn unavailable() -> Response {
    plain(StatusCode::SERVICE_UNAVAILABLE, "the state could not be read or kept")
}

fn plain(status: StatusCode, sentence: &str) -> Response {
    text(status, "text/plain; charset=utf-8", format!("{sentence}\n"))
}

fn text(status: StatusCode, kind: &'static str, body: String) -> Response {
    (status, [(CONTENT_TYPE, kind)], body).into_response()
}
