//! `cargo xtask bench`: every benchmark of the workspace, or those whose name contains a word.
//!
//! A benchmark is any target of kind `bench`; a crate adds one by having it, and nothing here
//! changes. Figures are printed by the benchmarks themselves, beside the primitive they are
//! measured against.

mod inside;
pub(crate) mod instructions;
mod peers;

use serde_json::Value;

use crate::command::{Failure, cargo, output, step};

pub(crate) const HELP: &str = "\
Run the benchmarks.

usage: cargo xtask bench [WORD...] [--list]
       cargo xtask bench instructions [--check]
       cargo xtask bench inside [--loki PROGRAM]
       cargo xtask bench peers [--COLLECTOR PROGRAM...] [--records N]

Runs every benchmark of the workspace in release mode, one after the other, or only those
whose `crate/name` contains one of the words. --list prints their names and runs nothing.

`instructions` counts what a record costs by callgrind, stage by stage; --check fails when that
differs from docs/performance.md by more than a tenth.

`inside` prints the figures of the inside view; with --loki the same load and questions also go
over HTTP to `lucarne view` and to that Loki, one after the other.

`peers` sends one captured load to us and to every collector that is named, and compares what it
costs them: --otelcol, --vector, --fluent-bit, --rotel and --df-engine name their programs.";

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    if let Some((INSTRUCTIONS, rest)) = args.split_first().map(|(word, rest)| (word.as_str(), rest))
    {
        return instructions::run(rest);
    }
    if let Some((INSIDE, rest)) = args.split_first().map(|(word, rest)| (word.as_str(), rest)) {
        return inside::run(rest);
    }
    if let Some((PEERS, rest)) = args.split_first().map(|(word, rest)| (word.as_str(), rest)) {
        return peers::run(rest);
    }
    let (flags, words): (Vec<&String>, Vec<&String>) =
        args.iter().partition(|arg| arg.starts_with("--"));
    if let Some(unknown) = flags.iter().find(|flag| flag.as_str() != "--list") {
        return Err(Failure::Usage(format!("bench does not know {unknown}\n\n{HELP}")));
    }
    let text =
        output(cargo().args(["metadata", "--locked", "--no-deps", "--format-version", "1"]))?;
    let chosen: Vec<Bench> = benches(&text)
        .into_iter()
        .filter(|bench| bench.target != INSTRUCTIONS)
        .filter(|bench| words.is_empty() || words.iter().any(|word| bench.name().contains(*word)))
        .collect();
    if chosen.is_empty() {
        return Err(Failure::Usage(format!("no benchmark has such a name\n\n{HELP}")));
    }
    if !flags.is_empty() {
        chosen.iter().for_each(|bench| println!("{}", bench.name()));
        return Ok(());
    }
    // The benchmark of the whole path starts both programs; cargo builds only those of its own
    // package.
    if chosen.iter().any(|bench| bench.package == "lucarne-cli") {
        step(cargo().args(["build", "--locked", "--release", "-p", "lucarne-enclave"]))?;
    }
    chosen.iter().try_for_each(|bench| {
        step(cargo().args(["bench", "--locked", "-p", &bench.package, "--bench", &bench.target]))
    })
}

/// Counted, not timed: a chore of its own.
const INSTRUCTIONS: &str = "instructions";
/// The inside view, beside a Loki if there is one.
const INSIDE: &str = "inside";
/// Side by side with others: likewise.
const PEERS: &str = "peers";

#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Bench {
    package: String,
    target: String,
}

impl Bench {
    fn name(&self) -> String {
        format!("{}/{}", self.package, self.target)
    }
}

/// The targets of kind `bench` in the output of `cargo metadata`, sorted.
fn benches(metadata: &str) -> Vec<Bench> {
    let metadata: Value = serde_json::from_str(metadata).unwrap_or_default();
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        for target in package["targets"].as_array().into_iter().flatten() {
            let is_bench = target["kind"][0] == "bench";
            if let (true, Some(package), Some(target)) =
                (is_bench, package["name"].as_str(), target["name"].as_str())
            {
                found.push(Bench { package: package.to_owned(), target: target.to_owned() });
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn benches_are_found_in_metadata_and_sorted() {
        let metadata = r#"{"packages":[
            {"name":"b","targets":[{"kind":["lib"],"name":"b"},{"kind":["bench"],"name":"walk"}]},
            {"name":"a","targets":[{"kind":["bench"],"name":"seal"}]}]}"#;
        let names: Vec<String> = benches(metadata).iter().map(Bench::name).collect();
        assert_eq!(names, ["a/seal", "b/walk"]);
    }

    #[test]
    fn an_unknown_flag_is_refused() {
        let failure = run(&["--save".to_owned()]).unwrap_err();
        assert_eq!(failure.to_string(), format!("bench does not know --save\n\n{HELP}"));
    }
}
