//! The watcher beside a real gateway: what it shows, what it signals, and that a kill neither
//! repeats nor loses a signal.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};

use aws_lc_rs::hmac;
use serde_json::Value;

use super::process::{PATIENCE, Process, run, until};
use super::site::{Changes, Site, free_port, http, lucarne_program};
use super::tampering::files_below;

const KEY: &str = "a key of enough bytes";

/// What the receiver of signals was sent.
#[derive(Debug)]
struct Post {
    head: String,
    body: String,
}

impl Post {
    fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).unwrap().1
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Checks the HMAC as a receiver does, and gives the id.
    fn id(&self) -> String {
        let hex = self.header("lucarne-signature").strip_prefix("sha256=").unwrap();
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let tag: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
        hmac::verify(&key, self.body.as_bytes(), &tag).unwrap();
        assert_eq!(self.json()["id"], self.header("lucarne-signal-id"));
        self.header("lucarne-signal-id").to_owned()
    }
}

/// Answers the posts one after the other with these statuses, and then with the last of them.
fn receiver(at: SocketAddr, statuses: &'static [u16]) -> Receiver<Post> {
    let listener = TcpListener::bind(at).unwrap();
    let (sender, posts) = channel();
    std::thread::spawn(move || {
        let mut statuses = statuses.iter().copied();
        let mut status = 200;
        for stream in listener.incoming() {
            status = statuses.next().unwrap_or(status);
            if answer(&stream.unwrap(), status, &sender).is_none() {
                return;
            }
        }
    });
    posts
}

fn answer(mut stream: &TcpStream, status: u16, sender: &Sender<Post>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut line) = (String::new(), String::new());
    while reader.read_line(&mut line).ok()? > 2 {
        head.push_str(&std::mem::take(&mut line).replace("\r\n", "\n"));
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).ok()?;
    sender.send(Post { head, body: String::from_utf8(body).ok()? }).ok()
}

/// A watcher of a site.
struct Watch {
    process: Process,
    pages: SocketAddr,
}

impl Watch {
    fn start(site: &Site, webhook: SocketAddr) -> Self {
        std::fs::write(site.path("webhook.key"), format!("{KEY}\n")).unwrap();
        let pages = free_port();
        let mut command = Command::new(lucarne_program());
        command.args(["audit", "watch", "--every", "1s", "--http", &pages.to_string()]);
        for (flag, file) in [
            ("--records-dir", "archive"),
            ("--policy", "audit-policy.yaml"),
            ("--state", "watch.json"),
            ("--webhook-key", "webhook.key"),
        ] {
            command.arg(flag).arg(site.path(file));
        }
        command.args(["--webhook", &format!("http://{webhook}/signals")]);
        Self { process: Process::start(&mut command, &site.path("watch.log")).ready(), pages }
    }

    fn get(&self, path: &str) -> Option<(u16, String)> {
        http(self.pages, &format!("GET {path} HTTP/1.1\r\n"), "")
    }

    /// The value of a series, whose name begins and whose labels end like this.
    fn metric(&self, name: &str, labels: &str) -> Option<f64> {
        let page = self.get("/metrics")?.1;
        let mut lines = page.lines().filter_map(|line| line.rsplit_once(' '));
        let found = lines.find(|(key, _)| key.starts_with(name) && key.ends_with(labels));
        found.and_then(|(_, value)| value.parse().ok())
    }

    /// Waits until a round has ended that began after this moment.
    fn round(&self) {
        let rounds = || {
            let results = ["verified", "insecure", "tampered", "incomplete", "failed"];
            let count = |result| {
                self.metric("lucarne_audit_rounds_total", &format!("{{result=\"{result}\"}}"))
            };
            results.into_iter().map(count).sum::<Option<f64>>()
        };
        let before = until("the pages", PATIENCE, rounds);
        until("two rounds", PATIENCE, || rounds().filter(|now| *now >= before + 2.0));
    }
}

fn seals(site: &Site) -> Vec<PathBuf> {
    let audit = |path: &PathBuf| {
        path.extension().is_some_and(|end| end == "seal")
            && path.parent().is_some_and(|above| above.ends_with("audit"))
    };
    files_below(&site.path("archive")).into_iter().filter(audit).collect()
}

fn send(site: &Site) {
    let mut load = site.send(&["--count", "20", "--batch", "10", "--durability", "archived"]);
    assert_eq!(load.end(), Some(0), "{}", load.said());
}

