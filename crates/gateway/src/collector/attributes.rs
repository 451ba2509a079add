//! The `attributes` processor, as statements of OTTL.
//!
//! One language does the work: each action becomes one statement, `include` and `exclude` become
//! conditions of the group. Refused: what takes values from a connection (`from_context`), which a
//! sealed record does not have.

use lucarne_otlp::Signal;
use lucarne_redact::ottl::{Context, ErrorMode, Transform};

use super::section::{Section, Value};
use crate::config::ConfigError;

/// A configured processor: texts for any of the signals.
#[derive(Debug)]
pub(crate) struct Attributes {
    conditions: Vec<String>,
    statements: Vec<(String, u64)>,
    place: String,
}

impl Attributes {
    /// Reads the options.
    ///
    /// # Errors
    /// With the line and name of what cannot be used.
    pub(crate) fn read(id: &str, mut options: Section<'_>) -> Result<Self, ConfigError> {
        let mut conditions = Vec::new();
        if let Some(include) = options.take("include") {
            conditions.push(matching(include.section()?)?);
        }
        if let Some(exclude) = options.take("exclude") {
            conditions.push(format!("not ({})", matching(exclude.section()?)?));
        }
        let Some(actions) = options.take("actions") else {
            return Err(options.fault("expected `actions`, found none"));
        };
        let mut statements = Vec::new();
        for element in actions.list()? {
            let line = element.line();
            for statement in action(&element)? {
                statements.push((statement, line));
            }
        }
        options.finish(&[])?;
        let conditions =
            if conditions.is_empty() { Vec::new() } else { vec![conditions.join(" and ")] };
        Ok(Self { conditions, statements, place: format!("processors.{id}") })
    }

    /// The statements for a signal.
    ///
    /// # Errors
    /// When a pattern is none.
    pub(crate) fn compile(
        &self,
        signal: Signal,
        file: &std::path::Path,
    ) -> Result<Transform, ConfigError> {
        let context = match signal {
            Signal::Logs => Context::Log,
            Signal::Metrics => Context::DataPoint,
            Signal::Traces => Context::Span,
        };
        let conditions: Vec<&str> = self.conditions.iter().map(String::as_str).collect();
        let statements: Vec<&str> = self.statements.iter().map(|(text, _)| &**text).collect();
        let mode = ErrorMode::Ignore;
        Transform::compile(signal, Some(context), &conditions, &statements, mode).map_err(|at| {
            let line = self.statements.get(at.index).map_or(1, |(_, line)| *line);
            ConfigError::at(file, line, format!("{}: {}", self.place, at.error.kind))
        })
    }
}

#[derive(Clone, Copy)]
enum Action {
    Insert,
    Update,
    Upsert,
    Delete,
    Hash,
    Extract,
    Convert,
}

/// One action as statements.
fn action(element: &Value<'_>) -> Result<Vec<String>, ConfigError> {
    let mut options = element.section()?;
    let Some(kind) = options.take("action") else {
        return Err(options.fault("expected `action`, found none"));
    };
    let kind = kind.choice(&ACTIONS)?;
    let key = options.take("key").map(|key| key.text().map(quoted)).transpose()?;
    let pattern = options.take("pattern").map(|text| text.text().map(quoted)).transpose()?;
    let statements = match (kind, key, pattern) {
        (Action::Insert, Some(key), None) => set(&mut options, &key, "== nil")?,
        (Action::Update, Some(key), None) => set(&mut options, &key, "!= nil")?,
        (Action::Upsert, Some(key), None) => set(&mut options, &key, "")?,
        (Action::Delete, key, pattern) if key.is_some() || pattern.is_some() => {
            let exact = key.map(|key| format!("delete_key(attributes, {key})"));
            let matching =
                pattern.map(|pattern| format!("delete_matching_keys(attributes, {pattern})"));
            exact.into_iter().chain(matching).collect()
        }
        (Action::Hash, Some(key), None) => vec![format!(
            "set(attributes[{key}], SHA256(String(attributes[{key}]))) \
             where attributes[{key}] != nil"
        )],
        (Action::Extract, Some(key), Some(pattern)) => vec![format!(
            "merge_maps(attributes, ExtractPatterns(attributes[{key}], {pattern}), \"upsert\") \
             where IsString(attributes[{key}])"
        )],
        (Action::Convert, Some(key), None) => {
            let Some(wanted) = options.take("converted_type") else {
                return Err(options.fault("expected `converted_type`, found none"));
            };
            let function = wanted.choice(&TYPES)?;
            vec![format!(
                "set(attributes[{key}], {function}(attributes[{key}])) \
                 where attributes[{key}] != nil"
            )]
        }
        (Action::Hash, _, Some(_)) => {
            return Err(options.fault("`pattern` is not supported here; the nearest is `key`"));
        }
        _ => return Err(options.fault("expected `key`, and `pattern` for extract and delete")),
    };
    options.finish(&[("from_context", "`from_attribute`")])?;
    Ok(statements)
}

