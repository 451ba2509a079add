//! A program of the catalogue: a fixed path and fixed arguments, no shell, an empty environment,
//! bounded in time and output. A name fills an argument; it never makes a new one.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::exchange::{Names, Place, fill};

/// A program.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Its absolute path.
    pub program: PathBuf,
    /// Its arguments, with `{names}`.
    #[serde(default)]
    pub args: Vec<String>,
    /// Exit codes that are a yes; absent: 0.
    #[serde(default)]
    pub codes: Vec<i32>,
}

/// What it said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Said {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub out: Vec<u8>,
}

/// Why it said nothing.
#[derive(Debug)]
pub enum ProgramError {
    /// Its path is not absolute.
    Relative,
    /// It cannot be started.
    Start(std::io::Error),
    /// It took too long and was ended.
    Late,
    /// It was ended by a signal, or said more than is read.
    Broken,
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relative => "path of the program is not absolute",
            Self::Start(_) => "program cannot be started",
            Self::Late => "program took too long and was ended",
            Self::Broken => "program was ended, or said more than 16 MiB",
        })
    }
}

impl std::error::Error for ProgramError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(cause) => Some(cause),
            Self::Relative | Self::Late | Self::Broken => None,
        }
    }
}

impl Program {
    /// Whether an exit code is a yes.
    pub fn accepts(&self, code: i32) -> bool {
        if self.codes.is_empty() { code == 0 } else { self.codes.contains(&code) }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started, takes too long or says too much.
    pub async fn run(&self, names: &Names, patience: Duration) -> Result<Said, ProgramError> {
        let args = self.args.iter().map(|arg| fill(arg, names, Place::Plain)).collect();
        let program = self.program.clone();
        let done = tokio::task::spawn_blocking(move || wait(program, args, patience));
        done.await.unwrap_or(Err(ProgramError::Broken))
    }
}

fn wait(program: PathBuf, args: Vec<String>, patience: Duration) -> Result<Said, ProgramError> {
    if !program.is_absolute() {
        return Err(ProgramError::Relative);
    }
    let mut child = Command::new(program)
        .args(args)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(ProgramError::Start)?;
    let out = child.stdout.take().ok_or(ProgramError::Broken)?;
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = out.take(OUT_BYTES_MAX + 1).read_to_end(&mut bytes);
        read.ok().map(|_| bytes)
    });
    let until = Instant::now() + patience;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => std::thread::park_timeout(GLANCE),
            Ok(None) | Err(_) => {
                child.kill().ok();
                child.wait().ok();
                return Err(ProgramError::Late);
            }
        }
    };
    let out = reader.join().ok().flatten().ok_or(ProgramError::Broken)?;
    let code = status.code().filter(|_| out.len() as u64 <= OUT_BYTES_MAX);
    Ok(Said { code: code.ok_or(ProgramError::Broken)?, out })
}

/// As much as an item of evidence is worth reading.
const OUT_BYTES_MAX: u64 = 16 << 20;
/// How often it is looked whether the program has ended.
const GLANCE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Names, Program, ProgramError};

    fn shell(args: &[&str]) -> Program {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Program { program: "/bin/sh".into(), args, codes: Vec::new() }
    }

    #[tokio::test]
    async fn a_program_is_bounded_and_sees_no_environment() {
        let names = Names::from([("x".to_owned(), "a b; exit 3".to_owned())]);
        let second = Duration::from_secs(5);
        let said = shell(&["-c", "echo \"$1|$HOME\"", "sh", "{x}"]).run(&names, second).await;
        let said = said.unwrap();
        assert_eq!((said.code, said.out), (0, b"a b; exit 3|\n".to_vec()));
        assert_eq!(shell(&["-c", "exit 7"]).run(&names, second).await.unwrap().code, 7);
        let endless = shell(&["-c", "while :; do :; done"]);
        let late = endless.run(&names, Duration::from_millis(60)).await;
        assert!(matches!(late, Err(ProgramError::Late)));
        let relative = Program { program: "sh".into(), args: Vec::new(), codes: Vec::new() };
        assert!(matches!(relative.run(&names, second).await, Err(ProgramError::Relative)));
    }
}
