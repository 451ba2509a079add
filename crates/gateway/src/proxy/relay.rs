//! One connection: find the remote end, copy both ways, close each way when its sender closed it.
//!
//! The bytes are never looked at. Two buffers a connection are all that is kept of them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lucarne_platform::{Address, Cid, Stream, connect};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::log::Reason;
use super::metrics::Metrics;
use super::place::Remote;
use super::{Family, Limits};

/// Why a connection ended early, and what the system said.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) reason: Reason,
    pub(super) cause: Option<io::Error>,
}

impl Ended {
    pub(super) const fn because(reason: Reason) -> Self {
        Self { reason, cause: None }
    }

    const fn with(reason: Reason, cause: io::Error) -> Self {
        Self { reason, cause: Some(cause) }
    }
}

/// Bytes that one connection has carried so far.
#[derive(Debug, Default)]
pub(super) struct Carried {
    pub(super) up: AtomicU64,
    pub(super) down: AtomicU64,
}

/// Connects to the remote end; a name is resolved here and now, and each of its addresses tried.
pub(super) async fn open(
    remote: &Remote,
    family: Family,
    limits: &Limits,
) -> Result<Stream, Ended> {
    let deadline = Instant::now() + limits.connect_timeout;
    let late = |_| Ended::because(Reason::ConnectTimeout);
    let addresses = timeout_at(deadline, resolve(remote, family)).await.map_err(late)??;
    let mut last = Ended::because(Reason::Resolve);
    for address in addresses {
        match timeout_at(deadline, connect(&address)).await.map_err(late)? {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Ended::with(Reason::Connect, error.source),
        }
    }
    Err(last)
}

async fn resolve(remote: &Remote, family: Family) -> Result<Vec<Address>, Ended> {
    match remote {
        Remote::Vsock { cid, port } => Ok(vec![Address::Vsock { cid: Cid(*cid), port: *port }]),
        Remote::Unix(path) => Ok(vec![Address::Unix(path.clone())]),
        Remote::Host { address, port } => {
            let found = tokio::net::lookup_host((address.as_str(), *port))
                .await
                .map_err(|cause| Ended::with(Reason::Resolve, cause))?;
            let wanted = |address: &SocketAddr| family.wants(address);
            Ok(found.filter(wanted).take(ADDRESSES_MAX).map(Address::Tcp).collect())
        }
    }
}

/// Copies both ways until both senders have closed, one side breaks off, or nothing moves for too
/// long.
pub(super) async fn carry(
    local: Stream,
    remote: Stream,
    idle: Option<Duration>,
    carried: &Carried,
    metrics: &Arc<Metrics>,
) -> Result<(), Ended> {
    let (local_read, local_write) = tokio::io::split(local);
    let (remote_read, remote_write) = tokio::io::split(remote);
    let up = pump(local_read, remote_write, |bytes| {
        carried.up.fetch_add(bytes, Ordering::Relaxed);
        metrics.up(bytes);
    });
    let down = pump(remote_read, local_write, |bytes| {
        carried.down.fetch_add(bytes, Ordering::Relaxed);
        metrics.down(bytes);
    });
    let both = async { tokio::try_join!(up, down) };
    tokio::select! {
        ended = both => ended.map(|_| ()).map_err(|cause| Ended::with(Reason::Cut, cause)),
        () = until_idle(idle, carried) => Err(Ended::because(Reason::Idle)),
    }
}

/// One direction. The end of the input closes the output and leaves the other direction open.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: impl Fn(u64),
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let bytes = from.read(&mut buffer).await?;
        if bytes == 0 {
            return match to.shutdown().await {
                // The peer has closed both ways already; there is nothing left to tell it.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
                other => other,
            };
        }
        to.write_all(&buffer[..bytes]).await?;
        count(bytes as u64);
    }
}

async fn until_idle(idle: Option<Duration>, carried: &Carried) {
    let Some(idle) = idle else { return std::future::pending().await };
    let total = || carried.up.load(Ordering::Relaxed) + carried.down.load(Ordering::Relaxed);
    let mut before = total();
    loop {
        tokio::time::sleep(idle).await;
        let now = total();
        if now == before {
            return;
        }
        before = now;
    }
}

/// As much as a socket usually has ready; larger copies no faster.
const BUFFER_BYTES: usize = 64 * 1024;

/// Addresses of one name that are tried; a resolver that returns more is not worth waiting for.
const ADDRESSES_MAX: usize = 8;
