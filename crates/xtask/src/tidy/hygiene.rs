//! Hygiene: what every file must be, whatever it is about.
//!
//! Most rules are a word that may not occur in code. The scanner blanks comments and literals
//! first, so only real uses count; words that this file itself must spell are written in two
//! halves.

use super::source::Source;
use super::{Repository, Violation};

/// What the rules found; a note is shown and does not fail.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) violations: Vec<Violation>,
    pub(super) notes: Vec<Violation>,
}

/// Applies every rule to every file.
pub(super) fn check(repository: &Repository) -> Findings {
    let mut findings = Findings::default();
    findings.violations.extend(check_root(repository));
    for (path, text) in repository.iter() {
        findings.violations.extend(check_name(path));
        findings.violations.extend(check_text(path, text));
    }
    for (path, text) in repository.sources() {
        let file = File { path, source: Source::new(text) };
        findings.violations.extend(file.check_head());
        findings.violations.extend(file.check_sizes());
        findings.violations.extend(file.check_functions());
        findings.violations.extend(file.check_words());
        findings.notes.extend(file.weak_assertions());
    }
    findings
}

fn check_root(repository: &Repository) -> Option<Violation> {
    let mut entries: Vec<&str> =
        repository.iter().filter_map(|(path, _)| path.split('/').next()).collect();
    entries.dedup();
    let what = format!("the root has {} entries, not {ROOT_ENTRIES_MAX}", entries.len());
    let mend = "find them a folder";
    (entries.len() > ROOT_ENTRIES_MAX).then(|| violation("Cargo.toml", 1, what, mend))
}

fn check_name(path: &str) -> Option<Violation> {
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or(path);
    let stem = name.split('.').next().unwrap_or(name);
    let is_vague = |word: &str| VAGUE.contains(&word);
    if path.ends_with(".rs") && stem == "mod" {
        let mend = "name it after its folder, beside the folder";
        return Some(violation(path, 1, "a file called mod.rs".to_owned(), mend));
    }
    let vague = std::iter::once(stem).chain(parts).find(|word| is_vague(word))?;
    let mend = "name the noun it is about";
    Some(violation(path, 1, format!("`{vague}` names nothing"), mend))
}

/// Rules for any text. Lock files name the registry by their nature.
fn check_text(path: &str, text: &str) -> Vec<Violation> {
    if path.ends_with(".lock") || path.ends_with("package-lock.json") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (word, mend) in BANNED_TEXT {
            if line.contains(word) {
                found.push(violation(path, index + 1, format!("`{word}`"), mend));
            }
        }
    }
    found
}

struct File<'a> {
    path: &'a str,
    source: Source<'a>,
}

