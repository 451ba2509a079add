//! Epoch bindings: what the evidence of a boot vouches for, as bytes with one spelling.
//!
//! The evidence device signs 64 bytes of our choice. They are the digest of this binding, so the
//! evidence says: the code that was measured holds these keys, runs with this configuration and
//! this contract, and is the one epoch with this nonce. Inside builds it, outside rebuilds it;
//! neither needs a verifier for that. Reading refuses every second spelling, so equal bindings are
//! equal bytes and equal epoch identifiers.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use aws_lc_rs::digest;

use crate::cbor::{CborError, Reader, Writer};
use crate::identity::{EpochId, Instance};

/// Everything that is bound into the evidence of an epoch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EpochBinding {
    /// SubjectPublicKeyInfo (DER, 91 bytes) of the P-256 key that signs statements.
    pub p256_spki: Vec<u8>,
    /// The Ed25519 key that signs checkpoints.
    pub ed25519: [u8; 32],
    /// The ML-DSA-44 key (FIPS 204, 1,312 bytes) that signs beside the P-256 key, if there is one.
    pub mldsa44: Option<Vec<u8>>,
    /// SubjectPublicKeyInfo (DER) of the certificate of the attested channel, if there is one.
    pub channel_spki: Option<Vec<u8>>,
    /// The workload as operators know it.
    pub instance: Instance,
    /// Random, new at each boot: no two epochs have the same binding.
    pub nonce: [u8; 32],
    /// SHA-256 of the bytes of the configuration file.
    pub configuration_sha256: [u8; 32],
    /// SHA-256 of the bytes of the contract.
    pub contract_sha256: [u8; 32],
    /// What the operators call this deployment, where they named it; 1 to 128 bytes.
    pub deployment: Option<String>,
}

/// Why bytes are not an epoch binding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BindingError {
    /// More bytes than any binding has.
    TooLong {
        /// Length given.
        got: usize,
    },
    /// Not the CBOR that a binding is written in.
    Cbor(CborError),
    /// A field stands where the format has another; fields come in one order.
    Field {
        /// Field that belongs here.
        expected: &'static str,
    },
    /// A field's value has a length or form that the format does not allow.
    Value {
        /// The field.
        field: &'static str,
    },
}

impl fmt::Display for BindingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { got } => {
                write!(f, "epoch binding of {got} bytes, at most {BINDING_BYTES_MAX} are read")
            }
            Self::Cbor(_) => write!(f, "epoch binding is not well-formed"),
            Self::Field { expected } => {
                write!(f, "epoch binding has another field where {expected} belongs")
            }
            Self::Value { field } => {
                write!(f, "epoch binding has a value of {field} that is not allowed")
            }
        }
    }
}

impl core::error::Error for BindingError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Cbor(cause) => Some(cause),
            Self::TooLong { .. } | Self::Field { .. } | Self::Value { .. } => None,
        }
    }
}

impl From<CborError> for BindingError {
    fn from(cause: CborError) -> Self {
        Self::Cbor(cause)
    }
}

