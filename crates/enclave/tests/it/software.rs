//! Evidence of the software TEE, judged by the verifier that relying parties use.

use std::collections::BTreeMap;
use std::path::Path;

use lucarne_attest::{
    Claims, Class, DebugMode, Expect, Fingerprint, Kind, Measurement, Measurements, Place, Policy,
    Register, Rejected, Root, Time, Verified, When, verify, verify_epoch, verify_fresh,
};
use lucarne_enclave::clock::Clock;
use lucarne_enclave::quote::{Question, Quote, QuoteError};
use lucarne_enclave::software::{Machine, PUBLIC_FILE, SoftwareTee};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::report_data::ReportData;

struct At(u64);

impl Clock for At {
    fn now_ms(&self) -> u64 {
        self.0
    }
}

/// 2026-11-21T03:00:00.250Z.
const NOW_MS: u64 = 1_795_230_000_250;
const NONCE: [u8; 32] = [7; 32];
const EXECUTABLE: [u8; 48] = [0xe5; 48];

fn tee_at(directory: &Path, now_ms: u64) -> SoftwareTee<At> {
    let machine = Machine { module_id: "software-nitro-001".into(), executable_sha384: EXECUTABLE };
    SoftwareTee::open_or_mint(directory, machine, At(now_ms)).unwrap()
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
        deployment: Some("blue".into()),
    }
}

fn ask(tee: &SoftwareTee<At>) -> Vec<u8> {
    quote(tee, &ReportData::epoch(&binding()), &binding().p256_spki, &NONCE).unwrap()
}

fn quote(
    tee: &SoftwareTee<At>,
    report_data: &ReportData,
    public_key: &[u8],
    nonce: &[u8; 32],
) -> Result<Vec<u8>, QuoteError> {
    let quoted = tee.quote(&Question { report_data, public_key, nonce })?;
    assert_eq!(quoted.collateral, Vec::<u8>::new());
    Ok(quoted.evidence)
}

fn pin(tee: &SoftwareTee<At>) -> Root {
    Root::insecure_software(Fingerprint(tee.root_fingerprint().0))
}

fn trusting(root: Root) -> Policy {
    let wanted = Measurement::new(BTreeMap::from([(0, Register(EXECUTABLE))])).unwrap();
    Policy {
        roots: vec![root],
        measurements: Measurements::OneOf(vec![wanted]),
        debug: DebugMode::Refuse,
    }
}

fn live(now_ms: u64) -> When {
    When::Live { now: Time::from_unix_ms(now_ms), age_max_ms: 60_000 }
}

fn judge(evidence: &[u8], root: Root) -> Result<Claims, Rejected> {
    let verdict = verify(evidence, &trusting(root), live(NOW_MS), Expect::Nonce(NONCE));
    verdict.map(Verified::into_inner)
}

#[test]
fn it_verifies_under_its_own_root_and_is_marked_insecure() {
    let directory = tempfile::tempdir().unwrap();
    let tee = tee_at(directory.path(), NOW_MS);
    let claims = judge(&ask(&tee), pin(&tee)).unwrap();
    assert_eq!((claims.kind, claims.insecure, claims.debug), (Kind::Software, true, false));
    assert_eq!(claims.kind.as_str(), tee.kind());
    assert_eq!(claims.root, Fingerprint::of(tee.root_certificate()));
    assert_eq!(claims.module_id, "software-nitro-001");
    assert_eq!(claims.time, Time::from_unix_ms(NOW_MS));
    assert_eq!(claims.user_data, Some(binding().digest().to_vec()));
    assert_eq!(claims.public_key, Some(binding().p256_spki));
    assert_eq!(claims.nonce, Some(NONCE.to_vec()));
    assert_eq!(claims.measurement(), Register(EXECUTABLE));
    assert_eq!(claims.leaf_not_before, Time::from_unix_ms(NOW_MS - 250));
    assert_eq!(claims.leaf_not_after.ms_since(claims.leaf_not_before), 3 * 3_600_000);
    let zeros = claims.pcrs.iter().filter(|(_, pcr)| **pcr == Register::ZERO);
    assert_eq!(zeros.map(|(index, _)| *index).collect::<Vec<_>>(), (3..16).collect::<Vec<_>>());
    assert_eq!(claims.pcrs[&2], Register(EXECUTABLE));
}

