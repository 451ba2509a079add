//! What went wrong in other verifiers, one test each, named after where it happened.

use alloc::vec;
use alloc::vec::Vec;

use lucarne_ledger::cbor::CborError;

use super::forge::{CONSTRAINTS, Forge, USAGE, cbor, der, extension, pcrs};
use super::genuine::{aws, document};
use super::*;
use crate::policy::Root;
use crate::register::Fingerprint;
use crate::rejected::{CertificateFault, Class, Field, Part, Place};

fn judge(forge: &Forge) -> Result<Claims, Rejected> {
    let (evidence, root) = forge.make();
    let policy = trusting(Root::nitro(Fingerprint::of(&root)));
    verify(&evidence, &policy, When::Replay, Expect::AnyNonce).map(Verified::into_inner)
}

fn replay(bytes: &[u8], policy: &Policy) -> Result<Claims, Rejected> {
    verify(bytes, policy, When::Replay, Expect::AnyNonce).map(Verified::into_inner)
}

#[track_caller]
fn leaf_refused(change: impl FnOnce(&mut forge::Draft), fault: CertificateFault) {
    let mut forge = Forge::new();
    change(&mut forge.chain[2].1);
    assert_eq!(judge(&forge), Err(Rejected::Certificate { place: Place::Leaf, fault }));
}

/// A missing certificate skipped the signature, and the PCRs alone were compared.
#[test]
fn regression_world_chain_1049() {
    let mut forge = Forge::new();
    forge.certificate = false;
    assert_eq!(judge(&forge), Err(Rejected::FieldMissing { field: Field::Certificate }));
}

/// The root was taken from the end of the bundle, so every genuine document was refused.
#[test]
fn regression_world_chain_956() {
    assert_eq!(
        replay(&document("veracruz_doc.cbor"), &aws()).map(|claims| claims.debug),
        Ok(false)
    );
    let reversed = replay(&document("derived/pl_cabundle_reversed.cbor"), &aws());
    assert!(matches!(reversed, Err(Rejected::RootUnknown { .. })), "{reversed:?}");
}

/// The number of a PCR was bounded by how many there are, so PCR8 of signed images was refused.
#[test]
fn regression_base_cantina_m_1() {
    let mut forge = Forge::new();
    let sparse: [(u64, &[u8]); 3] = [(0, &[1; 48]), (8, &[2; 48]), (31, &[3; 48])];
    forge.set("pcrs", Some(pcrs(&sparse)));
    let expected = [(0, 1), (8, 2), (31, 3)].map(|(at, byte)| (at, Register([byte; 48])));
    assert_eq!(judge(&forge).unwrap().pcrs, expected.into());
}

/// Debug mode was looked for as "all PCRs zero"; genuine debug documents have PCR3 and PCR4.
#[test]
fn regression_base_cantina_3_2_1() {
    let bytes = document("evervault_debug_mode.bin");
    assert_eq!(replay(&bytes, &aws()), Err(Rejected::DebugMode));
    let allowed = Policy { debug: DebugMode::InsecureAccept, ..aws() };
    let claims = replay(&bytes, &allowed).unwrap();
    assert_ne!(claims.pcrs[&4], Register::ZERO);
    assert!(claims.insecure && claims.debug);
}

/// Top-level keys came twice and two parsers took another one; bytes followed a certificate.
#[test]
fn regression_base_34_36_38() {
    let mut forge = Forge::new();
    forge.fields.push(("pcrs", pcrs(&[(0, &[9; 48])])));
    assert_eq!(judge(&forge), Err(Rejected::FieldDuplicate { field: Field::Pcrs }));
    for (index, place) in [(1, Place::Intermediate(1)), (2, Place::Leaf)] {
        let mut forge = Forge::new();
        forge.trailing_of = Some(index);
        let fault = CertificateFault::Der;
        assert_eq!(judge(&forge), Err(Rejected::Certificate { place, fault }));
    }
}

