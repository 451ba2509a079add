//! The second half of `cargo xtask bench inside --loki PATH`: one load and the same questions over
//! HTTP, for `lucarne view` and for the Loki that somebody has.
//!
//! Each is started on an empty directory, filled, asked and stopped, one after the other. A program
//! with the name `lucarne` is started as a view, which is how this driver is tested.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]

mod campaign;
mod rival;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::campaign::{Figures, RECORDS};

fn main() -> ExitCode {
    let mut programs = vec![own()];
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.next()) {
            ("--loki", Some(path)) => programs.push(PathBuf::from(path)),
            _ => {
                eprintln!("expected --loki PATH");
                return ExitCode::from(3);
            }
        }
    }
    let records = std::env::var("LUCARNE_RECORDS").ok().and_then(|text| text.parse().ok());
    let records = records.unwrap_or(RECORDS);
    let mut first: Option<Figures> = None;
    for program in programs {
        match campaign::run(&program, records) {
            Ok(figures) => {
                println!("{}", figures.text(&program, first.as_ref()));
                first.get_or_insert(figures);
            }
            Err(problem) => {
                eprintln!("{}: {problem}", program.display());
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::SUCCESS
}

/// Examples lie in a folder beside the programs.
fn own() -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    let programs = here.parent().and_then(std::path::Path::parent).map(PathBuf::from);
    programs.unwrap_or_default().join("lucarne")
}