#[test]
fn it_vouches_for_an_epoch_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let tee = tee_at(directory.path(), NOW_MS);
    let (evidence, policy) = (ask(&tee), trusting(pin(&tee)));
    let judge = |binding: &EpochBinding| {
        let nonce = Expect::Nonce(NONCE);
        let keys = verify_epoch(&evidence, binding, &policy, live(NOW_MS), nonce)?;
        Ok((keys.epoch, keys.insecure()))
    };
    assert_eq!(judge(&binding()), Ok((binding().epoch_id(), true)));
    let other = EpochBinding { nonce: [6; 32], ..binding() };
    assert_eq!(judge(&other), Err(Rejected::BindingDiffers));
    let key = quote(&tee, &ReportData::epoch(&binding()), &[1; 90], &NONCE).unwrap();
    let nonce = Expect::Nonce(NONCE);
    let refused = verify_epoch(&key, &binding(), &policy, live(NOW_MS), nonce).map(|_| ());
    assert_eq!(refused, Err(Rejected::PublicKeyDiffers));
}

#[test]
fn fresh_evidence_answers_its_nonce_and_is_not_that_of_the_boot() {
    let directory = tempfile::tempdir().unwrap();
    let tee = tee_at(directory.path(), NOW_MS);
    let policy = trusting(pin(&tee));
    let asked = |report_data, nonce| quote(&tee, &report_data, &binding().p256_spki, &nonce);
    let judge = |evidence: &[u8], binding: &EpochBinding| {
        let keys = verify_fresh(evidence, binding, &policy, live(NOW_MS), NONCE)?;
        Ok(keys.epoch)
    };
    let fresh = asked(ReportData::monitor(&binding(), &NONCE), NONCE).unwrap();
    assert_eq!(judge(&fresh, &binding()), Ok(binding().epoch_id()));
    let other = EpochBinding { nonce: [6; 32], ..binding() };
    assert_eq!(judge(&fresh, &other), Err(Rejected::BindingDiffers));
    assert_eq!(judge(&ask(&tee), &binding()), Err(Rejected::BindingDiffers));
    // The nonce is part of the report data too, where nothing but report data is signed.
    let shown = asked(ReportData::monitor(&binding(), &[8; 32]), NONCE).unwrap();
    assert_eq!(judge(&shown, &binding()), Err(Rejected::BindingDiffers));
    let old = asked(ReportData::monitor(&binding(), &[8; 32]), [8; 32]).unwrap();
    assert_eq!(judge(&old, &binding()), Err(Rejected::NonceDiffers));
    let boot = verify_epoch(&fresh, &binding(), &policy, live(NOW_MS), Expect::Nonce(NONCE));
    assert_eq!(boot.map(|_| ()), Err(Rejected::BindingDiffers));
}

#[test]
fn the_public_file_names_the_root_to_pin() {
    let directory = tempfile::tempdir().unwrap();
    let tee = tee_at(directory.path(), NOW_MS);
    let pem = std::fs::read(directory.path().join(PUBLIC_FILE)).unwrap();
    let fingerprint = Fingerprint::of_pem(&pem).unwrap();
    assert_eq!(fingerprint.0, tee.root_fingerprint().0);
    // A restart speaks under the same root.
    assert_eq!(tee_at(directory.path(), NOW_MS).root_fingerprint(), tee.root_fingerprint());
}

#[test]
fn no_other_root_accepts_it_least_of_all_one_of_hardware() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (tee, other) = (tee_at(ours.path(), NOW_MS), tee_at(theirs.path(), NOW_MS));
    let evidence = ask(&tee);
    let got = Fingerprint(tee.root_fingerprint().0);
    assert_eq!(judge(&evidence, pin(&other)), Err(Rejected::RootUnknown { got }));
    assert_eq!(judge(&evidence, Root::aws_nitro()), Err(Rejected::RootUnknown { got }));
    assert_eq!(judge(&evidence, Root::nitro(got)), Err(Rejected::SoftwareRootAsHardware));
}

