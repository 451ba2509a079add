//! `lucarne proxy` as a process: the seed's files, readiness, signals.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::command_line::{lucarne, text};

/// The file of the seed, letter by letter.
const SEED_FILE: &str = "\
# vsock-proxy.yaml — allowlist (deny all not listed)
allowlist:
- {address: \"otel-collector.internal.bizfirstai.com\", port: 4317}
# Any other outbound connection from TEE is blocked
";

fn write(dir: &Path, text: &str) -> String {
    let path = dir.join("vsock-proxy.yaml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
}

#[test]
fn the_seeds_command_and_file_are_told_apart_in_both_spellings() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), SEED_FILE);
    for remote in
        [["otel-collector.internal:4317"].as_slice(), &["otel-collector.internal", "4317"]]
    {
        let mut args = vec!["proxy", "--config", &file, "8080"];
        args.extend_from_slice(remote);
        let output = lucarne(&args);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert_eq!(text(&output.stdout), "");
        assert_eq!(
            text(&output.stderr),
            format!(
                "error: start the proxy: the command line and the allow-list name different \
                 places: the command says otel-collector.internal:4317, {file} says \
                 otel-collector.internal.bizfirstai.com:4317; nothing that is not listed is \
                 connected to\n\
                 hint: to lead where the list says, give \
                 otel-collector.internal.bizfirstai.com:4317 as the remote\n\
                 hint: to allow otel-collector.internal:4317, add to {file}: - {{address: \
                 \"otel-collector.internal\", port: 4317}}\n"
            )
        );
    }
}

#[test]
fn what_cannot_be_used_is_exit_three_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "allowlist:\n- {address: a, prot: 1}\n");
    let wrong = |args: &[&str], expected: &str| {
        let output = lucarne(args);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    };
    let at = format!("{file}:2:16: allowlist[0].prot: unknown field");
    wrong(&["proxy", "--config", &file, "8080", "a", "1"], &at);
    wrong(&["proxy", "--config", "/nonexistent", "8080", "a", "1"], "read the allow-list");
    wrong(&["proxy", "8080"], "REMOTE");
    wrong(&["proxy", "8080", "a", "b"], "\"b\" is not a TCP port");
    wrong(&["proxy", "localhost:80", "a", "1"], "is not a place to listen");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let local = format!("tcp:{}", taken.local_addr().unwrap());
    let file = write(dir.path(), "allowlist:\n- {address: a, port: 1}\n");
    wrong(&["proxy", "--config", &file, &local, "a", "1"], "is in use by another process");
}

#[test]
fn it_relays_logs_and_stops_on_a_signal() {
    let dir = tempfile::tempdir().unwrap();
    let far = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = far.local_addr().unwrap().port().to_string();
    let file = write(dir.path(), &format!("allowlist:\n- {{address: 127.0.0.1, port: {port}}}\n"));
    let near = dir.path().join("near.sock");
    let local = format!("unix:{}", near.display());
    let mut child = Command::new(env!("CARGO_BIN_EXE_lucarne"))
        .args(["proxy", "--config", &file, &local, "127.0.0.1", &port])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");

    let mut stream = std::os::unix::net::UnixStream::connect(&near).unwrap();
    stream.write_all(b"ping").unwrap();
    let mut server: TcpStream = far.accept().unwrap().0;
    let mut got = [0; 4];
    server.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"ping");
    drop((stream, server));

    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut lines = Vec::new();
    let mut next = |until: &str| {
        let mut line = String::new();
        while !line.contains(until) {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "{until} was not said: {lines:?}");
            lines.push(line.clone());
        }
    };
    next("connection finished");
    std::fs::write(&file, "allowlist: []").unwrap();
    signal(&child, "-HUP");
    next("allow-list read again");
    let mut refused = std::os::unix::net::UnixStream::connect(&near).unwrap();
    refused.read_to_end(&mut Vec::new()).ok();
    next("not in the allow-list");
    signal(&child, "-TERM");
    next("stopped");
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let said: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
    for (key, value) in [
        ("job", "vsock-proxy".to_owned()),
        ("status", "ok".to_owned()),
        ("level", "Information".to_owned()),
        ("local", local),
        ("remote", format!("127.0.0.1:{port}")),
    ] {
        assert_eq!(said[key], value, "{key} in {said}");
    }
    assert_eq!((&said["bytes_up"], &said["bytes_down"]), (&4.into(), &0.into()));
    let said: serde_json::Value = serde_json::from_str(&lines[3]).unwrap();
    assert_eq!((&said["status"], &said["reason"]), (&"error".into(), &"not_allowed".into()));
}
