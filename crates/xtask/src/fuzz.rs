//! `cargo xtask fuzz`: fuzz targets on the stable compiler.
//!
//! Without a sanitizer, so no nightly compiler is needed: the code under test is safe Rust, where a
//! fault is a panic, a loop without end or memory without bound, and libFuzzer sees all three by
//! itself.

use std::fs;

use crate::command::{Failure, program, root, step, succeeds};
use crate::up::target_directory;

pub(crate) const HELP: &str = "\
Run a fuzz target.

usage: cargo xtask fuzz [TARGET] [--seconds N]

Without TARGET, lists the targets. N is 60 unless given. A finding is written to
fuzz/artifacts/TARGET/; put it into fuzz/corpus/TARGET/ when it is mended, and the tests
replay it for ever after.";

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let manifest = root().join("fuzz/Cargo.toml");
    let text =
        fs::read_to_string(&manifest).map_err(|cause| Failure::File { path: manifest, cause })?;
    let targets = targets(&text);
    let Request { target, seconds } = Request::parse(args)?;
    let Some(target) = target else {
        targets.iter().for_each(|name| println!("{name}"));
        return Ok(());
    };
    if !targets.contains(&target) {
        let list = targets.join(" ");
        return Err(Failure::Usage(format!(
            "no fuzz target is called {target:?}; there are: {list}"
        )));
    }
    if !succeeds("cargo", &["fuzz", "--version"]) {
        return Err(Failure::Missing(vec![
            "cargo-fuzz, which runs the targets: cargo install --locked cargo-fuzz".to_owned(),
        ]));
    }
    // libFuzzer writes what it finds interesting into the first folder; the committed corpus is
    // only read, so that it holds what a person chose and not what chance brought.
    let found = target_directory().join("fuzz-corpus").join(&target);
    fs::create_dir_all(&found).map_err(|cause| Failure::File { path: found.clone(), cause })?;
    let mut run = program("cargo");
    run.args(["fuzz", "run", "--sanitizer", "none", &target]).arg(&found);
    let committed = root().join("fuzz/corpus").join(&target);
    if committed.is_dir() {
        run.arg(committed);
    }
    let limit = format!("-max_total_time={seconds}");
    step(run.args(["--", &limit, "-rss_limit_mb=2048", "-timeout=10"]))
}

#[derive(Debug, Eq, PartialEq)]
struct Request {
    target: Option<String>,
    seconds: u32,
}

impl Request {
    fn parse(args: &[String]) -> Result<Self, Failure> {
        let mut request = Self { target: None, seconds: SECONDS };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if arg == "--seconds" {
                let value = args.next().and_then(|value| value.parse().ok());
                request.seconds = value.ok_or_else(|| {
                    Failure::Usage(format!("--seconds takes a whole number\n\n{HELP}"))
                })?;
            } else if arg.starts_with('-') || request.target.is_some() {
                return Err(Failure::Usage(format!("fuzz does not know {arg}\n\n{HELP}")));
            } else {
                request.target = Some(arg.clone());
            }
        }
        Ok(request)
    }
}

/// The names of the `[[bin]]` tables of a manifest.
fn targets(manifest: &str) -> Vec<String> {
    manifest
        .split("[[bin]]")
        .skip(1)
        .filter_map(|table| table.lines().find_map(|line| line.strip_prefix("name = \"")))
        .map(|name| name.trim_end_matches('"').to_owned())
        .collect()
}

/// Long enough to leave the corpus behind, short enough to be run before every change to a parser.
const SECONDS: u32 = 60;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(line: &str) -> Result<Request, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Request::parse(&words).map_err(|failure| failure.to_string())
    }

    #[test]
    fn arguments_are_parsed() {
        let request = |target: &str, seconds| Request { target: Some(target.to_owned()), seconds };
        assert_eq!(parse("note --seconds 5"), Ok(request("note", 5)));
        assert_eq!(parse("note"), Ok(request("note", 60)));
        assert_eq!(parse(""), Ok(Request { target: None, seconds: 60 }));
        assert_eq!(parse("--seconds x"), Err(format!("--seconds takes a whole number\n\n{HELP}")));
        assert_eq!(parse("note other"), Err(format!("fuzz does not know other\n\n{HELP}")));
    }

    #[test]
    fn every_target_of_the_manifest_has_its_file_and_every_file_its_target() {
        let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
        let mut named = targets(&manifest);
        named.sort();
        let mut files = names_in("fuzz/fuzz_targets");
        files.iter_mut().for_each(|name| *name = name.trim_end_matches(".rs").to_owned());
        assert_eq!(named, files);
    }

    #[test]
    fn every_function_of_a_fuzzing_module_has_a_target() {
        let mut functions = Vec::new();
        for name in names_in("crates") {
            let mut modules = Vec::new();
            fuzzing_modules(&root().join("crates").join(&name).join("src"), &mut modules);
            for text in modules {
                for function in text.split("pub fn fuzz_").skip(1) {
                    let function = function.split('(').next().unwrap();
                    functions.push(format!("{name}_{function}"));
                }
            }
        }
        functions.sort();
        let mut named = targets(&fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap());
        named.sort();
        assert_eq!(named, functions);
    }

    /// The texts of all files called `fuzzing.rs`, however deep.
    fn fuzzing_modules(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                fuzzing_modules(&path, found);
            } else if path.ends_with("fuzzing.rs") {
                found.push(fs::read_to_string(&path).unwrap());
            }
        }
    }

    #[test]
    fn a_module_for_fuzzing_is_found_however_deep() {
        let folder = std::env::temp_dir().join(format!("lucarne-xtask-{}", std::process::id()));
        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::write(folder.join("a/b/fuzzing.rs"), "deep").unwrap();
        fs::write(folder.join("a/other.rs"), "other").unwrap();
        let mut found = Vec::new();
        fuzzing_modules(&folder, &mut found);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, ["deep"]);
    }

    #[test]
    fn every_target_has_a_corpus_and_every_corpus_its_target_and_its_replay() {
        let mut targets = targets(&fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap());
        targets.sort();
        assert_eq!(names_in("fuzz/corpus"), targets);
        let mut tests = Vec::new();
        for name in names_in("crates") {
            let name = root().join("crates").join(name);
            rust_files(&name, &mut tests);
        }
        let is_replayed = |target: &&String| tests.iter().any(|text| text.contains(&***target));
        let forgotten: Vec<&String> = targets.iter().filter(|name| !is_replayed(name)).collect();
        assert_eq!(forgotten, Vec::<&String>::new());
    }

    /// The texts of all Rust files below a folder.
    fn rust_files(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                rust_files(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(fs::read_to_string(&path).unwrap());
            }
        }
    }

    fn names_in(folder: &str) -> Vec<String> {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}
