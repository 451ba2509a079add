//! The enclave's process as the kernel sees it: it connects to its uplink and to nothing else, and
//! neither dumps core nor lets its own user look in.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::process::{Process, enclave_program, signal, until};
use super::site::{Changes, Site};

/// `nobody`: a user who is not root, so that being dumpable makes a difference.
const NOBODY: u32 = 65_534;

fn can_trace() -> bool {
    let mut strace = Command::new("strace");
    let traced = strace.args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    traced.is_ok_and(|status| status.success())
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test has to say so")]
fn the_enclave_connects_to_its_uplink_and_to_nothing_else() {
    if !can_trace() {
        println!("skipped: strace is not installed, or ptrace is not allowed here");
        return;
    }
    let mut site = Site::prepare(&Changes::default());
    site.start_gateway();
    site.start_proxy();
    let calls = site.path("calls");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o"]).arg(&calls);
    strace.arg(enclave_program()).arg("--config").arg(site.path("tee/enclave.yaml"));
    let mut tracer = Process::start(&mut strace, &site.path("logs/strace.log")).ready();
    let mut load = site.send(&["--count", "2000", "--batch", "100", "--durability", "archived"]);
    assert_eq!(load.end(), Some(0), "{}", load.said());
    let pid = tracer.pid();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    signal(children.trim().parse().unwrap(), "-TERM");
    assert_eq!(tracer.end(), Some(0), "{}", tracer.said());

    let calls = std::fs::read_to_string(calls).unwrap();
    let uplink = site.path("proxy.sock").canonicalize().unwrap();
    let allowed = format!("sun_path=\"{}\"", uplink.display());
    let connects: Vec<&str> = calls.lines().filter(|line| line.contains("connect(")).collect();
    assert!(!connects.is_empty(), "{calls}");
    assert!(connects.iter().all(|line| line.contains(&allowed)), "{connects:#?}");
    // A datagram needs no connection; its address would be in the call.
    let addressed = |line: &&str| line.contains("sa_family") && !line.contains("connect(");
    assert_eq!(calls.lines().filter(addressed).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn the_enclave_dumps_no_core_and_its_own_user_cannot_look_in() {
    let mut site = Site::prepare(&Changes::default());
    site.start_gateway();
    site.start_proxy();
    let as_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if as_root {
        hand_over(&site);
    }
    let program = own_copy(&site);
    let mut command = as_nobody(as_root, &program);
    command.arg("--config").arg(site.path("tee/enclave.yaml"));
    let enclave = Process::start(&mut command, &site.path("logs/enclave.log")).ready();
    let proc = |name: &str| PathBuf::from(format!("/proc/{}/{name}", enclave.pid()));

    let limits = std::fs::read_to_string(proc("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let sizes: BTreeSet<&str> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(sizes, BTreeSet::from(["0"]), "{core}");
    // The kernel gives the files of a process that is not dumpable to root.
    assert_eq!(std::fs::metadata(proc("environ")).unwrap().uid(), 0);
    for secret in ["mem", "environ", "maps", "fd"] {
        let mut look = as_nobody(as_root, Path::new("ls"));
        look.arg("-l").stdout(Stdio::null()).stderr(Stdio::null());
        let mut read = as_nobody(as_root, Path::new("cat"));
        read.stdout(Stdio::null()).stderr(Stdio::null());
        let refused = if secret == "fd" {
            look.arg(proc("fd/")).status().unwrap()
        } else {
            read.arg(proc(secret)).status().unwrap()
        };
        assert!(!refused.success(), "{secret} can be read by the enclave's own user");
    }
    if can_trace() {
        let mut attach = as_nobody(as_root, Path::new("strace"));
        attach.args(["-p", &enclave.pid().to_string(), "-o", "/dev/null"]);
        let said = attach.stdout(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.contains("Operation not permitted"), "{said}");
    }
    until("it lives on", Duration::from_secs(5), || Some(enclave.status_kib("VmRSS")));
}

/// Gives what the enclave reads and connects to, to `nobody`.
fn hand_over(site: &Site) {
    let dir = site.path("");
    std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o755)).unwrap();
    let mut paths = vec![site.path("tee"), site.path("proxy.sock")];
    while let Some(path) = paths.pop() {
        chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        if path.is_dir() {
            paths.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}

/// The program where every user may execute it.
fn own_copy(site: &Site) -> PathBuf {
    let copy = site.path("lucarne-enclave");
    std::fs::copy(enclave_program(), &copy).unwrap();
    std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).unwrap();
    copy
}

fn as_nobody(as_root: bool, program: &Path) -> Command {
    if !as_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    let user = NOBODY.to_string();
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]).arg(program);
    command
}
