//! What sources send: read, scrubbed, decided and kept, and only then answered.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Problem, Taken, json as answer_json};
use super::routes::Op;
use super::{Api, Asked};
use crate::engine::wall_ms;
use crate::event::Input;
use crate::intake::{Binary, alerts_v2, batch, event, plain, webhook};
use crate::signal::{Draft, Signal, Source};

/// Ours, or that of Provability-Fabric's `/heartbeat`.
#[derive(Deserialize)]
struct Heartbeat {
    #[serde(alias = "capsuleHash", alias = "capsule_hash")]
    capsule: String,
    #[serde(alias = "ts", alias = "timestamp")]
    stated_ms: Option<u64>,
}

pub(super) async fn answer(api: &Api, asked: Asked) -> Result<Response, Problem> {
    let inputs = inputs(api, &asked)?;
    let answers = api.lanes.ask(asked.caller.actor, inputs).await?;
    let answers: Vec<Taken> = answers.into_iter().map(Taken::from).collect();
    let body = json!({ "taken": answers.len(), "answers": answers });
    Ok(answer_json(StatusCode::OK, &body))
}

fn inputs(api: &Api, asked: &Asked) -> Result<Vec<Input>, Problem> {
    if asked.route.op == Op::Heartbeat {
        return heartbeat(api, &asked.body).map(|beat| vec![beat]);
    }
    let drafts = drafts(api, asked)?;
    let policy = api.published().policy.ok_or(Problem::STORE)?;
    let signal = |draft: &Draft| {
        let chosen = policy.chosen(draft.kind);
        match Signal::new(draft, &api.scrubber, chosen) {
            Ok(signal) => Ok(Input::Signal(signal)),
            Err(_) => {
                api.metrics.refused(draft.source, 1);
                Err(Problem::BODY)
            }
        }
    };
    drafts.iter().map(signal).collect()
}

fn drafts(api: &Api, asked: &Asked) -> Result<Vec<Draft>, Problem> {
    let (body, now_ms) = (&asked.body, wall_ms());
    let drafts = match asked.route.op {
        Op::Alertmanager => webhook(body)?,
        Op::AlertsV2 => alerts_v2(body, now_ms)?,
        Op::CloudEvents => cloud_events(asked, now_ms)?,
        Op::Generic => {
            let id = asked.params.first().ok_or(Problem::NOT_FOUND)?;
            vec![api.mappings.get(id).ok_or(Problem::NOT_FOUND)?.draft(body, now_ms)?]
        }
        _ => vec![plain(body, Source::Person, now_ms)?],
    };
    Ok(drafts)
}

fn cloud_events(asked: &Asked, now_ms: u64) -> Result<Vec<Draft>, Problem> {
    let text = |name: &str| asked.headers.get(name).and_then(|value| value.to_str().ok());
    let kind = text(CONTENT_TYPE.as_str()).unwrap_or_default();
    if kind.starts_with("application/cloudevents-batch") {
        return Ok(batch(&asked.body, now_ms)?);
    }
    let one = match (text("ce-specversion"), text("ce-type")) {
        (Some(specversion), Some(kind)) => {
            Binary { specversion, kind, time: text("ce-time") }.draft(&asked.body, now_ms)?
        }
        _ => event(&asked.body, now_ms)?,
    };
    Ok(vec![one])
}

fn heartbeat(api: &Api, body: &[u8]) -> Result<Input, Problem> {
    let beat: Heartbeat = serde_json::from_slice(body).map_err(|_| Problem::BODY)?;
    if beat.capsule.is_empty() || beat.capsule.len() > CAPSULE_BYTES_MAX {
        return Err(Problem::BODY);
    }
    let capsule = api.scrubber.scrub(&beat.capsule);
    Ok(Input::Beat { capsule, stated_ms: beat.stated_ms })
}

/// `sha256:` and 64 digits is 71.
const CAPSULE_BYTES_MAX: usize = 128;
