//! What goes wrong between us and a store, sorted by what it means for the one who asked.
//!
//! No answer is not a no: the store may have done what it was asked. Texts of a store are not kept,
//! only its status and its code, since they end up in logs.

use std::error::Error;
use std::fmt;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::connection::Silence;
use super::credentials::KeyError;

/// A call to a store that did not give what was asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct S3Error {
    /// Which call.
    pub call: Call,
    /// The key or bucket that it was about.
    pub about: String,
    /// What happened.
    pub fault: Fault,
}

/// The calls that we make. None of them removes or changes anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Call {
    /// `PutObject`, always conditional.
    Put,
    /// `HeadObject`.
    Head,
    /// `GetObject`.
    Get,
    /// `ListObjectsV2`.
    List,
    /// `ListObjectVersions`.
    Versions,
    /// `GetBucketVersioning`.
    Versioning,
    /// `GetObjectLockConfiguration`.
    LockConfiguration,
    /// `GetBucketPolicy`.
    Policy,
    /// `GetBucketLogging`.
    Logging,
}

/// Why a call failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// There was no whole answer, so whether it was done is unknown.
    Silence(Silence),
    /// The store answered no.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The store's code, as in `AccessDenied`; empty when it gave none.
        code: String,
    },
    /// The answer is not one that this call has.
    NotUnderstood,
    /// There is no key to sign with.
    Key(KeyError),
    /// The request could not be built; a bug.
    NotBuilt,
    /// The object is there but not locked in COMPLIANCE mode, so it is not acknowledged.
    Unlocked,
    /// It is locked, but not for as long as asked.
    LockedTooShort {
        /// Until when it had to be, in seconds since the Unix epoch.
        asked: i64,
        /// Until when it is.
        got: i64,
    },
    /// What came back is not what its checksum says.
    Damaged,
    /// What was stored a moment ago is not there.
    Vanished,
    /// The bucket keeps no versions, so a lock cannot hold.
    NotVersioned,
    /// The bucket has no object lock.
    NoObjectLock,
    /// The settings name no retention, so nothing is written.
    NoRetention,
    /// Certificate authorities could not be read.
    Trust,
    /// No thread could be started.
    Thread,
}

impl S3Error {
    pub(super) fn new(call: Call, about: &str, fault: Fault) -> Self {
        Self { call, about: about.to_owned(), fault }
    }

    /// Whether the same call may succeed later without anybody's help to this process. Rights are
    /// given at the store and keys are read anew, so a refusal for want of them counts.
    pub const fn is_retryable(&self) -> bool {
        match &self.fault {
            Fault::Silence(_) | Fault::Vanished | Fault::Key(_) => true,
            Fault::Refused { status, .. } => {
                matches!(*status, 401 | 403 | 408 | 409 | 412 | 429 | 500 | 502..=599)
            }
            Fault::NotUnderstood
            | Fault::NotBuilt
            | Fault::Unlocked
            | Fault::LockedTooShort { .. }
            | Fault::Damaged
            | Fault::NotVersioned
            | Fault::NoObjectLock
            | Fault::NoRetention
            | Fault::Trust
            | Fault::Thread => false,
        }
    }

    /// Whether trying again within the second is worth it: rights do not come back that fast.
    pub(super) const fn is_passing(&self) -> bool {
        match &self.fault {
            Fault::Refused { status, .. } => !matches!(*status, 401 | 403) && self.is_retryable(),
            Fault::Key(_) => false,
            _ => self.is_retryable(),
        }
    }

    /// Whether the store said that there is no such thing.
    pub(super) fn is_absent(&self) -> bool {
        matches!(&self.fault, Fault::Refused { status: 404, code } if code != "NoSuchBucket")
    }

    pub(super) const fn status(&self) -> Option<u16> {
        match &self.fault {
            Fault::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// Sorts a failure of the SDK.
pub(super) fn sorted<E>(
    call: Call,
    about: &str,
) -> impl FnOnce(SdkError<E, HttpResponse>) -> S3Error
where
    E: ProvideErrorMetadata + Error + 'static,
{
    move |error| {
        let fault = match &error {
            SdkError::ServiceError(answer) => match answer.raw().status().as_u16() {
                200..=299 => Fault::NotUnderstood,
                status => {
                    let code = short(answer.err().code().unwrap_or_default());
                    Fault::Refused { status, code }
                }
            },
            SdkError::ResponseError(answer) => match answer.raw().status().as_u16() {
                200..=299 => Fault::NotUnderstood,
                status => Fault::Refused { status, code: String::new() },
            },
            SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => dispatch(&error),
            _ => cause::<KeyError>(&error).map_or(Fault::NotBuilt, |key| Fault::Key(*key)),
        };
        S3Error::new(call, about, fault)
    }
}

fn dispatch(error: &(dyn Error + 'static)) -> Fault {
    if let Some(key) = cause::<KeyError>(error) {
        return Fault::Key(*key);
    }
    Fault::Silence(cause::<Silence>(error).copied().unwrap_or(Silence::Broken))
}

/// The first cause of that type below an error.
fn cause<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut next = Some(error);
    for _ in 0..CAUSES_MAX {
        let this = next?;
        if let Some(found) = this.downcast_ref::<T>() {
            return Some(found);
        }
        next = this.source();
    }
    None
}

/// Codes are single words; what is longer or of other letters is none.
fn short(code: &str) -> String {
    let fits = code.len() <= CODE_BYTES_MAX && code.bytes().all(|b| b.is_ascii_alphanumeric());
    if fits { code.to_owned() } else { String::new() }
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, about, fault } = self;
        write!(f, "{call} {about}: {fault}")
    }
}

impl Error for S3Error {}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Put => "put",
            Self::Head => "look at",
            Self::Get => "get",
            Self::List => "list",
            Self::Versions => "list versions of",
            Self::Versioning => "ask for versioning of",
            Self::LockConfiguration => "ask for object lock of",
            Self::Policy => "ask for policy of",
            Self::Logging => "ask for access logging of",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence(silence) => write!(f, "{silence}"),
            Self::Refused { status, code } if code.is_empty() => write!(f, "status {status}"),
            Self::Refused { status, code } => write!(f, "status {status}, {code}"),
            Self::NotUnderstood => write!(f, "answer is not understood"),
            Self::Key(error) => write!(f, "{error}"),
            Self::NotBuilt => write!(f, "request could not be built"),
            Self::Unlocked => write!(f, "stored, but not locked in COMPLIANCE mode"),
            Self::LockedTooShort { asked, got } => {
                write!(f, "locked until {got}, but asked until {asked} (seconds since 1970)")
            }
            Self::Damaged => write!(f, "content is not what its checksum says"),
            Self::Vanished => write!(f, "was stored and is not there"),
            Self::NotVersioned => write!(f, "versioning is not enabled"),
            Self::NoObjectLock => write!(f, "object lock is not enabled"),
            Self::NoRetention => write!(f, "retention_days is not set, nothing is written"),
            Self::Trust => write!(f, "no certificate authority could be read, set ca_file"),
            Self::Thread => write!(f, "no thread could be started"),
        }
    }
}

/// Chains of causes are a few links long.
const CAUSES_MAX: usize = 16;
const CODE_BYTES_MAX: usize = 64;
