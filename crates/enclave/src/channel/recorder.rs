//! Records of who asked what: sealed before an answer leaves, proven to the asker.
//!
//! A record names person, role, verb, time and limits. It holds nothing that was found, and the
//! text of a query only if the configuration says so: the host reads the audit ledger, and what
//! somebody looks for can be as telling as what they find. Names and forms of the values are those
//! that the outer layer of the gateway knows for what they are: a time in digits alone, or a digest
//! under another name, could look like a card number and have the record withheld.

use std::sync::Arc;
use std::time::Duration;

use lucarne_ledger::batch::{self, BatchError, Content, EpochKey};
use lucarne_ledger::hash::{Hash, to_hex};
use lucarne_ledger::payload::AuditEvent;
use lucarne_ledger::proof::{InclusionProver, ProverError};
use lucarne_ledger::proof_bundle::{BundledContent, BundledRecord, ProofBundle};
use lucarne_link::access::Issued;
use lucarne_link::channel::message::Query;
use lucarne_otlp::time::write_rfc3339;
use serde::Serialize;
use tokio::time::timeout;

use super::config::QueryText;
use super::permit::{Denied, Permit, serial_of};
use super::watermark::Moment;
use crate::pipeline::{NoRoom, Pipeline, SealedEvent};
use crate::uplink::Identity;

/// A batch that is waited for closes at once; ten seconds are for a machine that stands still.
const SEAL_WAIT: Duration = Duration::from_secs(10);

/// Writes records into the audit ledger and proves them.
pub struct Recorder {
    pipeline: Arc<Pipeline>,
    identity: Arc<Identity>,
    key: EpochKey,
}

/// A record and its proof.
pub(super) struct Receipt {
    /// Its sequence number in the audit ledger.
    pub(super) seq: u64,
    /// The proof bundle, encoded.
    pub(super) bundle: Vec<u8>,
}

/// Why there is no record; then there is no answer either.
#[derive(Debug)]
pub(super) enum RecordError {
    /// The queue is full.
    NoRoom,
    /// It was not sealed, or not in time.
    NotSealed,
    /// No quorum of witnesses has seen it in time.
    NotWitnessed,
    /// Our own batch does not verify: a bug.
    Batch(BatchError),
    /// Our own batch does not prove its record: a bug.
    Proof(ProverError),
}

impl std::fmt::Display for RecordError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoRoom => write!(f, "there is no room to record the query; try again"),
            Self::NotSealed => write!(f, "the record of the query was not sealed in time"),
            Self::NotWitnessed => {
                write!(f, "no quorum of witnesses has seen the record of the query in time")
            }
            Self::Batch(error) => write!(f, "the record cannot be proven: {error}"),
            Self::Proof(error) => write!(f, "the record cannot be proven: {error}"),
        }
    }
}

impl std::error::Error for RecordError {}

/// What is recorded. Keys of the same meaning are the same in each.
#[derive(Serialize)]
#[serde(tag = "event_type")]
enum Event<'a> {
    #[serde(rename = "access.query")]
    Query {
        timestamp_utc: String,
        #[serde(flatten)]
        who: Who<'a>,
        #[serde(flatten)]
        what: What<'a>,
        rows_max: u64,
        bytes_max: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        second_person: Option<&'a str>,
        time_verified: bool,
        anchored: bool,
    },
    #[serde(rename = "access.answer")]
    Answer {
        timestamp_utc: String,
        #[serde(flatten)]
        who: Who<'a>,
        query_seq: u64,
        rows: u64,
        bytes: u64,
        outcome: &'static str,
    },
    #[serde(rename = "access.refusal")]
    Refusal {
        timestamp_utc: String,
        #[serde(flatten)]
        who: Who<'a>,
        #[serde(flatten)]
        what: What<'a>,
        reason: &'static str,
        time_verified: bool,
    },
    #[serde(rename = "access.stranger")]
    Stranger {
        timestamp_utc: String,
        certificate_sha256: String,
        reason: &'static str,
        unrecorded_before: u64,
    },
}

#[derive(Serialize)]
struct Who<'a> {
    who: &'a str,
    role: &'a str,
    authority: &'a str,
    certificate_id: String,
}

#[derive(Serialize)]
struct What<'a> {
    verb: &'static str,
    from_utc: String,
    to_utc: String,
    limit: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_text: Option<&'a str>,
    query_digest: String,
}

/// How an answer ended, for its record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// Everything that was found was sent.
    Complete,
    /// A limit of the role or of the query was reached.
    Partial,
    /// The asker went away.
    Abandoned,
    /// The query cannot be answered.
    Failed,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Abandoned => "abandoned",
            Self::Failed => "failed",
        }
    }
}

/// SHA-256 of salt and text: what the record says of a query that it does not quote.
pub(super) fn commitment(salt: &[u8; 32], text: &str) -> Hash {
    Hash::of(&[&salt[..], text.as_bytes()].concat())
}

impl Recorder {
    /// A recorder for the audit ledger behind `pipeline`, whose statements verify with `key`.
    pub const fn new(pipeline: Arc<Pipeline>, identity: Arc<Identity>, key: EpochKey) -> Self {
        Self { pipeline, identity, key }
    }

