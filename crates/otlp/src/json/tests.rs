//! OTLP/JSON requests and the binary form they must have, and what is refused where.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;
use crate::display::value_to_json;
use crate::limits::VALUE_DEPTH_MAX;
use crate::view::{
    LogsRequest, MetricData, MetricsRequest, NumberValue, Temporality, TracesRequest,
};

fn convert(signal: Signal, json: &str) -> Vec<u8> {
    let mut out = Vec::new();
    to_protobuf(signal, json.as_bytes(), &mut out).unwrap();
    out
}

#[track_caller]
fn refused(json: &str, expected: &str) {
    let mut out = b"before".to_vec();
    let error = to_protobuf(Signal::Logs, json.as_bytes(), &mut out).unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert_eq!(out, b"before");
}

fn record(fields: &str) -> String {
    alloc::format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{{fields}}}]}}]}}]}}"#)
}

#[test]
fn the_log_example_of_the_otlp_documentation() {
    let request = convert(
        Signal::Logs,
        r#"{"resourceLogs":[{"resource":{"attributes":[
        {"key":"service.name","value":{"stringValue":"my.service"}}]},
        "scopeLogs":[{"scope":{"name":"my.library","version":"1.0.0"},"logRecords":[
        {"timeUnixNano":"1544712660300000000",
        "observedTimeUnixNano":"1544712660300000000",
        "severityNumber":10,"severityText":"Information",
        "traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174",
        "unknown":{"a":[1,null]},
        "body":{"stringValue":"Example log record"},"eventName":"e","flags":1,
        "attributes":[{"key":"int","value":{"intValue":"10"}},
        {"key":"array","value":{"arrayValue":{"values":
        [{"boolValue":true},{"doubleValue":637.704},{"bytesValue":"_wA="},
        {"kvlistValue":{"values":[{"key":"k","value":{}}]}}]}}}]}]}]}]}"#,
    );
    let resource = LogsRequest::new(&request).resources().next().unwrap().unwrap();
    let name = resource.resource.attributes().next().unwrap().unwrap();
    assert_eq!(name.key, "service.name");
    let scope = resource.scopes().next().unwrap().unwrap();
    assert_eq!((scope.scope.name, scope.scope.version), ("my.library", "1.0.0"));
    let log = scope.records().next().unwrap().unwrap();
    assert_eq!(log.time_unix_nano, 1_544_712_660_300_000_000);
    assert_eq!(log.observed_time_unix_nano, 1_544_712_660_300_000_000);
    assert_eq!((log.severity_number, log.severity_text), (10, "Information"));
    assert_eq!((log.event_name, log.flags), ("e", 1));
    assert_eq!(log.trace_id, 0x5B8E_FFF7_9803_8103_D269_B633_813F_C60C_u128.to_be_bytes());
    assert_eq!(log.span_id, 0xEEE1_9B7E_C3C1_B174_u64.to_be_bytes());
    let mut shown = Vec::new();
    value_to_json(log.body.unwrap(), &mut shown).unwrap();
    for attribute in log.attributes() {
        let attribute = attribute.unwrap();
        shown.extend_from_slice(attribute.key.as_bytes());
        value_to_json(attribute.value, &mut shown).unwrap();
    }
    assert_eq!(
        String::from_utf8(shown).unwrap(),
        r#""Example log record"int10array[true,637.704,"/wA=",{"k":null}]"#
    );
}

