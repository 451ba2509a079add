//! "What crosses", the table of the design of the boundary: one test a row, each on the bytes of
//! the uplink and on those of every exporter of the gateway.
//!
//! What must cross is looked for in both places; what must not was accepted by the enclave and is
//! in neither, in no form.

use std::net::TcpListener;

use lucarne_cli::telemetry::logs::{self, Level, LogRecord};
use lucarne_cli::telemetry::traces::{self, Span, SpanEvent};
use lucarne_cli::telemetry::{Attribute, SpanContext, Value};
use lucarne_ledger::batch::claimed_statement;
use lucarne_ledger::checkpoint::Checkpoint;
use lucarne_ledger::hash::{Hash, from_hex, to_hex};
use lucarne_otlp::Signal;
use lucarne_otlp::wire::Writer;

use super::collectors::{OTLP_GRPC, REMOTE_WRITE};
use super::crossing::{
    Crossed, Crossing, Fact, JSONL, Kind, TIME, attribute, contains, contract, counter, field,
    request,
};
use super::process::{PATIENCE, until};
use super::site::Changes;
use super::tap::json_payload;

const CONTEXT: SpanContext = SpanContext { trace: [0xa1; 16], span: [0xb2; 8] };
/// A heartbeat a second, for tests that look at them.
const QUICK_BEAT: &str = "limits: { heartbeat_ms: 1000 }\n";

/// Sends requests to a site of its own and ends it.
#[track_caller]
fn crossed(contract: Option<&str>, requests: &[(Signal, Vec<u8>)]) -> Crossed {
    let mut crossing = Crossing::start(&Changes::default(), contract);
    for (signal, request) in requests {
        crossing.send(*signal, request);
    }
    crossing.finish()
}

fn log(body: &str, attributes: &[(&str, Value)]) -> (Signal, Vec<u8>) {
    let attributes = attributes.iter().map(|(key, value)| Attribute::new(key, value.clone()));
    let record = LogRecord {
        time_ns: TIME,
        level: Level::Error,
        body: body.into(),
        attributes: attributes.collect(),
        context: CONTEXT,
        event_name: String::new(),
    };
    let request = request(|scope| scope.message(logs::ITEM_FIELD, |item| record.write(item)));
    (Signal::Logs, request)
}

fn message(text: &str) -> Fact {
    let json = serde_json::to_string(text).unwrap();
    Fact::member("message", &json, |record| {
        record.message(5, |body| body.bytes(1, text.as_bytes()));
    })
}

