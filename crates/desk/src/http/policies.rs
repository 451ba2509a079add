//! Policies: what holds, what is proposed, who agrees, and the way back. And who is told when.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Problem, acted, json as answer_json};
use super::plans::body;
use super::routes::Op;
use super::{Api, Asked};
use crate::digest::Digest;
use crate::engine::{Notification, wall_ms};
use crate::event::Input;
use crate::incident::IncidentId;
use crate::moment::Moment;
use crate::number::Number;
use crate::policy::FILE_BYTES_MAX;
use crate::state::State;
use crate::store::work::NewWork;

/// A whole text, or the one that holds with another threshold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPolicy {
    source: Option<String>,
    high: Option<f64>,
    for_ms: Option<u64>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageTest {
    role: String,
}

pub(super) async fn answer(api: &Api, asked: Asked) -> Result<Response, Problem> {
    let input = match asked.route.op {
        Op::Policies => {
            let shown = api.lanes.see(shown).await?;
            return Ok(answer_json(StatusCode::OK, &shown));
        }
        Op::ReloadRules => return reload_rules(api).await,
        Op::Contacts => return contacts(api).await,
        Op::PageTest => return page_test(api, &asked).await,
        Op::ProposePolicy => proposed(api, &asked)?,
        Op::ApprovePolicy => {
            let id = asked.params.first().ok_or(Problem::NAME)?;
            let policy: Digest = serde_json::from_value(json!(id)).map_err(|_| Problem::NAME)?;
            Input::Grant { policy }
        }
        _ => {
            let Reason { reason } = body(&asked)?;
            Input::Revert { reason: api.scrubber.scrub(&reason) }
        }
    };
    acted(api.lanes.ask(asked.caller.actor, vec![input]).await?)
}

fn proposed(api: &Api, asked: &Asked) -> Result<Input, Problem> {
    let NewPolicy { source, high, for_ms, reason } = body(asked)?;
    let source = match (source, high) {
        (Some(source), None) => source,
        (None, Some(high)) => {
            let holds = api.published().policy.ok_or(Problem::STORE)?;
            let high = Number::new(high).ok_or(Problem::BODY)?;
            holds.with_high(high).map_err(|_| Problem::BODY)?.source().to_owned()
        }
        _ => return Err(Problem::BODY),
    };
    if source.len() > FILE_BYTES_MAX || for_ms.is_some_and(|ms| ms == 0 || ms > WHILE_MS_MAX) {
        return Err(Problem::BODY);
    }
    // A policy is public within the desk; a secret in one is a mistake that is not kept.
    if api.scrubber.scrub(&source).as_str() != source {
        return Err(Problem::SECRET);
    }
    Ok(Input::Propose { source, for_ms, reason: api.scrubber.scrub(&reason) })
}

fn shown(state: &State, now: Moment) -> Value {
    let proposals = state.proposals.values().map(|one| {
        json!({
            "policy": one.policy, "source": one.source, "for_ms": one.for_ms,
            "by": one.request.by, "reason": one.request.reason, "quorum": one.request.quorum,
            "granted": one.request.granted,
            "left_ms": one.request.holds_ms.saturating_sub(now.since(one.request.made)),
        })
    });
    let back = state.former.as_ref().and_then(|former| former.back_at_ms);
    json!({
        "name": state.policy.name(), "policy": state.policy.digest(),
        "high": state.policy.thresholds.high.get(), "source": state.policy.source(),
        "has_former": state.former.is_some(),
        "left_ms": back.map(|at| at.saturating_sub(now.mono_ms)),
        "proposals": proposals.collect::<Vec<_>>(),
    })
}

async fn reload_rules(api: &Api) -> Result<Response, Problem> {
    let rules = api.rules.clone().ok_or(Problem::NOT_FOUND)?;
    let reload = move || rules.reload();
    let reloaded = tokio::task::spawn_blocking(reload).await.map_err(|_| Problem::STORE)?;
    let reloaded = reloaded.map_err(|why| Problem::rules(&why))?;
    Ok(answer_json(StatusCode::OK, &reloaded))
}

async fn contacts(api: &Api) -> Result<Response, Problem> {
    let channels = api.channels.clone();
    let look = move |state: &State, _| {
        let rung = |rung: &crate::policy::Rung| {
            let people = state.people.values().filter(|one| one.groups.contains(&rung.role));
            let people: Vec<_> = people.map(|one| one.id.clone()).collect();
            json!({
                "role": rung.role, "after_ms": rung.after_ms, "at_once": rung.at_once,
                "at_once_for": rung.at_once_for, "people": people, "channels": channels,
            })
        };
        state.policy.ladder.iter().map(rung).collect::<Vec<_>>()
    };
    Ok(answer_json(StatusCode::OK, &api.lanes.see(look).await?))
}

// Through the outbox and every channel, as a real page goes. A fallback that never worked is found
// by a test, and not by an incident.
async fn page_test(api: &Api, asked: &Asked) -> Result<Response, Problem> {
    let PageTest { role } = body(asked)?;
    let policy = api.published().policy.ok_or(Problem::STORE)?;
    if !policy.ladder.iter().any(|rung| rung.role == role) {
        return Err(Problem::NOT_FOUND);
    }
    let (now_ms, by) = (wall_ms(), asked.caller.actor.to_string());
    let work = |channel: &String| {
        let key = format!("page-test/{role}/{now_ms}/{channel}");
        let told = Notification {
            key: key.clone(),
            incident: "none".to_owned(),
            event: "page_test".to_owned(),
            role: Some(role.clone()),
            severity: "SEV3".to_owned(),
            kind: "page_test".to_owned(),
            phase: "detected".to_owned(),
            verdict: "ignored".to_owned(),
            summary: format!("test of the way to {role}, asked for by {by}: nothing is wrong"),
            at_ms: now_ms,
        };
        let body = serde_json::to_string(&told).unwrap_or_default();
        let queue = format!("notify/{channel}");
        NewWork { queue, key, incident: IncidentId(0), body, made_ms: now_ms }
    };
    let work: Vec<NewWork> = api.channels.iter().chain(&api.fallbacks).map(work).collect();
    let keys: Vec<String> = work.iter().map(|one| one.key.clone()).collect();
    if !work.is_empty() {
        let add =
            move |store: &mut crate::store::Store| store.locked(|store, _| store.add_work(&work));
        api.with_store(add).await?;
    }
    Ok(answer_json(StatusCode::OK, &json!({ "role": role, "keys": keys })))
}

/// A while is not for good: as long as a window of planned work may be.
const WHILE_MS_MAX: u64 = 90 * crate::moment::DAY_MS;
