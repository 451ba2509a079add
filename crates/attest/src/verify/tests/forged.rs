//! One rule broken at a time, on evidence that is otherwise good to the last signature.

use alloc::vec;
use alloc::vec::Vec;

use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::cbor::CborError;

use super::forge::{
    CERT_SIGN, CONSTRAINTS, DIGITAL_SIGNATURE, Forge, ISSUER, ISSUER_OF_LEAVES, NO_ISSUER, TIME_MS,
    USAGE, cbor, extension, pcrs,
};
use super::*;
use crate::epoch::verify_epoch;
use crate::policy::Root;
use crate::register::Fingerprint;
use crate::rejected::{CertificateFault, Class, Field, Part, Place};

/// The verdict on what a forge makes, under its own root pinned as hardware.
fn judge(forge: &Forge) -> Result<Claims, Rejected> {
    let (evidence, root) = forge.make();
    let policy = trusting(Root::nitro(Fingerprint::of(&root)));
    verify(&evidence, &policy, When::Replay, Expect::AnyNonce).map(Verified::into_inner)
}

#[track_caller]
fn check(change: impl FnOnce(&mut Forge), expected: Rejected) {
    let mut forge = Forge::new();
    change(&mut forge);
    assert_eq!(judge(&forge), Err(expected));
}

#[track_caller]
fn check_field(name: &'static str, value: Vec<u8>, expected: Rejected) {
    check(|forge| forge.set(name, Some(value)), expected);
}

const PLACES: [Place; 3] = [Place::Root, Place::Intermediate(1), Place::Leaf];

/// The same change of each certificate, which is refused with the same fault at its place.
#[track_caller]
fn check_each(change: impl Fn(&mut forge::Draft), fault: CertificateFault) {
    for (index, place) in PLACES.into_iter().enumerate() {
        check(|forge| change(&mut forge.chain[index].1), Rejected::Certificate { place, fault });
    }
}

#[test]
fn untouched_it_verifies_in_both_lengths_and_says_what_was_put_in() {
    let mut forge = Forge::new();
    for definite in [true, false] {
        forge.definite = definite;
        let claims = judge(&forge).unwrap();
        assert_eq!((claims.kind, claims.insecure, claims.debug), (Kind::Nitro, false, false));
        assert_eq!(claims.module_id, "forged");
        assert_eq!(claims.time, Time::from_unix_ms(TIME_MS));
        assert_eq!(claims.measurement(), Register([1; 48]));
        assert_eq!(claims.pcrs.len(), 3);
        assert_eq!(claims.user_data, Some(vec![4; 64]));
        assert_eq!((claims.public_key, claims.nonce), (None, Some(vec![5; 32])));
    }
}

#[test]
fn fields_have_their_forms() {
    let length = |field, got, min, max| Rejected::FieldLength { field, got, min, max };
    let text = |value: &str| cbor(|out| out.text(value));
    let bytes = |length: usize| cbor(|out| out.bytes(&vec![0; length]));
    check_field("module_id", text(""), length(Field::ModuleId, 0, 1, 256));
    check_field("module_id", text(&"m".repeat(257)), length(Field::ModuleId, 257, 1, 256));
    check_field("digest", text("SHA512"), Rejected::Digest);
    check_field("public_key", bytes(0), length(Field::PublicKey, 0, 1, 1_024));
    check_field("public_key", bytes(1_025), length(Field::PublicKey, 1_025, 1, 1_024));
    check_field("user_data", bytes(513), length(Field::UserData, 513, 0, 512));
    check_field("nonce", bytes(513), length(Field::Nonce, 513, 0, 512));
    for got in [0, 253_402_300_800_000, u64::MAX] {
        check_field("timestamp", cbor(|out| out.uint(got)), Rejected::Timestamp { got });
    }
    check_field("pcrs", pcrs(&[]), length(Field::Pcrs, 0, 1, 32));
    check_field("pcrs", pcrs(&[(32, &[1; 48])]), Rejected::PcrIndex { got: 32 });
    check_field("pcrs", pcrs(&[(300, &[1; 48])]), Rejected::PcrIndex { got: 300 });
    check_field("pcrs", pcrs(&[(8, &[1; 32])]), Rejected::PcrLength { index: 8, got: 32 });
    let twice: [(u64, &[u8]); 2] = [(8, &[1; 48]), (8, &[1; 48])];
    check_field("pcrs", pcrs(&twice), Rejected::PcrDuplicate { index: 8 });
}

