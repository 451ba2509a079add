//! Requests of Grafana 12.2 with what it does with the answers.

use serde_json::{Value, json};

use super::client::{View, escape, now_ns, vectors};

const MINUTE: u64 = 60_000_000_000;

fn push_api(view: &View, now: u64) {
    let lines = [
        "level=info msg=start duration=812µs",
        "level=error msg=failed duration=410ms",
        "level=info msg=done duration=1.2s",
        "level=warn msg=slow duration=90ms",
        "level=info msg=start duration=3ms",
        "level=debug msg=poll duration=1ms",
    ];
    let value = |(n, line): (usize, &&str)| {
        let time = (now - MINUTE + n as u64 * 1_000_000_000).to_string();
        json!([time, line, { "trace_id": format!("{n:032x}") }])
    };
    let values: Vec<Value> = lines.iter().enumerate().map(value).collect();
    view.push(&json!([{ "stream": { "service_name": "api" }, "values": values }]));
}

#[test]
fn every_contract_of_the_loki_data_source_holds() {
    let view = View::start(&[]);
    let now = now_ns();
    push_api(&view, now);
    let file = vectors("grafana_consumer_contracts.json");
    let mut held = Vec::new();
    for (name, contract) in file["contracts"].as_object().unwrap() {
        if contract["datasource"] != "loki" {
            continue;
        }
        let request = &contract["request"];
        let parameters: Vec<String> = request["query"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| {
                let value = value.as_str().unwrap();
                let value = value.replace("${START_NS}", &(now - 30 * MINUTE).to_string());
                let value = value.replace("${END_NS}", &(now + MINUTE).to_string());
                format!("{key}={}", escape(&value))
            })
            .collect();
        let target = format!("{}?{}", request["path"].as_str().unwrap(), parameters.join("&"));
        let headers: String = request["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| format!("{key}: {}\r\n", value.as_str().unwrap()))
            .collect();
        let reply = view.ask(request["method"].as_str().unwrap(), &target, &headers, b"");
        assert_eq!(json!(reply.status), contract["expect"]["status"], "{name} {}", reply.text());
        let body = reply.json();
        for side in ["wire", "data"] {
            for predicate in contract["expect"][side].as_array().into_iter().flatten() {
                assert!(holds(predicate.as_str().unwrap(), &body), "{name} {predicate} {body}");
            }
        }
        held.push(name.as_str());
    }
    assert_eq!(
        held,
        [
            "detected-fields",
            "drilldown-duration-avg-by",
            "drilldown-duration-sum-by",
            "logs-panel-streams",
            "logs-panel-streams-categorized"
        ]
    );
}

fn holds(predicate: &str, body: &Value) -> bool {
    let (name, argument) = predicate.split_once(':').unwrap_or((predicate, ""));
    let result = || body["data"]["result"].as_array().unwrap();
    let fields = || body["fields"].as_array().unwrap();
    let least = || argument.parse::<usize>().unwrap();
    match name {
        "resulttype" => body["status"] == "success" && body["data"]["resultType"] == argument,
        "result-min" => result().len() >= least(),
        "every-series-metric-label" => {
            result().iter().all(|series| series["metric"][argument].is_string())
        }
        "matrix-values-finite-positive" => points(body).all(|v| v.is_finite() && v > 0.0),
        "matrix-max-value" => points(body).all(|value| value <= argument.parse().unwrap()),
        "series-max-value" => {
            let (label, most) = argument.split_once(',').unwrap();
            let (label, wanted) = label.split_once('=').unwrap();
            let of_series =
                |series: &&Value| series["metric"][label] == wanted && !series["metric"].is_null();
            let found: Vec<&Value> = result().iter().filter(of_series).collect();
            let most: f64 = most.parse().unwrap();
            !found.is_empty() && found.iter().flat_map(|series| values(series)).all(|v| v <= most)
        }
        "encoding-flag" => body["data"]["encodingFlags"] == json!([argument]),
        "streams-values-min" => lines(body).count() >= least(),
        "categorized-metadata-min" => {
            assert!(lines(body).all(|line| line.as_array().unwrap().len() == 3));
            let metadata = |line: &&Value| line[2]["structuredMetadata"].is_object();
            lines(body).filter(metadata).count() >= least()
        }
        "fields-min" => fields().len() >= least(),
        "fields-shape" => fields().iter().all(|field| {
            field["label"].is_string()
                && field["type"].is_string()
                && field["cardinality"].is_u64()
                && (field["parsers"].is_null() || field["parsers"].is_array())
        }),
        "field-typed" => {
            let (label, kind) = argument.split_once('=').unwrap();
            fields().iter().any(|field| field["label"] == label && field["type"] == kind)
        }
        other => panic!("nobody checks {other}"),
    }
}

fn lines(body: &Value) -> impl Iterator<Item = &Value> {
    let streams = body["data"]["result"].as_array().unwrap();
    streams.iter().flat_map(|stream| stream["values"].as_array().unwrap())
}

fn values(series: &Value) -> impl Iterator<Item = f64> {
    series["values"].as_array().unwrap().iter().map(|v| v[1].as_str().unwrap().parse().unwrap())
}

fn points(body: &Value) -> impl Iterator<Item = f64> {
    body["data"]["result"].as_array().unwrap().iter().flat_map(values)
}

#[test]
fn the_health_query_has_one_value() {
    let view = View::start(&[]);
    let target = "/loki/api/v1/query?direction=backward&query=vector(1)+vector(1)&time=4000000000";
    // Grafana sends the plus sign escaped; as it is, it is a space, and the query is none.
    assert_eq!(view.ask("GET", target, "", b"").status, 400);
    let target = target.replace(")+v", ")%2Bv");
    let body = view.ask("GET", &target, "", b"").json();
    assert_eq!(body["data"]["resultType"], "vector");
    assert_eq!(
        body["data"]["result"],
        json!([{ "metric": {}, "value": [4_000_000_000_u64, "2"] }])
    );
}

/// Two traces of two services, as OTLP/JSON; the id of the first.
fn push_traces(view: &View, now: u64) -> String {
    let attribute = |key: &str, text: &str| json!({ "key": key, "value": { "stringValue": text } });
    let span = |trace: u8, id: u8, parent: u8, kind: u8, code: u8| {
        let start = now - 2 * MINUTE + u64::from(trace * 16 + id) * 1_000_000;
        let parent = if parent == 0 { String::new() } else { format!("{parent:02x}").repeat(8) };
        json!({
            "traceId": format!("{trace:02x}").repeat(16), "spanId": format!("{id:02x}").repeat(8),
            "parentSpanId": parent, "name": format!("step {id}"), "kind": kind,
            "startTimeUnixNano": start.to_string(),
            "endTimeUnixNano": (start + 500_000).to_string(),
            "status": { "code": code },
        })
    };
    for trace in 1..=2 {
        let resource =
            |service: &str| json!({ "attributes": [attribute("service.name", service)] });
        let batch = |service: &str, spans: Value| {
            let resource = resource(service);
            json!({ "resource": resource, "scopeSpans": [{ "spans": spans }] })
        };
        let front = json!([span(trace, 1, 0, 2, trace % 2 * 2), span(trace, 2, 1, 3, 0)]);
        let back = json!([span(trace, 3, 2, 2, 2)]);
        let body = json!({ "resourceSpans": [batch("front", front), batch("back", back)] });
        let headers = "Content-Type: application/json\r\n";
        let reply = view.ask("POST", "/v1/traces", headers, body.to_string().as_bytes());
        assert_eq!((reply.status, reply.text()), (200, "{}"));
    }
    "01".repeat(16)
}

/// The bytes of each message in a field.
fn messages(message: &[u8], number: u32) -> Vec<&[u8]> {
    let mut reader = lucarne_otlp::wire::Reader::new(message);
    let mut out = Vec::new();
    while let Some(field) = reader.next_field().unwrap() {
        match field.value {
            lucarne_otlp::wire::Value::Bytes(bytes) if field.number == number => out.push(bytes),
            _ => {}
        }
    }
    out
}

#[test]
fn every_contract_of_the_tempo_data_source_holds() {
    let view = View::start(&[]);
    let now = now_ns();
    let id = push_traces(&view, now);
    let file = vectors("grafana_consumer_contracts.json");
    let mut held = Vec::new();
    for (name, contract) in file["contracts"].as_object().unwrap() {
        if contract["datasource"] != "tempo" {
            continue;
        }
        let request = &contract["request"];
        let seconds = |ns: u64| (ns / 1_000_000_000).to_string();
        let filled = |text: &str| {
            text.replace("${START_UNIX}", &seconds(now - 30 * MINUTE))
                .replace("${END_UNIX}", &seconds(now + MINUTE))
                .replace("${TRACE_ID}", &id)
        };
        let parameter = |(key, value): (&String, &Value)| {
            format!("{key}={}", escape(&filled(value.as_str().unwrap())))
        };
        let parameters: Vec<String> =
            request["query"].as_object().unwrap().iter().map(parameter).collect();
        let path = filled(request["path"].as_str().unwrap());
        let header =
            |(key, value): (&String, &Value)| format!("{key}: {}\r\n", value.as_str().unwrap());
        let headers: String = request["headers"].as_object().unwrap().iter().map(header).collect();
        let target = format!("{path}?{}", parameters.join("&"));
        let reply = view.ask("GET", &target, &headers, b"");
        let said = String::from_utf8_lossy(&reply.body);
        assert_eq!(json!(reply.status), contract["expect"]["status"], "{name} {said}");
        let decoded = contract["expect"]["decode"].as_str().unwrap();
        let body = if decoded.ends_with("-proto") { Value::Null } else { reply.json() };
        for side in ["wire", "data"] {
            for predicate in contract["expect"][side].as_array().into_iter().flatten() {
                let predicate = predicate.as_str().unwrap();
                let holds = match decoded {
                    "tempo-trace-v1-proto" => whole_trace(predicate, Some(&reply.body), true),
                    "tempo-trace-v2-proto" => {
                        let trace = messages(&reply.body, 1);
                        let metrics = !messages(&reply.body, 2).is_empty();
                        whole_trace(predicate, trace.first().copied(), metrics)
                    }
                    _ => tempo_holds(predicate, &body),
                };
                assert!(holds, "{name} {predicate} {said}");
            }
        }
        held.push(name.as_str());
    }
    assert_eq!(
        held,
        [
            "drilldown-breakdown-rate-by-kind",
            "drilldown-breakdown-rate-by-name",
            "drilldown-breakdown-rate-by-service-name",
            "drilldown-breakdown-rate-by-status",
            "drilldown-comparison-compare",
            "drilldown-structure-select-nested-set",
            "search-spansets",
            "trace-by-id-v1-proto",
            "trace-by-id-v2-proto",
        ]
    );
}

fn whole_trace(predicate: &str, trace: Option<&[u8]>, metrics: bool) -> bool {
    let (name, argument) = predicate.split_once(':').unwrap_or((predicate, ""));
    match name {
        "trace-present" => trace.is_some(),
        "metrics-block-present" => metrics,
        "trace-resource-spans-min" => {
            messages(trace.unwrap(), 1).len() >= argument.parse::<usize>().unwrap()
        }
        other => panic!("nobody checks {other}"),
    }
}

fn tempo_holds(predicate: &str, body: &Value) -> bool {
    let (name, argument) = predicate.split_once(':').unwrap_or((predicate, ""));
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let number = || argument.parse::<usize>().unwrap();
    let sets =
        || list(&body["traces"]).iter().flat_map(|t| list(&t["spanSets"])).collect::<Vec<_>>();
    let spans = || sets().iter().flat_map(|set| list(&set["spans"])).collect::<Vec<_>>();
    let has = |span: &Value, key: &str, wanted: &dyn Fn(&Value) -> bool| {
        list(&span["attributes"]).iter().any(|a| a["key"] == key && wanted(&a["value"]))
    };
    match name {
        "exemplars-not-null" => list(&body["series"]).iter().all(|s| s["exemplars"].is_array()),
        "series-min" => list(&body["series"]).len() >= number(),
        "every-series-label-key" => list(&body["series"])
            .iter()
            .all(|series| list(&series["labels"]).iter().any(|label| label["key"] == argument)),
        "compare-meta-types" => argument.split(',').all(|wanted| {
            list(&body["series"]).iter().any(|series| {
                let first = &series["labels"][0];
                first["key"] == "__meta_type" && first["value"]["stringValue"] == wanted
            })
        }),
        "traces-min" => list(&body["traces"]).len() >= number(),
        "traces-max" => list(&body["traces"]).len() <= number(),
        "every-trace-has-spansets" => {
            list(&body["traces"]).iter().all(|trace| !list(&trace["spanSets"]).is_empty())
        }
        "spanset-spans-max" => sets().iter().all(|set| list(&set["spans"]).len() <= number()),
        "every-span-int-attr" => spans().iter().all(|span| {
            argument.split(',').all(|key| has(span, key, &|value| value["intValue"].is_string()))
        }),
        "some-span-int-attr" | "some-span-str-attr" => {
            let (key, wanted) = argument.split_once('=').unwrap();
            let kind = if name == "some-span-int-attr" { "intValue" } else { "stringValue" };
            spans().iter().any(|span| has(span, key, &|value| value[kind] == wanted))
        }
        other => panic!("nobody checks {other}"),
    }
}

#[test]
fn traces_are_answered_in_tempos_shapes_and_outlive_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let now = now_ns();
    let mut view = View::over(&data, &[]);
    let id = push_traces(&view, now);
    view.process.stop("-KILL");
    drop(view);
    let view = View::over(&data, &[]);
    assert_eq!(view.get("/api/echo", &[]).text(), "echo");
    let missing = view.get(&format!("/api/traces/{}", "0f".repeat(16)), &[]);
    assert_eq!((missing.status, missing.text()), (404, "trace not found\n"));
    let wrong = view.get("/api/traces/xyz", &[]);
    assert_eq!(wrong.status, 400);
    let v1 = view.get(&format!("/api/traces/{id}"), &[]).json();
    let names = |value: &Value| -> Vec<Value> {
        let batches = value.as_array().unwrap();
        batches.iter().map(|b| b["scopeSpans"][0]["spans"][0]["name"].clone()).collect()
    };
    assert_eq!(names(&v1["batches"]), ["step 1", "step 3"]);
    let first = &v1["batches"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(first["traceId"], "AQEBAQEBAQEBAQEBAQEBAQ==");
    assert_eq!(first["kind"], "SPAN_KIND_SERVER");
    let v2 = view.get(&format!("/api/v2/traces/{id}"), &[]).json();
    assert_eq!(v2["trace"]["resourceSpans"], v1["batches"]);
    let found = view.get("/api/search", &[("tags", "service.name=back"), ("limit", "1")]).json();
    let trace = &found["traces"][0];
    assert_eq!(found["traces"].as_array().unwrap().len(), 1);
    assert_eq!(trace["traceID"], "02".repeat(16));
    assert_eq!(
        (&trace["rootServiceName"], &trace["rootTraceName"]),
        (&json!("front"), &json!("step 1"))
    );
    assert_eq!(trace["spanSet"]["matched"], 1);
    assert_eq!(trace["serviceStats"]["back"], json!({ "spanCount": 1, "errorCount": 1 }));
    let slow = view.get("/api/search", &[("minDuration", "1h")]).json();
    assert_eq!(slow["traces"], json!([]));
    let bad = view.get("/api/search", &[("q", "{ .a = }")]);
    let said = "parse error at line 1, col 8: syntax error: unexpected \"}\", expecting an \
                attribute, an intrinsic or a constant\n";
    assert_eq!((bad.status, bad.text()), (400, said));
    let tags = view.get("/api/v2/search/tags", &[("scope", "resource")]).json();
    assert_eq!(tags["scopes"], json!([{ "name": "resource", "tags": ["service.name"] }]));
    let values = view.get("/api/v2/search/tag/resource.service.name/values", &[]).json();
    let value = |text: &str| json!({ "type": "string", "value": text });
    assert_eq!(values["tagValues"], json!([value("back"), value("front")]));
    let q = [("q", "{ status = error || .nothing = 1 }")];
    let values = view.get("/api/v2/search/tag/.service.name/values", &q).json();
    assert_eq!(values["tagValues"], json!([value("back"), value("front")]));
    let values = view.get("/api/search/tag/service.name/values", &[]).json();
    assert_eq!(values, json!({ "tagValues": ["back", "front"] }));
    let count = [("q", "{ } | count_over_time() by(kind)")];
    let series = view.get("/api/metrics/query", &count).json();
    let of =
        |at: usize| (series["series"][at]["promLabels"].clone(), &series["series"][at]["value"]);
    assert_eq!(of(0), (json!("{kind=\"client\"}"), &json!(2)));
    assert_eq!(of(1), (json!("{kind=\"server\"}"), &json!(4)));
}
