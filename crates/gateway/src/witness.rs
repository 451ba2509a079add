//! The witness: cosigns checkpoints that go on from those it cosigned before, and nothing else
//! (c2sp.org/tlog-witness).
//!
//! What it decides is `ledger::witness`; here are its keys, its state on the disk and its pages.
//! The order of one answer: check the log's signature, take the lock, read the state, decide, sign,
//! make the new state durable, answer. A kill between any two of these leaves either the old state
//! and no answer, or the new state. When it cannot tell which, it cosigns nothing more until it is
//! started again.

pub mod config;
mod enrolled;
pub mod keys;
pub mod logs;
pub(crate) mod pages;
pub mod store;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use lucarne_archive::disk::RealDisk;
use lucarne_attest::Time;
use lucarne_ledger::cosignature::{CosignError, Cosigner};
use lucarne_ledger::note::NoteKey;
use lucarne_ledger::witness::{Enrolment, Refusal, Request};
use tokio::sync::watch;

use self::config::Config;
use self::keys::{Draw, KeyError};
use self::logs::Logs;
pub use self::pages::Tally;
use self::store::{Store, StoreError};
use crate::clock::{Clock, SystemClock};
use crate::config::ConfigError;
use crate::http::{BindError, Server};
use crate::journal::{Journal, Level, Value};

/// Why a witness cannot run.
#[derive(Debug)]
pub enum WitnessError {
    /// The configuration.
    Config(ConfigError),
    /// Its keys.
    Keys(KeyError),
    /// Its state.
    Store(StoreError),
    /// Its address.
    Bind(ConfigError),
}

impl WitnessError {
    /// Whether the operator's configuration is at fault, rather than a disk.
    pub const fn is_configuration(&self) -> bool {
        match self {
            Self::Config(_) | Self::Bind(_) => true,
            Self::Keys(error) => error.is_configuration(),
            Self::Store(_) => false,
        }
    }
}

impl fmt::Display for WitnessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) | Self::Bind(error) => write!(f, "{error}"),
            Self::Keys(error) => write!(f, "{error}"),
            Self::Store(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for WitnessError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(_) | Self::Bind(_) => None,
            Self::Keys(error) => error.source(),
            Self::Store(error) => error.source(),
        }
    }
}

/// Why a request has no cosignature.
#[derive(Debug)]
pub enum AddError {
    /// By the rules of a witness.
    Refused(Refusal),
    /// The evidence of an epoch is not believed.
    Evidence(lucarne_attest::Rejected),
    /// The state could not be read or made durable.
    Store(StoreError),
    /// The name or the time do not fit a cosignature, or a key refuses.
    Cosign(CosignError),
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "{refusal}"),
            Self::Evidence(_) => write!(f, "evidence of the epoch is not believed here"),
            Self::Store(error) => write!(f, "{error}"),
            Self::Cosign(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for AddError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(refusal) => refusal.source(),
            Self::Evidence(rejected) => Some(rejected),
            Self::Store(error) => error.source(),
            Self::Cosign(_) => None,
        }
    }
}

/// A witness with its keys and its state. Calls block on the disk.
#[derive(Debug)]
pub struct Witness {
    cosigners: Vec<Cosigner>,
    logs: Logs,
    store: Store,
}

impl Witness {
    /// A witness of these logs.
    pub const fn new(cosigners: Vec<Cosigner>, logs: Logs, store: Store) -> Self {
        Self { cosigners, logs, store }
    }

    /// Takes the body of `add-checkpoint`; gives the cosignature lines, which are then durable.
    ///
    /// # Errors
    /// When the checkpoint may not be cosigned, or the state could not be kept.
    pub fn add_checkpoint(&self, body: &[u8], time_s: u64) -> Result<Vec<String>, AddError> {
        let request = Request::parse(body).map_err(AddError::Refused)?;
        let origin = &request.claimed().origin;
        let keys = self.logs.keys(origin, &self.store)?;
        let keys = keys.ok_or(AddError::Refused(Refusal::UnknownOrigin))?;
        let signed = request.verify(&keys).map_err(AddError::Refused)?;
        let own: Vec<NoteKey> =
            self.cosigners.iter().map(|cosigner| cosigner.verifier().clone()).collect();
        self.store.add(signed, &own, |head| {
            self.cosigners.iter().map(|cosigner| cosigner.cosign(head, time_s)).collect()
        })
    }

    /// Takes the body of `add-epoch` at a time: from then on the epoch's checkpoints are known.
    ///
    /// # Errors
    /// When the evidence is not believed, or could not be kept.
    pub fn add_epoch(&self, body: &[u8], time_s: u64) -> Result<(), AddError> {
        let enrolment = Enrolment::from_cbor(body).map_err(AddError::Refused)?;
        let now = Time::from_unix_ms(time_s.saturating_mul(1_000));
        self.logs.enrol(&enrolment, now, &self.store)
    }

    /// The cosigned checkpoint of the log whose origin has this SHA-256 in hex, for monitors.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn checkpoint(&self, origin_sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.note(origin_sha256)
    }

    /// Whether it still answers.
    pub fn is_settled(&self) -> bool {
        self.store.is_settled()
    }
}

/// Says whether a configuration can be used, without starting or writing anything.
///
/// # Errors
/// One line that says what cannot be used and why.
pub fn check(path: &Path) -> Result<(), WitnessError> {
    Config::load(path).map(drop).map_err(WitnessError::Config)
}

/// Draws the keys that are not there yet, and gives the verifier keys of all.
///
/// # Errors
/// When a key cannot be drawn or read.
pub fn new_keys(path: &Path) -> Result<Vec<String>, WitnessError> {
    let config = Config::load(path).map_err(WitnessError::Config)?;
    let cosigners = keys::open(&config.keys, Draw::Absent).map_err(WitnessError::Keys)?;
    Ok(cosigners.iter().map(|cosigner| cosigner.verifier().to_string()).collect())
}

/// Runs a witness until `stop` is true.
///
/// # Errors
/// When it cannot begin.
pub async fn run(
    path: &Path,
    stop: watch::Receiver<bool>,
    on_ready: impl FnOnce(),
) -> Result<(), WitnessError> {
    let config = Config::load(path).map_err(WitnessError::Config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let journal = Journal::new(Arc::clone(&clock), Box::new(std::io::stderr()), None);
    let store = Store::open_on(Arc::new(RealDisk), &config.state).map_err(WitnessError::Store)?;
    // Who has cosigned before and has lost the key must be told, not given another.
    let draw =
        if store.is_new().map_err(WitnessError::Store)? { Draw::Absent } else { Draw::Never };
    let cosigners = keys::open(&config.keys, draw).map_err(WitnessError::Keys)?;
    for cosigner in &cosigners {
        let fields = [("vkey", Value::Shown(cosigner.verifier()))];
        journal.note(Level::Information, "witness cosigns with this key", &fields);
    }
    let witness = Witness::new(cosigners, config.logs, store);
    let pages = pages::router(&config.prefix, witness, clock, journal);
    let server = Server::bind_router(config.listen.address, pages)
        .await
        .map_err(|error: BindError| WitnessError::Bind(config.listen.fault(&error)))?;
    on_ready();
    server.run(stop).await;
    Ok(())
}

#[cfg(test)]
mod tests;
