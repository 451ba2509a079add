//! What the proxy says: one JSON object a line, `job="vsock-proxy"`, `status` ok or error.
//!
//! It names places, counts and reasons out of a closed set. It cannot name content: no byte of a
//! connection reaches it.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::forward::Feed;
use super::message::{Event, Job, Level, Message, Status, detail};
use crate::clock::Clock;
use crate::export::timestamp::rfc3339;

/// Where the lines go. Clones share it.
#[derive(Clone)]
pub struct Log {
    clock: Arc<dyn Clock>,
    out: Arc<Mutex<dyn Write + Send>>,
    feed: Option<Feed>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

/// Why a connection was not carried, or not to its end.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
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
    /// The gateway does not take lines as fast as they are written.
    LogFull,
    /// A bug of ours.
    Bug,
}

impl Reason {
    /// All of them, for the metrics.
    pub const ALL: [Self; 12] = [
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
        Self::LogFull,
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
            Self::LogFull => "log_full",
            Self::Bug => "bug",
        }
    }
}

/// One thing to say.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// What happened.
    pub event: Event,
    /// Why it is an error; none is `status="ok"`.
    pub reason: Option<Reason>,
    /// What the system said about it.
    pub detail: Option<&'a dyn fmt::Display>,
    /// The relay's ends; none for what concerns the whole proxy.
    pub ends: Option<(&'a str, &'a str)>,
    /// Bytes towards the remote end and back, and how long it lasted.
    pub carried: Option<(u64, u64, Duration)>,
    /// Lines that were not handed over to the gateway.
    pub dropped: Option<u64>,
}

impl Line<'_> {
    /// A line that says only this.
    pub const fn new(event: Event) -> Self {
        Self { event, reason: None, detail: None, ends: None, carried: None, dropped: None }
    }
}

impl Log {
    /// A log that writes to `out`.
    pub fn new(clock: Arc<dyn Clock>, out: impl Write + Send + 'static) -> Self {
        Self { clock, out: Arc::new(Mutex::new(out)), feed: None }
    }

    /// The same log, whose lines go to the gateway, too.
    pub(super) fn feeding(self, feed: Feed) -> Self {
        Self { feed: Some(feed), ..self }
    }

    /// Writes one line.
    pub fn write(&self, line: &Line<'_>) {
        let text = self.write_here(line);
        if let Some(feed) = &self.feed {
            feed.offer(text);
        }
    }

    /// Writes one line to `out` alone, and returns it.
    pub(super) fn write_here(&self, line: &Line<'_>) -> Vec<u8> {
        let mut text = self.message(line).encode();
        text.push(b'\n');
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that nobody reads any more is no reason to stop relaying.
        out.write_all(&text).and_then(|()| out.flush()).ok();
        text
    }

    fn message(&self, line: &Line<'_>) -> Message {
        let duration = line.carried.map(|(_, _, duration)| duration.as_millis());
        let failed = line.reason.is_some();
        Message {
            timestamp: rfc3339(self.clock.unix_ns()),
            level: if failed { Level::Error } else { Level::Information },
            job: Job::Proxy,
            status: if failed { Status::Error } else { Status::Ok },
            local: line.ends.map(|(local, _)| local.to_owned()),
            remote: line.ends.map(|(_, remote)| remote.to_owned()),
            event: line.event,
            reason: line.reason,
            detail: line.detail.map(|said| detail(&said.to_string())),
            bytes_up: line.carried.map(|(up, _, _)| up),
            bytes_down: line.carried.map(|(_, down, _)| down),
            duration_ms: duration.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
            dropped: line.dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_reasons_are_the_same_in_lines_and_metrics() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