impl EpochBinding {
    /// The binding as deterministic CBOR (RFC 8949 §4.2.1).
    ///
    /// Every field is present, null where there is nothing, in the RFC's order of text keys.
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.map(FIELD_COUNT);
        out.text(KEYS).map(KEY_COUNT);
        out.text(P256).bytes(&self.p256_spki);
        out.text(ED25519).bytes(&self.ed25519);
        optional_bytes(out.text(MLDSA44), self.mldsa44.as_deref());
        out.text(NONCE).bytes(&self.nonce);
        optional_bytes(out.text(CHANNEL), self.channel_spki.as_deref());
        out.text(CONTRACT).bytes(&self.contract_sha256);
        out.text(INSTANCE).text(self.instance.as_str());
        match &self.deployment {
            Some(deployment) => out.text(DEPLOYMENT).text(deployment),
            None => out.text(DEPLOYMENT).null(),
        };
        out.text(CONFIGURATION).bytes(&self.configuration_sha256);
        out.finish()
    }

    /// Reads a binding. Only the bytes that [`to_cbor`](Self::to_cbor) would write are one.
    ///
    /// # Errors
    /// When they are not.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, BindingError> {
        if bytes.len() > BINDING_BYTES_MAX {
            return Err(BindingError::TooLong { got: bytes.len() });
        }
        let mut input = Reader::new(bytes);
        count(input.map()?, FIELD_COUNT, "the binding")?;
        key(&mut input, KEYS)?;
        count(input.map()?, KEY_COUNT, KEYS)?;
        // Fields are evaluated in the order written here, which is the order of the format.
        let binding = Self {
            p256_spki: field_bytes(&mut input, P256, P256_SPKI_BYTES..=P256_SPKI_BYTES)?,
            ed25519: field_array(&mut input, ED25519)?,
            mldsa44: optional_field(&mut input, MLDSA44, MLDSA44_BYTES..=MLDSA44_BYTES)?,
            nonce: field_array(&mut input, NONCE)?,
            channel_spki: optional_field(&mut input, CHANNEL, 1..=CHANNEL_SPKI_BYTES_MAX)?,
            contract_sha256: field_array(&mut input, CONTRACT)?,
            instance: instance(&mut input)?,
            deployment: deployment(&mut input)?,
            configuration_sha256: field_array(&mut input, CONFIGURATION)?,
        };
        input.end()?;
        Ok(binding)
    }

    /// What the evidence carries: `SHA-512("lucarne/v1/epoch" || CBOR)`.
    pub fn digest(&self) -> [u8; 64] {
        let mut context = digest::Context::new(&digest::SHA512);
        context.update(PURPOSE);
        context.update(&self.to_cbor());
        let mut out = [0; 64];
        // The algorithm fixes the length, so the copy always fits.
        out.copy_from_slice(context.finish().as_ref());
        out
    }

    /// The name of the epoch: the first 16 bytes of the digest.
    pub fn epoch_id(&self) -> EpochId {
        let mut out = [0; 16];
        for (byte, from) in out.iter_mut().zip(self.digest()) {
            *byte = from;
        }
        EpochId(out)
    }
}

fn optional_bytes(out: &mut Writer, value: Option<&[u8]>) {
    match value {
        Some(bytes) => out.bytes(bytes),
        None => out.null(),
    };
}

const fn count(got: u64, expected: u64, field: &'static str) -> Result<(), BindingError> {
    if got == expected { Ok(()) } else { Err(BindingError::Value { field }) }
}

fn key(input: &mut Reader<'_>, expected: &'static str) -> Result<(), BindingError> {
    if input.text()? == expected { Ok(()) } else { Err(BindingError::Field { expected }) }
}

fn field_bytes(
    input: &mut Reader<'_>,
    field: &'static str,
    length: core::ops::RangeInclusive<usize>,
) -> Result<Vec<u8>, BindingError> {
    key(input, field)?;
    let bytes = input.bytes()?;
    if length.contains(&bytes.len()) {
        Ok(bytes.to_vec())
    } else {
        Err(BindingError::Value { field })
    }
}

fn optional_field(
    input: &mut Reader<'_>,
    field: &'static str,
    length: core::ops::RangeInclusive<usize>,
) -> Result<Option<Vec<u8>>, BindingError> {
    key(input, field)?;
    if input.null() {
        return Ok(None);
    }
    let bytes = input.bytes()?;
    if length.contains(&bytes.len()) {
        Ok(Some(bytes.to_vec()))
    } else {
        Err(BindingError::Value { field })
    }
}

fn field_array<const N: usize>(
    input: &mut Reader<'_>,
    field: &'static str,
) -> Result<[u8; N], BindingError> {
    key(input, field)?;
    input.bytes()?.try_into().map_err(|_| BindingError::Value { field })
}

fn instance(input: &mut Reader<'_>) -> Result<Instance, BindingError> {
    key(input, INSTANCE)?;
    input.text()?.parse().map_err(|_| BindingError::Value { field: INSTANCE })
}

