//! The main job with real processes: telemetry comes out clean, sealed and archived, and stays so
//! when parts are killed at random moments.
//!
//! `LUCARNE_KILLS` sets how often each part is killed; a few times by default, fifty for the full
//! campaign.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use lucarne_archive::segment::SegmentReader;
use lucarne_archive::{Archive, Directory, Name};
use lucarne_cli::commands::up::layout::{Addresses, Layout};
use lucarne_cli::demo::workflow::FORBIDDEN;
use lucarne_ledger::batch::{self, Content, EpochKey};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::identity::LedgerId;
use lucarne_ledger::key::PublicKey;
use lucarne_otlp::view::{AnyValue, LogRecord, View};
use tempfile::TempDir;

use super::command_line::text;

const LUCARNE: &str = env!("CARGO_BIN_EXE_lucarne");
/// Nothing that is waited for takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn enclave_program() -> PathBuf {
    let enclave = Path::new(LUCARNE).with_file_name("lucarne-enclave");
    assert!(enclave.is_file(), "build it first: cargo build -p lucarne-enclave");
    enclave
}

fn free_addresses() -> [SocketAddr; 3] {
    let held = [0; 3].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
    held.each_ref().map(|listener| listener.local_addr().unwrap())
}

/// A child that does not outlive its test.
struct Part(Child);

impl Drop for Part {
    fn drop(&mut self) {
        drop(self.0.kill().and_then(|()| self.0.wait()));
    }
}

impl Part {
    fn start(program: &Path, args: &[std::ffi::OsString], log: &Path) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let mut child =
            Command::new(program).args(args).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{} {args:?}", program.display());
        Self(child)
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap();
        assert_eq!(status.code(), Some(0));
    }

    fn end(mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        self.0.wait().unwrap()
    }
}

/// Gateway, proxy and enclave as processes of their own, so that each can be killed.
struct Site {
    _dir: TempDir,
    layout: Layout,
    grpc: SocketAddr,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [grpc, http, gateway] = free_addresses();
        let addresses = Addresses { grpc, http, gateway, workload: None };
        let layout = Layout::prepare(dir.path(), &addresses).unwrap();
        let mut root = Command::new(enclave_program());
        let root = root.args(layout.enclave_args()).arg("--software-root").output().unwrap();
        layout.trust(text(&root.stdout).trim()).unwrap();
        Self { _dir: dir, layout, grpc }
    }

    fn gateway(&self) -> Part {
        self.part(Path::new(LUCARNE), &self.layout.gateway_args(), "gateway")
    }

    fn proxy(&self) -> Part {
        self.part(Path::new(LUCARNE), &self.layout.proxy_args(), "proxy")
    }

    fn enclave(&self) -> Part {
        self.part(&enclave_program(), &self.layout.enclave_args(), "enclave")
    }

    fn part(&self, program: &Path, args: &[std::ffi::OsString], name: &str) -> Part {
        Part::start(program, args, &self.layout.logs().join(format!("{name}.log")))
    }

    /// A sender that wants each small batch archived, and keeps what was acknowledged.
    fn sender(&self, ids: &Path, seconds: u64) -> Part {
        let child = Command::new(LUCARNE)
            .args(["send", "--durability", "archived", "--batch", "20", "--rate", "2000"])
            .args(["--patience", "60", "--timeout", "40", "--in-flight", "2"])
            .args(["--endpoint", &format!("http://{}", self.grpc)])
            .args(["--duration", &seconds.to_string(), "--ids"])
            .arg(ids)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Part(child)
    }

    fn archive(&self) -> PathBuf {
        self.layout.dir().join("archive")
    }

    fn audit(&self) -> (i32, String) {
        audit(&self.archive(), &self.layout.dir().join("audit-policy.yaml"))
    }
}

fn audit(archive: &Path, policy: &Path) -> (i32, String) {
    let output = Command::new(LUCARNE)
        .args(["audit", "verify", "--records-dir"])
        .arg(archive)
        .arg("--policy")
        .arg(policy)
        .output()
        .unwrap();
    let said = [text(&output.stdout), text(&output.stderr)].concat();
    (output.status.code().unwrap(), said)
}

