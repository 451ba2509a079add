//! OTLP out, read back by views and by a decoder of other code; answers judged case by case.

use http::{HeaderMap, HeaderValue, StatusCode};
use lucarne_ledger::identity::LedgerKind;
use lucarne_otlp::view::{AnyValue, LogsRequest, MetricsRequest, TracesRequest};
use prost::Message;

use super::answer::judge;
use super::*;
use crate::export::client::{Answer, Client, Endpoint, Version};
use crate::export::push::{Encoder, Push, Verdict};
use crate::export::samples::{self, Receiver, record};
use crate::export::sink::{Reason, Stuck};

const ALL: Signals = Signals { logs: true, metrics: true, traces: true };
const HTTP: Otlp = Otlp { transport: OtlpTransport::Http, signals: ALL };
const GRPC: Otlp = Otlp { transport: OtlpTransport::Grpc, signals: ALL };

fn sample() -> Vec<Item> {
    let json = Bytes::from_static(br#"{"prev_hash":"aa","event_type":"hil.approved"}"#);
    let audit = Entry::Audit { json, record_hash: "bb".into() };
    vec![
        samples::log(1, 9),
        samples::log(2, 17),
        samples::span(),
        samples::histogram(),
        record(LedgerKind::Audit, 5, audit),
    ]
}

fn plain(request: &Request) -> Vec<u8> {
    let mut out = Vec::new();
    let body = request.body();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&body[..]), &mut out).unwrap();
    out
}

