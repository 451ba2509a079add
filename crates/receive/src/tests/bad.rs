//! Bad input: each gets a clear status and a counter, and the receivers go on.

use super::*;

const LIMITS: Limits =
    Limits { body_bytes_max: 10_000, decoded_bytes_max: 20_000, ..Limits::STANDARD };

/// Content type, content encoding and body; HTTP status and counter.
type Row<'a> = ((&'a str, &'a str), &'a str, &'a [u8], u16, Reason);
/// Metadata and body; gRPC status and counter.
type Call<'a> = (&'a [(&'a str, &'a str)], &'a [u8], u16, Reason);

/// The server still serves, and counted exactly this.
async fn check_alive(server: Server, expected: &[(Reason, u64)]) {
    let reply = call(server.grpc, Signal::Logs, &[], &framed(0, &sample(Signal::Logs))).await;
    assert_eq!(reply.grpc(), 0);
    let answer = post(server.http, "/v1/logs", &[PROTOBUF], &sample(Signal::Logs)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(server.sink.take().len(), 2, "nothing of the bad input was taken");
    assert_eq!(server.refused(), expected.iter().copied().collect());
    server.stop().await;
}

#[tokio::test]
async fn bad_bodies_of_otlp_http() {
    let logs = sample(Signal::Logs);
    let deep = "[".repeat(9_000);
    let deep_value = format!(
        r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{}{}}}]}}]}}]}}"#,
        r#"{"arrayValue":{"values":["#.repeat(300),
        "]}}".repeat(300)
    );
    let zeros = vec![0; 1 << 20];
    let (gzip_bomb, zstd_bomb) = (gzip(&zeros), zstd(&zeros));
    assert!(gzip_bomb.len() < 10_000 && zstd_bomb.len() < 10_000);
    let table: &[Row<'_>] = &[
        (PROTOBUF, "none", &logs[..logs.len() - 1], 400, Reason::Malformed),
        (PROTOBUF, "none", b"\xff\xff\xff\xff", 400, Reason::Malformed),
        (PROTOBUF, "none", &zeros[..10_001], 413, Reason::TooLarge),
        (PROTOBUF, "gzip", &logs, 400, Reason::Corrupt),
        (PROTOBUF, "gzip", &gzip(&logs)[..20], 400, Reason::Corrupt),
        (PROTOBUF, "gzip", &[gzip(&logs), vec![0; 8]].concat(), 400, Reason::Corrupt),
        (PROTOBUF, "gzip", &gzip_bomb, 413, Reason::DecodedTooLarge),
        (PROTOBUF, "zstd", &logs, 400, Reason::Corrupt),
        (PROTOBUF, "zstd", &zstd(&logs)[..20], 400, Reason::Corrupt),
        (PROTOBUF, "zstd", &zstd_bomb, 413, Reason::DecodedTooLarge),
        (PROTOBUF, "deflate", &logs, 415, Reason::ContentEncoding),
        (JSON, "none", &logs, 400, Reason::Malformed),
        (JSON, "none", b"", 400, Reason::Malformed),
        (JSON, "none", b"{\"resourceLogs\":[", 400, Reason::Malformed),
        (JSON, "none", b"{\"resourceLogs\":[\"\xff\xfe\"]}", 400, Reason::Malformed),
        (JSON, "none", deep.as_bytes(), 400, Reason::Malformed),
        (JSON, "none", deep_value.as_bytes(), 400, Reason::Malformed),
        (JSON, "gzip", &gzip_bomb, 413, Reason::DecodedTooLarge),
        (("content-type", "text/plain"), "none", &logs, 415, Reason::ContentType),
        (("content-type", "application/grpc"), "none", &logs, 415, Reason::ContentType),
        (("x-other", "1"), "none", &logs, 415, Reason::ContentType),
        (("content-type", "\u{e9}"), "none", &logs, 415, Reason::ContentType),
    ];
    let server = Server::start(LIMITS);
    let mut expected = BTreeMap::new();
    for (index, (kind, encoding, body, status, reason)) in table.iter().enumerate() {
        let answer =
            post(server.http, "/v1/logs", &[*kind, ("content-encoding", encoding)], body).await;
        assert_eq!(answer.status, *status, "row {index}");
        if *kind == JSON {
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert!(answer.json()["message"].is_string(), "row {index}");
        } else {
            let mut reader = Reader::new(&answer.body);
            assert_eq!(reader.next_field().unwrap().unwrap().number, 1, "row {index}");
        }
        *expected.entry(*reason).or_default() += 1;
        assert_eq!(server.refused(), expected, "row {index}");
    }
    let expected: Vec<_> = expected.into_iter().collect();
    check_alive(server, &expected).await;
}