/// Every payload of an archive, each batch verified under the key of its epoch.
fn payloads(root: &Path) -> Vec<Vec<u8>> {
    let archive = Directory::open_read_only(root).unwrap();
    let mut payloads = Vec::new();
    for name in archive.list("").unwrap() {
        let Ok(Name::Seal(seal)) = name else { continue };
        let key = key(root, &seal.ledger);
        let file = archive.open(&Name::Seal(seal)).unwrap();
        let mut reader = SegmentReader::open(file).unwrap();
        while let Some(frame) = reader.next_frame().unwrap() {
            let verified = batch::verify(frame.content, &key).unwrap();
            payloads.extend(verified.records().iter().filter_map(|record| match record.content {
                Content::Present { payload, .. } => Some(payload.to_vec()),
                Content::Withheld { .. } => None,
            }));
        }
    }
    payloads
}

fn key(root: &Path, ledger: &LedgerId) -> EpochKey {
    let epoch = root.join(format!("epochs/{}/{}", ledger.instance, ledger.epoch));
    let binding = EpochBinding::from_cbor(&std::fs::read(epoch.join("binding.cbor")).unwrap());
    let key = PublicKey::from_spki(&binding.unwrap().p256_spki).unwrap();
    EpochKey { instance: ledger.instance.clone(), epoch: ledger.epoch, key }
}

/// How often each execution id stands in the archive.
pub(crate) fn archived_ids(root: &Path) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for payload in payloads(root) {
        let Some((_, message)) = batch::split_context(&payload) else { continue };
        let Ok(record) = LogRecord::parse(message) else { continue };
        for attribute in record.attributes().flatten() {
            if let ("executionId", AnyValue::String(id)) = (attribute.key, attribute.value) {
                *found.entry(id.to_owned()).or_insert(0) += 1;
            }
        }
    }
    found
}

fn acknowledged(ids: &Path) -> Vec<String> {
    let lines = std::fs::read_to_string(ids).unwrap_or_default();
    lines.lines().filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect()
}

