//! `cargo xtask up`: everything on this machine, over loopback and Unix sockets.
//!
//! Builds the two release binaries and becomes a plain call of `lucarne up`; all arguments are its
//! own. The TEE is a software one and INSECURE, which `lucarne up` says itself.

use std::process::Command;

use crate::command::{Failure, cargo, program, root, step};

pub(crate) const HELP: &str = "\
Build and start everything on this machine, over loopback.

usage: cargo xtask up [arguments of lucarne up]

Builds `lucarne` and `lucarne-enclave` in release mode, then runs `lucarne up` with the
arguments given, for example:

  cargo xtask up --demo

`target/release/lucarne up --help` lists the arguments once it is built.
The TEE is a software one: INSECURE, for development.";

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    step(cargo().args(BUILD))?;
    // `lucarne up` ends on the same Ctrl-C as we do, and closes in order before it exits; we only
    // wait.
    step(&mut start(args))
}

/// The call of what was built, with the arguments as they are.
fn start(args: &[String]) -> Command {
    let binary = target_directory().join("release/lucarne");
    let mut start = program(&binary.to_string_lossy());
    start.arg("up").args(args);
    start
}

/// Where cargo puts what it builds: ours unless the caller has chosen another.
pub(crate) fn target_directory() -> std::path::PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(chosen) => root().join(chosen),
        None => root().join("target"),
    }
}

/// Both packages in one call: cargo then builds what they share once.
const BUILD: [&str; 7] =
    ["build", "--release", "--locked", "--package", "lucarne-cli", "--package", "lucarne-enclave"];

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> Vec<String> {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn what_was_built_is_started_with_the_arguments_as_they_are() {
        let args = ["--demo", "--data", "a folder", "--help"].map(str::to_owned);
        let start = start(&args);
        let binary = target_directory().join("release/lucarne");
        let expected = [&[binary.to_string_lossy().into_owned(), "up".to_owned()], &args[..]];
        assert_eq!(words(&start), expected.concat());
        assert_eq!(start.get_current_dir(), Some(root().as_path()));
        assert_eq!(BUILD.iter().filter(|word| word.starts_with("lucarne-")).count(), 2);
        assert!(BUILD.contains(&"--release"), "the binary is looked for where release builds lie");
    }
}
