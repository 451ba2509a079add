//! The proxy between an enclave and its host: a byte relay that leads only where an allow-list
//! says.
//!
//! It takes AWS's `vsock-proxy.yaml` and knows nothing of what it carries. The list is checked
//! when the proxy starts, so that a relay that could never carry anything is refused with an
//! explanation, and again for each connection, because the list may be read anew while it runs.
//! Refused here: resolving a name that is not listed, and any default that would allow.

pub mod allowlist;
mod forward;
pub mod log;
pub mod message;
pub mod metrics;
pub mod place;
mod relay;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use lucarne_platform::{Address, BindError, Listener, Stream};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::allowlist::{Allowlist, AllowlistError};
use self::forward::Forwarder;
use self::log::{Line, Log, Reason};
use self::message::Event;
use self::metrics::{Metrics, Open};
use self::place::{Remote, Route};
use self::relay::{Carried, Ended};

/// What a proxy is built from.
#[derive(Debug)]
pub struct Config {
    /// The relays; at least one.
    pub routes: Vec<Route>,
    /// File with the allow-list.
    pub allowlist: PathBuf,
    /// Where `/metrics` and `/health` are served.
    pub metrics: Option<SocketAddr>,
    /// Which addresses of a name are tried.
    pub family: Family,
    /// Bounds.
    pub limits: Limits,
    /// Where the lines go.
    pub log: Log,
    /// Where a gateway takes them, too.
    pub log_to: Option<Address>,
}

/// Which addresses of a name are tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    /// All, in the order of the resolver.
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    const fn wants(self, address: &SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// What a proxy spends at most.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Connections open at a time over all relays; one more is closed at once.
    pub connections_max: usize,
    /// Longest wait for a name and a connection to the remote end.
    pub connect_timeout: Duration,
    /// A connection on which nothing moved for this long (twice as long at most) is closed.
    pub idle_timeout: Option<Duration>,
    /// How long open connections may still run when the proxy stops.
    pub drain: Duration,
}

/// 256 connections are 32 MiB of buffers; one enclave needs two or three.
pub const CONNECTIONS_MAX: usize = 256;
/// Longer than a lost SYN and its first two repetitions (1 s + 2 s).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The agent closes its epoch before the proxy is stopped; what is open then is not worth waiting
/// for.
pub const DRAIN: Duration = Duration::from_secs(2);

/// Why a proxy does not start. All are the operator's to solve.
#[derive(Debug)]
pub enum StartError {
    /// The allow-list is not usable.
    Allowlist(AllowlistError),
    /// A relay leads where the list does not allow.
    NotAllowed {
        /// Where it leads.
        remote: Remote,
        /// The file with the list.
        allowlist: PathBuf,
        /// The entry that was probably meant.
        nearest: Option<Remote>,
    },
    /// No relay was given.
    NoRelay,
    /// A place to listen cannot be had.
    Bind(BindError),
    /// The place of the metrics cannot be had.
    BindMetrics {
        /// Where.
        address: SocketAddr,
        /// What the kernel said.
        source: std::io::Error,
    },
}

