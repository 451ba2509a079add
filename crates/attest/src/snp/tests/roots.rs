//! Roots that are not AMD's: believed only by their fingerprint, never without INSECURE, and only
//! for the product that they are a root of.

use alloc::vec;
use alloc::vec::Vec;

use super::forge::{Forge, Rsa};
use crate::register::{Fingerprint, Register};
use crate::revocation::Revoked;
use crate::snp::certificate::Certificate;
use crate::snp::{
    Claims, Collateral, Measurements, Place, Policy, Rejected, verify, verify_unless_revoked,
};
use crate::verified::Verified;

/// A report under a root of its own that comes along, and the fingerprint of that root.
fn made() -> (Forge, Collateral, Fingerprint) {
    let mut forge = Forge::new();
    let root = forge.root.sign(&Rsa::root());
    let got = Fingerprint::of(&root);
    forge.others.push(root);
    let collateral = forge.collateral();
    (forge, collateral, got)
}

fn judge(forge: &Forge, collateral: &Collateral, policy: &Policy) -> Result<Claims, Rejected> {
    let report = forge.sign();
    verify(&report, collateral, policy, forge.now, forge.expect).map(Verified::into_inner)
}

#[test]
fn a_root_that_the_policy_names_insecure_is_believed_and_marked() {
    let (forge, collateral, got) = made();
    let policy = Policy { insecure_roots: vec![got], ..forge.policy.clone() };
    let claims = judge(&forge, &collateral, &policy).unwrap();
    assert_eq!((claims.insecure, claims.root), (true, got));
    // Under AMD's own it is nobody's.
    let strict = Policy { insecure_roots: Vec::new(), ..policy.clone() };
    assert_eq!(judge(&forge, &collateral, &strict), Err(Rejected::RootDiffers { got }));
    // Named, and it did not come along: AMD's is then the root.
    let (mut bare, ..) = made();
    bare.others.clear();
    let place = Place::Issuer;
    let without = judge(&bare, &bare.collateral(), &policy);
    assert_eq!(without, Err(Rejected::ChainOrder { place }));
    let other = Policy { insecure_roots: vec![Fingerprint([7; 32])], ..policy };
    assert_eq!(judge(&forge, &collateral, &other), Err(Rejected::RootDiffers { got }));
}

#[test]
fn what_the_relying_party_revoked_is_refused_by_its_place() {
    let (forge, collateral, got) = made();
    let policy = Policy { insecure_roots: vec![got], ..forge.policy.clone() };
    let issuer = Certificate::parse(&collateral.certificates[1]).unwrap();
    let revoked =
        |serial: &[u8]| vec![Revoked { issuer: issuer.issuer.into(), serial: serial.into() }];
    let judge = |revoked: &[Revoked]| {
        let report = forge.sign();
        verify_unless_revoked(&report, &collateral, &policy, forge.now, forge.expect, revoked)
            .map(|_| ())
    };
    assert_eq!(judge(&revoked(&[6])), Ok(()));
    assert_eq!(judge(&revoked(&[5])), Err(Rejected::Revoked { place: Place::Issuer }));
}

#[test]
fn an_empty_baseline_authorises_nothing() {
    use crate::baseline::{Approver, Approvers, Authority, Baseline, Standing};
    let (forge, collateral, got) = made();
    let people = [("alice", 1), ("bob", 2)];
    let people = people.map(|(name, key)| Approver { name: name.into(), key: [key; 32] });
    let authority = Authority {
        baseline: Baseline::default(),
        approvers: Approvers::new(people.into()).unwrap(),
    };
    let policy = Policy {
        insecure_roots: vec![got],
        measurements: Measurements::Baseline(authority.into()),
        ..forge.policy.clone()
    };
    let standing = Standing::Unknown { closest: None, differences: Vec::new() };
    let refused = judge(&forge, &collateral, &policy).unwrap_err();
    assert_eq!(refused, Rejected::NotAuthorised { standing });
    let listed = Measurements::OneOf(vec![Register([1; 48])]);
    let policy = Policy { measurements: listed, ..policy };
    assert_eq!(judge(&forge, &collateral, &policy).map(|claims| claims.insecure), Ok(true));
}
