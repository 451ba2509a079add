//! `docs/from-the-playbooks.md`: every command of its right-hand columns, run in order against a
//! desk with one incident.

use std::path::Path;
use std::process::{Command, Stdio};

use super::desk::Site;

const PAGE: &str = include_str!("../../../../docs/from-the-playbooks.md");

/// Commands of the second column of each row, and the exit code of the third.
fn promises() -> Vec<(String, i32)> {
    let mut found = Vec::new();
    for line in PAGE.lines().filter(|line| line.starts_with('|')) {
        // A bar within a cell is written with a backslash.
        let line = line.replace("\\|", "or");
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, _, right, exit, _] = cells.as_slice() else { panic!("{line}") };
        let commands = right.split('`').skip(1).step_by(2).filter(|it| it.starts_with("lucarne "));
        let commands: Vec<&str> = commands.collect();
        if right.starts_with("refused") {
            assert_eq!(*exit, "", "{line}");
            continue;
        }
        assert_eq!(
            commands.is_empty(),
            !exit.chars().all(|c| c.is_ascii_digit()) || exit.is_empty(),
            "{line}"
        );
        found.extend(commands.into_iter().map(|it| (it.to_owned(), exit.parse().unwrap())));
    }
    found
}

fn takes_a_desk(words: &[&str]) -> bool {
    let verbs = words.iter().take_while(|word| !word.starts_with('-')).take(2);
    let help = |words: &[&&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_lucarne")).args(words).arg("--help").output();
        let output = output.unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    };
    let verbs: Vec<&&str> = verbs.collect();
    // A second word may be an argument.
    let shown = help(&verbs).or_else(|| help(&verbs[..1]));
    shown.is_some_and(|help| help.contains("--desk <URL>"))
}

#[test]
fn what_the_playbooks_print_has_a_command_that_runs_or_a_refusal() {
    let site = Site::start("");
    let trip = [
        "signals",
        "send",
        "--kind",
        "guard_trip",
        "--label",
        "capsule_hash=c1",
        "--risk",
        "0.91",
        "--misses",
        "4",
    ];
    site.yes("source", &trip);
    let runbooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runbooks");
    std::os::unix::fs::symlink(runbooks.canonicalize().unwrap(), site.path("runbooks")).unwrap();
    std::fs::write(site.path("readiness.yaml"), "max_age: 90d\nrunbooks: runbooks\n").unwrap();
    std::fs::write(site.path("catalogue.yaml"), "probes: {}\n").unwrap();
    let rule = "name: silent\nkind: telemetry_gap\nabove: 0.5\nfor_seconds: 120\n\
        metric: {at: 'http://127.0.0.1:1', query: silence}\n";
    std::fs::write(site.path("rule.yaml"), rule).unwrap();
    let promises = promises();
    assert!(promises.len() > 50, "{}", promises.len());
    let mut wrong = Vec::new();
    for (command, exit) in promises {
        let words: Vec<&str> = command.split_whitespace().skip(1).collect();
        let output = if takes_a_desk(&words) && !words.contains(&"--help") {
            // Joe proposes and asks; nobody of the page approves.
            site.run("joe", &words)
        } else {
            let mut run = Command::new(env!("CARGO_BIN_EXE_lucarne"));
            run.args(&words).current_dir(site.path("")).stdin(Stdio::null()).output().unwrap()
        };
        if output.status.code() != Some(exit) {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            wrong.push(format!("{command}: {:?}, not {exit}: {said}", output.status.code()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
