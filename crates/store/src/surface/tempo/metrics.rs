//! Numbers over time: `rate()` and its like over steps, or over the whole range at once.

use std::ops::ControlFlow;

use lucarne_logql::go_number::format_float;
use lucarne_logql::go_number::quote;
use lucarne_logql::traceql::ast::Metric;

use super::json::{key, member};
use super::{Call, Refusal, Response, damaged, marked};
use crate::engine::RangeAsk;
use crate::engine::limits::Limit;
use crate::trace::traceql::metric::{Label, Line, Series, Steps};
use crate::trace::traceql::view::TraceView;

pub(super) fn range(call: &Call<'_>) -> Result<Response, Refusal> {
    let range = call.trace_range()?;
    let default = RangeAsk::default_step_ns(range.from_ns, range.to_ns);
    let step_ns = call.parameters.length("step")?.unwrap_or(default);
    if step_ns <= 0 {
        return Err(Refusal::Parameter { name: "step", expected: "longer than nothing" });
    }
    let length = range.to_ns.saturating_sub(range.from_ns);
    let count = u64::try_from(length / step_ns).unwrap_or(0) + u64::from(length % step_ns > 0);
    if count > call.asker.limits.steps {
        return Err(Refusal::Parameter { name: "step", expected: "longer for so long a range" });
    }
    let count = usize::try_from(count).unwrap_or(0).max(1);
    let steps = Steps { from_ns: range.from_ns, step_ns, count };
    let (lines, partial, unreadable) = ask(call, steps)?;
    let body = document(&lines, |out, points| {
        key(out, "samples");
        out.push('[');
        for (at, (step, number)) in points.iter().enumerate() {
            out.push_str(if at > 0 { ",{" } else { "{" });
            member(out, "timestampMs", &(steps.end_ns(*step) / 1_000_000).to_string());
            value(out, *number);
            out.push('}');
        }
        out.push_str(r#"],"exemplars":[]"#);
    });
    Ok(marked(Response::json(body), partial, unreadable))
}

pub(super) fn instant(call: &Call<'_>) -> Result<Response, Refusal> {
    let range = call.trace_range()?;
    let step_ns = range.to_ns.saturating_sub(range.from_ns).max(1);
    let steps = Steps { from_ns: range.from_ns, step_ns, count: 1 };
    let (lines, partial, unreadable) = ask(call, steps)?;
    let body = document(&lines, |out, points| {
        if let Some((_, number)) = points.first() {
            value(out, *number);
        }
    });
    Ok(marked(Response::json(body), partial, unreadable))
}

fn ask(call: &Call<'_>, steps: Steps) -> Result<(Vec<Line>, Option<String>, bool), Refusal> {
    let program = call.traceql()?.ok_or(Refusal::Missing { name: "q" })?;
    let expected = "one for numbers over time, as in { } | rate()";
    let metric: &Metric = program.query().metric.as_ref().ok_or(Refusal::Kind { expected })?;
    let range = call.trace_range()?;
    let mut series = Series::new(steps);
    let mut failed = false;
    // A comparison has a series for each value, of which few are shown.
    let series_max = usize::try_from(call.asker.limits.series).unwrap_or(usize::MAX);
    let series_max = match metric.function {
        lucarne_logql::traceql::ast::MetricFunction::Compare { .. } => usize::MAX,
        _ => series_max,
    };
    let cells = steps.count.saturating_mul(16).saturating_add(256);
    let mut count = 0_usize;
    let (unreadable, partial) = call.metered(|meter| {
        Ok(call.traces.each_trace(range, meter, &mut |id, trace| {
            let Ok(view) = TraceView::of(id, &trace.spans) else {
                failed = true;
                return ControlFlow::Break(());
            };
            series.add(&program, metric, &view, &program.run(&view), &mut || {
                count = count.saturating_add(1);
                if count > series_max {
                    meter.exceed(Limit::Series, call.asker.limits.series)?;
                }
                meter.hold(cells)
            })?;
            ControlFlow::Continue(i64::MIN)
        }))
    })?;
    if failed {
        return Err(damaged());
    }
    Ok((series.finish(metric), partial, unreadable))
}

fn document(lines: &[Line], points: impl Fn(&mut String, &[(usize, f64)])) -> String {
    let mut out = String::from(r#"{"series":["#);
    for (at, (labels, numbers)) in lines.iter().enumerate() {
        out.push_str(if at > 0 { r#",{"labels":["# } else { r#"{"labels":["# });
        for (at, label) in labels.iter().enumerate() {
            out.push_str(if at > 0 { ",{" } else { "{" });
            member(&mut out, "key", &label.name);
            key(&mut out, "value");
            out.push('{');
            write_label(&mut out, label);
            out.push_str("}}");
        }
        out.push(']');
        points(&mut out, numbers);
        let shown = |label: &Label| format!("{}={}", label.name, quote(&label.text));
        let shown: Vec<String> = labels.iter().map(shown).collect();
        member(&mut out, "promLabels", &format!("{{{}}}", shown.join(", ")));
        out.push('}');
    }
    out.push_str(r#"],"metrics":{}}"#);
    out
}

fn write_label(out: &mut String, label: &Label) {
    match label.kind {
        "int" => member(out, "intValue", &label.text),
        "bool" => {
            key(out, "boolValue");
            out.push_str(&label.text);
        }
        _ => member(out, "stringValue", &label.text),
    }
}

/// A number that JSON has; another one is a text.
fn value(out: &mut String, number: f64) {
    key(out, "value");
    let text = format_float(number);
    out.push_str(&if number.is_finite() { text } else { quote(&text) });
}
