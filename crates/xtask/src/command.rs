//! Running other programs, and how a chore fails.
//!
//! A step is printed before it runs, so that the last line before a failure names what failed.
//! Programs are started with their arguments as they are; no shell stands between.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest).to_owned()
}

/// The cargo that runs us, or the first in the path.
pub(crate) fn cargo() -> Command {
    program(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
}

/// A program that will run in the root of the workspace.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

/// Prints a step and runs it; its output goes where ours goes.
pub(crate) fn step(command: &mut Command) -> Result<(), Failure> {
    eprintln!("\n==> {}", line(command));
    let status =
        command.status().map_err(|cause| Failure::Start { program: line(command), cause })?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::Step { program: line(command), code: status.code() })
    }
}

/// Runs a program for its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command
        .stderr(Stdio::piped())
        .output()
        .map_err(|cause| Failure::Start { program: line(command), cause })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Failure::Output { program: line(command), said });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program starts and exits with success; what it prints is of no interest.
pub(crate) fn succeeds(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command as a person would type it.
fn line(command: &Command) -> String {
    let root = root();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words
        .map(|word| match Path::new(word).strip_prefix(&root) {
            Ok(inside) => inside.display().to_string(),
            Err(_) if Path::new(word).is_absolute() => Path::new(word)
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            Err(_) => word.to_string_lossy().into_owned(),
        })
        .collect();
    words.join(" ")
}

/// Why a chore did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments make no sense; the text says which and how to mend it.
    Usage(String),
    /// A file could not be read or written.
    File { path: PathBuf, cause: std::io::Error },
    /// A program could not be started.
    Start { program: String, cause: std::io::Error },
    /// A step ran and did not succeed; it has said why itself.
    Step { program: String, code: Option<i32> },
    /// A program that was run for its output failed.
    Output { program: String, said: String },
    /// Something the tests need is not here; one line for each, with how to get it.
    Missing(Vec<String>),
    /// Checks found something; each has been printed.
    Found { what: &'static str, count: usize },
}

impl Failure {
    /// Usage is 3 as in every program of this repository, the rest 1.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(3),
            Self::File { .. }
            | Self::Start { .. }
            | Self::Step { .. }
            | Self::Output { .. }
            | Self::Missing(_)
            | Self::Found { .. } => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) => f.write_str(text),
            Self::File { path, cause } => write!(f, "{}: {cause}", path.display()),
            Self::Start { program, cause } => write!(f, "could not start `{program}`: {cause}"),
            Self::Step { program, code: Some(code) } => {
                write!(f, "`{program}` exited with {code}")
            }
            Self::Step { program, code: None } => write!(f, "`{program}` was ended by a signal"),
            Self::Output { program, said } => write!(f, "`{program}` failed: {said}"),
            Self::Missing(needs) => {
                write!(f, "the tests need what this machine lacks")?;
                needs.iter().try_for_each(|need| write!(f, "\n  {need}"))
            }
            Self::Found { what, count } => write!(f, "{count} {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_names_itself_and_its_code() {
        let failure = step(program("sh").args(["-c", "exit 7"])).unwrap_err();
        assert_eq!(failure.to_string(), "`sh -c exit 7` exited with 7");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let failure = step(&mut program("no-such-program-here")).unwrap_err();
        let text = failure.to_string();
        assert!(text.starts_with("could not start `no-such-program-here`: "), "{text}");
    }

    #[test]
    fn a_failed_output_carries_what_the_program_said() {
        let failure = output(program("sh").args(["-c", "echo why >&2; exit 1"])).unwrap_err();
        assert_eq!(failure.to_string(), "`sh -c echo why >&2; exit 1` failed: why");
    }

    #[test]
    fn paths_of_this_machine_are_not_printed() {
        let mut command = program("/usr/bin/env");
        command.arg(root().join("target/venv/bin/python3"));
        assert_eq!(line(&command), "env target/venv/bin/python3");
    }
}
