//! Entry points for fuzzing: total functions over arbitrary bytes.

use alloc::vec;

use lucarne_ledger::binding::EpochBinding;

use crate::collateral_files::CollateralFiles;
use crate::eif::Image;
use crate::measurement::Measurement;
use crate::nitro::document::Document;
use crate::nitro::envelope::Envelope;
use crate::policy::{DebugMode, Measurements, Policy, Root};
use crate::register::Fingerprint;
use crate::revocation::Revoked;
use crate::snp::{self, Collateral};
use crate::tdx;
use crate::time::Time;
use crate::timestamp::{Request, fuzz_token};
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

/// Reads the bytes as a time stamp under the roots that it brings along, and as a request.
///
/// # Panics
/// When a request is not written as it came, which is a bug.
pub fn fuzz_timestamp(bytes: &[u8]) {
    fuzz_token(bytes);
    if let Ok(request) = Request::from_der(bytes) {
        assert_eq!(request.to_der(), bytes);
    }
}

/// Reads the bytes as files of collateral, which are written as they came, and as a revocation
/// list.
///
/// # Panics
/// When they are not, which is a bug.
pub fn fuzz_collateral_files(bytes: &[u8]) {
    if let Ok(files) = CollateralFiles::from_cbor(bytes) {
        assert_eq!(files.to_cbor(), bytes);
        drop((files.tdx(), files.snp()));
    }
    drop(Revoked::of_list(bytes));
}

/// Reads the bytes as a TDX quote under the root that it brings along.
pub fn fuzz_tdx_quote(bytes: &[u8]) {
    tdx::fuzz_quote(bytes);
}

/// Reads the bytes as collateral for TDX quotes, whole and piece by piece.
pub fn fuzz_tdx_collateral(bytes: &[u8]) {
    tdx::fuzz_collateral(bytes);
}

/// Reads the bytes as an enclave image, its checksum left aside, and measures it.
///
/// # Panics
/// When an image has other registers than those that an image determines, which is a bug.
pub fn fuzz_eif(bytes: &[u8]) {
    if let Ok(image) = Image::sections(bytes) {
        let pcrs = image.pcrs();
        let signed = usize::from(pcrs.contains_key(&8));
        assert!([0, 1, 2].iter().all(|index| pcrs.contains_key(index)));
        assert_eq!(pcrs.len(), 3 + signed);
    }
    if let Ok(image) = Image::parse(bytes) {
        assert_eq!(Image::sections(bytes), Ok(image));
    }
}

/// Reads the bytes as a report with the certificates and the revocation list of it behind, and
/// judges it under a policy that accepts whatever is genuine.
pub fn fuzz_snp(bytes: &[u8]) {
    let (report, mut rest) = bytes.split_at_checked(snp::REPORT_BYTES).unwrap_or((bytes, &[]));
    let mut collateral = Collateral::default();
    while let [0x30, 0x82, high, low, ..] = rest {
        let end = usize::from(u16::from_be_bytes([*high, *low])) + 4;
        let Some((file, after)) = rest.split_at_checked(end) else { break };
        if collateral.add(file).is_err() {
            break;
        }
        rest = after;
    }
    let products = [snp::Product::Milan, snp::Product::Genoa, snp::Product::Turin];
    let policy = snp::Policy {
        measurements: snp::Measurements::DangerAny,
        products: products.map(|product| (product, snp::Tcb::ZERO)).into(),
        version_min: 0,
        vlek: snp::Allowance::Allow,
        masked_chip_id: snp::Allowance::Allow,
        vmpl_max: u32::MAX,
        protections: vec![],
        revocation: snp::Need::Optional,
        ..snp::Policy::strict(vec![])
    };
    // Between the births and the ends of the certificates in the corpus.
    let now = Time::from_unix_ms(1_748_736_000_000);
    drop(snp::verify(report, &collateral, &policy, now, snp::Expect::DangerAny));
}

/// Reads the bytes as a file of collateral; it is taken in whole or not at all.
///
/// # Panics
/// When a part of what is refused is taken in, or nothing of what is not, which is a bug.
pub fn fuzz_snp_collateral(bytes: &[u8]) {
    let mut collateral = Collateral::default();
    let taken = collateral.add(bytes).is_ok();
    assert_eq!(collateral != Collateral::default(), taken);
}
