//! The past by another policy: a text, another threshold, or a proposal that waits for people. The
//! answer is what would have been decided otherwise; nothing of it is kept.
//!
//! The log is read in pieces, so that whoever looks something up meanwhile waits for one of them.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Problem, json as answer_json};
use super::plans::body;
use super::{Api, Asked};
use crate::digest::Digest;
use crate::engine::wall_ms;
use crate::log::{Difference, Replay, Said};
use crate::moment::DAY_MS;
use crate::number::Number;
use crate::policy::{FILE_BYTES_MAX, Policy};

/// By which policy, and from when.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asks {
    source: Option<String>,
    high: Option<f64>,
    proposal: Option<Digest>,
    from_ms: Option<u64>,
}

pub(super) async fn answer(api: &Api, asked: Asked) -> Result<Response, Problem> {
    let asks: Asks = body(&asked)?;
    let from_ms = asks.from_ms.unwrap_or_else(|| wall_ms().saturating_sub(WEEK_MS));
    let policy = policy(api, asks).await?;
    // It is work for a whole core; whoever comes second asks again.
    let _permit = api.replaying.try_acquire().map_err(|_| Problem::BUSY)?;
    let digest = policy.digest();
    let mut replay = Replay::new(policy, from_ms);
    let mut next = 0;
    loop {
        let entries = api.with_store(move |store| store.entries(next, ENTRIES_AT_ONCE)).await?;
        let Some(last) = entries.last() else { break };
        next = last.seq.saturating_add(1);
        let taken = tokio::task::spawn_blocking(move || {
            entries.iter().for_each(|entry| replay.take(entry));
            replay.settle();
            replay
        });
        replay = taken.await.map_err(|_| Problem::STORE)?;
        if replay.held() > HELD_MAX {
            return Err(Problem::TOO_DIFFERENT);
        }
    }
    let compared = replay.compared();
    let differences = replay.differences();
    let shown: Vec<Value> = differences.iter().take(DIFFERENCES_MAX).map(line).collect();
    let body = json!({
        "policy": digest, "from_ms": from_ms, "entries": next, "signals": compared,
        "differ": differences.len(), "truncated": differences.len() > shown.len(),
        "differences": shown,
    });
    Ok(answer_json(StatusCode::OK, &body))
}

async fn policy(api: &Api, asks: Asks) -> Result<Policy, Problem> {
    let source = match (asks.source, asks.high, asks.proposal) {
        (Some(source), None, None) if source.len() <= FILE_BYTES_MAX => source,
        (None, Some(high), None) => {
            let holds = api.published().policy.ok_or(Problem::STORE)?;
            let high = Number::new(high).ok_or(Problem::BODY)?;
            return holds.with_high(high).map_err(|_| Problem::BODY);
        }
        (None, None, Some(digest)) => {
            let found = api.lanes.see(move |state, _| {
                state.proposals.get(&digest).map(|proposal| proposal.source.clone())
            });
            found.await?.ok_or(Problem::NOT_FOUND)?
        }
        _ => return Err(Problem::BODY),
    };
    Policy::parse(&source).map_err(|_| Problem::BODY)
}

fn line(one: &Difference) -> Value {
    let said = |all: &[Said]| {
        let one = |it: &Said| {
            let actions = &it.actions;
            json!({ "rule": it.rule, "verdict": it.verdict, "actions": actions })
        };
        all.iter().map(one).collect::<Vec<_>>()
    };
    json!({ "signal": one.signal, "was": said(&one.was), "would_be": said(&one.now) })
}

/// Some hundred MiB.
const HELD_MAX: usize = 200_000;
/// Some milliseconds of reading.
const ENTRIES_AT_ONCE: u64 = 1000;
/// More are counted and not listed.
const DIFFERENCES_MAX: usize = 1000;
/// What people look back at before they agree.
const WEEK_MS: u64 = 7 * DAY_MS;