fn deployment(input: &mut Reader<'_>) -> Result<Option<String>, BindingError> {
    key(input, DEPLOYMENT)?;
    if input.null() {
        return Ok(None);
    }
    let text = input.text()?;
    if (1..=DEPLOYMENT_BYTES_MAX).contains(&text.len()) {
        Ok(Some(text.to_owned()))
    } else {
        Err(BindingError::Value { field: DEPLOYMENT })
    }
}

/// Keeps this digest apart from every other that evidence may carry.
const PURPOSE: &[u8] = b"lucarne/v1/epoch";

const KEYS: &str = "keys";
const P256: &str = "p256";
const ED25519: &str = "ed25519";
const MLDSA44: &str = "mldsa44";
const NONCE: &str = "nonce";
const CHANNEL: &str = "channel";
const CONTRACT: &str = "contract";
const INSTANCE: &str = "instance";
const DEPLOYMENT: &str = "deployment";
const CONFIGURATION: &str = "configuration";

/// Fields of the outer map.
const FIELD_COUNT: u64 = 7;
/// Fields of the map of keys.
const KEY_COUNT: u64 = 3;
/// A P-256 SubjectPublicKeyInfo with an uncompressed point has one length (RFC 5480).
const P256_SPKI_BYTES: usize = 91;
/// Length of an ML-DSA-44 public key (FIPS 204, table 2).
const MLDSA44_BYTES: usize = 1_312;
/// Room for any key that a TLS certificate of ours may have, ML-DSA included.
const CHANNEL_SPKI_BYTES_MAX: usize = 4_096;
/// A tag is a name, not a document.
const DEPLOYMENT_BYTES_MAX: usize = 128;
/// The longest binding is 6 KiB; what is longer is not read at all.
const BINDING_BYTES_MAX: usize = 8_192;

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use super::*;

    fn sample() -> EpochBinding {
        EpochBinding {
            p256_spki: vec![1; P256_SPKI_BYTES],
            ed25519: [2; 32],
            mldsa44: None,
            channel_spki: Some(vec![4; 120]),
            instance: "nitro-001-us-east".parse().unwrap(),
            nonce: [5; 32],
            configuration_sha256: [6; 32],
            contract_sha256: [7; 32],
            deployment: None,
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let full = EpochBinding {
            mldsa44: Some(vec![3; MLDSA44_BYTES]),
            channel_spki: Some(vec![4; CHANNEL_SPKI_BYTES_MAX]),
            deployment: Some("d".repeat(DEPLOYMENT_BYTES_MAX)),
            instance: "a".repeat(63).parse().unwrap(),
            ..sample()
        };
        assert!(full.to_cbor().len() <= BINDING_BYTES_MAX);
        let empty = EpochBinding { channel_spki: None, ..sample() };
        for binding in [sample(), full, empty] {
            assert_eq!(EpochBinding::from_cbor(&binding.to_cbor()), Ok(binding));
        }
    }

    #[test]
    fn keys_stand_in_the_order_of_their_encoding() {
        let bytes = sample().to_cbor();
        let outer = [KEYS, NONCE, CHANNEL, CONTRACT, INSTANCE, DEPLOYMENT, CONFIGURATION];
        for group in [&outer[..], &[P256, ED25519, MLDSA44]] {
            let mut sorted = group.to_vec();
            sorted.sort_by_key(|name| (name.len(), *name));
            assert_eq!(sorted, group);
        }
        assert_eq!(&bytes[..7], b"\xa7\x64keys\xa3");
    }

    /// The digest is a format: it may not move unseen. The bytes are written by hand from the table
    /// of the format, the identifier was computed from them with Python's `hashlib`.
    #[test]
    fn the_digest_does_not_move() {
        let mut expected = b"lucarne/v1/epoch\xa7\x64keys\xa3\x64p256\x58\x5b".to_vec();
        expected.extend([1; 91]);
        expected.extend(b"\x67ed25519\x58\x20");
        expected.extend([2; 32]);
        expected.extend(b"\x67mldsa44\xf6\x65nonce\x58\x20");
        expected.extend([5; 32]);
        expected.extend(b"\x67channel\x58\x78");
        expected.extend([4; 120]);
        expected.extend(b"\x68contract\x58\x20");
        expected.extend([7; 32]);
        expected.extend(
            b"\x68instance\x71nitro-001-us-east\x6adeployment\xf6\x6dconfiguration\x58\x20",
        );
        expected.extend([6; 32]);
        let hash = digest::digest(&digest::SHA512, &expected);
        assert_eq!(sample().digest(), hash.as_ref());
        assert_eq!(sample().epoch_id().to_string(), "8c087eed0a3ddf5450cdb4f43c629d3b");
    }

    #[test]
    fn every_field_moves_the_digest() {
        let base = sample();
        let changed = [
            EpochBinding { p256_spki: vec![9; P256_SPKI_BYTES], ..base.clone() },
            EpochBinding { ed25519: [9; 32], ..base.clone() },
            EpochBinding { mldsa44: Some(vec![9; MLDSA44_BYTES]), ..base.clone() },
            EpochBinding { channel_spki: None, ..base.clone() },
            EpochBinding { instance: "nitro-002-us-east".parse().unwrap(), ..base.clone() },
            EpochBinding { nonce: [9; 32], ..base.clone() },
            EpochBinding { configuration_sha256: [9; 32], ..base.clone() },
            EpochBinding { contract_sha256: [9; 32], ..base.clone() },
            EpochBinding { deployment: Some("blue".to_owned()), ..base.clone() },
        ];
        for other in changed {
            assert_ne!(other.digest(), base.digest(), "{other:?}");
            assert_ne!(other.epoch_id(), base.epoch_id(), "{other:?}");
        }
    }

    #[test]
    fn a_cut_or_longer_binding_is_refused_everywhere() {
        let bytes = sample().to_cbor();
        for cut in 0..bytes.len() {
            assert!(EpochBinding::from_cbor(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let mut longer = bytes;
        longer.push(0);
        let trailing = BindingError::Cbor(CborError::TrailingBytes);
        assert_eq!(EpochBinding::from_cbor(&longer), Err(trailing));
        let got = BINDING_BYTES_MAX + 1;
        let endless = vec![0xa7; got];
        assert_eq!(EpochBinding::from_cbor(&endless), Err(BindingError::TooLong { got }));
    }

    #[test]
    fn a_read_binding_is_the_only_spelling_of_itself() {
        let bytes = sample().to_cbor();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                // Either the bytes are refused or they are another binding, written exactly so.
                if let Ok(binding) = EpochBinding::from_cbor(&flipped) {
                    assert_eq!(binding.to_cbor(), flipped);
                    assert_ne!(binding, sample());
                }
            }
        }
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut EpochBinding), expected: BindingError) {
        let mut binding = sample();
        change(&mut binding);
        assert_eq!(EpochBinding::from_cbor(&binding.to_cbor()), Err(expected));
    }

    #[test]
    fn lengths_are_checked() {
        refused(|b| b.p256_spki.push(0), BindingError::Value { field: P256 });
        refused(|b| b.mldsa44 = Some(vec![0; 32]), BindingError::Value { field: MLDSA44 });
        refused(|b| b.channel_spki = Some(vec![]), BindingError::Value { field: CHANNEL });
        let long = Some("d".repeat(DEPLOYMENT_BYTES_MAX + 1));
        refused(|b| b.deployment = long, BindingError::Value { field: DEPLOYMENT });
        refused(|b| b.deployment = Some(String::new()), BindingError::Value { field: DEPLOYMENT });
    }

    #[test]
    fn another_order_or_name_is_refused() {
        let mut bytes = sample().to_cbor();
        bytes[2] = b'K';
        let expected = BindingError::Field { expected: KEYS };
        assert_eq!(EpochBinding::from_cbor(&bytes), Err(expected));
        let mut bytes = sample().to_cbor();
        bytes[0] = 0xa6;
        let expected = BindingError::Value { field: "the binding" };
        assert_eq!(EpochBinding::from_cbor(&bytes), Err(expected));
    }
}
