//! A view that runs, and a client that writes HTTP/1.1 by hand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::super::process::Process;
use super::super::site::{free_port, lucarne_program};

pub(super) struct View {
    pub(super) process: Process,
    pub(super) at: SocketAddr,
    _dir: Option<tempfile::TempDir>,
}

/// What came back.
#[derive(Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Reply {
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} {text}", self.status))
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl View {
    pub(super) fn start(flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let view = Self::over(&dir.path().join("data"), flags);
        Self { _dir: Some(dir), ..view }
    }

    pub(super) fn over(data: &Path, flags: &[&str]) -> Self {
        let at = free_port();
        let mut command = Command::new(lucarne_program());
        command.args(["view", "--http", &at.to_string(), "--data"]).arg(data).args(flags);
        let log = data.with_extension("log");
        Self { process: Process::start(&mut command, &log).ready(), at, _dir: None }
    }

    #[track_caller]
    pub(super) fn ask(&self, method: &str, target: &str, headers: &str, body: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.at).unwrap();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: view\r\nConnection: close\r\n{headers}\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head: head.to_lowercase(), body: answer[end + 4..].to_vec() }
    }

    #[track_caller]
    pub(super) fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Reply {
        let pairs = parameters.iter().map(|(name, value)| format!("{name}={}", escape(value)));
        let query = pairs.collect::<Vec<_>>().join("&");
        self.ask("GET", &format!("{path}?{query}"), "", b"")
    }

    /// Pushes streams as JSON.
    #[track_caller]
    pub(super) fn push(&self, streams: &Value) {
        let body = json!({ "streams": streams }).to_string();
        let headers = "Content-Type: application/json\r\n";
        let reply = self.ask("POST", "/loki/api/v1/push", headers, body.as_bytes());
        assert_eq!((reply.status, reply.text()), (204, ""));
    }
}

pub(super) fn escape(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

pub(super) fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}

/// A file of the vectors.
pub(super) fn vectors(name: &str) -> Value {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/view");
    serde_json::from_slice(&std::fs::read(dir.join(name)).unwrap()).unwrap()
}
