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
