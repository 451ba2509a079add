//! What ends an incident: what it really was, what was learned, whether it is shown to be over, and
//! the report.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::acts::{action, incident};
use super::answer::{Problem, acted, json as answer_json};
use super::plans::{body, is_name};
use super::routes::Op;
use super::{Api, Asked};
use crate::event::{Input, Outcome};
use crate::incident::{FollowUp, IncidentId, Review};
use crate::person::PersonId;
use crate::policy::Verdict;
use crate::report::{Reading, Report};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Label {
    verdict: Verdict,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewChecks {
    checks: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewChecked {
    check: String,
    outcome: Outcome,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    into: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Waive {
    item: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BreakGlass {
    action: String,
    #[serde(default)]
    args: BTreeMap<String, String>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewReview {
    root_cause: String,
    lessons: String,
    #[serde(default)]
    follow_ups: Vec<Task>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    task: String,
    owner: Option<String>,
    due_ms: Option<u64>,
}

pub(super) async fn answer(api: &Api, asked: Asked) -> Result<Response, Problem> {
    let id = incident(&asked)?;
    match asked.route.op {
        Op::Validation => return validation(api, id).await,
        Op::Report => return report(api, id).await,
        Op::SealReport => return seal(api, asked, id).await,
        _ => {}
    }
    let input = input(api, &asked, id)?;
    acted(api.lanes.ask(asked.caller.actor, vec![input]).await?)
}

fn input(api: &Api, asked: &Asked, incident: IncidentId) -> Result<Input, Problem> {
    let scrub = |text: &str| api.scrubber.scrub(text);
    Ok(match asked.route.op {
        Op::Label => {
            let Label { verdict } = body(asked)?;
            Input::Label { incident, verdict }
        }
        Op::PlanChecks => {
            let NewChecks { checks } = body(asked)?;
            let bounded = checks.values().all(|soak_ms| *soak_ms <= SOAK_MS_MAX);
            if checks.is_empty() || checks.len() > CHECKS_MAX || !bounded {
                return Err(Problem::BODY);
            }
            checks.keys().try_for_each(|name| is_name(api, name))?;
            Input::Checks { incident, checks }
        }
        Op::Checked => {
            let NewChecked { check, outcome } = body(asked)?;
            is_name(api, &check)?;
            Input::Checked { incident, check, outcome }
        }
        Op::Merge => {
            let Merge { into } = body(asked)?;
            let number = into.strip_prefix("INC-").and_then(|digits| digits.parse().ok());
            let into = IncidentId(number.ok_or(Problem::NAME)?);
            Input::Merge { incident, into }
        }
        Op::Waive => {
            let Waive { item, reason } = body(asked)?;
            is_name(api, &item)?;
            Input::Waive { incident, item, reason: scrub(&reason) }
        }
        Op::Release => {
            let Reason { reason } = body(asked)?;
            Input::Release { incident, reason: scrub(&reason) }
        }
        Op::BreakGlass => {
            let new: BreakGlass = body(asked)?;
            let action = action(api, new.action, &new.args)?;
            Input::BreakGlass { incident, action, reason: scrub(&new.reason) }
        }
        _ => review(api, body(asked)?, incident)?,
    })
}

// An empty root cause is none.
fn review(api: &Api, new: NewReview, incident: IncidentId) -> Result<Input, Problem> {
    let blank = |text: &str| text.trim().is_empty();
    let tasks = new.follow_ups.iter().any(|task| blank(&task.task));
    if blank(&new.root_cause) || blank(&new.lessons) || tasks || new.follow_ups.len() > TASKS_MAX {
        return Err(Problem::BODY);
    }
    let scrub = |text: &str| api.scrubber.scrub(text);
    let review = Review { root_cause: scrub(&new.root_cause), lessons: scrub(&new.lessons) };
    let mut follow_ups = Vec::new();
    for task in new.follow_ups {
        let Task { task, owner, due_ms } = task;
        owner.iter().try_for_each(|owner| is_name(api, owner))?;
        // A log holds no number that a column cannot.
        let due_ms = due_ms.map(|due| due.min(DUE_MS_MAX));
        follow_ups.push(FollowUp { task: scrub(&task), owner: owner.map(PersonId), due_ms });
    }
    Ok(Input::Reviewed { incident, review, follow_ups })
}

async fn validation(api: &Api, id: IncidentId) -> Result<Response, Problem> {
    let look = move |state: &crate::state::State, now| {
        let found = state.incident(id)?;
        let check = |(name, check): (&String, &crate::incident::Check)| {
            let green_ms = check.green_since.map(|since| crate::moment::Moment::since(now, since));
            let outcome = match (check.skipped, check.is_green(now), green_ms) {
                (true, ..) => "SKIPPED",
                (_, true, _) => "PASS",
                (_, _, Some(_)) => "SOAKING",
                _ => "FAIL",
            };
            json!({ "check": name, "outcome": outcome, "soak_ms": check.soak_ms,
                    "green_ms": green_ms })
        };
        let checks: Vec<_> = found.checks.iter().map(check).collect();
        Some(json!({ "incident": id.to_string(), "phase": found.phase, "checks": checks }))
    };
    let found = api.lanes.see(look).await?.ok_or(Problem::NOT_FOUND)?;
    Ok(answer_json(StatusCode::OK, &found))
}

async fn made(api: &Api, id: IncidentId) -> Result<Report, Problem> {
    let (mut reading, mut from) = (Reading::of(id), 0);
    loop {
        let page = api.with_store(move |store| store.timeline(id, from, PAGE)).await?;
        let Some(last) = page.last() else { break };
        from = last.seq.saturating_add(1);
        reading.take(page);
    }
    reading.end().ok_or(Problem::NOT_FOUND)
}

async fn report(api: &Api, id: IncidentId) -> Result<Response, Problem> {
    let report = made(api, id).await?;
    let body = json!({
        "file": report.file_name(), "sha256": report.digest(),
        "markdown": report.markdown(), "html": report.html(), "ocsf": report.ocsf(),
        "report": report,
    });
    Ok(answer_json(StatusCode::OK, &body))
}

// What is sealed is what anybody gets who asks for the entries up to now.
async fn seal(api: &Api, asked: Asked, id: IncidentId) -> Result<Response, Problem> {
    let report = made(api, id).await?;
    let mut inputs = vec![Input::Reported { incident: id, report: report.digest() }];
    // Dead notifications are shown at /v1/outbox; they wait for nobody.
    if !api.with_store(move |store| store.has_open_work(id)).await? {
        inputs.push(Input::Drained(id));
    }
    acted(api.lanes.ask(asked.caller.actor, inputs).await?)
}

/// Entries that are read at once.
const PAGE: u64 = 10_000;
/// Checks of one incident.
const CHECKS_MAX: usize = 64;
/// Nobody waits longer than a week for proof.
const SOAK_MS_MAX: u64 = 7 * crate::moment::DAY_MS;
/// Tasks after one incident.
const TASKS_MAX: usize = 64;
/// The year 2554, as everywhere.
const DUE_MS_MAX: u64 = 18_446_744_073_709;
