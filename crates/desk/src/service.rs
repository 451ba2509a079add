//! A desk as a process: what the configuration says, opened and checked, then the engine on a
//! thread of its own, HTTP, and one sender for each channel.
//!
//! It stops in this order: HTTP takes nothing more, the engine takes what waits and seals, the
//! senders leave what is not sent to the next start.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::http::Uri;
use axum::Router;
use lucarne_ledger::key::PublicKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::bundle::dsse::SealingKey;
use crate::catalogue::Catalogue;
use crate::config::{ChannelAt, ConfigError, File, RunsAt, StoreAt, secret, text};
use crate::engine::lanes::Lanes;
use crate::engine::sweep::Sweeper;
use crate::engine::{Engine, EngineError, Identity, IdentityError, Parts};
use crate::http::access::{Caller, Keys};
use crate::http::auth::Provider;
use crate::http::{self, router};
use crate::metrics::Metrics;
use crate::outbox::Sender;
use crate::outbox::channel::{Channel, ChannelKind, Relay, Target};
use crate::own::Own;
use crate::person::{Person, PersonId};
use crate::policy::{Policy, Profile};
use crate::runbook::shelf::Shelf;
use crate::runner::Runner;
use crate::runner::bags::Bags;
use crate::scrub::Scrubber;
use crate::store::{Postgres, Sqlite, Store, StoreError};
use crate::watchers::{self, RuleFile};

/// Why a desk does not start, or ended.
#[derive(Debug)]
pub enum ServiceError {
    /// The configuration.
    Config(ConfigError),
    /// Key and salt.
    Identity(IdentityError),
    /// The store.
    Store(StoreError),
    /// The engine.
    Engine(EngineError),
    /// The address cannot be had.
    Listen(std::io::Error),
}

impl ServiceError {
    /// Whether the operator has to change the configuration.
    pub const fn is_configuration(&self) -> bool {
        matches!(self, Self::Config(_) | Self::Engine(EngineError::Policy(_)))
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Config(_) => "configuration cannot be used",
            Self::Identity(_) => "desk has no identity",
            Self::Store(_) => "store cannot be opened",
            Self::Engine(_) => "desk cannot start",
            Self::Listen(_) => "address cannot be had",
        })
    }
}

impl std::error::Error for ServiceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(match self {
            Self::Config(cause) => cause,
            Self::Identity(cause) => cause,
            Self::Store(cause) => cause,
            Self::Engine(cause) => cause,
            Self::Listen(cause) => cause,
        })
    }
}

macro_rules! from {
    ($($cause:ty => $variant:ident;)*) => {
        $(impl From<$cause> for ServiceError {
            fn from(cause: $cause) -> Self {
                Self::$variant(cause)
            }
        })*
    };
}

from! {
    ConfigError => Config;
    IdentityError => Identity;
    StoreError => Store;
    EngineError => Engine;
}

/// Says whether a configuration can be used, without starting anything.
///
/// # Errors
/// When it cannot.
pub fn check(path: &Path) -> Result<(), ServiceError> {
    let file = File::read(path)?;
    policy(&file)?;
    keys(&file)?;
    provider(&file)?;
    runbooks(&file)?;
    if let Some(runs) = &file.runs {
        catalogue(runs)?;
        bags(runs, &file.name)?;
    }
    channels(&file)?;
    Ok(())
}

/// Runs a desk until `stop`; `ready` is called when it takes requests.
///
/// # Errors
/// When the configuration, the store or the address cannot be used.
pub async fn run(
    path: &Path,
    stop: watch::Receiver<bool>,
    ready: impl FnOnce(),
) -> Result<(), ServiceError> {
    let file = File::read(path)?;
    let listener = TcpListener::bind(file.listen).await.map_err(ServiceError::Listen)?;
    serve(&file, listener, stop, ready).await
}

