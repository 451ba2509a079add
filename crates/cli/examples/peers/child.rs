//! A process that is measured: started, awaited, asked of the system what it has used, killed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child as Process, Command, Stdio};
use std::time::{Duration, Instant};

/// A running process; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    process: Process,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// User and system time of all its threads.
    pub(crate) cpu_seconds: f64,
    /// The most memory that was resident.
    pub(crate) peak_mib: f64,
}

impl Child {
    /// Starts a process; what it says goes to a file.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self, String> {
        let cannot = |error: std::io::Error| format!("start {name}: {error}");
        let said = File::create(log).map_err(cannot)?;
        let errors = said.try_clone().map_err(cannot)?;
        command.stdin(Stdio::null()).stdout(said).stderr(errors);
        let process = command.spawn().map_err(cannot)?;
        Ok(Self { name: name.to_owned(), process })
    }

    /// The same for one of ours, which says `ready` when it is.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn ready(name: &str, command: &mut Command, log: &Path) -> Result<Self, String> {
        let cannot = |error: std::io::Error| format!("start {name}: {error}");
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(File::create(log).map_err(cannot)?);
        let mut process = command.spawn().map_err(cannot)?;
        let output = process.stdout.take();
        let child = Self { name: name.to_owned(), process };
        let mut lines = output.into_iter().flat_map(|output| BufReader::new(output).lines());
        match lines.find(|line| line.as_ref().is_ok_and(|line| line == "ready")) {
            Some(_) => Ok(child),
            None => {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                Err(format!("{name} ended before it was ready: {said}"))
            }
        }
    }

    /// Waits until somebody listens there.
    ///
    /// # Errors
    /// In words, with what the process said.
    pub(crate) fn listens(&mut self, at: SocketAddr, log: &Path) -> Result<(), String> {
        let start = Instant::now();
        while TcpStream::connect(at).is_err() {
            let ended = self.process.try_wait().map_err(|error| error.to_string())?;
            if ended.is_some() || start.elapsed() > PATIENCE {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                return Err(format!("{} does not listen at {at}: {said}", self.name));
            }
            std::thread::park_timeout(LOOK);
        }
        Ok(())
    }

    /// What it has used, by proc(5).
    ///
    /// # Errors
    /// In words, when it has ended.
    pub(crate) fn usage(&self) -> Result<Usage, String> {
        let read = |file: &str| {
            let path = format!("/proc/{}/{file}", self.process.id());
            std::fs::read_to_string(path).map_err(|_| format!("{} has ended", self.name))
        };
        let (stat, status) = (read("stat")?, read("status")?);
        usage(&stat, &status).ok_or_else(|| format!("{}: its accounting is unreadable", self.name))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn usage(stat: &str, status: &str) -> Option<Usage> {
    // The name in parentheses may hold anything; user and system time are the 14th and 15th field.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let peak_kib: f64 = peak.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    let cpu_seconds = (ticks(11)? + ticks(12)?) / TICKS_A_SECOND;
    Some(Usage { cpu_seconds, peak_mib: peak_kib / 1024.0 })
}

/// A port that nobody listens on at this moment.
///
/// # Errors
/// In words.
pub(crate) fn free_port() -> Result<SocketAddr, String> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.map_err(|error| error.to_string())
}

/// The kernel counts CPU time in hundredths of a second (`getconf CLK_TCK`).
const TICKS_A_SECOND: f64 = 100.0;
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);
