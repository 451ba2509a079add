//! The `transform` and `filter` processors: OTTL, with the place of every text in the file.

use lucarne_otlp::Signal;
use lucarne_redact::ottl::{Context, ErrorMode, Filter, RefusedText, Transform};

use super::chain::Step;
use super::section::{Section, Value};
use crate::config::ConfigError;

/// Reads `transform`: the steps of each signal, in the order of the file.
///
/// # Errors
/// With line, name and column of what cannot be used.
pub(crate) fn transform(mut options: Section<'_>) -> Result<[Vec<Step>; 3], ConfigError> {
    let mode = mode(&mut options, ErrorMode::Propagate)?;
    let mut steps = [Vec::new(), Vec::new(), Vec::new()];
    for ((name, signal), steps) in STATEMENTS.into_iter().zip(&mut steps) {
        let Some(groups) = options.take(name) else { continue };
        let groups = groups.list()?;
        if groups.iter().any(Value::is_text) {
            // Newer files list statements without groups; the paths name their context.
            for text in &groups {
                let step = group(signal, None, &[], std::slice::from_ref(text), mode)?;
                steps.push(step);
            }
            continue;
        }
        for element in &groups {
            steps.push(written_group(signal, element, mode)?);
        }
    }
    options.finish(&[
        ("profile_statements", "`log_statements`"),
        ("flatten_data", "`log_statements` with `set` and `delete_key`"),
    ])?;
    Ok(steps)
}

fn written_group(
    signal: Signal,
    element: &Value<'_>,
    outer: ErrorMode,
) -> Result<Step, ConfigError> {
    let mut options = element.section()?;
    let context = context(&mut options, signal)?;
    let mode = mode(&mut options, outer)?;
    let conditions = options.take("conditions").map(|list| list.list()).transpose()?;
    let Some(statements) = options.take("statements") else {
        return Err(options.fault("expected `statements`, found none"));
    };
    options.finish(&[])?;
    group(signal, context, &conditions.unwrap_or_default(), &statements.list()?, mode)
}

fn group(
    signal: Signal,
    context: Option<Context>,
    conditions: &[Value<'_>],
    statements: &[Value<'_>],
    mode: ErrorMode,
) -> Result<Step, ConfigError> {
    let [written, texts] = [conditions, statements].map(texts);
    let compiled = Transform::compile(signal, context, &written?, &texts?, mode);
    let compiled = compiled.map_err(|refused| {
        place(if refused.is_condition { conditions } else { statements }, &refused)
    })?;
    Ok(Step::Transform(Box::new(compiled)))
}

/// Reads `filter`: the steps of each signal.
///
/// # Errors
/// With line, name and column of what cannot be used.
pub(crate) fn filter(mut options: Section<'_>) -> Result<[Vec<Step>; 3], ConfigError> {
    let mode = mode(&mut options, ErrorMode::Propagate)?;
    let mut steps = [Vec::new(), Vec::new(), Vec::new()];
    for (((old, new), signal), steps) in CONDITIONS.into_iter().zip(&mut steps) {
        if let Some(section) = options.take(old) {
            *steps = by_record(signal, section.section()?, mode)?;
        }
        let Some(groups) = options.take(new) else { continue };
        for element in groups.list()? {
            if element.is_text() {
                steps.push(condition(signal, None, std::slice::from_ref(&element), mode)?);
                continue;
            }
            let mut inner = element.section()?;
            let context = context(&mut inner, signal)?;
            let mode = self::mode(&mut inner, mode)?;
            let Some(list) = inner.take("conditions") else {
                return Err(inner.fault("expected `conditions`, found none"));
            };
            inner.finish(&[])?;
            steps.push(condition(signal, context, &list.list()?, mode)?);
        }
    }
    options.finish(&[
        ("spans", "`traces.span` with conditions"),
        ("profiles", "`logs.log_record`"),
        ("profile_conditions", "`log_conditions`"),
    ])?;
    Ok(steps)
}

/// The older form: conditions by the kind of record.
fn by_record(
    signal: Signal,
    mut options: Section<'_>,
    mode: ErrorMode,
) -> Result<Vec<Step>, ConfigError> {
    let kinds: &[(&'static str, Context)] = match signal {
        Signal::Logs => &[("resource", Context::Resource), ("log_record", Context::Log)],
        Signal::Metrics => &[
            ("resource", Context::Resource),
            ("metric", Context::Metric),
            ("datapoint", Context::DataPoint),
        ],
        Signal::Traces => &[
            ("resource", Context::Resource),
            ("span", Context::Span),
            ("spanevent", Context::SpanEvent),
        ],
    };
    let mut steps = Vec::new();
    for (name, context) in kinds {
        if let Some(list) = options.take(name) {
            steps.push(condition(signal, Some(*context), &list.list()?, mode)?);
        }
    }
    let record = kinds.get(1).map_or("log_record", |(name, _)| *name);
    let words = format!("`{record}` with conditions");
    options.finish(&[("include", &words), ("exclude", &words)])?;
    Ok(steps)
}

fn condition(
    signal: Signal,
    context: Option<Context>,
    list: &[Value<'_>],
    mode: ErrorMode,
) -> Result<Step, ConfigError> {
    let compiled = Filter::compile(signal, context, &texts(list)?, mode);
    compiled.map(|filter| Step::Filter(Box::new(filter))).map_err(|refused| place(list, &refused))
}

fn texts<'n>(list: &[Value<'n>]) -> Result<Vec<&'n str>, ConfigError> {
    list.iter().map(Value::text).collect()
}

fn place(list: &[Value<'_>], refused: &RefusedText) -> ConfigError {
    match list.get(refused.index) {
        Some(value) => value.fault(&refused.error.to_string()),
        None => ConfigError::new("".as_ref(), refused.to_string()),
    }
}

fn mode(options: &mut Section<'_>, otherwise: ErrorMode) -> Result<ErrorMode, ConfigError> {
    options.take("error_mode").map_or(Ok(otherwise), |value| value.choice(&MODES))
}

fn context(options: &mut Section<'_>, signal: Signal) -> Result<Option<Context>, ConfigError> {
    let choices: &[(&str, Context)] = match signal {
        Signal::Logs => {
            &[("log", Context::Log), ("scope", Context::Scope), ("resource", Context::Resource)]
        }
        Signal::Metrics => &[
            ("datapoint", Context::DataPoint),
            ("metric", Context::Metric),
            ("scope", Context::Scope),
            ("resource", Context::Resource),
        ],
        Signal::Traces => &[
            ("span", Context::Span),
            ("spanevent", Context::SpanEvent),
            ("scope", Context::Scope),
            ("resource", Context::Resource),
        ],
    };
    options.take("context").map(|value| value.choice(choices)).transpose()
}

const STATEMENTS: [(&str, Signal); 3] = [
    ("log_statements", Signal::Logs),
    ("metric_statements", Signal::Metrics),
    ("trace_statements", Signal::Traces),
];
const CONDITIONS: [((&str, &str), Signal); 3] = [
    (("logs", "log_conditions"), Signal::Logs),
    (("metrics", "metric_conditions"), Signal::Metrics),
    (("traces", "trace_conditions"), Signal::Traces),
];
/// The collector's; `propagate` gives up the record.
const MODES: [(&str, ErrorMode); 3] = [
    ("ignore", ErrorMode::Ignore),
    ("silent", ErrorMode::Silent),
    ("propagate", ErrorMode::Propagate),
];