/// The same on an address that is bound already.
///
/// # Errors
/// When the configuration or the store cannot be used.
pub async fn serve(
    file: &File,
    listener: TcpListener,
    stop: watch::Receiver<bool>,
    ready: impl FnOnce(),
) -> Result<(), ServiceError> {
    let (keys, people) = keys(file)?;
    let channels: Vec<Channel> = channels(file)?;
    let policy = policy(file)?;
    let at = file.store.clone();
    let [engine_store, api_store, outbox_store, sweeper_store] = open(&at)?;
    let identity = identity(file, engine_store.0)?;
    let (scrubber, own_scrubber) = (identity.scrubber(), identity.scrubber());
    let (runbooks, runs_scrubber) = (runbooks(file)?, identity.scrubber());
    let sweeper = Sweeper {
        store: sweeper_store.1,
        desk: identity.instance.clone(),
        key: identity.public_key().clone(),
        scrubber: identity.scrubber(),
    };
    let (lanes, metrics) = (Arc::new(Lanes::default()), Arc::new(Metrics::default()));
    let parts = Parts {
        store: engine_store.1,
        policy,
        people,
        channels: told(file),
        identity,
        metrics: Arc::clone(&metrics),
    };
    let engine_lanes = Arc::clone(&lanes);
    let started = tokio::task::spawn_blocking(move || Engine::start(parts, engine_lanes));
    let engine = started.await.map_err(|_| EngineError::Seal)??;
    let (published, in_part) = (engine.published(), engine.was_read_in_part());
    let thread = std::thread::spawn(move || engine.run());
    let shared = Arc::new(Mutex::new(outbox_store.1));
    let own = Own {
        lanes: Arc::clone(&lanes),
        published: Arc::clone(&published),
        scrubber: own_scrubber,
        store: Arc::clone(&shared),
    };
    let mut senders = JoinSet::new();
    let rules = drive(file, &lanes, Arc::new(runs_scrubber), stop.clone(), &mut senders)?;
    senders.spawn(own.watch_outbox(stop.clone()));
    senders.spawn(sweeper.run(Arc::clone(&lanes), Arc::clone(&published), in_part, stop.clone()));
    let parts = http::Parts {
        lanes: Arc::clone(&lanes),
        published,
        keys,
        provider: provider(file)?,
        scrubber,
        mappings: file.mappings.clone(),
        runbooks,
        rules,
        channels: told(file),
        fallbacks: fallbacks(file),
        metrics,
        store: api_store.1,
    };
    for (channel, at) in channels.into_iter().zip(&file.channels) {
        let owner = format!("{}/{}", file.name, std::process::id());
        let store = Arc::clone(&shared);
        let sender = Sender { channel, fallback: at.fallback.clone(), store, owner };
        senders.spawn(sender.run(stop.clone()));
    }
    ready();
    answer(listener, router(parts), stop).await;
    lanes.close();
    tokio::task::spawn_blocking(move || thread.join().ok()).await.ok();
    senders.join_all().await;
    Ok(())
}

/// Names of the channels that are told first; the others are told when those cannot be.
fn told(file: &File) -> Vec<String> {
    let names = file.channels.iter().map(|at| at.name.clone());
    names.filter(|name| !is_fallback(file, name)).collect()
}

fn fallbacks(file: &File) -> Vec<String> {
    let names = file.channels.iter().map(|at| at.name.clone());
    names.filter(|name| is_fallback(file, name)).collect()
}

fn is_fallback(file: &File, name: &str) -> bool {
    file.channels.iter().any(|at| at.fallback.as_deref() == Some(name))
}

async fn answer(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let mut stopped = stop.clone();
    let served = axum::serve(listener, router).with_graceful_shutdown(async move {
        stopped.wait_for(|stop| *stop).await.ok();
    });
    tokio::select! {
        _ = served => {}
        // A client that never ends must not keep the desk from stopping.
        () = async { stop.wait_for(|stop| *stop).await.ok(); tokio::time::sleep(GRACE).await } => {}
    }
}

fn runbooks(file: &File) -> Result<Shelf, ConfigError> {
    let mut shelf = Shelf::default();
    let Some(runs) = &file.runs else { return Ok(shelf) };
    let read = |cause| ConfigError::Read { path: runs.runbooks.clone(), cause };
    for entry in std::fs::read_dir(&runs.runbooks).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.extension().is_none_or(|kind| kind != "yaml") {
            continue;
        }
        let source = text(&path)?;
        let key = path.display().to_string();
        let wrong = |_| ConfigError::Value { key, want: "a runbook that can be run" };
        shelf.add(path, &source).map_err(wrong)?;
    }
    for (role, path) in &runs.role_keys {
        let want = "the PEM file of a P-256 public key";
        let wrong = || ConfigError::Value { key: format!("runs.role_keys.{role}"), want };
        let spki = SubjectPublicKeyInfoDer::from_pem_file(path).map_err(|_| wrong())?;
        shelf.trust(role, PublicKey::from_spki(&spki).map_err(|_| wrong())?);
    }
    Ok(shelf)
}

