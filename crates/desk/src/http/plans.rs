//! Planned work, mutes and changes. Names and scopes are plain texts in the core: their length and
//! what they hold is bounded here.

use std::collections::BTreeMap;

use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::answer::{Problem, acted};
use super::routes::Op;
use super::{Api, Asked};
use crate::event::{Change, Input, Mute, Window};
use crate::moment::DAY_MS;

/// A change as CI sends it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewChange {
    id: String,
    scope: BTreeMap<String, String>,
    at_ms: Option<u64>,
}

pub(super) async fn answer(api: &Api, asked: Asked) -> Result<Response, Problem> {
    let input = input(api, &asked)?;
    acted(api.lanes.ask(asked.caller.actor, vec![input]).await?)
}

fn input(api: &Api, asked: &Asked) -> Result<Input, Problem> {
    match asked.route.op {
        Op::AddChange => {
            let new: NewChange = body(asked)?;
            let at_ms = new.at_ms.unwrap_or_else(crate::engine::wall_ms);
            let change = Change { id: new.id, scope: new.scope, at_ms: at_ms.min(TIME_MS_MAX) };
            bounded(api, &change.id, &change.scope)?;
            Ok(Input::Change(change))
        }
        Op::AddWindow => {
            let window: Window = body(asked)?;
            bounded(api, &window.id, &window.scope)?;
            period(window.to_ms.saturating_sub(window.from_ms))?;
            Ok(Input::Window(window))
        }
        Op::AddMute => {
            let mute: Mute = body(asked)?;
            bounded(api, &mute.id, &mute.scope)?;
            period(mute.for_ms)?;
            Ok(Input::Mute(mute))
        }
        Op::EndWindow => name(api, asked).map(Input::WindowEnd),
        _ => name(api, asked).map(Input::MuteEnd),
    }
}

pub(super) fn body<T: DeserializeOwned>(asked: &Asked) -> Result<T, Problem> {
    serde_json::from_slice(&asked.body).map_err(|_| Problem::BODY)
}

fn name(api: &Api, asked: &Asked) -> Result<String, Problem> {
    let id = asked.params.first().ok_or(Problem::NAME)?;
    is_name(api, id)?;
    Ok(id.clone())
}

const fn period(ms: u64) -> Result<(), Problem> {
    if ms == 0 || ms > PERIOD_MS_MAX { Err(Problem::PERIOD) } else { Ok(()) }
}

pub(super) fn is_name(api: &Api, name: &str) -> Result<(), Problem> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(good) {
        return Err(Problem::NAME);
    }
    clean(api, name)
}

fn bounded(api: &Api, id: &str, scope: &BTreeMap<String, String>) -> Result<(), Problem> {
    is_name(api, id)?;
    if scope.is_empty() || scope.len() > SCOPE_MAX {
        return Err(Problem::SCOPE);
    }
    for (name, text) in scope {
        if name.is_empty() || name.len() > NAME_BYTES_MAX || text.len() > TEXT_BYTES_MAX {
            return Err(Problem::SCOPE);
        }
        clean(api, name)?;
        clean(api, text)?;
    }
    Ok(())
}

fn clean(api: &Api, text: &str) -> Result<(), Problem> {
    if api.scrubber.scrub(text).as_str() == text { Ok(()) } else { Err(Problem::SECRET) }
}

/// Names are for people, and for paths.
const NAME_BYTES_MAX: usize = 64;
/// A scope names what it is about, not everything.
const SCOPE_MAX: usize = 16;
/// The text of a label in a scope.
const TEXT_BYTES_MAX: usize = 256;
/// Work that takes longer is planned again.
const PERIOD_MS_MAX: u64 = 90 * DAY_MS;
/// The year 9999.
const TIME_MS_MAX: u64 = 253_402_300_799_999;
