//! Sinks: a closed set of places where items go, driven in steps so that the runner can wait
//! between them.
//!
//! `load` takes a batch, `advance` works on it until it is done or stuck, and can be called again
//! after being stuck without doing twice what was done. What cannot be delivered for what it is (as
//! opposed to when it is) is counted as refused and passed over: one bad record must not stop the
//! good ones.

use std::fmt;
use std::time::Duration;

use crate::export::Item;
use crate::export::client::ClientError;
use crate::export::jsonl::Jsonl;
use crate::export::push::Push;
use crate::export::view::{OpenError, View};

/// Where items go.
#[derive(Debug)]
pub enum Sink {
    /// Files.
    Jsonl(Box<Jsonl>),
    /// A receiver over HTTP.
    Push(Box<Push>),
    /// The gateway's own view.
    View(Box<View>),
    /// Nowhere: records are counted, and the journal says how many.
    Debug(Tally),
}

/// What became of the items of a batch. Items that a sink has no use for are not counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Written, or taken by the receiver.
    pub sent: u64,
    /// Refused by the receiver for what they are.
    pub refused: u64,
    /// Not sendable: malformed, out of order, or beyond a bound of the exporter.
    pub skipped: u64,
}

/// Why a sink cannot go on now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stuck {
    /// What happened.
    pub reason: Reason,
    /// How long the receiver asked to wait.
    pub retry_after: Option<Duration>,
}

/// What a receiver or a disk said. Never its words: they may quote content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// No answer.
    Client(ClientError),
    /// An HTTP status.
    Status(u16),
    /// A gRPC status.
    Grpc(u32),
    /// An answer that is none in the receiver's protocol.
    Protocol,
    /// It took a request but for some of its items, which OTLP calls a partial success.
    Partial,
    /// A file could not be written.
    Disk(std::io::ErrorKind),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => error.fmt(f),
            Self::Status(status) => write!(f, "HTTP status {status}"),
            Self::Grpc(status) => write!(f, "gRPC status {status}"),
            Self::Protocol => write!(f, "not an answer of this protocol"),
            Self::Partial => write!(f, "partial success"),
            Self::Disk(kind) => write!(f, "write: {kind}"),
        }
    }
}

impl Sink {
    /// Opens what is open only while the gateway runs: the store of a view, and its address.
    ///
    /// # Errors
    /// When that cannot be opened.
    pub fn open(&mut self) -> Result<(), OpenError> {
        match self {
            Self::View(view) => view.open(),
            Self::Jsonl(_) | Self::Push(_) | Self::Debug(_) => Ok(()),
        }
    }

    /// Gets ready to go on after a restart, with the file lengths that the cursor recorded.
    ///
    /// # Errors
    /// When a file cannot be cut back to its recorded length.
    pub fn resume(&mut self, lengths: &[(String, u64)]) -> std::io::Result<()> {
        match self {
            Self::Jsonl(files) => files.resume(lengths),
            Self::Push(_) | Self::View(_) | Self::Debug(_) => Ok(()),
        }
    }

    /// Takes a batch. The one before it is done.
    pub fn load(&mut self, items: &[Item]) {
        match self {
            Self::Jsonl(files) => files.load(items),
            Self::Push(push) => push.load(items),
            Self::View(view) => view.load(items),
            Self::Debug(tally) => {
                // The journal's own lines would come back for ever.
                let counts = |item: &&Item| !matches!(item, Item::Host(_));
                let sent = items.iter().filter(counts).count() as u64;
                *tally = Tally { sent, ..Tally::default() };
            }
        }
    }

    /// Works on the batch until all of it is delivered or refused.
    ///
    /// # Errors
    /// When it cannot go on now; calling again continues where it stopped.
    pub async fn advance(&mut self) -> Result<(), Stuck> {
        match self {
            Self::Jsonl(files) => files.advance().await,
            Self::Push(push) => push.advance().await,
            Self::View(view) => view.advance().await,
            Self::Debug(_) => Ok(()),
        }
    }

    /// What became of the batch so far, and why the last refusal happened.
    pub fn outcome(&self) -> (Tally, Option<Reason>) {
        match self {
            Self::Jsonl(files) => (files.tally(), None),
            Self::Push(push) => push.outcome(),
            Self::View(view) => (view.tally(), None),
            Self::Debug(tally) => (*tally, None),
        }
    }

    /// The file lengths that belong into the cursor after the batch.
    pub fn lengths(&self) -> Vec<(String, u64)> {
        match self {
            Self::Jsonl(files) => files.lengths(),
            Self::Push(_) | Self::View(_) | Self::Debug(_) => Vec::new(),
        }
    }

    /// Puts full files aside. To be called when the cursor is kept; true when it must be kept
    /// again.
    ///
    /// # Errors
    /// When a file cannot be renamed or created.
    pub fn rotate(&mut self) -> std::io::Result<bool> {
        match self {
            Self::Jsonl(files) => files.rotate(),
            Self::Push(_) | Self::View(_) | Self::Debug(_) => Ok(false),
        }
    }
}
