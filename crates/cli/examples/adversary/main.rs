//! `cargo xtask adversary`: plays cases against the auditor and says which it missed or misnamed.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to who started it")]

#[path = "campaign.rs"]
mod campaign;
mod tally;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;

use campaign::{Sites, play};
use tally::Tally;

/// Attack one valid archive in every way that the design knows, and check what the auditor says
#[derive(Debug, Parser)]
#[command(name = "cargo xtask adversary")]
struct Args {
    /// Number of cases
    #[arg(long, default_value_t = 1_000)]
    cases: u64,
    /// What decides every choice
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Play this case only, and print what it found
    #[arg(long, value_name = "CASE")]
    only: Option<u64>,
    /// Write the report here, in Markdown
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let sites = Sites::new(args.seed);
    let start = Instant::now();
    let tally = match args.only {
        Some(case) => only(&sites, args.seed, case),
        None => all(&sites, &args),
    };
    if args.only.is_none() {
        println!("{}", tally.table());
    }
    if let Some(path) = &args.report {
        let command = format!("cargo xtask adversary --cases {} --seed {}", args.cases, args.seed);
        if let Err(error) = std::fs::write(path, tally.markdown(&command)) {
            eprintln!("error: {}: {error}", path.display());
            return ExitCode::from(4);
        }
    }
    let rate = tally.cases() as f64 / start.elapsed().as_secs_f64().max(1e-9);
    println!("{}; {rate:.0} cases/s", tally.summary());
    if tally.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn only(sites: &Sites, seed: u64, case: u64) -> Tally {
    let mut tally = Tally::default();
    let played = play(&sites.grounds(), seed, case);
    println!("case {case}: {}", played.attacks.join(" + "));
    played.changes.iter().for_each(|change| println!("{change}"));
    if let Some(wrong) = &played.wrong {
        println!("{wrong}");
    }
    tally.add(seed, case, &played);
    tally
}

/// Wrong cases of which the details are printed.
const SHOWN_MAX: usize = 10;

fn all(sites: &Sites, args: &Args) -> Tally {
    let (next, tally) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    let shows = std::io::stderr().is_terminal();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let grounds = sites.grounds();
                loop {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    if case >= args.cases {
                        break;
                    }
                    let played = play(&grounds, args.seed, case);
                    let mut tally = tally.lock().expect("no worker panics");
                    tally.add(args.seed, case, &played);
                    if let Some(wrong) = played.wrong.filter(|_| tally.wrong() <= SHOWN_MAX) {
                        let attacks = played.attacks.join(" + ");
                        eprintln!("--seed {} --only {case}: {attacks}\n{wrong}", args.seed);
                    }
                    if shows && case % 100 == 0 {
                        eprint!("\r{case} of {} cases", args.cases);
                    }
                }
            });
        }
    });
    if shows {
        eprint!("\r\x1b[K");
    }
    tally.into_inner().expect("no worker panics")
}
