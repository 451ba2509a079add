//! What the two sides say to each other; deterministic CBOR after one byte of kind.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use lucarne_ledger::cbor::{CborError, Reader, Writer};
use lucarne_ledger::identity::{EpochId, Instance, LedgerKind};

use crate::blob;
use crate::constant::Shape;

/// Version of the protocol. A peer with another one is refused by name.
pub const PROTOCOL_VERSION: u64 = 2;
/// Most checkpoints of the epoch before, and most acknowledgements at the start: one a ledger.
const LEDGERS_MAX: u64 = 2;
/// Longest text of a refusal.
const REASON_BYTES_MAX: usize = 512;

/// From the enclave to the gateway.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Up<'a> {
    /// Who wants to speak.
    Hello {
        /// The workload.
        instance: Instance,
        /// Its boot.
        epoch: EpochId,
    },
    /// Why the epoch's key is to be believed.
    Evidence {
        /// The epoch binding.
        binding: &'a [u8],
        /// What the hardware signed over it at boot; its digest is in the `open` record.
        evidence: &'a [u8],
        /// What it signed just now over binding and the challenge's nonce.
        fresh: &'a [u8],
        /// Chains, TCB information and revocation lists, where the kind of evidence needs them.
        collateral: &'a [u8],
    },
    /// A sealed batch.
    Batch {
        /// Somebody waits for it to be archived.
        urgent: bool,
        /// The encoded batch.
        bytes: &'a [u8],
        /// The signed checkpoint of the ledger right after it.
        note: &'a str,
    },
    /// A signed log batch in JSON, from an enclave that is configured to make them.
    JsonBatch {
        /// The JSON object.
        bytes: &'a [u8],
    },
    /// Answer to a question: what the hardware signed just now over binding and nonce.
    Fresh {
        /// The evidence.
        evidence: &'a [u8],
        /// As for the evidence of the boot.
        collateral: &'a [u8],
    },
    /// Answer to a challenge or a question when there can be no evidence.
    NoEvidence {
        /// Why not.
        fault: Fault,
    },
    /// Asks for something about blobs that the host keeps; one request is open at a time.
    Blob(blob::Request<'a>),
    /// Asks for constant egress, before anything else is sent.
    Constant {
        /// Sizes and times.
        shape: Shape,
        /// An X25519 key for this session.
        key: [u8; 32],
    },
}

/// Why there is no evidence; what the device said is in the enclave's own log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The evidence device fails, refuses, or answers what is no evidence.
    Device,
    /// The evidence device does not answer in time.
    TimedOut,
    /// The enclave itself cannot draw a key, sign or tell the time.
    Own,
}

impl Fault {
    const fn code(self) -> u64 {
        match self {
            Self::Device => 1,
            Self::TimedOut => 2,
            Self::Own => 3,
        }
    }

    const fn from_code(code: u64) -> Option<Self> {
        match code {
            1 => Some(Self::Device),
            2 => Some(Self::TimedOut),
            3 => Some(Self::Own),
            _ => None,
        }
    }
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Device => "the evidence device fails",
            Self::TimedOut => "the evidence device does not answer in time",
            Self::Own => "the enclave cannot make evidence",
        })
    }
}

/// From the gateway to the enclave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Down {
    /// Answer to a hello.
    Challenge {
        /// Fresh random bytes that the evidence must carry.
        nonce: [u8; 32],
        /// The gateway's clock in milliseconds since the Unix epoch; a hint that nothing relies on.
        time_ms: u64,
        /// Last heads of the epoch before.
        previous: Vec<PreviousHead>,
    },
    /// The evidence is accepted; signed acknowledgements say what is archived already.
    Accepted {
        /// One for each ledger of which something is archived.
        archived: Vec<Vec<u8>>,
    },
    /// A signed acknowledgement.
    Archived {
        /// COSE_Sign1 by the gateway's pinned key.
        acknowledgement: Vec<u8>,
    },
    /// A signed acknowledgement of a signed log batch in JSON.
    JsonTaken {
        /// COSE_Sign1 by the gateway's pinned key.
        acknowledgement: Vec<u8>,
    },
    /// A checkpoint of this epoch with the lines of witnesses.
    Cosigned {
        /// The signed note.
        note: String,
    },
    /// Asks for fresh evidence; one question at a time.
    Monitor {
        /// Fresh random bytes that the evidence must carry.
        nonce: [u8; 32],
    },
    /// Answer to [`Up::Blob`].
    Blob(blob::Answer),
    /// Answer to [`Up::Constant`]; what follows in both directions is cells.
    Constant {
        /// An X25519 key for this session.
        key: [u8; 32],
        /// Over both keys, the shape and the epoch, by the gateway's pinned key.
        signature: [u8; 64],
    },
    /// The gateway will not go on, and why.
    Refused {
        /// For the operator; it comes from the host and is not to be believed.
        reason: String,
    },
}