#[test]
fn a_sum_and_a_histogram() {
    let request = convert(
        Signal::Metrics,
        r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
        {"name":"my.counter","unit":"1","sum":
        {"aggregationTemporality":1,"isMonotonic":true,"dataPoints":
            [{"asInt":"-5","startTimeUnixNano":"1","timeUnixNano":2},{"asDouble":5}]}},
        {"name":"my.histogram","histogram":{"aggregationTemporality":2,"dataPoints":
            [{"count":"2","sum":2,"bucketCounts":["1",1],"explicitBounds":[1],"min":0,"max":"2"}]}},
        {"name":"my.exponential","exponentialHistogram":{"dataPoints":
            [{"scale":-2,"zeroCount":3,"positive":{"offset":-1,"bucketCounts":[0,"2"]}}]}}]}]}]}"#,
    );
    let scope = MetricsRequest::new(&request).resources().next().unwrap().unwrap();
    let mut metrics = scope.scopes().next().unwrap().unwrap().metrics().map(Result::unwrap);
    let Some(MetricData::Sum { points, temporality, is_monotonic }) = metrics.next().unwrap().data
    else {
        panic!("not a sum")
    };
    assert_eq!((temporality, is_monotonic), (Temporality::Delta, true));
    let values: Vec<_> = points.map(|point| point.unwrap().value.unwrap()).collect();
    assert_eq!(values, [NumberValue::Int(-5), NumberValue::Double(5.0)]);
    let Some(MetricData::Histogram { mut points, .. }) = metrics.next().unwrap().data else {
        panic!("not a histogram")
    };
    let point = points.next().unwrap().unwrap();
    assert_eq!((point.count, point.sum, point.min), (2, Some(2.0), Some(0.0)));
    assert_eq!(point.max, Some(2.0));
    assert_eq!(point.bucket_counts().map(Result::unwrap).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(point.explicit_bounds().map(Result::unwrap).collect::<Vec<_>>(), [1.0]);
    let Some(MetricData::ExponentialHistogram { mut points, .. }) = metrics.next().unwrap().data
    else {
        panic!("not an exponential histogram")
    };
    let point = points.next().unwrap().unwrap();
    assert_eq!((point.scale, point.zero_count), (-2, 3));
    let positive = point.positive.unwrap();
    assert_eq!(positive.offset, -1);
    assert_eq!(positive.bucket_counts().map(Result::unwrap).collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn a_span() {
    let request = convert(
        Signal::Traces,
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c",
        "spanId":"eee19b7ec3c1b174","parentSpanId":"","name":"node","kind":2,"status":{"code":2},
        "startTimeUnixNano":"5","endTimeUnixNano":"6",
        "links":[{"spanId":"eee19b7ec3c1b175"}]}]}]}]}"#,
    );
    let resource = TracesRequest::new(&request).resources().next().unwrap().unwrap();
    let span = resource.scopes().next().unwrap().unwrap().spans().next().unwrap().unwrap();
    assert_eq!((span.name, span.kind, span.parent_span_id), ("node", 2, &[] as &[u8]));
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (5, 6));
    assert_eq!(span.status.as_ref().map(|status| status.code), Some(2));
    let link = span.links().next().unwrap().unwrap();
    assert_eq!(link.span_id, 0xeee1_9b7e_c3c1_b175_u64.to_be_bytes());
}

#[test]
fn null_is_an_absent_field() {
    let request = convert(Signal::Logs, &record(r#""body":null,"severityText":null"#));
    assert_eq!(request, convert(Signal::Logs, &record("")));
}

#[test]
fn refusals_name_place_and_kind_and_never_the_content() {
    refused("", "line 1, column 0: request ends too early");
    refused("[]", "line 1, column 2: expected an object");
    refused("{\"resourceLogs\":[}", "line 1, column 18: not valid JSON");
    refused("{} x", "line 1, column 4: not valid JSON");
    refused(r#"{"resourceLogs":"secret"}"#, "line 1, column 24: expected an array");
    refused(&record(r#""traceId":"secret""#), "line 1, column 65: expected at most 32 hex digits");
    refused(&record(r#""traceId":"0""#), "line 1, column 60: expected at most 32 hex digits");
    refused(&record(r#""timeUnixNano":"-1""#), "line 1, column 66: expected an integer in range");
    refused(&record(r#""timeUnixNano":1.5"#), "line 1, column 65: expected an integer in range");
    refused(&record(r#""severityText":7"#), "line 1, column 63: expected a string");
    refused(&record(r#""body":{"bytesValue":"%"}"#), "line 1, column 71: expected base64");
    refused(&record(r#""body":{"doubleValue":"x"}"#), "line 1, column 72: expected a number");
    refused(&record(r#""body":{"boolValue":1}"#), "line 1, column 68: expected true or false");
    refused(&record(r#""body":"text""#), "line 1, column 60: expected an object");
}

#[test]
fn values_nest_as_deep_as_the_views_follow_and_no_deeper() {
    let nested = |levels: u8| {
        let mut value = String::from(r#"{"intValue":1}"#);
        for _ in 0..levels {
            value = alloc::format!(r#"{{"arrayValue":{{"values":[{value}]}}}}"#);
        }
        record(&alloc::format!(r#""body":{value}"#))
    };
    let request = convert(Signal::Logs, &nested(VALUE_DEPTH_MAX));
    let scope = LogsRequest::new(&request).resources().next().unwrap().unwrap();
    let log = scope.scopes().next().unwrap().unwrap().records().next().unwrap().unwrap();
    log.body.unwrap().check().unwrap();
    let mut out = Vec::new();
    let error =
        to_protobuf(Signal::Logs, nested(VALUE_DEPTH_MAX + 1).as_bytes(), &mut out).unwrap_err();
    assert_eq!(error.fault, JsonFault::Depth);
    // What nobody reads may nest as it likes: skipping it does not recurse.
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let unknown = alloc::format!(r#"{{"unknown":{open}{close}}}"#);
    assert_eq!(convert(Signal::Logs, &unknown), b"");
}

#[test]
fn too_long_is_refused_before_it_is_read() {
    let long = alloc::vec![b' '; JSON_BYTES_MAX + 1];
    let error = to_protobuf(Signal::Logs, &long, &mut Vec::new()).unwrap_err();
    assert_eq!(error, JsonError { line: 0, column: 0, fault: JsonFault::TooLong });
}
