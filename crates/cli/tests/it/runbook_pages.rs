//! The pages beside the runbooks, typed as they are printed into a running demo: each line of a
//! fenced `sh` is run by one shell, ends with 0 or with what stands behind it (`# exits 5`), and
//! prints what the fenced `text` below it says, with `…` for what differs from day to day.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use tempfile::TempDir;

use super::desk::free_port;
use super::process::{PATIENCE, Process, enclave_program};

/// A demo in a folder of its own, and a shell in it.
struct Demo {
    shell: Shell,
    up: Process,
    _dir: TempDir,
    _programs: TempDir,
}

impl Demo {
    fn start() -> Self {
        let programs = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let lucarne = programs.path().join("lucarne");
        std::fs::hard_link(env!("CARGO_BIN_EXE_lucarne"), &lucarne).unwrap();
        // A page puts another program in its place, which must not be that of other tests.
        std::fs::hard_link(enclave_program(), programs.path().join("lucarne-enclave")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let [grpc, otlp, page, view, desk] = [(); 5].map(|()| format!("127.0.0.1:{}", free_port()));
        let mut command = Command::new(&lucarne);
        command.args(["up", "--demo", "--otlp-grpc", &grpc, "--otlp-http", &otlp]);
        command.args(["--http", &page, "--view", &view, "--desk", &desk]).current_dir(dir.path());
        let up = Process::start(&mut command, &dir.path().join("up.log")).ready();
        let shell = Shell::start(dir.path(), programs.path(), &format!("http://{desk}"));
        Self { shell, up, _dir: dir, _programs: programs }
    }

    /// Exit code and what was said, on both outputs.
    fn types(&mut self, line: &str) -> (i32, String) {
        self.shell.types(line)
    }

    #[track_caller]
    fn yes(&mut self, line: &str) -> String {
        let (code, said) = self.types(line);
        assert_eq!(code, 0, "{line}: {said}");
        said
    }
}

struct Shell {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Shell {
    fn start(dir: &Path, programs: &Path, desk: &str) -> Self {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display());
        let mut child = Command::new("/bin/sh")
            .current_dir(dir)
            .env_clear()
            .env("PATH", path)
            .env("LUCARNE_DESK", desk)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        input.write_all(b"exec 2>&1\n").unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                sender.send(line).ok();
            }
        });
        Self { child, input, lines }
    }

    fn types(&mut self, line: &str) -> (i32, String) {
        writeln!(self.input, "{{ {line}\n}} </dev/null; _code=$?; echo; echo \"{MARK} $_code\"")
            .unwrap();
        let mut said: Vec<String> = Vec::new();
        loop {
            let line_of = self.lines.recv_timeout(PATIENCE * 3);
            let next = line_of.unwrap_or_else(|_| panic!("{line} does not end: {said:?}"));
            if let Some(code) = next.strip_prefix(MARK) {
                said.pop_if(|last: &mut String| last.is_empty());
                return (code.trim().parse().unwrap(), said.join("\n"));
            }
            said.push(next);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

const MARK: &str = "==== ended with";

/// One line of a page with what must come of it.
struct Typed<'a> {
    line: &'a str,
    exit: i32,
    says: Vec<&'a str>,
}

fn typed(page: &str) -> Vec<Typed<'_>> {
    let (mut found, mut fence): (Vec<Typed<'_>>, _) = (Vec::new(), "");
    for line in page.lines() {
        if let Some(language) = line.strip_prefix("```") {
            fence = language;
            continue;
        }
        match fence {
            "sh" => {
                let (line, exit) = line.split_once("  # exits ").unwrap_or((line, "0"));
                found.push(Typed { line, exit: exit.parse().unwrap(), says: Vec::new() });
            }
            "text" => found.last_mut().unwrap().says.push(line),
            _ => {}
        }
    }
    found
}

/// Whether a line is said, with anything in the place of `…`.
fn is_said(said: &str, line: &str) -> bool {
    said.lines().any(|found| {
        let mut rest = found;
        line.split('…').all(|part| match rest.find(part) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        })
    })
}

fn follow(name: &str) -> Demo {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../runbooks/{name}.md"));
    let page = std::fs::read_to_string(path).unwrap();
    let all = typed(&page);
    assert!(all.len() >= 8, "{name}: {} lines", all.len());
    let mut demo = Demo::start();
    for Typed { line, exit, says } in all {
        let (code, said) = demo.types(line);
        assert_eq!(code, exit, "{name}: {line}\n{said}");
        for expected in says {
            assert!(is_said(&said, expected), "{name}: {line}\n{expected}\nis not in\n{said}");
        }
    }
    demo
}

/// What was sealed verifies with the key that stands beside it, and with no other.
fn bag_holds(demo: &mut Demo, bag: &str, items: &[&str]) {
    let verify = format!("lucarne evidence verify lucarne-data/evidence/{bag} --key");
    let said = demo.yes(&format!("{verify} lucarne-data/keys/desk-sealing.pub"));
    for item in items {
        assert!(said.contains(&format!("collected {item}")), "{item} is not in\n{said}");
    }
    let other = demo.types(&format!("{verify} lucarne-data/keys/role-ciso.pub"));
    assert_eq!(other.0, 2, "{}", other.1);
}

#[test]
fn the_page_before_the_first_incident_ends_with_fifteen_lines_that_pass() {
    let mut demo = follow("readiness");
    let (_, said) = demo.types("lucarne readiness --config lucarne-data/readiness.yaml -o json");
    let lines: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let standings: Vec<&str> = lines.iter().map(|it| it["standing"].as_str().unwrap()).collect();
    // The edit at the end of the page took back one procedure.
    let expected: Vec<&str> = (0..15).map(|at| if at == 6 { "STALE" } else { "PASS" }).collect();
    assert_eq!(standings, expected, "{said}");
    assert!(lines.iter().all(|it| it["evidence"] != ""), "{said}");
    assert_eq!(demo.up.stop("-INT"), Some(0));
}

#[test]
fn the_page_for_an_error_spike_is_followed_in_a_demo() {
    let mut demo = follow("error-rate-spike");
    bag_holds(&mut demo, "$INC-RUN-1.bag", &["error-counts", "inside-log", "inside-trace"]);
    assert_eq!(demo.up.stop("-INT"), Some(0));
}

#[test]
fn the_page_for_a_telemetry_gap_is_followed_in_a_demo() {
    follow("telemetry-gap");
}

#[test]
fn the_page_for_a_chain_failure_is_followed_in_a_demo() {
    follow("audit-chain-failure");
}

#[test]
fn the_page_for_an_attestation_failure_is_followed_in_a_demo() {
    follow("attestation-failure");
}

#[test]
fn lines_of_a_page_are_found_with_what_comes_of_them() {
    let page = "# T\n\n```sh\na --b\nc  # exits 5\n```\n\n```text\nx … z\n```\n";
    let all = typed(page);
    let seen: Vec<(&str, i32, usize)> =
        all.iter().map(|it| (it.line, it.exit, it.says.len())).collect();
    assert_eq!(seen, [("a --b", 0, 0), ("c", 5, 1)]);
    assert!(is_said("a\nx y z", "x … z") && !is_said("x y\nz", "x … z"));
}