/// Booleans, integers, path lengths, dates and tags in other spellings than DER has.
#[test]
fn regression_base_cantina_3_2_2_to_3_2_10() {
    let der_fault = CertificateFault::Der;
    let constraints = |value: &[u8]| vec![extension(CONSTRAINTS, true, value)];
    let issuer = |value: &[u8]| {
        let mut forge = Forge::new();
        forge.chain[1].1.extensions.splice(0..1, constraints(value));
        judge(&forge).unwrap_err()
    };
    let refused = Rejected::Certificate { place: Place::Intermediate(1), fault: der_fault };
    // true as 1, and false written out
    assert_eq!(issuer(&[0x30, 3, 1, 1, 1]), refused);
    assert_eq!(issuer(&[0x30, 3, 1, 1, 0]), refused);
    // path lengths: padded, negative, longer than a byte
    assert_eq!(issuer(&[0x30, 7, 1, 1, 0xff, 2, 2, 0, 0]), refused);
    assert_eq!(issuer(&[0x30, 6, 1, 1, 0xff, 2, 1, 0x80]), refused);
    assert_eq!(issuer(&[0x30, 10, 1, 1, 0xff, 2, 5, 1, 0, 0, 0, 0]), refused);
    // bytes after the constraints
    assert_eq!(issuer(&[0x30, 3, 1, 1, 0xff, 0]), refused);
    // serial numbers: padded, empty
    leaf_refused(|draft| draft.serial = vec![0, 1], der_fault);
    leaf_refused(|draft| draft.serial = vec![0xff, 0x80], der_fault);
    leaf_refused(|draft| draft.serial = vec![], der_fault);
    // 30 February, and the tag of the other form of time
    leaf_refused(
        |draft| draft.validity = ["240230000000Z", "491231235959Z"],
        CertificateFault::Time,
    );
    leaf_refused(|draft| draft.time_tag = 0x18, CertificateFault::Time);
    leaf_refused(|draft| draft.time_tag = 0x16, CertificateFault::Time);
    // bits of a key usage that are said to be unused and are set
    let padded = extension(USAGE, true, &[3, 2, 7, 0xc0]);
    leaf_refused(|draft| draft.extensions[1] = padded, der_fault);
}

/// An extension that the verifier does not know came twice.
#[test]
fn regression_duplicate_unknown_extension() {
    let unknown = || extension(&[0x2a, 3, 4], false, &der(0x05, &[]));
    leaf_refused(
        |draft| draft.extensions.extend([unknown(), unknown()]),
        CertificateFault::DuplicateExtension,
    );
}

/// A time was cast to a signed number, and any that was not zero was fresh until the leaf expired.
#[test]
fn regression_chainlink_2170_and_aptos_20103() {
    let mut forge = Forge::new();
    let got = 1 << 63;
    forge.set("timestamp", Some(cbor(|out| out.uint(got))));
    assert_eq!(judge(&forge), Err(Rejected::Timestamp { got }));

    let bytes = document("veracruz_doc.cbor");
    let made = replay(&bytes, &aws()).unwrap().time;
    let now = Time::from_unix_ms(made.unix_ms() + 3_600_000);
    let live = When::Live { now, age_max_ms: 300_000 };
    let stale = Rejected::Stale { document: made, age_ms: 3_600_000, age_max_ms: 300_000 };
    assert_eq!(verify(&bytes, &aws(), live, Expect::AnyNonce), Err(stale));
}

/// The leaf's expiry was not enforced; then it was, and a log could not be read four hours later.
#[test]
fn regression_hashi_820_and_832() {
    let bytes = document("veracruz_doc.cbor");
    let years_later = Time::from_unix_ms(1_795_219_200_000);
    let live = When::Live { now: years_later, age_max_ms: u64::MAX };
    let refused = verify(&bytes, &aws(), live, Expect::AnyNonce).unwrap_err();
    assert_eq!(refused.class(), Class::Time);
    assert!(matches!(refused, Rejected::Expired { .. }), "{refused:?}");
    assert_eq!(replay(&bytes, &aws()).unwrap().judged_at, replay(&bytes, &aws()).unwrap().time);
}

/// A document without a nonce passed when one had been asked for.
#[test]
fn regression_akash_3365() {
    let mut forge = Forge::new();
    for absent in [None, Some(cbor(|out| out.null()))] {
        forge.set("nonce", absent);
        let (evidence, root) = forge.make();
        let policy = trusting(Root::nitro(Fingerprint::of(&root)));
        let verdict = verify(&evidence, &policy, When::Replay, Expect::Nonce([5; 32]));
        assert_eq!(verdict, Err(Rejected::NonceMissing));
    }
}

/// Nonces and data of length 0, which the format allows, were refused.
#[test]
fn regression_evervault_empty_options() {
    let mut forge = Forge::new();
    for name in ["nonce", "user_data"] {
        forge.set(name, Some(cbor(|out| out.bytes(&[]))));
    }
    let claims = judge(&forge).unwrap();
    assert_eq!((claims.nonce, claims.user_data), (Some(vec![]), Some(vec![])));
}

