//! Limits of time, count and bytes, and the end of the receivers.

use std::time::Duration;

use super::*;

const SHORT: Duration = Duration::from_millis(60);
const GRPC: (&str, &str) = ("content-type", "application/grpc");

/// Reads until the server closes; panics if it sends anything but HTTP/2 frames of its own.
async fn closed(stream: &mut TcpStream) {
    let _reset = stream.read_to_end(&mut Vec::new()).await.err();
}

#[tokio::test]
async fn a_slow_request_head_loses_the_connection() {
    let server = Server::start(Limits { head_timeout: SHORT, ..Limits::STANDARD });
    let preface: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    // The first half of a HEADERS frame follows the preface.
    let half_frame = [preface, b"\0\0\x09\x01\x05\0\0\0\x01\x82"].concat();
    for start in [&b""[..], b"PRI", b"POST /v1/logs HTTP/1.1\r\nhost:", preface, &half_frame] {
        for port in [server.http, server.grpc] {
            let mut stream = TcpStream::connect(port).await.unwrap();
            stream.write_all(start).await.unwrap();
            closed(&mut stream).await;
        }
    }
    let refused = server.refused();
    // HTTP/1.1 on the port of gRPC is no HTTP/2, slow or not.
    assert_eq!(refused, BTreeMap::from([(Reason::SlowHead, 9), (Reason::Violation, 1)]));
    server.stop().await;
}

#[tokio::test]
async fn a_slow_body_is_told_so() {
    let server = Server::start(Limits { body_timeout: SHORT, ..Limits::STANDARD });
    let half = head("POST", "/v1/logs", &[JSON, ("content-length", "100")]);
    let answer = raw(server.http, &half).await;
    assert_eq!((answer.status, &answer.json()["code"]), (408, &4.into()));

    let mut client = Client::connect(server.grpc).await;
    let (response, mut stream) = client.begin(service(Signal::Logs), &[GRPC]).await;
    stream.send_data(Bytes::from_static(b"\0\0"), false).unwrap();
    assert_eq!(reply(response).await.grpc(), 4);
    assert_eq!(server.refused(), BTreeMap::from([(Reason::SlowBody, 2)]));
    server.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    // The first look is at the end of the time for the first head.
    let limits = Limits { head_timeout: SHORT, idle_timeout: SHORT, ..Limits::STANDARD };
    let server = Server::start(limits);
    let mut stream = TcpStream::connect(server.http).await.unwrap();
    let request = b"POST /v1/logs HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n\
        content-length: 2\r\n\r\n{}POST /v1/logs HTTP/1.1\r\nhost";
    stream.write_all(request).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 200);

    let mut client = Client::connect(server.grpc).await;
    let reply = client.post(service(Signal::Logs), &[GRPC], &[&framed(0, b"")]).await;
    assert_eq!(reply.grpc(), 0);
    // GOAWAY without an error.
    client.connection.await.unwrap().unwrap();
    assert_eq!(server.refused(), BTreeMap::new());
    server.stop().await;
}

#[tokio::test]
async fn one_request_too_many_is_told_to_come_back() {
    let server = Server::start(Limits {
        requests_max: 1,
        retry_after: Duration::from_secs(7),
        ..Limits::STANDARD
    });
    server.sink.open.send_replace(false);
    let first = tokio::spawn(post_empty(server.http));
    server.sink.entered(1).await;
    let answer = post(server.http, "/v1/logs", &[JSON], b"{}").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("7")));
    assert_eq!(answer.json()["details"][0]["retryDelay"], "7.000000000s");
    let reply = call(server.grpc, Signal::Logs, &[], &framed(0, b"")).await;
    assert_eq!(
        (reply.grpc(), reply.header("grpc-message")),
        (8, Some("too many requests at once"))
    );
    assert!(reply.details().ends_with(b"RetryInfo\x12\x04\x0a\x02\x08\x07"), "7 seconds");
    server.sink.open.send_replace(true);
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(server.refused(), BTreeMap::from([(Reason::Requests, 2)]));
    server.stop().await;
}

async fn post_empty(to: SocketAddr) -> Answer {
    post(to, "/v1/logs", &[PROTOBUF], b"").await
}

#[tokio::test]
async fn bytes_in_flight_are_bounded() {
    let server = Server::start(Limits {
        body_bytes_max: 1000,
        decoded_bytes_max: 1000,
        in_flight_bytes_max: 0,
        ..Limits::STANDARD
    });
    server.sink.open.send_replace(false);
    let mut body = Vec::new();
    Writer::new(&mut body).bytes(1, &[0; 900]);
    // One largest request's worth is 3064 bytes: three of 903 fit.
    let held: Vec<_> = (1..=3)
        .map(|_| {
            let (to, body) = (server.http, body.clone());
            tokio::spawn(async move { post(to, "/v1/logs", &[PROTOBUF], &body).await.status })
        })
        .collect();
    server.sink.entered(3).await;
    let answer = post(server.http, "/v1/logs", &[PROTOBUF], &body).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    let reply = call(server.grpc, Signal::Logs, &[], &framed(0, &body)).await;
    assert_eq!((reply.grpc(), reply.header("grpc-message")), (8, Some("too many bytes in flight")));
    server.sink.open.send_replace(true);
    for status in held {
        assert_eq!(status.await.unwrap(), 200);
    }
    assert_eq!(post(server.http, "/v1/logs", &[PROTOBUF], &body).await.status, 200);
    assert_eq!(server.refused(), BTreeMap::from([(Reason::Bytes, 2)]));
    server.stop().await;
}