/// A span of everything that a span may have; `more` writes what the structure cannot say.
fn span(name: &str, more: impl FnOnce(&mut Writer<'_>)) -> (Signal, Vec<u8>) {
    let span = Span {
        context: CONTEXT,
        parent: Some([0xc3; 8]),
        name: name.to_owned(),
        start_ns: TIME + 1_234_567,
        end_ns: TIME + 9_876_543,
        attributes: vec![
            Attribute::new("executionId", "exec-span-attribute"),
            Attribute::new("form.income", "income-of-95000.4711"),
        ],
        events: vec![SpanEvent {
            time_ns: TIME + 2_000_000,
            name: "event-named-by-hand".to_owned(),
            attributes: vec![
                Attribute::new("exception.message", "cannot divide 1500000 by zero"),
                Attribute::new("exception.stacktrace", "at Scoring.divide(Scoring.java:42)"),
            ],
        }],
        error: Some("status message of the failure".to_owned()),
    };
    let request = request(|scope| {
        scope.message(traces::ITEM_FIELD, |item| {
            span.write(item);
            more(item);
        });
    });
    (Signal::Traces, request)
}

/// What crosses of every span above.
fn check_span_reference(crossed: &Crossed) {
    let id = |key: &str, number: u32, id: &[u8]| {
        Fact::member(key, &format!("\"{}\"", to_hex(id)), |span| span.bytes(number, id))
    };
    let time = |key: &str, number: u32, millis: u64, text: &str| {
        Fact::member(key, &format!("\"2023-11-14T22:13:20.{text}Z\""), |span| {
            span.fixed64(number, TIME + millis * 1_000_000);
        })
    };
    for fact in [
        id("traceId", 1, &CONTEXT.trace),
        id("spanId", 2, &CONTEXT.span),
        id("parentSpanId", 4, &[0xc3; 8]),
        time("timestamp", 7, 1, "001000000"),
        time("endTimestamp", 8, 9, "009000000"),
        Fact::member("status", "\"error\"", |span| span.message(15, |it| it.varint(3, 2))),
    ] {
        crossed.has(Kind::Span, &fact);
    }
}

#[test]
fn a_log_record_with_its_attributes_code_ids_and_duration_crosses() {
    let crossed = crossed(
        None,
        &[log(
            "node completed",
            &[
                ("executionId", "exec-row-1".into()),
                ("tenantHash", "t_0a1b2c3d4e".into()),
                ("errorCode", "E_ROW_ONE".into()),
                ("durationMs", 424_242.into()),
            ],
        )],
    );
    for fact in [
        Fact::text("executionId", "exec-row-1"),
        Fact::text("tenantHash", "t_0a1b2c3d4e"),
        Fact::text("errorCode", "E_ROW_ONE"),
        Fact::int("durationMs", 424_242),
        Fact::member("traceId", &format!("\"{}\"", "a1".repeat(16)), |log| {
            log.bytes(9, &CONTEXT.trace);
        }),
        Fact::member("spanId", &format!("\"{}\"", "b2".repeat(8)), |log| {
            log.bytes(10, &CONTEXT.span);
        }),
        Fact::member("level", "\"Error\"", |log| log.varint(2, 17)),
    ] {
        crossed.has(Kind::Log, &fact);
    }
}

#[test]
fn free_text_crosses_only_as_the_contract_names_it() {
    let named = "    - { pattern: 'step [0-9]{1,3} done' }\n    - \"workflow started\"\n";
    let contract = contract(&[("    - \"workflow started\"\n", named)]);
    let bodies =
        ["node completed", "step 42 done", "step 42 done for Quaverly", "asked by Erika Quaverly"];
    let record = |body: &&str| {
        let id = format!("exec-{}-{}", body.len(), body.split(' ').next().unwrap());
        log(body, &[("executionId", id.into())])
    };
    let crossed = crossed(Some(&contract), &bodies.iter().map(record).collect::<Vec<_>>());
    crossed.has(Kind::Log, &message("node completed"));
    crossed.has(Kind::Log, &message("step 42 done"));
    crossed.lacks(&["Quaverly".into(), "asked by".into()]);
    // A record whose body was withheld goes on without it.
    for id in ["exec-14-node", "exec-12-step", "exec-25-step", "exec-23-asked"] {
        crossed.has(Kind::Log, &Fact::text("executionId", id));
    }
}

#[test]
fn a_calculation_result_is_held_by_the_contract_and_caught_when_the_contract_is_wrong() {
    let text = "Calculation result: 1500000";
    let calculated = [log(text, &[("executionId", "exec-row-3".into())])];
    let held = crossed(None, &calculated);
    held.has(Kind::Log, &Fact::text("executionId", "exec-row-3"));
    held.lacks(&[text.into()]);

    let wrong = format!("    - \"{text}\"\n    - \"workflow started\"\n");
    let wrong = contract(&[("    - \"workflow started\"\n", &wrong)]);
    let slipped = crossed(Some(&wrong), &calculated);
    slipped.uplink_has(Kind::Log, &message(text));
    slipped.exporters_lack(&[text.into()]);
}

#[test]
fn a_metric_with_a_tenant_hash_crosses() {
    let tenant = Fact::text("tenant_hash", "t_0a1b2c3d4e");
    let request = request(|scope| counter(scope, |point| attribute(point, 7, &tenant)));
    let crossed = crossed(None, &[(Signal::Metrics, request)]);
    crossed.has(Kind::Metric, &tenant);
    for exporter in [JSONL, OTLP_GRPC, REMOTE_WRITE] {
        assert!(crossed.is_at(exporter, b"bizfirst_workflow_executions_total"), "{exporter}");
    }
}

/// The value of a metric that no contract names.
const GRANTED: i64 = 9_876_543_210_123_456;

/// Two points of one tenant that only their amounts tell apart, and a metric of amounts.
fn amounts() -> (Signal, Vec<u8>) {
    let tenant = Fact::text("tenant_hash", "t_5eed5eed");
    let request = request(|scope| {
        scope.message(2, |metric| {
            metric.bytes(1, b"bizfirst_workflow_executions_total");
            metric.message(7, |sum| {
                for (range, value) in [("0-1000000", 3_000_017), ("1000000-2000000", 4_000_053)] {
                    sum.message(1, |point| {
                        attribute(point, 7, &tenant);
                        attribute(point, 7, &Fact::text("amount_range", range));
                        point.fixed64(3, TIME);
                        point.fixed64(6, value);
                    });
                }
                sum.varint(2, 2);
                sum.varint(3, 1);
            });
        });
        scope.message(2, |metric| {
            metric.bytes(1, b"loan_amounts_granted");
            metric.message(5, |gauge| {
                gauge.message(1, |point| point.fixed64(6, GRANTED.cast_unsigned()));
            });
        });
    });
    (Signal::Metrics, request)
}

#[test]
fn an_amount_range_is_taken_off_and_its_series_are_added_up() {
    let amounts = [amounts()];
    let held = crossed(None, &amounts);
    held.has(Kind::Metric, &Fact::text("tenant_hash", "t_5eed5eed"));
    held.has(Kind::Metric, &Fact::value(7_000_070));
    held.lacks(&[
        "amount_range".into(),
        "1000000-2000000".into(),
        "loan_amounts_granted".into(),
        Value::Int(GRANTED),
    ]);
    for part in [3_000_017, 4_000_053] {
        let Fact { otlp, remote, .. } = Fact::value(part);
        assert!(!held.is_at(OTLP_GRPC, &otlp) && !held.is_at(REMOTE_WRITE, &remote), "{part}");
    }

    let wrong = contract(&[
        ("\nlabels:\n", "\nlabels:\n  amount_range: { type: string, pattern: '[0-9-]{3,20}' }\n"),
        (
            "bizfirst_workflow_executions_total: { labels: [",
            "bizfirst_workflow_executions_total: { labels: [amount_range, ",
        ),
    ]);
    let slipped = crossed(Some(&wrong), &amounts);
    slipped.uplink_has(Kind::Metric, &Fact::text("amount_range", "1000000-2000000"));
    // What was found is said by its key, and never by its value.
    slipped.exporters_lack(&["1000000-2000000".into()]);
    assert!(!slipped.is_at(REMOTE_WRITE, b"amount_range"));
}

/// A point of an exponential histogram whose samples add up to `sum`.
fn exponential(metric: &mut Writer<'_>, outcome: &str, count: u64, sum: f64) {
    metric.message(1, |point| {
        attribute(point, 1, &Fact::text("outcome", outcome));
        point.fixed64(3, TIME);
        point.fixed64(4, count);
        point.double(5, sum);
        point.zigzag(6, 20); // the finest scale: a bucket is a millionth wide
        point.message(8, |positive| {
            positive.zigzag(1, 16_843_009);
            positive.message(2, |counts| counts.packed_varint(count));
        });
        point.double(12, sum);
        point.double(13, sum);
    });
}

#[test]
fn exemplars_and_exponential_histograms_of_one_sample_do_not_cross() {
    let tenant = Fact::text("tenant_hash", "t_e8e8e8e8");
    let request = request(|scope| {
        counter(scope, |point| {
            attribute(point, 7, &tenant);
            point.message(5, |exemplar| {
                exemplar.double(3, 95_000.471_1);
                exemplar.bytes(4, b"exemplar");
                exemplar.bytes(5, b"trace-of-exempla");
                attribute(exemplar, 7, &Fact::text("form.income", "income-of-95000"));
            });
        });
        scope.message(2, |metric| {
            metric.bytes(1, b"bizfirst_workflow_duration_ms");
            metric.message(10, |histogram| {
                exponential(histogram, "failed", 1, 48_291.371_845);
                exponential(histogram, "completed", 2, 61_837.914_263);
                histogram.varint(2, 2);
            });
        });
    });
    let crossed = crossed(None, &[(Signal::Metrics, request)]);
    crossed.has(Kind::Metric, &tenant);
    crossed.has(Kind::Metric, &Fact::text("outcome", "completed"));
    crossed.has(Kind::Metric, &Fact::sum(61_837.914_263));
    crossed.lacks(&[
        Value::Double(48_291.371_845),
        Value::Double(95_000.471_1),
        "exemplar".into(),
        "trace-of-exempla".into(),
        "form.income".into(),
        "income-of-95000".into(),
    ]);
}

#[test]
fn trace_and_span_ids_parent_times_and_status_cross() {
    let crossed = crossed(None, &[span("node", |_| {})]);
    check_span_reference(&crossed);
}

#[test]
fn a_span_name_crosses_only_from_the_list() {
    let other = "assess Erika Quaverly";
    let crossed = crossed(None, &[span("node calculation", |_| {}), span(other, |_| {})]);
    check_span_reference(&crossed);
    let name = |text: &str| {
        Fact::member("name", &format!("\"{text}\""), |span| span.bytes(5, text.as_bytes()))
    };
    crossed.has(Kind::Span, &name("node calculation"));
    crossed.lacks(&[other.into(), "Quaverly".into()]);
}

#[test]
fn attributes_and_events_of_spans_and_attributes_of_links_do_not_cross() {
    let link = |item: &mut Writer<'_>| {
        item.bytes(3, b"vendor=trace-state");
        item.message(13, |link| {
            link.bytes(1, &[0xd4; 16]);
            link.bytes(2, &[0xe5; 8]);
            link.bytes(3, b"vendor=link-state");
            attribute(link, 4, &Fact::text("applicant.id", "applicant-of-link"));
        });
    };
    let crossed = crossed(None, &[span("node", link)]);
    check_span_reference(&crossed);
    // What a link refers to crosses; what it says does not.
    let linked = field(|span| {
        span.message(13, |link| {
            link.bytes(1, &[0xd4; 16]);
            link.bytes(2, &[0xe5; 8]);
        });
    });
    assert!(crossed.is_at(OTLP_GRPC, &linked));
    crossed.lacks(&[
        "exec-span-attribute".into(),
        "form.income".into(),
        "income-of-95000.4711".into(),
        "event-named-by-hand".into(),
        "applicant.id".into(),
        "applicant-of-link".into(),
        "vendor=trace-state".into(),
        "vendor=link-state".into(),
        "status message of the failure".into(),
    ]);
}

