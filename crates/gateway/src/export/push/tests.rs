//! Pushing to a receiver on loopback that answers as told.

use std::time::Duration;

use super::*;
use crate::export::client::{ClientError, Endpoint, Version};
use crate::export::loki::LokiFormat;
use crate::export::samples::{self, Receiver, Reply};

const JSON: LokiFormat = LokiFormat::Json;

fn endpoint(receiver: &Receiver) -> Endpoint {
    Endpoint {
        uri: format!("http://{}/loki/api/v1/push", receiver.address).parse().unwrap(),
        tls: None,
        headers: HeaderMap::new(),
        bearer_token_file: None,
        timeout: Duration::from_secs(5),
        version: Version::Http1,
    }
}

fn loki(endpoint: Endpoint, format: LokiFormat) -> Push {
    Push::new(Client::new(endpoint), Encoder::Loki(Loki { format, labels_compat: false }))
}

fn batch(logs: u64) -> Vec<Item> {
    (0..logs).map(|index| samples::log(index, 9)).collect()
}

async fn pushed(replies: &[Reply], logs: u64) -> (Result<(), Stuck>, Tally, Option<Reason>, usize) {
    let receiver = Receiver::start(replies).await;
    let mut push = loki(endpoint(&receiver), JSON);
    push.load(&batch(logs));
    let result = push.advance().await;
    let (tally, reason) = push.outcome();
    (result, tally, reason, receiver.got().len())
}

const fn tally(sent: u64, refused: u64) -> Tally {
    Tally { sent, refused, skipped: 0 }
}

#[tokio::test]
async fn a_batch_is_taken_with_the_headers_of_the_protocol() {
    let receiver = Receiver::start(&[(204, &[])]).await;
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "secret\n").unwrap();
    let mut endpoint = endpoint(&receiver);
    endpoint.headers.insert("x-scope-orgid", "tenant".parse().unwrap());
    endpoint.bearer_token_file = Some(token);
    let mut push = loki(endpoint, LokiFormat::Protobuf);
    push.load(&batch(3));
    assert_eq!(push.advance().await, Ok(()));
    assert_eq!(push.outcome(), (tally(3, 0), None));
    let [got] = &receiver.got()[..] else { panic!("one request") };
    assert_eq!(got.path, "/loki/api/v1/push");
    let header = |name: &str| got.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("content-type"), Some("application/x-protobuf"));
    assert_eq!(header("content-encoding"), Some("snappy"));
    assert_eq!(header("x-scope-orgid"), Some("tenant"));
    assert_eq!(header("authorization"), Some("Bearer secret"));
    assert_eq!(header("host"), Some(&receiver.address.to_string()[..]));
    let again = Encoder::Loki(Loki { format: LokiFormat::Protobuf, labels_compat: false });
    let Encoder::Loki(again) = again else { unreachable!() };
    assert_eq!(got.body, again.encode(&batch(3), &mut Tally::default())[0].body());
}

#[tokio::test]
async fn overload_and_broken_servers_are_waited_out_with_the_delay_they_ask_for() {
    let later = |status, retry_after| Stuck { reason: Reason::Status(status), retry_after };
    let asked = Some(Duration::from_secs(7));
    let cases: [(Reply, Stuck); 4] = [
        ((429, &[("retry-after", "7")]), later(429, asked)),
        ((503, &[]), later(503, None)),
        ((500, &[]), later(500, None)),
        // The operator's to mend; the records wait.
        ((401, &[]), later(401, None)),
    ];
    for (reply, stuck) in cases {
        let receiver = Receiver::start(&[reply, (204, &[])]).await;
        let mut push = loki(endpoint(&receiver), JSON);
        push.load(&batch(2));
        assert_eq!(push.advance().await, Err(stuck));
        assert_eq!(push.outcome(), (tally(0, 0), None));
        assert_eq!(push.advance().await, Ok(()));
        assert_eq!(push.outcome(), (tally(2, 0), None));
        let got = receiver.got();
        assert_eq!((got.len(), &got[0].body), (2, &got[1].body));
    }
}