impl File<'_> {
    fn check_head(&self) -> Option<Violation> {
        let begins = self.source.lines.first().is_some_and(|line| line.starts_with("//!"));
        let what = "does not begin with `//!`".to_owned();
        let mend = "say what the file is, the decision inside, and what it refuses";
        (!begins).then(|| violation(self.path, 1, what, mend))
    }

    fn check_sizes(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for (index, line) in self.source.lines.iter().enumerate() {
            let columns = line.chars().count();
            if columns > COLUMNS_MAX {
                let what = format!("{columns} columns");
                found.push(violation(self.path, index + 1, what, "break the line at 100"));
            }
        }
        let lines = self.source.tests_start();
        if lines > FILE_LINES_MAX {
            let what = format!("{lines} lines before the tests");
            found.push(violation(
                self.path,
                1,
                what,
                "two nouns share the file: give each its own",
            ));
        }
        found
    }

    fn check_functions(&self) -> Vec<Violation> {
        let functions = self.source.functions().into_iter();
        let long = functions.filter(|(first, _, lines)| {
            let above = &self.source.lines[first.saturating_sub(6)..*first];
            let argued = above.iter().any(|line| line.contains("clippy::too_many_lines"));
            *lines > FUNCTION_LINES_MAX && !argued
        });
        let mend = "split it at a noun or a pure computation";
        let report = |(first, name, lines): (usize, String, usize)| {
            violation(self.path, first + 1, format!("`{name}` has {lines} lines"), mend)
        };
        long.map(report).collect()
    }

    fn check_words(&self) -> Vec<Violation> {
        let in_platform = self.path.starts_with("crates/platform/");
        let mut found = Vec::new();
        for (index, line) in self.source.code.iter().enumerate() {
            let mut report = |what: &str, mend: &str| {
                found.push(violation(self.path, index + 1, format!("`{what}`"), mend));
            };
            for (word, mend) in BANNED_CODE {
                if contains_word(line, word) {
                    report(word, mend);
                }
            }
            if contains_word(line, "unsafe") && !in_platform {
                report("unsafe", "only crates/platform may have it");
            }
            if self.is_test(index) && contains_word(line, "sleep(") {
                report("sleep", "wait for the event itself, or inject the clock");
            }
        }
        for (index, line) in self.source.lines.iter().enumerate() {
            if contains_word(line, TO_DO) && !line.contains(&format!("{TO_DO}(#")) {
                let mend = "name its issue as `(#123)`, or do it";
                found.push(violation(self.path, index + 1, format!("`{TO_DO}`"), mend));
            }
        }
        found
    }

    /// Assertions that only ask whether there is a value. Listed, not refused: now and then that is
    /// the question.
    fn weak_assertions(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for (index, line) in self.source.code.iter().enumerate() {
            let line = line.trim();
            let asks = ["is_ok", "is_err", "is_some", "is_none"]
                .iter()
                .any(|question| line.ends_with(&format!(".{question}());")));
            if asks && line.starts_with("assert!(") && !(line.contains("&&") || line.contains("||"))
            {
                let what = format!("`{}`", self.source.lines[index].trim());
                found.push(violation(self.path, index + 1, what, "compare the whole value"));
            }
        }
        found
    }

    fn is_test(&self, index: usize) -> bool {
        let is_test_file = self.path.contains("/tests/") || self.path.ends_with("/tests.rs");
        is_test_file || index >= self.source.tests_start()
    }
}

/// Whether a word occurs that is not part of a longer name.
fn contains_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let open_end = word.ends_with(is_name);
        let goes_on = open_end && line[at + word.len()..].starts_with(is_name);
        !(goes_on || line[..at].ends_with(is_name))
    })
}

fn violation(path: &str, line: usize, what: String, mend: &str) -> Violation {
    Violation { path: path.to_owned(), line, what, mend: mend.to_owned() }
}

/// More is a heap in which nobody finds the README.
const ROOT_ENTRIES_MAX: usize = 20;
/// What two windows side by side show.
const COLUMNS_MAX: usize = 100;
/// Beyond it two nouns share a file; tests do not count.
const FILE_LINES_MAX: usize = 1000;
/// What fits a screen, as in clippy.toml; this count includes blank lines and comments.
const FUNCTION_LINES_MAX: usize = 80;

const VAGUE: [&str; 8] =
    ["util", "utils", "common", "helper", "helpers", "misc", "types", "manager"];

const TO_DO: &str = concat!("TO", "DO");

const BANNED_CODE: [(&str, &str); 7] = [
    (concat!("todo", "!"), "finish it"),
    (concat!("unimplemented", "!"), "finish it"),
    (concat!("dbg", "!"), "remove it"),
    (concat!("#[ign", "ore"), "mend the test or remove it"),
    (concat!("should_", "panic"), "compare the error"),
    (concat!("assert!(", "true"), "test something"),
    (concat!("mem::for", "get"), "own the value where it should live"),
];

