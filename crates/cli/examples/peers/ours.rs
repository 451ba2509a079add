//! Our own processes: the files of `lucarne up`, with the exporters that a measurement wants.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lucarne_cli::commands::up::layout::{Addresses, Layout};
use tempfile::TempDir;

use super::capture::Capture;
use super::child::{Child, Usage, free_port};
use super::load::{client, deliver};
use super::sink::Sink;

/// What is switched on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Setup {
    /// The ring of raw requests in the enclave.
    pub(crate) inside: bool,
    /// Where the gateway exports to.
    pub(crate) exports: Exports,
}

/// Where the gateway exports to, behind the archive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exports {
    /// Nowhere.
    Nothing,
    /// Loki's push.
    Loki,
    /// Files of JSON lines.
    Lines,
}

impl Setup {
    /// What it does, for the table.
    pub(crate) fn words(self) -> String {
        let exports = match self.exports {
            Exports::Nothing => "no exporter",
            Exports::Loki => "export to Loki",
            Exports::Lines => "export as JSON lines",
        };
        format!("inside view {}, {exports}", if self.inside { "on" } else { "off" })
    }
}

/// Enclave, proxy and gateway of one site.
#[derive(Debug)]
pub(crate) struct Ours {
    enclave: Child,
    proxy: Child,
    gateway: Child,
    otlp: SocketAddr,
    exports: Exports,
    layout: Layout,
    // The last to go: the processes above use it.
    _dir: TempDir,
}

impl Ours {
    /// Starts all three; a Loki, if one is wanted, is at `sink`.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn start(setup: Setup, sink: SocketAddr) -> Result<Self, String> {
        let dir = tempfile::Builder::new().prefix("lucarne-").tempdir();
        let dir = dir.map_err(|error| error.to_string())?;
        let otlp = free_port()?;
        let addresses = Addresses {
            grpc: otlp,
            http: free_port()?,
            gateway: free_port()?,
            view: None,
            workload: None,
        };
        let layout = Layout::prepare(dir.path(), &addresses).map_err(|error| error.text(false))?;
        configure(layout.dir(), setup, sink)?;
        let [lucarne, enclave] = programs()?;
        let root = root_of(&enclave, &layout)?;
        layout.trust(root.trim()).map_err(|error| error.text(false))?;
        let log = |name: &str| layout.logs().join(name);
        let start = |name: &str, program: &Path, args: Vec<std::ffi::OsString>| {
            Child::ready(name, Command::new(program).args(args), &log(name))
        };
        let gateway = start("gateway", &lucarne, layout.gateway_args())?;
        let proxy = start("proxy", &lucarne, layout.proxy_args())?;
        let enclave = start("enclave", &enclave, layout.enclave_args())?;
        let exports = setup.exports;
        Ok(Self { enclave, proxy, gateway, otlp, exports, layout, _dir: dir })
    }

    /// Where the enclave takes OTLP/gRPC.
    pub(crate) const fn otlp(&self) -> SocketAddr {
        self.otlp
    }

    /// What enclave, proxy and gateway have used.
    ///
    /// # Errors
    /// When one of them has ended.
    pub(crate) fn usage(&self) -> Result<[Usage; 3], String> {
        Ok([self.enclave.usage()?, self.proxy.usage()?, self.gateway.usage()?])
    }

    /// Waits until everything that was sent is archived, and exported where it counts.
    ///
    /// # Errors
    /// In words, when it does not get there.
    pub(crate) async fn drained(&self, sink: &Sink, records: u64) -> Result<(), String> {
        // What comes last in the ledger is archived last.
        let (last, id) = Capture::last();
        deliver(&mut client(self.otlp, Some("archived"))?, &last).await?;
        match self.exports {
            Exports::Nothing => Ok(()),
            Exports::Loki => sink.has(records).await,
            Exports::Lines => self.has_line(&id).await,
        }
    }

    /// Waits until the line of a record is the end of the file.
    async fn has_line(&self, id: &str) -> Result<(), String> {
        let file = self.layout.export().join("logs.jsonl");
        for _ in 0..LOOKS_MAX {
            if tail(&file).unwrap_or_default().contains(id) {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(format!("the line of {id} did not come"))
    }
}

fn tail(file: &Path) -> std::io::Result<String> {
    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}

fn configure(dir: &Path, setup: Setup, sink: SocketAddr) -> Result<(), String> {
    let fault = |error: std::io::Error| error.to_string();
    if !setup.inside {
        let path = dir.join("tee/enclave.yaml");
        let text = std::fs::read_to_string(&path).map_err(fault)?;
        std::fs::write(path, text + "inside: { bytes: 0 }\n").map_err(fault)?;
    }
    let path = dir.join("gateway.yaml");
    let text = std::fs::read_to_string(&path).map_err(fault)?;
    let (head, lines) = text.split_once("exporters:\n").ok_or("the gateway's file is another")?;
    // The same rules without a file: what is measured is the outer layer, not pipelines behind it.
    let is_file = |line: &&str| line.starts_with("outer_layer:") || line.starts_with("collector:");
    let head: String = head.split_inclusive('\n').filter(|line| !is_file(line)).collect();
    let exporters = match setup.exports {
        Exports::Nothing => String::new(),
        Exports::Lines => format!("exporters:\n{lines}"),
        Exports::Loki => {
            format!("exporters:\n- loki: {{ endpoint: \"http://{sink}/loki/api/v1/push\" }}\n")
        }
    };
    std::fs::write(path, format!("{head}{exporters}")).map_err(fault)
}

/// `lucarne` and `lucarne-enclave`, which lie where this program was built or one folder above.
fn programs() -> Result<[PathBuf; 2], String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let named = |name: &str| {
        let found = own.ancestors().skip(1).take(2).map(|dir| dir.join(name));
        found
            .into_iter()
            .find(|path| path.is_file())
            .ok_or_else(|| format!("{name} is not built: cargo build -p lucarne-cli -p {name}"))
    };
    Ok([named("lucarne")?, named("lucarne-enclave")?])
}

/// The fingerprint of the software root.
fn root_of(enclave: &Path, layout: &Layout) -> Result<String, String> {
    let mut command = Command::new(enclave);
    command.args(layout.enclave_args()).arg("--software-root");
    let output = command.output().map_err(|error| error.to_string())?;
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

const LOOK: Duration = Duration::from_millis(100);
/// A minute and a half.
const LOOKS_MAX: usize = 900;
/// Some hundred lines: heartbeats may stand behind the one that is looked for.
const TAIL_BYTES: u64 = 64 << 10;
