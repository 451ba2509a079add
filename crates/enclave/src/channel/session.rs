//! One connection: handshake, evidence, then queries one after the other.
//!
//! Whoever no authority knows is told so before evidence is made for them. Everybody else is judged
//! anew with each query, because certificates expire while connections stay open.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lucarne_ledger::report_data::ReportData;
use lucarne_link::access::Issued;
use lucarne_link::channel::countersignature::Countersignature;
use lucarne_link::channel::message::{Done, Granted, Query, Refused, Tell};
use lucarne_link::channel::server::{
    AwaitChallenge, Challenged, Deciding, Incoming, Sending, Serving,
};
use lucarne_link::channel::{self as protocol, ASK_BYTES_MAX, Binder, end};
use lucarne_link::frame::{self, BadLength, FrameReader};
use lucarne_platform::Stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::server::TlsStream;

use super::answers::{AnswerError, Rows, Stop};
use super::permit::{Denied, Permit};
use super::recorder::{Outcome, RecordError, STRANGER};
use super::{Shared, stopped, tls};
use crate::entropy;
use crate::journal;
use crate::quote::{Question, QuoteError};

/// A client that does not end its handshake within this time is not one.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// As long as the uplink waits for the evidence device.
const EVIDENCE: Duration = Duration::from_secs(40);
/// A connection on which nobody asks is closed: evidence grows old.
const IDLE: Duration = Duration::from_secs(600);
/// A client that does not read is not waited for.
const WRITE: Duration = Duration::from_secs(30);
/// Longest that one query may search.
pub(super) const SEARCH: Duration = Duration::from_secs(60);
/// Pieces of an answer between who finds them and who sends them.
const PIECES: usize = 4;
/// Bytes read at a time.
const READ_BYTES: usize = 8 << 10;

/// Why a connection ended other than by the client's wish; without any content.
#[derive(Debug)]
pub(super) enum SessionError {
    Io(io::Error),
    Tls(rustls::Error),
    TimedOut(&'static str),
    Length(BadLength),
    Protocol(protocol::ChannelError),
    /// Nothing where the device did not answer in time.
    Evidence(Option<QuoteError>),
    Record(RecordError),
    Randomness,
}

impl std::fmt::Display for SessionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => write!(f, "connection broke: {error}"),
            Self::Tls(error) => write!(f, "no handshake: {error}"),
            Self::TimedOut(what) => write!(f, "the client took too long: {what}"),
            Self::Length(error) => write!(f, "{error}"),
            Self::Protocol(error) => write!(f, "{error}"),
            Self::Evidence(None) => write!(f, "the evidence device does not answer in time"),
            Self::Evidence(Some(error)) => write!(f, "there is no evidence to show: {error}"),
            Self::Record(error) => write!(f, "{error}"),
            Self::Randomness => write!(f, "no randomness"),
        }
    }
}

impl From<io::Error> for SessionError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<protocol::ChannelError> for SessionError {
    fn from(error: protocol::ChannelError) -> Self {
        Self::Protocol(error)
    }
}

/// Serves one connection to its end.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    acceptor: &TlsAcceptor,
    stream: Stream,
    stop: watch::Receiver<bool>,
) -> Result<(), SessionError> {
    let accepted = timeout(HANDSHAKE, acceptor.accept(stream)).await;
    let stream = accepted.map_err(|_| SessionError::TimedOut("handshake"))??;
    let established = tls::established(stream.get_ref().1, shared.leaf_spki_sha256);
    let (binder, certificate) = established.map_err(SessionError::Tls)?;
    let mut line = Line { stream, frames: FrameReader::new(ASK_BYTES_MAX), stop };
    let Some(asker) = shared.access.recognise(&certificate) else {
        return turn_away(shared, &mut line, &certificate).await;
    };
    let Some(body) = line.receive(HANDSHAKE).await? else { return Ok(()) };
    let challenged = AwaitChallenge::begin().on_frame(&body)?;
    let mut session = Session { shared: Arc::clone(shared), line, binder, asker };
    let mut serving = session.attest(challenged).await?;
    while let Some(body) = session.line.receive(IDLE).await? {
        serving = match serving.on_frame(&body)? {
            Incoming::Challenge(challenged) => session.attest(challenged).await?,
            Incoming::Query { deciding, query, countersignature } => {
                session.query(deciding, &query, countersignature.as_ref()).await?
            }
        };
    }
    Ok(())
}

