//! The two ends of a session, one struct a state: a step cannot be skipped for want of the struct
//! before it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use lucarne_ledger::cbor::CborError;
use lucarne_ledger::identity::{EpochId, Instance};

use crate::message::{Down, PreviousHead, Up};

/// Why a session ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SessionError {
    /// The peer's message is not one.
    Malformed(CborError),
    /// The peer sent a message that has no place here.
    OutOfOrder,
    /// The gateway refused, in its own words.
    Refused(String),
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(_) => write!(f, "peer sent a malformed message"),
            Self::OutOfOrder => write!(f, "peer sent a message out of order"),
            Self::Refused(reason) => write!(f, "gateway refused: {}", reason.escape_debug()),
        }
    }
}

impl core::error::Error for SessionError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            Self::OutOfOrder | Self::Refused(_) => None,
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
        match Down::decode(body)? {
            Down::Challenge { nonce, time_ms: _, previous } => Ok(Challenged { nonce, previous }),
            Down::Refused { reason } => Err(SessionError::Refused(reason)),
            Down::Accepted { .. } | Down::Archived { .. } | Down::JsonTaken { .. } => {
                Err(SessionError::OutOfOrder)
            }
        }
    }
}

impl Challenged {
    /// Shows evidence: the state, and the message to send.
    ///
    /// In this order: binding, evidence of the boot, fresh evidence over `nonce`, collateral.
    pub fn answer(self, shown: [&[u8]; 4]) -> (AwaitAccepted, Vec<u8>) {
        let [binding, evidence, fresh, collateral] = shown;
        (AwaitAccepted(()), Up::Evidence { binding, evidence, fresh, collateral }.encode())
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
            Down::Challenge { .. } | Down::Archived { .. } | Down::JsonTaken { .. } => {
                Err(SessionError::OutOfOrder)
            }
        }
    }
}

/// An acknowledgement as it was received; nothing of it has been checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Acknowledged {
    /// Of a ledger.
    Ledger(Vec<u8>),
    /// Of a signed log batch in JSON.
    JsonBatch(Vec<u8>),
}

impl Streaming {
    /// Takes a message: only acknowledgements have a place here.
    ///
    /// # Errors
    /// For any other message.
    pub fn on_frame(&self, body: &[u8]) -> Result<Acknowledged, SessionError> {
        match Down::decode(body)? {
            Down::Archived { acknowledgement } => Ok(Acknowledged::Ledger(acknowledgement)),
            Down::JsonTaken { acknowledgement } => Ok(Acknowledged::JsonBatch(acknowledgement)),
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
        match Up::decode(body)? {
            Up::Hello { instance, epoch } => Ok(AwaitEvidence { instance, epoch, nonce }),
            Up::Evidence { .. } | Up::Batch { .. } | Up::JsonBatch { .. } => {
                Err(SessionError::OutOfOrder)
            }
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
    /// When it is none.
    pub fn on_frame<'a>(&self, body: &'a [u8]) -> Result<[&'a [u8]; 4], SessionError> {
        match Up::decode(body)? {
            Up::Evidence { binding, evidence, fresh, collateral } => {
                Ok([binding, evidence, fresh, collateral])
            }
            Up::Hello { .. } | Up::Batch { .. } | Up::JsonBatch { .. } => {
                Err(SessionError::OutOfOrder)
            }
        }
    }
}

/// The gateway has accepted the epoch and takes batches.
#[derive(Debug)]
pub struct Receiving(());

/// What the enclave sends once it is accepted; nothing of it has been checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Incoming<'a> {
    /// A sealed batch.
    Batch(Received<'a>),
    /// A signed log batch in JSON.
    JsonBatch(&'a [u8]),
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
        (Receiving(()), Down::Accepted { archived }.encode())
    }
}

impl Receiving {
    /// Takes a message: only batches have a place here.
    ///
    /// # Errors
    /// For any other message.
    pub fn on_frame<'a>(&self, body: &'a [u8]) -> Result<Incoming<'a>, SessionError> {
        match Up::decode(body)? {
            Up::Batch { urgent, bytes, note } => {
                Ok(Incoming::Batch(Received { urgent, bytes, note }))
            }
            Up::JsonBatch { bytes } => Ok(Incoming::JsonBatch(bytes)),
            Up::Hello { .. } | Up::Evidence { .. } => Err(SessionError::OutOfOrder),
        }
    }
}
