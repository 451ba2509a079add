//! What the proxy says: one JSON object a line, `job="vsock-proxy"`, `status` ok or error.
//!
//! It names places, counts and reasons out of a closed set. It cannot name content: no byte of a
//! connection reaches it.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::clock::Clock;
use crate::export::HostJob;
use crate::export::timestamp::rfc3339;

/// Where the lines go. Clones share it.
#[derive(Clone)]
pub struct Log {
    clock: Arc<dyn Clock>,
    out: Arc<Mutex<dyn Write + Send>>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

/// Why a connection was not carried, or not to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// The place it leads to is not, or no longer, in the allow-list.
    NotAllowed,
    /// The name does not resolve.
    Resolve,
    /// The place refused the connection or cannot be reached.
    Connect,
    /// The place did not answer in time.
    ConnectTimeout,
    /// As many connections are open as may be.
    Busy,
    /// Nothing was sent for as long as a connection may be idle.
    Idle,
    /// One side broke the connection off.
    Cut,
    /// The proxy is stopping.
    Stopping,
    /// The connection could not be accepted.
    Accept,
    /// The allow-list could not be read again; the one before stays in force.
    Allowlist,
    /// A bug of ours.
    Bug,
}

impl Reason {
    /// All of them, for the metrics.
    pub const ALL: [Self; 11] = [
        Self::NotAllowed,
        Self::Resolve,
        Self::Connect,
        Self::ConnectTimeout,
        Self::Busy,
        Self::Idle,
        Self::Cut,
        Self::Stopping,
        Self::Accept,
        Self::Allowlist,
        Self::Bug,
    ];

    /// The name in lines and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Busy => "busy",
            Self::Idle => "idle",
            Self::Cut => "cut",
            Self::Stopping => "stopping",
            Self::Accept => "accept",
            Self::Allowlist => "allowlist",
            Self::Bug => "bug",
        }
    }
}

/// One thing to say.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// What happened, constant text.
    pub message: &'static str,
    /// Why it is an error; none is `status="ok"`.
    pub reason: Option<Reason>,
    /// What the system said about it.
    pub detail: Option<&'a dyn fmt::Display>,
    /// The relay's ends; none for what concerns the whole proxy.
    pub ends: Option<(&'a str, &'a str)>,
    /// Bytes towards the remote end and back, and how long it lasted.
    pub carried: Option<(u64, u64, Duration)>,
}

impl Line<'_> {
    /// A line that says only this.
    pub const fn new(message: &'static str) -> Self {
        Self { message, reason: None, detail: None, ends: None, carried: None }
    }
}

#[derive(Serialize)]
struct Written<'a> {
    timestamp: String,
    level: &'static str,
    job: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    local: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<&'a str>,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_up: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_down: Option<u64>,
    #[serde(rename = "durationMs", skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
}

impl Log {
    /// A log that writes to `out`.
    pub fn new(clock: Arc<dyn Clock>, out: impl Write + Send + 'static) -> Self {
        Self { clock, out: Arc::new(Mutex::new(out)) }
    }

    /// Writes one line.
    pub fn write(&self, line: &Line<'_>) {
        let duration = line.carried.map(|(_, _, duration)| duration.as_millis());
        let written = Written {
            timestamp: rfc3339(self.clock.unix_ns()),
            level: if line.reason.is_some() { "Error" } else { "Information" },
            job: HostJob::Proxy.as_str(),
            status: if line.reason.is_some() { "error" } else { "ok" },
            local: line.ends.map(|(local, _)| local),
            remote: line.ends.map(|(_, remote)| remote),
            message: line.message,
            reason: line.reason.map(Reason::as_str),
            detail: line.detail.map(ToString::to_string),
            bytes_up: line.carried.map(|(up, _, _)| up),
            bytes_down: line.carried.map(|(_, down, _)| down),
            duration_ms: duration.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
        };
        let Ok(mut text) = serde_json::to_vec(&written) else { return };
        text.push(b'\n');
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that nobody reads any more is no reason to stop relaying.
        out.write_all(&text).and_then(|()| out.flush()).ok();
    }
}
