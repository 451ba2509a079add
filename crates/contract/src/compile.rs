//! From the written contract to the one that decides: every rule is built, every name is checked.
//!
//! Nothing is taken on trust because it is absent: a slot has bounds or a list or a pattern, a
//! label has a rule, a listed text passes the reject list, or the contract is refused.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::contract::{Attributes, Bodies, Contract, Metric, Named};
use crate::egress;
use crate::error::{ContractError, Problem};
use crate::file;
use crate::file::{Body, File, Limits, Number, Rule, RuleKind};
use crate::limits::{
    ATTRIBUTES_MAX, FILE_BYTES_MAX, METRIC_VALUE, NAMES_MAX, VALUE_BYTES, VALUE_BYTES_MAX,
};
use crate::names::Names;
use crate::pattern::{Anywhere, Whole, texts};
use crate::slot::{Guard, Slot};
use crate::tally::Keys;

type Result<T> = core::result::Result<T, ContractError>;

/// Reads and builds a contract.
pub(crate) fn compile(source: &str) -> Result<Contract> {
    if source.len() > FILE_BYTES_MAX {
        return Err(whole_file(Problem::TooLong { bytes: source.len() }));
    }
    let file = read(source)?;
    if file.contract.value.is_empty() {
        return Err(at(&file.contract, "contract", Problem::Empty));
    }
    let guard = guard(&file)?;
    let mut keys = Keys::new();
    let log_attributes = log_attributes(&file, &guard, &mut keys)?;
    let resource_attributes =
        attributes("resource.attributes", &file.resource.attributes, &guard, &mut keys)?;
    let labels = labels(&file, &guard, &mut keys)?;
    let metrics = metrics(&file, &guard, &labels, &mut keys)?;
    let span_names = texts_of("traces.span_names", &file.traces.span_names, &guard)?;
    let events = match &file.audit {
        Some(audit) => texts_of("audit.events", &audit.events, &guard)?,
        None => Vec::new(),
    };
    Ok(Contract {
        source: source.into(),
        name: file.contract.value.as_str().into(),
        bodies: bodies(&file, &guard)?,
        guard,
        metric_value: metric_value(&file.limits)?,
        log_attributes,
        resource_attributes,
        labels,
        metrics,
        span_names: Names::new(span_names),
        round_nanos: round_nanos(&file)?,
        audit_scope: file.audit.map(|audit| audit.select.scope.value.into_boxed_str()),
        events: Names::new(events),
        egress: file.egress.as_ref().map(egress::compile).transpose()?,
        keys: keys.into_names(),
    })
}

pub(crate) fn read(source: &str) -> Result<File> {
    let options = serde_saphyr::options! { with_snippet: false };
    let mut track = serde_path_to_error::Track::new();
    serde_saphyr::with_deserializer_from_str_with_options(source, options, |yaml| {
        File::deserialize(serde_path_to_error::Deserializer::new(yaml, &mut track))
    })
    .map_err(|error| {
        let (line, column) =
            error.location().map_or((0, 0), |place| (place.line(), place.column()));
        let path = track.path().to_string();
        // A value with its place is read as a pair; its second half is no key of the file.
        let key = path.replace("].value", "]");
        let key = key.strip_suffix(".value").unwrap_or(&key);
        let text = error.without_snippet().to_string();
        // The reader repeats the place at the end of its text, and speaks to programmers.
        let detail = text.rsplit_once(" at line ").map_or(text.as_str(), |(head, _)| head);
        let detail = detail.split(", set DuplicateKeyPolicy").next().unwrap_or(detail);
        ContractError {
            line,
            column,
            key: String::from(if matches!(key, "." | "?") { "" } else { key }),
            problem: Problem::Yaml { detail: detail.lines().collect::<Vec<_>>().join(", ") },
        }
    })
}

fn guard(file: &File) -> Result<Guard> {
    let value_bytes = match &file.limits.value_bytes {
        None => VALUE_BYTES,
        Some(given) => usize::try_from(given.value)
            .ok()
            .filter(|bytes| (1..=VALUE_BYTES_MAX).contains(bytes))
            .ok_or_else(|| {
                let problem = Problem::Range { least: 1, most: VALUE_BYTES_MAX as u64 };
                at(given, "limits.value_bytes", problem)
            })?,
    };
    let reject = match &file.reject {
        // Each alone first, so that the error names the one that is wrong.
        Some(patterns) => {
            for (index, pattern) in patterns.iter().enumerate() {
                Anywhere::new(core::slice::from_ref(&pattern.value))
                    .map_err(|problem| at(pattern, &format!("reject[{index}]"), problem))?;
            }
            let all: Vec<String> = patterns.iter().map(|pattern| pattern.value.clone()).collect();
            Anywhere::new(&all).map_err(|problem| match patterns.first() {
                Some(first) => at(first, "reject", problem),
                None => whole_file(problem),
            })?
        }
        None => Anywhere::new(&DEFAULT_REJECT.map(String::from)).map_err(whole_file)?,
    };
    Ok(Guard { reject, value_bytes })
}

