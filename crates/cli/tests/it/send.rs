//! `lucarne send` as a process against a receiver that misbehaves in every way that counts.

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};

use super::command_line::text;
use super::receiver::{Answer, Receiver};

async fn send(address: &str, args: &[&str]) -> (Option<i32>, serde_json::Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lucarne"));
    command.args(["send", "--endpoint", address, "--output", "json", "--seed", "1"]).args(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    let Output { status, stdout, stderr } = run.await.unwrap();
    assert_eq!(text(&stderr), "");
    (status.code(), serde_json::from_slice(&stdout).unwrap())
}

fn counts(report: &serde_json::Value) -> [u64; 7] {
    ["sent", "accepted", "rejected", "refused", "retried", "unknown", "failed"]
        .map(|key| report[key].as_u64().unwrap())
}

const TEN_BATCHES: [&str; 6] = ["--count", "1000", "--batch", "100", "--in-flight", "1"];

#[tokio::test(flavor = "multi_thread")]
async fn every_transport_and_signal_arrives() {
    let paths = [
        ("logs", "logs.v1.LogsService", "/v1/logs"),
        ("metrics", "metrics.v1.MetricsService", "/v1/metrics"),
        ("traces", "trace.v1.TraceService", "/v1/traces"),
    ];
    for (signal, service, http_path) in paths {
        for protocol in ["grpc", "http/protobuf"] {
            let (receiver, address) = Receiver::start(&[]).await;
            let mut args = TEN_BATCHES.to_vec();
            args.extend(["--signal", signal, "--protocol", protocol, "--durability", "sealed"]);
            let (code, report) = send(&address.to_string(), &args).await;
            assert_eq!((code, counts(&report)), (Some(0), [1000, 1000, 0, 0, 0, 0, 0]), "{args:?}");
            let grpc_path = format!("/opentelemetry.proto.collector.{service}/Export");
            let expected = if protocol == "grpc" { &grpc_path } else { http_path };
            let requests = receiver.requests.lock().unwrap();
            assert_eq!(requests.len(), 10);
            for (path, headers) in requests.iter() {
                assert_eq!(path.as_str(), expected);
                assert_eq!(headers["lucarne-durability"], "sealed");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_sent_again_under_the_same_ids() {
    for protocol in ["grpc", "http/protobuf"] {
        let (receiver, address) = Receiver::start(&[Answer::Refuse, Answer::Refuse]).await;
        let mut args = TEN_BATCHES.to_vec();
        args.extend(["--protocol", protocol]);
        let (code, report) = send(&address.to_string(), &args).await;
        assert_eq!((code, counts(&report)), (Some(0), [1000, 1000, 0, 200, 2, 0, 0]), "{protocol}");
        let ids = receiver.executions();
        assert_eq!(ids.len(), 1000);
        assert!(ids.first().unwrap().ends_with("-000000000"), "{:?}", ids.first());
        assert!(ids.last().unwrap().ends_with("-000000999"), "{:?}", ids.last());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_taken_is_sent_under_new_ids_and_not_claimed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("acked");
    for protocol in ["grpc", "http/protobuf"] {
        let (receiver, address) = Receiver::start(&[Answer::TakeAndCut]).await;
        let mut args = TEN_BATCHES.to_vec();
        args.extend(["--protocol", protocol, "--durability", "archived"]);
        args.extend(["--ids", file.to_str().unwrap()]);
        let (code, report) = send(&address.to_string(), &args).await;
        assert_eq!((code, counts(&report)), (Some(0), [1000, 1000, 0, 0, 1, 100, 0]), "{protocol}");
        let acked: Vec<String> = std::fs::read_to_string(&file)
            .unwrap()
            .lines()
            .map(|line| line.strip_suffix(" archived").unwrap().to_owned())
            .collect();
        let unique: BTreeSet<String> = acked.iter().cloned().collect();
        assert_eq!((acked.len(), unique.len()), (1000, 1000));
        let taken = receiver.executions();
        assert_eq!(taken.len(), 1100);
        assert!(unique.is_subset(&taken));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_given_up_is_exit_one() {
    let (_receiver, address) = Receiver::start(&[Answer::Malformed, Answer::RejectThree]).await;
    let (code, report) = send(&address.to_string(), &TEN_BATCHES).await;
    assert_eq!((code, counts(&report)), (Some(1), [1000, 897, 3, 0, 0, 0, 100]));
    assert_eq!(report["last_failure"], "gRPC status 3");

    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, report) =
        send(&gone.to_string(), &["--count", "5", "--batch", "5", "--patience", "0.1"]).await;
    assert_eq!((code, report["failed"].as_u64()), (Some(1), Some(5)));
    assert!(report["last_failure"].as_str().unwrap().starts_with("cannot connect: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_values_all_arrive_wherever_they_belong() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secrets");
    let places = [
        "attr:form.income=",
        "body:Calculation result: ",
        "resource:applicant.ip=",
        "scope:",
        "span:form.income=",
        "name:",
        "status:",
        "event:result.x=",
        "label:amount_range=",
        "",
    ];
    let mut secrets = String::new();
    for number in 0..100 {
        let place = places[number % places.len()];
        secrets.push_str(&format!("{place}planted-{number:03}-value\n"));
    }
    std::fs::write(&file, secrets).unwrap();
    for (protocol, signal) in [("grpc", "logs"), ("grpc", "mixed"), ("http/json", "mixed")] {
        let (receiver, address) = Receiver::start(&[]).await;
        let mut args = TEN_BATCHES.to_vec();
        args.extend(["--secrets", file.to_str().unwrap()]);
        args.extend(["--protocol", protocol, "--signal", signal]);
        if protocol == "http/json" {
            // This receiver answers in protobuf; an empty answer is no JSON, so the run fails and
            // says so.
            let (code, report) = send(&address.to_string(), &args).await;
            assert_eq!((code, report["planted"].as_u64()), (Some(1), Some(0)));
            continue;
        }
        let (code, report) = send(&address.to_string(), &args).await;
        assert_eq!((code, report["planted"].as_u64()), (Some(0), Some(100)), "{args:?}");
        let taken = receiver.taken.lock().unwrap();
        let text = String::from_utf8_lossy(&taken);
        for number in 0..100 {
            let value = format!("planted-{number:03}-value");
            assert_eq!(text.matches(&value).count(), 1, "{value} with {args:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_is_kept() {
    let (_receiver, address) = Receiver::start(&[]).await;
    let (code, report) =
        send(&address.to_string(), &["--rate", "2000", "--duration", "1", "--batch", "50"]).await;
    let sent = report["sent"].as_u64().unwrap();
    assert_eq!(code, Some(0));
    assert!((1500..=2000).contains(&sent), "{sent} records in a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_in_time_plants_what_is_left_at_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secrets");
    std::fs::write(&file, "body:planted\n".repeat(20)).unwrap();
    // A batch of 900 of 1,000 records a second: the run ends with most of its values not yet due.
    let args = ["--rate", "1000", "--duration", "0.5", "--batch", "900"];
    let (receiver, address) = Receiver::start(&[]).await;
    let secrets = ["--secrets", file.to_str().unwrap()];
    let (code, report) = send(&address.to_string(), &[&args[..], &secrets].concat()).await;
    assert_eq!((code, report["planted"].as_u64()), (Some(0), Some(20)));
    let taken = receiver.taken.lock().unwrap();
    assert_eq!(String::from_utf8_lossy(&taken).matches("planted").count(), 20);
}