const BANNED_TEXT: [(&str, &str); 9] = [
    (concat!("FIX", "ME"), "mend it now"),
    (concat!("/wo", "rk/"), "no paths of one machine"),
    (concat!("/fa", "rm/"), "no paths of one machine"),
    (concat!("/tmp/bash", "_jobs"), "no paths of one machine"),
    (concat!("index.crates", ".io"), "no hosts of registries"),
    (concat!("static.crates", ".io"), "no hosts of registries"),
    (concat!("pypi", ".org"), "no hosts of registries"),
    (concat!("registry.npm", "js"), "no hosts of registries"),
    (concat!("deb.deb", "ian"), "no hosts of registries"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What the rules say about one file, as `line: what`.
    #[track_caller]
    fn expect(path: &str, text: &str, violations: &[&str]) {
        let findings = check(&Repository::of(&[(path, text)]));
        let found: Vec<String> =
            findings.violations.iter().map(|v| format!("{}: {}", v.line, v.what)).collect();
        assert_eq!(found, violations);
    }

    #[test]
    fn a_good_file_passes() {
        expect("crates/a/src/lib.rs", "//! What.\n\nfn f() {}\n", &[]);
    }

    #[test]
    fn a_file_must_say_what_it_is() {
        expect("a.rs", "fn f() {}\n", &["1: does not begin with `//!`"]);
    }

    #[test]
    fn unfinished_code_is_named_but_not_in_comments_and_strings() {
        let text = format!(
            "//! x\nfn f() {{ {}() }}\n// {0}\nconst A: &str = \"{0}\";\n",
            BANNED_CODE[0].0
        );
        expect("a.rs", &text, &["2: `todo!`"]);
        for (word, _) in BANNED_CODE {
            expect("a.rs", &format!("//! x\n{word}"), &[&format!("2: `{word}`")]);
        }
    }

    #[test]
    fn machine_paths_and_hosts_are_named_in_every_file_but_lock_files() {
        for (word, _) in BANNED_TEXT {
            expect("docs/a.md", &format!("x\n{word}\n"), &[&format!("2: `{word}`")]);
            expect("Cargo.lock", word, &[]);
        }
    }

    #[test]
    fn an_intention_needs_its_issue() {
        let text = format!("//! x\n// {TO_DO}: later\n// {TO_DO}(#7): later\n");
        expect("a.rs", &text, &[&format!("2: `{TO_DO}`")]);
    }

    #[test]
    fn sleeping_is_refused_in_tests_only() {
        let text = "//! x\nasync fn f() { sleep(x).await }\n\
                    #[cfg(test)]\nmod tests {\n async fn g() { sleep(x).await }\n}\n";
        expect("crates/a/src/b.rs", text, &["5: `sleep`"]);
        expect("crates/a/tests/it/b.rs", "//! x\nfn f() { sleep(1) }", &["2: `sleep`"]);
        expect("crates/a/src/b/tests.rs", "//! x\nfn f() { sleep(1) }", &["2: `sleep`"]);
    }

    #[test]
    fn unsafe_code_has_one_home() {
        let text = "//! x\n#![forbid(unsafe_code)]\nunsafe impl Send for A {}\n";
        expect("crates/a/src/lib.rs", text, &["3: `unsafe`"]);
        expect("crates/platform/src/lib.rs", text, &[]);
    }

    #[test]
    fn names_must_be_nouns_of_their_own() {
        expect("crates/a/src/util.rs", "//! x\n", &["1: `util` names nothing"]);
        expect("crates/helpers/Cargo.toml", "x", &["1: `helpers` names nothing"]);
        expect("crates/a/src/b/mod.rs", "//! x\n", &["1: a file called mod.rs"]);
    }

    #[test]
    fn sizes_have_ceilings() {
        let wide = format!("//! x\n// {}\n", "x".repeat(98));
        expect("a.rs", &wide, &["2: 101 columns"]);
        let body = "    x;\n".repeat(79);
        expect("a.rs", &format!("//! x\nfn long() {{\n{body}}}\n"), &["2: `long` has 81 lines"]);
        let argued = "#[expect(clippy::too_many_lines, reason = \"a table\")]\n";
        expect("a.rs", &format!("//! x\n{argued}fn long() {{\n{body}}}\n"), &[]);
        let long = "//! x\n".repeat(1001);
        expect("a.rs", &long, &["1: 1001 lines before the tests"]);
    }

    #[test]
    fn a_crowded_root_is_named() {
        let names: Vec<String> = (10..31).map(|number| number.to_string()).collect();
        let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
        let found = check(&Repository::of(&files)).violations;
        let what: Vec<&str> = found.iter().map(|v| v.what.as_str()).collect();
        assert_eq!(what, ["the root has 21 entries, not 20"]);
    }

    #[test]
    fn weak_assertions_are_noted() {
        let text = "//! x\nassert!(f(1).is_ok());\nassert!(a.is_ok() && b.is_ok());\nassert!(c);\n";
        let notes = check(&Repository::of(&[("a.rs", text)])).notes;
        let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(notes, ["a.rs:2: `assert!(f(1).is_ok());` - compare the whole value"]);
    }
}
