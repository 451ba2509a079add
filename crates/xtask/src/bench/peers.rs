//! `cargo xtask bench peers`: one captured load, sent to us and to every collector that is named.
//!
//! The driver is an example of the command-line crate, which has the generator of the load and the
//! files of a site; the programs that it starts are release builds.

use crate::command::{Failure, cargo, step};

/// Builds everything and hands the arguments on as they are.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    step(cargo().args(BUILD))?;
    step(cargo().args(RUN).args(args))
}

const BUILD: [&str; 8] = [
    "build",
    "--locked",
    "--release",
    "--package=lucarne-enclave",
    "--package=lucarne-cli",
    "--bins",
    "--example",
    "peers",
];
const RUN: [&str; 8] =
    ["run", "--locked", "--release", "-p", "lucarne-cli", "--example", "peers", "--"];
