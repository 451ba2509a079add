//! The attested channel: what client and enclave say to each other inside TLS, without I/O.
//!
//! TLS alone proves that somebody holds a key. The first thing that a client says is therefore a
//! challenge, and the enclave answers it with evidence over this very connection: version, role,
//! the client's nonce, its own key, the TLS exporter and the epoch ([`end`]). Only a client that
//! has judged that evidence has a [`client::Ready`], and only that one can ask; there is no other
//! way to make a query.

pub mod client;
pub mod countersignature;
pub mod message;
pub mod server;

use alloc::string::String;
use core::fmt;

use lucarne_ledger::binding::BindingError;
use lucarne_ledger::cbor::CborError;
use lucarne_ledger::identity::{EpochId, Instance};
use lucarne_ledger::report_data::ChannelEnd;

/// Version of the protocol; part of what evidence is bound to.
pub const CHANNEL_VERSION: u64 = 1;
/// The one protocol that both ends name in the TLS handshake (RFC 7301).
pub const ALPN: &[u8] = b"lucarne-channel/1";
/// Label of the TLS exporter (RFC 8446 §7.5); its context is the role.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-lucarne-channel-v1";
/// The role of the end that shows evidence. Evidence for another role is none: without it an
/// attester's own answer could be reflected to it.
pub const ROLE_ENCLAVE: &str = "enclave";
/// Longest frame towards the enclave: a query and a countersignature.
pub const ASK_BYTES_MAX: usize = 32 << 10;
/// Longest frame towards the client: evidence with its collateral, or a proof of a record.
pub const TELL_BYTES_MAX: usize = 1 << 20;

/// What TLS says of a connection: the same at both ends, and on no other connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Binder {
    /// SHA-256 of the SubjectPublicKeyInfo of the enclave's certificate.
    pub leaf_spki_sha256: [u8; 32],
    /// The exporter for [`EXPORTER_LABEL`] and [`ROLE_ENCLAVE`].
    pub exporter: [u8; 32],
}

/// What evidence for the enclave's end of this connection is bound to.
pub const fn end<'a>(binder: &'a Binder, client_nonce: &'a [u8; 32]) -> ChannelEnd<'a> {
    ChannelEnd {
        version: CHANNEL_VERSION,
        role: ROLE_ENCLAVE,
        client_nonce,
        leaf_spki_sha256: &binder.leaf_spki_sha256,
        exporter: &binder.exporter,
    }
}

/// Why a channel ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ChannelError {
    /// The peer's message is not one.
    Malformed(CborError),
    /// The peer speaks another version.
    Version {
        /// Which.
        got: u64,
    },
    /// The peer sent a message that has no place here.
    OutOfOrder,
    /// The enclave has refused before it showed evidence: nobody knows who says so.
    RefusedUnproven {
        /// In its words.
        reason: String,
    },
    /// The epoch binding is not one.
    Binding(BindingError),
    /// The epoch is bound to another key than this connection's: somebody stands in between.
    AnotherKey,
    /// The peer is another workload than the one that was asked for.
    AnotherInstance {
        /// Who it is.
        got: Instance,
    },
    /// The peer is another boot than the one that was asked for.
    AnotherEpoch {
        /// Which.
        got: EpochId,
    },
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(_) => write!(f, "peer sent a malformed message"),
            Self::Version { got } => {
                write!(f, "peer speaks version {got} of the channel, this side {CHANNEL_VERSION}")
            }
            Self::OutOfOrder => write!(f, "peer sent a message out of order"),
            Self::RefusedUnproven { reason } => {
                write!(f, "refused before any evidence was shown: {}", reason.escape_debug())
            }
            Self::Binding(_) => write!(f, "peer shows no epoch binding"),
            Self::AnotherKey => write!(
                f,
                "the epoch is bound to another key than this connection's: somebody stands in \
                 between"
            ),
            Self::AnotherInstance { got } => {
                write!(f, "the peer is {got}, which is not the instance that was asked for")
            }
            Self::AnotherEpoch { got } => {
                write!(f, "the peer is epoch {got}, which is not the one that was asked for")
            }
        }
    }
}

impl core::error::Error for ChannelError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            Self::Binding(error) => Some(error),
            Self::Version { .. }
            | Self::OutOfOrder
            | Self::RefusedUnproven { .. }
            | Self::AnotherKey
            | Self::AnotherInstance { .. }
            | Self::AnotherEpoch { .. } => None,
        }
    }
}

impl From<CborError> for ChannelError {
    fn from(error: CborError) -> Self {
        Self::Malformed(error)
    }
}

impl From<BindingError> for ChannelError {
    fn from(error: BindingError) -> Self {
        Self::Binding(error)
    }
}

#[cfg(test)]
mod tests;
