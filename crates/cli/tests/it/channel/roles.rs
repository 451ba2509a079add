//! What a role may not see is not there for it: no line, no number and no value of a label of a
//! stream that is not its own, by whichever way it asks.

use std::process::Command;
use std::time::Duration;

use lucarne_cli::otlp_client::{Client, Options, Outcome, Protocol};
use lucarne_cli::telemetry::logs::{Level, LogRecord, write_logs};
use lucarne_cli::telemetry::traces::{Span, write_traces};
use lucarne_cli::telemetry::{Attribute, Source, SpanContext};
use lucarne_ledger::hash::to_hex;
use lucarne_otlp::Signal;

use super::*;
use crate::process::Process;
use crate::site::{http, replace};

/// In every name and value of the stream that a clerk may not see.
const HIDDEN: &str = "payroll";
const SEEN: &str = "credit";
/// A trace that both services took part in, and one that only the hidden one knows.
const SHARED: [u8; 16] = [0xab; 16];
const OWN: [u8; 16] = [0xcd; 16];

fn site() -> Inside {
    Inside::start_with(|site| {
        certify(site, "board", "clara", "clerk");
        let file = site.path("tee/enclave.yaml");
        let approver = "- { name: approver,";
        let clerk = format!(
            "- {{ name: clerk, authorities: [ board ], verbs: [ recent, logs, logql, trace, \
             labels, loki, tempo ], streams: [ service_name={SEEN} ] }}\n  {approver}"
        );
        replace(&file, approver, &clerk);
        let verbs = "labels ], all_streams: true, rows_max";
        replace(&file, verbs, &verbs.replace("labels ]", "labels, loki, tempo ]"));
        replace(&file, "  revoked:", "  query_text: recorded\n  revoked:");
    })
}

/// Both services say the same, each in its own words.
fn tell(inside: &Inside) {
    let endpoint = format!("http://{}", inside.site.addresses.grpc).parse().unwrap();
    let (protocol, durability, timeout) = (Protocol::Grpc, None, Duration::from_secs(60));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = Client::new(Options { endpoint, protocol, durability, timeout });
        for service in [SEEN, HIDDEN] {
            for (signal, request) in requests(service) {
                let outcome = client.export(signal, &request).await;
                assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
            }
        }
    });
}

fn requests(service: &str) -> [(Signal, Vec<u8>); 2] {
    let source = Source {
        resource: vec![
            Attribute::new("service.name", service),
            Attribute::new("service.namespace", format!("{service}-space")),
        ],
        scope: format!("{service}-scope"),
    };
    let own = if service == HIDDEN { OWN } else { SHARED };
    let contexts = [(SHARED, 1), (own, 2)].map(|(trace, number)| {
        let mut span = [number; 8];
        span[0] = service.as_bytes()[0];
        SpanContext { trace, span }
    });
    let record = |context: &SpanContext| LogRecord {
        time_ns: now_ns(),
        level: Level::Information,
        body: format!("{service} was here").as_str().into(),
        attributes: vec![Attribute::new("executionId", format!("{service}-7"))],
        context: *context,
        event_name: String::new(),
    };
    let span = |context: &SpanContext| Span {
        context: *context,
        parent: None,
        name: format!("{service}.step"),
        start_ns: now_ns() - 1_000_000,
        end_ns: now_ns(),
        attributes: vec![Attribute::new("node.type", format!("{service}-node"))],
        events: Vec::new(),
        error: None,
    };
    let (mut logs, mut traces) = (Vec::new(), Vec::new());
    write_logs(&mut logs, &source, &contexts.each_ref().map(record));
    write_traces(&mut traces, &source, &contexts.each_ref().map(span));
    [(Signal::Logs, logs), (Signal::Traces, traces)]
}

/// What both are told, who may see one stream and who may see all: the second is there to show
/// that there is something to hide.
#[track_caller]
fn only_its_own(question: &str, clerk: &str, investigator: &str) {
    assert!(!clerk.contains(HIDDEN), "{question}: {clerk}");
    assert!(clerk.contains(SEEN), "{question}: {clerk}");
    assert!(investigator.contains(HIDDEN), "{question}: {investigator}");
}

#[test]
fn a_role_with_streams_sees_no_line_and_no_value_of_another() {
    let inside = site();
    tell(&inside);
    let trace = to_hex(&SHARED);
    let questions: [&[&str]; 8] = [
        &["recent"],
        &["logs"],
        &["logs", "--filter", "executionId=~\".+\""],
        &["logql", "{job=~\".+\"}"],
        &["logql", "{service_name=~\".+\"} | executionId=~\".+\""],
        &["logql", "sum by (service_name) (count_over_time({job=~\".+\"}[5m]))"],
        &["labels", "service_name"],
        &["trace", "--trace-id", &trace, "--output", "json"],
    ];
    for question in questions {
        let [clerk, investigator] = ["clara", "alice"].map(|who| {
            let output = inside.ask(who, inside.channel, question);
            assert_eq!(output.status.code(), Some(5), "{question:?}: {}", text(&output.stderr));
            text(&output.stdout)
        });
        only_its_own(&format!("{question:?}"), &clerk, &investigator);
    }
    // Asked for by name it is as if there were none.
    let hidden = format!("{{service_name=\"{HIDDEN}\"}}");
    let own = to_hex(&OWN);
    for question in [&["logql", &hidden][..], &["recent", "--contains", HIDDEN]] {
        let output = inside.ask("clara", inside.channel, question);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(5), ""));
    }
    let trace = inside.ask("clara", inside.channel, &["trace", "--trace-id", &own]);
    assert_eq!(trace.status.code(), Some(1), "{}", text(&trace.stdout));
    assert!(!text(&trace.stdout).contains(HIDDEN));
    let counted = format!("sum(count_over_time({hidden}[5m]))");
    let counted = inside.ask("clara", inside.channel, &["logql", &counted]);
    let document: Value = serde_json::from_slice(&counted.stdout).unwrap();
    assert_eq!(document["data"]["result"], serde_json::json!([]), "{document}");
    // Neither do the numbers beside it tell that there is something.
    let stats = document["data"]["stats"].to_string();
    let nobody = "sum(count_over_time({service_name=\"nobody\"}[5m]))";
    let nobody = inside.ask("clara", inside.channel, &["logql", nobody]);
    let nobody: Value = serde_json::from_slice(&nobody.stdout).unwrap();
    let bytes = "totalBytesProcessed";
    assert_eq!(document["data"]["stats"]["summary"][bytes], 0, "{stats}");
    assert_eq!(nobody["data"]["stats"]["summary"][bytes], 0, "{stats}");
}

