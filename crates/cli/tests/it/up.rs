//! `lucarne up` as a supervisor: readiness, the end in order, and the death of a part or of itself.
//!
//! Gateway and proxy are the real ones. The enclave is another package's program, so a script
//! stands in for it here; the real one runs in the end-to-end test.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::command_line::text;

const ENCLAVE: &str = "#!/bin/sh
case \"$*\" in *--software-root*) printf 'ab%.0s' $(seq 32); exit;; esac
trap 'echo closed in order >&2; kill $!; exit 0' TERM
echo ready
tail -f /dev/null &
wait
";

struct Site {
    dir: TempDir,
    _programs: TempDir,
    up: Child,
}

impl Site {
    /// Starts and waits for `ready`.
    fn start() -> Self {
        // A link, not a copy: a program that some thread still has open for writing cannot be run.
        let programs = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let program = programs.path().join("lucarne");
        std::fs::hard_link(env!("CARGO_BIN_EXE_lucarne"), &program).unwrap();
        let enclave = programs.path().join("lucarne-enclave");
        std::fs::write(&enclave, ENCLAVE).unwrap();
        std::fs::set_permissions(&enclave, PermissionsExt::from_mode(0o755)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut up = Command::new(program)
            .args([
                "up",
                "--data",
                "data",
                "--http",
                "127.0.0.1:0",
                "--view",
                "127.0.0.1:0",
                "--desk",
                "127.0.0.1:0",
            ])
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(up.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { dir, _programs: programs, up }
    }

    /// The process that was started with a file of this site as an argument.
    fn part(&self, argument: &str) -> u32 {
        let argument = self.dir.path().canonicalize().unwrap().join("data").join(argument);
        let named = |pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            text(&line).split('\0').any(|word| Path::new(word) == argument)
        };
        let processes = std::fs::read_dir("/proc").unwrap();
        let pids = processes.filter_map(|it| it.unwrap().file_name().to_str()?.parse().ok());
        pids.into_iter().find(named).unwrap()
    }

    fn parts(&self) -> [u32; 3] {
        ["tee/enclave.yaml", "vsock-proxy.yaml", "gateway.yaml"].map(|file| self.part(file))
    }
}

fn signal(name: &str, pid: u32) {
    let status = Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
    assert_eq!(status.code(), Some(0));
}

/// A process that is nobody's child any more is reaped at some moment after its death.
fn await_end(pid: u32) {
    let alive = || match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => !stat.contains(") Z "),
        Err(_) => false,
    };
    while alive() {
        std::thread::yield_now();
    }
}

#[test]
fn a_stop_closes_every_part_and_is_a_yes() {
    let site = Site::start();
    let parts = site.parts();
    signal("-TERM", site.up.id());
    let output = site.up.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).lines().count() < 15, "{}", text(&output.stderr));
    for pid in parts {
        await_end(pid);
    }
    let log = std::fs::read_to_string(site.dir.path().join("data/logs/enclave.log")).unwrap();
    assert_eq!(log, "closed in order\n");
}

#[test]
fn the_death_of_a_part_ends_all_and_is_told() {
    let site = Site::start();
    let parts = site.parts();
    signal("-KILL", parts[1]);
    let output = site.up.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains("\nerror: the proxy was killed by signal 9 while it was needed\n"),
        "{said}"
    );
    assert!(said.contains("\nhint: proxy: {\"timestamp\""), "{said}");
    for pid in parts {
        await_end(pid);
    }
}

#[test]
fn a_killed_up_leaves_nothing_running() {
    let mut site = Site::start();
    let parts = site.parts();
    site.up.kill().unwrap();
    site.up.wait().unwrap();
    for pid in parts {
        await_end(pid);
    }
}
