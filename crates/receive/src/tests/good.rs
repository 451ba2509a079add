//! What is accepted, and what the answers look like.

use std::time::Duration;

use super::super::Protocol;
use super::*;

fn encodings(plain: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    [("identity", plain.to_vec()), ("gzip", gzip(plain)), ("zstd", zstd(plain))]
}

#[tokio::test]
async fn every_signal_in_every_format_and_encoding() {
    let server = Server::start(Limits::STANDARD);
    let mut both = Client::connect(server.http).await;
    let mut bytes = 0;
    for signal in SIGNALS {
        let plain = sample(signal);
        let expected = (signal, Bytes::from(plain.clone()), Durability::Accepted);
        for (encoding, body) in encodings(&plain) {
            let compressed = u8::from(encoding != "identity");
            let fields = [("grpc-encoding", encoding), ("te", "trailers")];
            let reply = call(server.grpc, signal, &fields, &framed(compressed, &body)).await;
            assert_eq!((reply.status, reply.grpc()), (200, 0));
            assert_eq!(reply.body, [0; 5], "one empty message");
            assert_eq!(server.sink.take(), std::slice::from_ref(&expected));

            let fields = [PROTOBUF, ("content-encoding", encoding)];
            let answer = post(server.http, path(signal), &fields, &body).await;
            assert_eq!((answer.status, &answer.body[..]), (200, &b""[..]));
            assert_eq!(answer.header("content-type"), Some("application/x-protobuf"));
            assert_eq!(server.sink.take(), std::slice::from_ref(&expected));

            let reply = both.post(path(signal), &fields, &[&body]).await;
            assert_eq!((reply.status, &reply.body[..]), (200, &b""[..]));
            assert_eq!(server.sink.take(), std::slice::from_ref(&expected));
            bytes += 3 * plain.len() as u64;
        }
        for (encoding, body) in encodings(sample_json(signal).as_bytes()) {
            let fields = [JSON, ("content-encoding", encoding)];
            let answer = post(server.http, path(signal), &fields, &body).await;
            assert_eq!((answer.status, &answer.body[..]), (200, &b"{}"[..]));
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(server.sink.take(), std::slice::from_ref(&expected));
            bytes += plain.len() as u64;
        }
    }
    let snapshot = server.counters.snapshot();
    let accepted = Protocol::ALL.map(|p| SIGNALS.map(|s| snapshot.accepted(p, s)));
    assert_eq!(accepted, [[3, 3, 3], [9, 9, 9]]);
    assert_eq!(snapshot.bytes(), bytes);
    assert_eq!(server.refused(), BTreeMap::new());
    server.stop().await;
}