#[test]
fn a_live_site_is_verified_while_it_grows_and_an_attack_is_signalled_once_over_kills() {
    let mut site = Site::start(&Changes::default());
    send(&site);
    let webhook = free_port();
    let mut watch = Watch::start(&site, webhook);
    watch.round();
    let seq = || watch.metric("lucarne_audit_verified_seq", "ledger=\"telemetry\"}");
    let before = until("a verified ledger", PATIENCE, seq);
    send(&site);
    until("the ledger grows", PATIENCE, || seq().filter(|now| *now > before));
    assert_eq!(watch.metric("lucarne_audit_findings", "{kind=\"UNCLEAN_END\"}"), Some(0.0));
    assert_eq!(watch.metric("lucarne_audit_rounds_total", "{result=\"incomplete\"}"), Some(0.0));
    assert_eq!(watch.metric("lucarne_audit_rounds_total", "{result=\"tampered\"}"), Some(0.0));
    let age = watch.metric("lucarne_audit_head_age_seconds", "ledger=\"audit\"}").unwrap();
    assert!((-1.0..60.0).contains(&age), "{age}");
    assert_eq!(watch.get("/health"), Some((200, "{\"watch\":\"watching\"}".to_owned())));
    assert_eq!(watch.get("/other").unwrap().0, 404);
    promtool(&["check", "metrics"], &watch.get("/metrics").unwrap().1, &site.path("."));
    site.stop();
    watch.round();
    assert_eq!(watch.process.stop("-TERM"), Some(5), "{}", watch.process.said());
    assert_eq!(watch.process.rest(), Vec::<String>::new(), "nothing was found");

    // Nobody takes the signal, and the watcher is killed.
    let gone = seals(&site).remove(0);
    let bytes = std::fs::read(&gone).unwrap();
    std::fs::remove_file(&gone).unwrap();
    let watch = Watch::start(&site, webhook);
    until("a signal waits", PATIENCE, || {
        watch.metric("lucarne_audit_signals_waiting", "").filter(|waiting| *waiting > 0.0)
    });
    until("the metrics say so", PATIENCE, || {
        watch.metric("lucarne_audit_findings", "{kind=\"MISSING\"}").filter(|count| *count > 0.0)
    });
    watch.process.signal("-KILL");
    drop(watch);

    // Another one goes on; the receiver is not well at first.
    let posts = receiver(webhook, &[503, 200]);
    let mut watch = Watch::start(&site, webhook);
    let refused = posts.recv_timeout(PATIENCE).unwrap();
    let taken = posts.recv_timeout(PATIENCE).unwrap();
    assert_eq!((refused.id(), &refused.body), (taken.id(), &taken.body));
    let signal = taken.json();
    assert_eq!(
        (&signal["schema"], &signal["finding"]["kind"]),
        (&"lucarne.audit.signal/1".into(), &"MISSING".into())
    );
    assert_eq!(signal["archive"], site.path("archive").to_str().unwrap());
    assert_eq!(signal["policy_sha256"].as_str().unwrap().len(), 64);
    until("all are taken", PATIENCE, || {
        watch.metric("lucarne_audit_signals_waiting", "").filter(|waiting| *waiting == 0.0)
    });
    assert_eq!(watch.process.stop("-TERM"), Some(1), "{}", watch.process.said());
    let more = posts.try_iter().count();

    // What was taken is not sent again.
    let mut watch = Watch::start(&site, webhook);
    watch.round();
    assert_eq!(watch.process.stop("-TERM"), Some(1), "{}", watch.process.said());
    assert_eq!((posts.try_iter().count(), watch.process.rest()), (0, vec![]), "{more} before");
    std::fs::write(&gone, bytes).unwrap();
}

