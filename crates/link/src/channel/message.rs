//! Messages of the channel; deterministic CBOR after one byte of kind, in the frames of the uplink.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use lucarne_ledger::cbor::{CborError, Reader, Writer};

use super::CHANNEL_VERSION;
use super::countersignature::Countersignature;

/// Longest text of a query.
pub const TEXT_BYTES_MAX: usize = 16 << 10;
/// Longest piece of an answer.
pub const CHUNK_BYTES_MAX: usize = 256 << 10;
/// Longest text of a refusal, and of why an answer is partial.
pub const REASON_BYTES_MAX: usize = 512;

/// What may be asked; roles list these by name.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Verb {
    /// Evidence of the boot and fresh evidence.
    Attestation,
    /// The newest log records as they were received.
    Recent,
    /// Log records by a filter.
    Logs,
    /// A LogQL query.
    Logql,
    /// One trace.
    Trace,
    /// Names and values of labels.
    Labels,
    /// A request of Loki's HTTP API: path and query.
    Loki,
    /// A request of Tempo's HTTP API: path and query.
    Tempo,
}

impl Verb {
    /// All of them, in the order of their numbers from 1.
    pub const ALL: [Self; 8] = [
        Self::Attestation,
        Self::Recent,
        Self::Logs,
        Self::Logql,
        Self::Trace,
        Self::Labels,
        Self::Loki,
        Self::Tempo,
    ];

    /// Its name in configuration, records and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attestation => "attestation",
            Self::Recent => "recent",
            Self::Logs => "logs",
            Self::Logql => "logql",
            Self::Trace => "trace",
            Self::Labels => "labels",
            Self::Loki => "loki",
            Self::Tempo => "tempo",
        }
    }

    const fn code(self) -> u64 {
        self as u64 + 1
    }

    fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.code() == code)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no verb.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAVerb;

impl fmt::Display for NotAVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected one of")?;
        Verb::ALL.iter().try_for_each(|verb| write!(f, " {verb}"))
    }
}

impl core::error::Error for NotAVerb {}

impl FromStr for Verb {
    type Err = NotAVerb;

    fn from_str(text: &str) -> Result<Self, NotAVerb> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == text).ok_or(NotAVerb)
    }
}

/// One question to the inside view.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Query {
    /// What is asked.
    pub verb: Verb,
    /// In the words of the verb: a filter, a query, a path; may be empty.
    pub text: String,
    /// First nanosecond since 1970 that is asked about.
    pub from_ns: u64,
    /// The nanosecond after the last; the largest number for "to the newest".
    pub to_ns: u64,
    /// Most rows that are wanted.
    pub limit: u64,
}

/// From the client to the enclave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ask {
    /// Show evidence for this connection.
    Challenge {
        /// Fresh random bytes.
        nonce: [u8; 32],
    },
    /// A question.
    Query {
        /// What is asked.
        query: Query,
        /// A second person's word for it, where the role wants one.
        countersignature: Option<Countersignature>,
    },
}

/// From the enclave to the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Tell {
    /// Answer to a challenge.
    Attested {
        /// The epoch binding.
        binding: Vec<u8>,
        /// What the hardware signed just now over this connection.
        evidence: Vec<u8>,
        /// What goes with it; may be empty.
        collateral: Vec<u8>,
    },
    /// The query is recorded and will be answered.
    Granted(Granted),
    /// A piece of the answer.
    Chunk {
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// The end of the answer.
    Done(Done),
    /// There is no answer.
    Refused(Refused),
}

/// What comes before an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Granted {
    /// The record of the query with its proof: a proof bundle.
    pub receipt: Vec<u8>,
    /// Whether the record is under a checkpoint that a quorum of witnesses has cosigned.
    pub anchored: bool,
    /// Whether a source that the host cannot forge says that it is not later than the certificate
    /// allows.
    pub time_verified: bool,
    /// What hides the text of the query in its record: SHA-256 of these bytes and the text is
    /// there.
    pub salt: [u8; 32],
}