impl StartError {
    /// What an operator can do about it, one cure a line.
    pub fn hints(&self) -> Vec<String> {
        let Self::NotAllowed { remote, allowlist, nearest } = self else { return Vec::new() };
        let entry = Allowlist::entry_for(remote);
        let list_it = format!("to allow {remote}, add to {}: {entry}", allowlist.display());
        match nearest {
            Some(listed) => {
                vec![format!("to lead where the list says, give {listed} as the remote"), list_it]
            }
            None => vec![list_it],
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowlist(_) => write!(f, "the allow-list cannot be used"),
            Self::NotAllowed { remote, allowlist, nearest: Some(listed) } => write!(
                f,
                "the command line and the allow-list name different places: the command says \
                 {remote}, {} says {listed}; nothing that is not listed is connected to",
                allowlist.display()
            ),
            Self::NotAllowed { remote, allowlist, nearest: None } => write!(
                f,
                "{remote} is not in the allow-list {}; nothing that is not listed is connected to",
                allowlist.display()
            ),
            Self::NoRelay => write!(f, "no relay was given"),
            Self::Bind(_) => write!(f, "LOCAL"),
            Self::BindMetrics { address, .. } => write!(f, "--metrics {address}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Allowlist(cause) => Some(cause),
            Self::Bind(cause) => Some(cause),
            Self::BindMetrics { source, .. } => Some(source),
            Self::NotAllowed { .. } | Self::NoRelay => None,
        }
    }
}

/// A proxy that listens and does not yet relay.
#[derive(Debug)]
pub struct Proxy {
    listeners: Vec<(Listener, Remote)>,
    page: Option<TcpListener>,
    forwarder: Option<Forwarder>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    allowlist: RwLock<Allowlist>,
    path: PathBuf,
    family: Family,
    limits: Limits,
    log: Log,
    metrics: Arc<Metrics>,
    // Slots of open connections; a task gives its own back when it ends.
    slots: Arc<tokio::sync::Semaphore>,
}

impl Proxy {
    /// Reads the list, checks each relay against it, and binds all sockets.
    ///
    /// # Errors
    /// When the list or a relay is not usable; nothing is bound then that outlives the error.
    pub async fn build(config: Config) -> Result<Self, StartError> {
        let allowlist = Allowlist::load(&config.allowlist).map_err(StartError::Allowlist)?;
        if config.routes.is_empty() {
            return Err(StartError::NoRelay);
        }
        for Route { remote, .. } in &config.routes {
            if !allowlist.allows(remote) {
                return Err(StartError::NotAllowed {
                    remote: remote.clone(),
                    allowlist: config.allowlist,
                    nearest: allowlist.nearest(remote).cloned(),
                });
            }
        }
        let listeners = config
            .routes
            .into_iter()
            .map(|Route { local, remote }| Ok((Listener::bind(&local.0)?, remote)))
            .collect::<Result<_, BindError>>()
            .map_err(StartError::Bind)?;
        let page = match config.metrics {
            Some(address) => Some(
                TcpListener::bind(address)
                    .await
                    .map_err(|source| StartError::BindMetrics { address, source })?,
            ),
            None => None,
        };
        let metrics = Arc::new(Metrics::default());
        let (log, forwarder) = match config.log_to {
            Some(address) => {
                let (feed, forwarder) = forward::queue(address, Arc::clone(&metrics));
                (config.log.feeding(feed), Some(forwarder))
            }
            None => (config.log, None),
        };
        let shared = Arc::new(Shared {
            allowlist: RwLock::new(allowlist),
            path: config.allowlist,
            family: config.family,
            limits: config.limits,
            log,
            metrics,
            slots: Arc::new(tokio::sync::Semaphore::new(config.limits.connections_max)),
        });
        Ok(Self { listeners, page, forwarder, shared })
    }

    /// Where it listens, in the order of the relays, with the ports that the kernel chose.
    pub fn addresses(&self) -> Vec<String> {
        self.listeners.iter().map(|(listener, _)| listener.address().to_string()).collect()
    }

    /// Where the metrics are served.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.page.as_ref().and_then(|page| page.local_addr().ok())
    }

    /// What it counts.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.shared.metrics)
    }

    /// Relays until `stop` becomes true or its sender is gone; each notice of `reload` reads the
    /// list anew.
    ///
    /// Stopping: no more connections are accepted, those that are open may run for the drain time,
    /// the rest is closed and logged.
    pub async fn run(self, mut stop: watch::Receiver<bool>, mut reload: watch::Receiver<u64>) {
        let mut parts = JoinSet::new();
        let (closing, closed) = watch::channel(None);
        let (silence, silenced) = watch::channel(false);
        let log = self.shared.log.clone();
        let forwarding = self.forwarder.map(|it| tokio::spawn(it.run(log, silenced)));
        for (listener, remote) in self.listeners {
            let shared = Arc::clone(&self.shared);
            parts.spawn(accept_loop(listener, remote, shared, stop.clone(), closed.clone()));
        }
        if let Some(page) = self.page {
            let (page_stop, router) = (stop.clone(), self.shared.metrics.page());
            parts.spawn(serve_page(page, router, page_stop));
        }
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                changed = reload.changed() => match changed {
                    Ok(()) => self.shared.reload(),
                    // Whoever could ask for a reload is gone: only the stop is left to wait for.
                    Err(_) => {
                        stopped(&mut stop).await;
                        break;
                    }
                },
            }
        }
        closing.send_replace(Some(Instant::now() + self.shared.limits.drain));
        while parts.join_next().await.is_some() {}
        self.shared.log.write(&Line::new(Event::Stopped));
        silence.send_replace(true);
        if let Some(forwarding) = forwarding {
            // It ends by itself within a moment; its panic would have been said.
            forwarding.await.ok();
        }
    }
}

impl Shared {
    fn allows(&self, remote: &Remote) -> bool {
        self.allowlist.read().unwrap_or_else(PoisonError::into_inner).allows(remote)
    }