#[test]
fn every_known_field_must_be_there_once() {
    for (name, field) in [
        ("module_id", Field::ModuleId),
        ("digest", Field::Digest),
        ("timestamp", Field::Timestamp),
        ("pcrs", Field::Pcrs),
    ] {
        check(|forge| forge.set(name, None), Rejected::FieldMissing { field });
    }
    for index in 0..7 {
        let mut forge = Forge::new();
        let again = forge.fields[index].clone();
        let field = match again.0 {
            "module_id" => Field::ModuleId,
            "digest" => Field::Digest,
            "timestamp" => Field::Timestamp,
            "pcrs" => Field::Pcrs,
            "public_key" => Field::PublicKey,
            "user_data" => Field::UserData,
            _ => Field::Nonce,
        };
        forge.fields.push(again);
        assert_eq!(judge(&forge), Err(Rejected::FieldDuplicate { field }));
    }
    // An option may be absent, which is the same as null.
    let mut forge = Forge::new();
    for name in ["public_key", "user_data", "nonce"] {
        forge.set(name, None);
    }
    let claims = judge(&forge).unwrap();
    assert_eq!((claims.public_key, claims.user_data, claims.nonce), (None, None, None));
}

#[test]
fn unknown_fields_are_passed_over_but_not_every_kind_of_document() {
    let mut forge = Forge::new();
    forge.set("new_in_2030", Some(vec![0x9f, 0xa1, 0x01, 0xf5, 0xff]));
    assert_eq!(judge(&forge).unwrap().module_id, "forged");
    check_field("nitrotpm_pcrs", pcrs(&[(0, &[1; 48])]), Rejected::NitroTpm);
    let mut deep = vec![0x81; 40];
    deep.push(0);
    let refused = {
        let mut forge = Forge::new();
        forge.set("deep", Some(deep));
        judge(&forge).unwrap_err()
    };
    assert!(matches!(refused, Rejected::TooDeep { .. }), "{refused:?}");
}

#[test]
fn trailing_bytes_and_size_are_checked_inside_and_outside() {
    let forge = Forge::new();
    let (evidence, root) = forge.make();
    let policy = trusting(Root::nitro(Fingerprint::of(&root)));
    let judge = |bytes: &[u8]| {
        verify(bytes, &policy, When::Replay, Expect::AnyNonce).map(Verified::into_inner)
    };
    let payload = Envelope::parse(&evidence).unwrap().payload;
    let longer = forge.envelope(&[payload, &[0]].concat());
    let at = payload.len();
    let cause = CborError::TrailingBytes;
    assert_eq!(judge(&longer), Err(Rejected::Cbor { part: Part::Payload, at, cause }));
    let endless = vec![0; 24 * 1_024 + 1];
    assert_eq!(judge(&endless), Err(Rejected::TooLong { got: 24 * 1_024 + 1 }));
}

#[test]
fn certificates_have_one_form() {
    check_each(|draft| draft.version = 1, CertificateFault::Version);
    let sha256 = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    check_each(|draft| draft.algorithm = sha256.into(), CertificateFault::SignatureAlgorithm);
    let p256 = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x21];
    check_each(|draft| draft.curve = p256.into(), CertificateFault::Key);
    let no_such_day = ["230229000000Z", "491231235959Z"];
    check_each(|draft| draft.validity = no_such_day, CertificateFault::Time);
    let twice = |draft: &mut forge::Draft| draft.extensions.push(draft.extensions[0].clone());
    check_each(twice, CertificateFault::DuplicateExtension);
    check_each(|draft| drop(draft.extensions.remove(0)), CertificateFault::Constraints);
    check_each(|draft| drop(draft.extensions.pop()), CertificateFault::KeyUsage);
}