/// What comes after an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Done {
    /// Rows of the answer.
    pub rows: u64,
    /// Bytes of the answer.
    pub bytes: u64,
    /// Why there would have been more, if there would.
    pub partial: Option<String>,
    /// The record of the answer with its proof: a proof bundle.
    pub receipt: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// For programs.
    pub code: String,
    /// For people: what is not allowed, and what would be.
    pub reason: String,
    /// The record of the refusal with its proof, where one could be made.
    pub receipt: Option<Vec<u8>>,
    /// As in [`Granted`].
    pub time_verified: bool,
}

const CHALLENGE: u8 = 1;
const QUERY: u8 = 2;
const ATTESTED: u8 = 65;
const GRANTED: u8 = 66;
const CHUNK: u8 = 67;
const DONE: u8 = 68;
const REFUSED: u8 = 69;

/// The version that a challenge names, if it is another one than ours.
pub(super) fn other_version(body: &[u8]) -> Option<u64> {
    let mut reader = Reader::new(body.strip_prefix(&[CHALLENGE])?);
    let named = reader.array().and_then(|_| reader.uint()).ok()?;
    (named != CHANNEL_VERSION).then_some(named)
}

impl Query {
    /// Its fields, as they stand in messages and under countersignatures.
    pub(super) fn write(&self, out: &mut Writer) {
        out.array(5).uint(self.verb.code()).text(&self.text);
        out.uint(self.from_ns).uint(self.to_ns).uint(self.limit);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        array_of(reader, 5)?;
        let verb = Verb::from_code(reader.uint()?).ok_or(CborError::Value)?;
        let text = bounded(reader.text()?, TEXT_BYTES_MAX)?;
        let (from_ns, to_ns) = (reader.uint()?, reader.uint()?);
        if from_ns > to_ns {
            return Err(CborError::Value);
        }
        Ok(Self { verb, text, from_ns, to_ns, limit: reader.uint()? })
    }
}

impl Ask {
    /// The body of its frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out;
        match self {
            Self::Challenge { nonce } => {
                out = Writer::after(alloc::vec![CHALLENGE]);
                out.array(2).uint(CHANNEL_VERSION).bytes(nonce);
            }
            Self::Query { query, countersignature } => {
                out = Writer::after(alloc::vec![QUERY]);
                out.array(2);
                query.write(&mut out);
                match countersignature {
                    None => drop(out.null()),
                    Some(second) => second.write(&mut out),
                }
            }
        }
        out.finish()
    }

    /// Reads the body of a frame.
    ///
    /// # Errors
    /// When it is none of these messages in its one spelling.
    pub fn decode(body: &[u8]) -> Result<Self, CborError> {
        let (kind, rest) = body.split_first().ok_or(CborError::Truncated)?;
        let mut reader = Reader::new(rest);
        array_of(&mut reader, 2)?;
        let message = match *kind {
            CHALLENGE => {
                reader.exactly(CHANNEL_VERSION)?;
                Self::Challenge { nonce: reader.array_of()? }
            }
            QUERY => {
                let query = Query::read(&mut reader)?;
                let countersignature = match reader.null() {
                    true => None,
                    false => Some(Countersignature::read(&mut reader)?),
                };
                Self::Query { query, countersignature }
            }
            _ => return Err(CborError::Value),
        };
        reader.end()?;
        Ok(message)
    }
}

