//! `cargo xtask soak`: a site under one rate for a long time.
//!
//! It is the soak test of the command's crate with another length: flat memory of every process,
//! and every acknowledged record in an archive that verifies.

use crate::command::{Failure, cargo, step};

pub(crate) const HELP: &str = "\
Run a site under load for a long time and check that memory is flat and nothing is lost.

usage: cargo xtask soak [--minutes N] [--rate N]

Builds everything in release mode and sends N records a second (20000) for N minutes (30).
For 30 minutes and 20,000 records a second, have 12 GB of disk where temporary files go.";

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let Asked { minutes, rate } = read(args)?;
    step(cargo().args(["build", "--release", "--locked", "-p", "lucarne-enclave"]))?;
    let mut soak = cargo();
    soak.env("LUCARNE_SOAK_SECONDS", (minutes * 60).to_string());
    soak.env("LUCARNE_SOAK_RATE", rate.to_string());
    step(soak.args(SOAK))
}

#[derive(Debug, Eq, PartialEq)]
struct Asked {
    minutes: u64,
    rate: u64,
}

fn read(args: &[String]) -> Result<Asked, Failure> {
    let mut asked = Asked { minutes: 30, rate: 20_000 };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let number = args.next().and_then(|text| text.parse().ok()).filter(|number| *number > 0);
        match (arg.as_str(), number) {
            ("--minutes", Some(number)) => asked.minutes = number,
            ("--rate", Some(number)) => asked.rate = number,
            _ => return Err(Failure::Usage(format!("soak does not know {arg}\n\n{HELP}"))),
        }
    }
    Ok(asked)
}

const SOAK: [&str; 11] = [
    "test",
    "--release",
    "--locked",
    "-p",
    "lucarne-cli",
    "--test",
    "it",
    "soak::",
    "--",
    "--nocapture",
    "--test-threads=1",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Asked, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        read(&args).map_err(|failure| failure.to_string())
    }

    #[test]
    fn minutes_and_rate_have_defaults_and_nothing_else_is_known() {
        assert_eq!(asked(""), Ok(Asked { minutes: 30, rate: 20_000 }));
        assert_eq!(asked("--rate 5 --minutes 1"), Ok(Asked { minutes: 1, rate: 5 }));
        for wrong in ["--minutes", "--minutes 0", "--rate many", "--hours 1"] {
            let word = wrong.split(' ').next().unwrap();
            let text = format!("soak does not know {word}\n\n{HELP}");
            assert_eq!(asked(wrong), Err(text), "{wrong}");
        }
    }
}
