//! Keys out of files as people write them, and out of a real HTTP server that speaks IMDSv2.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use super::*;

const FILE: &str = "\
# two people
[other]
aws_access_key_id = nobody
[default]
aws_access_key_id=AKIA
region = eu-central-1
 aws_secret_access_key = se/cr+et==
[with token]
aws_access_key_id = a
aws_secret_access_key = b
aws_session_token = c
";

#[track_caller]
fn expect(profile: &str, expected: Option<(&str, &str, Option<&str>)>) {
    let found = parse(FILE, profile);
    let fields = found
        .as_ref()
        .map(|key| (key.access_key_id(), key.secret_access_key(), key.session_token()));
    assert_eq!(fields, expected);
}

#[test]
fn a_section_gives_its_own_key_and_nothing_of_another() {
    expect("default", Some(("AKIA", "se/cr+et==", None)));
    expect("with token", Some(("a", "b", Some("c"))));
    expect("other", None);
    expect("missing", None);
}

#[test]
fn a_file_that_is_not_there_is_named_as_the_reason() {
    let error = from_file(Path::new("/nonexistent/keys"), "default").unwrap_err();
    assert_eq!(error.to_string(), "read the credentials file: entity not found");
}

/// Answers each request of one connection after the other and returns the heads.
fn metadata_service(answers: Vec<&'static str>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut heads = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            heads.push(head_of(&mut stream));
            let length = answer.len();
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}");
            stream.write_all(format!("{head}\r\n\r\n{answer}").as_bytes()).unwrap();
        }
        heads
    });
    (base, server)
}

fn head_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

const KEY: &str = r#"{"Code":"Success","AccessKeyId":"ASIA","SecretAccessKey":"s","Token":"t",
    "Expiration":"2100-01-01T00:00:00Z","Type":"AWS-HMAC"}"#;

fn ask_twice(base: String) -> Result<(Credentials, Credentials), KeyError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connector = Connector::new(None, Duration::from_secs(5));
    let keys = Keys::new(CredentialsSource::Instance { base }, connector);
    runtime.block_on(async { Ok((keys.find().await?, keys.find().await?)) })
}

#[test]
fn a_role_is_asked_for_with_a_token_and_its_key_is_kept() {
    let (base, server) = metadata_service(vec!["the-token", "archive-writer\n", KEY]);
    let (first, second) = ask_twice(base).unwrap();
    assert_eq!((first.access_key_id(), first.session_token()), ("ASIA", Some("t")));
    assert_eq!(second.access_key_id(), "ASIA");
    let heads = server.join().unwrap();
    let lines: Vec<&str> = heads.iter().map(|head| head.lines().next().unwrap()).collect();
    let role = "GET /latest/meta-data/iam/security-credentials";
    let expected = [
        "PUT /latest/api/token HTTP/1.1".to_owned(),
        format!("{role}/ HTTP/1.1"),
        format!("{role}/archive-writer HTTP/1.1"),
    ];
    assert_eq!(lines, expected);
    assert!(heads[0].contains("x-aws-ec2-metadata-token-ttl-seconds: 60\r\n"), "{}", heads[0]);
    for head in &heads[1..] {
        assert!(head.contains("x-aws-ec2-metadata-token: the-token\r\n"), "{head}");
    }
}

#[test]
fn an_instance_without_a_role_is_told_from_one_that_is_silent() {
    let (base, server) = metadata_service(vec!["the-token", ""]);
    assert_eq!(ask_twice(base).map(|_| ()).unwrap_err(), KeyError::Role);
    assert_eq!(server.join().unwrap().len(), 2);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = ask_twice(format!("http://{closed}")).map(|_| ()).unwrap_err();
    let refused = Silence::Connect(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(error, KeyError::Instance(refused));
}
