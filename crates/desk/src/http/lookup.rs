//! What can be looked up. Nothing here goes through the engine but liveness, which depends on now.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::acts::{incident, number};
use super::answer::{Problem, json as answer_json, json_bytes, typed};
use super::plans::is_name;
use super::routes::Op;
use super::{Api, Asked};
use crate::engine::wall_ms;
use crate::event::{Event, Fact};

pub(super) async fn answer(api: &Api, asked: Asked) -> Result<Response, Problem> {
    match asked.route.op {
        Op::Incidents => list(api, &asked, "incident").await,
        Op::Requests => list(api, &asked, "request").await,
        Op::Runs => list(api, &asked, "run").await,
        Op::Run => {
            let name = format!("RUN-{}", number(&asked, "RUN-")?);
            one(api, "run", name, "").await
        }
        Op::Changes => list(api, &asked, "change").await,
        Op::Windows => one(api, "windows", "all".to_owned(), "[]").await,
        Op::Mutes => one(api, "mutes", "all".to_owned(), "[]").await,
        Op::Incident => {
            let name = incident(&asked)?.to_string();
            one(api, "incident", name, "").await
        }
        Op::RequestShow => {
            let name = format!("REQ-{}", number(&asked, "REQ-")?);
            one(api, "request", name, "").await
        }
        Op::Timeline | Op::Decisions => timeline(api, &asked).await,
        Op::Liveness => liveness(api, &asked).await,
        Op::Outbox => outbox(api, &asked).await,
        Op::Revive => revive(api, &asked).await,
        Op::Gate => gate(api, &asked),
        Op::Gates => Ok(answer_json(StatusCode::OK, &shut(api))),
        Op::Entries => entries(api, &asked).await,
        Op::Metrics => metrics(api).await,
        Op::Ready => ready(api).await,
        _ => Ok(answer_json(StatusCode::OK, &json!({ "status": "alive" }))),
    }
}

async fn list(api: &Api, asked: &Asked, kind: &'static str) -> Result<Response, Problem> {
    let (below, limit) = (query(asked, "below", i64::MAX as u64)?, limit(asked)?);
    let docs = api.with_store(move |store| store.docs(kind, below, limit)).await?;
    Ok(json_bytes(format!("[{}]", docs.join(",")).into()))
}

async fn one(
    api: &Api,
    kind: &'static str,
    id: String,
    otherwise: &'static str,
) -> Result<Response, Problem> {
    let found = api.with_store(move |store| store.doc(kind, &id)).await?;
    match found {
        Some(body) => Ok(json_bytes(body.into())),
        None if otherwise.is_empty() => Err(Problem::NOT_FOUND),
        None => Ok(json_bytes(otherwise.into())),
    }
}

async fn timeline(api: &Api, asked: &Asked) -> Result<Response, Problem> {
    let id = incident(asked)?;
    let (from, limit) = (query(asked, "from", 0)?, limit(asked)?);
    let found = api.with_store(move |store| {
        let known = store.doc("incident", &id.to_string())?.is_some();
        let entries = if known { store.timeline(id, from, limit)? } else { Vec::new() };
        Ok(known.then_some(entries))
    });
    let entries = found.await?.ok_or(Problem::NOT_FOUND)?;
    if asked.route.op == Op::Timeline {
        return Ok(answer_json(StatusCode::OK, &entries));
    }
    let decisions: Vec<_> = entries
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::Fact(Fact::Decided(decision)) => Some(decision),
            _ => None,
        })
        .collect();
    Ok(answer_json(StatusCode::OK, &decisions))
}

async fn liveness(api: &Api, asked: &Asked) -> Result<Response, Problem> {
    let capsule = asked.params.first().cloned().ok_or(Problem::NAME)?;
    is_name(api, &capsule)
        .or_else(|problem| if capsule.len() > 64 { Ok(()) } else { Err(problem) })?;
    let name = capsule.clone();
    let misses = api.lanes.see(move |state, now| state.misses(&name, now)).await?;
    let misses = misses.ok_or(Problem::NOT_FOUND)?;
    Ok(answer_json(StatusCode::OK, &json!({ "capsule": capsule, "misses": misses })))
}

async fn outbox(api: &Api, asked: &Asked) -> Result<Response, Problem> {
    let (below, limit) = (query(asked, "below", i64::MAX as u64)?, limit(asked)?);
    let work = api.with_store(move |store| store.work(below, limit)).await?;
    let line = |one: &crate::store::work::Work| {
        let body: Option<&RawValue> = serde_json::from_str(&one.body).ok();
        json!({
            "id": one.id, "queue": one.queue, "key": one.key,
            "incident": one.incident.to_string(), "standing": one.standing.as_str(),
            "attempts": one.attempts, "due_ms": one.due_ms, "error": one.error, "body": body,
        })
    };
    let lines: Vec<Value> = work.iter().map(line).collect();
    Ok(answer_json(StatusCode::OK, &lines))
}

async fn revive(api: &Api, asked: &Asked) -> Result<Response, Problem> {
    let id = number(asked, "")?;
    match api.with_store(move |store| store.revive(id, wall_ms())).await? {
        true => Ok(answer_json(StatusCode::OK, &json!({ "id": id }))),
        false => Err(Problem::NOT_FOUND),
    }
}

fn gate(api: &Api, asked: &Asked) -> Result<Response, Problem> {
    let name = asked.params.first().ok_or(Problem::NAME)?;
    is_name(api, name)?;
    match api.published().gates.get(name) {
        Some(_) => Err(Problem::SHUT),
        None => Ok(answer_json(StatusCode::OK, &json!({ "gate": name, "state": "open" }))),
    }
}

fn shut(api: &Api) -> Vec<Value> {
    let gates = api.published().gates;
    let line = |(name, incident)| json!({ "gate": name, "incident": format!("{incident}") });
    gates.iter().map(line).collect()
}

async fn entries(api: &Api, asked: &Asked) -> Result<Response, Problem> {
    let (from, limit) = (query(asked, "from", 0)?, limit(asked)?);
    let entries = api.with_store(move |store| store.entries(from, limit)).await?;
    Ok(answer_json(StatusCode::OK, &entries))
}

async fn metrics(api: &Api) -> Result<Response, Problem> {
    let backlog = api.with_store(|store| store.backlog()).await?;
    let text = api.metrics.text(&api.published().open, &backlog, wall_ms());
    Ok(typed("text/plain; version=0.0.4", text.into()))
}

async fn ready(api: &Api) -> Result<Response, Problem> {
    // A look passes only through an engine that runs.
    api.lanes.see(|_, _| ()).await?;
    if !api.published().writable {
        return Err(Problem::STORE);
    }
    Ok(answer_json(StatusCode::OK, &json!({ "status": "ready" })))
}

fn limit(asked: &Asked) -> Result<u64, Problem> {
    match query(asked, "limit", 100)? {
        limit @ 1..=1000 => Ok(limit),
        _ => Err(Problem::QUERY),
    }
}

// `a=1&b=2`; names that no path has are refused, so that a misspelt one does not pass for all.
fn query(asked: &Asked, name: &str, otherwise: u64) -> Result<u64, Problem> {
    let mut found = otherwise;
    for pair in asked.query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or(Problem::QUERY)?;
        if !["below", "limit", "from"].contains(&key) {
            return Err(Problem::QUERY);
        }
        let value: u64 = value.parse().map_err(|_| Problem::QUERY)?;
        if i64::try_from(value).is_err() {
            return Err(Problem::QUERY);
        }
        if key == name {
            found = value;
        }
    }
    Ok(found)
}
