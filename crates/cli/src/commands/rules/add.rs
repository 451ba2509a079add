//! `lucarne rules add`: one more rule in a catalogue, for people to review.
//!
//! The rest of the file stays as it is, letter for letter. A desk reads its catalogue when it
//! starts, so what is added here holds after somebody has looked at it and started it again.

use std::io::Write;
use std::path::{Path, PathBuf};

use lucarne_desk::catalogue::Catalogue;
use serde_json::Value;

use crate::failure::{Exit, Failure};

/// Add a rule to a catalogue
///
/// The rule is a file as it stands in a list under `rules`. One whose name is there already is
/// refused. The desk takes it when it is started again: try it before with `rules test`.
///
/// Example: lucarne rules add catalogue.yaml error-rate.yaml
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The catalogue
    #[arg(value_name = "FILE")]
    catalogue: PathBuf,
    /// The rule
    #[arg(value_name = "RULE")]
    rule: PathBuf,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let (before, rule) = (text(&args.catalogue)?, text(&args.rule)?);
    let what = format!("read {}", args.rule.display());
    let rule: Value = serde_saphyr::from_str(&rule)
        .map_err(|cause| Failure::because(Exit::Usage, &what, &cause))?;
    let old = super::parse(&args.catalogue, &before)?;
    let name = rule["name"].as_str().unwrap_or_default().to_owned();
    if old.rules.iter().any(|rule| rule.name == name) {
        return Err(Failure::new(Exit::No, format!("there is a rule {name} already")));
    }
    let after = with(&before, &rule);
    let new = super::parse(&args.catalogue, &after)?;
    if !extends(&old, &new) {
        let text = format!("{}: `rules` is not the last list of it", args.catalogue.display());
        return Err(Failure::usage(text).hint("move `rules` to its end, one rule an item"));
    }
    replace(&args.catalogue, &after)?;
    writeln!(out, "{name} is rule {} of {}", new.rules.len(), args.catalogue.display())?;
    Ok(Exit::Yes)
}

fn text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|cause| Failure::unreadable(&format!("read {}", path.display()), &cause))
}

// JSON is YAML, so the item is one line at the end.
fn with(before: &str, rule: &Value) -> String {
    let end = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let has = before.lines().any(|line| line.trim_end() == "rules:");
    let key = if has { "" } else { "rules:\n" };
    let indent = before.lines().rev().find(|line| line.trim_start().starts_with("- "));
    let indent = indent.filter(|_| has).map_or(0, |line| line.len() - line.trim_start().len());
    format!("{before}{end}{key}{}- {rule}\n", " ".repeat(indent))
}

// Nothing but one more rule behind the others.
fn extends(old: &Catalogue, new: &Catalogue) -> bool {
    let mut shorter = new.clone();
    shorter.rules.pop().is_some() && shorter == *old
}

fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let draft = path.with_added_extension("new");
    let written = std::fs::write(&draft, text).and_then(|()| std::fs::rename(&draft, path));
    written.map_err(|cause| Failure::unreadable(&format!("write {}", path.display()), &cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "name: silent\nkind: telemetry_gap\nabsent: true\nfor_seconds: 120\n\
        metric: {at: 'http://p', query: beats}\n";

    fn added(catalogue: &str) -> (Result<Exit, Exit>, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("catalogue.yaml"), catalogue).unwrap();
        std::fs::write(path("rule.yaml"), RULE).unwrap();
        let args = Args { catalogue: path("catalogue.yaml"), rule: path("rule.yaml") };
        let ran = run(&args, &mut Vec::new()).map_err(|failure| failure.exit());
        (ran, std::fs::read_to_string(path("catalogue.yaml")).unwrap())
    }

    #[test]
    fn a_rule_is_added_behind_the_others_and_nothing_else_moves() {
        let first = "{name: a, kind: other, metric: {at: 'http://p', query: x}}";
        for before in [
            "",
            "# kept\nprobes: {}\n",
            "sources: {logql: 'http://l'}",
            &format!("rules:\n- {first}\n"),
            &format!("probes: {{}}\nrules:\n  # kept\n  - {first}"),
        ] {
            let (ran, after) = added(before);
            assert_eq!(ran, Ok(Exit::Yes), "{before}");
            assert!(after.starts_with(before), "{after}");
            let rules = Catalogue::parse(&after).unwrap().rules;
            assert_eq!(rules.last().unwrap().name, "silent");
            assert_eq!(rules.len(), 1 + usize::from(before.contains("rules:")));
        }
    }

    #[test]
    fn a_name_that_is_there_and_a_list_that_is_not_the_last_are_refused_untouched() {
        let taken = format!("rules:\n- {}\n", RULE.trim_end().replace('\n', "\n  "));
        assert_eq!(added(&taken), (Err(Exit::No), taken.clone()));
        for before in ["rules: []\n", "rules:\nactions: {}\n", "nonsense: 1\n"] {
            assert_eq!(added(before), (Err(Exit::Usage), before.to_owned()));
        }
    }
}
