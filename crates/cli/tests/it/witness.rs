//! `lucarne witness` as a process: the protocol over a socket, two histories that press on at once
//! while the process is killed again and again, and a configuration that cannot be used.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lucarne_archive::Name;
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::checkpoint::Checkpoint;
use lucarne_ledger::hash::{Hash, from_hex};
use lucarne_ledger::key::{Ed25519Key, PublicKey, Signer};
use lucarne_ledger::note::{self, NoteKey, Vouched};
use lucarne_ledger::proof::ConsistencyProver;
use lucarne_ledger::register;
use lucarne_ledger::tree::Frontier;
use lucarne_ledger::trust_policy::{TrustPolicy, Witnessed};
use lucarne_ledger::witness;

use super::process::{PATIENCE, Process, run, until};
use super::site::{Changes, Site, append, free_port, http, lucarne_program, replace};
use super::tampering::files_below;

const ORIGIN: &str = "log.example/one";

fn log_key() -> Ed25519Key {
    Ed25519Key::from_seed(&[9; 32]).unwrap()
}

fn log() -> NoteKey {
    NoteKey::new(ORIGIN, log_key().public_key().clone())
}

/// One of many histories of the log, which never agree.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct History(u8);

impl History {
    fn leaf(self, index: u64) -> Hash {
        Hash::of(format!("\0{} {index}", self.0).as_bytes())
    }

    fn root(self, size: u64) -> Hash {
        let mut frontier = Frontier::empty();
        (0..size).for_each(|index| frontier.append(self.leaf(index)));
        frontier.root()
    }

    fn note(self, size: u64) -> String {
        let head = Checkpoint { origin: ORIGIN.into(), size, root: self.root(size) };
        let line = log().line(&log_key().sign(head.to_string().as_bytes()).unwrap());
        note::assemble(&head.to_string(), &[line])
    }

    fn request(self, old: u64, size: u64) -> String {
        let mut path = Vec::new();
        if 0 < old && old < size {
            let mut prover = ConsistencyProver::new(old, size, &Frontier::empty()).unwrap();
            while let Some(index) = prover.next() {
                prover.push(self.leaf(index));
            }
            path = prover.finish().unwrap().path;
        }
        witness::write(old, &path, &self.note(size))
    }
}

