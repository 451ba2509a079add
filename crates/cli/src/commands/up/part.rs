//! One child process of `lucarne up`: started on a leash, awaited until it says `ready`, stopped
//! in turn.
//!
//! The leash (`commands::leash`) makes the kernel kill the child when this process dies, by
//! whatever. Linux ties it to the thread that started the child, so parts are started from the
//! main thread and nowhere else. Standard error goes to a file that outlives both.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinSet;

use crate::failure::{Exit, Failure};

/// What to start.
#[derive(Debug)]
pub struct Start<'a> {
    /// What it is called in messages.
    pub name: &'static str,
    /// The program.
    pub program: &'a Path,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Where its standard error goes; emptied first.
    pub log: PathBuf,
}

/// A running child.
#[derive(Debug)]
pub struct Part {
    name: &'static str,
    child: Child,
    log: PathBuf,
    // Reads on after `ready`, so that a child never waits for somebody to read.
    drain: JoinSet<()>,
}

impl Part {
    /// Starts a child and waits until it says `ready`.
    ///
    /// # Errors
    /// When it cannot be started, or ends or is silent instead of becoming ready.
    pub async fn start(start: Start<'_>) -> Result<Self, Failure> {
        let mut part = Self::spawn(start)?;
        let Some(stdout) = part.child.stdout.take() else {
            return Err(Failure::bug("a child has no standard output"));
        };
        let lines = BufReader::new(stdout).lines();
        match tokio::time::timeout(READY_TIMEOUT, ready(lines)).await {
            Ok(Some(lines)) => {
                part.drain.spawn(drain(lines));
                Ok(part)
            }
            Ok(None) => {
                let ended = part.ended().await;
                Err(part.death(ended, "before it was ready"))
            }
            Err(_) => {
                part.stop(Duration::ZERO).await;
                let within = format!("{} s", READY_TIMEOUT.as_secs());
                let text = format!("the {} was not ready within {within}", part.name);
                Err(part.with_log(Failure::new(Exit::No, text)))
            }
        }
    }

    fn spawn(start: Start<'_>) -> Result<Self, Failure> {
        let cannot = |what: &str, cause: &std::io::Error| Failure::unreadable(what, cause);
        let log = File::create(&start.log)
            .map_err(|cause| cannot(&format!("create {}", start.log.display()), &cause))?;
        let own = std::env::current_exe()
            .map_err(|cause| cannot("find the program lucarne itself", &cause))?;
        let child = Command::new(own)
            .arg("leash")
            .arg(std::process::id().to_string())
            .arg(start.program)
            .args(start.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            // Ctrl-C in a terminal goes to a whole process group; the parts are stopped in turn
            // instead.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|cause| cannot(&format!("start the {}", start.name), &cause))?;
        Ok(Self { name: start.name, child, log: start.log, drain: JoinSet::new() })
    }

    /// What it is called.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its process id, while it lives.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end. Cancel safe.
    pub async fn ended(&mut self) -> Option<ExitStatus> {
        self.child.wait().await.ok()
    }

    /// Asks it to stop and waits; after `grace` it is killed. Gives its exit code, if it had one.
    pub async fn stop(&mut self, grace: Duration) -> Option<i32> {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            // It may have ended by itself in the meantime.
            kill_process(pid, Signal::TERM).ok();
        }
        let code = match tokio::time::timeout(grace, self.ended()).await {
            Ok(status) => status.and_then(|status| status.code()),
            Err(_) => {
                self.child.kill().await.ok();
                None
            }
        };
        self.drain.abort_all();
        code
    }

    /// The failure that its death is, with the last lines it wrote.
    ///
    /// A child that finds its configuration wrong says so with our own exit code, which is passed
    /// on.
    pub fn death(&self, status: Option<ExitStatus>, when: &str) -> Failure {
        let usage = status.and_then(|status| status.code()) == Some(i32::from(Exit::Usage.code()));
        let exit = if usage { Exit::Usage } else { Exit::No };
        let how = match status.map(|status| (status.code(), status.signal())) {
            Some((Some(code), _)) => format!("ended with exit code {code}"),
            Some((None, Some(signal))) => format!("was killed by signal {signal}"),
            Some((None, None)) | None => "ended".to_owned(),
        };
        self.with_log(Failure::new(exit, format!("the {} {how} {when}", self.name)))
    }

    fn with_log(&self, failure: Failure) -> Failure {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.iter().skip(lines.len().saturating_sub(LAST_LINES));
        let failure = last.fold(failure, |failure, line| {
            let line = line.strip_prefix("error: ").unwrap_or(line);
            failure.hint(format!("{}: {line}", self.name))
        });
        failure.hint(format!("all it said is in {}", self.log.display()))
    }
}

/// Reads up to the line `ready`; none when the output ends before it.
async fn ready(mut lines: Lines<BufReader<ChildStdout>>) -> Option<Lines<BufReader<ChildStdout>>> {
    while let Ok(Some(line)) = lines.next_line().await {
        if line == "ready" {
            return Some(lines);
        }
    }
    None
}

async fn drain(mut lines: Lines<BufReader<ChildStdout>>) {
    while let Ok(Some(_)) = lines.next_line().await {}
}

/// Key generation and recovery of a large write-ahead log take seconds on a slow machine.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// Enough for a chain of causes, few enough for a screen.
const LAST_LINES: usize = 5;
