//! Two small addresses on loopback: findings of the watch, which become signals, and pages of the
//! desk, which are written down.
//!
//! One request a connection, and one at a time but for restarts, which take seconds; whoever posts
//! tries again.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use aws_lc_rs::hmac;
use lucarne_ledger::hash::to_hex;
use serde_json::{Value, json};

use super::restart::Wishes;
use crate::desk_client::Desk;
use crate::failure::Failure;

/// The receiver, bound and not yet served.
#[derive(Debug)]
pub(super) struct Receiver {
    listener: TcpListener,
}

/// What it needs to serve.
pub(super) struct Terms {
    /// The desk, with the key that sends signals.
    pub(super) desk: Desk,
    /// The key of the watch's signatures.
    pub(super) watch_key: String,
    /// Where pages are written down.
    pub(super) pages: PathBuf,
    /// The token of whoever may restart parts.
    pub(super) parts_key: String,
    /// Where restarts are asked for.
    pub(super) wishes: Wishes,
    /// This program, and its arguments that look at the archive once.
    pub(super) look: (PathBuf, Vec<String>),
}

impl Receiver {
    /// On a port of its own.
    ///
    /// # Errors
    /// When none is free.
    pub(super) fn bind() -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .map_err(|cause| Failure::unreadable("open the port for pages", &cause))?;
        Ok(Self { listener })
    }

    /// Where it is.
    ///
    /// # Errors
    /// When the socket has no address.
    pub(super) fn address(&self) -> Result<SocketAddr, Failure> {
        let address = self.listener.local_addr();
        address.map_err(|cause| Failure::unreadable("open the port for pages", &cause))
    }

    /// Serves until the process ends.
    pub(super) fn serve(self, terms: Terms) {
        std::thread::spawn(move || {
            for stream in self.listener.incoming().flatten() {
                let Some(post) = read(&stream) else {
                    say(&stream, "400 Bad Request");
                    continue;
                };
                match post.path.strip_prefix("/parts/") {
                    Some(part) => restart(stream, &post, part, &terms),
                    None => say(&stream, answer(&post, &terms).unwrap_or("400 Bad Request")),
                }
            }
        });
    }
}

fn say(mut stream: &TcpStream, status: &str) {
    let said = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    // Whoever posted may be gone.
    stream.write_all(said.as_bytes()).ok();
}

// Pages go on while a part stops and starts.
fn restart(stream: TcpStream, post: &Post, part: &str, terms: &Terms) {
    if post.authorization != format!("Bearer {}", terms.parts_key) {
        return say(&stream, "401 Unauthorized");
    }
    let (wishes, part) = (terms.wishes.clone(), part.to_owned());
    std::thread::spawn(move || {
        say(&stream, if wishes.wish(&part) { "200 OK" } else { "503 Service Unavailable" });
    });
}

/// A request: path, signature, token and body.
struct Post {
    path: String,
    signature: String,
    authorization: String,
    body: Vec<u8>,
}

fn read(stream: &TcpStream) -> Option<Post> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut reader = BufReader::new(stream).take(BODY_BYTES_MAX);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.strip_prefix("POST ")?.split(' ').next()?.to_owned();
    let (mut length, mut signature, mut authorization) = (0, String::new(), String::new());
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "lucarne-signature" => value.trim().clone_into(&mut signature),
            "authorization" => value.trim().clone_into(&mut authorization),
            _ => {}
        }
    }
    let mut body = vec![0; usize::try_from(length.min(BODY_BYTES_MAX)).ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Post { path, signature, authorization, body })
}

fn answer(post: &Post, terms: &Terms) -> Option<&'static str> {
    match post.path.as_str() {
        "/page" => {
            let page: Value = serde_json::from_slice(&post.body).ok()?;
            let mut file = OpenOptions::new().create(true).append(true).open(&terms.pages).ok()?;
            writeln!(file, "{page}").ok()?;
            Some("200 OK")
        }
        "/finding" => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, terms.watch_key.as_bytes());
            let is = format!("sha256={}", to_hex(hmac::sign(&key, &post.body).as_ref()));
            if post.signature != is {
                return Some("401 Unauthorized");
            }
            let told: Value = serde_json::from_slice(&post.body).ok()?;
            let Some(signal) = signal(&told) else { return Some("200 OK") };
            // An entry of the register stands for a moment without a head over it.
            if told["finding"]["code"] == "register" && !is_there_still(&terms.look) {
                return Some("200 OK");
            }
            // What the desk does not take now is posted again by the watch.
            let taken = terms.desk.post("/v1/signals", &signal).is_ok();
            Some(if taken { "200 OK" } else { "503 Service Unavailable" })
        }
        _ => Some("404 Not Found"),
    }
}

