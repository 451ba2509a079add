//! `cargo xtask up`: everything on this machine, over loopback and Unix sockets.
//!
//! Builds the two release binaries and becomes a plain call of `lucarne up`; all arguments are its
//! own. The TEE is a software one and INSECURE, which `lucarne up` says itself.

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
    let binary = target_directory().join("release/lucarne");
    // `lucarne up` ends on the same Ctrl-C as we do, and closes in order before it exits; we only
    // wait.
    step(program(&binary.to_string_lossy()).arg("up").args(args))
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
