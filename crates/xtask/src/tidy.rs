//! `cargo xtask tidy`: rules about the repository as a whole, which no compiler checks.
//!
//! Each rule is a pure function from data to violations, so that its test shows it a repository
//! that breaks it. The same checks are a test of this crate, so that the ordinary test command is
//! the gate.

mod closure;
mod hygiene;
mod licences;
mod prose;
mod rings;
mod source;

use std::fmt;
use std::fs;
use std::path::Path;

use crate::command::{Failure, cargo, output, program, root};
use crate::documents;

pub(crate) const HELP: &str = "\
Check rings, trusted computing base, licences and files.

usage: cargo xtask tidy [--promises]

rings      edges between crates against the table in ARCHITECTURE.md
closure    crates of the enclave against crates/enclave/tcb.txt; crates that rings 0 and 1
           must not link; a second cryptographic library
licences   licences and sources of every package of Cargo.lock
hygiene    sizes, names, unfinished code, tests that cannot fail, unsafe code
prose      links and wording of the documents

A violation reads `path:line: what - how to mend`. Notes are listed and do not fail.
--promises lists the commands in `sh` fences of the documents, which `cargo xtask test` checks.";

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    match args {
        [] => {}
        [flag] if flag == "--promises" => return list_promises(),
        [unknown, ..] => {
            return Err(Failure::Usage(format!("tidy does not know {unknown}\n\n{HELP}")));
        }
    }
    let report = check()?;
    println!("{report}");
    match report.violations.len() {
        0 => Ok(()),
        count => Err(Failure::Found { what: "violations", count }),
    }
}

/// One breach of one rule.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Violation {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) what: String,
    pub(crate) mend: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} - {}", self.path, self.line, self.what, self.mend)
    }
}

/// What all checks found.
struct Report {
    violations: Vec<Violation>,
    notes: Vec<Violation>,
    facts: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.facts.iter().try_for_each(|fact| writeln!(f, "{fact}"))?;
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))?;
        self.violations.iter().try_for_each(|violation| writeln!(f, "{violation}"))?;
        write!(f, "{} violations, {} notes", self.violations.len(), self.notes.len())
    }
}

fn check() -> Result<Report, Failure> {
    let repository = Repository::read(&root())?;
    let metadata = output(cargo().args(METADATA))?;
    let table = rings::Table::parse(repository.text("ARCHITECTURE.md"));
    let packages = rings::members(&metadata);
    let mut violations = rings::check(&table, &packages);
    violations.extend(rings::check_ring_0(&table, &repository));

    let enclave = closure::Closure::of(&["lucarne-enclave"])?;
    let tcb = closure::Tcb::parse(repository.text(closure::TCB));
    violations.extend(tcb.check(&enclave));
    violations.extend(closure::check_denied(&closure::Closure::of(&table.crates_up_to_ring_1())?));
    violations.extend(closure::check_crypto(&closure::Closure::of_workspace()?));
    violations.extend(licences::check(&metadata));

    let hygiene = hygiene::check(&repository);
    violations.extend(hygiene.violations);
    violations.extend(prose::check(&repository));
    violations.sort();
    Ok(Report { violations, notes: hygiene.notes, facts: vec![tcb.fact(&enclave)] })
}

fn list_promises() -> Result<(), Failure> {
    let repository = Repository::read(&root())?;
    for (path, text) in repository.documents() {
        for (line, command) in documents::fenced(path, text) {
            println!("{path}:{line}: {command}");
        }
    }
    Ok(())
}

/// For Linux alone: what other systems would link is never shipped.
const METADATA: [&str; 6] =
    ["metadata", "--locked", "--format-version", "1", "--filter-platform", closure::PLATFORM];

/// The text files of the repository: tracked ones, and new ones that git would not ignore.
pub(crate) struct Repository {
    /// Sorted by path; binary files are there with an empty text, so that their names are checked.
    files: Vec<(String, String)>,
}

impl Repository {
    pub(crate) fn read(root: &Path) -> Result<Self, Failure> {
        let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
        let listed = output(program("git").args(list).current_dir(root))?;
        let mut files = Vec::new();
        for path in listed.lines() {
            // A file that is gone from the folder but still in the index is not there any more.
            if let Ok(bytes) = fs::read(root.join(path)) {
                files.push((path.to_owned(), String::from_utf8(bytes).unwrap_or_default()));
            }
        }
        files.sort();
        Ok(Self { files })
    }

    #[cfg(test)]
    fn of(files: &[(&str, &str)]) -> Self {
        let own = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self { files: files.iter().map(own).collect() }
    }

    /// The text of a file; empty if there is none, which then breaks the rules about its contents.
    fn text(&self, path: &str) -> &str {
        self.files.iter().find(|(name, _)| name == path).map_or("", |(_, text)| text)
    }

    fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.iter().any(|(name, _)| name == path || name.starts_with(&folder))
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The Rust sources.
    fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(|(path, _)| has_ending(path, "rs"))
    }

    /// The documents: Markdown anywhere in the repository.
    pub(crate) fn documents(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(|(path, _)| has_ending(path, "md"))
    }
}

fn has_ending(path: &str, ending: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let report = check().unwrap();
        assert!(report.violations.is_empty(), "\n{report}");
    }

    #[test]
    fn a_violation_reads_as_place_fault_and_cure() {
        let violation = Violation {
            path: "a.rs".to_owned(),
            line: 3,
            what: "101 columns".to_owned(),
            mend: "break the line".to_owned(),
        };
        assert_eq!(violation.to_string(), "a.rs:3: 101 columns - break the line");
    }
}
