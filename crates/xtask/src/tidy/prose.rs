//! Prose: links of the documents, and words that promise what nobody can keep.
//!
//! A link whose text is code, like a function in ARCHITECTURE.md, must lead to a file in which that
//! name stands, so that the life of a record can be followed for as long as the document exists.

use super::{Repository, Violation};

/// Checks every Markdown file.
pub(super) fn check(repository: &Repository) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in repository.documents() {
        let mut fenced = false;
        for (index, line) in text.lines().enumerate() {
            fenced ^= line.trim_start().starts_with("```");
            if fenced {
                continue;
            }
            let mut report = |what: String, mend: &str| {
                let (path, mend) = (path.to_owned(), mend.to_owned());
                found.push(Violation { path, line: index + 1, what, mend });
            };
            for link in links(line) {
                if let Err(what) = link.check(path, repository) {
                    report(what, "mend the link");
                }
            }
            for word in PROMISES.iter().filter(|word| line.to_lowercase().contains(**word)) {
                let mend = "say what is shown, and up to what point";
                report(format!("`{word}` promises too much"), mend);
            }
        }
    }
    found
}

#[derive(Debug, Eq, PartialEq)]
struct Link<'a> {
    text: &'a str,
    target: &'a str,
}

/// The links `[text](target)` of a line.
fn links(line: &str) -> Vec<Link<'_>> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("](") {
        let text = line[..at].rsplit('[').next().unwrap_or_default();
        if let Some((target, _)) = line[at + 2..].split_once(')') {
            found.push(Link { text, target });
        }
    }
    found
}

impl Link<'_> {
    fn check(&self, document: &str, repository: &Repository) -> Result<(), String> {
        let target = self.target.split('#').next().unwrap_or_default();
        if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
            return Ok(());
        }
        let path = resolve(document, target);
        if !repository.has(&path) {
            return Err(format!("there is no {path}"));
        }
        let is_code = self.text.starts_with('`') && has_name(self.text);
        let name = self.text.trim_matches('`').rsplit("::").next().unwrap_or_default();
        let name = name.trim_end_matches("()");
        if path.ends_with(".rs") && is_code && !defines(repository.text(&path), name) {
            return Err(format!("{path} has no `{name}`"));
        }
        Ok(())
    }
}

/// Whether a text in backquotes is a name and not a path.
fn has_name(text: &str) -> bool {
    !text.contains('/') && !text.contains('.')
}

fn defines(source: &str, name: &str) -> bool {
    let kinds = ["fn", "struct", "enum", "trait", "mod", "const", "type"];
    kinds.iter().any(|kind| {
        let definition = format!("{kind} {name}");
        source.match_indices(&definition).any(|(at, _)| {
            let next = source[at + definition.len()..].chars().next();
            !next.is_some_and(|c| c.is_alphanumeric() || c == '_')
        })
    })
}

/// A relative link of a document, as a path from the root.
fn resolve(document: &str, target: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// In halves, because this file is not to say them either.
const PROMISES: [&str; 4] = [
    concat!("tamper-", "proof"),
    concat!("immut", "able"),
    concat!("guaran", "teed"),
    concat!("unbreak", "able"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn expect(path: &str, text: &str, violations: &[&str]) {
        let source = "//! x\npub fn seal_all() {}\nstruct Seal;\n";
        let repository = Repository::of(&[
            ("ARCHITECTURE.md", ""),
            ("crates/a/src/seal.rs", source),
            (path, text),
        ]);
        let found = check(&repository);
        let found: Vec<String> = found.iter().map(|v| format!("{}: {}", v.line, v.what)).collect();
        assert_eq!(found, violations);
    }

    #[test]
    fn links_must_lead_somewhere() {
        expect("docs/a.md", "[x](../ARCHITECTURE.md#rings) [y](https://example.org) [z](#z)", &[]);
        expect("docs/a.md", "[x](../crates/a) and [y](./b.md)", &["1: there is no docs/b.md"]);
    }

    #[test]
    fn a_link_to_a_function_needs_the_function() {
        expect("a.md", "[`Seal::seal_all`](crates/a/src/seal.rs)", &[]);
        expect("a.md", "[`crates/a/src/seal.rs`](crates/a/src/seal.rs)", &[]);
        let missing = ["1: crates/a/src/seal.rs has no `seal`"];
        expect("a.md", "[`Seal::seal`](crates/a/src/seal.rs)", &missing);
    }

    #[test]
    fn promises_are_named_outside_of_code() {
        let text = format!("x\nIt is {}.\n```\n{0}\n```\n", PROMISES[0]);
        expect("a.md", &text, &[&format!("2: `{}` promises too much", PROMISES[0])]);
    }
}