/// The APIs that Grafana asks, each with every way to learn a name or a value.
#[test]
fn a_tunnel_of_a_role_with_streams_shows_no_more() {
    let inside = site();
    tell(&inside);
    let ports = ["clara", "alice"].map(|who| {
        let port = free_port();
        let mut command = Command::new(lucarne_program());
        command
            .args(["tunnel", &format!("--listen={port}")])
            .args(inside.connection(who, inside.channel));
        (port, Process::start(&mut command, &inside.path(&format!("{who}.tunnel"))).ready())
    });
    let get = |at: usize, path: &str| {
        let (status, body) = http(ports[at].0, &format!("GET {path} HTTP/1.1\r\n"), "").unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        body
    };
    let all = "%7Bjob%3D~%22.%2B%22%7D";
    let trace = to_hex(&SHARED);
    let (end_s, start_s) = (now_ns() / 1_000_000_000 + 60, now_ns() / 1_000_000_000 - 600);
    let span = format!("start={start_s}000000000&end={end_s}000000000");
    for path in [
        format!("/loki/api/v1/label/service_name/values?{span}"),
        format!("/loki/api/v1/series?match[]={all}&{span}"),
        format!("/loki/api/v1/query_range?query={all}&{span}"),
        format!(
            "/loki/api/v1/query_range?query=sum%20by%20(service_name)\
             (count_over_time({all}%5B1m%5D))&step=60&{span}"
        ),
        format!(
            "/loki/api/v1/query?query=sum%20by%20(service_name)(count_over_time({all}%5B5m%5D))"
        ),
        format!("/api/traces/{trace}"),
        format!("/api/search?q=%7B%7D&start={start_s}&end={end_s}"),
        format!("/api/v2/search/tag/resource.service.name/values?start={start_s}&end={end_s}"),
    ] {
        only_its_own(&path, &get(0, &path), &get(1, &path));
    }
    // Numbers tell too: half of the records are another's.
    let count = |at| {
        let body =
            get(at, &format!("/loki/api/v1/query?query=sum(count_over_time({all}%5B5m%5D))"));
        let body: Value = serde_json::from_str(&body).unwrap();
        body["data"]["result"][0]["value"][1].as_str().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(count(0) * 2, count(1));
    // Who goes away in the middle of a question takes nobody's answer along.
    let target = format!("/loki/api/v1/query_range?query={all}&{span}");
    for _ in 0..8 {
        let mut client = std::net::TcpStream::connect(ports[1].0).unwrap();
        let head = format!("GET {target} HTTP/1.1\r\nhost: h\r\n\r\n");
        std::io::Write::write_all(&mut client, head.as_bytes()).unwrap();
        drop(client);
        get(1, &target);
    }
    let own = to_hex(&OWN);
    let path = format!("GET /api/traces/{own} HTTP/1.1\r\n");
    assert_eq!(http(ports[0].0, &path, "").unwrap().0, 404);
    assert_eq!(http(ports[1].0, &path, "").unwrap().0, 200);
}

/// `query_text: recorded`: who reads the archive reads what was searched for, word for word, and
/// the digest beside it is of these words; refused questions as well.
#[test]
fn questions_are_recorded_in_their_words_where_the_configuration_says_so() {
    let inside = site();
    tell(&inside);
    let words = "{service_name=\"credit\"} |= \"what was searched\"";
    let granted = inside.ask("alice", inside.channel, &["logql", words]);
    assert_eq!(granted.status.code(), Some(5), "{}", text(&granted.stderr));
    let record = inside.record(number_after(&text(&granted.stderr), "audit records "));
    assert_eq!(
        (&record["event_type"], &record["query_text"]),
        (&"access.query".into(), &words.into())
    );
    assert_eq!(record["query_digest"].as_str().unwrap().len(), 64);
    let refused = inside.ask("gone", inside.channel, &["logql", words]);
    let record = inside.record(number_after(&text(&refused.stderr), "audit record "));
    assert_eq!(
        (&record["event_type"], &record["query_text"]),
        (&"access.refusal".into(), &words.into())
    );
    // An empty question has words too: none.
    let recent = inside.ask("alice", inside.channel, &["recent"]);
    let record = inside.record(number_after(&text(&recent.stderr), "audit records "));
    assert_eq!(record["query_text"], "");
}
