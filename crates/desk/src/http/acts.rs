//! What people do about incidents and requests; the core says whether they may.

use std::collections::BTreeMap;

use axum::response::Response;
use serde::Deserialize;

use super::answer::{Problem, acted};
use super::plans::{body, is_name};
use super::routes::Op;
use super::{Api, Asked};
use crate::approval::{ActionSpec, RequestId};
use crate::digest::Digest;
use crate::event::Input;
use crate::incident::{IncidentId, Phase, Severity};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    to: Phase,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lower {
    to: Severity,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRequest {
    action: String,
    #[serde(default)]
    args: BTreeMap<String, String>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approve {
    digest: Digest,
}

pub(super) async fn answer(api: &Api, asked: Asked) -> Result<Response, Problem> {
    let input = match asked.route.op {
        Op::Approve | Op::Reject | Op::Execute => about_request(&asked)?,
        Op::OpenGate => {
            let gate = asked.params.first().ok_or(Problem::NAME)?;
            is_name(api, gate)?;
            let Reason { reason } = body(&asked)?;
            Input::OpenGate { gate: gate.clone(), reason: api.scrubber.scrub(&reason) }
        }
        _ => about_incident(api, &asked)?,
    };
    acted(api.lanes.ask(asked.caller.actor, vec![input]).await?)
}

fn about_incident(api: &Api, asked: &Asked) -> Result<Input, Problem> {
    let incident = incident(asked)?;
    let scrub = |text: &str| api.scrubber.scrub(text);
    Ok(match asked.route.op {
        Op::Ack => Input::Ack(incident),
        Op::Unack => Input::Unack(incident),
        Op::Note => {
            let Note { text } = body(asked)?;
            if text.trim().is_empty() {
                return Err(Problem::BODY);
            }
            Input::Note { incident, text: scrub(&text) }
        }
        Op::Move => {
            let Move { to, reason } = body(asked)?;
            Input::Move { incident, to, reason: scrub(&reason) }
        }
        Op::Lower => {
            let Lower { to, reason } = body(asked)?;
            Input::Lower { incident, to, reason: scrub(&reason) }
        }
        _ => {
            let new: NewRequest = body(asked)?;
            let action = action(api, new.action, &new.args)?;
            Input::Request { incident, action, reason: scrub(&new.reason) }
        }
    })
}

/// What somebody asks for by name, with its arguments.
pub(super) fn action(
    api: &Api,
    name: String,
    args: &BTreeMap<String, String>,
) -> Result<ActionSpec, Problem> {
    if args.len() > ARGS_MAX || is_name(api, &name).is_err() {
        return Err(Problem::BODY);
    }
    for name in args.keys() {
        is_name(api, name)?;
    }
    let scrub = |text: &String| api.scrubber.scrub(text);
    let args = args.iter().map(|(name, text)| (name.clone(), scrub(text))).collect();
    Ok(ActionSpec { name, args })
}

fn about_request(asked: &Asked) -> Result<Input, Problem> {
    let number = number(asked, "REQ-")?;
    let request = RequestId(number);
    Ok(match asked.route.op {
        Op::Approve => {
            let Approve { digest } = body(asked)?;
            Input::Approve { request, digest }
        }
        Op::Reject => Input::Reject(request),
        _ => Input::Execute(request),
    })
}

pub(super) fn incident(asked: &Asked) -> Result<IncidentId, Problem> {
    number(asked, "INC-").map(IncidentId)
}

// `INC-7`, and nothing else that means 7.
pub(super) fn number(asked: &Asked, prefix: &str) -> Result<u64, Problem> {
    let text = asked.params.first().ok_or(Problem::NAME)?;
    let digits = text.strip_prefix(prefix).ok_or(Problem::NAME)?;
    let number: u64 = digits.parse().map_err(|_| Problem::NAME)?;
    if number.to_string() == digits { Ok(number) } else { Err(Problem::NAME) }
}

/// Arguments of an action.
const ARGS_MAX: usize = 32;
