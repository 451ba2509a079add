//! Past failures of other verifiers, each by its name: what they accepted is refused here.

use alloc::string::ToString;

use serde_json::Value;

use super::forge::*;
use super::forged::{refused, verdict};
use super::*;

/// A quoting enclave of anybody, on a genuine machine.
#[test]
fn cve_2026_22696_the_identity_of_the_quoting_enclave_is_verified() {
    let (got, want) = (vec![0x66; 32], vec![0xdc; 32]);
    let field = QeField::MrSigner;
    let forged = |forge: &mut Forge| set(&mut forge.qe_report, QE_MR_SIGNER, &[0x66; 32]);
    refused(forged, Rejected::QeIdentity { field, got, want });
}

#[test]
fn dcap_qvl_125_an_outdated_machine_is_not_valid_by_default() {
    let mut forge = Forge::new();
    let old = entries_of([3; 16], 10, None);
    forge.certificates.get_mut("pck").unwrap().extensions = vec![described(&old)];
    let status = match verdict(&mut forge) {
        Err(Rejected::TcbStatus { status, short }) => (status, short.len()),
        other => panic!("{other:?}"),
    };
    assert_eq!(status, (TcbStatus::OutOfDate, 16));
}

/// Comparing two arrays up to the end of the shorter one takes a missing component for a good one.
#[test]
fn gramine_sealing_key_provider_19_short_component_arrays_are_refused() {
    for list in ["sgxtcbcomponents", "tdxtcbcomponents"] {
        for (got, change) in [(15, -1), (17, 1), (0, -16)] {
            let wrong = |forge: &mut Forge| {
                let levels = &mut forge.info["tcbLevels"];
                let components = levels[0]["tcb"][list].as_array_mut().unwrap();
                match change {
                    1 => components.push(components[0].clone()),
                    by => components.truncate(16_usize.strict_add_signed(by)),
                }
            };
            let fault = DocumentFault::ComponentCount { got };
            refused(wrong, Rejected::Document { source: Source::TcbInfo, fault });
        }
    }
}

#[test]
fn gramine_sealing_key_provider_6_a_missing_chain_is_refused_without_a_panic() {
    let want = Rejected::CertificateCount { place: Place::Pck, got: 0, want: 3 };
    refused(|forge| forge.chain.clear(), want);
}

/// The flag "signature verified" was left over from the certificate before.
#[test]
fn automata_141_every_link_of_the_chain_is_verified() {
    for (which, place) in [("pck", Place::Pck), ("issuer", Place::PckIssuer)] {
        let forged = |forge: &mut Forge| {
            forge.keys.insert("mallory", Key::new());
            forge.signed_by.insert(which, "mallory");
        };
        refused(forged, Rejected::CertificateSignature { place });
    }
}

/// A revoked quoting enclave returned success before any signature was looked at.
#[test]
fn automata_144_revocation_neither_succeeds_nor_hides_a_bad_signature() {
    let component = Some(Component::QuotingEnclave);
    let revoked = |forge: &mut Forge| set(&mut forge.qe_report, QE_SVN, &[1]);
    refused(revoked, Rejected::Revoked { component });
    let unsigned = |forge: &mut Forge| {
        revoked(forge);
        forge.signed_by.insert("quote", "signer");
    };
    refused(unsigned, Rejected::Signature);
}

/// A quote that only its own key vouches for, with a genuine chain that is not its own beside it.
#[test]
fn confidential_ml_transport_14_a_quote_does_not_vouch_for_itself() {
    refused(
        |forge| {
            forge.signed_by.insert("qe_report", "attestation");
        },
        Rejected::QeSignature,
    );
}

#[test]
fn attestation_go_23_revocation_is_never_left_out() {
    let bundle: Value = serde_json::from_str(include_str!(
        "../../../testdata/tdx/dcap-qvl/tdx_quote_collateral.json"
    ))
    .unwrap();
    for (list, source) in [("root_ca_crl", Source::RootCrl), ("pck_crl", Source::PckCrl)] {
        let mut emptied = bundle.clone();
        emptied[list] = "".into();
        let read = Collateral::from_bundle(emptied.to_string().as_bytes());
        assert_eq!(read, Err(CollateralError::Missing { source }));
        let mut without = bundle.clone();
        without.as_object_mut().unwrap().remove(list);
        let text = without.to_string();
        let column = text.len();
        let read = Collateral::from_bundle(text.as_bytes());
        assert_eq!(read, Err(CollateralError::Bundle { line: 1, column }));
    }
}

/// Documents that were parsed and written again in another order had lost their signature.
#[test]
fn attestation_rs_26_signatures_are_over_the_bytes_received() {
    let mut made = Forge::new().make();
    let judge = |made: &Made| {
        let policy = trusting(made.root);
        verify(&made.quote, &made.collateral, &policy, NOW, Expect::AnyReportData)
            .map(|claims| claims.version)
    };
    assert_eq!(judge(&made), Ok(4));
    made.collateral.tcb_info.body.insert(1, b' ');
    let source = Source::TcbInfo;
    assert_eq!(judge(&made), Err(Rejected::CollateralSignature { source }));
}

#[test]
fn agent_manifest_354_an_expired_chain_is_refused() {
    let until = Time::from_unix_ms(1_577_836_800_000);
    let source = Source::Certificate(Place::Pck);
    let expired = |forge: &mut Forge| {
        forge.certificates.get_mut("pck").unwrap().validity = ["190101000000Z", "200101000000Z"];
    };
    refused(expired, Rejected::Expired { source, until, at: NOW });
}

/// What the guest extends by itself vouches for nothing.
#[test]
fn attestation_rs_65_rtmr3_alone_is_not_a_measurement() {
    let register = crate::register::Register([8; 48]);
    let alone = Measurement::new([(RegisterName::Rtmr3, register)].into());
    assert_eq!(alone, Err(MeasurementError::NoMrTd));
}

/// A root that came along with the collateral.
#[test]
fn ms_tee_av_152_a_downloaded_root_is_not_trusted() {
    let (good, other) = (Forge::new().make(), Forge::new().make());
    let policy = trusting(good.root);
    let judged = verify(&good.quote, &other.collateral, &policy, NOW, Expect::AnyReportData);
    assert_eq!(judged, Err(Rejected::RootUnknown { got: other.root }));
}
