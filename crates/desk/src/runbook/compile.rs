//! From the written runbook to one that can be run: names resolved, figures in range.

use super::error::{Problem, RunbookError};
use super::file::{self, File};
use super::{FILE_BYTES_MAX, Runbook, STEPS_MAX, Step, Work};
use crate::digest::Digest;
use crate::moment::SECOND_MS;

type Result<T> = std::result::Result<T, RunbookError>;

/// A day: whatever takes longer is another run.
const SECONDS_MAX: u64 = 86_400;
/// More would hide that something does not work.
const RETRIES_MAX: u8 = 5;
/// Approvals of one action.
const APPROVALS_MAX: u8 = 8;
/// The end of a run that went well.
pub(super) const END: &str = "end";

pub(super) fn compile(source: &str) -> Result<Runbook> {
    let whole = |problem| RunbookError { line: 0, step: String::new(), problem };
    if source.len() > FILE_BYTES_MAX {
        return Err(whole(Problem::TooLong));
    }
    let file = read(source)?;
    let named = file.inputs.iter().chain(&file.approved_by).all(|name| is_name(name));
    if !is_name(&file.runbook) || !named {
        return Err(whole(Problem::Name));
    }
    if file.steps.is_empty() || file.steps.len() > STEPS_MAX {
        return Err(whole(Problem::Steps));
    }
    let mut steps: Vec<Step> = Vec::new();
    for spanned in file.steps {
        let line = spanned.referenced.line();
        let step = step(spanned.value, line)?;
        if steps.iter().any(|other| other.id == step.id) {
            return Err(fault(&step, Problem::Twice));
        }
        steps.push(step);
    }
    let runbook = Runbook {
        id: file.runbook,
        title: file.title,
        kinds: file.kinds,
        approved_by: file.approved_by,
        inputs: file.inputs,
        steps,
        source: source.to_owned(),
        digest: Digest::of(source.as_bytes()),
    };
    for (place, step) in runbook.steps.iter().enumerate() {
        arrows(&runbook, place, step)?;
        inputs(&runbook, step)?;
    }
    Ok(runbook)
}

fn read(source: &str) -> Result<File> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(source, options).map_err(|error| {
        let line = error.location().map_or(0, |place| place.line());
        let text = error.without_snippet().to_string();
        let detail = text.rsplit_once(" at line ").map_or(text.as_str(), |(head, _)| head);
        let detail = detail.lines().collect::<Vec<_>>().join(", ");
        RunbookError { line, step: String::new(), problem: Problem::Yaml { detail } }
    })
}

fn step(given: file::Step, line: u64) -> Result<Step> {
    let seconds = |value: u64| value.saturating_mul(SECOND_MS);
    let work = match given.work {
        file::Work::Query(file::Query { source, text, evidence }) => {
            Work::Query { source, text, evidence }
        }
        file::Work::Check(file::Check { probe, expect, soak_seconds }) => {
            Work::Check { probe, expect, soak_ms: seconds(soak_seconds) }
        }
        file::Work::Approve(file::Approve { action, n, groups }) => {
            Work::Approve { action, n, groups }
        }
        file::Work::Act(act) => {
            let expires_ms = seconds(act.expires_seconds.unwrap_or(SECONDS_MAX));
            let file::Act { action, effect, args, undo, requires_evidence, .. } = act;
            Work::Act { action, effect, args, undo, requires_evidence, expires_ms }
        }
        file::Work::Preserve(file::Preserve { items, seal }) => Work::Preserve { items, seal },
        file::Work::Notify(file::Notify { to, text }) => Work::Notify { to, text },
        file::Work::Wait(file::Wait { seconds: value }) => Work::Wait { ms: seconds(value) },
        file::Work::Branch(file::Branch { on, cases, otherwise }) => {
            Work::Branch { on, cases, otherwise }
        }
    };
    let step = Step {
        id: given.id,
        line,
        phase: given.phase,
        work,
        timeout_ms: seconds(given.timeout_seconds),
        retries: given.retries,
        on_failure: given.on_failure,
    };
    if !is_name(&step.id) || step.id == END {
        return Err(fault(&step, Problem::Name));
    }
    let time = match &step.work {
        Work::Wait { ms } => *ms,
        Work::Check { soak_ms, .. } => *soak_ms,
        _ => 0,
    };
    let quorum = !matches!(step.work, Work::Approve { n, .. } if n == 0 || n > APPROVALS_MAX);
    let range = (1..=seconds(SECONDS_MAX)).contains(&step.timeout_ms)
        && time <= step.timeout_ms
        && step.retries <= RETRIES_MAX;
    if range && quorum { Ok(step) } else { Err(fault(&step, Problem::Range)) }
}

/// Arrows lead forward, so that every run ends; answers come from before.
fn arrows(runbook: &Runbook, place: usize, step: &Step) -> Result<()> {
    let missing = |name: &String| fault(step, Problem::NoSuchStep { name: name.clone() });
    let later = |name: &String| {
        let known = name == END || runbook.place(name).is_some_and(|at| at > place);
        if known { Ok(()) } else { Err(missing(name)) }
    };
    step.on_failure.iter().try_for_each(later)?;
    match &step.work {
        Work::Branch { on, cases, otherwise } => {
            if runbook.place(on).is_none_or(|at| at >= place) {
                return Err(missing(on));
            }
            cases.values().chain([otherwise]).try_for_each(later)
        }
        Work::Approve { action, .. } => {
            let target = runbook.place(action).filter(|at| *at > place);
            let step = target.and_then(|at| runbook.steps.get(at));
            let acts = step.is_some_and(|step| matches!(step.work, Work::Act { .. }));
            if acts { Ok(()) } else { Err(missing(action)) }
        }
        Work::Query { .. }
        | Work::Check { .. }
        | Work::Act { .. }
        | Work::Preserve { .. }
        | Work::Notify { .. }
        | Work::Wait { .. } => Ok(()),
    }
}

/// Every `{name}` of an argument or an answer is an input. LogQL's own braces have no name alone.
fn inputs(runbook: &Runbook, step: &Step) -> Result<()> {
    let Work::Act { args, .. } = &step.work else { return Ok(()) };
    for value in args.values() {
        for part in value.split('{').skip(1) {
            let name = part.split_once('}').map_or(part, |(name, _)| name);
            if !runbook.inputs.iter().any(|input| input == name) {
                return Err(fault(step, Problem::NoSuchInput { name: name.to_owned() }));
            }
        }
    }
    Ok(())
}

fn fault(step: &Step, problem: Problem) -> RunbookError {
    RunbookError { line: step.line, step: step.id.clone(), problem }
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}
