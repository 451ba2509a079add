//! A hardened process, looked at by another process of the same unprivileged user.
//!
//! The test runs itself again in two roles, as user 65534 when it runs as root: a target that is
//! hardened or, for comparison, is not, and an attacker that tries to open its memory and to trace
//! it. Not shown: that a core is not written at a crash (the limit of 0 is), and root with
//! `CAP_SYS_PTRACE`, whom this measure does not stop.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use lucarne_platform::{Hardened, harden};
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, geteuid};

const ROLE: &str = "LUCARNE_TEST_ROLE";
const UNPRIVILEGED: u32 = 65_534;

#[test]
fn a_hardened_process_cannot_be_looked_into_by_its_own_user() {
    match std::env::var(ROLE).as_deref() {
        Ok("open target") => target(false),
        Ok("hardened target") => target(true),
        Ok(attacker) => attack(attacker.parse().unwrap()),
        Err(_) => compare(),
    }
}

fn compare() {
    let open = Target::start("open target");
    let hardened = Target::start("hardened target");
    let root = 0;
    assert_eq!(hardened.memory_owner(), root);
    assert_eq!(hardened.core_limit(), "0 0");
    let expected = "target=memory:PermissionDenied trace:EPERM";
    assert_eq!(hardened.attacked(), expected);
    if geteuid().is_root() {
        assert_eq!(open.memory_owner(), UNPRIVILEGED);
    }
    // The same attack on a process that is not hardened, or the refusal above would prove nothing.
    // A machine may refuse it too (Yama from scope 1 on), and says so here.
    match open.attacked().as_str() {
        "target=memory:opened trace:attached" => {}
        refused => report(&format!("this machine refuses to trace any process: {refused}")),
    }
}

#[expect(clippy::print_stderr, reason = "says what this machine could not show")]
fn report(line: &str) {
    eprintln!("{line}");
}

struct Target(Child);

impl Target {
    fn start(role: &str) -> Self {
        let mut child = again(role).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let ready = lines.map(Result::unwrap).find(|line| line.contains("target=ready"));
        assert!(ready.is_some(), "the {role} ended early");
        Self(child)
    }

    fn path(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.0.id())
    }

    fn memory_owner(&self) -> u32 {
        std::fs::metadata(self.path("mem")).unwrap().uid()
    }

    /// Soft and hard limit of core files.
    fn core_limit(&self) -> String {
        let limits = std::fs::read_to_string(self.path("limits")).unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
        line.trim_end_matches("bytes").split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    fn attacked(&self) -> String {
        let output = again(&self.0.id().to_string()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let start = text.find("target=").unwrap_or_else(|| panic!("no report in {text}"));
        text[start..].lines().next().unwrap().to_owned()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn again(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let name = "it::harden::a_hardened_process_cannot_be_looked_into_by_its_own_user";
    command.args(["--exact", name, "--nocapture"]).env(ROLE, role).current_dir("/");
    if geteuid().is_root() {
        command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
    }
    command
}

#[expect(clippy::print_stdout, reason = "the report to the parent")]
fn target(hardened: bool) {
    if hardened {
        let done = harden().unwrap();
        assert_eq!(done, Hardened { dumpable: false, core_bytes_max: 0 });
    }
    println!("target=ready");
    // Ends when the parent kills it or is gone.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[expect(clippy::print_stdout, reason = "the report to the parent")]
fn attack(pid: i32) {
    let memory = match std::fs::File::open(format!("/proc/{pid}/mem")) {
        Ok(_) => "opened".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    };
    let pid = Pid::from_raw(pid);
    let trace = match ptrace::attach(pid) {
        Ok(()) => {
            waitpid(pid, None).unwrap();
            ptrace::detach(pid, None).unwrap();
            "attached".to_owned()
        }
        Err(errno @ Errno::EPERM) => format!("{errno:?}"),
        Err(other) => panic!("unexpected {other}"),
    };
    println!("target=memory:{memory} trace:{trace}");
}
