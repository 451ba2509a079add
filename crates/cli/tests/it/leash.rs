//! A leashed program dies with its parent, however the parent dies.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use super::command_line::{lucarne, text};

#[test]
fn a_killed_parent_takes_its_children_along() {
    // The shell is the parent; `read` keeps it, and the child, alive as long as this test holds
    // its input.
    let script = "\"$0\" leash $$ cat /dev/zero > /dev/null & echo $!; read line";
    let mut shell = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_lucarne")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(shell.stdout.take().unwrap());
    let mut pid = String::new();
    output.read_line(&mut pid).unwrap();
    let command = || std::fs::read_to_string(format!("/proc/{}/comm", pid.trim()));
    while command().unwrap() != "cat\n" {
        std::thread::yield_now();
    }
    shell.kill().unwrap();
    shell.wait().unwrap();
    // The shell's own copy of the pipe is closed now; the kernel kills the child at once.
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    let dead = || match std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    while !dead() {
        std::thread::yield_now();
    }
    assert_eq!(rest, "");
}

#[test]
fn without_its_parent_nothing_is_started() {
    let output = lucarne(&["leash", "1", "echo", "started"]);
    // Process 1 is the parent only where the test itself runs as a container's first child.
    assert_eq!(text(&output.stdout), "");
    assert_eq!(text(&output.stderr), "error: the parent process is gone\n");
    assert_eq!(output.status.code(), Some(1));
}
