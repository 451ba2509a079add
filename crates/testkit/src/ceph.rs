//! A real S3 store with Object Lock for one test: Debian's Ceph, in memory, on the loopback.
//!
//! It is started by `tests/s3/radosgw.sh`, which ends with the test process however that ends. It
//! needs `radosgw`, `ceph-mon` and `ceph-osd` and takes about a second.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A cluster; it is gone when this is dropped.
#[derive(Debug)]
pub struct Ceph {
    dir: PathBuf,
    port: u16,
    script: Child,
}

impl Ceph {
    /// Starts a cluster and waits until it answers.
    ///
    /// # Panics
    /// When it does not start; the folder with its logs then stays.
    #[must_use]
    pub fn start() -> Self {
        let port = free_ports();
        let dir = std::env::temp_dir().join(format!("lucarne-ceph-{}-{port}", std::process::id()));
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/s3/radosgw.sh");
        let mut child = Command::new(script)
            .arg(&dir)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/s3/radosgw.sh can be run");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output is piped");
        BufReader::new(out).read_line(&mut line).expect("its output can be read");
        assert_eq!(line, "ready\n", "Ceph did not start, see {}", dir.display());
        Self { dir, port, script: child }
    }

    /// Where S3 is served.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The same as a socket address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// A credentials file for a user: `writer`, `forensic`, `auditor` or `stranger`.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn credentials(&self, user: &str) -> PathBuf {
        let path = self.dir.join(format!("{user}.credentials"));
        let key = format!("aws_access_key_id = {user}\naws_secret_access_key = {user}-secret\n");
        std::fs::write(&path, format!("[default]\n{key}")).expect("the folder can be written");
        path
    }

    /// What the cluster's own administrator can do and no S3 user: `radosgw-admin`.
    ///
    /// # Panics
    /// When it cannot be run or fails.
    pub fn admin(&self, args: &[&str]) {
        let mut command = Command::new("radosgw-admin");
        let done = command.args(args).env("CEPH_CONF", self.dir.join("ceph.conf")).output();
        let done = done.expect("radosgw-admin can be run");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// A folder that goes with the cluster.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Ceph {
    fn drop(&mut self) {
        // The end of its input is the script's word to stop.
        drop(self.script.stdin.take());
        drop(self.script.wait());
        // What fails stays readable.
        if !std::thread::panicking() {
            drop(std::fs::remove_dir_all(&self.dir));
        }
    }
}

/// The first of a block of ports that nobody listens on, below those that the kernel lends.
fn free_ports() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let block = (std::process::id().wrapping_mul(7).wrapping_add(next)) % 500;
        let first = 13_000 + u16::try_from(block).unwrap_or_default() * PORTS;
        let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if (first..first + PORTS).all(free) {
            return first;
        }
    }
}

const PORTS: u16 = 13;