fn metric_value(limits: &Limits) -> Result<f64> {
    let Some(given) = &limits.metric_value else { return Ok(METRIC_VALUE) };
    if given.value == 0 || given.value > EXACT_MAX {
        let problem = Problem::Range { least: 1, most: EXACT_MAX };
        return Err(at(given, "limits.metric_value", problem));
    }
    #[expect(clippy::cast_precision_loss, reason = "below 2^53 it is exact")]
    Ok(given.value as f64)
}

fn log_attributes(file: &File, guard: &Guard, keys: &mut Keys) -> Result<Attributes> {
    for (name, rule) in &file.logs.attributes {
        let reserved = name.starts_with("tee_")
            || name.starts_with("lucarne.")
            || RESERVED_NAMES.contains(&name.as_str());
        if reserved {
            return Err(at(&rule.kind, &format!("logs.attributes.{name}"), Problem::Reserved));
        }
    }
    attributes("logs.attributes", &file.logs.attributes, guard, keys)
}

fn attributes(
    path: &str,
    rules: &BTreeMap<String, Rule>,
    guard: &Guard,
    keys: &mut Keys,
) -> Result<Attributes> {
    if let Some(rule) = rules.values().nth(ATTRIBUTES_MAX) {
        return Err(at(&rule.kind, path, Problem::TooMany { most: ATTRIBUTES_MAX }));
    }
    let mut named = Vec::with_capacity(rules.len());
    for (name, rule) in rules {
        let slot = slot(&format!("{path}.{name}"), rule, guard)?;
        named.push(Named::new(name, slot, keys));
    }
    let names = rules.keys().map(|name| name.as_str().into()).collect();
    Ok(Attributes { names: Names::new(names), named })
}

fn slot(path: &str, rule: &Rule, guard: &Guard) -> Result<Slot> {
    let kind = rule.kind.value;
    let lacks = |key| at(&rule.kind, path, Problem::Lacks { key });
    surplus(path, rule)?;
    match kind {
        RuleKind::String => {
            let pattern = rule.pattern.as_ref().ok_or_else(|| lacks("pattern"))?;
            Whole::new(&pattern.value)
                .map(|whole| Slot::Text(Box::new(whole)))
                .map_err(|problem| at(pattern, &format!("{path}.pattern"), problem))
        }
        RuleKind::Enum => {
            let values = rule.values.as_ref().ok_or_else(|| lacks("values"))?;
            if values.is_empty() {
                return Err(at(&rule.kind, &format!("{path}.values"), Problem::Empty));
            }
            texts_of(&format!("{path}.values"), values, guard).map(Slot::OneOf)
        }
        RuleKind::Int | RuleKind::Double => {
            let min = rule.min.as_ref().ok_or_else(|| lacks("min"))?;
            let max = rule.max.as_ref().ok_or_else(|| lacks("max"))?;
            bounds(kind, min.value, max.value).ok_or_else(|| at(max, path, Problem::Bounds))
        }
        RuleKind::Bool => Ok(Slot::Bool),
    }
}

/// Refuses a key that the type of a rule has no use for: its writer believes that it does
/// something.
fn surplus(path: &str, rule: &Rule) -> Result<()> {
    let (pattern, values, bounds) = match rule.kind.value {
        RuleKind::String => (true, false, false),
        RuleKind::Enum => (false, true, false),
        RuleKind::Int | RuleKind::Double => (false, false, true),
        RuleKind::Bool => (false, false, false),
    };
    let given = [
        ("pattern", rule.pattern.is_some() && !pattern),
        ("values", rule.values.is_some() && !values),
        ("min", rule.min.is_some() && !bounds),
        ("max", rule.max.is_some() && !bounds),
    ];
    match given.into_iter().find(|(_, surplus)| *surplus) {
        Some((key, _)) => Err(at(&rule.kind, path, Problem::Surplus { key })),
        None => Ok(()),
    }
}