async fn turn_away(
    shared: &Shared,
    line: &mut Line,
    certificate: &[u8],
) -> Result<(), SessionError> {
    if let Some(unrecorded) = shared.strangers.refuse() {
        let recorded = shared.recorder.stranger(certificate, unrecorded, shared.time.now()).await;
        recorded.map_err(SessionError::Record)?;
    }
    let refused = Refused {
        code: STRANGER.to_owned(),
        reason: "no authority of this enclave's configuration has signed the certificate".into(),
        // Receipts are for those who are known: a proof would show the evidence of the boot.
        receipt: None,
        time_verified: false,
    };
    line.send(&Tell::Refused(refused).encode()).await?;
    line.end().await;
    Ok(())
}

/// A connection with what has been read and not yet used.
struct Line {
    stream: TlsStream<Stream>,
    frames: FrameReader,
    stop: watch::Receiver<bool>,
}

impl Line {
    /// The body of the next frame; `None` when the client has gone, or the process ends.
    async fn receive(&mut self, within: Duration) -> Result<Option<Vec<u8>>, SessionError> {
        let deadline = tokio::time::Instant::now() + within;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            if let Some(body) = self.frames.next_frame().map_err(SessionError::Length)? {
                return Ok(Some(body.to_vec()));
            }
            let count = tokio::select! {
                () = stopped(&mut self.stop) => return Ok(None),
                () = tokio::time::sleep_until(deadline) => {
                    return Err(SessionError::TimedOut("its next question"));
                }
                count = self.stream.read(&mut buffer) => count,
            };
            match count {
                Ok(0) => return Ok(None),
                // Somebody who just hangs up has done nothing wrong.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Ok(count) => self.frames.feed(buffer.get(..count).unwrap_or_default()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until the other end says something, which is kept, or has gone: then it is false.
    /// Losing this future loses nothing.
    async fn listen(&mut self) -> bool {
        let mut buffer = vec![0; READ_BYTES];
        let count = self.stream.read(&mut buffer).await.unwrap_or(0);
        self.frames.feed(buffer.get(..count).unwrap_or_default());
        count > 0
    }

    async fn send(&mut self, body: &[u8]) -> Result<(), SessionError> {
        let written = async {
            self.stream.write_all(&frame::encode(body)).await?;
            self.stream.flush().await
        };
        let written = timeout(WRITE, written).await;
        Ok(written.map_err(|_| SessionError::TimedOut("reading the answer"))??)
    }

    async fn end(&mut self) {
        // The last words have been said; a client that is gone cannot hear them.
        drop(timeout(WRITE, self.stream.shutdown()).await);
    }
}

struct Session {
    shared: Arc<Shared>,
    line: Line,
    binder: Binder,
    asker: Issued,
}

/// What became of an answer.
struct Answered {
    rows: u64,
    bytes: u64,
    ended: Outcome,
    result: Result<(), AnswerError>,
}

impl Session {
    async fn attest(&mut self, challenged: Challenged) -> Result<Serving, SessionError> {
        let (identity, binder) = (Arc::clone(&self.shared.identity), self.binder);
        let nonce = challenged.nonce;
        let quoting = spawn_blocking(move || {
            let report_data = ReportData::channel(&identity.bound, &end(&binder, &nonce));
            let public_key = &identity.bound.p256_spki;
            let question = Question { report_data: &report_data, public_key, nonce: &nonce };
            identity.quote.quote(&question)
        });
        let quoted = timeout(EVIDENCE, quoting).await;
        let quoted = quoted.ok().and_then(Result::ok).ok_or(SessionError::Evidence(None))?;
        let quoted = quoted.map_err(|error| SessionError::Evidence(Some(error)))?;
        let binding = self.shared.identity.binding.clone();
        let shown = [binding, quoted.evidence, quoted.collateral];
        let (serving, body) = challenged.answer(shown);
        self.line.send(&body).await?;
        Ok(serving)
    }

    async fn query(
        &mut self,
        deciding: Deciding,
        query: &Query,
        word: Option<&Countersignature>,
    ) -> Result<Serving, SessionError> {
        let shared = Arc::clone(&self.shared);
        let now = shared.time.now();
        let salt = entropy::bytes::<32>().map_err(|_| SessionError::Randomness)?;
        let text = (shared.access.query_text, &salt);
        let permit = match self.permit(query, word, now.ms) {
            Ok(permit) => permit,
            Err(denied) => {
                let recorded = shared.recorder.refusal(&self.asker, query, text, &denied, now);
                let receipt = match recorded.await {
                    Ok(receipt) => receipt,
                    Err(error) => return self.unrecorded(deciding, error, now.verified).await,
                };
                let refused = Refused {
                    code: denied.code().to_owned(),
                    reason: denied.to_string(),
                    receipt: Some(receipt.bundle),
                    time_verified: now.verified,
                };
                let (serving, body) = deciding.refuse(refused);
                self.line.send(&body).await?;
                return Ok(serving);
            }
        };
        // Sealed before anything is looked at: who asks leaves a trace even if the rest fails.
        let receipt = match shared.recorder.query(&self.asker, &permit, text, now).await {
            Ok(receipt) => receipt,
            Err(error) => return self.unrecorded(deciding, error, now.verified).await,
        };
        let (anchored, time_verified) = (shared.recorder.anchors(), now.verified);
        let granted = Granted { receipt: receipt.bundle, anchored, time_verified, salt };
        let (sending, body) = deciding.grant(granted);
        self.line.send(&body).await?;
        self.answer(sending, permit, receipt.seq).await
    }

    /// Tells the asker why nothing is answered: what cannot be recorded is not asked.
    async fn unrecorded(
        &mut self,
        deciding: Deciding,
        error: RecordError,
        time_verified: bool,
    ) -> Result<Serving, SessionError> {
        let (code, reason) = ("unrecorded".to_owned(), error.to_string());
        journal::warn("channel", &error);
        let refused = Refused { code, reason, receipt: None, time_verified };
        let (serving, body) = deciding.refuse(refused);
        self.line.send(&body).await?;
        Ok(serving)
    }

    fn permit(
        &self,
        query: &Query,
        word: Option<&Countersignature>,
        now_ms: u64,
    ) -> Result<Permit, Denied> {
        let (access, instance) = (&self.shared.access, &self.shared.identity.instance);
        let permit = access.permit(&self.asker, query, word, instance, now_ms)?;
        match permit.second() {
            Some(second) if !self.shared.used.take(second.number, second.until, now_ms / 1_000) => {
                Err(Denied::Used)
            }
            Some(_) | None => Ok(permit),
        }
    }

    async fn answer(
        &mut self,
        sending: Sending,
        permit: Permit,
        query_seq: u64,
    ) -> Result<Serving, SessionError> {
        let (out, mut pieces) = mpsc::channel(PIECES);
        let answers = Arc::clone(&self.shared.answers);
        let searching = spawn_blocking(move || {
            let mut rows = Rows::new(out, &permit, Instant::now() + SEARCH);
            let result = answers.answer(&permit, &mut rows);
            let (rows, bytes, ended) = rows.finish();
            Answered { rows, bytes, ended, result }
        });
        let (mut sent, mut listens) = (Ok(()), true);
        while sent.is_ok() {
            tokio::select! {
                piece = pieces.recv() => match piece {
                    Some(piece) => sent = self.line.send(&sending.chunk(piece)).await,
                    None => break,
                },
                // A search that finds nothing sends nothing, and would not learn it otherwise.
                heard = self.line.listen(), if listens => match heard {
                    true => listens = false,
                    false => sent = Err(io::Error::from(io::ErrorKind::ConnectionAborted).into()),
                },
            }
        }
        // Tells the search that nobody waits, if that is so.
        drop(pieces);
        let answered = searching.await.map_err(|_| SessionError::TimedOut("the search"))?;
        let outcome = match &answered.result {
            _ if sent.is_err() => Outcome::Abandoned,
            Ok(()) => answered.ended,
            Err(AnswerError::Stop(Stop::Gone)) => Outcome::Abandoned,
            Err(AnswerError::Stop(_)) => Outcome::Partial,
            Err(_) => Outcome::Failed,
        };
        let told = (answered.rows, answered.bytes, outcome);
        let shared = Arc::clone(&self.shared);
        let receipt = shared.recorder.answer(&self.asker, query_seq, told, shared.time.now()).await;
        sent?;
        let receipt = receipt.map_err(SessionError::Record)?.bundle;
        let (serving, body) = last_words(sending, answered, receipt);
        self.line.send(&body).await?;
        Ok(serving)
    }
}

fn last_words(sending: Sending, answered: Answered, receipt: Vec<u8>) -> (Serving, Vec<u8>) {
    let Answered { rows, bytes, result, .. } = answered;
    let partial = match &result {
        Ok(()) => None,
        Err(AnswerError::Stop(stop)) => Some(stop.to_string()),
        Err(error) => {
            let code = match error {
                AnswerError::Malformed(_) => "malformed",
                AnswerError::Unavailable => "unavailable",
                AnswerError::TooMuch(_) => "limit",
                AnswerError::Stop(_) | AnswerError::Failed(_) => "failed",
            };
            return sending.fail(Refused {
                code: code.to_owned(),
                reason: error.to_string(),
                receipt: Some(receipt),
                time_verified: false,
            });
        }
    };
    sending.done(Done { rows, bytes, partial, receipt })
}

#[cfg(test)]
mod tests;
