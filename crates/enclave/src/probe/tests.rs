//! Checks against small real servers.

use tokio::net::TcpListener;

use super::*;

const PATIENCE: Duration = Duration::from_secs(5);

#[track_caller]
fn read(text: &str) -> Check {
    text.parse().unwrap()
}

fn one(text: &str) -> Target {
    Target { authority: text.to_owned(), addresses: vec![text.parse().unwrap()] }
}

#[test]
fn checks_are_read() {
    let target = one("127.0.0.1:80");
    let http = |path: &str| Check::Http { target: target.clone(), path: path.to_owned() };
    assert_eq!(read("http://127.0.0.1:80/health?deep=1"), http("/health?deep=1"));
    assert_eq!(read("http://127.0.0.1:80"), http("/"));
    assert_eq!(read("tcp:[::1]:5432"), Check::Tcp(one("[::1]:5432")));
    let grpc = |service: &str| Check::Grpc { target: target.clone(), service: service.to_owned() };
    assert_eq!(read("grpc://127.0.0.1:80"), grpc(""));
    assert_eq!(read("grpc://127.0.0.1:80/a.B"), grpc("a.B"));
    let Check::Tcp(local) = read("tcp:localhost:7") else { panic!("not TCP") };
    assert_eq!(local.addresses, ["127.0.0.1:7", "[::1]:7"].map(|a| a.parse().unwrap()));
}

#[test]
fn what_is_no_check_is_refused() {
    let of = |text: &str| text.parse::<Check>().unwrap_err();
    for text in ["", "https://127.0.0.1:1/", "127.0.0.1:1", "unix:/run/x"] {
        assert_eq!(of(text), CheckError::Scheme { got: text.to_owned() });
    }
    for (text, got) in [
        ("http://workload:80/", "workload:80"),
        ("http://127.0.0.1/", "127.0.0.1"),
        ("tcp:localhost", "localhost"),
        ("tcp:localhost.example:1", "localhost.example:1"),
        ("grpc://:80", ":80"),
    ] {
        assert_eq!(of(text), CheckError::Target { got: got.to_owned() });
    }
    let split = "http://127.0.0.1:80/a\r\nx: y";
    assert_eq!(of(split), CheckError::Path { got: split.to_owned() });
}

/// Answers each connection with these bytes once a request has come.
async fn answering(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
            stream.write_all(bytes).await.unwrap();
        }
    });
    address
}

/// What a check finds, as the journal would say it.
async fn ask(check: &str, patience: Duration) -> String {
    match read(check).ask(patience).await {
        Ok(()) => "healthy".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn an_http_check_reads_the_status() {
    for (answer, expected) in [
        (&b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..], "healthy"),
        (b"HTTP/1.0 204 No Content\r\n\r\n", "healthy"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "answers with status 503"),
        (b"HTTP/1.1 301 Moved\r\n\r\n", "answers with status 301"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1 2x0 OK\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1", "broke the connection: unexpected end of file"),
    ] {
        let address = answering(answer).await;
        assert_eq!(ask(&format!("http://{address}/health"), PATIENCE).await, expected);
    }
}

#[tokio::test]
async fn a_tcp_check_wants_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let check = format!("tcp:{}", listener.local_addr().unwrap());
    assert_eq!(ask(&check, PATIENCE).await, "healthy");
    drop(listener);
    assert_eq!(ask(&check, PATIENCE).await, "does not take connections: connection refused");
}

#[tokio::test]
async fn silence_is_not_health() {
    // Takes connections into its queue and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for check in [format!("http://{address}/"), format!("grpc://{address}")] {
        let found = ask(&check, Duration::from_millis(60)).await;
        assert_eq!(found, "does not answer in time");
    }
}

/// A gRPC server that knows the health of two services.
async fn health_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(answer_health(request, respond));
                }
            });
        }
    });
    address
}

async fn answer_health(
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
) {
    assert_eq!(request.uri().path(), HEALTH);
    let mut body = request.into_body();
    let mut message = Vec::new();
    while let Some(data) = body.data().await {
        message.extend_from_slice(&data.unwrap());
    }
    let head = http::Response::builder().header("content-type", "application/grpc");
    let (state, code) = match &message[..] {
        b"\0\0\0\0\0" => (Some(1), "0"),
        b"\0\0\0\0\x06\x0a\x04busy" => (Some(2), "0"),
        _ => (None, "5"),
    };
    let Some(state) = state else {
        let head = head.header("grpc-status", code).body(()).unwrap();
        drop(respond.send_response(head, true).unwrap());
        return;
    };
    let mut stream = respond.send_response(head.body(()).unwrap(), false).unwrap();
    stream.send_data(Bytes::from(vec![0, 0, 0, 0, 2, 8, state]), false).unwrap();
    let status = http::HeaderValue::from_static(code);
    let name = http::HeaderName::from_static("grpc-status");
    stream.send_trailers(http::HeaderMap::from_iter([(name, status)])).unwrap();
}

#[tokio::test]
async fn a_grpc_check_wants_serving() {
    let address = health_server().await;
    assert_eq!(ask(&format!("grpc://{address}"), PATIENCE).await, "healthy");
    let found = ask(&format!("grpc://{address}/busy"), PATIENCE).await;
    assert_eq!(found, "answers with serving status 2");
    let found = ask(&format!("grpc://{address}/other"), PATIENCE).await;
    assert_eq!(found, "answers with gRPC status 5");
    let not_grpc = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let found = ask(&format!("grpc://{not_grpc}"), PATIENCE).await;
    assert_eq!(found, "does not speak HTTP/2 to the end");
}

#[tokio::test]
async fn changes_are_told_until_the_stop() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, mut state) = watch::channel(Workload::Unknown);
    let (stop, stopping) = watch::channel(false);
    let check = read(&format!("tcp:{address}"));
    let running = tokio::spawn(run(check, INTERVAL_MIN, PATIENCE, told, stopping));
    state.changed().await.unwrap();
    assert_eq!(*state.borrow_and_update(), Workload::Healthy);
    drop(listener);
    state.changed().await.unwrap();
    assert_eq!(*state.borrow_and_update(), Workload::NotResponding);
    let again = TcpListener::bind(address).await.unwrap();
    state.changed().await.unwrap();
    assert_eq!(*state.borrow_and_update(), Workload::Healthy);
    stop.send(true).unwrap();
    running.await.unwrap();
    drop(again);
    assert_eq!(*state.borrow(), Workload::Healthy);
}