#[test]
fn issuers_and_leaves_are_not_exchanged() {
    for (index, place) in PLACES.into_iter().enumerate() {
        let is_leaf = place == Place::Leaf;
        let (own, others) = if is_leaf { (NO_ISSUER, ISSUER) } else { (ISSUER, NO_ISSUER) };
        let set = |position: usize, new: Vec<u8>| {
            move |forge: &mut Forge| forge.chain[index].1.extensions[position] = new
        };
        let refused = |fault| Rejected::Certificate { place, fault };
        let wrong =
            if is_leaf { CertificateFault::IssuerAsLeaf } else { CertificateFault::NotAnIssuer };
        check(set(0, extension(CONSTRAINTS, true, others)), refused(wrong));
        let constraints = CertificateFault::Constraints;
        check(set(0, extension(CONSTRAINTS, false, own)), refused(constraints));
        let usage = if is_leaf { CERT_SIGN } else { DIGITAL_SIGNATURE };
        check(set(1, extension(USAGE, true, usage)), refused(CertificateFault::KeyUsage));
    }
    // A leaf with a path length would be half an issuer.
    let half = extension(CONSTRAINTS, true, &[0x30, 3, 2, 1, 0]);
    let fault = CertificateFault::IssuerAsLeaf;
    check(
        |forge| forge.chain[2].1.extensions[0] = half,
        Rejected::Certificate { place: Place::Leaf, fault },
    );
}

#[test]
fn every_certificate_is_signed_by_the_one_above() {
    for (index, place) in PLACES.into_iter().enumerate() {
        // Signed by the leaf's own key, or by the root's where the intermediate's belongs.
        let other = if index == 2 { 0 } else { 2 };
        check(|forge| forge.signer_of[index] = other, Rejected::CertificateSignature { place });
        check(|forge| forge.chain[index].1.issuer = "x", Rejected::ChainOrder { place });
    }
}

#[test]
fn a_path_is_no_longer_than_its_issuers_allow() {
    check(
        |forge| {
            let strict = extension(CONSTRAINTS, true, ISSUER_OF_LEAVES);
            let middle = &mut forge.chain[1].1;
            middle.extensions[0] = extension(CONSTRAINTS, true, ISSUER);
            let (mut above, signer) = (Forge::new().chain.remove(1), 0);
            above.1.subject = "above";
            above.1.extensions[0] = strict;
            forge.chain[1].1.issuer = "above";
            forge.chain.insert(1, above);
            forge.signer_of = vec![signer, 0, 1, 2];
        },
        Rejected::PathLength,
    );
}

#[test]
fn an_unknown_critical_extension_is_refused_and_another_is_not() {
    let unknown = |critical| extension(&[0x2a, 3, 4], critical, &[0x05, 0x00]);
    for index in [1, 2] {
        check(|forge| forge.chain[index].1.extensions.push(unknown(true)), Rejected::Path);
        let mut forge = Forge::new();
        forge.chain[index].1.extensions.push(unknown(false));
        assert_eq!(judge(&forge).unwrap().module_id, "forged");
    }
}

#[test]
fn every_certificate_must_be_valid_the_root_too() {
    let at = Time::from_unix_ms(TIME_MS);
    let ended = Time::from_unix_ms(TIME_MS - 1_000);
    let begins = Time::from_unix_ms(TIME_MS + 1_000);
    for (index, place) in PLACES.into_iter().enumerate() {
        let valid = |validity| move |forge: &mut Forge| forge.chain[index].1.validity = validity;
        check(
            valid(["200101000000Z", "251231235959Z"]),
            Rejected::Expired { place, not_after: ended, at },
        );
        check(
            valid(["260101000001Z", "491231235959Z"]),
            Rejected::NotYetValid { place, not_before: begins, at },
        );
        let mut forge = Forge::new();
        valid(["260101000000Z", "260101000000Z"])(&mut forge);
        assert_eq!(judge(&forge).unwrap().judged_at, at);
    }
}

/// An expired chain is not a forgery, and a forged one is not merely expired.
#[test]
fn a_forged_and_expired_chain_is_called_forged() {
    check(
        |forge| {
            forge.chain[2].1.validity = ["200101000000Z", "210101000000Z"];
            forge.signer_of[2] = 0;
        },
        Rejected::CertificateSignature { place: Place::Leaf },
    );
}

#[test]
fn the_document_is_signed_by_its_own_leaf() {
    let (forge, other) = (Forge::new(), Forge::new());
    let (evidence, root) = forge.make();
    let payload = Envelope::parse(&evidence).unwrap().payload;
    let swapped = other.envelope(payload);
    let policy = trusting(Root::nitro(Fingerprint::of(&root)));
    let verdict = verify(&swapped, &policy, When::Replay, Expect::AnyNonce);
    assert_eq!(verdict, Err(Rejected::Signature));
}

