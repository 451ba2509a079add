//! The attested channel between the real command and a real enclave, over a relay that keeps every
//! byte; and a middle man who tries each of the known attacks. None of them gets to see a question.

#[path = "channel/attacks.rs"]
mod attacks;
#[path = "channel/hardware.rs"]
mod hardware;
#[path = "channel/host_blobs.rs"]
mod host_blobs;
#[path = "channel/middle.rs"]
mod middle;
#[path = "channel/questions.rs"]
mod questions;
#[path = "channel/roles.rs"]
mod roles;
#[path = "channel/tunnel.rs"]
mod tunnel;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use super::process::{PATIENCE, run, until};
use super::site::{Changes, Site, append, free_port, lucarne_program};
use middle::Relay;

/// A site whose enclave has a channel, with people who may and may not ask.
struct Inside {
    site: Site,
    channel: SocketAddr,
}

const PEOPLE: [(&str, &str); 6] = [
    ("alice", "investigator"),
    ("bob", "careful"),
    ("carol", "approver"),
    ("gina", "guest"),
    ("late", "investigator"),
    ("gone", "investigator"),
];

impl Inside {
    fn start() -> Self {
        Self::start_with(|_| ())
    }

    /// The same where something is changed before anything starts.
    fn start_with(change: impl FnOnce(&Site)) -> Self {
        let mut site = Site::prepare(&Changes::default());
        let channel = free_port();
        let authority = PEOPLE.map(|(name, role)| certify(&site, "board", name, role))[0].clone();
        certify(&site, "stranger", "mallory", "investigator");
        let revoked = serial(&site, "gone");
        let text = format!(
            "access:\n  address: \"tcp:{channel}\"\n  \
             authorities:\n  - {{ name: board, ed25519: \"{authority}\" }}\n  \
             roles:\n  \
             - {{ name: investigator, authorities: [ board ], verbs: [ attestation, recent, \
             logs, logql, trace, labels ], \
             all_streams: true, rows_max: 500 }}\n  \
             - {{ name: careful, authorities: [ board ], verbs: [ recent, logs, logql, trace, \
             labels ], all_streams: true, second_person: approver }}\n  \
             - {{ name: approver, authorities: [ board ], verbs: [] }}\n  \
             revoked: [ \"{revoked}\" ]\n\
             inside: {{ retention_hours: 8784 }}\n"
        );
        // In place of the way in that `lucarne up` gives, which is the last that its file says.
        let file = site.path("tee/enclave.yaml");
        let shipped = std::fs::read_to_string(&file).unwrap();
        let (kept, _) = shipped.split_once("access:\n").unwrap();
        std::fs::write(&file, kept.to_owned() + &text).unwrap();
        change(&site);
        site.start_gateway();
        site.start_proxy();
        site.start_enclave();
        Self { site, channel }
    }

    /// Asks as `who`, by way of `at`.
    fn ask(&self, who: &str, at: SocketAddr, args: &[&str]) -> Output {
        let mut all: Vec<String> = vec!["query".into()];
        all.extend(args.iter().map(|arg| (*arg).to_owned()));
        all.extend(self.connection(who, at));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        run(lucarne_program(), &all)
    }

    fn connection(&self, who: &str, at: SocketAddr) -> Vec<String> {
        let path = |name: &str| self.site.path(name).display().to_string();
        vec![
            format!("--connect=tcp:{at}"),
            format!("--policy={}", path("audit-policy.yaml")),
            format!("--identity={}", path(&format!("{who}.pem"))),
            format!("--key={}", path(&format!("{who}.key"))),
        ]
    }

    fn path(&self, name: &str) -> PathBuf {
        self.site.path(name)
    }

