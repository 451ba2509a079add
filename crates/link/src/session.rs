//! The two ends of a session, one struct a state: a step cannot be skipped for want of the struct
//! before it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use lucarne_ledger::cbor::CborError;
use lucarne_ledger::identity::{EpochId, Instance};

use crate::blob;
use crate::constant::Shape;
use crate::message::{Down, Fault, PROTOCOL_VERSION, PreviousHead, Up, other_version};

/// Why a session ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SessionError {
    /// The peer's message is not one.
    Malformed(CborError),
    /// The peer sent a message that has no place here.
    OutOfOrder,
    /// The peer speaks another version of the protocol.
    Version {
        /// Which.
        got: u64,
    },
    /// The enclave has no evidence to show.
    NoEvidence(Fault),
    /// The gateway refused, in its own words.
    Refused(String),
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(_) => write!(f, "peer sent a malformed message"),
            Self::OutOfOrder => write!(f, "peer sent a message out of order"),
            Self::Version { got } => write!(
                f,
                "peer speaks version {got} of the protocol, this side {PROTOCOL_VERSION}; update \
                 the older one"
            ),
            Self::NoEvidence(fault) => write!(f, "peer has no evidence: {fault}"),
            Self::Refused(reason) => write!(f, "gateway refused: {}", reason.escape_debug()),
        }
    }
}

impl core::error::Error for SessionError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            Self::OutOfOrder | Self::Version { .. } | Self::NoEvidence(_) | Self::Refused(_) => {
                None
            }
        }
    }
}

impl From<CborError> for SessionError {
    fn from(error: CborError) -> Self {
        Self::Malformed(error)
    }
}

/// The enclave has said hello and waits to be challenged.
#[derive(Debug)]
pub struct AwaitChallenge(());

/// The enclave was challenged and owes evidence.
#[derive(Debug)]
pub struct Challenged {
    /// What the evidence must carry.
    pub nonce: [u8; 32],
    /// What the host says of the epoch before.
    pub previous: Vec<PreviousHead>,
}

/// The enclave has shown evidence and waits to be accepted.
#[derive(Debug)]
pub struct AwaitAccepted(());

/// The enclave may send batches.
#[derive(Debug)]
pub struct Streaming(());

impl AwaitChallenge {
    /// Begins a session: the state, and the hello to send.
    pub fn begin(instance: Instance, epoch: EpochId) -> (Self, Vec<u8>) {
        (Self(()), Up::Hello { instance, epoch }.encode())
    }

    /// Takes the gateway's answer.
    ///
    /// # Errors
    /// When it is not a challenge.
    pub fn on_frame(self, body: &[u8]) -> Result<Challenged, SessionError> {
        check_version(body)?;
        match Down::decode(body)? {
            Down::Challenge { nonce, time_ms: _, previous } => Ok(Challenged { nonce, previous }),
            Down::Refused { reason } => Err(SessionError::Refused(reason)),
            Down::Accepted { .. }
            | Down::Archived { .. }
            | Down::JsonTaken { .. }
            | Down::Monitor { .. }
            | Down::Blob(_)
            | Down::Constant { .. }
            | Down::Cosigned { .. } => Err(SessionError::OutOfOrder),
        }
    }
}

/// Another version has other messages: it is named rather than misread.
fn check_version(body: &[u8]) -> Result<(), SessionError> {
    other_version(body).map_or(Ok(()), |got| Err(SessionError::Version { got }))
}

impl Challenged {
    /// Shows evidence: the state, and the message to send.
    ///
    /// In this order: binding, evidence of the boot, fresh evidence over `nonce`, collateral.
    pub fn answer(self, shown: [&[u8]; 4]) -> (AwaitAccepted, Vec<u8>) {
        let [binding, evidence, fresh, collateral] = shown;
        (AwaitAccepted(()), Up::Evidence { binding, evidence, fresh, collateral }.encode())
    }

    /// Says that there is none, which ends the session: the message to send.
    pub fn no_evidence(self, fault: Fault) -> Vec<u8> {
        Up::NoEvidence { fault }.encode()
    }
}

