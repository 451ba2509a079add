//! The client's end, one struct a state: what is not verified cannot be asked.

use alloc::vec::Vec;

use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{EpochId, Instance};

use super::countersignature::Countersignature;
use super::message::{Ask, Done, Granted, Query, Refused, Tell};
use super::{Binder, ChannelError};

/// Whom the client wants to speak to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wanted {
    /// This workload; `None` is whichever the evidence names, and the verdict must say so.
    pub instance: Option<Instance>,
    /// This boot of it; `None` is the one that answers.
    pub epoch: Option<EpochId>,
}

/// The client has challenged and waits for evidence.
///
/// ```compile_fail
/// use lucarne_link::channel::{client, message::Query};
/// fn ask_too_early(waiting: client::AwaitAttested, query: Query) {
///     waiting.ask(query, None); // only `Ready` can ask, and only judged evidence makes one
/// }
/// ```
#[derive(Debug)]
pub struct AwaitAttested {
    nonce: [u8; 32],
}

/// What the enclave has shown; nothing of it has been checked.
#[derive(Debug)]
pub struct Shown {
    nonce: [u8; 32],
    binding: EpochBinding,
    evidence: Vec<u8>,
    collateral: Vec<u8>,
}

/// What a judge of evidence is handed.
#[derive(Debug)]
pub struct Exhibit<'a> {
    /// What was shown, not checked but for the key of the connection.
    pub binding: &'a EpochBinding,
    /// The evidence.
    pub evidence: &'a [u8],
    /// What goes with it.
    pub collateral: &'a [u8],
    /// The nonce that was sent.
    pub nonce: &'a [u8; 32],
    /// The connection, as the client's own TLS knows it.
    pub binder: &'a Binder,
}

/// The evidence is judged and accepted: the client may ask.
///
/// ```compile_fail
/// let forged = lucarne_link::channel::client::Ready(()); // private field
/// ```
#[derive(Debug)]
pub struct Ready(());

/// The client has asked and waits to be granted or refused.
#[derive(Debug)]
pub struct Asked(());

/// The client takes an answer.
#[derive(Debug)]
pub struct Answering(());

/// What became of a query.
#[derive(Debug)]
pub enum Verdict {
    /// An answer follows.
    Granted(Answering, Granted),
    /// There is none.
    Refused(Ready, Refused),
}

/// The next part of an answer.
#[derive(Debug)]
pub enum Part {
    /// A piece of it.
    Chunk(Answering, Vec<u8>),
    /// Its end.
    Done(Ready, Done),
    /// It broke off, in the enclave's words.
    Refused(Ready, Refused),
}

impl AwaitAttested {
    /// Begins a channel: the state, and the challenge to send. The nonce is 32 fresh random bytes.
    pub fn begin(nonce: [u8; 32]) -> (Self, Vec<u8>) {
        (Self { nonce }, Ask::Challenge { nonce }.encode())
    }

    /// Takes the enclave's answer.
    ///
    /// # Errors
    /// When it is no evidence.
    pub fn on_frame(self, body: &[u8]) -> Result<Shown, ChannelError> {
        match Tell::decode(body)? {
            Tell::Attested { binding, evidence, collateral } => {
                let binding = EpochBinding::from_cbor(&binding)?;
                Ok(Shown { nonce: self.nonce, binding, evidence, collateral })
            }
            Tell::Refused(Refused { reason, .. }) => Err(ChannelError::RefusedUnproven { reason }),
            Tell::Granted(_) | Tell::Chunk { .. } | Tell::Done(_) => Err(ChannelError::OutOfOrder),
        }
    }
}

impl Shown {
    /// Checks that the epoch speaks of this connection's key and is the one that was wanted, then
    /// has the evidence judged. The judge's word is what makes a [`Ready`]: it must compare report
    /// data, nonce and key, and everything else of evidence.
    ///
    /// # Errors
    /// When a check fails, or the judge's own.
    pub fn judge<T, E: From<ChannelError>>(
        self,
        binder: &Binder,
        wanted: &Wanted,
        judge: impl FnOnce(&Exhibit<'_>) -> Result<T, E>,
    ) -> Result<(Ready, T), E> {
        self.check(binder, wanted)?;
        let judged = judge(&Exhibit {
            binding: &self.binding,
            evidence: &self.evidence,
            collateral: &self.collateral,
            nonce: &self.nonce,
            binder,
        })?;
        Ok((Ready(()), judged))
    }

    pub(super) fn check(&self, binder: &Binder, wanted: &Wanted) -> Result<(), ChannelError> {
        let key = self.binding.channel_spki.as_deref().map(Hash::of);
        if key != Some(Hash(binder.leaf_spki_sha256)) {
            return Err(ChannelError::AnotherKey);
        }
        if wanted.instance.as_ref().is_some_and(|wanted| *wanted != self.binding.instance) {
            return Err(ChannelError::AnotherInstance { got: self.binding.instance.clone() });
        }
        let got = self.binding.epoch_id();
        match wanted.epoch {
            Some(wanted) if wanted != got => Err(ChannelError::AnotherEpoch { got }),
            Some(_) | None => Ok(()),
        }
    }
}

impl Ready {
    /// Asks: the state, and the message to send.
    pub fn ask(self, query: Query, countersignature: Option<Countersignature>) -> (Asked, Vec<u8>) {
        (Asked(()), Ask::Query { query, countersignature }.encode())
    }

    /// Has the enclave show evidence once more, with another nonce: evidence grows old.
    pub fn renew(self, nonce: [u8; 32]) -> (AwaitAttested, Vec<u8>) {
        AwaitAttested::begin(nonce)
    }
}

impl Asked {
    /// Takes the enclave's answer.
    ///
    /// # Errors
    /// When it neither grants nor refuses.
    pub fn on_frame(self, body: &[u8]) -> Result<Verdict, ChannelError> {
        match Tell::decode(body)? {
            Tell::Granted(granted) => Ok(Verdict::Granted(Answering(()), granted)),
            Tell::Refused(refused) => Ok(Verdict::Refused(Ready(()), refused)),
            Tell::Attested { .. } | Tell::Chunk { .. } | Tell::Done(_) => {
                Err(ChannelError::OutOfOrder)
            }
        }
    }
}

impl Answering {
    /// Takes the next part.
    ///
    /// # Errors
    /// When it is none.
    pub fn on_frame(self, body: &[u8]) -> Result<Part, ChannelError> {
        match Tell::decode(body)? {
            Tell::Chunk { bytes } => Ok(Part::Chunk(self, bytes)),
            Tell::Done(done) => Ok(Part::Done(Ready(()), done)),
            Tell::Refused(refused) => Ok(Part::Refused(Ready(()), refused)),
            Tell::Attested { .. } | Tell::Granted(_) => Err(ChannelError::OutOfOrder),
        }
    }
}