/// The head of a ledger of the epoch before, as the host tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PreviousHead {
    /// The epoch.
    pub epoch: EpochId,
    /// Which ledger.
    pub kind: LedgerKind,
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: [u8; 32],
}

const HELLO: u8 = 1;
const EVIDENCE: u8 = 2;
const BATCH: u8 = 3;
const JSON_BATCH: u8 = 4;
const FRESH: u8 = 5;
const NO_EVIDENCE: u8 = 6;
const CONSTANT: u8 = 7;
const BLOB: u8 = 8;
const CHALLENGE: u8 = 65;
const ACCEPTED: u8 = 66;
const ARCHIVED: u8 = 67;
const REFUSED: u8 = 68;
const JSON_TAKEN: u8 = 69;
const MONITOR: u8 = 70;
const COSIGNED: u8 = 71;
const CONSTANT_ANSWER: u8 = 72;
const BLOB_ANSWER: u8 = 73;

/// The version that the first message of a peer names, if it is another one than ours.
pub(crate) fn other_version(body: &[u8]) -> Option<u64> {
    let (kind, rest) = body.split_first()?;
    let mut reader = Reader::new(rest);
    let named = match *kind {
        HELLO | CHALLENGE => reader.array().and_then(|_| reader.uint()).ok()?,
        _ => return None,
    };
    (named != PROTOCOL_VERSION).then_some(named)
}

impl<'a> Up<'a> {
    /// The body of its frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out;
        match self {
            Self::Hello { instance, epoch } => {
                out = Writer::after(alloc::vec![HELLO]);
                out.array(3).uint(PROTOCOL_VERSION).text(instance.as_str()).bytes(&epoch.0);
            }
            Self::Evidence { binding, evidence, fresh, collateral } => {
                out = Writer::after(alloc::vec![EVIDENCE]);
                out.array(4).bytes(binding).bytes(evidence).bytes(fresh).bytes(collateral);
            }
            Self::Batch { urgent, bytes, note } => {
                let mut body = Vec::with_capacity(bytes.len() + note.len() + 16);
                body.push(BATCH);
                out = Writer::after(body);
                out.array(3).uint(u64::from(*urgent)).bytes(bytes).text(note);
            }
            Self::JsonBatch { bytes } => {
                let mut body = Vec::with_capacity(bytes.len() + 8);
                body.push(JSON_BATCH);
                out = Writer::after(body);
                out.array(1).bytes(bytes);
            }
            Self::Fresh { evidence, collateral } => {
                out = Writer::after(alloc::vec![FRESH]);
                out.array(2).bytes(evidence).bytes(collateral);
            }
            Self::NoEvidence { fault } => {
                out = Writer::after(alloc::vec![NO_EVIDENCE]);
                out.array(1).uint(fault.code());
            }
            Self::Blob(request) => {
                out = Writer::after(alloc::vec![BLOB]);
                request.write(&mut out);
            }
            Self::Constant { shape, key } => {
                out = Writer::after(alloc::vec![CONSTANT]);
                out.array(3).uint(shape.interval_ms()).uint(shape.frame_bytes()).bytes(key);
            }
        }
        out.finish()
    }

    /// Reads the body of a frame.
    ///
    /// # Errors
    /// When it is none of these messages in its one spelling.
    pub fn decode(body: &'a [u8]) -> Result<Self, CborError> {
        let (kind, rest) = body.split_first().ok_or(CborError::Truncated)?;
        let mut reader = Reader::new(rest);
        let message = match *kind {
            HELLO => {
                array_of(&mut reader, 3)?;
                reader.exactly(PROTOCOL_VERSION)?;
                let instance = reader.text()?.parse().map_err(|_| CborError::Value)?;
                Self::Hello { instance, epoch: EpochId(reader.array_of()?) }
            }
            EVIDENCE => {
                array_of(&mut reader, 4)?;
                let (binding, evidence) = (reader.bytes()?, reader.bytes()?);
                Self::Evidence {
                    binding,
                    evidence,
                    fresh: reader.bytes()?,
                    collateral: reader.bytes()?,
                }
            }
            BATCH => {
                array_of(&mut reader, 3)?;
                let (urgent, bytes) = (flag(&mut reader)?, reader.bytes()?);
                Self::Batch { urgent, bytes, note: reader.text()? }
            }
            JSON_BATCH => {
                array_of(&mut reader, 1)?;
                Self::JsonBatch { bytes: reader.bytes()? }
            }
            FRESH => {
                array_of(&mut reader, 2)?;
                let evidence = reader.bytes()?;
                Self::Fresh { evidence, collateral: reader.bytes()? }
            }
            NO_EVIDENCE => {
                array_of(&mut reader, 1)?;
                let fault = Fault::from_code(reader.uint()?).ok_or(CborError::Value)?;
                Self::NoEvidence { fault }
            }
            BLOB => Self::Blob(blob::Request::read(&mut reader)?),
            CONSTANT => {
                array_of(&mut reader, 3)?;
                let (interval, bytes) = (reader.uint()?, reader.uint()?);
                let shape = Shape::new(interval, bytes).ok_or(CborError::Value)?;
                Self::Constant { shape, key: reader.array_of()? }
            }
            _ => return Err(CborError::Value),
        };
        reader.end()?;
        Ok(message)
    }
}

