//! Runs: started from the runbooks of this site, looked at, let go on and stopped. A text of a
//! caller is never run.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::acts::number;
use super::answer::{Problem, acted, json as answer_json};
use super::plans::{body, is_name};
use super::routes::Op;
use super::{Api, Asked};
use crate::event::Input;
use crate::incident::IncidentId;
use crate::runbook::Runbook;
use crate::runbook::run::{Resume, RunId};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    incident: Option<String>,
    change: Option<String>,
    runbook: String,
    #[serde(default)]
    inputs: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GoOn {
    how: Option<Resume>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stop {
    reason: String,
}

pub(super) async fn answer(api: &Api, asked: Asked) -> Result<Response, Problem> {
    let input = match asked.route.op {
        Op::Runbooks => return Ok(answer_json(StatusCode::OK, &list(api))),
        Op::StartRun => start(api, &asked)?,
        Op::ResumeRun => {
            let GoOn { how, reason } = body(&asked)?;
            Input::Resume { run: run(&asked)?, how, reason: api.scrubber.scrub(&reason) }
        }
        _ => {
            let Stop { reason } = body(&asked)?;
            Input::Abort { run: run(&asked)?, reason: api.scrubber.scrub(&reason) }
        }
    };
    acted(api.lanes.ask(asked.caller.actor, vec![input]).await?)
}

fn start(api: &Api, asked: &Asked) -> Result<Input, Problem> {
    let start: Start = body(asked)?;
    let source = api.runbooks.text(&start.runbook).ok_or(Problem::NOT_FOUND)?.to_owned();
    if start.inputs.len() > INPUTS_MAX {
        return Err(Problem::BODY);
    }
    let mut inputs = BTreeMap::new();
    for (name, text) in start.inputs {
        is_name(api, &name)?;
        if text.len() > INPUT_BYTES_MAX {
            return Err(Problem::BODY);
        }
        inputs.insert(name, api.scrubber.scrub(&text));
    }
    let approved = api.runbooks.approved(&start.runbook);
    match (start.incident, start.change) {
        (Some(incident), None) => {
            let digits = incident.strip_prefix("INC-").ok_or(Problem::NAME)?;
            let incident = IncidentId(digits.parse().map_err(|_| Problem::NAME)?);
            Ok(Input::RunStart { incident, source, inputs, approved })
        }
        (None, Some(change)) => {
            is_name(api, &change)?;
            Ok(Input::RunPlanned { change, source, inputs, approved })
        }
        _ => Err(Problem::BODY),
    }
}

fn run(asked: &Asked) -> Result<RunId, Problem> {
    number(asked, "RUN-").map(RunId)
}

fn list(api: &Api) -> Vec<Value> {
    let line = |runbook: &Runbook| {
        let kinds: Vec<&str> = runbook.kinds.iter().map(|kind| kind.as_str()).collect();
        json!({
            "runbook": runbook.id, "title": runbook.title, "kinds": kinds,
            "inputs": runbook.inputs, "approved_by": runbook.approved_by,
            "steps": runbook.steps.len(), "sha256": runbook.digest(),
            "signed_by": api.runbooks.approved(&runbook.id),
        })
    };
    api.runbooks.runbooks().map(line).collect()
}

/// What a runbook may be given.
const INPUTS_MAX: usize = 32;
/// One input: an address or a name.
const INPUT_BYTES_MAX: usize = 1024;