#[tokio::test]
async fn one_part_that_is_refused_does_not_take_the_others_with_it() {
    // Four parts of 64: whole refused, first half taken, second refused, its first part taken, the
    // last not.
    let replies: [Reply; 5] = [(400, &[]), (204, &[]), (400, &[]), (204, &[]), (400, &[])];
    let expected = (Ok(()), tally(192, 64), Some(Reason::Status(400)), 5);
    assert_eq!(pushed(&replies, 256).await, expected);
}

#[tokio::test]
async fn a_batch_that_is_refused_whole_costs_a_bounded_number_of_requests() {
    let (result, tally, _, requests) = pushed(&[(400, &[])], 64 * 200).await;
    assert_eq!((result, tally.sent, tally.refused), (Ok(()), 0, 64 * 200));
    assert!(requests <= 2 * HALVINGS_MAX as usize + 8, "{requests}");
}

#[tokio::test]
async fn a_token_is_read_anew_after_it_was_refused() {
    let receiver = Receiver::start(&[(401, &[]), (204, &[])]).await;
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "old").unwrap();
    let mut endpoint = endpoint(&receiver);
    endpoint.bearer_token_file = Some(token.clone());
    let mut push = loki(endpoint, JSON);
    push.load(&batch(1));
    push.advance().await.unwrap_err();
    std::fs::write(&token, "new").unwrap();
    push.advance().await.unwrap();
    let shown: Vec<_> =
        receiver.got().iter().map(|got| got.headers["authorization"].clone()).collect();
    assert_eq!(shown, ["Bearer old", "Bearer new"]);
}

#[tokio::test]
async fn nobody_there_a_token_that_is_gone_and_silence_are_told_apart() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let receiver = Receiver::start(&[(204, &[])]).await;
    let uri = |port: u16| format!("http://127.0.0.1:{port}/").parse().unwrap();
    let silent = taken.local_addr().unwrap().port();
    let base = endpoint(&receiver);
    let refused = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let cases = [
        (
            Endpoint { uri: uri(refused), ..base.clone() },
            ClientError::Connect(std::io::ErrorKind::ConnectionRefused),
        ),
        (
            Endpoint { bearer_token_file: Some("/nonexistent".into()), ..base.clone() },
            ClientError::Token(std::io::ErrorKind::NotFound),
        ),
        // It accepts and says nothing.
        (
            Endpoint { uri: uri(silent), timeout: Duration::from_millis(50), ..base },
            ClientError::Timeout,
        ),
    ];
    for (endpoint, error) in cases {
        let mut push = loki(endpoint, JSON);
        push.load(&batch(1));
        let stuck = Stuck { reason: Reason::Client(error), retry_after: None };
        assert_eq!(push.advance().await, Err(stuck));
    }
}

#[tokio::test]
async fn https_is_spoken_with_the_configured_authority_only() {
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::{ServerConfig, crypto};

    let testdata = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls");
    let certificate = CertificateDer::from_pem_file(testdata.join("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(testdata.join("server.key")).unwrap();
    let provider = std::sync::Arc::new(crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let receiver = Receiver::start_tls(&[(204, &[])], server).await;
    let exporter = |ca: &str| {
        let url = format!("https://{}/push", receiver.address);
        let ca = testdata.join(ca);
        let yaml = format!("[{{ loki: {{ endpoint: \"{url}\", ca_file: {} }} }}]", ca.display());
        let files: Vec<crate::export::config::ExporterFile> =
            serde_saphyr::from_str(&yaml).unwrap();
        let (_, sink) =
            crate::export::config::build(&files, &Default::default()).unwrap().remove(0);
        sink
    };
    let mut trusted = exporter("ca.pem");
    trusted.load(&batch(1));
    assert_eq!(trusted.advance().await, Ok(()));
    assert_eq!(receiver.got().len(), 1);
    // The server's own certificate is not an authority.
    let mut stranger = exporter("server.pem");
    stranger.load(&batch(1));
    let stuck = Stuck { reason: Reason::Client(ClientError::Tls), retry_after: None };
    assert_eq!(stranger.advance().await, Err(stuck));
    assert_eq!(receiver.got().len(), 1);
}
