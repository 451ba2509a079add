//! The commands printed in the documents, checked against the programs.
//!
//! A code fence marked `sh` promises that its commands exist. Each line that calls `lucarne` is
//! looked up in the help of the binary: the subcommand must be there and know every flag. A line
//! that calls `cargo xtask` must name a chore. Other programs are not ours and are left alone.

use std::path::Path;
use std::process::Command;

use crate::CHORES;
use crate::command::{Failure, output, root};
use crate::tidy::{Repository, Violation};
use crate::up::target_directory;

/// Checks every `sh` fence of every document; prints what is wrong.
pub(crate) fn check() -> Result<(), Failure> {
    let repository = Repository::read(&root())?;
    let lucarne = target_directory().join("debug/lucarne");
    let mut violations = Vec::new();
    for (path, text) in repository.documents() {
        for promise in promises(path, text) {
            if let Err(what) = promise.keep(&|words| help_of(&lucarne, words)) {
                let mend = "mend the document, or the program".to_owned();
                violations.push(Violation {
                    path: path.to_owned(),
                    line: promise.line,
                    what,
                    mend,
                });
            }
        }
    }
    violations.iter().for_each(|violation| println!("{violation}"));
    match violations.len() {
        0 => Ok(()),
        count => Err(Failure::Found { what: "commands in documents do not exist", count }),
    }
}

/// One command of a document.
#[derive(Debug, Eq, PartialEq)]
struct Promise {
    line: usize,
    words: Vec<String>,
}

/// The commands in the `sh` fences of a document; a line that ends in `\` goes on in the next.
fn promises(path: &str, text: &str) -> Vec<Promise> {
    let mut found: Vec<Promise> = Vec::new();
    let mut continued = false;
    for (line, command) in fenced(path, text) {
        let words = command.trim_end_matches('\\').split_whitespace().map(str::to_owned);
        match found.last_mut() {
            Some(last) if continued => last.words.extend(words),
            _ => found.push(Promise { line, words: words.collect() }),
        }
        continued = command.ends_with('\\');
    }
    found
}

/// The lines inside `sh` fences with their numbers, without comments and empty lines.
pub(crate) fn fenced<'a>(path: &str, text: &'a str) -> Vec<(usize, &'a str)> {
    let is_document = Path::new(path).extension().is_some_and(|end| end == "md");
    let mut inside = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|_| is_document) {
        let line = line.trim();
        if let Some(language) = line.strip_prefix("```") {
            inside = !inside && language == "sh";
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            lines.push((index + 1, line));
        }
    }
    lines
}

impl Promise {
    fn keep(&self, help: &dyn Fn(&[&str]) -> Option<String>) -> Result<(), String> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["cargo", "xtask", chore, rest @ ..] => {
                if !CHORES.iter().any(|known| known.name == *chore) {
                    return Err(format!("there is no chore `{chore}`"));
                }
                // The arguments of `up` are those of `lucarne up`.
                if *chore == "up" { keep_lucarne(&["up"], rest, help) } else { Ok(()) }
            }
            [program, rest @ ..] if program.rsplit('/').next() == Some("lucarne") => {
                let letter = |c: char| c.is_ascii_lowercase() || c == '-';
                let is_name = |word: &&&str| !word.starts_with('-') && word.chars().all(letter);
                let depth = rest.iter().take_while(is_name).count();
                keep_lucarne(&rest[..depth], &rest[depth..], help)
            }
            _ => Ok(()),
        }
    }
}

/// Whether the subcommand exists and its help shows every flag. Words that only look like a
/// subcommand (`lucarne completions bash`) are arguments: the deepest name that has a help is the
/// command.
fn keep_lucarne(
    names: &[&str],
    rest: &[&str],
    help: &dyn Fn(&[&str]) -> Option<String>,
) -> Result<(), String> {
    let at_least = names.len().min(1);
    let found = (at_least..=names.len()).rev().find_map(|depth| help(&names[..depth]));
    let Some(text) = found else {
        return Err(format!("there is no command `lucarne {}`", names.join(" ")));
    };
    for flag in rest.iter().take_while(|word| **word != "|").filter(|word| word.starts_with("--")) {
        let name = flag.split('=').next().unwrap_or(flag);
        let known = text.split(|c: char| !(c.is_alphanumeric() || c == '-')).any(|w| w == name);
        if !known {
            return Err(format!("`lucarne {}` does not know `{name}`", names.join(" ")));
        }
    }
    Ok(())
}

fn help_of(lucarne: &Path, names: &[&str]) -> Option<String> {
    output(Command::new(lucarne).args(names).arg("--help")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
Text.

```sh
# a comment
lucarne up --demo \\
  --data here

cargo xtask test
```

```text
lucarne not a promise
```
";

    fn help(names: &[&str]) -> Option<String> {
        match names {
            [] => Some("usage: lucarne".to_owned()),
            ["up"] => Some("usage: lucarne up [--demo] [--data <DIR>]".to_owned()),
            ["check-up"] => Some("usage: lucarne check-up [--all]".to_owned()),
            _ => None,
        }
    }

    fn keep(line: &str) -> Result<(), String> {
        let document = format!("```sh\n{line}\n```\n");
        promises("a.md", &document)[0].keep(&help)
    }

    #[test]
    fn commands_are_read_from_sh_fences_only() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        let expected = [
            Promise { line: 5, words: words("lucarne up --demo --data here") },
            Promise { line: 8, words: words("cargo xtask test") },
        ];
        assert_eq!(promises("docs/a.md", DOCUMENT), expected);
        assert_eq!(promises("docs/a.rs", DOCUMENT), []);
    }

    #[test]
    fn commands_and_flags_must_exist() {
        assert_eq!(keep("lucarne up --demo --data=x"), Ok(()));
        assert_eq!(keep("target/release/lucarne up"), Ok(()));
        assert_eq!(keep("cargo xtask up --demo"), Ok(()));
        assert_eq!(keep("lucarne check-up --all"), Ok(()));
        assert_eq!(keep("curl --fail x | lucarne-not"), Ok(()));
        assert_eq!(keep("lucarne dance"), Err("there is no command `lucarne dance`".to_owned()));
        assert_eq!(keep("cargo xtask dance"), Err("there is no chore `dance`".to_owned()));
        let unknown = Err("`lucarne up` does not know `--dat`".to_owned());
        assert_eq!(keep("lucarne up --dat x"), unknown);
        assert_eq!(keep("cargo xtask up --dat x"), unknown);
    }
}
