//! `cargo xtask adversary`: attacks one valid archive and checks what the auditor says.
//!
//! The adversary is an example of the command-line crate, for it needs the auditor's command and
//! the sealer; it is built in release mode, where it plays a hundred cases a second.

use crate::command::{Failure, cargo, step};

pub(crate) const HELP: &str = "\
Attack one valid archive in every way that the design knows, and check what the auditor says.

usage: cargo xtask adversary [--cases N] [--seed S] [--only CASE] [--report FILE]

Plays N cases (1,000), each of one or two attacks at random places and scales. Exits with 1 when
one was missed or misnamed, and prints how to play that one again. --report writes the table of
attacks as Markdown.";

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let program = ["run", "--locked", "--release", "-p", "lucarne-cli", "--example", "adversary"];
    step(cargo().args(program).arg("--").args(args))
}