impl AwaitAccepted {
    /// Takes the gateway's answer: what is archived already, as signed acknowledgements.
    ///
    /// # Errors
    /// When it does not accept.
    pub fn on_frame(self, body: &[u8]) -> Result<(Streaming, Vec<Vec<u8>>), SessionError> {
        match Down::decode(body)? {
            Down::Accepted { archived } => Ok((Streaming(()), archived)),
            Down::Refused { reason } => Err(SessionError::Refused(reason)),
            Down::Challenge { .. }
            | Down::Archived { .. }
            | Down::JsonTaken { .. }
            | Down::Monitor { .. }
            | Down::Blob(_)
            | Down::Constant { .. }
            | Down::Cosigned { .. } => Err(SessionError::OutOfOrder),
        }
    }
}

/// What the gateway says once it has accepted; nothing of it has been checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Told {
    /// The acknowledgement of a ledger.
    Ledger(Vec<u8>),
    /// The acknowledgement of a signed log batch in JSON.
    JsonBatch(Vec<u8>),
    /// Fresh evidence is asked for, with this nonce.
    Monitor([u8; 32]),
    /// What witnesses say of a checkpoint, as a signed note; nothing of it has been checked.
    Cosigned(String),
    /// The answer to a request about blobs.
    Blob(blob::Answer),
    /// The answer to an offer of constant egress.
    Constant {
        /// The gateway's key.
        key: [u8; 32],
        /// What is to be the word of its pinned key for that.
        signature: [u8; 64],
    },
}

impl Streaming {
    /// Takes a message: only acknowledgements and questions have a place here.
    ///
    /// # Errors
    /// For any other message.
    pub fn on_frame(&self, body: &[u8]) -> Result<Told, SessionError> {
        match Down::decode(body)? {
            Down::Archived { acknowledgement } => Ok(Told::Ledger(acknowledgement)),
            Down::JsonTaken { acknowledgement } => Ok(Told::JsonBatch(acknowledgement)),
            Down::Monitor { nonce } => Ok(Told::Monitor(nonce)),
            Down::Cosigned { note } => Ok(Told::Cosigned(note)),
            Down::Blob(answer) => Ok(Told::Blob(answer)),
            Down::Constant { key, signature } => Ok(Told::Constant { key, signature }),
            Down::Refused { reason } => Err(SessionError::Refused(reason)),
            Down::Challenge { .. } | Down::Accepted { .. } => Err(SessionError::OutOfOrder),
        }
    }
}

/// The gateway has accepted a connection and waits for a hello.
#[derive(Debug)]
pub struct AwaitHello(());

/// The gateway has challenged and waits for evidence.
#[derive(Debug)]
pub struct AwaitEvidence {
    /// Who says it speaks.
    pub instance: Instance,
    /// Its boot, as it says.
    pub epoch: EpochId,
    /// What the evidence must carry.
    pub nonce: [u8; 32],
}

impl AwaitHello {
    /// Begins the gateway's end.
    pub const fn begin() -> Self {
        Self(())
    }

    /// Takes the hello; the nonce is 32 fresh random bytes.
    ///
    /// # Errors
    /// When it is none.
    pub fn on_frame(self, body: &[u8], nonce: [u8; 32]) -> Result<AwaitEvidence, SessionError> {
        check_version(body)?;
        match Up::decode(body)? {
            Up::Hello { instance, epoch } => Ok(AwaitEvidence { instance, epoch, nonce }),
            Up::Evidence { .. }
            | Up::Batch { .. }
            | Up::JsonBatch { .. }
            | Up::Fresh { .. }
            | Up::Constant { .. }
            | Up::Blob(_)
            | Up::NoEvidence { .. } => Err(SessionError::OutOfOrder),
        }
    }
}

impl AwaitEvidence {
    /// The challenge to send.
    pub fn challenge(&self, time_ms: u64, previous: Vec<PreviousHead>) -> Vec<u8> {
        Down::Challenge { nonce: self.nonce, time_ms, previous }.encode()
    }

