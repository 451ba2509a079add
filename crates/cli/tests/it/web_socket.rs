//! A client of WebSockets, written by hand: what logcli and Grafana do when they follow a query.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::process::PATIENCE;

/// The key of the example in RFC 6455 §1.3, and the answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ANSWER: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub(crate) struct WebSocket(TcpStream);

/// What a server says.
#[derive(Debug, PartialEq)]
pub(crate) enum Said {
    Message(Value),
    /// With its code and reason.
    End(u16, String),
}

impl WebSocket {
    /// Asks for a WebSocket; status and body when there is none.
    pub(crate) fn open(at: SocketAddr, target: &str) -> Result<Self, (u16, String)> {
        Self::open_with(at, target, "")
    }

    pub(crate) fn open_with(
        at: SocketAddr,
        target: &str,
        headers: &str,
    ) -> Result<Self, (u16, String)> {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: \
             websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        let answer = String::from_utf8(answer).unwrap();
        let status: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
        if status == 101 {
            let accepts = format!("sec-websocket-accept: {ANSWER}\r\n");
            assert!(answer.contains(&accepts), "{answer}");
            return Ok(Self(stream));
        }
        let length = answer.split("content-length: ").nth(1).unwrap().split("\r\n").next();
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        stream.read_exact(&mut body).unwrap();
        Err((status, String::from_utf8(body).unwrap()))
    }

    pub(crate) fn next(&mut self) -> Said {
        let [kind, short] = self.take::<2>();
        let length = match short {
            126 => u64::from(u16::from_be_bytes(self.take())),
            127 => u64::from_be_bytes(self.take()),
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).unwrap();
        match kind {
            0x81 => Said::Message(serde_json::from_slice(&payload).unwrap()),
            0x88 => {
                let (code, why) = payload.split_first_chunk::<2>().unwrap();
                let why = String::from_utf8(why.to_vec()).unwrap();
                Said::End(u16::from_be_bytes(*code), why)
            }
            other => panic!("a frame of kind {other:x}"),
        }
    }

    pub(crate) fn message(&mut self) -> Value {
        match self.next() {
            Said::Message(message) => message,
            Said::End(code, why) => panic!("ended with {code}: {why}"),
        }
    }

    /// Says goodbye; what the server answers.
    pub(crate) fn close(mut self) -> Said {
        self.0.write_all(&[0x88, 0x80, 0, 0, 0, 0]).unwrap();
        self.next()
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}
