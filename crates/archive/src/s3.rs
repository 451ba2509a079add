//! An archive in an S3 bucket with Object Lock.
//!
//! Every `put` looks first, creates under `If-None-Match: *` with a COMPLIANCE lock and a checksum,
//! and then reads back which versions there are and how long they are locked; what is not locked as
//! asked is not acknowledged. Looking first costs one request and is needed: some stores (Ceph 16)
//! ignore the condition in buckets with versions, and a delete marker counts as absent everywhere,
//! so the condition alone would let a second version in. A name with a marker, or with a version of
//! other bytes, is spoilt: [`Put::Different`], and the batch goes under the next revision.
//!
//! The [`Archive`] contract is synchronous and its callers are threads, some of them inside of an
//! async runtime. So the SDK runs on a runtime of our own with one thread, and a caller waits on a
//! plain channel, which works on any thread and panics on none. `block_on` would panic on the
//! gateway's workers, and an async trait would make an auditor's file reader async for nothing.
//!
//! Nothing here removes an object, shortens a lock or changes a bucket.

use std::fmt;
use std::io::{Cursor, Read};
use std::time::Duration;

use bytes::Bytes;
use lucarne_ledger::hash::Hash;

use crate::name::Name;
use crate::store::{Archive, ArchiveError, Listing, OBJECT_BYTES_MAX, Put, check_prefix};

mod bucket;
mod connection;
mod credentials;
mod engine;
mod failure;
pub mod inspection;
mod listing;
mod md5;
pub mod policy;
pub mod settings;
pub mod version;

pub use bucket::Content;
pub use connection::Silence;
pub use credentials::KeyError;
pub use failure::{Call, Fault, S3Error};
pub use settings::{Settings, SettingsError, SettingsFile};

use bucket::{Bucket, Lock, Stored};
use engine::Engine;
use version::{Version, Versions};

/// A bucket, or what is below a prefix of it, as an archive.
pub struct S3 {
    engine: Engine,
    bucket: Bucket,
    settings: Settings,
    writes: bool,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl S3 {
    /// Opens the archive for writing: the bucket must keep versions and have Object Lock.
    ///
    /// Several writers are no danger to what is stored, since content is in the name; unlike a
    /// directory a bucket is not kept for one.
    ///
    /// # Errors
    /// `NoRetention`, `NotVersioned` or `NoObjectLock`; or whatever a call failed with.
    pub fn open(settings: Settings) -> Result<Self, ArchiveError> {
        let bucket_name = settings.bucket.clone();
        let missing = |call, fault| S3Error::new(call, &bucket_name, fault);
        if settings.retention.is_none() {
            return Err(missing(Call::Put, Fault::NoRetention).into());
        }
        let mut archive = Self::open_read_only(settings)?;
        archive.writes = true;
        if archive.ask(|bucket| async move { bucket.versioning().await })? != Some(true) {
            return Err(missing(Call::Versioning, Fault::NotVersioned).into());
        }
        if archive.ask(|bucket| async move { bucket.lock_configuration().await })?.is_none() {
            return Err(missing(Call::LockConfiguration, Fault::NoObjectLock).into());
        }
        Ok(archive)
    }

    /// Opens the archive for reading. Asks the store for nothing yet.
    ///
    /// # Errors
    /// `Trust` when no certificate authority can be read, `Thread` when no thread can be started.
    pub fn open_read_only(settings: Settings) -> Result<Self, ArchiveError> {
        let bucket = Bucket::new(&settings)?;
        let thread = |_| S3Error::new(Call::List, &settings.bucket, Fault::Thread);
        let engine = Engine::start().map_err(thread)?;
        Ok(Self { engine, bucket, settings, writes: false })
    }

    /// How it was reached.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// All versions and delete markers below a prefix, in the order of keys, the newest of a key
    /// first. Keys come without the prefix of the settings.
    pub fn versions(&self, prefix: &str) -> Versions {
        let whole = self.key(prefix);
        Versions::new(self.engine.clone(), self.bucket.clone(), whole, self.settings.prefix.len())
    }

    /// The bytes of one version, whatever their digest says.
    ///
    /// # Errors
    /// A failing store.
    pub fn read_version(&self, version: &Version) -> Result<Content, ArchiveError> {
        let (key, id) = (self.key(&version.key), version.id.clone());
        self.ask(move |bucket| {
            let (key, id) = (key.clone(), id.clone());
            async move { bucket.get_as_is(&key, Some(&id)).await }
        })
        .map_err(Into::into)
    }

    /// Until when a version is locked in COMPLIANCE mode, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// A failing store.
    pub fn locked_until(&self, version: &Version) -> Result<Option<i64>, ArchiveError> {
        let (key, id) = (self.key(&version.key), version.id.clone());
        let lock = self.ask(move |bucket| {
            let (key, id) = (key.clone(), id.clone());
            async move { bucket.head(&key, &id).await }
        })?;
        Ok(lock.until())
    }

    /// The SDK's client, for tests that attack a bucket: this crate itself does no such thing.
    #[doc(hidden)]
    pub const fn client(&self) -> &aws_sdk_s3::Client {
        self.bucket.client()
    }

    /// Runs a test's own call on the thread that talks to the store.
    #[doc(hidden)]
    pub fn wait<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        #[expect(clippy::expect_used, reason = "a test whose call panicked has failed")]
        self.engine.wait(work).expect("the call does not panic")
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.settings.prefix)
    }

    /// Runs a call on the engine's thread and waits, trying again while that helps.
    fn ask<T, F>(&self, call: impl Fn(Bucket) -> F + Send + Sync + 'static) -> Result<T, S3Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, S3Error>> + Send + 'static,
    {
        let bucket = self.bucket.clone();
        let about = self.settings.bucket.clone();
        self.engine
            .wait(async move { persevere(|| call(bucket.clone())).await })
            .unwrap_or_else(|| Err(S3Error::new(Call::List, &about, Fault::Thread)))
    }
}

