//! Archives of a site and what became of copies of them.

use std::fs;

use clap::Parser;

use super::*;
use crate::commands::audit::verify::tests::site::{FIRST, Site};

const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/audit/tee-public-key.pem");

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn diff(a: &Path, b: &Path) -> (Exit, String) {
    let line = ["diff", a.to_str().unwrap(), b.to_str().unwrap(), "--tee-public-key", KEY];
    let mut out = Vec::new();
    let exit = run_to(&Line::try_parse_from(line).unwrap().args, &mut out).unwrap();
    (exit, String::from_utf8(out).unwrap())
}

fn audit() -> LedgerId {
    FIRST.id(lucarne_ledger::identity::LedgerKind::Audit)
}

#[test]
fn two_copies_are_the_same() {
    let site = Site::new();
    let (exit, text) = diff(&site.archive(), &site.copy_of(""));
    assert_eq!(exit, Exit::Yes, "{text}");
    assert!(text.contains(&format!("{}: one history of 9 records\n", audit())), "{text}");
    assert!(text.ends_with("all files are the same, byte for byte\n"), "{text}");
}

#[test]
fn an_older_copy_is_a_prefix() {
    let site = Site::new();
    let copy = site.copy_of("");
    let last = site.seals("audit").pop().unwrap();
    let below = last.strip_prefix(site.archive()).unwrap();
    fs::remove_file(copy.join(below)).unwrap();
    let (exit, text) = diff(&site.archive(), &copy);
    assert_eq!(exit, Exit::No);
    let expected = format!(
        "{}: B is a prefix of A: one history up to 6, A goes on to 9\n    only in A: seq 6-8\n",
        audit()
    );
    assert!(text.contains(&expected), "{text}");
    assert!(text.contains(&format!("file only in A: {}\n", below.display())), "{text}");
    assert!(diff(&copy, &site.archive()).1.contains("A is a prefix of B"));
}

#[test]
fn a_hole_is_named_and_changed_bytes_are_too() {
    let site = Site::new();
    let copy = site.copy_of("");
    let path = |number: usize| {
        let seal = site.seals("audit")[number].clone();
        copy.join(seal.strip_prefix(site.archive()).unwrap())
    };
    fs::remove_file(path(1)).unwrap();
    let mut bytes = fs::read(path(0)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path(0), bytes).unwrap();
    let (exit, text) = diff(&copy, &site.archive());
    assert_eq!(exit, Exit::No);
    assert!(text.contains("    only in B: seq 0-5\n"), "{text}");
    assert!(text.contains("in A, 1 batches do not verify"), "{text}");
    assert!(text.contains("file other bytes: 2026/"), "{text}");
    assert!(text.ends_with("2 files differ\n"), "{text}");
}

#[test]
fn a_second_history_comes_with_its_proof() {
    let (site, other) = (Site::new(), Site::new());
    for file in other.seals("audit").into_iter().chain(other.checkpoints("audit")) {
        fs::remove_file(file).unwrap();
    }
    other.fork();
    let (exit, text) = diff(&site.archive(), &other.archive());
    assert_eq!(exit, Exit::No);
    let head =
        format!("{}: FORKED: two roots for size 3, both signed; one history up to 0\n", audit());
    assert!(text.contains(&head), "{text}");
    // Tag 18 of COSE_Sign1.
    assert!(text.contains("    signed statement of A: d284"), "{text}");
    assert!(text.contains("    signed statement of B: d284"), "{text}");
}

#[test]
fn checkpoints_are_one_head_or_a_fork_or_cannot_be_compared() {
    let site = Site::new();
    let notes = site.checkpoints("audit");
    assert_eq!(diff(&notes[0], &notes[0]).0, Exit::Yes);
    assert_eq!(diff(&notes[0], &notes[1]).0, Exit::CouldNotTell);
    let other = &site.checkpoints("telemetry")[0];
    assert_eq!(diff(&notes[0], other).0, Exit::CouldNotTell);
    let forked = site.archive().with_file_name("forked.note");
    let made_up = fs::read_to_string(&notes[0]).unwrap();
    let root = made_up.lines().nth(2).unwrap().to_owned();
    fs::write(&forked, made_up.replace(&root, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))
        .unwrap();
    let (exit, text) = diff(&notes[0], &forked);
    assert_eq!(exit, Exit::No);
    assert!(text.starts_with("FORKED: two roots for size 3 of "), "{text}");
    assert!(text.ends_with("not both are signed by the key given: one of them may be made up\n"));
    let genuine = site.forked_checkpoint();
    let (exit, text) = diff(&notes[0], &genuine);
    assert_eq!(exit, Exit::No);
    assert!(text.ends_with("the two notes are a proof by themselves\n"), "{text}");
}

#[test]
fn a_directory_and_a_note_are_not_compared() {
    let site = Site::new();
    let (archive, note) = (site.archive(), site.checkpoints("audit")[0].clone());
    let line = ["diff", archive.to_str().unwrap(), note.to_str().unwrap(), "--tee-public-key", KEY];
    let failure = run_to(&Line::try_parse_from(line).unwrap().args, &mut Vec::new()).unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
}