fn is_there_still((own, args): &(PathBuf, Vec<String>)) -> bool {
    std::thread::park_timeout(MOMENT);
    let mut look = Command::new(own);
    let look = look.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // What cannot be looked at is believed.
    !look.status().is_ok_and(|status| matches!(status.code(), Some(0 | 5)))
}

/// The signal of a finding; none of one that the policy of the audit explains.
fn signal(told: &Value) -> Option<Value> {
    let finding = &told["finding"];
    let text = |name: &str| finding[name].as_str().unwrap_or_default();
    if finding["suppression"].is_object() {
        return None;
    }
    let code = text("code");
    let labels = json!({ "instance": text("instance"), "finding": code, "source": "audit-watch" });
    // What nobody can tell, such as an epoch without an end, is no evidence of tampering.
    if text("severity") == "incomplete" {
        return Some(json!({ "kind": "other", "labels": labels }));
    }
    let has = |words: [&str; 3]| words.iter().any(|word| code.contains(word));
    let fault = if has(["signature", "key", "seal"]) {
        "bad_signature"
    } else if has(["fork", "twice", "equivoc"]) {
        "sequence_fork"
    } else if has(["missing", "truncat", "anchor"]) {
        "truncation"
    } else {
        "chain_mismatch"
    };
    Some(json!({ "kind": "audit_integrity", "fault": fault, "labels": labels }))
}

const PATIENCE: Duration = Duration::from_secs(5);
/// Between an entry of the register and the head over it.
const MOMENT: Duration = Duration::from_secs(1);
/// A page and a finding have a few kilobytes.
const BODY_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::super::restart::wishes;
    use super::*;

    #[test]
    fn a_finding_is_about_integrity_unless_it_is_explained() {
        let told =
            |code: &str| json!({ "finding": { "code": code, "instance": "i1", "cause": "words" } });
        let fault = |code: &str| signal(&told(code)).unwrap()["fault"].clone();
        let found = ["bad-signature", "fork", "records-missing", "root-mismatch"].map(fault);
        assert_eq!(found, ["bad_signature", "sequence_fork", "truncation", "chain_mismatch"]);
        let mut explained = told("records-missing");
        explained["finding"]["suppression"] = json!({ "reason": "planned" });
        assert_eq!(signal(&explained), None);
        let mut open = told("no-close");
        open["finding"]["severity"] = json!("incomplete");
        assert_eq!(signal(&open).unwrap()["kind"], "other");
    }

    #[test]
    fn a_finding_without_the_signature_is_refused_and_a_page_is_written_down() {
        let dir = tempfile::tempdir().unwrap();
        let receiver = Receiver::bind().unwrap();
        let address = receiver.address().unwrap();
        let nowhere = "http://127.0.0.1:1".parse().unwrap();
        let desk = Desk::new(&nowhere, None).unwrap();
        let (pages, watch_key) = (dir.path().join("pages"), "k".repeat(64));
        let (wishes, _wished) = wishes();
        let parts_key = "p".repeat(64);
        let pages_to = pages.clone();
        receiver.serve(Terms {
            desk,
            watch_key,
            pages: pages_to,
            parts_key,
            wishes,
            look: ("/bin/false".into(), Vec::new()),
        });
        let post = |path: &str, body: &str| {
            let mut stream = TcpStream::connect(address).unwrap();
            let head = format!("POST {path} HTTP/1.1\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).unwrap();
            said.split(' ').nth(1).unwrap().to_owned()
        };
        assert_eq!(post("/finding", "{}"), "401");
        assert_eq!(post("/parts/enclave", ""), "401");
        assert_eq!(post("/page", "{\"summary\": 1}"), "200");
        assert_eq!(std::fs::read_to_string(&pages).unwrap(), "{\"summary\":1}\n");
        assert_eq!((post("/page", "no"), post("/other", "{}")), ("400".into(), "404".into()));
    }
}