fn catalogue(runs: &RunsAt) -> Result<Catalogue, ConfigError> {
    let Some(path) = &runs.catalogue else { return Ok(Catalogue::default()) };
    let key = path.display().to_string();
    Catalogue::parse(&text(path)?)
        .map_err(|_| ConfigError::Value { key, want: "a catalogue of the grammar" })
}

fn bags(runs: &RunsAt, desk: &str) -> Result<Option<Bags>, ConfigError> {
    let wrong = |want| ConfigError::Value { key: "runs".to_owned(), want };
    let (folder, key) = match (&runs.evidence, &runs.sealing_key) {
        (None, None) => return Ok(None),
        (Some(folder), Some(key)) => (folder.clone(), key),
        _ => return Err(wrong("evidence and sealing_key, or neither")),
    };
    let key = PrivatePkcs8KeyDer::from_pem_file(key);
    let key = key.map_err(|_| wrong("a PKCS#8 PEM file as sealing_key"))?;
    let key = SealingKey::from_pkcs8(key.secret_pkcs8_der());
    let key = key.map_err(|_| wrong("a P-256 key as sealing_key"))?;
    Ok(Some(Bags { folder, key, desk: desk.to_owned() }))
}

// What runs runbooks and asks rules, beside the senders.
fn drive(
    file: &File,
    lanes: &Arc<Lanes>,
    scrubber: Arc<Scrubber>,
    stop: watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) -> Result<Option<Arc<RuleFile>>, ConfigError> {
    let Some(runs) = &file.runs else { return Ok(None) };
    let catalogue = catalogue(runs)?;
    let at = runs.catalogue.clone();
    let rules = at.map(|path| Arc::new(RuleFile::new(path, catalogue.rules.clone())));
    if let Some(rules) = &rules {
        let (asked, scrubber) = (rules.asked(), Arc::clone(&scrubber));
        tasks.spawn(watchers::run(Arc::clone(lanes), asked, scrubber, stop.clone()));
    }
    let runner = Runner {
        seat: Arc::clone(lanes),
        catalogue,
        bags: bags(runs, &file.name)?,
        scrubber,
        owner: format!("{}/{}/{}", file.name, std::process::id(), crate::engine::wall_ms()),
        alone: matches!(file.store, StoreAt::Sqlite(_)),
        watching: Mutex::default(),
    };
    let runner = Arc::new(runner);
    tasks.spawn(Arc::clone(&runner).run_actions(stop.clone()));
    tasks.spawn(runner.run(stop));
    Ok(rules)
}

/// For requests that are being answered when the desk stops.
const GRACE: Duration = Duration::from_secs(5);

// Four connections: the engine's, the readers', the outbox's, the sweeper's. And whether the log is
// empty.
fn open(at: &StoreAt) -> Result<[(bool, Store); 4], ServiceError> {
    // A client of PostgreSQL runs its own runtime, which may not begin on a thread of another.
    let at = at.clone();
    let opened = std::thread::spawn(move || {
        let one = || -> Result<(bool, Store), ServiceError> {
            let mut store = match &at {
                StoreAt::Sqlite(path) => Store::new(Box::new(Sqlite::open(path)?))?,
                StoreAt::PostgresFile(path) => {
                    let url = text(path)?;
                    Store::new(Box::new(Postgres::connect(url.trim())?))?
                }
            };
            let empty = store.entries(0, 1)?.is_empty();
            Ok((empty, store))
        };
        Ok([one()?, one()?, one()?, one()?])
    });
    opened.join().unwrap_or(Err(ServiceError::Store(StoreError::Late)))
}

// A key is made for an empty log only: a log whose key is lost cannot be told from a forged one.
fn identity(file: &File, empty: bool) -> Result<Identity, ServiceError> {
    let name = || {
        let want = "a name of letters, digits, - and _";
        file.name.parse().map_err(|_| ConfigError::Value { key: "name".to_owned(), want })
    };
    if empty && !file.identity.exists() {
        return Ok(Identity::create(&file.identity, name()?)?);
    }
    Ok(Identity::read(&file.identity, name()?)?)
}

fn policy(file: &File) -> Result<Policy, ConfigError> {
    match &file.policy {
        Some(path) => Policy::parse(&text(path)?).map_err(ConfigError::Policy),
        None => Ok(Policy::shipped(Profile::ResponderDefault)),
    }
}

