//! Repository chores: `cargo xtask <up|test|tidy|bench|soak|fuzz|adversary>`.
//!
//! One file per chore. Everything a person or the gate runs is here and not in shell scripts, so
//! that it is checked by the compiler. It has one dependency, because every chore waits for it to
//! build.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore talks to the person who started it"
)]

mod adversary;
mod bench;
mod command;
mod documents;
mod fuzz;
mod needs;
mod soak;
mod test;
mod tidy;
mod up;

use std::process::ExitCode;

use command::Failure;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit_code()
        }
    }
}

fn dispatch(args: &[String]) -> Result<(), Failure> {
    let Some((name, rest)) = args.split_first() else {
        return Err(Failure::Usage(HELP.to_owned()));
    };
    if matches!(name.as_str(), "--help" | "-h" | "help") {
        println!("{HELP}");
        return Ok(());
    }
    let Some(chore) = CHORES.iter().find(|chore| chore.name == name) else {
        return Err(Failure::Usage(format!("no chore is called {name:?}\n\n{HELP}")));
    };
    let wants_help = rest.iter().any(|arg| arg == "--help" || arg == "-h");
    if wants_help {
        println!("{}", chore.help);
        return Ok(());
    }
    (chore.run)(rest)
}

struct Chore {
    name: &'static str,
    help: &'static str,
    run: fn(&[String]) -> Result<(), Failure>,
}

const CHORES: [Chore; 7] = [
    Chore { name: "up", help: up::HELP, run: up::run },
    Chore { name: "test", help: test::HELP, run: test::run },
    Chore { name: "tidy", help: tidy::HELP, run: tidy::run },
    Chore { name: "bench", help: bench::HELP, run: bench::run },
    Chore { name: "soak", help: soak::HELP, run: soak::run },
    Chore { name: "fuzz", help: fuzz::HELP, run: fuzz::run },
    Chore { name: "adversary", help: adversary::HELP, run: adversary::run },
];

const HELP: &str = "\
Repository chores.

usage: cargo xtask <chore> [arguments]

  up      build and start everything on this machine, over loopback
  test    install what the tests need, then run every check of the gate
  tidy    check rings, trusted computing base, licences and files
  bench   run the benchmarks
  soak    hold a site under load for a long time
  fuzz    run a fuzz target
  adversary  attack a valid archive and check the auditor

cargo xtask <chore> --help tells more.";

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn an_unknown_chore_is_a_usage_error_that_lists_the_chores() {
        let failure = dispatch(&words("clean")).unwrap_err();
        assert_eq!(failure.to_string(), format!("no chore is called \"clean\"\n\n{HELP}"));
    }

    #[test]
    fn every_chore_is_in_the_help_and_has_its_own() {
        for chore in &CHORES {
            assert!(HELP.contains(&format!("\n  {} ", chore.name)), "{}", chore.name);
            let usage = format!("usage: cargo xtask {}", chore.name);
            assert!(chore.help.contains(&usage), "{}", chore.name);
        }
    }
}