/// Calls until it works, or trying again is not worth it. Only for calls that may be repeated.
async fn persevere<T, F>(mut call: impl FnMut() -> F) -> Result<T, S3Error>
where
    F: Future<Output = Result<T, S3Error>>,
{
    let mut pause = PAUSE;
    for _ in 1..ATTEMPTS_MAX {
        match call().await {
            Err(error) if error.is_passing() => tokio::time::sleep(pause).await,
            other => return other,
        }
        pause *= 4;
    }
    call().await
}

/// What is to be stored.
#[derive(Clone, Debug)]
struct Object {
    key: String,
    bytes: Bytes,
    sha256: Hash,
    days: u32,
}

/// What a key holds, compared with an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Seen {
    Nothing,
    /// Every version has these bytes and is locked for long enough.
    Same,
    /// A delete marker, other bytes, or more versions than there is any reason for.
    Spoilt,
}

impl Object {
    /// One attempt; after any error it may be stored or not, and the next attempt looks first.
    async fn put(&self, bucket: &Bucket) -> Result<Put, S3Error> {
        match self.seen(bucket, None).await? {
            Seen::Same => return Ok(Put::AlreadyIdentical),
            Seen::Spoilt => return Ok(Put::Different),
            Seen::Nothing => {}
        }
        let until = now_s().saturating_add(i64::from(self.days) * DAY_S);
        let stored = match bucket.put(self, until).await {
            Ok(stored) => Some(stored),
            // Somebody was faster, perhaps our own request that had no answer: say what is there.
            Err(error) if error.status() == Some(412) => None,
            Err(error) => return Err(error),
        };
        let created = stored.is_some();
        match self.seen(bucket, stored.as_ref()).await? {
            Seen::Same if created => Ok(Put::Created),
            Seen::Same => Ok(Put::AlreadyIdentical),
            Seen::Spoilt => Ok(Put::Different),
            Seen::Nothing => Err(S3Error::new(Call::Versions, &self.key, Fault::Vanished)),
        }
    }

