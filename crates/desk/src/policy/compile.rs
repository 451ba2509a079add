//! From the written policy to the one that decides: names resolved, figures in order and in range.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::error::{PolicyError, Problem};
use super::file::{self, Count, File, Threshold};
use super::{
    ActionRule, Effect, FILE_BYTES_MAX, KindRule, Policy, Profile, Row, RuleId, Rung, Thresholds,
    When, Windows,
};
use crate::digest::Digest;
use crate::moment::SECOND_MS;
use crate::number::Number;
use crate::signal::Kind;

type Result<T> = std::result::Result<T, PolicyError>;

/// Rows of a table that somebody can still follow.
const ROWS_MAX: usize = 64;
/// Steps of a ladder.
const RUNGS_MAX: usize = 32;
/// Actions that people can ask for.
const ACTIONS_MAX: usize = 128;
/// Thirty days: no window of a policy is longer.
const SECONDS_MAX: u64 = 30 * 24 * 60 * 60;
/// Approvals that one action may need.
const APPROVALS_MAX: u8 = 8;

/// Reads and checks a policy.
pub(super) fn compile(source: &str) -> Result<Policy> {
    if source.len() > FILE_BYTES_MAX {
        let problem = Problem::TooLong { bytes: source.len() };
        return Err(PolicyError { line: 0, column: 0, key: String::new(), problem });
    }
    let file = read(source)?;
    let is_default = || source == Profile::ResponderDefault.source();
    let default =
        if is_default() { None } else { Some(Policy::shipped(Profile::ResponderDefault)) };
    let absent = |key: &str| PolicyError {
        line: 0,
        column: 0,
        key: key.to_owned(),
        problem: Problem::Count { least: 1, most: 1 },
    };
    let default = default.as_ref();
    let form = "a name such as responder-default-v1";
    name(&file.policy, "policy", &file.policy.value, form)?;
    let thresholds = thresholds(&file.thresholds)?;
    let (suspicious, silent) = (file.misses.suspicious.value, file.misses.silent.value);
    if suspicious == 0 || suspicious >= silent {
        return Err(at(&file.misses.silent, "misses.silent", Problem::Order));
    }
    let rows = rows(&file.rules, thresholds, suspicious, silent)?;
    let (capsules, fleet_percent) = match &file.correlation {
        Some(given) => (
            range(&given.capsules, "correlation.capsules", 2, 1000)?,
            range(&given.fleet_percent, "correlation.fleet_percent", 1, 100)?,
        ),
        None => default
            .map(|policy| (policy.capsules, policy.fleet_percent))
            .ok_or_else(|| absent("correlation"))?,
    };
    let flap_changes = match &file.flap_changes {
        Some(given) => range(given, "flap_changes", 2, 60)?,
        None => default.map(|policy| policy.flap_changes).ok_or_else(|| absent("flap_changes"))?,
    };
    Ok(Policy {
        source: source.to_owned(),
        digest: Digest::of(source.as_bytes()),
        name: file.policy.value.clone(),
        input: file.input,
        thresholds,
        high_line: usize::try_from(file.thresholds.high.referenced.line()).unwrap_or(0),
        suspicious,
        silent,
        windows: match &file.windows {
            Some(given) => windows(given)?,
            None => default.map(|policy| policy.windows).ok_or_else(|| absent("windows"))?,
        },
        capsules,
        fleet_percent,
        flap_changes,
        rows,
        kinds: match file.kinds {
            Some(given) => kinds(given)?,
            None => default.map(|p| p.kinds.clone()).ok_or_else(|| absent("kinds"))?,
        },
        ladder: match file.escalation {
            Some(given) => ladder(given)?,
            None => default.map(|p| p.ladder.clone()).ok_or_else(|| absent("escalation"))?,
        },
        actions: match file.actions {
            Some(given) => actions(given)?,
            None => default.map(|p| p.actions.clone()).ok_or_else(|| absent("actions"))?,
        },
    })
}

fn read(source: &str) -> Result<File> {
    let options = serde_saphyr::options! { with_snippet: false };
    let mut track = serde_path_to_error::Track::new();
    serde_saphyr::with_deserializer_from_str_with_options(source, options, |yaml| {
        File::deserialize(serde_path_to_error::Deserializer::new(yaml, &mut track))
    })
    .map_err(|error| {
        let (line, column) =
            error.location().map_or((0, 0), |place| (place.line(), place.column()));
        // A value with its place is read as a pair; its second half is no key of the file.
        let key = track.path().to_string().replace(".value", "");
        let text = error.without_snippet().to_string();
        // The reader repeats the place at the end of its text, and speaks to programmers.
        let detail = text.rsplit_once(" at line ").map_or(text.as_str(), |(head, _)| head);
        let detail = detail.split(", set DuplicateKeyPolicy").next().unwrap_or(detail);
        PolicyError {
            line,
            column,
            key: if matches!(key.as_str(), "." | "?") { String::new() } else { key },
            problem: Problem::Yaml { detail: detail.lines().collect::<Vec<_>>().join(", ") },
        }
    })
}