#[test]
fn another_nonce_or_measurement_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let tee = tee_at(directory.path(), NOW_MS);
    let evidence = quote(&tee, &ReportData::epoch(&binding()), &[1; 91], &[8; 32]).unwrap();
    assert_eq!(judge(&evidence, pin(&tee)), Err(Rejected::NonceDiffers));
    let machine = Machine { module_id: "x".into(), executable_sha384: [1; 48] };
    let modified = SoftwareTee::open_or_mint(directory.path(), machine, At(NOW_MS)).unwrap();
    let refused = judge(&ask_any(&modified), pin(&tee)).unwrap_err();
    assert!(matches!(&refused, Rejected::Measurement { differences } if differences.len() == 1));
}

fn ask_any(tee: &SoftwareTee<At>) -> Vec<u8> {
    quote(tee, &ReportData::epoch(&binding()), &[1; 91], &NONCE).unwrap()
}

#[test]
fn a_leaf_lives_three_hours_and_evidence_as_long_as_the_verifier_says() {
    let directory = tempfile::tempdir().unwrap();
    let tee = tee_at(directory.path(), NOW_MS);
    let (evidence, policy) = (ask(&tee), trusting(pin(&tee)));
    let document = Time::from_unix_ms(NOW_MS);
    let judge = |now_ms, age_max_ms| {
        let when = When::Live { now: Time::from_unix_ms(now_ms), age_max_ms };
        verify(&evidence, &policy, when, Expect::Nonce(NONCE)).map(|_| ())
    };
    let (age_ms, age_max_ms) = (60_001, 60_000);
    let stale = Rejected::Stale { document, age_ms, age_max_ms };
    assert_eq!(judge(NOW_MS + 60_001, 60_000), Err(stale));
    let end = NOW_MS - 250 + 3 * 3_600_000;
    assert_eq!(judge(end, u64::MAX), Ok(()));
    let at = Time::from_unix_ms(end + 1_000);
    let not_after = Time::from_unix_ms(end);
    let expired = Rejected::Expired { place: Place::Leaf, not_after, at };
    assert_eq!(judge(end + 1_000, u64::MAX), Err(expired));
    let now = Time::from_unix_ms(NOW_MS - 300_001);
    let future = Rejected::FromTheFuture { document, now };
    assert_eq!(judge(NOW_MS - 300_001, 0), Err(future));
    let replay = verify(&evidence, &policy, When::Replay, Expect::Nonce(NONCE));
    assert_eq!(replay.map(|claims| claims.judged_at), Ok(document));
}

#[test]
fn no_byte_can_change_and_no_signature_can_move() {
    let directory = tempfile::tempdir().unwrap();
    let tee = tee_at(directory.path(), NOW_MS);
    let (evidence, other) = (ask(&tee), ask(&tee));
    for at in 0..evidence.len() {
        let mut flipped = evidence.clone();
        flipped[at] ^= 1 << (at % 8);
        let refused = judge(&flipped, pin(&tee)).expect_err(&at.to_string());
        assert!(matches!(refused.class(), Class::Malformed | Class::Untrusted), "{at}: {refused}");
    }
    // Each call has a leaf of its own, so the signature of one document is not another's.
    let signature = |bytes: &[u8]| bytes[bytes.len() - 96..].to_vec();
    let moved = [&evidence[..evidence.len() - 96], &signature(&other)].concat();
    assert_eq!(judge(&moved, pin(&tee)), Err(Rejected::Signature));
}

#[test]
fn what_does_not_fit_into_evidence_is_refused_when_asked() {
    let directory = tempfile::tempdir().unwrap();
    let tee = tee_at(directory.path(), NOW_MS);
    let ask = |tee: &SoftwareTee<At>, length| {
        quote(tee, &ReportData::epoch(&binding()), &vec![1; length], &NONCE).map(|_| ())
    };
    assert_eq!(ask(&tee, 1_024), Ok(()));
    for got in [0, 1_025] {
        assert_eq!(ask(&tee, got), Err(QuoteError::PublicKeyLength { got }));
    }
    for now_ms in [2_524_608_000_000 - 3 * 3_600_000, u64::MAX] {
        let late = tee_at(directory.path(), now_ms);
        assert_eq!(ask(&late, 91), Err(QuoteError::Clock { now_ms }));
    }
}

/// `sha384sum` of the executable is what PCR0 shows.
#[test]
fn the_running_executable_is_measured() {
    let machine = Machine::running("m".into()).unwrap();
    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let expected = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA384, &own);
    assert_eq!(machine.executable_sha384, expected.as_ref());
}