fn bounds(kind: RuleKind, min: Number, max: Number) -> Option<Slot> {
    let double = |number| match number {
        #[expect(clippy::cast_precision_loss, reason = "a bound is as exact as a double can be")]
        Number::Int(number) => number as f64,
        Number::Double(number) => number,
    };
    match (kind, min, max) {
        (RuleKind::Int, Number::Int(min), Number::Int(max)) => {
            (min <= max).then_some(Slot::Int { min, max })
        }
        (RuleKind::Double, min, max) => {
            let (min, max) = (double(min), double(max));
            // Not `min > max`: a bound that is NaN must be refused as well.
            (min.is_finite() && max.is_finite() && min <= max).then_some(Slot::Double { min, max })
        }
        _ => None,
    }
}

fn bodies(file: &File, guard: &Guard) -> Result<Bodies> {
    let mut texts_listed: Vec<Spanned<String>> = Vec::new();
    let mut patterns = Vec::new();
    for (index, body) in file.logs.bodies.iter().enumerate() {
        let path = format!("logs.bodies[{index}]");
        match &body.value {
            Body::Text(text) => {
                texts_listed.push(Spanned::new(text.clone(), body.referenced, body.defined));
            }
            Body::Pattern(pattern) => {
                let whole = Whole::new(pattern).map_err(|problem| at(body, &path, problem))?;
                let texts = texts(pattern).map_err(|problem| at(body, &path, problem))?;
                if texts > crate::limits::BODY_TEXTS_MAX {
                    return Err(at(body, &path, Problem::FreeSlot));
                }
                patterns.push(whole);
            }
        }
    }
    let texts = texts_of("logs.bodies", &texts_listed, guard)?;
    Ok(Bodies { texts: Names::new(texts), patterns })
}

/// The rules of every label that a metric names.
///
/// A label has the rule under `labels`, else that of the log attribute of its name or of its name
/// in camel case, else that of the default contract.
fn labels(file: &File, guard: &Guard, keys: &mut Keys) -> Result<Attributes> {
    let mut names: Vec<&Spanned<String>> =
        file.metrics.values().flat_map(|metric| &metric.labels).collect();
    names.sort_by(|one, other| one.value.cmp(&other.value));
    names.dedup_by(|one, other| one.value == other.value);
    if let Some(name) = names.get(NAMES_MAX) {
        return Err(at(name, "metrics", Problem::TooMany { most: NAMES_MAX }));
    }
    let built_in = default_labels()?;
    let mut named = Vec::with_capacity(names.len());
    for name in &names {
        let path = format!("labels.{}", name.value);
        let rule = label_rule(file, &built_in, &name.value)
            .ok_or_else(|| at(name, &path, Problem::NoRule))?;
        named.push(Named::new(&name.value, slot(&path, rule, guard)?, keys));
    }
    // A rule that no metric uses is still checked: its writer means it.
    for (name, rule) in &file.labels {
        slot(&format!("labels.{name}"), rule, guard)?;
    }
    let names = names.iter().map(|name| name.value.as_str().into()).collect();
    Ok(Attributes { names: Names::new(names), named })
}

/// The rule of a label, wherever it stands.
pub(crate) fn label_rule<'f>(
    file: &'f File,
    built_in: &'f BTreeMap<String, Rule>,
    name: &str,
) -> Option<&'f Rule> {
    [String::from(name), camel_case(name)]
        .iter()
        .find_map(|name| file.labels.get(name).or_else(|| file.logs.attributes.get(name)))
        .or_else(|| built_in.get(name))
}

pub(crate) fn default_labels() -> Result<BTreeMap<String, Rule>> {
    read(crate::contract::DEFAULT_SOURCE).map(|file| file.labels)
}

fn metrics(
    file: &File,
    guard: &Guard,
    labels: &Attributes,
    keys: &mut Keys,
) -> Result<(Names, Vec<Metric>)> {
    let mut metrics = Vec::with_capacity(file.metrics.len());
    for (name, metric) in &file.metrics {
        let path = format!("metrics.{name}");
        let min_cohort = cohort(&path, metric)?;
        let mut listed = Vec::with_capacity(metric.labels.len());
        for label in &metric.labels {
            let position = labels.names.position(label.value.as_bytes());
            let position = position.ok_or_else(|| at(label, &path, Problem::NoRule))?;
            if listed.contains(&position) {
                return Err(at(label, &format!("{path}.labels"), Problem::Twice));
            }
            listed.push(position);
        }
        let unit = match &metric.unit {
            None => "".into(),
            Some(unit) => checked(&format!("{path}.unit"), unit, guard)?,
        };
        metrics.push(Metric {
            name: name.as_str().into(),
            key: keys.intern(name),
            labels: listed,
            unit,
            min_cohort,
            gauge: metric.gauge,
        });
    }
    if let Some((name, metric)) = file.metrics.iter().nth(NAMES_MAX) {
        let problem = Problem::TooMany { most: NAMES_MAX };
        return Err(match metric.labels.first() {
            Some(label) => at(label, &format!("metrics.{name}"), problem),
            None => whole_file(problem),
        });
    }
    let names = file.metrics.keys().map(|name| name.as_str().into()).collect();
    Ok((Names::new(names), metrics))
}