fn thresholds(given: &file::Thresholds) -> Result<Thresholds> {
    let number = |spanned: &Spanned<f64>, key: &str| {
        let number = Number::new(spanned.value).filter(|n| (0.0..=1.0).contains(&n.get()));
        number.ok_or_else(|| at(spanned, key, Problem::Order))
    };
    let low = number(&given.low, "thresholds.low")?;
    let medium = number(&given.medium, "thresholds.medium")?;
    let high = number(&given.high, "thresholds.high")?;
    if low >= medium || medium >= high {
        return Err(at(&given.high, "thresholds.high", Problem::Order));
    }
    Ok(Thresholds { low, medium, high })
}

fn rows(
    given: &[Spanned<file::Rule>],
    thresholds: Thresholds,
    suspicious: u32,
    silent: u32,
) -> Result<Vec<Row>> {
    let risk = |name: Threshold| match name {
        Threshold::Low => thresholds.low,
        Threshold::Medium => thresholds.medium,
        Threshold::High => thresholds.high,
    };
    let count = |name: Count| match name {
        Count::Suspicious => suspicious,
        Count::Silent => silent,
    };
    let mut rows: Vec<Row> = Vec::new();
    for (index, spanned) in given.iter().enumerate() {
        let (rule, key) = (&spanned.value, format!("rules[{index}].id"));
        let digits = rule.id.strip_prefix(|c: char| c.is_ascii_uppercase()).unwrap_or_default();
        let good = (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if !good {
            return Err(at(spanned, &key, Problem::Name { form: "a letter and a number: D5" }));
        }
        if rows.iter().any(|row| row.id.0 == rule.id) {
            return Err(at(spanned, &key, Problem::Twice));
        }
        if rule.name.is_empty() || rule.name.len() > 80 || rule.name.contains('\n') {
            let problem = Problem::Name { form: "a line of 1 to 80 bytes" };
            return Err(at(spanned, &format!("rules[{index}].name"), problem));
        }
        let when = &rule.when;
        rows.push(Row {
            id: RuleId(rule.id.clone()),
            name: rule.name.clone(),
            when: When {
                status: when.status,
                integrity: when.integrity,
                scored: when.scored,
                invalid: when.invalid,
                duplicate: when.duplicate,
                network: when.network,
                maintenance: when.maintenance,
                risk_from: when.risk_from.map(risk),
                risk_above: when.risk_above.map(risk),
                risk_below: when.risk_below.map(risk),
                risk_to: when.risk_to.map(risk),
                misses_from: when.misses_from.map(count),
                misses_below: when.misses_below.map(count),
            },
            verdict: rule.verdict,
            cause: rule.cause,
            confidence: rule.confidence,
            actions: rule.actions.clone(),
            severity: rule.severity,
            strength: rule.strength,
            once: rule.once,
            waits: rule.waits,
            in_maintenance: rule.in_maintenance,
        });
    }
    if rows.is_empty() || rows.len() > ROWS_MAX {
        let problem = Problem::Count { least: 1, most: ROWS_MAX };
        return Err(PolicyError { line: 0, column: 0, key: "rules".to_owned(), problem });
    }
    Ok(rows)
}

fn windows(given: &file::Windows) -> Result<Windows> {
    let ms = |spanned: &Spanned<u64>, name: &str| {
        let seconds = range(spanned, &format!("windows.{name}"), 1, SECONDS_MAX)?;
        Ok(seconds.saturating_mul(SECOND_MS))
    };
    Ok(Windows {
        stated_skew_ms: ms(&given.stated_skew_seconds, "stated_skew_seconds")?,
        cool_down_ms: ms(&given.cool_down_seconds, "cool_down_seconds")?,
        correlation_wait_ms: ms(&given.correlation_wait_seconds, "correlation_wait_seconds")?,
        correlation_span_ms: ms(&given.correlation_span_seconds, "correlation_span_seconds")?,
        reopen_ms: ms(&given.reopen_seconds, "reopen_seconds")?,
        flap_span_ms: ms(&given.flap_span_seconds, "flap_span_seconds")?,
        silence_after_ack_ms: ms(&given.silence_after_ack_seconds, "silence_after_ack_seconds")?,
        approval_ms: ms(&given.approval_seconds, "approval_seconds")?,
        action_ms: ms(&given.action_seconds, "action_seconds")?,
        self_gap_ms: ms(&given.self_gap_seconds, "self_gap_seconds")?,
        beat_ms: ms(&given.beat_seconds, "beat_seconds")?,
    })
}

fn kinds(given: BTreeMap<Kind, Spanned<file::KindRule>>) -> Result<BTreeMap<Kind, KindRule>> {
    if let Some(kind) = Kind::ALL.into_iter().find(|kind| !given.contains_key(kind)) {
        let problem = Problem::KindMissing { kind: kind.as_str() };
        return Err(PolicyError { line: 0, column: 0, key: "kinds".to_owned(), problem });
    }
    let built = given.into_iter().map(|(kind, spanned)| {
        let rule = spanned.value;
        let built = KindRule {
            chosen: rule.chosen,
            severity: rule.severity,
            cause: rule.cause,
            actions: rule.actions,
        };
        (kind, built)
    });
    Ok(built.collect())
}

fn ladder(given: Vec<Spanned<file::Rung>>) -> Result<Vec<Rung>> {
    let count = given.len();
    let mut ladder: Vec<Rung> = Vec::new();
    for (index, spanned) in given.into_iter().enumerate() {
        let key = format!("escalation[{index}].role");
        name(&spanned, &key, &spanned.value.role, "a name such as on-call")?;
        if ladder.iter().any(|rung| rung.role == spanned.value.role) {
            return Err(at(&spanned, &key, Problem::Twice));
        }
        if spanned.value.after_seconds > SECONDS_MAX {
            let problem = Problem::Range { least: 0, most: SECONDS_MAX };
            return Err(at(&spanned, &format!("escalation[{index}].after_seconds"), problem));
        }
        let rung = spanned.value;
        ladder.push(Rung {
            role: rung.role,
            after_ms: rung.after_seconds.saturating_mul(SECOND_MS),
            at_once: rung.at_once.into_iter().collect(),
            at_once_for: rung.at_once_for.into_iter().collect(),
        });
    }
    if count == 0 || count > RUNGS_MAX {
        let problem = Problem::Count { least: 1, most: RUNGS_MAX };
        return Err(PolicyError { line: 0, column: 0, key: "escalation".to_owned(), problem });
    }
    Ok(ladder)
}

fn actions(
    given: BTreeMap<String, Spanned<file::ActionRule>>,
) -> Result<BTreeMap<String, ActionRule>> {
    if given.len() > ACTIONS_MAX {
        let problem = Problem::Count { least: 0, most: ACTIONS_MAX };
        return Err(PolicyError { line: 0, column: 0, key: "actions".to_owned(), problem });
    }
    let mut actions = BTreeMap::new();
    for (action, spanned) in given {
        let key = format!("actions.{action}");
        name(&spanned, &key, &action, "a name such as restart_instance")?;
        let rule = &spanned.value;
        let (reversible, lasting) = match rule.effect {
            Effect::Read => (false, false),
            Effect::Reversible => (true, false),
            Effect::Destructive | Effect::Erasing => (false, true),
        };
        if reversible != rule.undo.is_some() {
            return Err(at(&spanned, &key, Problem::Undo));
        }
        if lasting && rule.approvals < 2 {
            return Err(at(&spanned, &key, Problem::Alone));
        }
        if rule.approvals > APPROVALS_MAX || rule.groups.len() > usize::from(rule.approvals) {
            let problem = Problem::Range { least: rule.groups.len() as u64, most: 8 };
            return Err(at(&spanned, &format!("{key}.approvals"), problem));
        }
        let limit = rule.approval_seconds.filter(|seconds| *seconds > SECONDS_MAX || *seconds == 0);
        if limit.is_some() {
            let problem = Problem::Range { least: 1, most: SECONDS_MAX };
            return Err(at(&spanned, &format!("{key}.approval_seconds"), problem));
        }
        let rule = spanned.value;
        let built = ActionRule {
            effect: rule.effect,
            undo: rule.undo,
            approvals: rule.approvals,
            groups: rule.groups,
            requires_evidence: rule.requires_evidence,
            approval_ms: rule.approval_seconds.map(|seconds| seconds.saturating_mul(SECOND_MS)),
        };
        actions.insert(action, built);
    }
    Ok(actions)
}

fn name<T>(place: &Spanned<T>, key: &str, name: &str, form: &'static str) -> Result<()> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let good = (1..=64).contains(&name.len()) && name.bytes().all(allowed);
    if good { Ok(()) } else { Err(at(place, key, Problem::Name { form })) }
}

fn range(given: &Spanned<u64>, key: &str, least: u64, most: u64) -> Result<u64> {
    if (least..=most).contains(&given.value) {
        Ok(given.value)
    } else {
        Err(at(given, key, Problem::Range { least, most }))
    }
}

fn at<T>(place: &Spanned<T>, key: &str, problem: Problem) -> PolicyError {
    let (line, column) = (place.referenced.line(), place.referenced.column());
    PolicyError { line, column, key: key.to_owned(), problem }
}
