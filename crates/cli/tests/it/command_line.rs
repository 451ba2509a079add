//! Help, exit codes and what is generated from the definitions.

use std::process::{Command, Output, Stdio};

pub(crate) fn lucarne(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lucarne")).args(args).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn exits(args: &[&str], code: i32) -> Output {
    let output = lucarne(args);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
    output
}

#[test]
fn the_reference_is_that_of_the_definitions() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
    let written = std::fs::read_to_string(path).unwrap();
    let is = lucarne_cli::commands::reference::markdown();
    let update = "run `lucarne reference > docs/cli.md`";
    assert!(written == is, "docs/cli.md is not what the definitions say: {update}");
}

#[test]
fn answers_are_on_standard_output_and_complaints_are_not() {
    let version = exits(&["--version"], 0);
    assert_eq!(text(&version.stdout), concat!("lucarne ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = exits(&["proxy", "--help"], 0);
    assert_eq!(text(&help.stderr), "");
    assert!(text(&help.stdout).contains("otel-collector.internal 4317"));
    let unknown = exits(&["frobnicate"], 3);
    assert_eq!(text(&unknown.stdout), "");
    assert!(text(&unknown.stderr).starts_with("error: unrecognized subcommand 'frobnicate'\n"));
    exits(&[], 3);
    exits(&["send", "--rate", "many"], 3);
    exits(&["send", "--endpoint", "https://localhost:4317"], 3);
}

#[test]
fn a_failure_is_said_once_with_its_cause() {
    let output = exits(&["send", "--secrets", "/nonexistent/secrets"], 4);
    let expected = "error: read secrets from /nonexistent/secrets: No such file or directory \
                    (os error 2)\n";
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for args in [["reference"].as_slice(), &["completions", "bash"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = Command::new(env!("CARGO_BIN_EXE_lucarne"));
        let output = child.args(args).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(
            (output.status.code(), text(&output.stderr).as_str()),
            (Some(0), ""),
            "{args:?}"
        );
    }
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&exits(&["completions", shell], 0).stdout);
        for command in ["up", "proxy", "send", "completions"] {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
    exits(&["completions", "cmd.exe"], 3);
}

#[test]
fn every_visible_command_has_a_manual_page() {
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("man1");
    exits(&["man", pages.to_str().unwrap()], 0);
    for page in ["lucarne.1", "lucarne-up.1", "lucarne-proxy.1", "lucarne-send.1"] {
        let text = std::fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.contains(".SH DESCRIPTION"), "{page}");
    }
    assert!(!pages.join("lucarne-leash.1").exists());
}

#[test]
fn up_says_that_the_enclave_is_not_there() {
    // A link, not a copy: a program that some thread still has open for writing cannot be run.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let alone = dir.path().join("lucarne");
    std::fs::hard_link(env!("CARGO_BIN_EXE_lucarne"), &alone).unwrap();
    let output =
        Command::new(&alone).arg("up").env("PATH", "").current_dir(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(
        text(&output.stderr),
        "error: the program lucarne-enclave is neither beside lucarne nor in PATH\n\
         hint: build it: cargo build --release -p lucarne-enclave -p lucarne-cli\n"
    );
}