#[test]
fn registers_that_are_zero_or_absent_are_debug_mode() {
    let zero: [(u64, &[u8]); 4] = [(0, &[0; 48]), (1, &[0; 48]), (2, &[0; 48]), (3, &[9; 48])];
    check_field("pcrs", pcrs(&zero), Rejected::DebugMode);
    check_field("pcrs", pcrs(&zero[3..]), Rejected::DebugMode);
    let mut forge = Forge::new();
    forge.set("pcrs", Some(pcrs(&[(0, &[0; 48]), (2, &[1; 48])])));
    assert!(!judge(&forge).unwrap().debug);
}

#[test]
fn a_software_root_is_marked_and_never_hardware() {
    let mut forge = Forge::new();
    let draft = &mut forge.chain[0].1;
    (draft.subject, draft.issuer) = ("TEE root (INSECURE)", "TEE root (INSECURE)");
    forge.chain[1].1.issuer = "TEE root (INSECURE)";
    let (evidence, root) = forge.make();
    let fingerprint = Fingerprint::of(&root);
    let judge = |root| {
        let verdict = verify(&evidence, &trusting(root), When::Replay, Expect::AnyNonce);
        verdict.map(|claims| (claims.kind, claims.insecure))
    };
    assert_eq!(judge(Root::insecure_software(fingerprint)), Ok((Kind::Software, true)));
    let refused = judge(Root::nitro(fingerprint)).unwrap_err();
    assert_eq!((refused.class(), refused), (Class::Policy, Rejected::SoftwareRootAsHardware));
    let got = fingerprint;
    assert_eq!(judge(Root::aws_nitro()), Err(Rejected::RootUnknown { got }));
}

fn binding() -> EpochBinding {
    EpochBinding {
        p256_spki: vec![1; 91],
        ed25519: [2; 32],
        mldsa44: None,
        channel_spki: None,
        instance: "nitro-001-us-east".parse().unwrap(),
        nonce: [5; 32],
        configuration_sha256: [6; 32],
        contract_sha256: [7; 32],
        deployment: None,
    }
}

#[test]
fn an_epoch_is_bound_to_its_keys() {
    let bytes = |value: &[u8]| Some(cbor(|out| out.bytes(value)));
    let null = || Some(cbor(|out| out.null()));
    let judge = |user_data: Option<Vec<u8>>, public_key: Option<Vec<u8>>| {
        let mut forge = Forge::new();
        forge.set("user_data", user_data);
        forge.set("public_key", public_key);
        let (evidence, root) = forge.make();
        let policy = trusting(Root::nitro(Fingerprint::of(&root)));
        let keys = verify_epoch(&evidence, &binding(), &policy, When::Replay, Expect::AnyNonce)?;
        assert_eq!(keys.binding, binding());
        Ok((keys.epoch, keys.instance().clone(), keys.insecure()))
    };
    let (digest, key) = (binding().digest(), binding().p256_spki);
    let expected = (binding().epoch_id(), binding().instance, false);
    assert_eq!(judge(bytes(&digest), bytes(&key)), Ok(expected));
    assert_eq!(judge(None, bytes(&key)), Err(Rejected::BindingMissing));
    assert_eq!(judge(null(), bytes(&key)), Err(Rejected::BindingMissing));
    assert_eq!(judge(bytes(&digest[..63]), bytes(&key)), Err(Rejected::BindingDiffers));
    let other = EpochBinding { nonce: [6; 32], ..binding() }.digest();
    assert_eq!(judge(bytes(&other), bytes(&key)), Err(Rejected::BindingDiffers));
    assert_eq!(judge(bytes(&digest), null()), Err(Rejected::PublicKeyMissing));
    assert_eq!(judge(bytes(&digest), bytes(&[1; 90])), Err(Rejected::PublicKeyDiffers));
}

/// Every reason speaks for itself, in lower case and without a full stop.
#[test]
fn reasons_read_well() {
    let place = Place::Intermediate(2);
    let at = Time::from_unix_ms(TIME_MS);
    let expired = Rejected::Expired { place, not_after: Time::from_unix_ms(TIME_MS - 1_000), at };
    let text = alloc::format!("{expired}");
    assert_eq!(
        text,
        "intermediate certificate 2 was valid to 2025-12-31T23:59:59.000Z and was judged at \
         2026-01-01T00:00:00.000Z"
    );
    let fault = CertificateFault::NotAnIssuer;
    let text = alloc::format!("{}", Rejected::Certificate { place: Place::Root, fault });
    assert_eq!(text, "root certificate stands where an issuer belongs and is none");
}
