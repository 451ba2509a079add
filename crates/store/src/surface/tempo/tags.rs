//! Names of attributes and their values, of the traces in a range.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use lucarne_logql::traceql::ast::{Field, Intrinsic, Kind, Scope, Status};
use lucarne_logql::traceql::parse_field;

use super::json::member;
use super::{Call, Refusal, Response, damaged, marked};
use crate::engine::answer::json::write_string;
use crate::trace::traceql::Program;
use crate::trace::traceql::view::TraceView;

/// Names of one scope and values of one name; further ones are left out and said to be.
const NAMES_MAX: usize = 10_000;
const TOO_MANY: &str = "partial answer: there are more than 10000";

type Names = BTreeMap<&'static str, BTreeSet<String>>;

/// Names by scope, and why there are not more if there are more.
fn names(call: &Call<'_>) -> Result<(Names, Option<String>, bool), Refusal> {
    let scope = call.parameters.get("scope").unwrap_or("none");
    let known = Scope::ALL.iter().any(|one| one.as_str() == scope && *one != Scope::Any);
    if !known && !matches!(scope, "none" | "intrinsic") {
        let expected = "resource, span, event, link, instrumentation, intrinsic or none";
        return Err(Refusal::Parameter { name: "scope", expected });
    }
    let mut names = Names::new();
    let range = call.trace_range()?;
    let (mut failed, mut many) = (false, false);
    let (unreadable, partial) = call.metered(|meter| {
        Ok(call.traces.each_trace(range, meter, &mut |id, trace| {
            let Ok(view) = TraceView::of(id, &trace.spans) else {
                failed = true;
                return ControlFlow::Break(());
            };
            for span in &view.spans {
                for (of, pairs) in span.tags().into_iter().chain(span.far_tags()) {
                    if scope != "none" && scope != of {
                        continue;
                    }
                    let names = names.entry(of).or_default();
                    for (name, _) in pairs {
                        many |= names.len() >= NAMES_MAX;
                        if names.len() < NAMES_MAX && !names.contains(*name) {
                            meter.hold(name.len() + 64)?;
                            names.insert((*name).to_owned());
                        }
                    }
                }
            }
            ControlFlow::Continue(i64::MIN)
        }))
    })?;
    if failed {
        return Err(damaged());
    }
    if matches!(scope, "none" | "intrinsic") {
        let all = Intrinsic::SPELLINGS.iter().map(|(_, spelling, _)| (*spelling).to_owned());
        names.insert("intrinsic", all.collect());
    }
    Ok((names, partial.or(many.then(|| TOO_MANY.to_owned())), unreadable))
}

fn write_list<'a>(out: &mut String, list: impl Iterator<Item = &'a String>) {
    out.push('[');
    for (at, text) in list.enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        write_string(out, text);
    }
    out.push(']');
}

pub(super) fn names_v1(call: &Call<'_>) -> Result<Response, Refusal> {
    let (names, partial, unreadable) = names(call)?;
    let all: BTreeSet<&String> = names.values().flatten().collect();
    let mut body = String::from(r#"{"tagNames":"#);
    write_list(&mut body, all.into_iter());
    body.push('}');
    Ok(marked(Response::json(body), partial, unreadable))
}

pub(super) fn names_v2(call: &Call<'_>) -> Result<Response, Refusal> {
    let (names, partial, unreadable) = names(call)?;
    let mut body = String::from(r#"{"scopes":["#);
    for (at, (scope, names)) in names.iter().enumerate() {
        body.push_str(if at > 0 { ",{" } else { "{" });
        member(&mut body, "name", scope);
        body.push_str(r#","tags":"#);
        write_list(&mut body, names.iter());
        body.push('}');
    }
    body.push_str(r#"],"metrics":{}}"#);
    Ok(marked(Response::json(body), partial, unreadable))
}

/// Types and texts of the values.
type Values = BTreeSet<(&'static str, String)>;

fn values(call: &Call<'_>, field: &Field) -> Result<(Values, Option<String>, bool), Refusal> {
    let keyword = |text: &str| ("keyword", text.to_owned());
    match field {
        Field::Intrinsic(Intrinsic::Status) => {
            let all = Status::ALL.iter().map(|status| keyword(status.as_str())).collect();
            return Ok((all, None, false));
        }
        Field::Intrinsic(Intrinsic::Kind) => {
            let all = Kind::ALL.iter().map(|kind| keyword(kind.as_str())).collect();
            return Ok((all, None, false));
        }
        Field::Intrinsic(_) | Field::Attribute { .. } => {}
    }
    // A filter that is still being written narrows nothing.
    let program = call.traceql().ok().flatten();
    let program = match program.filter(|program| program.query().metric.is_none()) {
        Some(program) => program,
        None => Program::new(super::everything())?,
    };
    let range = call.trace_range()?;
    let mut values = Values::new();
    let (mut failed, mut many) = (false, false);
    let (unreadable, partial) = call.metered(|meter| {
        Ok(call.traces.each_trace(range, meter, &mut |id, trace| {
            let Ok(view) = TraceView::of(id, &trace.spans) else {
                failed = true;
                return ControlFlow::Break(());
            };
            let spans: Vec<usize> =
                program.run(&view).into_iter().flat_map(|found| found.spans).collect();
            for at in spans {
                for value in Program::field(&view, at, field) {
                    let value = (value.type_name(), value.text().into_owned());
                    many |= values.len() >= NAMES_MAX;
                    if values.len() < NAMES_MAX && !values.contains(&value) {
                        meter.hold(value.1.len() + 64)?;
                        values.insert(value);
                    }
                }
            }
            ControlFlow::Continue(i64::MIN)
        }))
    })?;
    if failed {
        return Err(damaged());
    }
    Ok((values, partial.or(many.then(|| TOO_MANY.to_owned())), unreadable))
}

/// The name without a scope, as the older endpoint has it.
pub(super) fn values_v1(call: &Call<'_>, tag: &str) -> Result<Response, Refusal> {
    let field = match Intrinsic::named(tag) {
        Some(intrinsic) => Field::Intrinsic(intrinsic),
        None => Field::Attribute { parent: false, scope: Scope::Any, name: tag.to_owned() },
    };
    let (values, partial, unreadable) = values(call, &field)?;
    let texts: BTreeSet<&String> = values.iter().map(|(_, text)| text).collect();
    let mut body = String::from(r#"{"tagValues":"#);
    write_list(&mut body, texts.into_iter());
    body.push('}');
    Ok(marked(Response::json(body), partial, unreadable))
}

/// The name as a query spells it.
pub(super) fn values_v2(call: &Call<'_>, tag: &str) -> Result<Response, Refusal> {
    let (values, partial, unreadable) = values(call, &parse_field(tag)?)?;
    let mut body = String::from(r#"{"tagValues":["#);
    for (at, (kind, text)) in values.iter().enumerate() {
        body.push_str(if at > 0 { ",{" } else { "{" });
        member(&mut body, "type", kind);
        member(&mut body, "value", text);
        body.push('}');
    }
    body.push_str(r#"],"metrics":{}}"#);
    Ok(marked(Response::json(body), partial, unreadable))
}
