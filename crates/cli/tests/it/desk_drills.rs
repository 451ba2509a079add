//! Drills and readiness of a desk, as processes; and the desk of `lucarne up`, which is told of
//! what the demo does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::desk::{Site, free_port};
use super::process::{PATIENCE, Process, until};

/// Takes every page that is posted.
fn pager() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(&stream);
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).is_ok() && line.trim() != "" {
                let lower = line.to_ascii_lowercase();
                let found = lower.strip_prefix("content-length:");
                length = found.map_or(length, |text| text.trim().parse().unwrap());
                line.clear();
            }
            reader.read_exact(&mut vec![0; length]).ok();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok();
        }
    });
    port
}

fn paging() -> Site {
    let port = pager();
    let more = format!(
        "channels:\n- {{name: pages, webhook: {{url: \"http://127.0.0.1:{port}/\", \
         secret_file: source}}}}\n"
    );
    Site::start(&more)
}

fn runbooks() -> String {
    format!("{}/../../runbooks", env!("CARGO_MANIFEST_DIR"))
}

const DRILLS: [&str; 4] =
    ["error-rate-spike", "telemetry-gap", "audit-chain-failure", "attestation-failure"];

#[test]
fn the_four_drills_pass_within_their_bounds_and_leave_nothing_behind() {
    let site = paging();
    for name in DRILLS {
        let text = site.yes("ann", &["drill", "run", name, "--runbooks", &runbooks()]);
        assert!(text.lines().filter(|line| line.starts_with("PASS")).count() == 5, "{text}");
        assert!(text.contains(&format!("{name} passed as INC-")), "{text}");
    }
    let gates = site.json(&["incident", "list"]);
    let phases: Vec<&Value> =
        gates.as_array().unwrap().iter().map(|it| &it["incident"]["phase"]).collect();
    assert_eq!(phases, ["cancelled"; 4]);
    assert!(gates.as_array().unwrap().iter().all(|it| it["held"] == false), "{gates}");
    // A real finding is not touched by the end of a drill.
    let real = [
        "signals",
        "send",
        "--kind",
        "audit_integrity",
        "--fault",
        "chain_mismatch",
        "--label",
        "instance=nitro-001-us-east",
        "--label",
        "drill=true",
    ];
    site.yes("source", &real);
    site.yes("ann", &["incident", "move", "INC-5", "cancelled", "--reason", "r"]);
    assert_eq!(site.json(&["incident", "show", "INC-5"])["held"], true);
}

#[test]
fn a_desk_that_tells_nobody_fails_its_drill() {
    let site = Site::start("");
    let line = ["drill", "run", "audit-chain-failure", "--runbooks", &runbooks()];
    site.no("ann", &line, "FAIL  told");
}