    /// A list that cannot be read leaves the one before in force: it allows nothing that was not
    /// allowed.
    fn reload(&self) {
        match Allowlist::load(&self.path) {
            Ok(list) => {
                *self.allowlist.write().unwrap_or_else(PoisonError::into_inner) = list;
                self.log.write(&Line::new(Event::Reloaded));
            }
            Err(cause) => {
                self.metrics.end(Some(Reason::Allowlist));
                self.log.write(&Line {
                    reason: Some(Reason::Allowlist),
                    detail: Some(&cause),
                    ..Line::new(Event::NotReloaded)
                });
            }
        }
    }
}

async fn accept_loop(
    listener: Listener,
    remote: Remote,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
    closed: watch::Receiver<Option<Instant>>,
) {
    let (local, place) = (listener.address().to_string(), remote.to_string());
    shared.log.write(&Line { ends: Some((&local, &place)), ..Line::new(Event::Listening) });
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => accepted,
            Some(ended) = connections.join_next() => {
                note_bug(&shared, &ended);
                continue;
            }
        };
        match accepted {
            Ok(stream) => {
                let open = shared.metrics.accept();
                let ends = (local.clone(), place.clone());
                let one = Connection { stream, ends, open };
                let task = one.run(remote.clone(), Arc::clone(&shared), closed.clone());
                connections.spawn(task);
            }
            Err(cause) => {
                let ended = Ended { reason: Reason::Accept, cause: Some(cause) };
                note_end(&shared, (&local, &place), Some(&ended), (0, 0, Duration::ZERO));
                // Out of descriptors, say: trying again at once would only burn a core.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Frees the address before the last connections are done, so that a successor can start.
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        note_bug(&shared, &ended);
    }
}

struct Connection {
    stream: Stream,
    ends: (String, String),
    open: Open,
}

impl Connection {
    async fn run(
        self,
        remote: Remote,
        shared: Arc<Shared>,
        mut closed: watch::Receiver<Option<Instant>>,
    ) {
        let started = Instant::now();
        let carried = Carried::default();
        let ended = tokio::select! {
            ended = relay(self.stream, &remote, &shared, &carried) => ended,
            () = past_drain(&mut closed) => Err(Ended::because(Reason::Stopping)),
        };
        drop(self.open);
        let up = carried.up.load(Ordering::Relaxed);
        let down = carried.down.load(Ordering::Relaxed);
        let ends = (self.ends.0.as_str(), self.ends.1.as_str());
        note_end(&shared, ends, ended.err().as_ref(), (up, down, started.elapsed()));
    }
}

async fn relay(
    stream: Stream,
    remote: &Remote,
    shared: &Shared,
    carried: &Carried,
) -> Result<(), Ended> {
    let slot = Arc::clone(&shared.slots).try_acquire_owned();
    let _slot = slot.map_err(|_| Ended::because(Reason::Busy))?;
    if !shared.allows(remote) {
        return Err(Ended::because(Reason::NotAllowed));
    }
    let far = relay::open(remote, shared.family, &shared.limits).await?;
    relay::carry(stream, far, shared.limits.idle_timeout, carried, &shared.metrics).await
}

/// A sender that is gone is a stop too: whoever could have stopped us can no longer do it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    stop.wait_for(|stop| *stop).await.ok();
}

/// Waits for the moment at which a stopping proxy closes what is still open.
async fn past_drain(closed: &mut watch::Receiver<Option<Instant>>) {
    let deadline = match closed.wait_for(Option::is_some).await {
        Ok(deadline) => *deadline,
        Err(_) => None,
    };
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}

fn note_end(
    shared: &Shared,
    ends: (&str, &str),
    ended: Option<&Ended>,
    carried: (u64, u64, Duration),
) {
    let reason = ended.map(|ended| ended.reason);
    shared.metrics.end(reason);
    shared.log.write(&Line {
        event: match reason {
            None => Event::Finished,
            Some(Reason::NotAllowed) => Event::NotAllowed,
            Some(_) => Event::Failed,
        },
        reason,
        detail: ended
            .and_then(|ended| ended.cause.as_ref())
            .map(|cause| cause as &dyn fmt::Display),
        ends: Some(ends),
        carried: Some(carried),
        dropped: None,
    });
}

fn note_bug(shared: &Shared, ended: &Result<(), tokio::task::JoinError>) {
    if let Err(cause) = ended {
        shared.metrics.end(Some(Reason::Bug));
        let line = Line::new(Event::TaskFailed);
        shared.log.write(&Line { reason: Some(Reason::Bug), detail: Some(cause), ..line });
    }
}

async fn serve_page(page: TcpListener, router: axum::Router, mut stop: watch::Receiver<bool>) {
    let until = async move { stopped(&mut stop).await };
    // Only accepting can fail, and axum goes on after that by itself.
    axum::serve(page, router).with_graceful_shutdown(until).await.ok();
}

/// Long enough to let a connection end, short enough for no one to notice.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