#[tokio::test]
async fn bad_requests_of_otlp_http() {
    let server = Server::start(LIMITS);
    let answer = post(server.http, "/v1/profiles", &[PROTOBUF], b"").await;
    assert_eq!(answer.status, 404);
    let answer = raw(server.http, &head("GET", "/v1/logs", &[])).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    let durability = ("lucarne-durability", "forever");
    let answer = post(server.http, "/v1/logs", &[PROTOBUF, durability], b"").await;
    assert_eq!(answer.status, 400);
    let twice = [PROTOBUF, ("content-encoding", "gzip"), ("content-encoding", "gzip")];
    assert_eq!(post(server.http, "/v1/logs", &twice, b"").await.status, 415);

    // Announced but never sent: refused without waiting for it.
    let announced = head("POST", "/v1/logs", &[PROTOBUF, ("content-length", "999999999999")]);
    assert_eq!(raw(server.http, &announced).await.status, 413);
    // Not announced: refused when it passes the limit.
    let mut chunked = head("POST", "/v1/logs", &[PROTOBUF, ("transfer-encoding", "chunked")]);
    chunked.extend_from_slice(b"2711\r\n");
    chunked.extend_from_slice(&[0; 10_001]);
    assert_eq!(raw(server.http, &chunked).await.status, 413);
    let expected = [
        (Reason::Path, 1),
        (Reason::Method, 1),
        (Reason::Durability, 1),
        (Reason::ContentEncoding, 1),
        (Reason::TooLarge, 2),
    ];
    check_alive(server, &expected).await;
}

#[tokio::test]
async fn bad_calls_of_otlp_grpc() {
    let logs = sample(Signal::Logs);
    let whole = framed(0, &logs);
    let zeros = vec![0; 1 << 20];
    let table: &[Call<'_>] = &[
        (&[], b"", 3, Reason::Malformed),
        (&[], &whole[..4], 3, Reason::Malformed),
        (&[], &whole[..whole.len() - 1], 3, Reason::Malformed),
        (&[], &framed(0, &logs[1..]), 3, Reason::Malformed),
        (&[], &[&whole[..], &whole[..]].concat(), 3, Reason::Malformed),
        (&[], &framed(7, &logs), 3, Reason::Malformed),
        (&[], &framed(1, &gzip(&logs)), 3, Reason::Malformed),
        (&[], &framed(0, &zeros[..10_001]), 8, Reason::TooLarge),
        // The prefix alone announces it.
        (&[], b"\0\xff\xff\xff\xff", 8, Reason::TooLarge),
        (&[("grpc-encoding", "gzip")], &framed(1, &gzip(&zeros)), 8, Reason::DecodedTooLarge),
        (&[("grpc-encoding", "zstd")], &framed(1, &zstd(&zeros)), 8, Reason::DecodedTooLarge),
        (&[("grpc-encoding", "gzip")], &framed(1, &logs), 3, Reason::Corrupt),
        (&[("grpc-encoding", "snappy")], &whole, 12, Reason::ContentEncoding),
        (&[("grpc-timeout", "soon")], &whole, 3, Reason::Malformed),
        (&[("lucarne-durability", "forever")], &whole, 3, Reason::Durability),
    ];
    let server = Server::start(LIMITS);
    let mut expected = BTreeMap::new();
    for (index, (fields, body, code, reason)) in table.iter().enumerate() {
        let reply = call(server.grpc, Signal::Logs, fields, body).await;
        assert_eq!((reply.status, reply.grpc()), (200, *code), "row {index}");
        let details = reply.details();
        assert!(!details.windows(9).any(|window| window == b"RetryInfo"), "row {index}");
        *expected.entry(*reason).or_default() += 1;
        assert_eq!(server.refused(), expected, "row {index}");
    }
    let mut client = Client::connect(server.grpc).await;
    for unknown in ["/grpc.health.v1.Health/Check", "/", "/v1/logs"] {
        let fields = [("content-type", "application/grpc")];
        let reply = client.post(unknown, &fields, &[&whole]).await;
        assert_eq!((reply.status, reply.grpc()), (200, 12));
    }
    let reply = client.post(service(Signal::Logs), &[PROTOBUF], &[&whole]).await;
    assert_eq!((reply.status, &reply.body[..]), (415, &b""[..]));
    expected.extend([(Reason::Path, 3), (Reason::ContentType, 1)]);
    let expected: Vec<_> = expected.into_iter().collect();
    check_alive(server, &expected).await;
}