impl Down {
    /// The body of its frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out;
        match self {
            Self::Challenge { nonce, time_ms, previous } => {
                out = Writer::after(alloc::vec![CHALLENGE]);
                out.array(4).uint(PROTOCOL_VERSION).bytes(nonce).uint(*time_ms);
                out.array(previous.len() as u64);
                for head in previous {
                    out.array(4).bytes(&head.epoch.0).uint(head.kind.code());
                    out.uint(head.size).bytes(&head.root);
                }
            }
            Self::Accepted { archived } => {
                out = Writer::after(alloc::vec![ACCEPTED]);
                out.array(archived.len() as u64);
                for acknowledgement in archived {
                    out.bytes(acknowledgement);
                }
            }
            Self::Archived { acknowledgement } => {
                out = Writer::after(alloc::vec![ARCHIVED]);
                out.array(1).bytes(acknowledgement);
            }
            Self::JsonTaken { acknowledgement } => {
                out = Writer::after(alloc::vec![JSON_TAKEN]);
                out.array(1).bytes(acknowledgement);
            }
            Self::Cosigned { note } => {
                out = Writer::after(alloc::vec![COSIGNED]);
                out.array(1).text(note);
            }
            Self::Monitor { nonce } => {
                out = Writer::after(alloc::vec![MONITOR]);
                out.array(1).bytes(nonce);
            }
            Self::Blob(answer) => {
                out = Writer::after(alloc::vec![BLOB_ANSWER]);
                answer.write(&mut out);
            }
            Self::Constant { key, signature } => {
                out = Writer::after(alloc::vec![CONSTANT_ANSWER]);
                out.array(2).bytes(key).bytes(signature);
            }
            Self::Refused { reason } => {
                out = Writer::after(alloc::vec![REFUSED]);
                let end = reason.floor_char_boundary(REASON_BYTES_MAX);
                out.array(1).text(reason.get(..end).unwrap_or_default());
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
            CHALLENGE => {
                array_of(&mut reader, 4)?;
                reader.exactly(PROTOCOL_VERSION)?;
                let (nonce, time_ms) = (reader.array_of()?, reader.uint()?);
                let previous = list(&mut reader, previous_head)?;
                Self::Challenge { nonce, time_ms, previous }
            }
            ACCEPTED => {
                Self::Accepted { archived: list(&mut reader, |r| Ok(r.bytes()?.to_vec()))? }
            }
            ARCHIVED => {
                array_of(&mut reader, 1)?;
                Self::Archived { acknowledgement: reader.bytes()?.to_vec() }
            }
            JSON_TAKEN => {
                array_of(&mut reader, 1)?;
                Self::JsonTaken { acknowledgement: reader.bytes()?.to_vec() }
            }
            COSIGNED => {
                array_of(&mut reader, 1)?;
                Self::Cosigned { note: reader.text()?.to_owned() }
            }
            MONITOR => {
                array_of(&mut reader, 1)?;
                Self::Monitor { nonce: reader.array_of()? }
            }
            BLOB_ANSWER => Self::Blob(blob::Answer::read(&mut reader)?),
            CONSTANT_ANSWER => {
                array_of(&mut reader, 2)?;
                Self::Constant { key: reader.array_of()?, signature: reader.array_of()? }
            }
            REFUSED => {
                array_of(&mut reader, 1)?;
                let reason = reader.text()?;
                if reason.len() > REASON_BYTES_MAX {
                    return Err(CborError::Value);
                }
                Self::Refused { reason: reason.to_owned() }
            }
            _ => return Err(CborError::Value),
        };
        reader.end()?;
        Ok(message)
    }
}

fn array_of(reader: &mut Reader<'_>, items: u64) -> Result<(), CborError> {
    if reader.array()? == items { Ok(()) } else { Err(CborError::Value) }
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, CborError> {
    match reader.uint()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(CborError::Value),
    }
}

fn list<'a, T>(
    reader: &mut Reader<'a>,
    mut item: impl FnMut(&mut Reader<'a>) -> Result<T, CborError>,
) -> Result<Vec<T>, CborError> {
    let count = reader.array()?;
    if count > LEDGERS_MAX {
        return Err(CborError::Value);
    }
    (0..count).map(|_| item(reader)).collect()
}

fn previous_head(reader: &mut Reader<'_>) -> Result<PreviousHead, CborError> {
    array_of(reader, 4)?;
    let epoch = EpochId(reader.array_of()?);
    let kind = LedgerKind::from_code(reader.uint()?).ok_or(CborError::Value)?;
    Ok(PreviousHead { epoch, kind, size: reader.uint()?, root: reader.array_of()? })
}

#[cfg(test)]
mod tests;
