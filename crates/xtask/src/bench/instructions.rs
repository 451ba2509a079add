//! `cargo xtask bench instructions`: what a record costs in instructions, which no busy machine
//! changes.
//!
//! Each stage runs twice under callgrind, with more rounds the second time; the difference is the
//! stage. What the cryptographic library executes is counted apart, in blocks of SHA-256: the
//! emulator has no instructions for hashing, so its way through the library is not that of a
//! processor. Figures of `docs/performance.md` are the guard, with a tenth of slack.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::{Failure, cargo, output, program, root};
use crate::up::target_directory;

/// Instructions of one stage for one record.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cost {
    own: f64,
    library: f64,
}

/// Counts; with `check` compares with what is written down.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let check = match args {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => return Err(Failure::Usage(format!("expected nothing or --check\n\n{}", super::HELP))),
    };
    let bench = build()?;
    let block = count(&bench, "block")?;
    // One round hashes a thousand blocks and is divided by a thousand records.
    let per_block = block.own + block.library;
    let mut counted = Vec::new();
    for stage in STAGES {
        let cost = count(&bench, stage)?;
        let blocks = cost.library / per_block;
        println!("{stage:<9} {:8.0} instructions a record, {blocks:5.1} blocks hashed", cost.own);
        counted.push((stage, cost.own));
    }
    if !check {
        return Ok(());
    }
    let page = root().join("docs/performance.md");
    let text = std::fs::read_to_string(&page)
        .map_err(|cause| Failure::File { path: page.clone(), cause })?;
    let wrong = judge(&counted, &recorded(&text));
    wrong.iter().for_each(|line| eprintln!("{line}"));
    match wrong.len() {
        0 => Ok(()),
        count => Err(Failure::Found { what: "instruction counts", count }),
    }
}

/// What differs by more than the slack, or is not written down.
fn judge(counted: &[(&str, f64)], recorded: &HashMap<String, f64>) -> Vec<String> {
    let judged = counted.iter().filter_map(|(stage, found)| match recorded.get(*stage) {
        None => Some(format!("{stage}: docs/performance.md has no figure")),
        Some(known) if (found - known).abs() > known * SLACK => Some(format!(
            "{stage}: {found:.0} instructions a record, docs/performance.md says {known:.0}; \
             find out why, or write the new figure there"
        )),
        Some(_) => None,
    });
    judged.collect()
}

/// The table below the heading, by stage.
fn recorded(page: &str) -> HashMap<String, f64> {
    let below = page.split_once(HEADING).map_or("", |(_, below)| below);
    let section = below.split_once("\n## ").map_or(below, |(section, _)| section);
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let stage = cells.next()?.trim().to_owned();
        let figure = cells.next()?.replace(',', "");
        Some((stage, figure.trim().parse().ok()?))
    };
    section.lines().filter_map(row).collect()
}

/// Builds the benchmark and says where it is.
fn build() -> Result<PathBuf, Failure> {
    let text = output(cargo().args(BUILD))?;
    let built = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let path = built
        .filter(|message| message["target"]["name"] == "instructions")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    path.ok_or_else(|| Failure::Output {
        program: "cargo bench --no-run".to_owned(),
        said: "no executable was built".to_owned(),
    })
}

fn count(bench: &Path, stage: &str) -> Result<Cost, Failure> {
    let [short, long] = [ROUNDS.0, ROUNDS.1].map(|rounds| profile(bench, stage, rounds));
    let (short, long) = (short?, long?);
    let records = (ROUNDS.1 - ROUNDS.0) as f64 * RECORDS;
    let difference = |long: u64, short: u64| long.saturating_sub(short) as f64 / records;
    Ok(Cost {
        own: difference(long.own, short.own),
        library: difference(long.library, short.library),
    })
}

/// Instructions of a whole process.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Profile {
    own: u64,
    library: u64,
}

