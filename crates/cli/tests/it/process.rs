//! Child processes of the site tests: started, awaited by their line `ready`, signalled, ended.
//!
//! A process that goes out of scope is killed, also when a test panics. Standard error is a file
//! that grows over restarts, so that nothing that a killed process said is lost.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything here takes on a slow machine with two cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(10);

/// Looks until there is something, and fails by name after `within`.
#[track_caller]
pub(crate) fn until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < within, "not within {within:?}: {what}");
        std::thread::park_timeout(LOOK);
    }
}

/// The agent, which cargo builds only when asked.
pub(crate) fn enclave_program() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_lucarne")).with_file_name("lucarne-enclave");
    assert!(
        program.is_file(),
        "{} is not there: cargo build -p lucarne-enclave",
        program.display()
    );
    program
}

/// A running child.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Process {
    /// Starts a program; standard error is appended to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let said: File = OpenOptions::new().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(said);
        let mut child = command.spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Whoever listened may be gone; the pipe is read on, so that nobody waits.
                sender.send(line).ok();
            }
        });
        Self { child, lines, log: log.to_owned() }
    }

    /// Waits for the line `ready`.
    #[track_caller]
    pub(crate) fn ready(self) -> Self {
        let start = Instant::now();
        loop {
            match self.lines.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
                Ok(line) if line == "ready" => return self,
                Ok(_) => {}
                Err(_) => panic!("no `ready`; it said: {}", self.said()),
            }
        }
    }

    /// What it has said on standard error so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Lines on standard output that nobody has read yet, once it has ended.
    pub(crate) fn rest(&self) -> Vec<String> {
        self.lines.iter().collect()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Sends a signal and waits for the exit code.
    #[track_caller]
    pub(crate) fn stop(&mut self, name: &str) -> Option<i32> {
        self.signal(name);
        self.end()
    }

    /// Waits for the exit code.
    #[track_caller]
    pub(crate) fn end(&mut self) -> Option<i32> {
        let child = &mut self.child;
        until("a process ends", PATIENCE, || child.try_wait().unwrap()).code()
    }

    /// A number of /proc/PID/status in KiB, such as `VmRSS`.
    pub(crate) fn status_kib(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended long ago.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill {name} {pid}");
}

/// Runs a program to its end.
pub(crate) fn run(program: &Path, args: &[&str]) -> Output {
    Command::new(program).args(args).stdin(Stdio::null()).output().unwrap()
}