fn cohort(path: &str, metric: &file::Metric) -> Result<u64> {
    let Some(given) = &metric.min_cohort else { return Ok(0) };
    // One observation is what every point has: it would promise what it does not do.
    if (2..=COHORT_MAX).contains(&given.value) {
        return Ok(given.value);
    }
    let problem = Problem::Range { least: 2, most: COHORT_MAX };
    Err(at(given, &format!("{path}.min_cohort"), problem))
}

/// A list of texts that may leave as they are.
fn texts_of(path: &str, texts: &[Spanned<String>], guard: &Guard) -> Result<Vec<Box<str>>> {
    if let Some(text) = texts.get(NAMES_MAX) {
        return Err(at(text, path, Problem::TooMany { most: NAMES_MAX }));
    }
    let mut listed: Vec<Box<str>> = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let passed = checked(&path, text, guard)?;
        if listed.contains(&passed) {
            return Err(at(text, &path, Problem::Twice));
        }
        listed.push(passed);
    }
    Ok(listed)
}

fn checked(path: &str, text: &Spanned<String>, guard: &Guard) -> Result<Box<str>> {
    if text.value.len() > guard.value_bytes {
        return Err(at(text, path, Problem::ValueTooLong));
    }
    if guard.reject.occurs_in(text.value.as_bytes()) {
        return Err(at(text, path, Problem::Rejected));
    }
    Ok(text.value.as_str().into())
}

fn round_nanos(file: &File) -> Result<u64> {
    let Some(given) = &file.traces.round_times else { return Ok(1) };
    nanos(&given.value)
        .filter(|nanos| *nanos > 0)
        .ok_or_else(|| at(given, "traces.round_times", Problem::Duration))
}

/// A duration such as `10s`, in nanoseconds.
pub(crate) fn nanos(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let nanos = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(nanos))
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = String::from(words.next().unwrap_or(""));
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

pub(crate) fn at<T>(place: &Spanned<T>, key: &str, problem: Problem) -> ContractError {
    ContractError {
        line: place.referenced.line(),
        column: place.referenced.column(),
        key: String::from(key),
        problem,
    }
}

const fn whole_file(problem: Problem) -> ContractError {
    ContractError { line: 0, column: 0, key: String::new(), problem }
}

/// Searched in every text when a contract has no `reject` of its own. The first three are what the
/// outer layer of the seeds looks for; a value that passed here and is found there would raise an
/// alarm.
pub(crate) const DEFAULT_REJECT: [&str; 6] = [
    "(?i)bearer [a-z0-9._-]{20,}",
    "[0-9]{16}",
    "[0-9]{3}-[0-9]{2}-[0-9]{4}",
    // Card numbers of 13 to 15 digits, alone or behind a prefix such as t_ or exec-.
    "(?:^|[^0-9a-f])[0-9]{13,15}(?:[^0-9a-f]|$)",
    // Card numbers in groups of four. What surrounds them is shorter than in a UUID, which has
    // groups of eight and twelve on its sides and may well consist of digits.
    concat!(
        "(?:^|[^0-9a-f])[0-9a-f]{0,3}[0-9]{4}[ ._-][0-9]{4}[ ._-][0-9]{4}[ ._-][0-9]{4}",
        "[0-9a-f]{0,7}(?:[^0-9a-f]|$)"
    ),
    // Card numbers of 14 and 15 digits in their groups.
    "[0-9]{4}[ ._-][0-9]{6}[ ._-][0-9]{4,5}",
];

/// Names that the ledger puts into an audit event, or the exporters into a line.
const RESERVED_NAMES: [&str; 11] = [
    "prev_hash",
    "record_hash",
    "seq",
    "timestamp_utc",
    "event_type",
    "type",
    "level",
    "timestamp",
    "trace_id",
    "span_id",
    "message",
];

/// A series that needs more observations in an interval than this never leaves.
const COHORT_MAX: u64 = 1_000_000;

/// Above 2^53 a double is no longer exact.
const EXACT_MAX: u64 = 1 << 53;