    /// The payload of an audit record, once it is archived.
    fn record(&self, seq: u64) -> Value {
        let (archive, policy) = (self.path("archive"), self.path("audit-policy.yaml"));
        let args = ["audit", "show", &seq.to_string(), "--ledger", "audit", "--records-dir"];
        let archive = archive.display().to_string();
        let policy = policy.display().to_string();
        let args = [&args[..], &[&archive, "--policy", &policy]].concat();
        let shown = until("the record is archived", PATIENCE, || {
            let output = run(lucarne_program(), &args);
            (output.status.code() == Some(5)).then_some(output.stdout)
        });
        let shown: Value = serde_json::from_slice(&shown).unwrap();
        assert!(shown["payload"].is_object(), "{shown}");
        shown["payload"].clone()
    }
}

/// Key, request and certificate; gives the authority's public key.
fn certify(site: &Site, authority: &str, name: &str, role: &str) -> String {
    let path = |end: &str| site.path(end).display().to_string();
    let (key, request) = (path(&format!("{name}.key")), path(&format!("{name}.request")));
    let made =
        ["access", "request", "--name", name, "--role", role, "--key", &key, "--out", &request];
    assert_eq!(run(lucarne_program(), &made).status.code(), Some(0));
    let (own, issued) = (path(&format!("{authority}.seed")), path("issued.jsonl"));
    let out = path(&format!("{name}.pem"));
    let mut args = vec!["access", "issue", "--request", &request, "--authority", "board"];
    args.extend(["--authority-key", &own, "--issued", &issued, "--out", &out]);
    if name == "late" {
        args.extend(["--until", "2026-01-01T00:00:00Z"]);
    }
    let output = run(lucarne_program(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    said.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned()
}

fn serial(site: &Site, holder: &str) -> String {
    let issued = site.path("issued.jsonl").display().to_string();
    let list = run(lucarne_program(), &["access", "list", "--issued", &issued, "--output", "json"]);
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    let of = |entry: &Value| (entry["certificate"]["holder"] == holder).then(|| entry.clone());
    let found = list.as_array().unwrap().iter().find_map(of).unwrap();
    found["certificate"]["serial"].as_str().unwrap().to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The number after these words.
fn number_after(text: &str, words: &str) -> u64 {
    let rest = text.split(words).nth(1).unwrap_or_else(|| panic!("{words:?} in {text}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn evidence_is_asked_for_compared_and_exported() {
    let inside = Inside::start();
    let (pem, proofs) = (inside.path("tee-attestation-cert.pem"), inside.path("receipts"));
    let extra = [format!("--cert={}", pem.display()), format!("--receipts={}", proofs.display())];
    let args = ["attestation", "--latest", "--output", "json", &extra[0], &extra[1]];
    let first = inside.ask("alice", inside.channel, &args);
    assert_eq!(first.status.code(), Some(5), "{}", text(&first.stderr));
    let notes = text(&first.stderr);
    for note in ["not anchored", "time unverified", "instance not bound", "INSECURE"] {
        assert!(notes.contains(note), "{note} in {notes}");
    }
    // In the order of the form, and nothing beside it.
    let fields: Vec<String> = text(&first.stdout)
        .lines()
        .filter_map(|line| line.strip_prefix("  \"")?.split('"').next().map(str::to_owned))
        .collect();
    let form = "module_id timestamp digest pcrs public_key certificate user_data";
    assert_eq!(fields.join(" "), form);
    let again = inside.ask("alice", inside.channel, &args[..4]);
    let pcrs = |output: &Output| {
        let form: Value = serde_json::from_slice(&output.stdout).unwrap();
        form["pcrs"].clone()
    };
    assert_eq!(pcrs(&first), pcrs(&again));
    assert_eq!(pcrs(&first)["0"].as_str().unwrap().len(), "sha384:".len() + 96);

    let key = run(
        "openssl".as_ref(),
        &["pkey", "-pubin", "-noout", "-text", "-in", pem.to_str().unwrap()],
    );
    assert!(text(&key.stdout).contains("prime256v1"), "{}", text(&key.stderr));

    let mut kept: Vec<_> =
        std::fs::read_dir(&proofs).unwrap().map(|file| file.unwrap().path()).collect();
    kept.sort();
    assert_eq!(kept.len(), 2, "{kept:?}");
    let policy = inside.path("audit-policy.yaml").display().to_string();
    for file in kept {
        let judged = ["audit", "check-proof", file.to_str().unwrap(), "--policy", &policy];
        let judged = run(lucarne_program(), &judged);
        assert_eq!(judged.status.code(), Some(5), "{}", text(&judged.stderr));
    }
}

#[test]
fn an_answer_leaves_two_records_and_no_plaintext_on_the_relay() {
    let inside = Inside::start();
    let relay = Relay::start(inside.channel);
    let mut load = inside.site.send(&["--count", "50", "--batch", "50"]);
    assert_eq!(load.end(), Some(0));
    let needle = "needle-of-the-asker-7421";
    let none = inside.ask("alice", relay.at(), &["recent", "--contains", needle]);
    assert_eq!((none.status.code(), text(&none.stdout).as_str()), (Some(5), ""));

    let some = inside.ask("alice", relay.at(), &["recent", "--limit", "5"]);
    assert_eq!(some.status.code(), Some(2), "{}", text(&some.stderr));
    let rows: Vec<String> = text(&some.stdout).lines().map(str::to_owned).collect();
    assert_eq!(rows.len(), 5);
    let captured = relay.captured();
    assert!(captured.len() > 20_000, "{} bytes", captured.len());
    let has = |what: &[u8]| captured.windows(what.len()).any(|window| window == what);
    assert!(!has(needle.as_bytes()), "the question is on the relay");
    assert!(!has(b"alice"), "the asker is on the relay");
    for row in &rows {
        let row: Value = serde_json::from_str(row).unwrap();
        let service = row["labels"]["service_name"].as_str().unwrap();
        for piece in [row["line"].as_str().unwrap(), service, "time_unix_nano"] {
            assert!(!has(piece.as_bytes()), "{piece:?} is on the relay");
        }
    }

    let said = text(&some.stderr);
    let asked = inside.record(number_after(&said, "audit records "));
    assert_eq!(asked["event_type"], "access.query");
    assert_eq!((&asked["who"], &asked["role"]), (&"alice".into(), &"investigator".into()));
    assert_eq!((&asked["verb"], &asked["rows_max"]), (&"recent".into(), &5.into()));
    assert_eq!(asked["query_text"], Value::Null);
    let answered = inside.record(number_after(&said, "audit records ") + 1);
    assert_eq!(answered["event_type"], "access.answer");
    assert_eq!((&answered["rows"], &answered["outcome"]), (&5.into(), &"partial".into()));
    let bytes = u64::try_from(some.stdout.len()).unwrap();
    assert_eq!(answered["bytes"], bytes);
    assert!(!asked.to_string().contains(needle));
}

#[test]
fn who_may_not_ask_is_refused_and_that_is_recorded() {
    let mut inside = Inside::start();
    for (who, code) in [("gina", "no-role"), ("late", "expired"), ("gone", "revoked")] {
        let refused = inside.ask(who, inside.channel, &["recent"]);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("refused ({code})")), "{said}");
        assert!(said.contains("time unverified"), "{said}");
        let record = inside.record(number_after(&said, "audit record "));
        assert_eq!(
            (&record["event_type"], &record["who"]),
            (&"access.refusal".into(), &who.into())
        );
        assert_eq!((&record["reason"], &record["verb"]), (&code.into(), &"recent".into()));
    }
    let verb = inside.ask("bob", inside.channel, &["attestation", "--latest"]);
    assert!(text(&verb.stderr).contains("refused (verb-not-allowed)"), "{}", text(&verb.stderr));

    // A certificate by somebody else who calls himself the authority.
    let stranger = inside.ask("mallory", inside.channel, &["recent"]);
    assert_eq!(stranger.status.code(), Some(1));
    let said = text(&stranger.stderr);
    assert!(said.contains("refused before any evidence was shown: no authority"), "{said}");
    let found =
        (1..40).map(|seq| inside.record(seq)).find(|it| it["event_type"] == "access.stranger");
    assert_eq!(found.unwrap()["reason"], "no-authority");
    // The auditor finds nothing wrong with a ledger that has such records.
    assert_eq!(inside.site.stop(), [Some(0); 3]);
    let (archive, policy) = (inside.path("archive"), inside.path("audit-policy.yaml"));
    let args = ["audit", "verify", "--records-dir", archive.to_str().unwrap(), "--policy"];
    let audit = run(lucarne_program(), &[&args[..], &[policy.to_str().unwrap()]].concat());
    assert_eq!(audit.status.code(), Some(5), "{}{}", text(&audit.stdout), text(&audit.stderr));
}

#[test]
fn four_eyes_are_needed_and_serve_once() {
    let inside = Inside::start();
    let alone = inside.ask("bob", inside.channel, &["recent"]);
    assert!(text(&alone.stderr).contains("refused (second-person-missing)"));
    let path = |name: &str| inside.path(name).display().to_string();
    let (word, from) = (path("bob.word"), "2026-11-21T00:00:00Z");
    let now = lucarne_gateway::export::timestamp::rfc3339(now_ns() - 60_000_000_000);
    let args = ["access", "countersign", "--for", &path("bob.pem"), "--out", &word, "--key"]
        .map(str::to_owned);
    let more = [path("carol.key"), "--identity".into(), path("carol.pem"), "--time-from".into()];
    let last = [now.clone(), "--instance".into(), "nitro-001-us-east".into()];
    let all: Vec<String> = args.into_iter().chain(more).chain(last).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let signed = run(lucarne_program(), &all);
    assert_eq!(signed.status.code(), Some(0), "{}", text(&signed.stderr));

    let with = format!("--countersigned={word}");
    let other = inside.ask("bob", inside.channel, &["recent", "--time-from", from, &with]);
    let said = text(&other.stderr);
    let other_is_refused = said.contains("countersignature-wrong") || said.contains("time-span");
    assert!(other_is_refused, "{said}");
    let granted = inside.ask("bob", inside.channel, &["recent", "--time-from", &now, &with]);
    assert_eq!(granted.status.code(), Some(5), "{}", text(&granted.stderr));
    let said = text(&granted.stderr);
    let record = inside.record(number_after(&said, "audit records "));
    assert_eq!((&record["who"], &record["second_person"]), (&"bob".into(), &"carol".into()));
    let again = inside.ask("bob", inside.channel, &["recent", "--time-from", &now, &with]);
    assert!(text(&again.stderr).contains("countersignature-used"), "{}", text(&again.stderr));
}

/// Carol's word for a question of bob's, as `--countersigned` takes it.
fn countersigned(inside: &Inside, verb: &str, words: &str, from: &str) -> Output {
    let path = |name: &str| inside.path(name).display().to_string();
    let (out, own) =
        (path(&format!("{verb}.word")), ["bob.pem", "carol.key", "carol.pem"].map(path));
    let [whose, key, identity] = &own;
    let files = ["--for", whose, "--out", &out, "--key", key, "--identity", identity];
    let question = ["--verb", verb, "--text", words, "--time-from", from];
    let instance = ["--instance", "nitro-001-us-east"];
    let args = [&["access", "countersign"], &files[..], &instance, &question].concat();
    run(lucarne_program(), &args)
}

/// The same for every other question that is known before it is asked.
#[test]
fn four_eyes_serve_every_verb() {
    let inside = Inside::start();
    let from = lucarne_gateway::export::timestamp::rfc3339(now_ns() - 60_000_000_000);
    let trace = "ab".repeat(16);
    let questions = [
        ("logs", "job=\"none\"", vec!["logs", "--filter", "job=\"none\""]),
        ("logql", "{job=\"none\"}", vec!["logql", "{job=\"none\"}"]),
        ("labels", "job", vec!["labels", "job"]),
        ("trace", trace.as_str(), vec!["trace", "--trace-id", trace.as_str()]),
    ];
    for (verb, words, mut asked) in questions {
        asked.extend(["--time-from", &from]);
        let alone = inside.ask("bob", inside.channel, &asked);
        assert!(text(&alone.stderr).contains("refused (second-person-missing)"), "{verb}");
        let signed = countersigned(&inside, verb, words, &from);
        assert_eq!(signed.status.code(), Some(0), "{}", text(&signed.stderr));
        let with = format!("--countersigned={}", inside.path(&format!("{verb}.word")).display());
        let mut other = asked.clone();
        other.extend(["--time-to", "2026-01-01T00:00:00Z", &with]);
        let said = text(&inside.ask("bob", inside.channel, &other).stderr);
        assert!(said.contains("refused"), "{verb}: {said}");
        asked.push(&with);
        let granted = inside.ask("bob", inside.channel, &asked);
        let said = text(&granted.stderr);
        assert!(said.contains("both proven"), "{verb}: {said}");
        let record = inside.record(number_after(&said, "audit records "));
        assert_eq!((&record["verb"], &record["second_person"]), (&verb.into(), &"carol".into()));
    }
    let nobody = countersigned(&inside, "attestation", "", &from);
    assert_eq!(nobody.status.code(), Some(3));
}

fn now_ns() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_nanos()).unwrap()
}

#[test]
fn a_tunnel_gives_plain_clients_a_local_port() {
    use super::process::Process;
    use super::site::http;
    let inside = Inside::start();
    let port = free_port();
    let mut command = std::process::Command::new(lucarne_program());
    command
        .args(["tunnel", &format!("--listen={port}")])
        .args(inside.connection("alice", inside.channel));
    let mut tunnel = Process::start(&mut command, &inside.path("tunnel.log")).ready();
    let mut load = inside.site.send(&["--count", "20", "--batch", "20"]);
    assert_eq!(load.end(), Some(0));
    let (status, body) = http(port, "GET /lucarne/recent?limit=100 HTTP/1.1\r\n", "").unwrap();
    assert_eq!(status, 200);
    assert!(body.contains("\"time_unix_nano\""), "{body}");
    let (status, body) = http(port, "GET /loki/api/v1/labels HTTP/1.1\r\n", "").unwrap();
    assert_eq!(status, 403, "{body}");
    assert!(body.contains("the role may not ask for loki"), "{body}");
    let (status, _) = http(port, "GET /elsewhere HTTP/1.1\r\n", "").unwrap();
    assert_eq!(status, 404);
    let (status, _) = http(port, "POST /loki/api/v1/push HTTP/1.1\r\n", "").unwrap();
    assert_eq!(status, 405);
    assert_eq!(tunnel.stop("-TERM"), Some(0));
    let everywhere = run(
        lucarne_program(),
        &[
            "tunnel",
            "--listen=0.0.0.0:0",
            "--connect=tcp:127.0.0.1:1",
            "--policy=x",
            "--identity=x",
            "--key=x",
        ],
    );
    assert_eq!(everywhere.status.code(), Some(3));
}

#[test]
fn a_list_of_certificates_says_what_is_still_good() {
    let site = Site::prepare(&Changes::default());
    certify(&site, "board", "alice", "investigator");
    certify(&site, "board", "late", "investigator");
    let issued = site.path("issued.jsonl").display().to_string();
    let serial = serial(&site, "alice");
    let args = ["access", "revoke", &serial, "--issued", &issued, "--reason", "left"];
    let revoked = run(lucarne_program(), &args);
    assert_eq!(text(&revoked.stdout), format!("  revoked:\n  - \"{serial}\"\n"));
    let list = text(&run(lucarne_program(), &["access", "list", "--issued", &issued]).stdout);
    let states: Vec<&str> =
        list.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    let mut sorted = states.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["expired", "revoked"]);
    assert!(list.contains("alice as investigator") && list.contains("(left)"), "{list}");
    let unknown = "4".repeat(32);
    let args = ["access", "revoke", &unknown, "--issued", &issued, "--reason", "x"];
    assert_eq!(run(lucarne_program(), &args).status.code(), Some(1));
}