    pub(super) async fn query(
        &self,
        asker: &Issued,
        permit: &Permit,
        text: (QueryText, &[u8; 32]),
        now: Moment,
    ) -> Result<Receipt, RecordError> {
        let event = Event::Query {
            timestamp_utc: at(now),
            who: who(asker),
            what: what(permit.query(), text),
            rows_max: permit.rows_max(),
            bytes_max: permit.bytes_max(),
            second_person: permit.second().map(|second| second.holder.as_str()),
            time_verified: now.verified,
            anchored: self.anchors(),
        };
        let receipt = self.record(&event).await?;
        if self.anchors() {
            let seen = self.pipeline.witnessed(receipt.seq.saturating_add(1)).await;
            seen.map_err(|_| RecordError::NotWitnessed)?;
        }
        Ok(receipt)
    }

    /// Whether answers wait for witnesses.
    pub(super) fn anchors(&self) -> bool {
        self.pipeline.has_witnesses()
    }

    pub(super) async fn answer(
        &self,
        asker: &Issued,
        query_seq: u64,
        (rows, bytes, outcome): (u64, u64, Outcome),
        now: Moment,
    ) -> Result<Receipt, RecordError> {
        let (timestamp_utc, outcome) = (at(now), outcome.as_str());
        let who = who(asker);
        self.record(&Event::Answer { timestamp_utc, who, query_seq, rows, bytes, outcome }).await
    }

    pub(super) async fn refusal(
        &self,
        asker: &Issued,
        query: &Query,
        text: (QueryText, &[u8; 32]),
        denied: &Denied,
        now: Moment,
    ) -> Result<Receipt, RecordError> {
        let event = Event::Refusal {
            timestamp_utc: at(now),
            who: who(asker),
            what: what(query, text),
            reason: denied.code(),
            time_verified: now.verified,
        };
        self.record(&event).await
    }

    pub(super) async fn stranger(
        &self,
        certificate: &[u8],
        unrecorded_before: u64,
        now: Moment,
    ) -> Result<Receipt, RecordError> {
        // Anybody can write a name into a certificate that nobody signed: its digest says no lie.
        let event = Event::Stranger {
            timestamp_utc: at(now),
            certificate_sha256: Hash::of(certificate).to_string(),
            reason: STRANGER,
            unrecorded_before,
        };
        self.record(&event).await
    }

    async fn record(&self, event: &Event<'_>) -> Result<Receipt, RecordError> {
        // These structs have text keys and finite values: their encoding cannot fail.
        let object = serde_json::to_vec(event).unwrap_or_default();
        let fields = object.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
        let fields = fields.unwrap_or_default().to_vec();
        let event = AuditEvent::assertion_by_channel(fields);
        let sealed = self.pipeline.record(event).map_err(|NoRoom| RecordError::NoRoom)?;
        let sealed = timeout(SEAL_WAIT, sealed).await.map_err(|_| RecordError::NotSealed)?;
        self.prove(&sealed.map_err(|_| RecordError::NotSealed)?)
    }

    fn prove(&self, sealed: &SealedEvent) -> Result<Receipt, RecordError> {
        let batch = batch::verify(&sealed.batch, &self.key).map_err(RecordError::Batch)?;
        let statement = batch.statement();
        let (seq, size) = (sealed.seq, statement.size());
        let mut prover =
            InclusionProver::new(seq, size, &batch.start()).map_err(RecordError::Proof)?;
        batch.records().iter().for_each(|record| prover.push(record.leaf));
        let path = prover.finish().map_err(RecordError::Proof)?.path;
        let index = usize::try_from(seq.saturating_sub(statement.first)).unwrap_or(usize::MAX);
        let record = batch.records().get(index).ok_or(RecordError::NotSealed)?;
        let Content::Present { payload, salt } = record.content else {
            return Err(RecordError::NotSealed);
        };
        let content = BundledContent::Present { payload: payload.to_vec(), salt };
        let record = BundledRecord { seq, stream: record.stream, content, path: path.clone() };
        let collateral = Some(&self.identity.collateral).filter(|it| !it.is_empty()).cloned();
        let bundle = ProofBundle {
            seq,
            statement: batch.signed_statement().to_vec(),
            records: vec![record],
            checkpoint: sealed.note.to_string(),
            path,
            opening: None,
            binding: self.identity.binding.clone(),
            evidence: self.identity.evidence.clone(),
            collateral,
            stamps: Vec::new(),
            baseline: None,
        };
        Ok(Receipt { seq, bundle: bundle.to_cbor() })
    }
}

fn who(asker: &Issued) -> Who<'_> {
    let certificate = asker.get();
    Who {
        who: certificate.holder.as_str(),
        role: certificate.role.as_str(),
        authority: certificate.authority.as_str(),
        certificate_id: serial_of(asker).to_string(),
    }
}

fn what<'a>(query: &'a Query, (text, salt): (QueryText, &[u8; 32])) -> What<'a> {
    What {
        verb: query.verb.as_str(),
        from_utc: utc(query.from_ns),
        to_utc: utc(query.to_ns),
        limit: query.limit.min(LIMIT_SHOWN_MAX),
        query_text: (text == QueryText::Recorded).then_some(query.text.as_str()),
        query_digest: to_hex(&commitment(salt, &query.text).0),
    }
}

fn at(now: Moment) -> String {
    utc(now.ms.saturating_mul(1_000_000))
}

fn utc(unix_ns: u64) -> String {
    let mut text = Vec::with_capacity(32);
    write_rfc3339(unix_ns, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// More rows than any role allows; longer numbers would only be mistaken for others.
const LIMIT_SHOWN_MAX: u64 = 10_000_000;

/// The certificate is not by an authority of the configuration.
pub(super) const STRANGER: &str = "no-authority";
