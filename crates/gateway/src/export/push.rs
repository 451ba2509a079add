//! Pushing to a receiver: encode a batch into requests, send them in order, judge the answers.
//!
//! An answer is one of three things: taken, not now, or not this. "Not this" halves the request
//! until the culprit is alone or the budget of halvings is spent. A refused credential or a wrong
//! path is "not now": the fault is the operator's and the data must not pay for it.

use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderMap, RETRY_AFTER};

use crate::export::Item;
use crate::export::client::{Answer, Client};
use crate::export::loki::Loki;
use crate::export::otlp::{self, Otlp, OtlpTransport};
use crate::export::remote_write::RemoteWrite;
use crate::export::request::Request;
use crate::export::sink::{Reason, Stuck, Tally};

/// A receiver and the language it speaks.
#[derive(Debug)]
pub struct Push {
    client: Client,
    encoder: Encoder,
    /// Requests still to send; the next one is the last.
    open: Vec<Request>,
    halvings_left: u32,
    tally: Tally,
    refusal: Option<Reason>,
}

/// The languages.
#[derive(Debug)]
pub enum Encoder {
    /// Loki push.
    Loki(Loki),
    /// Prometheus remote write 1.0 or 2.0.
    RemoteWrite(RemoteWrite),
    /// OTLP over gRPC or HTTP.
    Otlp(Otlp),
}

/// What an answer means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Taken, but for so many items.
    Taken {
        /// Items that the receiver says it has refused.
        refused: u64,
    },
    /// Try again, with the same content.
    Later(Stuck),
    /// The content is at fault.
    Never(Reason),
}

impl Push {
    /// A receiver that has not been spoken to.
    pub const fn new(client: Client, encoder: Encoder) -> Self {
        let tally = Tally { sent: 0, refused: 0, skipped: 0 };
        Self { client, encoder, open: Vec::new(), halvings_left: 0, tally, refusal: None }
    }

    /// Encodes a batch.
    pub fn load(&mut self, items: &[Item]) {
        self.tally = Tally::default();
        self.refusal = None;
        self.halvings_left = HALVINGS_MAX;
        self.open = match &mut self.encoder {
            Encoder::Loki(loki) => loki.encode(items, &mut self.tally),
            Encoder::RemoteWrite(remote_write) => remote_write.encode(items, &mut self.tally),
            Encoder::Otlp(otlp) => otlp.encode(items, &mut self.tally),
        };
        self.open.reverse();
    }

    /// Sends what is open.
    ///
    /// # Errors
    /// When the receiver cannot take it now.
    pub async fn advance(&mut self) -> Result<(), Stuck> {
        while let Some(request) = self.open.last() {
            let (content_type, encoding) = request.format.headers();
            let mut headers = vec![("content-type", content_type)];
            headers.extend(encoding.map(|encoding| ("content-encoding", encoding)));
            headers.extend_from_slice(self.encoder.headers());
            let answer = self.client.post(request.path, &headers, request.body()).await;
            let answer = answer
                .map_err(|error| Stuck { reason: Reason::Client(error), retry_after: None })?;
            match self.encoder.judge(&answer) {
                Verdict::Taken { refused } => self.taken(refused),
                Verdict::Later(stuck) => return Err(stuck),
                Verdict::Never(reason) => self.refuse(reason),
            }
        }
        Ok(())
    }

    /// What became of the batch so far, and why the last refusal happened.
    pub const fn outcome(&self) -> (Tally, Option<Reason>) {
        (self.tally, self.refusal)
    }

    fn taken(&mut self, refused: u64) {
        let items = self.open.pop().map_or(0, |request| request.items());
        let refused = refused.min(items);
        if refused > 0 {
            self.refusal = Some(Reason::Partial);
        }
        self.tally.sent += items - refused;
        self.tally.refused += refused;
    }

    fn refuse(&mut self, reason: Reason) {
        self.refusal = Some(reason);
        let Some(request) = self.open.pop() else { return };
        let items = request.items();
        match request.halves() {
            Ok((first, second)) if self.halvings_left > 0 => {
                self.halvings_left -= 1;
                self.open.push(second);
                self.open.push(first);
            }
            Ok(_) | Err(_) => self.tally.refused += items,
        }
    }
}

impl Encoder {
    const fn headers(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            // Snappy is implied by protobuf; Loki takes the header too, so it is sent.
            Self::Loki(_) => &[],
            Self::RemoteWrite(remote_write) => remote_write.headers(),
            Self::Otlp(otlp) => match otlp.transport {
                OtlpTransport::Grpc => &[("te", "trailers")],
                OtlpTransport::Http => &[],
            },
        }
    }

    fn judge(&self, answer: &Answer) -> Verdict {
        match self {
            Self::Loki(_) | Self::RemoteWrite(_) => judge_status(answer.status, &answer.headers),
            Self::Otlp(otlp) => otlp::judge(otlp.transport, answer),
        }
    }
}

/// What a status means where the protocol says nothing else.
pub fn judge_status(status: StatusCode, headers: &HeaderMap) -> Verdict {
    let reason = Reason::Status(status.as_u16());
    match status.as_u16() {
        200..=299 => Verdict::Taken { refused: 0 },
        // Bad request, conflict, too large, wrong type, unprocessable: this content, at any time.
        400 | 409 | 413 | 415 | 422 => Verdict::Never(reason),
        _ => Verdict::Later(Stuck { reason, retry_after: retry_after(headers) }),
    }
}

/// The delay of a `Retry-After` header in seconds; its form with a date is not worth a parser.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Finds three culprits in a thousand parts; more than that and the batch is bad as a whole.
const HALVINGS_MAX: u32 = 32;

#[cfg(test)]
mod tests;