fn profile(bench: &Path, stage: &str, rounds: u32) -> Result<Profile, Failure> {
    let file = target_directory().join(format!("callgrind.{stage}"));
    let mut valgrind = program("valgrind");
    valgrind.args(["--tool=callgrind", "--quiet"]);
    valgrind.arg(format!("--callgrind-out-file={}", file.display()));
    output(valgrind.arg(bench).args([stage, &rounds.to_string()]))?;
    let text =
        std::fs::read_to_string(&file).map_err(|cause| Failure::File { path: file, cause })?;
    Ok(read(&text))
}

/// Adds up what each function executed itself. A line behind `calls=` is what a call cost, which
/// the called function has told already.
fn read(text: &str) -> Profile {
    let (mut names, mut profile) = (HashMap::new(), Profile::default());
    let (mut of_library, mut is_call) = (false, false);
    for line in text.lines() {
        if let Some(function) = line.strip_prefix("fn=") {
            of_library = is_library(function, &mut names);
        } else if let Some(called) = line.strip_prefix("cfn=") {
            // Names are written once, wherever they come first.
            is_library(called, &mut names);
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '*')) {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse().ok()).unwrap_or(0);
            match (std::mem::take(&mut is_call), of_library) {
                (true, _) => {}
                (false, true) => profile.library += cost,
                (false, false) => profile.own += cost,
            }
        }
    }
    profile
}

/// Whether `(number) name`, or a number that had a name before, is of the cryptographic library.
fn is_library(function: &str, names: &mut HashMap<String, bool>) -> bool {
    let (number, name) = function.split_once(' ').unwrap_or((function, ""));
    if name.is_empty() {
        return names.get(number).copied().unwrap_or(false);
    }
    let name = name.to_ascii_lowercase();
    let found = LIBRARY.iter().any(|part| name.contains(part));
    names.insert(number.to_owned(), found);
    found
}

const STAGES: [&str; 4] = ["walk", "contract", "encoding", "framing"];
const ROUNDS: (u32, u32) = (2, 6);
/// Of a round; see the benchmark.
const RECORDS: f64 = 1_000.0;
const SLACK: f64 = 0.10;
const HEADING: &str = "\n## Instructions a record\n";
/// Parts of the names of functions, its assembly included.
const LIBRARY: [&str; 6] = ["aws_lc", "sha256", "sha512", "aes", "25519", "bignum"];
const BUILD: [&str; 8] = [
    "bench",
    "--locked",
    "--package=lucarne-contract",
    "--bench=instructions",
    "--no-run",
    "--message-format=json",
    "--quiet",
    "--color=never",
];

#[cfg(test)]
mod tests {
    use super::*;

    const OUT: &str = "summary: 100\n\nfn=(1) lucarne_otlp::walk\n10 5\n+3 2\ncfn=(2) \
                       sha256_block_data_order\ncalls=4 0\n12 900\n* 1\n\nfn=(2)\n0 880\nfn=(3) \
                       aws_lc_0_47_0_SHA256\n0 20\n\nfn=(1)\n-4 10\n";

    #[test]
    fn costs_are_added_up_by_function_and_calls_are_not_counted_twice() {
        assert_eq!(read(OUT), Profile { own: 18, library: 900 });
    }

    #[test]
    fn a_figure_is_read_from_its_table_and_judged_with_slack() {
        let page = "# x\n\n## Instructions a record\n\n| stage | instructions |\n|---|---|\n\
                    | walk | 6,000 | none |\n| contract | 20000 | - |\n\n## Next\n\n| walk | 1 |\n";
        let known = recorded(page);
        assert_eq!(known, [("walk".into(), 6e3), ("contract".into(), 2e4)].into());
        let none: [String; 0] = [];
        assert_eq!(judge(&[("walk", 6_600.0), ("contract", 18_000.0)], &known), none);
        let told = judge(&[("walk", 6_601.0), ("contract", 17_999.0), ("framing", 1.0)], &known);
        assert_eq!(
            told,
            [
                "walk: 6601 instructions a record, docs/performance.md says 6000; find out why, \
                 or write the new figure there",
                "contract: 17999 instructions a record, docs/performance.md says 20000; find out \
                 why, or write the new figure there",
                "framing: docs/performance.md has no figure"
            ]
        );
    }
}
