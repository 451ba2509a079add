//! `cargo xtask bench inside`: the figures of the inside view, and those of a Loki beside them.
//!
//! A Loki is a program of others under another licence, so it is neither built nor fetched here:
//! who has one names it.

use crate::command::{Failure, cargo, step};

/// Runs the benchmark of the store; with a Loki its rival's half as well.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let loki = match args {
        [] => None,
        [flag, path] if flag == "--loki" => Some(path),
        _ => return Err(Failure::Usage("bench inside takes --loki PROGRAM and no more".into())),
    };
    step(cargo().args(STORE))?;
    let Some(path) = loki else {
        println!("{HOW}");
        return Ok(());
    };
    step(cargo().args(BUILD))?;
    step(cargo().args(RUN).args(["--loki", path]))
}

const HOW: &str = "\
No Loki beside it: name one with --loki PROGRAM. Grafana publishes it as the program `loki` of its
releases (a single file, AGPL-3.0); Loki 3 or later is expected.";
const STORE: [&str; 6] = ["bench", "--locked", "-p", "lucarne-store", "--bench", "inside"];
const BUILD: [&str; 7] =
    ["build", "--locked", "--release", "--package=lucarne-cli", "--bins", "--example", "loki"];
const RUN: [&str; 8] =
    ["run", "--locked", "--release", "-p", "lucarne-cli", "--example", "loki", "--"];
