//! The embedded view: clean signals in a store of the gateway's own, asked by LogQL over HTTP.
//!
//! So that Grafana has something to look at with no server installed. Records have the labels that
//! they would have in a Loki. What is kept is bounded in bytes and days; the oldest goes first, and
//! the archive has it all. Refused: pushes. Whoever reaches the address reads and nobody writes, so
//! that everything shown has come through the gateway.

mod batch;
mod kept;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::pending;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lucarne_store::store::KeyedError;
use tokio::task::JoinSet;

use self::batch::Batch;
use self::kept::Kept;
use crate::causes::chain;
use crate::export::Item;
use crate::export::sink::{Reason, Stuck, Tally};
use crate::view_server;

/// How a view is set up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Where it answers.
    pub http: SocketAddr,
    /// Directory of the store; memory without one.
    pub data: Option<PathBuf>,
    /// Bytes of what is kept, lines and spans together.
    pub bytes: u64,
    /// Age of what is kept.
    pub age: Duration,
}

/// A store that is filled by an exporter.
pub struct View {
    settings: Settings,
    open: Option<Open>,
    waiting: Batch,
    tally: Tally,
}

/// What is there while the gateway runs.
struct Open {
    kept: Arc<Kept>,
    at: SocketAddr,
    // Ends with the view.
    _server: JoinSet<()>,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({})", self.settings.http)
    }
}

/// Why a view cannot begin.
#[derive(Debug)]
pub enum OpenError {
    /// Its directory.
    Directory(PathBuf, KeyedError),
    /// Memory for the tables of the compressor.
    Memory(io::Error),
    /// Its address.
    Listen(SocketAddr, io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path, error) => {
                write!(f, "open the store {}: {}", path.display(), chain(error))
            }
            Self::Memory(error) => write!(f, "make room for the store: {error}"),
            Self::Listen(address, error) => write!(f, "listen at {address}: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl View {
    /// A view that is not open.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, open: None, waiting: Batch::default(), tally: Tally::default() }
    }

    /// Opens the store and answers at the address from now on. To be called within a runtime.
    ///
    /// # Errors
    /// When the directory or the address is not to be had.
    pub fn open(&mut self) -> Result<(), OpenError> {
        let http = self.settings.http;
        let listen = |error| OpenError::Listen(http, error);
        let listener = TcpListener::bind(http).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let at = listener.local_addr().map_err(listen)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(listen)?;
        let kept = Arc::new(Kept::open(&self.settings)?);
        let mut server = JoinSet::new();
        server.spawn(view_server::serve(Arc::clone(&kept), listener, pending::<()>()));
        self.open = Some(Open { kept, at, _server: server });
        Ok(())
    }

    /// Where it answers; none before it is open.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.open.as_ref().map(|open| open.at)
    }

    /// Takes a batch.
    pub fn load(&mut self, items: &[Item]) {
        self.tally = Tally::default();
        self.waiting = Batch::of(items, &mut self.tally);
    }

    /// Keeps the batch. A directory has it when this returns.
    ///
    /// # Errors
    /// When the disk refuses; what it has taken is not given to it again.
    pub async fn advance(&mut self) -> Result<(), Stuck> {
        let stuck = |kind| Stuck { reason: Reason::Disk(kind), retry_after: None };
        let Some(open) = &self.open else { return Err(stuck(io::ErrorKind::NotConnected)) };
        let (kept, mut batch) = (Arc::clone(&open.kept), std::mem::take(&mut self.waiting));
        let mut tally = self.tally;
        let keeping = tokio::task::spawn_blocking(move || {
            let result = kept.keep(&mut batch, &mut tally);
            (batch, tally, result)
        });
        let (batch, tally, result) = keeping.await.map_err(|_| stuck(io::ErrorKind::Other))?;
        (self.waiting, self.tally) = (batch, tally);
        result.map_err(stuck)
    }

    /// What became of the batch so far.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }
}