fn once(site: &Site, more: &[&str]) -> (Option<i32>, String) {
    let (archive, policy) = (site.path("archive"), site.path("audit-policy.yaml"));
    let place = ["--records-dir", archive.to_str().unwrap(), "--policy", policy.to_str().unwrap()];
    let output =
        run(lucarne_program(), &[&["audit", "watch", "--once"], &place[..], more].concat());
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn one_look_has_the_exit_code_of_an_audit_and_remembers() {
    let mut site = Site::start(&Changes::default());
    send(&site);
    site.stop();
    let state = site.path("state.json");
    let more = ["--state", state.to_str().unwrap()];
    let (exit, said) = once(&site, &more);
    assert_eq!((exit, said.lines().count()), (Some(5), 2), "{said}");
    assert!(said.lines().nth(1).unwrap().starts_with("Verified, but only under a root"), "{said}");
    // The last segment goes with all that names it: what is left looks like a crash.
    let gone = seals(&site).pop().unwrap();
    std::fs::remove_file(&gone).unwrap();
    for note in files_below(&site.path("archive/checkpoints")) {
        if note.parent().is_some_and(|above| above.ends_with("audit")) {
            std::fs::remove_file(note).unwrap();
        }
    }
    std::fs::remove_dir_all(site.path("archive/register")).unwrap();
    let (exit, said) = once(&site, &more);
    assert!(said.contains("\nTRUNCATED "), "{said}");
    assert_eq!(exit, Some(1));
    let (exit, again) = once(&site, &more);
    assert!(!again.contains("\nTRUNCATED "), "it was told: {again}");
    assert_eq!(exit, Some(1));
    // Whoever remembers nothing cannot tell.
    assert_eq!(once(&site, &[]).0, Some(2));
}

#[test]
fn what_cannot_be_used_is_refused_before_anything_is_watched() {
    let site = Site::prepare(&Changes::default());
    std::fs::create_dir_all(site.path("archive")).unwrap();
    std::fs::write(site.path("short"), "short").unwrap();
    let (state, short) = (site.path("watch.json"), site.path("short"));
    let (state, short) = (state.to_str().unwrap(), short.to_str().unwrap());
    let hook = ["--webhook", "http://127.0.0.1:1/"];
    assert_eq!(once(&site, &hook).0, Some(3), "neither state nor key");
    let with = |more: &[&'static str]| [&hook, more].concat();
    let short = [with(&[]), vec!["--state", state, "--webhook-key", short]].concat();
    assert_eq!(once(&site, &short).0, Some(3), "a short key");
    assert_eq!(once(&site, &["--every", "10"]).0, Some(3), "no unit");
    std::fs::write(site.path("watch.json"), "{}").unwrap();
    assert_eq!(once(&site, &["--state", state]).0, Some(3), "no state of ours");
    std::fs::write(site.path("audit-policy.yaml"), "nonsense").unwrap();
    assert_eq!(once(&site, &[]).0, Some(3), "no policy");
}

/// Debian's promtool, in a directory, with a text on standard input.
#[track_caller]
fn promtool(args: &[&str], input: &str, directory: &Path) {
    let mut command = Command::new("promtool");
    command.args(args).current_dir(directory).stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn();
    let mut child =
        child.unwrap_or_else(|error| panic!("install Debian package prometheus: {error}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success() && err.is_empty(), "promtool {args:?}: {out}{err}");
}

/// An example: does each rule fire when it should, and is silent when it should be?
const CASES: &str = r#"
rule_files: [rules.yml]
tests:
  - interval: 1m
    input_series:
      - { series: 'lucarne_audit_findings{kind="MISSING"}', values: '0 0 1 1 1 1 1 1 1 1' }
      - { series: 'lucarne_audit_findings{kind="UNCLEAN_END"}', values: '0 2 2 2 2 2 2 2 2 2' }
      - { series: 'lucarne_audit_findings{kind="WITHHELD"}', values: '3x9' }
      - { series: 'lucarne_audit_signals_waiting', values: '0x9' }
      - { series: 'lucarne_audit_rounds_total{result="failed"}', values: '0 9 9 9 9 9 9 9 9 9' }
    alert_rule_test:
      - { eval_time: 1m, alertname: LucarneTampering }
      - eval_time: 2m
        alertname: LucarneTampering
        exp_alerts:
          - exp_labels: { kind: MISSING, severity: page }
            exp_annotations: { summary: "1 findings MISSING in the archive" }
      - { eval_time: 5m, alertname: LucarneIncomplete }
      - eval_time: 7m
        alertname: LucarneIncomplete
        exp_alerts:
          - exp_labels: { kind: UNCLEAN_END, severity: ticket }
            exp_annotations: { summary: "2 findings UNCLEAN_END in the archive" }
      - { eval_time: 0m, alertname: LucarneNotWatching }
      - eval_time: 4m
        alertname: LucarneNotWatching
        exp_alerts:
          - exp_labels: { result: failed, severity: page }
            exp_annotations: { summary: "the archive is not verified" }
      - { eval_time: 9m, alertname: LucarneSignalsWait }
"#;

#[test]
fn the_documented_alerts_fire_when_they_should() {
    let page = include_str!("../../../../docs/operate.md");
    let mut fences = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let rules = fences.find(|fence| fence.starts_with("groups:")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("rules.yml"), rules).unwrap();
    std::fs::write(directory.path().join("cases.yml"), CASES).unwrap();
    promtool(&["check", "rules", "rules.yml"], "", directory.path());
    promtool(&["test", "rules", "cases.yml"], "", directory.path());
}
