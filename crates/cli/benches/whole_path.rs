//! The whole path at full load: `lucarne send` → enclave → proxy → gateway → archive and JSON
//! lines.
//!
//! Every part is a process of its own, as in production, so the system's accounting of each is the
//! measure: CPU seconds a million records and peak memory do not depend on who else uses the
//! machine.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const SECONDS: &str = "10";
/// The kernel counts CPU time in hundredths of a second (`getconf CLK_TCK`).
const TICKS_A_SECOND: f64 = 100.0;

fn main() {
    let lucarne = PathBuf::from(env!("CARGO_BIN_EXE_lucarne"));
    let enclave = lucarne.with_file_name("lucarne-enclave");
    assert!(enclave.is_file(), "build it first: cargo build --release -p lucarne-enclave");
    let dir = tempfile::tempdir().expect("a directory for the site");
    let [grpc, http, page] = free_addresses();
    let mut up = Command::new(&lucarne)
        .args(["up", "--otlp-grpc", &grpc, "--otlp-http", &http, "--http", &page])
        .args(["--desk", "127.0.0.1:0", "--data"])
        .arg(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("lucarne up starts");
    let mut out = BufReader::new(up.stdout.take().expect("its output is piped"));
    let mut line = String::new();
    out.read_line(&mut line).expect("it says when it is ready");
    assert_eq!(line, "ready\n");
    let before = [usage(dir.path(), ENCLAVE), usage(dir.path(), GATEWAY)];
    let report = send(&lucarne, &grpc);
    let after = [usage(dir.path(), ENCLAVE), usage(dir.path(), GATEWAY)];
    stop(up);
    print(&report, before, after);
}

const ENCLAVE: &str = "lucarne-enclave";
const GATEWAY: &str = "gateway";

fn send(lucarne: &Path, grpc: &str) -> serde_json::Value {
    let output = Command::new(lucarne)
        .args(["send", "--connections", "2", "--output", "json", "--duration", SECONDS])
        .args(["--endpoint", &format!("http://{grpc}")])
        .stderr(Stdio::inherit())
        .output()
        .expect("lucarne send runs");
    assert!(output.status.success(), "every record was accepted");
    serde_json::from_slice(&output.stdout).expect("send prints JSON")
}

#[expect(clippy::print_stdout, reason = "the figures are the result")]
fn print(report: &serde_json::Value, before: [Usage; 2], after: [Usage; 2]) {
    let accepted = report["accepted"].as_f64().expect("send counts what was accepted");
    let seconds = report["seconds"].as_f64().expect("send measures the time");
    println!("whole path: {:.0} records/s, 300 bytes, batches of 1,000", accepted / seconds);
    for (name, before, after) in
        [("enclave", before[0], after[0]), ("gateway", before[1], after[1])]
    {
        let cpu = (after.cpu_ticks - before.cpu_ticks) / TICKS_A_SECOND / (accepted / 1e6);
        let rate = 1e6 / cpu;
        let memory = after.peak_kib / 1024.0;
        println!(
            "{name}: {cpu:.2} CPU seconds a million records ({rate:.0}/s a core), {memory:.0} MiB"
        );
    }
}

/// What a process has used.
#[derive(Clone, Copy)]
struct Usage {
    cpu_ticks: f64,
    peak_kib: f64,
}

/// The process whose command line holds both the site's directory and this word.
fn usage(dir: &Path, word: &str) -> Usage {
    let dir = dir.to_string_lossy();
    let found = std::fs::read_dir("/proc").expect("/proc").flatten().find_map(|process| {
        let line = std::fs::read(process.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let ours = line.contains(&*dir) && line.contains(word) && !line.contains(" up ");
        ours.then(|| process.path())
    });
    let process = found.expect("the process runs");
    // proc(5): the fields after the name in parentheses; user and system time are the 14th and
    // 15th.
    let stat = std::fs::read_to_string(process.join("stat")).expect("its accounting");
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<f64>().expect("a number");
    let status = std::fs::read_to_string(process.join("status")).expect("its memory");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|text| text.trim().strip_suffix(" kB")?.trim().parse().ok());
    Usage { cpu_ticks: ticks(11) + ticks(12), peak_kib: peak.expect("a peak") }
}

fn stop(mut up: Child) {
    let pid = i32::try_from(up.id()).ok().and_then(rustix::process::Pid::from_raw);
    let pid = pid.expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it can be stopped");
    assert!(up.wait().expect("it ends").success(), "everything closed in order");
}

fn free_addresses() -> [String; 3] {
    let held: Vec<_> =
        (0..3).map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    let name = |index: usize| held[index].local_addr().expect("an address").to_string();
    [name(0), name(1), name(2)]
}