    /// Compares with what is there. The bytes of `ours` are not fetched again: the store has just
    /// checked them against their checksum.
    async fn seen(&self, bucket: &Bucket, ours: Option<&Stored>) -> Result<Seen, S3Error> {
        let versions = bucket.versions_of(&self.key).await?;
        if versions.is_empty() {
            return Ok(Seen::Nothing);
        }
        if versions.len() > VERSIONS_MAX {
            return Ok(Seen::Spoilt);
        }
        let mut locks = Vec::with_capacity(versions.len());
        for version in &versions {
            if version.bytes != Some(self.bytes.len() as u64) {
                return Ok(Seen::Spoilt);
            }
            let mine = ours.filter(|ours| ours.version == version.id);
            if mine.is_none() && !self.has_these_bytes(bucket, version).await? {
                return Ok(Seen::Spoilt);
            }
            // One found there was locked when it was written, by a clock that may differ from ours.
            let lent = i64::from(self.days) * DAY_S - CLOCKS_DIFFER_S;
            let asked = mine.map_or(version.modified_s.saturating_add(lent), |ours| ours.until);
            locks.push((bucket.head(&self.key, &version.id).await?, asked));
        }
        // Locks are judged last: what is spoilt is not made whole by waiting for its lock.
        locks.into_iter().try_for_each(|(lock, asked)| self.check_lock(lock, asked))?;
        Ok(Seen::Same)
    }

    async fn has_these_bytes(&self, bucket: &Bucket, version: &Version) -> Result<bool, S3Error> {
        match bucket.get(&self.key, Some(&version.id)).await {
            Ok(bytes) => Ok(bytes == self.bytes),
            Err(S3Error { fault: Fault::Damaged, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn check_lock(&self, lock: Lock, asked: i64) -> Result<(), S3Error> {
        let fault = match lock.until() {
            None => Fault::Unlocked,
            Some(got) if got < asked => Fault::LockedTooShort { asked, got },
            Some(_) => return Ok(()),
        };
        Err(S3Error::new(Call::Put, &self.key, fault))
    }
}

impl Archive for S3 {
    fn put(&self, name: &Name, bytes: &[u8]) -> Result<Put, ArchiveError> {
        let retention = self.settings.retention.filter(|_| self.writes);
        let days = retention.ok_or(ArchiveError::ReadOnly)?.of(name);
        if bytes.len() > OBJECT_BYTES_MAX {
            return Err(ArchiveError::TooLarge { got: bytes.len() as u64 });
        }
        let object = Object {
            key: self.key(&name.to_string()),
            sha256: Hash::of(bytes),
            bytes: Bytes::copy_from_slice(bytes),
            days,
        };
        self.ask(move |bucket| {
            let object = object.clone();
            async move { object.put(&bucket).await }
        })
        .map_err(Into::into)
    }

    /// The current version; one that a delete marker hides is `NotFound`.
    fn open(&self, name: &Name) -> Result<Box<dyn Read + Send>, ArchiveError> {
        let key = self.key(&name.to_string());
        match self.ask(move |bucket| {
            let key = key.clone();
            async move { bucket.get(&key, None).await }
        }) {
            Ok(bytes) => Ok(Box::new(Cursor::new(bytes))),
            Err(error) if error.is_absent() => {
                Err(ArchiveError::NotFound { name: Box::new(name.clone()) })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn list(&self, prefix: &str) -> Result<Listing, ArchiveError> {
        check_prefix(prefix)?;
        let whole = self.key(prefix);
        let (engine, bucket) = (self.engine.clone(), self.bucket.clone());
        Ok(Box::new(listing::Names::new(engine, bucket, whole, self.settings.prefix.len())))
    }
}

fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

const DAY_S: i64 = 24 * 60 * 60;
/// What a store lets our clock differ before it refuses our signature.
const CLOCKS_DIFFER_S: i64 = 15 * 60;
/// Attempts within one call; the archiver goes on after that, and says so in its log.
const ATTEMPTS_MAX: u32 = 4;
/// Before the second attempt; then four times as long each.
const PAUSE: Duration = Duration::from_millis(20);
/// Each doubled version is fetched and compared; more of them than lost answers can explain are
/// spoilt without a look.
const VERSIONS_MAX: usize = 8;