/// Sends bytes that are not HTTP, and waits until the server has closed the connection.
async fn send_garbage(to: SocketAddr, garbage: &[u8]) {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(garbage).await.unwrap();
    // Closed or reset: both are an end.
    let _reset = stream.read_to_end(&mut Vec::new()).await.err();
}

#[tokio::test]
async fn garbage_ends_the_connection_and_no_other() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // A HEADERS frame on stream 0, a DATA frame of 16 MiB, a CONTINUATION without a beginning.
    let frames: [&[u8]; 3] = [
        b"\0\0\x01\x01\x05\0\0\0\0\x82",
        b"\xff\xff\xff\x00\x00\0\0\0\x01",
        b"\0\0\x01\x09\x04\0\0\0\x01\x82",
    ];
    let server = Server::start(LIMITS);
    for port in [server.grpc, server.http] {
        for frame in frames {
            let settings = b"\0\0\0\x04\0\0\0\0\0";
            send_garbage(port, &[PREFACE, settings, frame].concat()).await;
        }
        send_garbage(port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS hello").await;
        send_garbage(port, b"POST /v1/logs HTTP/9.9\r\n\r\n").await;
        send_garbage(port, &[0x81; 4096]).await;
    }
    let many: String = (0..100).map(|i| format!("x-{i}: 1\r\n")).collect();
    let many = format!("POST /v1/logs HTTP/1.1\r\n{many}\r\n");
    assert_eq!(raw(server.http, many.as_bytes()).await.status, 431);
    let lied = b"POST /v1/logs HTTP/1.1\r\nhost: h\r\ncontent-length: x\r\n\r\n";
    assert_eq!(raw(server.http, lied).await.status, 400);
    check_alive(server, &[(Reason::Violation, 14)]).await;
}

#[tokio::test]
async fn a_client_that_leaves_within_a_request_is_counted() {
    let server = Server::start(LIMITS);
    let mut stream = TcpStream::connect(server.http).await.unwrap();
    let half = head("POST", "/v1/logs", &[PROTOBUF, ("content-length", "100")]);
    stream.write_all(&[&half[..], b"half"].concat()).await.unwrap();
    stream.shutdown().await.unwrap();
    let _reset = stream.read_to_end(&mut Vec::new()).await.err();

    server.sink.open.send_replace(false);
    let mut client = Client::connect(server.grpc).await;
    let fields = [("content-type", "application/grpc")];
    let (response, mut stream) = client.begin(service(Signal::Logs), &fields).await;
    stream.send_data(framed(0, b"").into(), true).unwrap();
    server.sink.entered(1).await;
    stream.send_reset(h2::Reason::CANCEL);
    assert_eq!(response.await.unwrap_err().reason(), Some(h2::Reason::CANCEL));
    drop(client);
    let (sink, counters) = (Arc::clone(&server.sink), Arc::clone(&server.counters));
    server.stop().await;
    assert_eq!(counters.snapshot().refused(Reason::Aborted), 2);
    assert_eq!(sink.take(), []);
}