/// A witness in a directory of its own.
struct Place {
    address: SocketAddr,
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self::of("w1", &format!("logs: [\"{}\"]\n", log()))
    }

    /// A witness with this name that knows these logs.
    fn of(name: &str, logs: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("lucarne-").tempdir().unwrap();
        let address = free_port();
        let file = format!(
            "name: witness.example/{name}\n\
             state: state\n\
             keys: {{ ed25519: keys/ed25519, ml_dsa_44: keys/ml-dsa-44 }}\n\
             http: {{ address: \"{address}\", prefix: /w1 }}\n\
             {logs}"
        );
        std::fs::write(dir.path().join("witness.yaml"), file).unwrap();
        Self { address, dir }
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("witness.yaml")
    }

    fn start(&self) -> Process {
        let mut command = Command::new(lucarne_program());
        command.args(["witness", "--config"]).arg(self.config());
        Process::start(&mut command, &self.dir.path().join("log")).ready()
    }

    /// The verifier keys that it prints.
    fn keys(&self) -> Vec<NoteKey> {
        let output =
            run(lucarne_program(), &["witness", "--config", text(&self.config()), "--new-key"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines().map(|line| line.parse().unwrap()).collect()
    }

    fn ask(&self, body: &str) -> Option<(u16, String)> {
        http(self.address, "POST /w1/add-checkpoint HTTP/1.1\r\n", body)
    }

    fn get(&self, path: &str) -> Option<(u16, String)> {
        http(self.address, &format!("GET {path} HTTP/1.1\r\n"), "")
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn it_cosigns_what_goes_on_and_says_why_not_in_the_statuses_of_the_protocol() {
    let place = Place::new();
    let keys = place.keys();
    assert_eq!(keys.len(), 2);
    let mut process = place.start();
    assert_eq!(place.keys(), keys, "the keys that it printed are those it uses");
    let (one, other) = (History(1), History(2));
    let answer = |body: &str| place.ask(body).unwrap();

    let (status, lines) = answer(&one.request(0, 3));
    assert_eq!(status, 200, "{lines}");
    let cosigned = format!("{}{lines}", one.note(3));
    let opened = note::opened(&cosigned, &keys).unwrap();
    assert_eq!(opened.signatures.len(), 2);
    assert!(opened.signatures.iter().all(|signature| {
        matches!(signature.vouched, Vouched::Cosigned { time_s } if time_s > 1_700_000_000)
    }));
    let policy = format!(
        "log {}\nwitness w1 {} http://{}/w1\nwitness w1-pq {}\n\
         group both all w1 w1-pq\nquorum both\n",
        log(),
        keys[0],
        place.address,
        keys[1]
    );
    let judged = policy.parse::<TrustPolicy>().unwrap().judge_listed(&cosigned).unwrap();
    assert_eq!((judged.checkpoint.size, judged.is_quorum()), (3, true));

    assert_eq!(answer("old 3\n").0, 400);
    assert_eq!(answer(&one.request(9, 5)).0, 400);
    assert_eq!(answer(&one.request(3, 5).replacen("\n5\n", "\n6\n", 1)).0, 403);
    let stranger = one.request(3, 5).replace(ORIGIN, "log.example/two");
    assert_eq!(answer(&stranger).0, 404);
    assert_eq!(answer(&one.request(0, 5)), (409, "3\n".to_owned()));
    assert_eq!(answer(&other.request(3, 5)).0, 422);
    assert_eq!(answer(&other.request(3, 3)).0, 422);
    assert_eq!(answer(&one.request(3, 5)).0, 200);

    let name = Hash::of(ORIGIN.as_bytes());
    let (status, served) = place.get(&format!("/w1/{name}/checkpoint")).unwrap();
    assert_eq!(status, 200);
    let keys_and_log = [&keys[..], &[log()]].concat();
    assert_eq!(note::opened(&served, &keys_and_log).unwrap().signatures.len(), 3);
    assert_eq!(Checkpoint::open(&served, &keys).unwrap().size, 5);
    assert_eq!(place.get(&format!("/w1/{}/checkpoint", Hash::of(b"else"))).unwrap().0, 404);
    assert_eq!(place.get("/health").unwrap(), (200, "cosigning\n".to_owned()));
    let (_, page) = place.get("/metrics").unwrap();
    for line in [
        "lucarne_witness_requests_total{result=\"cosigned\"} 2",
        "lucarne_witness_requests_total{result=\"malformed\"} 2",
        "lucarne_witness_requests_total{result=\"conflict\"} 1",
        "lucarne_witness_requests_total{result=\"inconsistent\"} 2",
        "lucarne_witness_settled 1",
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
    assert_eq!(process.stop("-TERM"), Some(0));
    assert!(process.said().contains("a log has signed two trees of one size"));
}

/// What clients were answered: the root cosigned at each size.
#[derive(Default)]
struct Answered {
    roots: Mutex<BTreeMap<u64, History>>,
    stop: AtomicBool,
}

/// Presses one history on, size after size, until told to stop; learns what is held from conflicts.
fn press_on(place: &Place, history: History, answered: &Answered) {
    let (mut old, mut size) = (0, 1);
    while !answered.stop.load(Ordering::Relaxed) {
        match place.ask(&history.request(old, size)) {
            Some((200, _)) => {
                let known = *answered.roots.lock().unwrap().entry(size).or_insert(history);
                assert_eq!(known, history, "two roots were cosigned for size {size}");
                (old, size) = (size, size + 1 + size % 3);
            }
            Some((409, held)) => {
                old = held.trim_end().parse().unwrap();
                size = size.max(old + u64::from(history.0 % 2));
            }
            // Inconsistent: another history was first. Not there: it was just killed.
            Some(_) | None => std::thread::park_timeout(Duration::from_millis(1)),
        }
    }
}

#[test]
fn kill_after_kill_it_remembers_what_it_answered_and_never_forks() {
    let place = Arc::new(Place::new());
    let keys = place.keys();
    let answered = Arc::new(Answered::default());
    let mut process = place.start();
    let clients: Vec<_> = (1..=4)
        .map(|history| {
            let (place, answered) = (Arc::clone(&place), Arc::clone(&answered));
            std::thread::spawn(move || press_on(&place, History(history), &answered))
        })
        .collect();
    let largest = || answered.roots.lock().unwrap().last_key_value().map_or(0, |(size, _)| *size);
    for round in 0..8 {
        let before = largest();
        until("something more is cosigned", Duration::from_secs(60), || {
            (largest() > before).then_some(())
        });
        // Not at a moment that the clients chose.
        std::thread::park_timeout(Duration::from_millis(round));
        assert_eq!(process.stop("-KILL"), None);
        let before = largest();
        process = place.start();
        let (_, served) =
            place.get(&format!("/w1/{}/checkpoint", Hash::of(ORIGIN.as_bytes()))).unwrap();
        let held = Checkpoint::open(&served, &keys).unwrap();
        assert!(held.size >= before, "went back from {before} to {}", held.size);
    }
    answered.stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    let roots = answered.roots.lock().unwrap();
    let winner = *roots.values().next().unwrap();
    assert!(roots.len() >= 8 && roots.values().all(|one| *one == winner), "{roots:?}");
    let (_, served) =
        place.get(&format!("/w1/{}/checkpoint", Hash::of(ORIGIN.as_bytes()))).unwrap();
    let held = Checkpoint::open(&served, &keys).unwrap();
    assert_eq!(held.root, winner.root(held.size));
}

#[test]
fn what_cannot_be_used_is_exit_three_with_its_line() {
    let place = Place::new();
    let file = place.config();
    let refused = |args: &[&str], expected: &str| {
        let output =
            run(lucarne_program(), &[&["witness", "--config", text(&file)], args].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(expected), "{expected}: {said}");
    };
    let checked = run(lucarne_program(), &["witness", "--config", text(&file), "--check-config"]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let _holder = std::net::TcpListener::bind(place.address).unwrap();
    refused(&[], &format!("{}:4: http.address: cannot listen on", text(&file)));
    replace(&file, "name: witness.example/w1", "name: \"\"");
    refused(&["--check-config"], &format!("{}:1: name: expected", text(&file)));
    refused(&[], &format!("{}:1: name: expected", text(&file)));
    refused(&["--new-key"], &format!("{}:1: name: expected", text(&file)));
}

/// The cosigned checkpoints in the archive of a site: ledger, size, and what the policy says.
fn cosigned(site: &Site, policy: &TrustPolicy) -> Vec<(String, u64, Witnessed)> {
    let root = site.path("archive");
    let mut found = Vec::new();
    let checkpoints = root.join("checkpoints");
    // Not made before the first of them.
    let stored = if checkpoints.is_dir() { files_below(&checkpoints) } else { Vec::new() };
    for path in stored {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
        let Ok(Name::Checkpoint(name)) = name.parse::<Name>() else { panic!("{name}") };
        if !name.cosigned {
            continue;
        }
        let ledger = name.ledger.to_string();
        let binding = root
            .join(format!("epochs/{}/{}/binding.cbor", name.ledger.instance, name.ledger.epoch));
        let binding = EpochBinding::from_cbor(&std::fs::read(binding).unwrap()).unwrap();
        let origin = format!("lucarne.local/{ledger}");
        let key = NoteKey::new(&origin, PublicKey::from_ed25519(&binding.ed25519));
        let note = std::fs::read_to_string(&path).unwrap();
        let judged = policy.judge(&note, &[key]).unwrap();
        assert_eq!((judged.checkpoint.size, judged.checkpoint.root), (name.size, name.root));
        found.push((ledger, name.size, judged));
    }
    found
}

/// Sends this many records and waits until they are acknowledged as kept.
fn send(site: &Site, count: &str) {
    let mut load = site.send(&["--count", count, "--batch", "50"]);
    assert_eq!(load.end(), Some(0), "{}", load.said());
}

/// A site whose gateway asks two witnesses, of which both make up the quorum: the Ed25519 key of
/// one, the ML-DSA-44 key of the other.
struct Watched {
    site: Site,
    places: [Place; 2],
    policy: TrustPolicy,
    policy_text: String,
}

impl Watched {
    /// The site runs, the witnesses do not.
    fn start() -> Self {
        let mut site = Site::prepare(&Changes {
            gateway: vec![("close_after_ms: 1000", "close_after_ms: 200")],
            ..Changes::default()
        });
        let policy = site.path("audit-policy.yaml");
        let key: [u8; 32] = from_hex(&register_key(&policy)).unwrap();
        let register = register::note_key("lucarne.local", PublicKey::from_ed25519(&key));
        let logs = format!("epochs: {}\nlogs: [\"{register}\"]\n", policy.display());
        let places = ["w1", "w2"].map(|name| Place::of(name, &logs));
        let [first, second] = [&places[0].keys()[0], &places[1].keys()[1]];
        let policy = format!(
            "witness w1 {first} http://{}/w1\n\
             witness w2 {second} http://{}/w1\n\
             group both all w1 w2\n\
             quorum both\n",
            places[0].address, places[1].address
        );
        let block = policy.replace('\n', "\n    ");
        append(&site.path("gateway.yaml"), &format!("witnesses:\n  text: |\n    {block}\n"));
        let block = policy.replace('\n', "\n  ");
        append(&site.path("tee/enclave.yaml"), &format!("witnesses: |\n  {block}\n"));
        site.start_gateway();
        site.start_proxy();
        site.start_enclave();
        Self { site, places, policy: policy.parse().unwrap(), policy_text: policy }
    }

    /// Size of the largest cosigned checkpoint of the telemetry ledger.
    fn largest(&self) -> u64 {
        let all = cosigned(&self.site, &self.policy).into_iter();
        let telemetry = all.filter(|(ledger, ..)| ledger.ends_with("telemetry"));
        telemetry.map(|(_, size, _)| size).max().unwrap_or(0)
    }

    #[track_caller]
    fn wait_for_more_than(&self, size: u64) -> u64 {
        until("a larger checkpoint is cosigned", PATIENCE, || {
            Some(self.largest()).filter(|largest| *largest > size)
        })
    }

    /// A number of `/metrics`.
    fn metric(&self, name: &str) -> f64 {
        let (_, page) = self.site.get("/metrics").unwrap();
        let found = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        found.unwrap_or_else(|| panic!("{name} in {page}"))
    }

    fn lag(&self) -> f64 {
        self.metric("lucarne_gateway_witness_lag_seconds")
    }
}

/// The key of the register that a policy names.
fn register_key(policy: &Path) -> String {
    let text = std::fs::read_to_string(policy).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("register: { ed25519: \""));
    line.unwrap_or_else(|| panic!("no register in {text}"))[..64].to_owned()
}

#[test]
fn a_register_that_is_removed_and_begun_anew_is_betrayed_by_its_witnesses() {
    let mut watched = Watched::start();
    let _witnesses = [watched.places[0].start(), watched.places[1].start()];
    send(&watched.site, "50");
    let (archive, policy) = (watched.site.path("archive"), watched.site.path("audit-policy.yaml"));
    let block = watched.policy_text.replace('\n', "\n  ");
    append(&policy, &format!("witnesses: |\n  {block}\n"));
    let check = || {
        let args = ["register", "check", "--records-dir", text(&archive)];
        let output = run(lucarne_program(), &[&args[..], &["--policy", text(&policy)]].concat());
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let key = register_key(&policy);
    let demanded = format!("register: {{ witnessed: true, ed25519: \"{key}");
    replace(&policy, &format!("register: {{ ed25519: \"{key}"), &demanded);
    until("the register is witnessed", PATIENCE, || (check().0 == Some(0)).then_some(()));
    assert_eq!(watched.site.stop(), [Some(0); 3]);
    let (exit, said) = check();
    assert_eq!(
        (exit, said.as_str()),
        (Some(0), "register of 3 entries: they lead to its signed heads\n")
    );
    // With the register all that would contradict the next one goes. Its key is still there.
    std::fs::remove_dir_all(archive.join("register")).unwrap();
    watched.site.start_gateway();
    until("witnesses refuse another history", PATIENCE, || {
        let name = "lucarne_gateway_witness_requests_total";
        let refused = ["w1", "w2"].map(|witness| {
            watched.metric(&format!("{name}{{witness=\"{witness}\",result=\"refused\"}}"))
        });
        refused.iter().all(|count| *count > 0.0).then_some(())
    });
    assert_eq!(watched.site.gateway.as_mut().unwrap().stop("-TERM"), Some(0));
    let (exit, said) = check();
    assert_eq!(exit, Some(2), "{said}");
    assert_eq!(said, "UNANCHORED_TAIL: a quorum of witnesses saw 0 entries of the register only\n");
}

#[test]
fn checkpoints_are_cosigned_and_nothing_waits_for_a_witness() {
    let watched = Watched::start();
    // No witness is there yet: what is sent is kept all the same.
    send(&watched.site, "100");
    until("the lag shows", PATIENCE, || (watched.lag() > 0.0).then_some(()));
    assert_eq!(cosigned(&watched.site, &watched.policy).len(), 0);
    let mut one = watched.places[0].start();
    let _two = watched.places[1].start();
    let before = watched.wait_for_more_than(100);
    let all = cosigned(&watched.site, &watched.policy);
    assert!(all.iter().all(|(.., judged)| judged.is_quorum() && judged.cosigned.len() == 2));
    assert!(all.iter().all(|(.., judged)| judged.oldest_s() > Some(1_700_000_000)));
    // One of two is gone, and comes back.
    assert_eq!(one.stop("-KILL"), None);
    send(&watched.site, "200");
    until("the lag shows", PATIENCE, || (watched.lag() > 0.0).then_some(()));
    let meanwhile = watched.largest();
    let _one = watched.places[0].start();
    watched.wait_for_more_than(before.max(meanwhile) + 100);
    for witness in ["w1", "w2"] {
        let name = "lucarne_gateway_witness_requests_total";
        let counted = |result: &str| {
            watched.metric(&format!("{name}{{witness=\"{witness}\",result=\"{result}\"}}"))
        };
        assert!(counted("cosigned") > 0.0 && counted("failed") > 0.0, "{witness}");
    }
}

#[test]
fn a_workload_that_asks_for_witnesses_is_told_when_they_have_seen_its_records() {
    let watched = Watched::start();
    let _one = watched.places[0].start();
    let witnessed = ["--count", "10", "--batch", "10", "--durability", "witnessed"];
    // One of two is no quorum: what was sent is kept, and the call does not say more than that.
    let mut waiting = watched.site.send(&witnessed);
    until("the first batch is archived", PATIENCE, || {
        let stored = watched.site.path("archive/checkpoints");
        (stored.is_dir() && !files_below(&stored).is_empty()).then_some(())
    });
    assert_eq!(watched.largest(), 0);
    let _two = watched.places[1].start();
    assert_eq!(waiting.end(), Some(0), "{}", waiting.said());
    assert!(watched.largest() > 10, "the quorum came before the answer");
    let mut more = watched.site.send(&witnessed);
    assert_eq!(more.end(), Some(0), "{}", more.said());
}

#[test]
fn a_killed_gateway_asks_again_and_the_end_of_an_epoch_is_cosigned() {
    let mut watched = Watched::start();
    send(&watched.site, "100");
    assert_eq!(watched.site.gateway.as_mut().unwrap().stop("-KILL"), None);
    assert_eq!(watched.largest(), 0);
    let _witnesses = [watched.places[0].start(), watched.places[1].start()];
    watched.site.start_gateway();
    let before = watched.wait_for_more_than(100);
    send(&watched.site, "50");
    assert_eq!(watched.site.stop(), [Some(0); 3]);
    assert!(watched.largest() > before);
    // Of each ledger the last checkpoint, the one that holds `close`, has its quorum.
    let mut last: BTreeMap<(String, bool), u64> = BTreeMap::new();
    for path in files_below(&watched.site.path("archive/checkpoints")) {
        let name = path.strip_prefix(watched.site.path("archive")).unwrap();
        if let Ok(Name::Checkpoint(name)) = text(name).parse::<Name>() {
            let size = last.entry((name.ledger.to_string(), name.cosigned)).or_default();
            *size = name.size.max(*size);
        }
    }
    assert_eq!(last.len(), 4, "two ledgers, stored and cosigned: {last:?}");
    for ((ledger, _), size) in &last {
        assert_eq!(last[&(ledger.clone(), true)], *size, "{last:?}");
    }
    let (archive, policy) = (watched.site.path("archive"), watched.site.path("audit-policy.yaml"));
    let args = ["audit", "verify", "--records-dir", text(&archive), "--policy", text(&policy)];
    let verify = |more: &[&str]| run(lucarne_program(), &[&args, more].concat());
    let output = verify(&[]);
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(verify(&["--require-witnesses", "2"]).status.code(), Some(3), "none are named");
    // An auditor who names the witnesses asks for their word on every record.
    let block = watched.policy_text.replace('\n', "\n  ");
    append(&policy, &format!("witnesses: |\n  {block}\n"));
    let output = verify(&["--require-witnesses", "2"]);
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(verify(&["--require-witnesses", "3"]).status.code(), Some(3), "two are named");
    for path in files_below(&watched.site.path("archive/checkpoints")) {
        if text(&path).ends_with(".cosigned.note") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let output = verify(&["--output", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let kinds: Vec<&str> = (report["findings"].as_array().unwrap().iter())
        .map(|finding| finding["kind"].as_str().unwrap())
        .collect();
    assert_eq!((output.status.code(), kinds), (Some(2), vec!["UNANCHORED_TAIL"; 2]), "{report:#}");
}
