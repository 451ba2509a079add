//! The unmodified OpenTelemetry SDKs of Python and Node against the real enclave: no export fails.
//!
//! `cargo xtask test` installs both under the target directory. The scripts exit non-zero on any
//! export error.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::command_line::text;
use super::site::{Changes, Site};

/// Runs a script that sends everything to a site of its own.
fn send(program: &Path, script: &Path) {
    assert!(script.is_file(), "{} is missing: run cargo xtask test", script.display());
    let site = Site::start(&Changes::default());
    let ports = [site.addresses.grpc, site.addresses.http].map(|it| it.port().to_string());
    let output = Command::new(program)
        .arg(script)
        .args(["--grpc", &ports[0], "--http", &ports[1]])
        .output()
        .unwrap();
    let said = [text(&output.stdout), text(&output.stderr)].concat();
    assert_eq!(output.status.code(), Some(0), "{said}");
}

/// The directory that holds `debug` or `release` of this build.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_python_sdk_sends_logs_metrics_and_traces_over_both_protocols() {
    let script = repository().join("tests/sdk/python/send.py");
    send(&target().join("venv/bin/python3"), &script);
}

#[test]
fn the_node_sdk_sends_logs_metrics_and_traces_over_both_protocols() {
    // Node looks for packages beside the script, so the script that is run is the installed copy.
    send(Path::new("node"), &target().join("node/send.mjs"));
}
