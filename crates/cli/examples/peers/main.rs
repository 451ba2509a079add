//! `cargo xtask bench peers`: one captured load, sent to us and to every collector that is named.
//!
//! The measure is CPU seconds a million records, by the system's accounting of each process: it
//! bears other work on the machine, which rates do not.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to who started it")]

#[path = "measure.rs"]
mod measure;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use measure::capture::Capture;
use measure::collectors::{Collector, KINDS};
use measure::ours::{Exports, Setup};
use measure::{Row, measure_collector, measure_ours, table};

/// Send one captured load to Lucarne and to other collectors, and compare what it costs them
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench peers")]
struct Args {
    /// The OpenTelemetry Collector, contrib
    #[arg(long, value_name = "PROGRAM")]
    otelcol: Option<PathBuf>,
    /// Vector
    #[arg(long, value_name = "PROGRAM")]
    vector: Option<PathBuf>,
    /// Fluent Bit
    #[arg(long, value_name = "PROGRAM")]
    fluent_bit: Option<PathBuf>,
    /// Rotel: the file `rotel-agent` of its Python package
    #[arg(long, value_name = "PROGRAM")]
    rotel: Option<PathBuf>,
    /// The dataflow engine of otel-arrow, with its transform processor
    #[arg(long, value_name = "PROGRAM")]
    df_engine: Option<PathBuf>,
    /// Log records that each is sent, 300 bytes and ten attributes each
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    records: u64,
}

impl Args {
    fn collectors(&self) -> Vec<Collector> {
        let paths = [&self.otelcol, &self.vector, &self.fluent_bit, &self.rotel, &self.df_engine];
        let given = KINDS.into_iter().zip(paths);
        given.filter_map(|(kind, path)| Some(Collector { kind, program: path.clone()? })).collect()
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let capture = Capture::new(REQUESTS, BATCH);
    let requests = args.records.div_ceil(BATCH).max(1);
    let mut rows: Vec<Row> = Vec::new();
    for setup in SETUPS {
        match measure_ours(&capture, requests, setup) {
            Ok(more) => rows.extend(more),
            Err(text) => return failed(&text),
        }
    }
    for collector in args.collectors() {
        for &work in collector.kind.works() {
            match measure_collector(&capture, requests, &collector, work) {
                Ok(row) => rows.push(row),
                Err(text) => return failed(&text),
            }
        }
    }
    println!("{}", table(&rows));
    ExitCode::SUCCESS
}

fn failed(text: &str) -> ExitCode {
    eprintln!("error: {text}");
    ExitCode::from(1)
}

/// What the rows of the design are about: the path alone, with export, and with the inside view.
const SETUPS: [Setup; 4] = [
    Setup { inside: false, exports: Exports::Nothing },
    Setup { inside: false, exports: Exports::Loki },
    Setup { inside: false, exports: Exports::Lines },
    Setup { inside: true, exports: Exports::Nothing },
];
/// Different requests that are sent in turn: 30 MB, more than any cache holds.
const REQUESTS: u64 = 100;
const BATCH: u64 = 1_000;