#[test]
fn an_exception_crosses_as_its_code_alone() {
    let said = [
        ("exception.type", "java.lang.ArithmeticException"),
        ("exception.message", "cannot divide 1500000 by zero"),
        ("exception.stacktrace", "at Scoring.divide(Scoring.java:42)"),
    ];
    let mut attributes = said.map(|(key, value)| (key, Value::from(value))).to_vec();
    attributes.push(("errorCode", "E_ROW_TEN".into()));
    let crossed = crossed(None, &[log("node failed", &attributes), span("node", |_| {})]);
    crossed.has(Kind::Log, &Fact::text("errorCode", "E_ROW_TEN"));
    check_span_reference(&crossed);
    let unsaid: Vec<Value> =
        said.iter().flat_map(|(key, value)| [Value::from(*key), Value::from(*value)]).collect();
    crossed.lacks(&unsaid);
}

#[test]
fn evidence_checkpoints_and_statements_cross() {
    let changes = Changes { enclave: QUICK_BEAT, ..Changes::default() };
    let crossing = Crossing::start(&changes, None);
    crossing.await_exported(REMOTE_WRITE, b"lucarne_ledger_size");
    let crossed = crossing.finish();
    let said = &crossed.said;
    let binding = said.epoch();

    // Evidence: the measurement that it carries is the one that the exporters show.
    let open = crossed.payload("\"type\":\"open\"");
    let open: serde_json::Value = serde_json::from_slice(open).unwrap();
    let measurement = open["measurement"].as_str().unwrap();
    let measured = from_hex::<48>(measurement).unwrap();
    assert!(said.evidence.iter().all(|evidence| contains(evidence, &measured)));
    let shown = format!("\"tee_measurement\":\"{measurement}\"");
    crossed.exporters_have(Kind::Control, &Fact::line(&shown));

    // Checkpoints: the first of each ledger is the head behind its `open`.
    for note in &said.notes[..2] {
        let text = note.split_inclusive('\n').take(3).collect::<String>();
        let Checkpoint { size, root, .. } = Checkpoint::parse(&text).unwrap();
        let shown = format!("\"head_size\":{size},\"head_root\":\"{root}\"");
        crossed.exporters_have(Kind::Control, &Fact::line(&shown));
    }

    // Statements: the sequence they begin with, and the key that signs them.
    let thumbprint = format!("sha256:{}", Hash::of(&binding.p256_spki));
    for batch in &said.batches {
        let statement = claimed_statement(batch).unwrap();
        let shown = format!("\"tee_batch_seq\":{},", statement.first);
        assert!(crossed.is_at(JSONL, shown.as_bytes()), "{shown}");
    }
    for exporter in Kind::Control.exporters() {
        assert!(crossed.is_at(exporter, thumbprint.as_bytes()), "{exporter}");
    }
    assert!(crossed.is_at(REMOTE_WRITE, binding.epoch_id().to_string().as_bytes()));
}