fn shown(value: AnyValue<'_>) -> String {
    let mut out = Vec::new();
    lucarne_otlp::display::value_to_json(value, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn records_go_out_as_sealed_with_their_provenance_appended() {
    let requests = HTTP.encode(&sample(), &mut Tally::default());
    let paths: Vec<_> = requests.iter().map(|request| (request.path, request.items())).collect();
    assert_eq!(paths, [("/v1/logs", 3), ("/v1/metrics", 1), ("/v1/traces", 1)]);

    let logs = plain(&requests[0]);
    let mut seen = Vec::new();
    for resource in LogsRequest::new(&logs).resources() {
        let resource = resource.unwrap();
        let attributes: Vec<_> =
            resource.resource.attributes().map(|entry| entry.unwrap().key.to_owned()).collect();
        for scope in resource.scopes() {
            let scope = scope.unwrap();
            for log in scope.records() {
                let log = log.unwrap();
                let pairs: Vec<_> = log.attributes().map(Result::unwrap).collect();
                let pairs: Vec<_> =
                    pairs.iter().map(|e| format!("{}={}", e.key, shown(e.value))).collect();
                seen.push((
                    attributes.join(","),
                    scope.scope.name.to_owned(),
                    log.severity_number,
                    pairs.join(" "),
                ));
            }
        }
    }
    let provenance = |index: u64| {
        format!(
            concat!(
                r#"tee_batch_seq="42" tee_cert_thumbprint="sha256:a1b2c3" "#,
                r#"tee_seal="a.seal" tee_record_index="{}""#
            ),
            index
        )
    };
    let known = "service.name,tee_instance_id,tee_epoch".to_owned();
    let log = |index, severity| {
        let pairs = format!(r#"executionId="exec-abc-123" durationMs=342 {}"#, provenance(index));
        (known.clone(), "workflow".to_owned(), severity, pairs)
    };
    let audit = format!(r#"job="tee-audit" {}"#, provenance(5));
    let own = ("tee_instance_id,tee_epoch".to_owned(), String::new(), 9, audit);
    assert_eq!(seen, [log(1, 9), log(2, 17), own]);

    let traces = plain(&requests[2]);
    let resource = TracesRequest::new(&traces).resources().next().unwrap().unwrap();
    let span = resource.scopes().next().unwrap().unwrap().spans().next().unwrap().unwrap();
    assert_eq!((span.name, span.trace_id, span.attributes().count()), ("node", &[0x11; 16][..], 4));
    let metrics = plain(&requests[1]);
    let resource = MetricsRequest::new(&metrics).resources().next().unwrap().unwrap();
    let metric = resource.scopes().next().unwrap().unwrap().metrics().next().unwrap().unwrap();
    assert_eq!(metric.name, "bizfirst_workflow_duration_ms");
}

#[test]
fn a_rewritten_copy_says_that_it_is_not_sealed() {
    let Item::Record(log) = samples::log(1, 9) else { unreachable!() };
    let copy = Item::Record(crate::export::Record { unsealed: true, ..log });
    let request = plain(&HTTP.encode(&[copy], &mut Tally::default())[0]);
    let resource = LogsRequest::new(&request).resources().next().unwrap().unwrap();
    let log = resource.scopes().next().unwrap().unwrap().records().next().unwrap().unwrap();
    let last = log.attributes().last().unwrap().unwrap();
    assert_eq!((last.key, shown(last.value)), ("lucarne.sealed", "false".to_owned()));
}

#[test]
fn only_the_signals_that_are_asked_for_go_out() {
    let traces = Signals { logs: false, metrics: false, traces: true };
    let requests = Otlp { signals: traces, ..HTTP }.encode(&sample(), &mut Tally::default());
    let paths: Vec<_> = requests.iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/v1/traces"]);
}

/// `ResourceLogs` cut to what is compared, read by other code.
#[derive(Clone, PartialEq, Message)]
struct Logs {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceLogs {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeLogs {
    #[prost(message, repeated, tag = "2")]
    records: Vec<LogTimes>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct LogTimes {
    #[prost(fixed64, tag = "1")]
    time: u64,
    #[prost(int32, tag = "2")]
    severity: i32,
}

#[test]
fn another_decoder_reads_the_same() {
    let request = plain(&HTTP.encode(&[samples::log(1, 17)], &mut Tally::default())[0]);
    let logs = Logs::decode(&request[..]).unwrap();
    let expected = LogTimes { time: samples::TIME_NS + 1_000_000_000, severity: 17 };
    assert_eq!(logs.resources[0].scopes[0].records, [expected]);
}

async fn exported(transport: OtlpTransport, version: Version) -> Vec<samples::Got> {
    let ok: samples::Reply = (200, &[("grpc-status", "0"), ("content-type", "application/grpc")]);
    let receiver = Receiver::start(&[ok]).await;
    let endpoint = Endpoint {
        uri: format!("http://{}", receiver.address).parse().unwrap(),
        tls: None,
        headers: HeaderMap::new(),
        bearer_token_file: None,
        timeout: std::time::Duration::from_secs(5),
        version,
    };
    let encoder = Encoder::Otlp(Otlp { transport, signals: ALL });
    let mut push = Push::new(Client::new(endpoint), encoder);
    push.load(&sample());
    push.advance().await.unwrap();
    assert_eq!(push.outcome().0, Tally { sent: 5, refused: 0, skipped: 0 });
    receiver.got()
}

#[tokio::test]
async fn grpc_and_http_reach_the_three_services() {
    let got = exported(OtlpTransport::Grpc, Version::Http2).await;
    let paths: Vec<_> = got.iter().map(|got| &got.path[..]).collect();
    assert_eq!(
        paths,
        [
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        ]
    );
    assert_eq!(
        (&got[0].headers["content-type"], &got[0].headers["te"]),
        (&HeaderValue::from_static("application/grpc"), &HeaderValue::from_static("trailers"))
    );
    assert_eq!(got[0].body, GRPC.encode(&sample(), &mut Tally::default())[0].body());

    let got = exported(OtlpTransport::Http, Version::Http1).await;
    let paths: Vec<_> = got.iter().map(|got| &got.path[..]).collect();
    assert_eq!(paths, ["/v1/logs", "/v1/metrics", "/v1/traces"]);
}

fn answer(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Answer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    let status = StatusCode::from_u16(status).unwrap();
    Answer { status, headers: map, body: Bytes::copy_from_slice(body) }
}

const fn later(reason: Reason, millis: Option<u64>) -> Verdict {
    let retry_after = match millis {
        Some(millis) => Some(std::time::Duration::from_millis(millis)),
        None => None,
    };
    Verdict::Later(Stuck { reason, retry_after })
}

#[test]
fn answers_over_http() {
    use OtlpTransport::Http;
    // partial_success { rejected_log_records: 3 }
    assert_eq!(judge(Http, &answer(200, &[], &[0x0a, 2, 8, 3])), Verdict::Taken { refused: 3 });
    assert_eq!(judge(Http, &answer(200, &[], &[])), Verdict::Taken { refused: 0 });
    assert_eq!(judge(Http, &answer(400, &[], &[])), Verdict::Never(Reason::Status(400)));
    assert_eq!(judge(Http, &answer(500, &[], &[])), Verdict::Never(Reason::Status(500)));
    for status in [429, 502, 503, 504] {
        let answer = answer(status, &[("retry-after", "2")], &[]);
        assert_eq!(judge(Http, &answer), later(Reason::Status(status), Some(2000)));
    }
    assert_eq!(judge(Http, &answer(403, &[], &[])), later(Reason::Status(403), None));
}

#[test]
fn answers_over_grpc() {
    use OtlpTransport::Grpc;
    let status = |code: &str| answer(200, &[("grpc-status", code)], &[]);
    let partial = answer(200, &[("grpc-status", "0")], &[0, 0, 0, 0, 4, 0x0a, 2, 8, 3]);
    assert_eq!(judge(Grpc, &partial), Verdict::Taken { refused: 3 });
    assert_eq!(judge(Grpc, &status("0")), Verdict::Taken { refused: 0 });
    for code in [1, 4, 7, 10, 11, 12, 14, 15, 16] {
        assert_eq!(judge(Grpc, &status(&code.to_string())), later(Reason::Grpc(code), None));
    }
    for code in [2, 3, 5, 6, 8, 9, 13, 99] {
        assert_eq!(judge(Grpc, &status(&code.to_string())), Verdict::Never(Reason::Grpc(code)));
    }
    // Status { code: 8, details: [Any { type.googleapis.com/google.rpc.RetryInfo, { 1 s, 500 ms }
    // }] }
    let details = "CAgaNgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIKCggIARCAyrXuAQ";
    let exhausted = answer(200, &[("grpc-status", "8"), ("grpc-status-details-bin", details)], &[]);
    assert_eq!(judge(Grpc, &exhausted), later(Reason::Grpc(8), Some(1500)));
    assert_eq!(judge(Grpc, &answer(502, &[], &[])), later(Reason::Status(502), None));
    assert_eq!(judge(Grpc, &answer(200, &[], &[])), later(Reason::Protocol, None));
}