fn set(options: &mut Section<'_>, key: &str, present: &str) -> Result<Vec<String>, ConfigError> {
    let mut conditions = Vec::new();
    if !present.is_empty() {
        conditions.push(format!("attributes[{key}] {present}"));
    }
    let value = match (options.take("value"), options.take("from_attribute")) {
        (Some(value), None) => literal(value.text()?),
        (None, Some(from)) => {
            let from = quoted(from.text()?);
            conditions.push(format!("attributes[{from}] != nil"));
            format!("attributes[{from}]")
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(options.fault("expected either `value` or `from_attribute`"));
        }
    };
    let mut statement = format!("set(attributes[{key}], {value})");
    if !conditions.is_empty() {
        statement = format!("{statement} where {}", conditions.join(" and "));
    }
    Ok(vec![statement])
}

/// `include` or `exclude` as a condition. All kinds of properties must fit; of services, bodies and
/// names one.
fn matching(mut options: Section<'_>) -> Result<String, ConfigError> {
    let Some(how) = options.take("match_type") else {
        return Err(options.fault("expected `match_type`, found none"));
    };
    let strict = how.choice(&[("strict", true), ("regexp", false)])?;
    let fits = |path: &str, value: &str| {
        if strict {
            format!("{path} == {}", quoted(value))
        } else {
            format!("IsMatch({path}, {})", quoted(value))
        }
    };
    let mut all = Vec::new();
    for (option, path) in NAMED {
        let Some(list) = options.take(option) else { continue };
        let any: Vec<String> = list.texts()?.iter().map(|text| fits(path, text)).collect();
        if any.is_empty() {
            return Err(list.fault("expected at least one, found none"));
        }
        all.push(format!("({})", any.join(" or ")));
    }
    if let Some(list) = options.take("attributes") {
        for element in list.list()? {
            let mut pair = element.section()?;
            let Some(key) = pair.take("key") else {
                return Err(pair.fault("expected `key`, found none"));
            };
            let path = format!("attributes[{}]", quoted(key.text()?));
            all.push(match pair.take("value") {
                None => format!("{path} != nil"),
                Some(value) if strict => format!("{path} == {}", literal(value.text()?)),
                Some(value) => format!("IsMatch({path}, {})", quoted(value.text()?)),
            });
            pair.finish(&[])?;
        }
    }
    if all.is_empty() {
        return Err(options.fault("expected something to match, found nothing"));
    }
    options.finish(&[("resources", "`services`"), ("libraries", "`attributes`")])?;
    Ok(all.join(" and "))
}

/// A text of OTTL.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A value as YAML types it.
fn literal(text: &str) -> String {
    let number = text.parse::<i64>().is_ok() || (text.contains('.') && text.parse::<f64>().is_ok());
    if number || matches!(text, "true" | "false") { text.to_owned() } else { quoted(text) }
}

const ACTIONS: [(&str, Action); 7] = [
    ("insert", Action::Insert),
    ("update", Action::Update),
    ("upsert", Action::Upsert),
    ("delete", Action::Delete),
    ("hash", Action::Hash),
    ("extract", Action::Extract),
    ("convert", Action::Convert),
];
const TYPES: [(&str, &str); 3] = [("int", "Int"), ("double", "Double"), ("string", "String")];
const NAMED: [(&str, &str); 5] = [
    ("services", "resource.attributes[\"service.name\"]"),
    ("log_bodies", "body"),
    ("log_severity_texts", "severity_text"),
    ("span_names", "name"),
    ("metric_names", "metric.name"),
];
