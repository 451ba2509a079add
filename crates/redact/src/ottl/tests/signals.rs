//! Spans, events, metrics, data points, resources and scopes.

use super::*;

const RESOURCE: &str = r#"{"host.name":"localhost","k":"v"}"#;

fn span() -> Vec<u8> {
    request(
        RESOURCE,
        &message(|span| {
            span.bytes(1, &[1; 16]);
            span.bytes(2, &[2; 8]);
            span.bytes(3, b"svc=one,other=two");
            span.bytes(5, b"GET /user/7");
            span.varint(6, 2);
            span.fixed64(7, NOW);
            span.fixed64(8, NOW + 1_500_000_000);
            pairs(9, &json(r#"{"http.method":"get","n":1}"#), span);
            for name in ["exception", "retry"] {
                span.message(11, |event| {
                    event.fixed64(1, NOW);
                    event.bytes(2, name.as_bytes());
                    pairs(3, &json(r#"{"message":"secret"}"#), event);
                });
            }
            span.message(15, |status| {
                status.bytes(2, b"failed");
                status.varint(3, 2);
            });
            // A field of a later version of the format.
            span.bytes(99, b"unknown");
        }),
    )
}

fn metric(kind: u32, points: &[Vec<u8>]) -> Vec<u8> {
    request(
        RESOURCE,
        &message(|metric| {
            metric.bytes(1, b"system.processes.count");
            metric.bytes(2, b"old");
            metric.bytes(3, b"ms");
            metric.message(kind, |data| {
                points.iter().for_each(|point| data.bytes(1, point));
                if kind != 5 && kind != 11 {
                    data.varint(2, 2);
                }
                if kind == 7 {
                    data.varint(3, 1);
                }
            });
        }),
    )
}

fn number(attributes: &str, value: u64) -> Vec<u8> {
    message(|point| {
        point.fixed64(3, NOW);
        point.fixed64(6, value);
        pairs(7, &json(attributes), point);
    })
}

fn histogram() -> Vec<u8> {
    message(|point| {
        point.fixed64(3, NOW);
        point.fixed64(4, 10);
        point.double(5, 12.5);
        point.message(6, |out| [4, 6].into_iter().for_each(|count| out.packed_fixed64(count)));
        point.message(7, |out| out.packed_fixed64(1.5_f64.to_bits()));
        pairs(9, &json(r#"{"a":1}"#), point);
        point.double(11, 0.5);
    })
}

/// `condition` does not hold before the statements and holds after them.
#[track_caller]
fn check(signal: Signal, payload: &[u8], statements: &[&str], condition: &str) {
    let mode = ErrorMode::Propagate;
    let transform = Transform::compile(signal, None, &[], statements, mode)
        .unwrap_or_else(|error| panic!("{statements:?}: {}", error.error));
    let applied = transform.apply(payload, NOW).unwrap();
    assert!(!holds(signal, None, condition, payload), "before: {condition}");
    assert!(holds(signal, None, condition, &applied.payload), "after {statements:?}: {condition}");
}

#[test]
fn spans() {
    for (statement, condition) in [
        (r#"set(span.name, "x")"#, r#"span.name == "x""#),
        (r#"set(span.kind, SPAN_KIND_CLIENT)"#, r#"span.kind.string == "Client""#),
        (r#"set(span.kind.string, "Internal")"#, "span.kind == 1"),
        (
            r#"set(span.status.code, STATUS_CODE_OK)"#,
            r#"span.status.code == 1 and span.status.message == "failed""#,
        ),
        (r#"set(span.status.message, "")"#, r#"span.status.message == """#),
        (
            r#"set(span.trace_state["svc"], "example")"#,
            r#"span.trace_state == "svc=example,other=two""#,
        ),
        (
            r#"set(span.attributes["source"], span.trace_state["other"])"#,
            r#"span.attributes["source"] == "two""#,
        ),
        (
            r#"set(span.end_time, span.start_time)"#,
            "span.end_time_unix_nano == span.start_time_unix_nano",
        ),
        (
            r#"set(span.attributes["isRoot"], "true") where IsRootSpan()"#,
            r#"span.attributes["isRoot"] == "true""#,
        ),
        (
            r#"set(span.parent_span_id.string, "0102030405060708")"#,
            "span.parent_span_id == SpanID(0x0102030405060708)",
        ),
        (r#"set(span.parent_span_id, SpanID(0x0102030405060708))"#, "not IsRootSpan()"),
        (r#"set(span.dropped_events_count, 3)"#, "span.dropped_events_count == 3"),
        (r#"set(span.flags, 1)"#, "span.flags == 1"),
        (
            r#"replace_pattern(span.name, "/user/\\d+", "/user/{id}")"#,
            r#"span.name == "GET /user/{id}""#,
        ),
        (r#"set(span.cache["n"], 1)"#, "false or span.name == \"never\""),
        ("limit(span.attributes, 0, [])", "Len(span.attributes) == 0"),
        (
            r#"set(resource.attributes["seen"], span.name)"#,
            r#"resource.attributes["seen"] == "GET /user/7" and span.kind == 2"#,
        ),
        (r#"set(scope.name, "other")"#, r#"scope.name == "other""#),
        (r#"set(instrumentation_scope.version, "2")"#, r#"scope.version == "2""#),
        (r#"delete_key(resource.attributes, "k")"#, r#"resource.attributes["k"] == nil"#),
    ] {
        if !statement.contains("cache") {
            check(Signal::Traces, &span(), &[statement], condition);
        }
    }
    let cached = [r#"set(span.cache["n"], "x")"#, r#"set(span.name, span.cache["n"])"#];
    check(Signal::Traces, &span(), &cached, r#"span.name == "x""#);
}

#[test]
fn span_events_reach_their_span_and_others_stay() {
    let named = r#"spanevent.name == "exception" and spanevent.attributes["message"] == "x""#;
    let statement =
        r#"set(spanevent.attributes["message"], "x") where spanevent.name == "exception""#;
    let transform = |statements: &[&str]| {
        let mode = ErrorMode::Propagate;
        Transform::compile(Signal::Traces, None, &[], statements, mode).unwrap()
    };
    let after = transform(&[statement]).apply(&span(), NOW).unwrap().payload.into_owned();
    let left = |condition: &str| {
        let filter = Filter::compile(Signal::Traces, None, &[condition], ErrorMode::Propagate);
        filter.unwrap().apply(&after, NOW).unwrap().payload.into_owned()
    };
    assert_ne!(left(named), after);
    assert_eq!(
        left(r#"spanevent.name == "retry" and spanevent.attributes["message"] == "x""#),
        after
    );
    check(
        Signal::Traces,
        &span(),
        &[r#"set(span.name, spanevent.name) where spanevent.event_index == 1"#],
        r#"span.name == "retry""#,
    );
}

#[test]
fn unknown_fields_survive_a_change() {
    let mode = ErrorMode::Propagate;
    let statements = [r#"set(span.name, "y")"#];
    let transform = Transform::compile(Signal::Traces, None, &[], &statements, mode).unwrap();
    let after = transform.apply(&span(), NOW).unwrap().payload.into_owned();
    assert!(after.windows(7).any(|window| window == b"unknown"));
}

#[test]
fn metrics_and_their_points() {
    let sum = metric(7, &[number(r#"{"a":1}"#, 5), number(r#"{"a":2}"#, 7)]);
    let gauge = metric(5, &[number(r#"{"a":1}"#, 5)]);
    for (payload, statement, condition) in [
        (
            &sum,
            r#"set(metric.description, "Sum") where metric.type == METRIC_DATA_TYPE_SUM"#,
            r#"metric.description == "Sum""#,
        ),
        (&sum, r#"set(metric.unit, "s")"#, r#"metric.unit == "s""#),
        (&sum, "set(metric.is_monotonic, false)", "metric.is_monotonic == false"),
        (
            &sum,
            "set(metric.aggregation_temporality, AGGREGATION_TEMPORALITY_DELTA)",
            "metric.aggregation_temporality == 1",
        ),
        (&sum, "convert_sum_to_gauge()", "metric.type == METRIC_DATA_TYPE_GAUGE"),
        (
            &gauge,
            r#"convert_gauge_to_sum("cumulative", false)"#,
            "metric.type == 2 and metric.is_monotonic != true",
        ),
        (
            &gauge,
            r#"convert_gauge_to_sum("delta", true)"#,
            "metric.aggregation_temporality == 1 and metric.is_monotonic == true",
        ),
        (&gauge, r#"set(metric.metadata["x"], 1)"#, r#"metric.metadata["x"] == 1"#),
        (
            &gauge,
            "scale_metric(10.0, \"us\")",
            r#"datapoint.value_int == 50 and metric.unit == "us""#,
        ),
        (
            &gauge,
            "set(datapoint.value_double, 1.5)",
            "datapoint.value_double == 1.5 and datapoint.value_int == nil",
        ),
        (
            &gauge,
            r#"set(datapoint.attributes["b"], metric.name)"#,
            r#"datapoint.attributes["b"] == "system.processes.count""#,
        ),
        (
            &gauge,
            r#"set(metric.description, "test passed") where datapoint.attributes["a"] == 1"#,
            r#"metric.description == "test passed""#,
        ),
        (
            &gauge,
            r#"replace_pattern(metric.name, "^system\\.", "sys.")"#,
            r#"metric.name == "sys.processes.count""#,
        ),
        (
            &sum,
            r#"aggregate_on_attributes("sum", [])"#,
            "datapoint.value_int == 12 and Len(datapoint.attributes) == 0",
        ),
    ] {
        check(Signal::Metrics, payload, &[statement], condition);
    }
}

#[test]
fn histograms() {
    let histogram = metric(9, &[histogram()]);
    for (statement, condition) in [
        ("set(datapoint.count, 11)", "datapoint.count == 11 and datapoint.sum == 12.5"),
        ("set(datapoint.sum, 1.0)", "datapoint.sum == 1.0 and datapoint.count == 10"),
        ("set(datapoint.bucket_counts, [1, 2, 3])", "datapoint.bucket_counts == [1, 2, 3]"),
        ("set(datapoint.explicit_bounds, [0.5])", "datapoint.explicit_bounds[0] == 0.5"),
        ("set(datapoint.min, 0.1)", "datapoint.min == 0.1 and datapoint.max == nil"),
        (
            "scale_metric(2.0)",
            "datapoint.sum == 25.0 and datapoint.explicit_bounds == [3.0] and datapoint.min == 1.0",
        ),
        (
            "keep_keys(datapoint.attributes, [])",
            "Len(datapoint.attributes) == 0 and datapoint.count == 10",
        ),
    ] {
        check(Signal::Metrics, &histogram, &[statement], condition);
    }
}

/// Names of the metrics that are left.
fn names(payload: &[u8]) -> Vec<String> {
    let request = lucarne_otlp::view::MetricsRequest::new(payload);
    let mut names = Vec::new();
    for resource in request.resources() {
        for scope in resource.unwrap().scopes() {
            names.extend(scope.unwrap().metrics().map(|metric| metric.unwrap().name.into()));
        }
    }
    names
}

#[test]
fn metrics_are_copied_and_extracted() {
    let histogram = metric(9, &[histogram()]);
    let run = |statement: &str| {
        let mode = ErrorMode::Ignore;
        let transform = Transform::compile(Signal::Metrics, None, &[], &[statement], mode).unwrap();
        names(&transform.apply(&histogram, NOW).unwrap().payload)
    };
    let name = "system.processes.count";
    assert_eq!(run("extract_count_metric(true)"), [name, "system.processes.count_count"]);
    assert_eq!(
        run(r#"extract_count_metric(true, ".count")"#),
        [name, "system.processes.count.count"]
    );
    assert_eq!(run("extract_sum_metric(false)"), [name, "system.processes.count_sum"]);
    assert_eq!(run(r#"copy_metric(name="copy") where metric.name != "copy""#), [name, "copy"]);
    assert_eq!(run("convert_sum_to_gauge()"), [name]);
    // A statement that copies its own copies ends at a bound.
    assert_eq!(run("copy_metric()").len(), 257);
    let extracted = r#"metric.name == "system.processes.count_count" and metric.type == 2"#;
    let transform = Transform::compile(
        Signal::Metrics,
        None,
        &[],
        &["extract_count_metric(true)"],
        ErrorMode::Propagate,
    );
    let after = transform.unwrap().apply(&histogram, NOW).unwrap().payload.into_owned();
    let filter = Filter::compile(Signal::Metrics, None, &[extracted], ErrorMode::Propagate);
    assert_eq!(names(&filter.unwrap().apply(&after, NOW).unwrap().payload), [name]);
}

#[test]
fn filters_drop_records_and_what_is_empty_then() {
    let sum = metric(7, &[number(r#"{"a":1}"#, 5), number(r#"{"a":2}"#, 7)]);
    let one = metric(7, &[number(r#"{"a":2}"#, 7)]);
    let run = |context, conditions: &[&str]| {
        let filter =
            Filter::compile(Signal::Metrics, Some(context), conditions, ErrorMode::Propagate);
        filter.unwrap().apply(&sum, NOW).unwrap().payload.into_owned()
    };
    assert_eq!(run(Context::DataPoint, &[r#"attributes["a"] == 1"#]), one);
    assert_eq!(run(Context::DataPoint, &["value_int == 5", "value_int == 7"]), Vec::<u8>::new());
    assert_eq!(run(Context::DataPoint, &[r#"metric.type == METRIC_DATA_TYPE_GAUGE"#]), sum);
    assert_eq!(run(Context::Metric, &[r#"HasAttrKeyOnDatapoint("a")"#]), Vec::<u8>::new());
    assert_eq!(run(Context::Metric, &[r#"HasAttrKeyOnDatapoint("b")"#]), sum);
    assert_eq!(run(Context::Metric, &[r#"HasAttrOnDatapoint("a", "2")"#]), Vec::<u8>::new());
    assert_eq!(run(Context::Metric, &[r#"HasAttrOnDatapoint("a", "3")"#]), sum);
    assert_eq!(run(Context::Resource, &[r#"attributes["k"] == "v""#]), Vec::<u8>::new());
    assert_eq!(run(Context::Scope, &[r#"name == "scope""#]), Vec::<u8>::new());
}