fn openssl(dir: &Path, name: &str) {
    let run = |args: &[&str]| {
        let status =
            Command::new("openssl").args(args).current_dir(dir).stderr(Stdio::null()).status();
        assert!(status.unwrap().success(), "{args:?}");
    };
    let (key, public) = (format!("{name}.pem"), format!("{name}.pub"));
    run(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", &key]);
    run(&["pkey", "-in", &key, "-pubout", "-out", &public]);
}

#[test]
fn readiness_is_fifteen_lines_with_evidence_that_goes_stale_with_an_edit() {
    let site = paging();
    let dir = site.path("");
    std::fs::create_dir(site.path("runbooks")).unwrap();
    for name in DRILLS {
        let file = format!("{name}.yaml");
        let from = Path::new(&runbooks()).join(&file);
        std::fs::copy(from, site.path("runbooks").join(file)).unwrap();
    }
    for role in ["security", "compliance", "ciso"] {
        openssl(&dir, role);
    }
    let config = "max_age: 90d\nrunbooks: runbooks\n\
        role_keys: { security: security.pub, compliance: compliance.pub, ciso: ciso.pub }\n\
        commands:\n  verify-tool: [ completions, bash ]\n  baseline: [ contract, no-such-verb ]\n";
    std::fs::write(site.path("readiness.yaml"), config).unwrap();
    let readiness = ["readiness", "--config", "readiness.yaml"];
    let lines = || {
        let (code, text) = site.said("looker", &readiness);
        let words: Vec<String> =
            text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
        (code, words, text)
    };
    let (code, words, text) = lines();
    assert_eq!((code, words.len()), (Some(1), 15), "{text}");
    let passed: Vec<usize> = (0..15).filter(|at| words[*at] == "PASS").collect();
    assert_eq!(passed, [1], "{text}");
    for name in DRILLS {
        site.yes("ann", &["drill", "run", name]);
    }
    for (name, role) in [
        ("audit-chain-failure", "security"),
        ("audit-chain-failure", "compliance"),
        ("attestation-failure", "ciso"),
    ] {
        let file = format!("runbooks/{name}.yaml");
        let key = format!("{role}.pem");
        let line =
            ["runbook", "approve", &file, "--role", role, "--by", "ann", "--sign-with", &key];
        let signed =
            Command::new(env!("CARGO_BIN_EXE_lucarne")).args(line).current_dir(&dir).output();
        assert_eq!(signed.unwrap().status.code(), Some(0));
    }
    let (_, words, text) = lines();
    // Runbooks and alerts; tools and access have no commands here, nobody was paged.
    assert_eq!(words[4..12], ["PASS"; 8], "{text}");
    assert!(text.contains("security by ann at 2") && text.contains("in a drill"), "{text}");
    assert_eq!(words[14], "FAIL", "{text}");
    for name in ["telemetry-gap", "audit-chain-failure"] {
        let path = site.path(&format!("runbooks/{name}.yaml"));
        let edited = std::fs::read_to_string(&path).unwrap() + "# edited\n";
        std::fs::write(path, edited).unwrap();
    }
    let (_, words, text) = lines();
    assert_eq!((words[5].as_str(), words[6].as_str()), ("STALE", "STALE"), "{text}");
    let signed = [&readiness[..], &["--sign-with", "ciso.pem", "--signed", "ready.json"]].concat();
    assert_eq!(site.said("looker", &signed).0, Some(1));
    let envelope: Value =
        serde_json::from_slice(&std::fs::read(site.path("ready.json")).unwrap()).unwrap();
    assert_eq!(envelope["payloadType"], "application/vnd.lucarne.readiness.v1+json");
}

#[test]
fn a_table_top_ends_in_a_signed_report() {
    let dir = tempfile::tempdir().unwrap();
    openssl(dir.path(), "ann");
    let runbook = format!("{}/telemetry-gap.yaml", runbooks());
    let talk = |answers: &str, to: &str| {
        let line = [
            "drill",
            "tabletop",
            &runbook,
            "--with",
            "ann",
            "--with",
            "ben",
            "--sign-with",
            "ann.pem",
            "--to",
            to,
        ];
        let mut child = Command::new(env!("CARGO_BIN_EXE_lucarne"))
            .args(line)
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = talk(&"ann looks at the proxy\n".repeat(100), "one.json");
    assert!(code == Some(0) && text.contains("0 of "), "{code:?} {text}");
    let (code, text) = talk("ann looks\n", "two.json");
    assert!(code == Some(1) && text.contains("steps are open; signed in two.json"), "{text}");
    assert_eq!(talk("", "two.json").0, Some(4));
}

#[test]
fn the_desk_of_up_sees_the_errors_of_the_demo_and_tells_operators() {
    let dir = tempfile::tempdir().unwrap();
    let ports = [free_port(), free_port(), free_port(), free_port(), free_port()];
    let [grpc, otlp, page, view, desk] = ports.map(|port| format!("127.0.0.1:{port}"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_lucarne"));
    command.args(["up", "--demo", "--otlp-grpc", &grpc, "--otlp-http", &otlp, "--http", &page]);
    command.args(["--view", &view, "--desk", &desk, "--data"]).arg(dir.path().join("data"));
    let mut up = Process::start(&mut command, &dir.path().join("up.log")).ready();
    let url = format!("http://{desk}");
    let key = dir.path().join("data/keys/desk-a");
    let ask = |line: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_lucarne"))
            .args(line)
            .args(["--desk", &url, "--key"])
            .arg(&key)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    // The demo errs for ten seconds a minute, from its fifth second on.
    let listed = until("an incident about the error rate", PATIENCE, || {
        let (_, text) = ask(&["incident", "list"]);
        text.contains("workflow_error_rate legitimate (O1)").then_some(text)
    });
    assert!(listed.contains("SEV2"), "{listed}");
    let pages =
        || std::fs::read_to_string(dir.path().join("data/desk/pages.jsonl")).unwrap_or_default();
    until("a notification", PATIENCE, || pages().contains("workflow_error_rate").then_some(()));
    let tested = ask(&["contacts", "page-test", "security"]);
    assert!(tested.0 == Some(0) && tested.1.starts_with("notify/pages done"), "{tested:?}");
    // What was running when the archive ends is known from the archive alone.
    let (archive, policy) =
        (dir.path().join("data/archive"), dir.path().join("data/audit-policy.yaml"));
    assert_eq!(up.stop("-INT"), Some(0));
    let inflight = Command::new(env!("CARGO_BIN_EXE_lucarne"))
        .args(["inflight", "--instance", "nitro-001-us-east", "--output", "json", "--records-dir"])
        .arg(archive)
        .arg("--policy")
        .arg(policy)
        .output()
        .unwrap();
    let said: Value = serde_json::from_slice(&inflight.stdout).unwrap();
    assert_eq!(said["verified"], true, "{said}");
    let count = |name: &str| said["executions"][name].as_array().unwrap().len();
    assert!(count("completed") > 50 && count("failed") > 5, "{said}");
    assert_eq!((count("running"), count("unknown")), (0, 0), "{said}");
    assert_eq!(inflight.status.code(), Some(0));
}
