//! `lucarne drill run`: injects an incident and measures what follows against its bounds.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use http::Method;
use lucarne_desk::drill::Drill;
use lucarne_desk::runbook::Runbook;
use serde_json::{Value, json};

use crate::commands::runbook::read;
use crate::desk_client::{Desk, DeskAt, Output};
use crate::failure::{Exit, Failure};

/// Inject an incident into the desk and measure what follows
///
/// It takes the way of a real signal, marked as a drill and about the instance `drill`. When it is
/// about integrity, the gate `executions` is shut until the end of the drill: some seconds. The
/// result is written into the incident, which is then cancelled.
///
/// Drills: error-rate-spike, telemetry-gap, audit-chain-failure, attestation-failure.
///
/// Exit codes: 0 everything within its bounds; 1 something was not; 4 the desk cannot be reached.
///
/// Example: lucarne drill run audit-chain-failure --runbooks runbooks
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The drill
    #[arg(value_name = "NAME")]
    drill: Drill,
    /// The folder with the runbooks, whose digest goes into the result
    #[arg(long, value_name = "DIR", default_value = "runbooks")]
    runbooks: PathBuf,
    #[command(flatten)]
    at: DeskAt,
}

/// One thing that must follow.
struct Step {
    what: &'static str,
    passed: bool,
    took_ms: u64,
    bound_ms: u64,
    seen: String,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let path = args.runbooks.join(format!("{}.yaml", args.drill.as_str()));
    let runbook = read(&path)?;
    let desk = args.at.open()?;
    let incident = begin(args.drill, &desk)?;
    let played = play(args.drill, &desk, &incident);
    let passed = played.as_ref().is_ok_and(|steps| steps.iter().all(|step| step.passed));
    // Whatever became of it: what it has shut, held and frozen is let go with its end.
    let name = &incident.name;
    let ended = end(&desk, name, args.drill, &runbook, passed);
    let open = format!(
        "{name} is a drill; as long as it is open it may keep gates shut: \
         lucarne incident move {name} cancelled --reason drill"
    );
    let (steps, incident) = match (played, ended) {
        (Ok(steps), Ok(())) => (steps, name),
        (Err(failure), Ok(())) => return Err(failure),
        (Err(failure), Err(_)) | (Ok(_), Err(failure)) => return Err(failure.hint(open)),
    };
    match args.at.output {
        Output::Text => {
            for step in &steps {
                let word = if step.passed { "PASS" } else { "FAIL" };
                let (what, took, bound) = (step.what, step.took_ms, step.bound_ms);
                writeln!(out, "{word}  {what:12} {took:6} ms of {bound} ms: {}", step.seen)?;
            }
            let word = if passed { "passed" } else { "failed" };
            writeln!(out, "{} {word} as {incident}, which is cancelled", args.drill.as_str())?;
        }
        Output::Json => {
            let step = |step: &Step| {
                json!({ "what": step.what, "passed": step.passed, "took_ms": step.took_ms,
                        "bound_ms": step.bound_ms, "seen": step.seen })
            };
            let steps: Vec<Value> = steps.iter().map(step).collect();
            let said = json!({ "version": 1, "drill": args.drill.as_str(), "incident": incident,
                               "runbook_sha256": runbook.digest(), "passed": passed,
                               "steps": steps });
            writeln!(out, "{said}")?;
        }
    }
    Ok(if passed { Exit::Yes } else { Exit::No })
}

/// The incident of a drill that has begun.
struct Begun {
    name: String,
    answer: Value,
    began: Instant,
    decided_ms: u64,
}

fn begin(drill: Drill, desk: &Desk) -> Result<Begun, Failure> {
    let mut signal = json!({ "kind": drill.kind(), "labels": drill.labels() });
    if let Some(fault) = drill.fault() {
        signal["fault"] = json!(fault);
    }
    let began = Instant::now();
    let taken = desk.post("/v1/signals", &signal)?;
    let decided_ms = ms(began);
    let answer = taken["answers"][0].clone();
    let name = answer["incident"].as_str().map(str::to_owned);
    let name = name.ok_or_else(|| Failure::new(Exit::No, "the desk opened no incident"))?;
    Ok(Begun { name, answer, began, decided_ms })
}

