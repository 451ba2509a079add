//! Request bodies: admitted, read under a limit, decompressed, handed to the intake.
//!
//! Admission never waits. A request that finds no room is told when to come back; waiting would
//! only move the queue to where nobody counts it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;
use lucarne_otlp::{Signal, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::counters::{Counters, Protocol, Reason};
use super::encoding::{Encoding, decompress};
use super::limits::Limits;
use super::refused::Refused;
use crate::intake::{Accepted, Durability, Intake, Raw};

/// What both protocols pass through: limits, budgets, counters, and the intake behind them.
#[derive(Debug)]
pub(super) struct Gate<I> {
    intake: Arc<I>,
    pub(super) limits: Limits,
    pub(super) counters: Arc<Counters>,
    pub(super) connections: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// How the message is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    Protobuf,
    Json,
}

/// What the head of a request says about its body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) protocol: Protocol,
    pub(super) signal: Signal,
    pub(super) format: Format,
    pub(super) encoding: Encoding,
    pub(super) durability: Durability,
}

/// A request's share of the byte budget, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    budget: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
    retry_after: Duration,
}

/// Bytes as they come, in one piece if they came in one.
#[derive(Debug, Default)]
struct Gathered {
    first: Bytes,
    joined: BytesMut,
}

impl<I: Intake> Gate<I> {
    pub(super) fn new(intake: Arc<I>, limits: Limits, counters: Arc<Counters>) -> Self {
        let semaphore =
            |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self {
            intake,
            limits,
            counters,
            connections: semaphore(limits.connections_max),
            requests: semaphore(limits.requests_max),
            bytes: semaphore(limits.budget_bytes()),
        }
    }

    /// A place among the requests in flight.
    pub(super) fn admit(&self) -> Result<OwnedSemaphorePermit, Refused> {
        Arc::clone(&self.requests).try_acquire_owned().map_err(|_| {
            let after = self.limits.retry_after;
            Refused::retry(Reason::Requests, "too many requests at once", after)
        })
    }

    pub(super) fn lease(&self) -> Lease {
        let budget = Arc::clone(&self.bytes);
        Lease { budget, held: None, retry_after: self.limits.retry_after }
    }

    /// Reads a body of at most `limit` bytes. `expected` may tell the size from the first bytes.
    pub(super) async fn read<B>(
        &self,
        body: B,
        limit: usize,
        expected: impl Fn(&[u8]) -> Option<usize>,
        lease: &mut Lease,
    ) -> Result<Bytes, Refused>
    where
        B: Body<Data = Bytes>,
    {
        let deadline = Instant::now() + self.limits.body_timeout;
        match timeout_at(deadline, gather(body, limit, expected, lease)).await {
            Ok(read) => read,
            Err(_) => Err(Refused::new(Reason::SlowBody, "the body did not come in time")),
        }
    }

    /// Decompresses a body, converts it, and hands it to the intake.
    pub(super) async fn offer(
        &self,
        head: Head,
        body: Bytes,
        lease: Lease,
    ) -> Result<Accepted, Refused> {
        let (message, _lease) = unpack(head, body, self.limits.decoded_bytes_max, lease).await?;
        let bytes = message.len();
        let accepting = self.intake.accept(head.signal, Raw::new(message), head.durability);
        let accepted = accepting.await.map_err(|refusal| {
            Refused::by_intake(refusal, head.durability, self.limits.retry_after)
        })?;
        self.counters.accept(head.protocol, head.signal, bytes, accepted.rejected);
        Ok(accepted)
    }

    /// Runs the handling of one request under the time limit, or the client's if that is shorter.
    pub(super) async fn within<T>(
        &self,
        client: Option<Duration>,
        handling: impl Future<Output = Result<T, Refused>>,
    ) -> Result<T, Refused> {
        let limit =
            client.map_or(self.limits.request_timeout, |t| t.min(self.limits.request_timeout));
        match timeout_at(Instant::now() + limit, handling).await {
            Ok(handled) => handled,
            Err(_) => Err(Refused::new(
                Reason::TimedOut,
                "the time ran out; it is not known how far the request came",
            )),
        }
    }
}

impl Lease {
    /// A lease of a budget of its own.
    pub(super) fn of_its_own(bytes: usize) -> Self {
        let budget = Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Self { budget, held: None, retry_after: Duration::ZERO }
    }