impl Tell {
    /// The body of its frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out;
        match self {
            Self::Attested { binding, evidence, collateral } => {
                out = Writer::after(alloc::vec![ATTESTED]);
                out.array(3).bytes(binding).bytes(evidence).bytes(collateral);
            }
            Self::Granted(Granted { receipt, anchored, time_verified, salt }) => {
                out = Writer::after(alloc::vec![GRANTED]);
                out.array(4).bytes(receipt).uint(u64::from(*anchored));
                out.uint(u64::from(*time_verified)).bytes(salt);
            }
            Self::Chunk { bytes } => {
                out = Writer::after(alloc::vec![CHUNK]);
                out.array(1).bytes(bytes);
            }
            Self::Done(Done { rows, bytes, partial, receipt }) => {
                out = Writer::after(alloc::vec![DONE]);
                out.array(4).uint(*rows).uint(*bytes);
                match partial {
                    None => out.null(),
                    Some(why) => out.text(cut(why)),
                };
                out.bytes(receipt);
            }
            Self::Refused(Refused { code, reason, receipt, time_verified }) => {
                out = Writer::after(alloc::vec![REFUSED]);
                out.array(4).text(cut(code)).text(cut(reason));
                match receipt {
                    None => out.null(),
                    Some(receipt) => out.bytes(receipt),
                };
                out.uint(u64::from(*time_verified));
            }
        }
        out.finish()
    }

    /// Reads the body of a frame.
    ///
    /// # Errors
    /// When it is none of these messages in its one spelling.
    pub fn decode(body: &[u8]) -> Result<Self, CborError> {
        let (kind, rest) = body.split_first().ok_or(CborError::Truncated)?;
        let mut reader = Reader::new(rest);
        let message = match *kind {
            ATTESTED => {
                array_of(&mut reader, 3)?;
                let (binding, evidence) = (reader.bytes()?.to_vec(), reader.bytes()?.to_vec());
                Self::Attested { binding, evidence, collateral: reader.bytes()?.to_vec() }
            }
            GRANTED => {
                array_of(&mut reader, 4)?;
                let receipt = reader.bytes()?.to_vec();
                let (anchored, time_verified) = (flag(&mut reader)?, flag(&mut reader)?);
                let salt = reader.array_of()?;
                Self::Granted(Granted { receipt, anchored, time_verified, salt })
            }
            CHUNK => {
                array_of(&mut reader, 1)?;
                let bytes = reader.bytes()?;
                if bytes.is_empty() || bytes.len() > CHUNK_BYTES_MAX {
                    return Err(CborError::Value);
                }
                Self::Chunk { bytes: bytes.to_vec() }
            }
            DONE => {
                array_of(&mut reader, 4)?;
                let (rows, bytes) = (reader.uint()?, reader.uint()?);
                let partial = optional(&mut reader, |r| bounded(r.text()?, REASON_BYTES_MAX))?;
                Self::Done(Done { rows, bytes, partial, receipt: reader.bytes()?.to_vec() })
            }
            REFUSED => {
                array_of(&mut reader, 4)?;
                let code = bounded(reader.text()?, REASON_BYTES_MAX)?;
                let reason = bounded(reader.text()?, REASON_BYTES_MAX)?;
                let receipt = optional(&mut reader, |r| Ok(r.bytes()?.to_vec()))?;
                let time_verified = flag(&mut reader)?;
                Self::Refused(Refused { code, reason, receipt, time_verified })
            }
            _ => return Err(CborError::Value),
        };
        reader.end()?;
        Ok(message)
    }
}

pub(super) fn array_of(reader: &mut Reader<'_>, items: u64) -> Result<(), CborError> {
    if reader.array()? == items { Ok(()) } else { Err(CborError::Value) }
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, CborError> {
    match reader.uint()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(CborError::Value),
    }
}

fn optional<'a, T>(
    reader: &mut Reader<'a>,
    some: impl FnOnce(&mut Reader<'a>) -> Result<T, CborError>,
) -> Result<Option<T>, CborError> {
    if reader.null() { Ok(None) } else { some(reader).map(Some) }
}

fn bounded(text: &str, bytes_max: usize) -> Result<String, CborError> {
    if text.len() <= bytes_max { Ok(text.to_owned()) } else { Err(CborError::Value) }
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(REASON_BYTES_MAX)).unwrap_or_default()
}
