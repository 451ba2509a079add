//! The attested channel: TLS that ends here, evidence before anything else, and then questions to
//! the inside view by those whom the measured configuration lets ask.
//!
//! The host relays bytes that it cannot read. It can open connections, so everything that it can
//! make the enclave do for a stranger is bounded: how many connections, how long a handshake, how
//! often a refusal is recorded. Every question and every refusal is a record of the audit ledger,
//! sealed before the answer leaves.

pub mod answers;
pub mod config;
pub mod identity;
pub mod inside;
pub mod permit;
pub mod recorder;
mod session;
mod strangers;
mod tls;
mod used;
mod watermark;

use std::sync::Arc;
use std::time::Duration;

use lucarne_ledger::batch::EpochKey;
use lucarne_ledger::key::{Signer as _, SigningFailed};
use lucarne_platform::{Address, BindError, Listener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;

use self::answers::Answers;
use self::config::Access;
use self::identity::ChannelKey;
use self::inside::Inside;
use self::recorder::Recorder;
use self::strangers::Strangers;
use self::used::Used;
use self::watermark::Watermark;
use crate::clock::SystemClock;
use crate::epoch::Epoch;
use crate::journal;
use crate::pipeline::Pipeline;
use crate::uplink::Identity;

/// Connections at a time: investigators are few, and each holds an answer's buffers.
const CONNECTIONS_MAX: usize = 32;
/// After an error of the listener, which would come again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long running answers may take when the process ends.
const GRACE: Duration = Duration::from_secs(5);

/// What all connections share.
struct Shared {
    identity: Arc<Identity>,
    leaf_spki_sha256: [u8; 32],
    access: Access,
    recorder: Recorder,
    answers: Arc<dyn Answers>,
    time: Watermark<SystemClock>,
    strangers: Strangers,
    used: Used,
}

/// The listening end of the channel.
pub struct Channel {
    listener: Listener,
    tls: TlsAcceptor,
    shared: Arc<Shared>,
}

/// What a channel is made from.
pub struct Parts {
    /// Who may ask what, and where.
    pub access: Access,
    /// The key that the epoch is bound to.
    pub key: Arc<ChannelKey>,
    /// Who shows evidence.
    pub identity: Arc<Identity>,
    /// Where records go.
    pub recorder: Recorder,
    /// Who answers.
    pub answers: Arc<dyn Answers>,
}

/// Why there is no channel.
#[derive(Debug)]
pub enum ChannelError {
    /// Its address cannot be had.
    Bind {
        /// Line of the configuration that names it.
        line: u64,
        /// Why.
        error: BindError,
    },
    /// The TLS library refuses the key that was born for it.
    Tls(rustls::Error),
}

impl std::fmt::Display for ChannelError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bind { error, .. } => write!(f, "{error}"),
            Self::Tls(error) => write!(f, "the channel's key cannot be used: {error}"),
        }
    }
}

impl std::error::Error for ChannelError {}

impl Channel {
    /// Binds and gets everything ready; accepts nothing yet.
    ///
    /// # Errors
    /// When the address is taken, or the key is refused.
    pub fn bind(parts: Parts) -> Result<Self, ChannelError> {
        let line = parts.access.address_line;
        let listener = Listener::bind(&parts.access.address)
            .map_err(|error| ChannelError::Bind { line, error })?;
        let tls = tls::server(&parts.key).map_err(ChannelError::Tls)?;
        let shared = Shared {
            leaf_spki_sha256: parts.key.spki_sha256(),
            identity: parts.identity,
            access: parts.access,
            recorder: parts.recorder,
            answers: parts.answers,
            time: Watermark::new(SystemClock),
            strangers: Strangers::new(),
            used: Used::new(),
        };
        Ok(Self { listener, tls: TlsAcceptor::from(Arc::new(tls)), shared: Arc::new(shared) })
    }

    /// Where it listens, with the port that the kernel chose.
    pub const fn address(&self) -> &Address {
        self.listener.address()
    }

    /// Serves until `stop`, then lets running answers end.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let told = stop.clone();
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                Some(ended) = connections.join_next() => check(ended),
                accepted = self.listener.accept() => {
                    let Ok(stream) = accepted else {
                        sleep(ACCEPT_PAUSE).await;
                        continue;
                    };
                    let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
                    let (tls, shared) = (self.tls.clone(), Arc::clone(&self.shared));
                    let stop = told.clone();
                    connections.spawn(async move {
                        let _permit = permit;
                        if let Err(error) = session::serve(&shared, &tls, stream, stop).await {
                            journal::warn("channel", &error);
                        }
                    });
                }
            }
        }
        drop(self.listener);
        let drained = async {
            while let Some(ended) = connections.join_next().await {
                check(ended);
            }
        };
        if timeout(GRACE, drained).await.is_err() {
            connections.shutdown().await;
        }
    }
}

/// The channel of an epoch, if the configuration asks for one.
///
/// # Errors
/// As [`Channel::bind`].
pub fn open(
    access: Option<Access>,
    epoch: &Epoch,
    pipeline: &Arc<Pipeline>,
) -> Result<Option<Channel>, ChannelError> {
    let Some((access, key)) = access.zip(epoch.channel.clone()) else { return Ok(None) };
    let identity = Arc::clone(&epoch.identity);
    let statements = EpochKey {
        instance: identity.instance.clone(),
        epoch: epoch.id,
        key: epoch.keys.public_key().clone(),
    };
    let recorder = Recorder::new(Arc::clone(pipeline), Arc::clone(&identity), statements);
    let answers = Arc::new(Inside::new(Arc::clone(&identity), Arc::clone(pipeline)));
    Channel::bind(Parts { access, key, identity, recorder, answers }).map(Some)
}

/// The key of the channel, if the configuration asks for one.
///
/// # Errors
/// When there is no randomness.
pub fn key_for(access: Option<&Access>) -> Result<Option<Arc<ChannelKey>>, SigningFailed> {
    access.map(|_| ChannelKey::generate().map(Arc::new)).transpose()
}

/// Waits for the word to stop. A sender that is gone cannot give it any more: that too is the end.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stopping| *stopping).await);
}

fn check(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}
