//! Entry points for fuzzing: total functions over arbitrary bytes.

use alloc::vec;

use lucarne_ledger::binding::EpochBinding;

use crate::measurement::Measurement;
use crate::nitro::document::Document;
use crate::nitro::envelope::Envelope;
use crate::policy::{DebugMode, Measurements, Policy, Root};
use crate::register::Fingerprint;
use crate::verify::{Expect, When, verify};
use crate::x509::Certificate;

/// Reads the bytes as evidence and judges them under the root that they bring along.
pub fn fuzz_evidence(bytes: &[u8]) {
    let Ok(envelope) = Envelope::parse(bytes) else { return };
    fuzz_document(envelope.payload);
    let Ok(document) = Document::parse(envelope.payload) else { return };
    let Some(root) = document.cabundle.first() else { return };
    let pins = [Root::nitro, Root::insecure_software].map(|pin| pin(Fingerprint::of(root)));
    let measurement = Measurement::new(document.pcrs);
    for root in pins {
        let policy = Policy {
            roots: vec![root],
            measurements: Measurements::OneOf(measurement.iter().cloned().collect()),
            debug: DebugMode::Refuse,
        };
        drop(verify(bytes, &policy, When::Replay, Expect::AnyNonce));
    }
}

/// Reads the bytes as the payload of a document, and the certificates in it.
pub fn fuzz_document(bytes: &[u8]) {
    if let Ok(document) = Document::parse(bytes) {
        document.cabundle.iter().for_each(|der| fuzz_certificate(der));
        fuzz_certificate(document.certificate);
    }
}

/// Reads the bytes as a certificate.
///
/// # Panics
/// When one certificate is good for both places, which is a bug.
pub fn fuzz_certificate(bytes: &[u8]) {
    if let Ok(certificate) = Certificate::parse(bytes) {
        // No certificate may both issue and sign documents.
        assert!(certificate.check_issuer().is_err() || certificate.check_leaf().is_err());
    }
}

/// Reads the bytes as an epoch binding; what is read must be written as it came.
///
/// # Panics
/// When it is not, which is a bug.
pub fn fuzz_binding(bytes: &[u8]) {
    if let Ok(binding) = EpochBinding::from_cbor(bytes) {
        assert_eq!(binding.to_cbor(), bytes);
    }
}