#[tokio::test]
async fn one_connection_too_many_is_closed() {
    let server = Server::start(Limits { connections_max: 1, ..Limits::STANDARD });
    let mut client = Client::connect(server.grpc).await;
    let reply = client.post(service(Signal::Logs), &[GRPC], &[&framed(0, b"")]).await;
    assert_eq!(reply.grpc(), 0);
    let mut second = TcpStream::connect(server.http).await.unwrap();
    closed(&mut second).await;
    assert_eq!(server.refused(), BTreeMap::from([(Reason::Connections, 1)]));
    server.stop().await;
}

#[tokio::test]
async fn a_request_ends_at_its_deadline() {
    let server = Server::start(Limits { request_timeout: SHORT, ..Limits::STANDARD });
    server.sink.open.send_replace(false);
    let answer = post(server.http, "/v1/logs", &[JSON], b"{}").await;
    assert_eq!((answer.status, &answer.json()["code"]), (504, &4.into()));
    assert_eq!(call(server.grpc, Signal::Logs, &[], &framed(0, b"")).await.grpc(), 4);
    assert_eq!(server.refused(), BTreeMap::from([(Reason::TimedOut, 2)]));
    server.stop().await;
}

#[tokio::test]
async fn the_deadline_of_a_client_is_kept() {
    let server = Server::start(Limits::STANDARD);
    server.sink.open.send_replace(false);
    let fields = [("grpc-timeout", "60m")];
    let reply = call(server.grpc, Signal::Logs, &fields, &framed(0, b"")).await;
    assert_eq!(reply.grpc(), 4);
    assert_eq!(server.refused(), BTreeMap::from([(Reason::TimedOut, 1)]));
    server.stop().await;
}

#[tokio::test]
async fn a_flood_of_resets_ends_the_connection() {
    let server = Server::start(Limits::STANDARD);
    let mut flood = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for id in (1..2_000_u32).step_by(2).map(u32::to_be_bytes) {
        // HEADERS with POST, http, "/"; then RST_STREAM with CANCEL.
        flood.extend_from_slice(&[&b"\0\0\x03\x01\x04"[..], &id, b"\x83\x86\x84"].concat());
        flood.extend_from_slice(&[&b"\0\0\x04\x03\0"[..], &id, b"\0\0\0\x08"].concat());
    }
    let mut stream = TcpStream::connect(server.grpc).await.unwrap();
    stream.write_all(&flood).await.unwrap();
    // Ends although the client keeps the connection open, and no timer is short.
    closed(&mut stream).await;
    assert_eq!(server.refused().get(&Reason::Violation), Some(&1));
    let reply = call(server.grpc, Signal::Logs, &[], &framed(0, b"")).await;
    assert_eq!(reply.grpc(), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_takes_no_more() {
    let server = Server::start(Limits::STANDARD);
    server.sink.open.send_replace(false);
    let by_http = tokio::spawn(post_empty(server.http));
    let grpc = server.grpc;
    let by_grpc = tokio::spawn(async move { call(grpc, Signal::Logs, &[], &framed(0, b"")).await });
    server.sink.entered(2).await;
    server.stop.send(true).unwrap();
    // The listener is closed as soon as the loop has seen the stop.
    while let Ok(mut stream) = TcpStream::connect(server.http).await {
        closed(&mut stream).await;
    }
    server.sink.open.send_replace(true);
    assert_eq!(by_http.await.unwrap().status, 200);
    assert_eq!(by_grpc.await.unwrap().grpc(), 0);
    server.running.await.unwrap();
}

#[tokio::test]
async fn a_stop_ends_what_does_not_finish_in_the_grace_period() {
    let server = Server::start(Limits { grace: SHORT, ..Limits::STANDARD });
    server.sink.open.send_replace(false);
    let mut stream = TcpStream::connect(server.http).await.unwrap();
    let request = head("POST", "/v1/logs", &[PROTOBUF, ("content-length", "0")]);
    stream.write_all(&request).await.unwrap();
    server.sink.entered(1).await;
    // A sender that is gone is a stop too.
    drop(server.stop);
    server.running.await.unwrap();
    closed(&mut stream).await;
    assert_eq!(server.counters.snapshot().refused(Reason::Aborted), 1);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let server = Server::start(Limits::STANDARD);
    let free = Address::Tcp(([127, 0, 0, 1], 0).into());
    let taken = Address::Tcp(server.http);
    let config = Config { grpc: Some(free), http: Some(taken.clone()), limits: Limits::STANDARD };
    let error = Receiver::bind(&config).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{taken} is in use by another process: stop it or configure another address")
    );
    server.stop().await;
}
