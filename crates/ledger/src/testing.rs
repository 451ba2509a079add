//! What the tests of this crate share: keys, ledgers with a few records, notes.
//!
//! The fixed P-256 key is the one that RFC 6979 §A.2.5 publishes, so that vectors can be made
//! again.

extern crate std;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
};

use crate::batch::EpochKey;
use crate::checkpoint::{Checkpoint, origin};
use crate::control::{Close, Control, Gap, Heartbeat, Open, Previous, Workload};
use crate::hash::{Hash, from_hex};
use crate::identity::{EpochId, Instance, LedgerId};
use crate::key::{PublicKey, Signer, SigningFailed};
use crate::note::{NoteKey, assemble};
use crate::payload::{AuditEvent, ContextSlot, Payloads, RecordSlot};
use crate::record::Stream;
use crate::salt::Seed;
use crate::seal::{Audit, Kind, Ledger, Sealed, Telemetry};

/// A P-256 pair that signs statements and notes.
pub(crate) struct P256 {
    fixed: EcdsaKeyPair,
    der: EcdsaKeyPair,
    public: PublicKey,
}

impl P256 {
    /// The pair of RFC 6979 §A.2.5.
    pub(crate) fn of_rfc_6979() -> Self {
        let secret: [u8; 32] =
            from_hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721").unwrap();
        let x: [u8; 32] =
            from_hex("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6").unwrap();
        let y: [u8; 32] =
            from_hex("7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299").unwrap();
        Self::new(&secret, &[&[4], &x[..], &y[..]].concat())
    }

    /// A pair that no other test has.
    pub(crate) fn fresh() -> Self {
        use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let secret: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().unwrap();
        Self::new(secret.as_ref(), pair.public_key().as_ref())
    }

    fn new(secret: &[u8], point: &[u8]) -> Self {
        let pair =
            |scheme| EcdsaKeyPair::from_private_key_and_public_key(scheme, secret, point).unwrap();
        Self {
            fixed: pair(&ECDSA_P256_SHA256_FIXED_SIGNING),
            der: pair(&ECDSA_P256_SHA256_ASN1_SIGNING),
            public: PublicKey::from_p256_point(point).unwrap(),
        }
    }

    /// The signed note of a checkpoint of this size and root.
    pub(crate) fn checkpoint(&self, prefix: &str, id: &LedgerId, size: u64, root: Hash) -> String {
        use std::string::ToString;
        let origin = origin(prefix, id);
        let text = Checkpoint { origin: origin.clone(), size, root }.to_string();
        let signature = self.der.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        let line = NoteKey::new(&origin, self.public.clone()).line(signature.as_ref());
        assemble(&text, &[line])
    }
}

impl Signer for P256 {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        let signature =
            self.fixed.sign(&SystemRandom::new(), message).map_err(|_| SigningFailed)?;
        signature.as_ref().try_into().map_err(|_| SigningFailed)
    }
}

/// The time of every statement here: 2026-05-25T10:00:00Z.
pub(crate) const TIME_MS: u64 = 1_779_703_200_000;

pub(crate) fn instance() -> Instance {
    "nitro-001-us-east".parse().unwrap()
}

pub(crate) fn epoch() -> EpochId {
    EpochId([0xe1; 16])
}

pub(crate) fn epoch_key(key: &P256) -> EpochKey {
    EpochKey { instance: instance(), epoch: epoch(), key: key.public_key().clone() }
}

/// The seed of the batch `n`; tests need no secrets.
pub(crate) fn seed(n: u8) -> Seed {
    Seed::new([n; 32])
}

pub(crate) fn ledger<K: Kind>() -> Ledger<K> {
    Ledger::new(instance(), epoch(), seed(0))
}

pub(crate) fn open<K: Kind>(previous: Option<Previous>) -> Control {
    use std::string::ToString;
    Control::Open(Open {
        time_ms: TIME_MS,
        instance: instance().to_string(),
        epoch: epoch().to_string(),
        ledger: K::KIND.to_string(),
        tee: "software".to_string(),
        measurement: "00".repeat(48),
        binding: "a0".to_string(),
        evidence_sha256: "11".repeat(32),
        previous,
    })
}

pub(crate) fn close<K: Kind>(ledger: &Ledger<K>) -> Control {
    use std::string::ToString;
    let (size, root) = (ledger.size(), ledger.root().to_string());
    Control::Close(Close { time_ms: TIME_MS, size, root, reason: "stopped".to_string() })
}

pub(crate) fn heartbeat() -> Control {
    Control::Heartbeat(Heartbeat {
        time_ms: TIME_MS,
        workload: Workload::Healthy,
        refused: 0,
        evicted: 0,
    })
}

pub(crate) fn gap(count: u64) -> Control {
    use std::string::ToString;
    Control::Gap(Gap { time_ms: TIME_MS, count, reason: "queue full".to_string() })
}

pub(crate) fn event(n: u32) -> AuditEvent {
    let fields = std::format!("\"event_type\":\"workflow.started\",\"n\":{n}");
    AuditEvent::assertion_by_contract(fields.into_bytes())
}

/// A run of one resource, one scope and a log record for each text.
pub(crate) fn logs(texts: &[&[u8]]) -> Payloads {
    let mut buffer = Vec::new();
    let mut slot = |message: &[u8]| {
        let start = buffer.len();
        buffer.extend_from_slice(&[0; 4]);
        buffer.extend_from_slice(message);
        start..buffer.len()
    };
    let contexts = vec![
        ContextSlot { resource: None, range: slot(b"resource") },
        ContextSlot { resource: Some(0), range: slot(b"scope") },
    ];
    let records = texts
        .iter()
        .map(|text| RecordSlot { stream: Stream::Logs, scope: 1, range: slot(text) })
        .collect();
    Payloads::assertion_by_contract(buffer, contexts, records)
}

pub(crate) fn seal<K: Kind>(ledger: &mut Ledger<K>, key: &P256) -> Sealed {
    let next = u8::try_from(ledger.size() % 251).unwrap();
    ledger.seal(key, TIME_MS, seed(next)).unwrap().unwrap()
}

/// A batch of the audit ledger: `open`, then `events` events.
pub(crate) fn audit_batch(key: &P256, events: u32) -> Sealed {
    let mut ledger = ledger::<Audit>();
    ledger.append_control(&open::<Audit>(None)).unwrap();
    (0..events).for_each(|n| assert_eq!(ledger.append_event(&event(n)), Ok(u64::from(n) + 1)));
    seal(&mut ledger, key)
}

/// A batch of the telemetry ledger: `open`, two contexts, then three log records.
pub(crate) fn telemetry_batch(key: &P256) -> Sealed {
    let mut ledger = ledger::<Telemetry>();
    ledger.append_control(&open::<Telemetry>(None)).unwrap();
    assert_eq!(ledger.append(&mut logs(&[b"one", b"two", b"three"])), Ok(6));
    seal(&mut ledger, key)
}