    /// Takes what [`Challenged::answer`] shows, in its order. Nothing of it has been checked.
    ///
    /// # Errors
    /// When it is none, or the enclave has none to show.
    pub fn on_frame<'a>(&self, body: &'a [u8]) -> Result<[&'a [u8]; 4], SessionError> {
        match Up::decode(body)? {
            Up::Evidence { binding, evidence, fresh, collateral } => {
                Ok([binding, evidence, fresh, collateral])
            }
            Up::NoEvidence { fault } => Err(SessionError::NoEvidence(fault)),
            Up::Hello { .. }
            | Up::Batch { .. }
            | Up::JsonBatch { .. }
            | Up::Fresh { .. }
            | Up::Blob(_)
            | Up::Constant { .. } => Err(SessionError::OutOfOrder),
        }
    }
}

/// The gateway has accepted the epoch and takes batches.
#[derive(Debug)]
pub struct Receiving {
    // the question that is open: an answer has a place only behind one
    asked: Option<[u8; 32]>,
    // whether anything has come: the shape of what comes is agreed on before
    begun: bool,
}

/// What the enclave sends once it is accepted; nothing of it has been checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Incoming<'a> {
    /// A sealed batch.
    Batch(Received<'a>),
    /// A signed log batch in JSON.
    JsonBatch(&'a [u8]),
    /// A request about blobs that the host keeps.
    Blob(blob::Request<'a>),
    /// An offer of constant egress.
    Constant {
        /// Sizes and times.
        shape: Shape,
        /// The enclave's key.
        key: [u8; 32],
    },
    /// The answer to the question that was open.
    Answer {
        /// What was asked with.
        nonce: [u8; 32],
        /// What is answered.
        answer: Answer<'a>,
    },
}

/// What an enclave answers when it is asked for fresh evidence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer<'a> {
    /// Evidence, and what it is verified with.
    Fresh {
        /// The evidence.
        evidence: &'a [u8],
        /// Chains and lists, where the kind of evidence needs them.
        collateral: &'a [u8],
    },
    /// There is none.
    None(Fault),
}

/// One batch as it was received; nothing of it has been checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Received<'a> {
    /// Somebody waits for it to be archived.
    pub urgent: bool,
    /// The encoded batch.
    pub bytes: &'a [u8],
    /// The checkpoint that belongs to its end.
    pub note: &'a str,
}

impl AwaitEvidence {
    /// The gateway has verified the evidence: the state, and the message to send.
    pub fn accept(self, archived: Vec<Vec<u8>>) -> (Receiving, Vec<u8>) {
        (Receiving { asked: None, begun: false }, Down::Accepted { archived }.encode())
    }
}

impl Receiving {
    /// Asks for fresh evidence: the message to send. Nothing while a question is open.
    ///
    /// The nonce is 32 fresh random bytes.
    pub fn ask(&mut self, nonce: [u8; 32]) -> Option<Vec<u8>> {
        if self.asked.is_some() {
            return None;
        }
        self.asked = Some(nonce);
        Some(Down::Monitor { nonce }.encode())
    }

    /// Takes a message: only batches, and the answer to an open question, have a place here.
    ///
    /// # Errors
    /// For any other message.
    pub fn on_frame<'a>(&mut self, body: &'a [u8]) -> Result<Incoming<'a>, SessionError> {
        let begun = core::mem::replace(&mut self.begun, true);
        let answer = match Up::decode(body)? {
            Up::Constant { shape, key } if !begun => return Ok(Incoming::Constant { shape, key }),
            Up::Batch { urgent, bytes, note } => {
                return Ok(Incoming::Batch(Received { urgent, bytes, note }));
            }
            Up::JsonBatch { bytes } => return Ok(Incoming::JsonBatch(bytes)),
            Up::Blob(request) => return Ok(Incoming::Blob(request)),
            Up::Fresh { evidence, collateral } => Answer::Fresh { evidence, collateral },
            Up::NoEvidence { fault } => Answer::None(fault),
            Up::Hello { .. } | Up::Evidence { .. } | Up::Constant { .. } => {
                return Err(SessionError::OutOfOrder);
            }
        };
        let nonce = self.asked.take().ok_or(SessionError::OutOfOrder)?;
        Ok(Incoming::Answer { nonce, answer })
    }
}