#[tokio::test]
async fn large_requests_come_whole() {
    let server = Server::start(Limits::STANDARD);
    let mut large = Vec::new();
    let content: Vec<u8> = (0..3_000_000_u32).map(|i| i.to_le_bytes()[(i % 3) as usize]).collect();
    Writer::new(&mut large).bytes(1, &content);
    for (encoding, body) in encodings(&large) {
        let compressed = u8::from(encoding != "identity");
        let fields = [("grpc-encoding", encoding)];
        let reply = call(server.grpc, Signal::Logs, &fields, &framed(compressed, &body)).await;
        assert_eq!(reply.grpc(), 0);
        let fields = [PROTOBUF, ("content-encoding", encoding)];
        assert_eq!(post(server.http, "/v1/logs", &fields, &body).await.status, 200);
        let whole = server.sink.take().iter().map(|(_, got, _)| *got == large).collect::<Vec<_>>();
        assert_eq!(whole, [true, true], "{encoding}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_body_may_come_in_any_pieces() {
    let server = Server::start(Limits::STANDARD);
    let message = framed(0, &sample(Signal::Logs));
    let bytes: Vec<&[u8]> = message.chunks(1).collect();
    let mut client = Client::connect(server.grpc).await;
    let fields = [("content-type", "application/grpc+proto")];
    assert_eq!(client.post(service(Signal::Logs), &fields, &bytes).await.grpc(), 0);

    let mut request = head("POST", "/v1/logs", &[PROTOBUF, ("transfer-encoding", "chunked")]);
    for byte in sample(Signal::Logs) {
        request.extend_from_slice(&[b'1', b'\r', b'\n', byte, b'\r', b'\n']);
    }
    request.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(raw(server.http, &request).await.status, 200);
    let expected = (Signal::Logs, Bytes::from(sample(Signal::Logs)), Durability::Accepted);
    assert_eq!(server.sink.take(), [expected.clone(), expected]);
    server.stop().await;
}

#[tokio::test]
async fn the_durability_asked_for_is_passed_on_and_named_in_the_answer() {
    let server = Server::start(Limits::STANDARD);
    for (name, durability) in [
        ("accepted", Durability::Accepted),
        ("sealed", Durability::Sealed),
        ("archived", Durability::Archived),
        ("witnessed", Durability::Witnessed),
    ] {
        let field = ("lucarne-durability", name);
        let reply = call(server.grpc, Signal::Logs, &[field], &framed(0, b"")).await;
        assert_eq!((reply.grpc(), reply.header("lucarne-durability")), (0, Some(name)));
        let answer = post(server.http, "/v1/logs", &[PROTOBUF, field], b"").await;
        assert_eq!((answer.status, answer.header("lucarne-durability")), (200, Some(name)));
        let expected = (Signal::Logs, Bytes::new(), durability);
        assert_eq!(server.sink.take(), [expected.clone(), expected]);
    }
    server.stop().await;
}

#[tokio::test]
async fn rejected_items_are_a_partial_success() {
    let server = Server::start(Limits::STANDARD);
    *server.sink.answer.lock().unwrap() = || Ok(Accepted { rejected: 300 });
    let message = super::super::status::response_protobuf(300);
    let reply = call(server.grpc, Signal::Traces, &[], &framed(0, b"")).await;
    assert_eq!((reply.grpc(), reply.body), (0, framed(0, &message)));
    let answer = post(server.http, "/v1/traces", &[PROTOBUF], b"").await;
    assert_eq!((answer.status, answer.body), (200, message));
    let answer = post(server.http, "/v1/traces", &[JSON], b"{}").await;
    assert_eq!(answer.json()["partialSuccess"]["rejectedSpans"], "300");
    assert_eq!(server.counters.snapshot().rejected(Signal::Traces), 900);
    server.stop().await;
}

/// How both protocols must tell a refusal of the intake.
struct Told {
    refusal: fn() -> Result<Accepted, Refusal>,
    reason: Reason,
    http: u16,
    grpc: u16,
    retry_after: Option<&'static str>,
    reached: Option<&'static str>,
    message: &'static str,
}

#[tokio::test]
async fn a_malformed_message_is_told() {
    check_told(&Told {
        refusal: || Err(Refusal::Malformed("field 3".to_owned())),
        reason: Reason::Malformed,
        http: 400,
        grpc: 3,
        retry_after: None,
        reached: None,
        message: "field 3",
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_is_told_with_the_time_to_wait() {
    check_told(&Told {
        refusal: || Err(Refusal::Overloaded(Duration::from_millis(1500))),
        reason: Reason::Overloaded,
        http: 429,
        grpc: 8,
        retry_after: Some("2"),
        reached: None,
        message: "the queue is full; nothing was taken",
    })
    .await;
}

#[tokio::test]
async fn a_stopping_process_is_told() {
    check_told(&Told {
        refusal: || Err(Refusal::Stopping),
        reason: Reason::Stopping,
        http: 503,
        grpc: 14,
        retry_after: Some("1"),
        reached: None,
        message: "the process is stopping; nothing was taken",
    })
    .await;
}

#[tokio::test]
async fn an_impossible_durability_is_told() {
    check_told(&Told {
        refusal: || Err(Refusal::Unavailable("no witnesses")),
        reason: Reason::Unavailable,
        http: 400,
        grpc: 9,
        retry_after: None,
        reached: None,
        message: "no witnesses",
    })
    .await;
}

#[tokio::test]
async fn a_timeout_tells_how_far_the_request_came() {
    check_told(&Told {
        refusal: || Err(Refusal::TimedOut(Durability::Sealed)),
        reason: Reason::TimedOut,
        http: 504,
        grpc: 4,
        retry_after: None,
        reached: Some("sealed"),
        message: "taken and sealed, but the time ran out before it was archived",
    })
    .await;
}

async fn check_told(told: &Told) {
    let server = Server::start(Limits::STANDARD);
    *server.sink.answer.lock().unwrap() = told.refusal;
    let archived = ("lucarne-durability", "archived");
    let reply = call(server.grpc, Signal::Logs, &[archived], &framed(0, b"")).await;
    assert_eq!((reply.status, reply.grpc()), (200, told.grpc));
    assert_eq!(reply.header("grpc-message"), Some(told.message));
    assert_eq!(reply.header("lucarne-durability"), told.reached);
    let retry_info = reply.details().windows(9).any(|window| window == b"RetryInfo");
    assert_eq!(retry_info, told.retry_after.is_some());

    let answer = post(server.http, "/v1/logs", &[JSON, archived], b"{}").await;
    assert_eq!((answer.status, answer.header("retry-after")), (told.http, told.retry_after));
    assert_eq!(answer.header("lucarne-durability"), told.reached);
    let json = answer.json();
    assert_eq!((&json["code"], &json["message"]), (&told.grpc.into(), &told.message.into()));

    let answer = post(server.http, "/v1/logs", &[PROTOBUF, archived], b"").await;
    assert_eq!((answer.status, answer.body), (told.http, reply.details()));
    assert_eq!(server.refused(), BTreeMap::from([(told.reason, 3)]));
    server.stop().await;
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let server = Server::start(Limits::STANDARD);
    let mut stream = TcpStream::connect(server.http).await.unwrap();
    let request = b"POST /v1/logs HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n\
        content-length: 2\r\n\r\n{}";
    let mut answer = Vec::new();
    for _ in 0..3 {
        stream.write_all(request).await.unwrap();
        answer.clear();
        while !answer.ends_with(b"\r\n\r\n{}") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "closed too early");
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
    assert_eq!(server.sink.take().len(), 3);
    server.stop().await;
}