fn play(drill: Drill, desk: &Desk, begun: &Begun) -> Result<Vec<Step>, Failure> {
    let expected = drill.expected();
    let Begun { name: incident, answer, began, decided_ms } = begun;
    let (began, decided_ms) = (*began, *decided_ms);
    let rule = answer["rule"].as_str().unwrap_or("none").to_owned();
    let path = format!("/v1/incidents/{incident}");
    let view = desk.get(&path)?;
    let severity = view["incident"]["severity"].clone();
    let bad_enough = serde_json::from_value(severity.clone())
        .is_ok_and(|found: lucarne_desk::incident::Severity| found <= expected.severity);
    let mut steps = vec![
        Step {
            what: "decided",
            passed: rule == expected.rule && decided_ms <= expected.decided_ms,
            took_ms: decided_ms,
            bound_ms: expected.decided_ms,
            seen: format!("{} by {rule}", answer["verdict"].as_str().unwrap_or("none")),
        },
        Step {
            what: "severity",
            passed: bad_enough,
            took_ms: decided_ms,
            bound_ms: expected.decided_ms,
            seen: severity.as_str().unwrap_or("none").to_owned(),
        },
        Step {
            what: "held",
            passed: (view["held"] == true) == expected.held,
            took_ms: ms(began),
            bound_ms: expected.gated_ms,
            seen: format!("held is {}, expected {}", view["held"], expected.held),
        },
    ];
    let gate = desk.ask(&Method::GET, "/v1/gates/executions", None)?.status;
    let took_ms = ms(began);
    // An operational drill does not care whether something else has shut the gate.
    let passed = !expected.gated || (gate == 503 && took_ms <= expected.gated_ms);
    let seen = format!("the gate answers {gate}");
    steps.push(Step { what: "gate", passed, took_ms, bound_ms: expected.gated_ms, seen });
    steps.push(told(desk, incident, began, expected.told_ms)?);
    Ok(steps)
}

// Every notification of the incident is out; a desk without channels tells nobody.
fn told(desk: &Desk, incident: &str, began: Instant, bound_ms: u64) -> Result<Step, Failure> {
    loop {
        let outbox = desk.get("/v1/outbox?limit=1000")?;
        let of_drill = outbox.as_array().into_iter().flatten();
        let of_drill: Vec<&Value> = of_drill.filter(|line| line["incident"] == *incident).collect();
        let done = of_drill.iter().filter(|line| line["standing"] == "done").count();
        let all = !of_drill.is_empty() && done == of_drill.len();
        let took_ms = ms(began);
        if all || took_ms > bound_ms {
            let seen = format!("{done} of {} notifications are out", of_drill.len());
            return Ok(Step { what: "told", passed: all, took_ms, bound_ms, seen });
        }
        std::thread::park_timeout(LOOK);
    }
}

fn end(
    desk: &Desk,
    incident: &str,
    drill: Drill,
    runbook: &Runbook,
    passed: bool,
) -> Result<(), Failure> {
    let path = format!("/v1/incidents/{incident}");
    let word = if passed { "passed" } else { "failed" };
    let digest = runbook.digest().to_string();
    let text = format!("drill {} {word} with runbook {digest}", drill.as_str());
    let noted = desk.post(&format!("{path}/notes"), &json!({ "text": text }));
    let to = json!({ "to": "cancelled", "reason": "the drill is over" });
    // What it has shut is let go whether or not the note is there.
    desk.post(&format!("{path}/move"), &to)?;
    noted.map(|_| ())
}

/// The note that a drill leaves when it passed with a runbook of this digest.
pub(in crate::commands) fn passed_note(drill: Drill, digest: &str) -> String {
    format!("drill {} passed with runbook {digest}", drill.as_str())
}

fn ms(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

const LOOK: Duration = Duration::from_millis(100);
