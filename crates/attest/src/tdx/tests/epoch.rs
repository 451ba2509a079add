//! Quotes that vouch for an epoch, by way of what a relying party accepts of any kind.

use alloc::boxed::Box;
use alloc::vec;

use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::key::{Ed25519Key, Signer as _};
use lucarne_ledger::report_data::{ChannelEnd, ReportData};

use super::forge::*;
use super::*;
use crate::baseline::{
    Approval, Approver, Approvers, Authority, Baseline, Entry, Version, approval_message,
};
use crate::register::Register;
use crate::rejected::Class;
use crate::revocation::Revoked;
use crate::{Acceptance, At, CollateralFiles, EpochKeys, Exhibit, Kind};

fn binding() -> EpochBinding {
    EpochBinding {
        p256_spki: vec![1; 91],
        ed25519: [2; 32],
        mldsa44: None,
        channel_spki: None,
        instance: "td-001".parse().unwrap(),
        nonce: [5; 32],
        configuration_sha256: [6; 32],
        contract_sha256: [7; 32],
        deployment: None,
    }
}

/// A quote over this report data, the collateral in a file, and who accepts them.
fn made(data: &ReportData) -> (Vec<u8>, CollateralFiles, Acceptance, Vec<u8>) {
    let mut forge = Forge::new();
    set(&mut forge.body, REPORT_DATA, data.as_bytes());
    let Made { quote, collateral, root } = forge.make();
    let pck = Quote::parse(&quote).map(|quote| chain::read_pem(quote.chain, Place::Pck).unwrap());
    let files = CollateralFiles::new([b"for another kind".to_vec(), bundle(&collateral)]);
    let accepts = Acceptance { tdx: Some(trusting(root)), ..Acceptance::default() };
    (quote, files, accepts, pck.unwrap()[1].clone())
}

const END: ChannelEnd<'static> = ChannelEnd {
    version: 1,
    role: "enclave",
    client_nonce: &[1; 32],
    leaf_spki_sha256: &[2; 32],
    exporter: &[3; 32],
};
const LIVE: At = At::Live { now: NOW, age_max_ms: 60_000 };
const ANY: crate::Expect = crate::Expect::AnyNonce;

type Verdict = Result<EpochKeys, crate::Rejected>;

#[test]
fn a_quote_of_each_purpose_is_believed_for_that_purpose_alone() {
    let bound = binding();
    let purposes = [
        ReportData::epoch(&bound),
        ReportData::monitor(&bound, &[9; 32]),
        ReportData::channel(&bound, &END),
    ];
    for (made_for, data) in purposes.iter().enumerate() {
        let (quote, collateral, accepts, _) = made(data);
        let exhibit = Exhibit { evidence: &quote, collateral: &collateral, binding: &bound };
        let verdicts = [
            accepts.verify_epoch(&exhibit, LIVE, ANY),
            accepts.verify_fresh(&exhibit, LIVE, [9; 32]),
            accepts.verify_channel(&exhibit, LIVE, &END),
        ];
        for (asked_for, verdict) in verdicts.into_iter().enumerate() {
            let verdict: Verdict = verdict.map(Verified::into_inner);
            if asked_for != made_for {
                assert_eq!(verdict, Err(crate::Rejected::Tdx(Rejected::ReportData)));
                continue;
            }
            let keys = verdict.unwrap();
            assert_eq!((keys.epoch, &keys.binding), (bound.epoch_id(), &bound));
            let claims = keys.claims;
            assert_eq!((claims.kind, claims.insecure, claims.signed_time), (Kind::Tdx, true, None));
            assert_eq!((claims.time(), claims.identity), (NOW, Hash::of(&quote[..632])));
            let registers = [1, 5, 6, 7, 8].map(|fill| Register([fill; 48]));
            assert_eq!(claims.registers, (0..).zip(registers).collect());
            assert_eq!(claims.registers[&0], Register([1; 48]));
        }
        let other = EpochBinding { nonce: [6; 32], ..bound.clone() };
        let exhibit = Exhibit { binding: &other, ..exhibit };
        let verdict = accepts.verify_fresh(&exhibit, LIVE, [9; 32]).map(|_| ());
        assert_eq!(verdict, Err(crate::Rejected::Tdx(Rejected::ReportData)));
    }
}

#[test]
fn a_replay_needs_a_time_that_something_else_shows() {
    let bound = binding();
    let (quote, collateral, accepts, _) = made(&ReportData::epoch(&bound));
    let exhibit = Exhibit { evidence: &quote, collateral: &collateral, binding: &bound };
    let at = |shown| {
        let verdict = accepts.verify_epoch(&exhibit, At::Replay { shown }, ANY);
        verdict.map(|keys| keys.claims.time())
    };
    let undated = crate::Rejected::Undated { kind: Kind::Tdx };
    assert_eq!((undated.class(), undated.code()), (Class::Time, "undated"));
    assert_eq!(at(None), Err(undated));
    let earlier = Time::from_unix_ms(NOW.unix_ms() - 1_000);
    assert_eq!(at(Some(earlier)), Ok(earlier));
    // A day on which the collateral was over is refused as that.
    let late = Time::from_unix_ms(NOW.unix_ms() + 40 * 86_400_000);
    let refused = at(Some(late)).unwrap_err();
    assert!(matches!(refused, crate::Rejected::Tdx(Rejected::Expired { .. })), "{refused:?}");
    assert_eq!((refused.class(), refused.is_outage()), (Class::Time, false));
}