    /// Takes so many more bytes from the budget.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Refused> {
        let full = || Refused::retry(Reason::Bytes, "too many bytes in flight", self.retry_after);
        let count = u32::try_from(bytes).map_err(|_| full())?;
        let taken = Arc::clone(&self.budget).try_acquire_many_owned(count).map_err(|_| full())?;
        match &mut self.held {
            Some(held) => held.merge(taken),
            None => self.held = Some(taken),
        }
        Ok(())
    }
}

impl Gathered {
    fn push(&mut self, bytes: Bytes, expected: usize) {
        if self.joined.is_empty() && self.first.is_empty() {
            self.first = bytes;
            return;
        }
        if self.joined.is_empty() {
            self.joined.reserve(expected.max(self.first.len().saturating_add(bytes.len())));
            self.joined.extend_from_slice(&self.first);
            self.first = Bytes::new();
        }
        self.joined.extend_from_slice(&bytes);
    }

    fn len(&self) -> usize {
        // One of the two is always empty.
        self.first.len().saturating_add(self.joined.len())
    }

    fn whole(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.freeze() }
    }
}

async fn gather<B: Body<Data = Bytes>>(
    body: B,
    limit: usize,
    expected: impl Fn(&[u8]) -> Option<usize>,
    lease: &mut Lease,
) -> Result<Bytes, Refused> {
    let too_large = || Refused::new(Reason::TooLarge, "the request is larger than the limit");
    let mut body = pin!(body);
    let mut announced = usize::try_from(body.size_hint().lower()).map_err(|_| too_large())?;
    let mut paid = 0;
    let mut gathered = Gathered::default();
    loop {
        if announced > limit {
            return Err(too_large());
        }
        if announced > paid {
            lease.grow(announced - paid)?;
            paid = announced;
        }
        let Some(frame) = body.frame().await else { break };
        let aborted = |_| Refused::new(Reason::Aborted, "the body ended early");
        let Ok(data) = frame.map_err(aborted)?.into_data() else { continue };
        if gathered.len() == 0 {
            announced = announced.max(expected(&data).unwrap_or(0));
        }
        announced = announced.max(gathered.len().saturating_add(data.len()));
        if announced <= limit {
            gathered.push(data, announced);
        }
    }
    Ok(gathered.whole())
}

/// Decompressed protobuf out of a body as it came, with the lease that covers it.
async fn unpack(
    head: Head,
    body: Bytes,
    limit: usize,
    mut lease: Lease,
) -> Result<(Bytes, Lease), Refused> {
    if head.encoding == Encoding::Identity && head.format == Format::Protobuf {
        return Ok((body, lease));
    }
    let heavy = body.len() > INLINE_BYTES_MAX;
    let work = move || convert(head, body, limit, &mut lease).map(|message| (message, lease));
    if !heavy {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(unpacked) => unpacked,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // Only a runtime that shuts down cancels it.
        Err(_) => Err(Refused::new(Reason::Stopping, "the process is stopping")),
    }
}

fn convert(head: Head, body: Bytes, limit: usize, lease: &mut Lease) -> Result<Bytes, Refused> {
    let plain = match head.encoding {
        Encoding::Identity => body,
        Encoding::Gzip | Encoding::Zstd => decompress(head.encoding, &body, limit, lease)?.into(),
    };
    match head.format {
        Format::Protobuf => Ok(plain),
        Format::Json => from_json(head.signal, &plain, limit, lease),
    }
}

fn from_json(
    signal: Signal,
    json: &[u8],
    limit: usize,
    lease: &mut Lease,
) -> Result<Bytes, Refused> {
    lease.grow(json.len())?;
    let mut message = Vec::with_capacity(json.len() / 2);
    // Its errors say where, and never quote.
    json::to_protobuf(signal, json, &mut message).map_err(|error| Refused {
        message: error.to_string().into(),
        ..Refused::new(Reason::Malformed, "")
    })?;
    if message.len() > limit {
        return Err(Refused::new(
            Reason::DecodedTooLarge,
            "the request is larger than the limit as protobuf",
        ));
    }
    // Short numbers can be longer in protobuf than in JSON, though a few times at most.
    lease.grow(message.len().saturating_sub(json.len()))?;
    Ok(message.into())
}

/// What is decompressed or converted on the thread that reads sockets: under a millisecond or so
/// for ordinary data. The rest goes to a blocking thread.
const INLINE_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests;