#[track_caller]
fn check_exactly_once(site: &Site, acknowledged: &[String]) {
    let archived = archived_ids(&site.archive());
    let wrong: Vec<_> =
        acknowledged.iter().filter(|id| archived.get(*id) != Some(&1)).take(5).collect();
    assert_eq!(wrong, Vec::<&String>::new(), "of {} acknowledged ids", acknowledged.len());
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen in {PATIENCE:?}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn kills() -> u32 {
    // The campaign is a person's choice, like the names of tests given to the runner.
    std::env::var("LUCARNE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

/// Lets a random while pass: 50 to 550 ms.
fn a_random_while() {
    let mut byte = [0; 1];
    aws_lc_rs::rand::fill(&mut byte).unwrap();
    let until = Instant::now() + Duration::from_millis(50 + 2 * u64::from(byte[0]));
    while Instant::now() < until {
        std::thread::park_timeout(until - Instant::now());
    }
}

#[test]
fn gateway_and_proxy_killed_at_random_moments_lose_nothing_and_store_nothing_twice() {
    let site = Site::new();
    let mut gateway = site.gateway();
    let mut proxy = site.proxy();
    let enclave = site.enclave();
    let ids = site.layout.dir().join("ids");
    let mut sender = site.sender(&ids, 4 + 2 * u64::from(kills()));
    wait_for("the first acknowledgement", || !acknowledged(&ids).is_empty());
    for _ in 0..kills() {
        a_random_while();
        gateway.end("-KILL");
        gateway = site.gateway();
        a_random_while();
        proxy.end("-KILL");
        proxy = site.proxy();
    }
    assert_eq!(sender.0.wait().unwrap().code(), Some(0), "every batch was acknowledged in the end");
    assert_eq!(enclave.end("-TERM").code(), Some(0));
    drop((gateway, proxy));
    let acknowledged = acknowledged(&ids);
    assert!(acknowledged.len() > 100, "{} acknowledged", acknowledged.len());
    check_exactly_once(&site, &acknowledged);
    let (exit, said) = site.audit();
    assert_eq!(exit, 5, "{said}");
}

#[test]
fn a_killed_enclave_loses_nothing_archived_and_its_epoch_ends_unclean_and_untampered() {
    let site = Site::new();
    let gateway = site.gateway();
    let proxy = site.proxy();
    let mut all = Vec::new();
    for round in 0..kills() {
        let enclave = site.enclave();
        let ids = site.layout.dir().join(format!("ids-{round}"));
        let sender = site.sender(&ids, 30);
        wait_for("the first acknowledgement", || !acknowledged(&ids).is_empty());
        a_random_while();
        enclave.end("-KILL");
        drop(sender);
        all.extend(acknowledged(&ids));
    }
    drop(proxy);
    assert_eq!(gateway.end("-TERM").code(), Some(0));
    check_exactly_once(&site, &all);
    let (exit, said) = site.audit();
    assert_eq!(exit, 2, "{said}");
    let unclean = said.lines().filter(|line| line.contains("UNCLEAN_END")).count();
    assert!(unclean >= kills() as usize, "{said}");
    for tampering in ["MODIFIED", "MISSING", "FORKED", "TRUNCATED", "DUPLICATE", "INSERTED"] {
        assert!(!said.contains(tampering), "{said}");
    }
}

/// `lucarne up --demo` until it has exported every kind of telemetry; then stopped as a person
/// would.
fn play_demo(dir: &Path) -> [String; 3] {
    let [grpc, http, page] = free_addresses().map(|address| address.to_string());
    let mut up = Command::new(LUCARNE);
    up.args([
        "up",
        "--demo",
        "--otlp-grpc",
        &grpc,
        "--otlp-http",
        &http,
        "--http",
        &page,
        "--data",
    ]);
    let child = up.arg(dir).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut up = Part(child);
    let mut line = String::new();
    BufReader::new(up.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let read =
        |name: &str| std::fs::read_to_string(dir.join("export").join(name)).unwrap_or_default();
    let expected = [
        ("logs.jsonl", "\"errorCode\":\"E_CALCULATION_OVERFLOW\""),
        ("metrics.jsonl", "\"bizfirst_workflow_executions_total\""),
        ("traces.jsonl", "\"POST /workflow\""),
    ];
    for (file, sign) in expected {
        wait_for(sign, || read(file).contains(sign));
    }
    assert_eq!(get(&page, "/health"), "{\"processengine\":\"healthy\"}");
    assert!(get(&page, "/metrics").contains("lucarne_gateway_records_total"));
    assert_eq!(up.end("-INT").code(), Some(0));
    expected.map(|(file, _)| read(file))
}

/// The body of a plain HTTP answer.
fn get(address: &str, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn the_demo_comes_out_clean_and_its_archive_verifies_until_it_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let [logs, metrics, _] = play_demo(dir.path());
    assert!(logs.contains("\"tenantHash\":\"t_8f3a2b1c\"") && logs.contains("exec-abc-123"));
    assert!(logs.contains("\"level\":\"Error\"") && metrics.contains("\"tenant_hash\""));
    check_nothing_forbidden(dir.path());
    let (archive, policy) = (dir.path().join("archive"), dir.path().join("audit-policy.yaml"));
    let (exit, said) = audit(&archive, &policy);
    assert_eq!(exit, 5, "{said}");
    let seals = seals(&archive);
    let middle = &seals[(seals.len() - 1) / 2];
    let whole = std::fs::read(middle).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    std::fs::write(middle, &flipped).unwrap();
    let (exit, said) = audit(&archive, &policy);
    assert_eq!((exit, said.contains("MODIFIED")), (1, true), "{said}");
    std::fs::remove_file(middle).unwrap();
    let (exit, said) = audit(&archive, &policy);
    assert_eq!((exit, said.contains("MISSING")), (1, true), "{said}");
    std::fs::write(middle, &whole).unwrap();
    std::fs::remove_file(seals.last().unwrap()).unwrap();
    let (exit, said) = audit(&archive, &policy);
    assert!(exit == 1 || exit == 2, "{exit}: {said}");
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(audit(empty.path(), &policy).0, 2);
}

/// The `.seal` files of the telemetry ledger, in their order.
fn seals(archive: &Path) -> Vec<PathBuf> {
    let listed = Directory::open_read_only(archive).unwrap().list("").unwrap();
    let names = listed.filter_map(|name| match name {
        Ok(Name::Seal(seal)) if seal.ledger.kind.as_str() == "telemetry" => {
            Some(archive.join(Name::Seal(seal).to_string()))
        }
        _ => None,
    });
    names.collect()
}

/// What must not leave is in no payload and in no file outside `tee/`.
#[track_caller]
fn check_nothing_forbidden(dir: &Path) {
    let mut texts: Vec<(String, Vec<u8>)> =
        payloads(&dir.join("archive")).into_iter().map(|it| ("a payload".to_owned(), it)).collect();
    for folder in ["export", "logs"] {
        for file in std::fs::read_dir(dir.join(folder)).unwrap() {
            let path = file.unwrap().path();
            texts.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    for (place, bytes) in &texts {
        let text = String::from_utf8_lossy(bytes);
        for value in FORBIDDEN {
            assert!(!text.contains(value), "{value:?} is in {place}");
        }
    }
}
