//! `lucarne up`: enclave, proxy and gateway on this machine, each in its own process, over
//! loopback.
//!
//! The TEE is the software one and INSECURE: whoever runs this can read what is inside. It is for
//! development, and for seeing what an operator and an auditor get to see.

mod attested;
mod catalogue;
mod desk;
mod feed;
mod inside;
pub mod key;
pub mod layout;
pub mod part;
mod receiver;
mod restart;
mod shipped;

use std::ffi::OsString;
use std::future::{Future, poll_fn};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::attested::{Asking, Attested};
use self::catalogue::Places;
use self::desk::DeskSite;
use self::feed::{Feed, Sources};
use self::layout::{Addresses, Layout};
use self::part::{Part, Start};
use self::receiver::{Receiver, Terms};
use self::restart::Wishes;
use crate::demo::{Played, play};
use crate::desk_client::Desk;
use crate::failure::{Exit, Failure};
use crate::otlp_client::{Client, Options, Protocol};
use crate::shutdown;

/// Start enclave, proxy, gateway and desk on this machine, for development
///
/// The TEE is a software one: INSECURE. Everything listens on loopback or Unix
/// sockets. What would be inside a TEE is under DIR/tee; archive, exports and what
/// the view shows are under DIR/archive, DIR/export and DIR/view.
///
/// Prints the line "ready" on standard output when every part accepts. Ctrl-C
/// closes in order: the enclave seals and ships what it has, and closes its
/// epoch.
///
/// Example, with a workload that plays credit assessments and now and then says
/// what must not leave:
///
///   lucarne up --demo
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Play the demo workload
    #[arg(long)]
    demo: bool,
    /// Directory for everything that is kept
    #[arg(long, value_name = "DIR", default_value = "lucarne-data")]
    data: PathBuf,
    /// Where the enclave takes OTLP/gRPC
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4317")]
    otlp_grpc: SocketAddr,
    /// Where the enclave takes OTLP/HTTP
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4318")]
    otlp_http: SocketAddr,
    /// Where the gateway serves /health, /ready, /metrics and /v1/gates
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Where the gateway's view answers LogQL: a Loki data source of Grafana takes it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3100")]
    view: SocketAddr,
    /// Where the desk serves; keys of four operators are in DIR/keys/desk-a to desk-d
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    desk: SocketAddr,
}

/// Runs everything until a signal stops it.
///
/// # Errors
/// When a part cannot be started or ends by itself.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    // The main thread runs this future: children are tied to the thread that starts them.
    shutdown::runtime()?.block_on(async {
        let stop = shutdown::on_signal()?;
        let enclave_program = find_enclave()?;
        let workload = if args.demo { Some(open_workload().await?) } else { None };
        let addresses = Addresses {
            grpc: args.otlp_grpc,
            http: args.otlp_http,
            gateway: args.http,
            view: Some(args.view),
            workload: workload.as_ref().and_then(|listener| listener.local_addr().ok()),
        };
        let layout = Layout::prepare(&args.data, &addresses)?;
        layout.trust(&software_root(&enclave_program, &layout).await?)?;
        let query = inside::open(layout.dir(), &layout.policy())?;
        let receiver = Receiver::bind()?;
        let own = own_program()?;
        let places = Places {
            dir: layout.dir(),
            own: &own,
            gateway: args.http,
            view: args.view,
            parts: receiver.address()?,
        };
        let desk = DeskSite::prepare(&places, args.desk)?;
        let asked = Asking {
            own: own.clone(),
            args: places.evidence("baseline-policy.yaml", &[]),
            baseline: desk.baseline(),
        };
        let (receiver, asked) = (Some(receiver), Some(asked));
        let look = places.archive(catalogue::LOOK);
        let mut site = Site { parts: Vec::new(), desk, query, receiver, asked, look };
        let outcome = site.live(args, &layout, &enclave_program, workload, stop).await;
        // From the inside out: the enclave closes its epoch while the way to the archive is open.
        let closed = site.stop(&layout).await;
        outcome.and(closed)
    })
}

/// The running parts, in the order in which they are to be stopped.
struct Site {
    parts: Vec<Part>,
    desk: DeskSite,
    /// The command that asks the enclave.
    query: PathBuf,
    receiver: Option<Receiver>,
    /// How the desk looks at the enclave.
    asked: Option<Asking>,
    /// Arguments that look at the archive once.
    look: Vec<String>,
}

