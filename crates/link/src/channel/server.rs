//! The enclave's end, one struct a state: nothing is answered before it has been attested, and no
//! piece of an answer leaves before the query was granted.

use alloc::vec::Vec;

use super::ChannelError;
use super::countersignature::Countersignature;
use super::message::{Ask, Done, Granted, Query, Refused, Tell, other_version};

/// The handshake is over; the client owes a challenge.
#[derive(Debug)]
pub struct AwaitChallenge(());

/// The client has challenged: evidence is owed.
#[derive(Debug)]
pub struct Challenged {
    /// What the evidence must answer.
    pub nonce: [u8; 32],
}

/// The client has evidence and may ask.
#[derive(Debug)]
pub struct Serving(());

/// A query waits for its verdict.
#[derive(Debug)]
pub struct Deciding(());

/// An answer is being sent.
#[derive(Debug)]
pub struct Sending(());

/// What a client says once it has evidence.
#[derive(Debug)]
pub enum Incoming {
    /// It wants fresh evidence.
    Challenge(Challenged),
    /// It asks.
    Query {
        /// The state to answer from.
        deciding: Deciding,
        /// What it asks.
        query: Query,
        /// A second person's word for it.
        countersignature: Option<Countersignature>,
    },
}

impl AwaitChallenge {
    /// Begins the enclave's end.
    pub const fn begin() -> Self {
        Self(())
    }

    /// Takes the challenge.
    ///
    /// # Errors
    /// When it is none, or of another version.
    pub fn on_frame(self, body: &[u8]) -> Result<Challenged, ChannelError> {
        if let Some(got) = other_version(body) {
            return Err(ChannelError::Version { got });
        }
        match Ask::decode(body)? {
            Ask::Challenge { nonce } => Ok(Challenged { nonce }),
            Ask::Query { .. } => Err(ChannelError::OutOfOrder),
        }
    }
}

impl Challenged {
    /// Shows evidence, in this order: binding, evidence, collateral.
    pub fn answer(self, shown: [Vec<u8>; 3]) -> (Serving, Vec<u8>) {
        let [binding, evidence, collateral] = shown;
        (Serving(()), Tell::Attested { binding, evidence, collateral }.encode())
    }
}

impl Serving {
    /// Takes a message.
    ///
    /// # Errors
    /// When it is neither a challenge nor a query.
    pub fn on_frame(self, body: &[u8]) -> Result<Incoming, ChannelError> {
        match Ask::decode(body)? {
            Ask::Challenge { nonce } => Ok(Incoming::Challenge(Challenged { nonce })),
            Ask::Query { query, countersignature } => {
                Ok(Incoming::Query { deciding: Deciding(()), query, countersignature })
            }
        }
    }
}

impl Deciding {
    /// Refuses: the state, and the message to send.
    pub fn refuse(self, refused: Refused) -> (Serving, Vec<u8>) {
        (Serving(()), Tell::Refused(refused).encode())
    }

    /// Grants: the state, and the message to send before the answer.
    pub fn grant(self, granted: Granted) -> (Sending, Vec<u8>) {
        (Sending(()), Tell::Granted(granted).encode())
    }
}

impl Sending {
    /// A piece of the answer.
    pub fn chunk(&self, bytes: Vec<u8>) -> Vec<u8> {
        Tell::Chunk { bytes }.encode()
    }

    /// The end of the answer.
    pub fn done(self, done: Done) -> (Serving, Vec<u8>) {
        (Serving(()), Tell::Done(done).encode())
    }

    /// Breaks it off.
    pub fn fail(self, refused: Refused) -> (Serving, Vec<u8>) {
        (Serving(()), Tell::Refused(refused).encode())
    }
}