/// A key in the evidence chose a verifier that believes everything.
#[test]
fn regression_openhnp_1732() {
    let mut forge = Forge::new();
    forge.set("test_purpose", Some(vec![0xf5]));
    let (evidence, root) = forge.make();
    let got = Fingerprint::of(&root);
    assert_eq!(replay(&evidence, &aws()), Err(Rejected::RootUnknown { got }));
}

/// A flag "verified" was not reset between certificates: one good link vouched for the rest.
#[test]
fn regression_automata_141() {
    for (broken, place) in [(1, Place::Intermediate(1)), (2, Place::Leaf)] {
        let mut forge = Forge::new();
        forge.signer_of[broken] = 2;
        assert_eq!(judge(&forge), Err(Rejected::CertificateSignature { place }));
    }
}

/// Small inputs made seconds of work before any signature was looked at.
#[test]
fn regression_dstack_1267() {
    let forge = Forge::new();
    // As many unknown fields as fit: they are passed over once each, and nothing is kept of them.
    let mut payload = vec![0xbf];
    while payload.len() < 16_000 {
        payload.extend_from_slice(&[0x61, b'x', 0x80]);
    }
    payload.push(0xff);
    let missing = Rejected::FieldMissing { field: Field::Digest };
    assert_eq!(replay(&forge.envelope(&payload), &aws()), Err(missing));
    // More registers or certificates than there can be end the reading where they are met.
    let many: Vec<u8> = [&[0xbf, 0x64][..], b"pcrs", &[0xbf, 0x18, 32]].concat();
    assert_eq!(replay(&forge.envelope(&many), &aws()), Err(Rejected::PcrIndex { got: 32 }));
    let bundle = [&[0xbf, 0x68][..], b"cabundle", &[0x9f], &[0x41, 0].repeat(4_000)].concat();
    let refused = Rejected::FieldLength { field: Field::Cabundle, got: 9, min: 1, max: 8 };
    assert_eq!(replay(&forge.envelope(&bundle), &aws()), Err(refused));
}

/// The hash of the file stood for the evidence: another spelling passed for another document.
#[test]
fn regression_file_hash_as_identity() {
    let claims = replay(&document("veracruz_doc.cbor"), &aws()).unwrap();
    for spelling in ["derived/tag18.cbor", "derived/sig_s_flipped.cbor"] {
        assert_eq!(replay(&document(spelling), &aws()).unwrap().identity, claims.identity);
    }
}

/// Half a signature of zeros, and a payload of nothing.
#[test]
fn zero_signatures_and_empty_payloads_are_refused() {
    let genuine = document("veracruz_doc.cbor");
    let at = genuine.len() - 96;
    for half in [at..at + 48, at + 48..at + 96] {
        let mut bytes = genuine.clone();
        bytes[half].fill(0);
        assert_eq!(replay(&bytes, &aws()), Err(Rejected::Signature));
    }
    let empty = Forge::new().envelope(&[]);
    let cause = CborError::Truncated;
    let refused = Rejected::Cbor { part: Part::Payload, at: 0, cause };
    assert_eq!(replay(&empty, &aws()), Err(refused));
}

#[test]
fn a_revoked_certificate_is_refused_whatever_its_bytes_are() {
    let bytes = document("veracruz_doc.cbor");
    let envelope = Envelope::parse(&bytes).unwrap();
    let document = Document::parse(envelope.payload).unwrap();
    let named = |der: &[u8]| {
        let certificate = crate::x509::Certificate::parse(der).unwrap();
        Revoked { issuer: certificate.issuer.into(), serial: certificate.serial.into() }
    };
    let judge = |revoked: &[Revoked]| {
        let policy = aws();
        verify_unless_revoked(&bytes, &policy, When::Replay, Expect::AnyNonce, revoked).map(|_| ())
    };
    let leaf = named(document.certificate);
    assert_eq!(judge(core::slice::from_ref(&leaf)), Err(Rejected::Revoked { place: Place::Leaf }));
    for (index, der) in document.cabundle.iter().enumerate() {
        let place = if index == 0 { Place::Root } else { Place::Intermediate(index) };
        assert_eq!(judge(&[named(der)]), Err(Rejected::Revoked { place }));
    }
    // Another issuer's certificate of the same number is another certificate.
    let other = named(document.cabundle[1]);
    assert_eq!(judge(&[Revoked { issuer: other.issuer, serial: leaf.serial }]), Ok(()));
    assert_eq!(Rejected::Revoked { place: Place::Leaf }.class(), Class::Untrusted);
}