impl Site {
    async fn live(
        &mut self,
        args: &Args,
        layout: &Layout,
        enclave_program: &Path,
        workload: Option<TcpListener>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let own = own_program()?;
        // Started from the outside in, so that each finds its peer; kept in the reverse order.
        let receiver = self.receiver.take();
        let findings = receiver.as_ref().map(Receiver::address).transpose()?;
        let findings = findings.ok_or_else(|| Failure::bug("nobody takes findings"))?;
        let starts = [
            (&*own, "desk", self.desk.args()),
            (&*own, "gateway", layout.gateway_args()),
            (&*own, "proxy", layout.proxy_args()),
            (enclave_program, "enclave", layout.enclave_args()),
            (&*own, WATCH, self.desk.watch_args(findings)),
        ];
        let start = |program, name: &'static str, args| {
            let log = layout.logs().join(format!("{name}.log"));
            Part::start(Start { name, program, args, log })
        };
        for (program, name, args) in starts {
            let started = start(program, name, args);
            let part = tokio::select! {
                () = shutdown::stopped(&mut stop) => return Ok(()),
                part = started => part?,
            };
            self.parts.insert(0, part);
        }
        let (wishes, mut wished) = restart::wishes();
        let feed = self.tell(args, layout, receiver, wishes)?;
        announce(args, layout, &own, self)?;
        let (quiet, demo) = workload.map(|listener| start_demo(args, listener)).unzip();
        let ended = loop {
            let wish = tokio::select! {
                () = shutdown::stopped(&mut stop) => break Ok(()),
                failure = self.first_death() => break Err(failure),
                Some(wish) = wished.recv() => wish,
            };
            let (program, args) = match wish.part {
                "enclave" => (enclave_program, layout.enclave_args()),
                _ => (&*own, layout.proxy_args()),
            };
            let Some(part) = self.parts.iter_mut().find(|part| part.name() == wish.part) else {
                continue;
            };
            part.stop(STOP_GRACE).await;
            match start(program, wish.part, args).await {
                Ok(started) => *part = started,
                Err(failure) => break Err(failure),
            }
            wish.grant();
        };
        drop(feed);
        // The workload goes first; nothing that it has sent is then unanswered.
        drop(quiet);
        if let Some(mut demo) = demo {
            tokio::time::timeout(DEMO_GRACE, demo.join_next()).await.ok();
        }
        ended
    }

    async fn first_death(&mut self) -> Failure {
        type Ends<'a> = Pin<Box<dyn Future<Output = Option<ExitStatus>> + 'a>>;
        let mut ends: Vec<Ends<'_>> =
            self.parts.iter_mut().map(|part| Box::pin(part.ended()) as Ends<'_>).collect();
        let (index, status) = poll_fn(|context| {
            for (index, end) in ends.iter_mut().enumerate() {
                if let Poll::Ready(status) = end.as_mut().poll(context) {
                    return Poll::Ready((index, status));
                }
            }
            Poll::Pending
        })
        .await;
        drop(ends);
        self.parts[index].death(status, "while it was needed")
    }

    /// Connects the desk with the site: findings and pages, heartbeats and rules.
    fn tell(
        &mut self,
        args: &Args,
        layout: &Layout,
        receiver: Option<Receiver>,
        wishes: Wishes,
    ) -> Result<Option<Feed>, Failure> {
        let source = || -> Result<Desk, Failure> {
            let at = format!("http://{}", self.desk.address);
            let at = at.parse().map_err(|_| Failure::bug("the desk has no address"))?;
            Desk::new(&at, Some(self.desk.token("source")?))
        };
        if let Some(receiver) = receiver {
            let (watch_key, pages) = (self.desk.token("watch")?, self.desk.pages());
            let parts_key = self.desk.token("parts")?;
            let look = (own_program()?, self.look.clone());
            let desk = source()?;
            receiver.serve(Terms { desk, watch_key, pages, parts_key, wishes, look });
        }
        // A gateway on a port that nobody knows is not asked.
        let gateway = Some(args.http).filter(|at| at.port() != 0).and_then(feed::pages_of);
        let lines = layout.export().join("logs.jsonl");
        let Some(gateway) = gateway else { return Ok(None) };
        let instance = layout::INSTANCE.to_owned();
        let desk = source()?;
        let attested = self.asked.take().map(Attested::new);
        Ok(Some(Feed::start(Sources { desk, gateway, lines, instance, attested })))
    }

    async fn stop(&mut self, layout: &Layout) -> Result<Exit, Failure> {
        let mut exit = Exit::Yes;
        for part in &mut self.parts {
            let code = part.stop(STOP_GRACE).await;
            // What the watch thinks of the archive is not how it ended.
            if part.name() == WATCH {
                continue;
            }
            exit = match (exit, code) {
                (Exit::Yes, Some(0)) => Exit::Yes,
                // The enclave says so when it closed its epoch and the gateway has not archived
                // all of it.
                (Exit::Yes | Exit::CouldNotTell, Some(2)) => Exit::CouldNotTell,
                (Exit::CouldNotTell, Some(0)) => Exit::CouldNotTell,
                _ => Exit::No,
            };
        }
        let text = match exit {
            Exit::Yes => return Ok(Exit::Yes),
            Exit::CouldNotTell => "closed in order, but not everything is archived",
            _ => "the parts did not all close in order; an audit will show an unclean end",
        };
        Err(Failure::new(exit, text).hint(format!("see {}", layout.logs().display())))
    }
}

