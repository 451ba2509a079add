//! The unmodified OpenTelemetry SDKs of Python and Node against the real enclave: no export fails.
//!
//! `cargo xtask test` installs both under the target directory. The scripts exit non-zero on any
//! export error.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::command_line::text;

/// `lucarne up` on ports of its own; ends with the test.
struct Up {
    child: Child,
    grpc: u16,
    http: u16,
    _dir: TempDir,
}

impl Up {
    fn start() -> Self {
        let enclave = Path::new(env!("CARGO_BIN_EXE_lucarne")).with_file_name("lucarne-enclave");
        assert!(enclave.is_file(), "build it first: cargo build -p lucarne-enclave");
        let held = [0; 2].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
        let [grpc, http] = held.each_ref().map(|it| it.local_addr().unwrap().port());
        drop(held);
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_lucarne"))
            .args(["up", "--http", "127.0.0.1:0", "--data"])
            .arg(dir.path())
            .args(["--otlp-grpc", &format!("127.0.0.1:{grpc}")])
            .args(["--otlp-http", &format!("127.0.0.1:{http}")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { child, grpc, http, _dir: dir }
    }

    fn send(&self, program: &Path, script: &Path) {
        assert!(script.is_file(), "{} is missing: run cargo xtask test", script.display());
        let ports = [self.grpc.to_string(), self.http.to_string()];
        let output = Command::new(program)
            .arg(script)
            .args(["--grpc", &ports[0], "--http", &ports[1]])
            .output()
            .unwrap();
        let said = [text(&output.stdout), text(&output.stderr)].concat();
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Its parts are tied to it.
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
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
    Up::start().send(&target().join("venv/bin/python3"), &script);
}

#[test]
fn the_node_sdk_sends_logs_metrics_and_traces_over_both_protocols() {
    // Node looks for packages beside the script, so the script that is run is the installed copy.
    Up::start().send(Path::new("node"), &target().join("node/send.mjs"));
}
