//! A store with the API of Loki, as a process on an empty directory: started, asked over HTTP,
//! measured by what the kernel says of it, and stopped when it is dropped.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A Loki that has not begun by then never will.
const START: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(120);
/// Ticks of a second in /proc, on every Linux that there is.
const TICKS: f64 = 100.0;

pub(crate) struct Rival {
    child: Child,
    at: SocketAddr,
    _dir: TempDir,
}

impl Drop for Rival {
    fn drop(&mut self) {
        // It keeps nothing that anybody wants.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Rival {
    pub(crate) fn start(program: &Path) -> Result<Self, String> {
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr();
        let [at, grpc] = [free(), free()].map(|at| at.map_err(|error| error.to_string()));
        let (at, grpc) = (at?, grpc?);
        let mut command = Command::new(program);
        if program.file_name().is_some_and(|name| name == "lucarne") {
            command.args(["view", "--http", &at.to_string(), "--as-pushed", "--data"]);
            command.arg(dir.path());
        } else {
            let file = dir.path().join("loki.yaml");
            let text = config(dir.path(), at, grpc);
            std::fs::write(&file, text).map_err(|error| error.to_string())?;
            command.arg(format!("-config.file={}", file.display()));
        }
        let said = std::fs::File::create(dir.path().join("log")).map_err(|e| e.to_string())?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn();
        let child = child.map_err(|error| format!("cannot start it: {error}"))?;
        let rival = Self { child, at, _dir: dir };
        let began = Instant::now();
        while !matches!(rival.ask("GET", "/ready", b""), Ok((200, _))) {
            if began.elapsed() > START {
                let log = std::fs::read_to_string(rival._dir.path().join("log"));
                return Err(format!("it is not ready: {}", log.unwrap_or_default()));
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        Ok(rival)
    }

    /// Status and body; HTTP/1.0, so that a body ends with its connection.
    pub(crate) fn ask(
        &self,
        method: &str,
        target: &str,
        body: &[u8],
    ) -> Result<(u16, Vec<u8>), String> {
        let once = || -> std::io::Result<Vec<u8>> {
            let mut stream = TcpStream::connect(self.at)?;
            stream.set_read_timeout(Some(ANSWER))?;
            let length = body.len();
            write!(
                stream,
                "{method} {target} HTTP/1.0\r\nHost: x\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\n\r\n"
            )?;
            stream.write_all(body)?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok(answer)
        };
        let answer = once().map_err(|error| format!("{target}: {error}"))?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let head = String::from_utf8_lossy(&answer[..end.unwrap_or(0)]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| format!("{target}: no answer of HTTP"))?;
        Ok((status, answer[end.unwrap_or(0) + 4..].to_vec()))
    }

    /// Processor seconds that it has spent.
    pub(crate) fn spent(&self) -> f64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = std::fs::read_to_string(path).unwrap_or_default();
        // Behind the name, which may have spaces: user and system time are fields 14 and 15.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: f64 = fields.skip(11).take(2).filter_map(|it| it.parse::<f64>().ok()).sum();
        ticks / TICKS
    }

    /// The most memory that it had at once, in MiB.
    pub(crate) fn peak_mib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.unwrap_or(0) >> 10
    }
}

/// One process, files of a directory, and no limit that a load of this kind would meet.
fn config(dir: &Path, at: SocketAddr, grpc: SocketAddr) -> String {
    let (dir, http, grpc) = (dir.display(), at.port(), grpc.port());
    format!(
        "auth_enabled: false\n\
         server: {{ http_listen_address: 127.0.0.1, http_listen_port: {http}, \
         grpc_listen_port: {grpc}, grpc_server_max_recv_msg_size: 67108864, log_level: warn }}\n\
         common:\n  path_prefix: {dir}\n  replication_factor: 1\n  \
         ring: {{ instance_addr: 127.0.0.1, kvstore: {{ store: inmemory }} }}\n  \
         storage: {{ filesystem: {{ chunks_directory: {dir}/chunks, \
         rules_directory: {dir}/rules }} }}\n\
         schema_config:\n  configs:\n  - {{ from: 2024-01-01, store: tsdb, \
         object_store: filesystem, schema: v13, index: {{ prefix: index_, period: 24h }} }}\n\
         limits_config: {{ ingestion_rate_mb: 4096, ingestion_burst_size_mb: 4096, \
         per_stream_rate_limit: 4GB, per_stream_rate_limit_burst: 4GB, \
         reject_old_samples: false, allow_structured_metadata: true }}\n\
         analytics: {{ reporting_enabled: false }}\n"
    )
}