fn own_program() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|cause| Failure::unreadable("find the program lucarne itself", &cause))
}

/// Where the enclave's probe finds the workload of the demo.
async fn open_workload() -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    listener.map_err(|cause| Failure::unreadable("open the port of the demo workload", &cause))
}

/// The fingerprint of the software root, minted when there is none.
async fn software_root(program: &Path, layout: &Layout) -> Result<String, Failure> {
    let mut command = Command::new(program);
    command.args(layout.enclave_args()).arg("--software-root").kill_on_drop(true);
    let output = command
        .output()
        .await
        .map_err(|cause| Failure::unreadable(&format!("run {}", program.display()), &cause))?;
    let fingerprint = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && fingerprint.len() == 64 {
        return Ok(fingerprint);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().trim_start_matches("error: ");
    let usage = output.status.code() == Some(i32::from(Exit::Usage.code()));
    let exit = if usage { Exit::Usage } else { Exit::Unreadable };
    Err(Failure::new(exit, format!("the enclave has no software root: {said}")))
}

/// Starts the workload; it stops when the sender is dropped.
fn start_demo(args: &Args, listener: TcpListener) -> (watch::Sender<bool>, JoinSet<()>) {
    let (sender, receiver) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let endpoint = args.otlp_grpc.to_string().parse();
    tasks.spawn(async move {
        let Ok(endpoint) = endpoint else { return };
        let (protocol, durability, timeout) = (Protocol::Grpc, None, DEMO_TIMEOUT);
        let client = Client::new(Options { endpoint, protocol, durability, timeout });
        let played = Arc::new(Played::default());
        tokio::select! {
            () = play(client, DEMO_SEED, receiver, &played) => {}
            () = answer_probes(listener) => {}
        }
    });
    (sender, tasks)
}

/// A workload that takes connections is alive; this one says nothing more.
async fn answer_probes(listener: TcpListener) {
    loop {
        if listener.accept().await.is_err() {
            // Out of descriptors, say: the next try may be luckier, and a hot loop would help
            // nobody.
            tokio::time::sleep(PROBE_PAUSE).await;
        }
    }
}

/// `ready` for programs, then a screen for people; together at most 15 lines.
fn announce(args: &Args, layout: &Layout, own: &Path, site: &Site) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    let http = args.http;
    let text = format!(
        "enclave  OTLP/gRPC {}, OTLP/HTTP {} (software TEE: INSECURE)\n\
         proxy    {}\n\
         gateway  http://{http} /health /ready /metrics\n\
         view     http://{} for Grafana (Loki) and logcli\n\
         desk     http://{} with --key {}\n\
         data     {}\n\
         demo     {}\n\
         try\n  tail -f {}\n  curl -s http://{http}/metrics | grep lucarne_\n  {}\n  \
         {} logs --filter 'level=\"Error\"'\n\
         Ctrl-C closes everything in order.\n",
        args.otlp_grpc,
        args.otlp_http,
        layout.relay(),
        args.view,
        site.desk.address,
        site.desk.key("a").display(),
        layout.dir().display(),
        if args.demo { "credit assessments, 20 a second" } else { "off, see --demo" },
        layout.export().join("logs.jsonl").display(),
        layout.audit_command(own),
        site.query.display(),
    );
    // Somebody who reads only `ready` may have closed standard error.
    std::io::stderr().write_all(text.as_bytes()).ok();
    Ok(())
}

/// `lucarne-enclave` beside this program, or else in the search path.
fn find_enclave() -> Result<PathBuf, Failure> {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.to_owned()));
    let path: Option<OsString> = std::env::var_os("PATH");
    let dirs = beside.into_iter().chain(path.iter().flat_map(std::env::split_paths));
    let found = dirs.map(|dir| dir.join(ENCLAVE)).find(|program| program.is_file());
    found.ok_or_else(|| {
        let text = format!("the program {ENCLAVE} is neither beside lucarne nor in PATH");
        Failure::new(Exit::Unreadable, text)
            .hint("build it: cargo build --release -p lucarne-enclave -p lucarne-cli")
    })
}

const WATCH: &str = "watch";
const ENCLAVE: &str = "lucarne-enclave";
/// Longer than the enclave waits for a gateway that answers slowly.
const STOP_GRACE: Duration = Duration::from_secs(30);
const DEMO_GRACE: Duration = Duration::from_secs(5);
const DEMO_TIMEOUT: Duration = Duration::from_secs(10);
const DEMO_SEED: u64 = 1;
const PROBE_PAUSE: Duration = Duration::from_millis(100);