#[test]
fn missing_collateral_is_an_outage_and_a_kind_that_nobody_accepts_is_refused() {
    let bound = binding();
    let (quote, collateral, accepts, _) = made(&ReportData::epoch(&bound));
    let none = CollateralFiles::default();
    let exhibit = Exhibit { evidence: &quote, collateral: &none, binding: &bound };
    let refused = accepts.verify_epoch(&exhibit, LIVE, ANY).map(|_| ()).unwrap_err();
    assert_eq!(refused, crate::Rejected::CollateralMissing { kind: Kind::Tdx });
    assert!(refused.is_outage() && refused.class() != Class::Mismatch);
    let exhibit = Exhibit { collateral: &collateral, ..exhibit };
    let nobody = Acceptance::default().verify_epoch(&exhibit, LIVE, ANY).map(|_| ());
    assert_eq!(nobody, Err(crate::Rejected::KindNotAccepted { kind: Kind::Tdx }));
    let exhibit = Exhibit { evidence: b"\x84", ..exhibit };
    let nitro = accepts.verify_epoch(&exhibit, LIVE, ANY).map(|_| ());
    assert_eq!(nitro, Err(crate::Rejected::KindNotAccepted { kind: Kind::Nitro }));
}

#[test]
fn a_measurement_that_nobody_listed_is_that() {
    let bound = binding();
    let (quote, collateral, mut accepts, _) = made(&ReportData::epoch(&bound));
    let exhibit = Exhibit { evidence: &quote, collateral: &collateral, binding: &bound };
    let listed = |fill| {
        let registers = [(RegisterName::MrTd, Register([fill; 48]))].into();
        Measurements::OneOf(vec![Measurement::new(registers).unwrap()])
    };
    let policy = accepts.tdx.as_mut().unwrap();
    policy.measurements = listed(1);
    accepts.verify_epoch(&exhibit, LIVE, ANY).unwrap();
    accepts.tdx.as_mut().unwrap().measurements = listed(2);
    let refused = accepts.verify_epoch(&exhibit, LIVE, ANY).map(|_| ()).unwrap_err();
    assert!(refused.is_measurement() && !refused.is_outage(), "{refused:?}");
}

/// The relying party's own word, on top of the lists in the collateral.
#[test]
fn a_certificate_that_the_relying_party_revoked_is_refused_by_its_place() {
    let bound = binding();
    let (quote, collateral, mut accepts, issuer) = made(&ReportData::epoch(&bound));
    let exhibit = Exhibit { evidence: &quote, collateral: &collateral, binding: &bound };
    let issuer = certificate::Certificate::parse(&issuer).unwrap();
    let named = |serial: &[u8]| Revoked { issuer: issuer.issuer.into(), serial: serial.into() };
    accepts.revoked = vec![named(&[0x7f, 0x7f])];
    accepts.verify_epoch(&exhibit, LIVE, ANY).unwrap();
    accepts.revoked = vec![named(issuer.serial)];
    let refused = accepts.verify_epoch(&exhibit, LIVE, ANY).map(|_| ());
    let place = Place::PckIssuer;
    assert_eq!(refused, Err(crate::Rejected::Tdx(Rejected::CertificateRevoked { place })));
}

/// A baseline whose one version has this MRTD, approved by two people.
fn authority(mr_td: Register) -> Authority {
    let key = |seed: u8| Ed25519Key::from_seed(&[seed; 32]).unwrap();
    let public = |seed| -> [u8; 32] { key(seed).public_key().raw().try_into().unwrap() };
    let entry = Entry {
        version: "v1".into(),
        any_of: vec![[(0, mr_td), (4, Register([8; 48]))].into()],
        valid_from: Time::from_unix_ms(NOW.unix_ms() - 1_000),
        valid_until: None,
        deployment: None,
        change: None,
        git_commit: None,
        build_digest: None,
    };
    let people = [("alice", 1), ("bob", 2)];
    let at = Time::from_unix_ms(NOW.unix_ms() - 2_000);
    let approvals = people.map(|(by, seed)| {
        let signature = key(seed).sign(&approval_message(&entry.digest(), by, at)).unwrap();
        Approval { by: by.into(), key: public(seed), at, signature }
    });
    let approvers = people.map(|(name, seed)| Approver { name: name.into(), key: public(seed) });
    let version = Version { entry, approvals: approvals.into(), retirement: None };
    Authority {
        baseline: Baseline::new(vec![version]).unwrap(),
        approvers: Approvers::new(approvers.into()).unwrap(),
    }
}

/// Registers are MRTD and RTMR0 to 3 by number, and the time is that of the judgement.
#[test]
fn a_baseline_authorises_a_td_by_its_registers_at_its_time() {
    let bound = binding();
    let (quote, collateral, mut accepts, _) = made(&ReportData::epoch(&bound));
    let exhibit = Exhibit { evidence: &quote, collateral: &collateral, binding: &bound };
    let mut judge = |mr_td, at| {
        let measurements = Measurements::Baseline(Box::new(authority(Register([mr_td; 48]))));
        accepts.tdx.as_mut().unwrap().measurements = measurements;
        accepts.verify_epoch(&exhibit, At::Replay { shown: Some(at) }, ANY).map(|_| ())
    };
    assert_eq!(judge(1, NOW), Ok(()));
    let early = Time::from_unix_ms(NOW.unix_ms() - 1_500);
    for (verdict, standing) in [(judge(2, NOW), "unknown"), (judge(1, early), "not-yet-valid")] {
        let refused = verdict.unwrap_err();
        assert!(refused.is_measurement(), "{refused:?}");
        assert_eq!(refused.class(), Class::Mismatch);
        match refused {
            crate::Rejected::Tdx(Rejected::NotAuthorised { standing: found }) => {
                assert_eq!(found.as_str(), standing);
            }
            other => panic!("{other:?}"),
        }
    }
}
