//! A site of its own for a test: enclave, proxy and gateway as processes in a private directory.
//!
//! The files are those of `lucarne up`, changed where a test needs a shorter time or a smaller
//! bound. Ports lie below the range from which the kernel takes ports for connections, so nobody
//! but another site can want them between the look and the start.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use lucarne_cli::commands::up::layout::{Addresses, Layout};
use tempfile::TempDir;

use super::process::{PATIENCE, Process, enclave_program};

pub(crate) fn lucarne_program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_lucarne"))
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + (std::process::id().wrapping_mul(37).wrapping_add(next)) % 12_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap()));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// How a site differs from that of `lucarne up`.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Appended to the enclave's file.
    pub(crate) enclave: &'static str,
    /// Text of the gateway's file and what stands there instead.
    pub(crate) gateway: Vec<(&'static str, &'static str)>,
    /// Where the workload is asked.
    pub(crate) workload: Option<SocketAddr>,
}

/// Three processes, each of which may be down.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) addresses: Addresses,
    pub(crate) gateway: Option<Process>,
    pub(crate) proxy: Option<Process>,
    pub(crate) enclave: Option<Process>,
    layout: Layout,
    // The last to go: the processes above use it.
    _dir: TempDir,
}

impl Site {
    /// Writes the files and starts nothing.
    pub(crate) fn prepare(changes: &Changes) -> Self {
        let dir = tempfile::Builder::new().prefix("lucarne-").tempdir().unwrap();
        let addresses = Addresses {
            grpc: free_port(),
            http: free_port(),
            gateway: free_port(),
            view: None,
            workload: changes.workload,
        };
        let layout = Layout::prepare(dir.path(), &addresses).unwrap();
        append(&layout.dir().join("tee/enclave.yaml"), changes.enclave);
        for (from, to) in &changes.gateway {
            replace(&layout.dir().join("gateway.yaml"), from, to);
        }
        let args = layout.enclave_args();
        let root = Command::new(enclave_program()).args(args).arg("--software-root").output();
        let root = String::from_utf8(root.unwrap().stdout).unwrap();
        layout.trust(root.trim()).unwrap();
        Self { addresses, gateway: None, proxy: None, enclave: None, layout, _dir: dir }
    }

    /// Everything, ready.
    pub(crate) fn start(changes: &Changes) -> Self {
        let mut site = Self::prepare(changes);
        site.start_gateway();
        site.start_proxy();
        site.start_enclave();
        site
    }

    pub(crate) fn start_gateway(&mut self) {
        let mut command = Command::new(lucarne_program());
        command.args(self.layout.gateway_args());
        self.gateway = Some(Process::start(&mut command, &self.log("gateway")).ready());
    }

    pub(crate) fn start_proxy(&mut self) {
        let mut command = Command::new(lucarne_program());
        command.args(self.layout.proxy_args());
        self.proxy = Some(Process::start(&mut command, &self.log("proxy")).ready());
    }

    pub(crate) fn start_enclave(&mut self) {
        let mut command = Command::new(enclave_program());
        command.args(self.layout.enclave_args());
        self.enclave = Some(Process::start(&mut command, &self.log("enclave")).ready());
    }

    /// Stops what runs, from the inside out, and gives the exit codes.
    pub(crate) fn stop(&mut self) -> [Option<i32>; 3] {
        [&mut self.enclave, &mut self.proxy, &mut self.gateway]
            .map(|part| part.take().and_then(|mut part| part.stop("-TERM")))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.layout.dir().join(name)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.layout.logs().join(format!("{name}.log"))
    }

    /// `lucarne send` to this site; ids of what is acknowledged go to the file `ids`.
    pub(crate) fn send(&self, args: &[&str]) -> Process {
        let mut command = Command::new(lucarne_program());
        let endpoint = self.addresses.grpc.to_string();
        command.args(["send", "--endpoint", &endpoint, "--output", "json", "--ids"]);
        command.arg(self.path("ids")).args(args);
        Process::start(&mut command, &self.log("send"))
    }

    /// The ids that `lucarne send` was told are kept.
    pub(crate) fn acknowledged(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("ids")).unwrap_or_default();
        // A line without its end is being written at this moment.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    }

    /// Status and body of a page of the gateway.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        http(self.addresses.gateway, &format!("GET {path} HTTP/1.1\r\n"), "")
    }
}

/// One HTTP request on a connection of its own; none when nobody answers.
pub(crate) fn http(at: SocketAddr, head: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(at).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let rest = format!("host: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(format!("{head}{rest}").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
}

pub(crate) fn append(path: &Path, text: &str) {
    let whole = std::fs::read_to_string(path).unwrap() + text;
    std::fs::write(path, whole).unwrap();
}

#[track_caller]
pub(crate) fn replace(path: &Path, from: &str, to: &str) {
    let whole = std::fs::read_to_string(path).unwrap();
    assert_eq!(whole.matches(from).count(), 1, "{from:?} once in {whole}");
    std::fs::write(path, whole.replace(from, to)).unwrap();
}