fn keys(file: &File) -> Result<(Keys, Vec<Person>), ConfigError> {
    let (mut keys, mut people, mut names) = (Keys::default(), Vec::new(), BTreeSet::new());
    for key in &file.keys {
        let wrong = |want| ConfigError::Value { key: format!("keys.{}", key.name), want };
        if !names.insert(&key.name) || key.name.is_empty() {
            return Err(wrong("a name that no other key has"));
        }
        let caller = Caller::new(&key.name, key.roles.clone(), key.person.is_some());
        match (&key.token_file, &key.hmac_file) {
            (Some(path), None) => keys.add_token(&secret(path)?, caller),
            (None, Some(path)) => keys.add_secret(&key.name, secret(path)?.as_bytes(), caller),
            _ => return Err(wrong("either token_file or hmac_file")),
        }
        if let Some(human) = &key.person {
            let (id, employee) = (PersonId(key.name.clone()), human.employee.clone());
            people.push(Person { id, employee, groups: human.groups.clone() });
        }
    }
    Ok((keys, people))
}

fn provider(file: &File) -> Result<Option<Provider>, ConfigError> {
    let Some(at) = &file.provider else { return Ok(None) };
    if at.employee_claim.is_none() && file.keys.iter().any(|key| key.person.is_some()) {
        let want = "a claim with the number of an employee, since people have keys too and nobody \
                    may count twice";
        return Err(ConfigError::Value { key: "provider.employee_claim".to_owned(), want });
    }
    let want = "an issuer, an audience, an http or https address or a file, and roles";
    let wrong = || ConfigError::Value { key: "provider".to_owned(), want };
    Provider::new(at.clone()).map(Some).ok_or_else(wrong)
}

fn channels(file: &File) -> Result<Vec<Channel>, ConfigError> {
    // Nobody is told by channels that are only each other's fallback.
    let mut reached: BTreeSet<String> = told(file).into_iter().collect();
    // A fallback's own fallback gets nothing from the first.
    let direct = file.channels.iter().filter(|at| reached.contains(&at.name));
    let fallbacks: Vec<String> = direct.filter_map(|at| at.fallback.clone()).collect();
    reached.extend(fallbacks);
    match file.channels.iter().find(|at| !reached.contains(&at.name)) {
        None => file.channels.iter().map(|at| channel(at, file)).collect(),
        Some(at) => Err(ConfigError::Value {
            key: format!("channels.{}", at.name),
            want: "a channel that is told first, or the fallback of one that is",
        }),
    }
}

fn channel(at: &ChannelAt, file: &File) -> Result<Channel, ConfigError> {
    let wrong = |want| ConfigError::Value { key: format!("channels.{}", at.name), want };
    let known =
        |name: &String| file.channels.iter().any(|other| other.name == *name && *name != at.name);
    if at.fallback.as_ref().is_some_and(|name| !known(name)) {
        return Err(wrong("a fallback that is another channel"));
    }
    let target = |url: &str| {
        target(url, at.ca.as_deref()).ok_or_else(|| wrong("an http address, or https and a ca"))
    };
    let kind = match (&at.slack_file, &at.pagerduty, &at.mail, &at.webhook) {
        (Some(path), None, None, None) => ChannelKind::Slack(target(&secret(path)?)?),
        (None, Some(duty), None, None) => ChannelKind::PagerDuty {
            target: target(&duty.url)?,
            routing_key: secret(&duty.routing_key_file)?,
        },
        (None, None, Some(mail), None) => {
            let plain = |text: &str| !text.contains(['<', '>', '\r', '\n', ' ']);
            if !plain(&mail.from) || !plain(&mail.to) {
                return Err(wrong("bare addresses"));
            }
            let (address, from, to) = (mail.relay.clone(), mail.from.clone(), mail.to.clone());
            ChannelKind::Mail(Relay { address, from, to })
        }
        (None, None, None, Some(hook)) => ChannelKind::Webhook {
            target: target(&hook.url)?,
            secret: secret(&hook.secret_file)?.into_bytes(),
        },
        _ => return Err(wrong("one of slack_file, pagerduty, mail and webhook")),
    };
    Ok(Channel { name: at.name.clone(), kind })
}

fn target(url: &str, ca: Option<&Path>) -> Option<Target> {
    let uri: Uri = url.parse().ok()?;
    uri.host()?;
    let tls = match uri.scheme_str()? {
        "http" => None,
        "https" => {
            let mut roots = RootCertStore::empty();
            for root in CertificateDer::pem_file_iter(ca?).ok()? {
                roots.add(root.ok()?).ok()?;
            }
            let config =
                ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
            Some(Arc::new(config))
        }
        _ => return None,
    };
    Some(Target { uri, tls })
}