#[test]
fn the_workloads_health_crosses_by_signed_heartbeats() {
    let workload = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = workload.local_addr().unwrap();
    let changes = Changes { enclave: QUICK_BEAT, workload: Some(address), ..Changes::default() };
    let crossing = Crossing::start(&changes, None);
    let health = || crossing.site.get("/health").unwrap();
    let becomes = |status: u16, state: &str| {
        let expected = (status, format!("{{\"processengine\":\"{state}\"}}"));
        until(state, PATIENCE, || (health() == expected).then_some(()));
    };
    becomes(200, "healthy");
    drop(workload);
    becomes(503, "not-responding");
    let crossed = crossing.finish();
    for state in ["healthy", "not-responding"] {
        crossed.has(Kind::Control, &Fact::line(&format!("\"workload\":\"{state}\"")));
    }
    for value in [1.0, 0.0] {
        let mut series = field(|label| {
            label.bytes(1, b"__name__");
            label.bytes(2, b"lucarne_workload_healthy");
        });
        assert!(crossed.is_at(REMOTE_WRITE, &series));
        series = field(|sample| sample.double(1, value));
        assert!(crossed.is_at(REMOTE_WRITE, &series), "{value}");
    }
}

#[test]
fn signed_json_says_what_crosses_anyway_and_nothing_else() {
    let enclave = "json_batches: { every_records: 10, every_ms: 100 }\n";
    let mut crossing = Crossing::start(&Changes { enclave, ..Changes::default() }, None);
    let requests = [
        log("node completed", &[("executionId", "exec-json-1".into())]),
        log("asked by Erika Quaverly", &[("executionId", "exec-json-2".into())]),
        log("node failed", &[("form.income", "income-of-95000".into()), ("durationMs", 7.into())]),
        span("node calculation", |_| {}),
        amounts(),
    ];
    for (signal, request) in &requests {
        crossing.send(*signal, request);
    }
    let crossed = crossing.finish();
    assert!(!crossed.said.json_batches.is_empty());
    let batches: Vec<serde_json::Value> = (crossed.said.json_batches.iter())
        .map(|batch| serde_json::from_slice(&json_payload(batch, &crossed.said.key())).unwrap())
        .collect();
    let records: Vec<_> =
        batches.iter().flat_map(|batch| batch["records"].as_array().unwrap()).collect();
    let of = |key: &str, value: serde_json::Value| {
        let mut found = records.iter().filter(|record| record["attributes"][key] == value);
        let record = found.next().unwrap();
        assert!(found.next().is_none(), "{key}");
        (record["level"].as_str().unwrap(), record["message"].as_str())
    };
    assert_eq!(of("executionId", "exec-json-1".into()), ("Error", Some("node completed")));
    assert_eq!(of("executionId", "exec-json-2".into()), ("Error", None));
    assert_eq!(of("durationMs", 7.into()), ("Error", Some("node failed")));
    let numbers: Vec<u64> =
        batches.iter().map(|batch| batch["sequence"].as_u64().unwrap()).collect();
    assert_eq!(numbers, Vec::from_iter(1..=batches.len() as u64));
    crossed.has(Kind::Log, &Fact::text("executionId", "exec-json-1"));
    crossed.lacks(&[
        "Quaverly".into(),
        "asked by".into(),
        "form.income".into(),
        "income-of-95000".into(),
        "amount_range".into(),
        "loan_amounts_granted".into(),
        Value::Int(GRANTED),
    ]);
}
