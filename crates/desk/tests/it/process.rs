//! A desk as a process of its own, which can be killed, and clients that keep their connection.
//!
//! The process is the program that is running, started again with a variable in its environment:
//! [`serve_if_asked`] is where it goes on. It serves until its standard input ends.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use lucarne_desk::config::File;
use lucarne_desk::service;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Names the configuration to serve.
const CONFIG: &str = "LUCARNE_TEST_DESK";
/// What the process says before its address.
const SAYS: &str = "desk at ";
/// For a desk to be ready, its log read and verified, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with the configuration of a desk, its keys and its store.
pub(crate) struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    /// A desk on SQLite that tells nobody, or as `extra` says.
    pub(crate) fn new(store: &str, extra: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder can be made");
        for name in ["source", "signer", "ann", "ben", "eve", "looker", "boss"] {
            std::fs::write(dir.path().join(name), token(name)).expect("the folder is ours");
        }
        let text = format!(
            "
listen: 127.0.0.1:0
name: desk-1
identity: identity
store: {store}
keys:
  - {{name: source, roles: [source, reader], token_file: source}}
  - {{name: ann, roles: [responder], token_file: ann,
     person: {{employee: '1', groups: [security]}}}}
  - {{name: ben, roles: [responder], token_file: ben,
     person: {{employee: '2', groups: [security, compliance]}}}}
  - {{name: eve, roles: [responder], token_file: eve,
     person: {{employee: '3', groups: [security]}}}}
  - {{name: signer, roles: [source], token_file: signer}}
  - {{name: looker, roles: [reader], token_file: looker}}
  - {{name: boss, roles: [admin], token_file: boss}}
{extra}"
        );
        std::fs::write(dir.path().join("desk.yaml"), text).expect("the folder is ours");
        Self { dir }
    }

    /// The configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("desk.yaml")
    }

    /// A file of it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// The bearer token of a key.
pub(crate) fn token(name: &str) -> String {
    format!("{name}-token-0123456789")
}

/// A desk that runs.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Where it answers.
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts a desk and waits until it is ready.
    pub(crate) fn start(config: &Path) -> Self {
        Self::start_by(None, config)
    }

    /// The same by a script of the shell, which ends in `exec "$0" "$@"`.
    pub(crate) fn start_by(script: Option<&str>, config: &Path) -> Self {
        let program = std::env::current_exe().expect("we are a program");
        let mut command = match script {
            None => Command::new(program),
            Some(script) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", script]).arg(program);
                shell
            }
        };
        let mut child = command
            .args(["--exact", "process::a_desk_serves_until_it_is_stopped", "--nocapture"])
            .env(CONFIG, config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("we can be started again");
        let stdout = child.stdout.take().expect("it is a pipe");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.split_once(SAYS)?.1.to_owned()));
        let address = address.and_then(|text| text.parse().ok()).expect("a desk says where it is");
        // The harness in it says when a test takes long, and ends when nobody can read that.
        std::thread::spawn(move || lines.for_each(drop));
        let stdin = child.stdin.take();
        Self { child, stdin, address }
    }

    /// Makes the identity that desks on one store share: before the runbooks are there.
    pub(crate) fn first(home: &Home) {
        let (config, plain) = (home.config(), home.path("first.yaml"));
        let text = std::fs::read_to_string(config).expect("it was written");
        let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("runs:")).collect();
        std::fs::write(&plain, text.join("\n")).expect("the folder is ours");
        Self::start(&plain).stop();
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, wherever it is.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }

    /// Ends it in good order.
    pub(crate) fn stop(mut self) {
        drop(self.stdin.take());
        let ended = self.child.wait().expect("it is ours");
        assert!(ended.success(), "{ended}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Serves a desk when this program was started for that, and ends; otherwise nothing.
pub(crate) fn serve_if_asked() {
    let Some(config) = std::env::var_os(CONFIG) else { return };
    let (stop, stopped) = watch::channel(false);
    std::thread::spawn(move || {
        // Whatever comes: it is the end that says something.
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        stop.send(true).ok();
    });
    serve(Path::new(&config), stopped);
    // The harness would write to a pipe that nobody reads.
    std::process::exit(0);
}

fn serve(config: &Path, stopped: watch::Receiver<bool>) {
    let runtime = tokio::runtime::Runtime::new().expect("the machine has threads");
    let served = runtime.block_on(async {
        let file = File::read(config)?;
        let listener = TcpListener::bind(file.listen).await.expect("there is a port");
        let address = listener.local_addr().expect("it is bound");
        service::serve(&file, listener, stopped, || say(address)).await
    });
    served.expect("the desk starts");
}

#[expect(clippy::print_stdout, reason = "whoever started this program reads it")]
fn say(address: SocketAddr) {
    println!("{SAYS}{address}");
}

/// Lets time pass that another process needs.
pub(crate) async fn rest(time: Duration) {
    tokio::time::timeout(time, std::future::pending::<()>()).await.ok();
}

/// A client with one connection, for one key.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    bearer: String,
}

impl Client {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr, name: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
        drop(tokio::spawn(connection));
        Some(Self { sender, bearer: format!("Bearer {}", token(name)) })
    }

    /// Connects to a desk that may not be there yet.
    pub(crate) async fn wait(address: SocketAddr, name: &str) -> Self {
        let started = Instant::now();
        loop {
            if let Some(mut client) = Self::connect(address, name).await
                && client.get("/ready").await.is_some_and(|(status, _)| status == 200)
            {
                return client;
            }
            assert!(started.elapsed() < PATIENCE, "no desk at {address}");
            rest(Duration::from_millis(10)).await;
        }
    }

    /// Status and body; nothing when the connection ended before the answer.
    pub(crate) async fn post(&mut self, path: &str, body: Bytes) -> Option<(u16, Value)> {
        let (status, body) = self.send("POST", path, body).await?;
        Some((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// Status and body; nothing when the connection ended before the answer.
    pub(crate) async fn get(&mut self, path: &str) -> Option<(u16, Bytes)> {
        self.send("GET", path, Bytes::new()).await
    }

    async fn send(&mut self, verb: &str, path: &str, body: Bytes) -> Option<(u16, Bytes)> {
        self.ask(verb, path, body).await.map(|(status, _, body)| (status, body))
    }

    /// Status, media type and body.
    pub(crate) async fn ask(
        &mut self,
        verb: &str,
        path: &str,
        body: Bytes,
    ) -> Option<(u16, String, Bytes)> {
        self.sender.ready().await.ok()?;
        let request = Request::builder()
            .method(verb)
            .uri(path)
            .header("host", "desk")
            .header("authorization", &self.bearer)
            .body(Full::new(body))
            .expect("a request can be written");
        let response = self.sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_owned();
        Some((status, kind, response.into_body().collect().await.ok()?.to_bytes()))
    }
}

#[test]
fn a_desk_serves_until_it_is_stopped() {
    serve_if_asked();
    let home = Home::new("{sqlite: desk.db}", "");
    let desk = Process::start(&home.config());
    let runtime = tokio::runtime::Runtime::new().expect("the machine has threads");
    let health = runtime.block_on(async {
        let mut client = Client::wait(desk.address, "ann").await;
        client.get("/health").await.map(|(status, _)| status)
    });
    assert_eq!(health, Some(200));
    desk.stop();
}
