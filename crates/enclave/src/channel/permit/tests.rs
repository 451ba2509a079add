//! Each reason to refuse, on a query that is granted without it.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use lucarne_ledger::key::{Ed25519Key, Signer as _};

use super::*;
use crate::channel::config::tests::{access, authority, sample};

/// 2026-11-21T03:00:00Z.
const NOW: u64 = 1_795_230_000;
const HOUR_NS: u64 = 3_600_000_000_000;

struct Person {
    pair: EcdsaKeyPair,
    certificate: Certificate,
}

fn person(holder: &str, role: &str) -> Person {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref().try_into().unwrap();
    let mut serial = [0; 16];
    serial[..holder.len()].copy_from_slice(holder.as_bytes());
    let certificate = Certificate {
        serial: Serial::from_random(serial),
        authority: "board".parse().unwrap(),
        holder: holder.parse().unwrap(),
        role: role.parse().unwrap(),
        not_before: NOW - 60,
        not_after: NOW + 3_600,
        point,
    };
    Person { pair, certificate }
}

fn signed(certificate: &Certificate, by: &Ed25519Key) -> Vec<u8> {
    let message = certificate.to_be_signed().unwrap();
    Certificate::assemble(&message, &by.sign(&message).unwrap())
}

impl Person {
    fn certificate(&self) -> Vec<u8> {
        signed(&self.certificate, &authority())
    }

    fn countersign(&self, asker: &Self, query: &Query, until: u64) -> Countersignature {
        let instance = instance();
        let approval = Approval { instance: &instance, asker: asker.certificate.serial, query };
        let message = approval.message(&[7; 16], until);
        let signature = self.pair.sign(&SystemRandom::new(), &message).unwrap();
        let signature = signature.as_ref().try_into().unwrap();
        Countersignature { certificate: self.certificate(), number: [7; 16], until, signature }
    }
}

fn instance() -> Instance {
    "nitro-001-us-east".parse().unwrap()
}

fn recent() -> Query {
    Query {
        verb: Verb::Recent,
        text: String::new(),
        from_ns: NOW * 1_000_000_000 - HOUR_NS,
        to_ns: u64::MAX,
        limit: 1_000,
    }
}

fn ask(
    asker: &Certificate,
    query: &Query,
    word: Option<&Countersignature>,
) -> Result<Permit, Denied> {
    let access = access(&sample()).unwrap();
    let issued = access.recognise(&signed(asker, &authority())).unwrap();
    access.permit(&issued, query, word, &instance(), NOW * 1_000)
}

#[test]
fn who_has_a_role_may_ask_within_its_limits() {
    let alice = person("alice", "investigator");
    let permit = ask(&alice.certificate, &recent(), None).unwrap();
    assert_eq!((permit.query(), permit.streams()), (&recent(), &Streams::All));
    // The lesser of what was asked for and what the role allows.
    assert_eq!((permit.rows_max(), permit.bytes_max()), (100, 16 << 20));
    let few = Query { limit: 7, ..recent() };
    assert_eq!(ask(&alice.certificate, &few, None).unwrap().rows_max(), 7);
    assert_eq!(permit.second(), None);
}

#[test]
fn a_certificate_of_nobody_is_not_recognised() {
    let access = access(&sample()).unwrap();
    let alice = person("alice", "investigator").certificate;
    let stranger = Ed25519Key::from_seed(&[9; 32]).unwrap();
    assert_eq!(access.recognise(&signed(&alice, &stranger)), None);
    let other = Certificate { authority: "nobody".parse().unwrap(), ..alice.clone() };
    assert_eq!(access.recognise(&signed(&other, &authority())), None);
    assert_eq!(access.recognise(b"no certificate"), None);
    assert_eq!(access.recognise(&signed(&alice, &authority())).unwrap().get(), &alice);
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Certificate), code: &str) {
    let mut alice = person("alice", "investigator").certificate;
    change(&mut alice);
    assert_eq!(ask(&alice, &recent(), None).unwrap_err().code(), code);
}

#[test]
fn each_fault_of_a_certificate_has_its_name() {
    refused(|it| it.not_before = NOW + 1, "not-yet-valid");
    refused(|it| it.not_after = NOW - 1, "expired");
    refused(|it| it.serial = Serial::from_random([0; 16]), "revoked");
    refused(|it| it.role = "king".parse().unwrap(), "no-role");
    refused(|it| it.not_after = it.not_before + 30 * 86_400 + 1, "certificate-too-long");
    // The ends of a validity are valid.
    let mut alice = person("alice", "investigator").certificate;
    (alice.not_before, alice.not_after) = (NOW, NOW);
    assert_eq!(ask(&alice, &recent(), None).unwrap().rows_max(), 100);
}

#[test]
fn an_authority_gives_only_its_own_roles() {
    let text = sample().replace(
        "authorities:\n- { name: board",
        "authorities:\n- { name: other, ed25519: \
         \"0000000000000000000000000000000000000000000000000000000000000000\" }\n- { name: board",
    );
    let text = text.replace(
        "name: investigator, authorities: [ board ]",
        "name: investigator, authorities: [ other ]",
    );
    let access = access(&text).unwrap();
    let alice = person("alice", "investigator");
    let issued = access.recognise(&alice.certificate()).unwrap();
    let refused = access.permit(&issued, &recent(), None, &instance(), NOW * 1_000);
    assert_eq!(refused.unwrap_err(), Denied::Asker(Standing::Role));
}

#[test]
fn verb_and_time_are_limited() {
    let alice = person("alice", "investigator").certificate;
    let logs = Query { verb: Verb::Logs, ..recent() };
    assert_eq!(ask(&alice, &logs, None).unwrap_err(), Denied::Verb(Verb::Logs));
    let day = Query { from_ns: NOW * 1_000_000_000 - 24 * HOUR_NS, ..recent() };
    assert_eq!(ask(&alice, &day, None).unwrap().query(), &day);
    let longer = Query { from_ns: day.from_ns - 1, ..recent() };
    let denied = Denied::Span { ns_max: 24 * HOUR_NS };
    assert_eq!(ask(&alice, &longer, None).unwrap_err(), denied);
    let evidence = Query { verb: Verb::Attestation, from_ns: 0, ..recent() };
    assert_eq!(ask(&alice, &evidence, None).unwrap().query(), &evidence);
}

#[test]
fn four_eyes_are_two_people() {
    let (bob, carol) = (person("bob", "careful"), person("carol", "approver"));
    let missing = Denied::SecondMissing { role: "approver".parse().unwrap() };
    assert_eq!(ask(&bob.certificate, &recent(), None).unwrap_err(), missing);
    let word = carol.countersign(&bob, &recent(), NOW);
    let permit = ask(&bob.certificate, &recent(), Some(&word)).unwrap();
    let second = Second { holder: "carol".parse().unwrap(), number: [7; 16], until: NOW };
    assert_eq!(permit.second(), Some(&second));

    let of = |word: &Countersignature| ask(&bob.certificate, &recent(), Some(word)).unwrap_err();
    let other = Query { limit: 1_001, ..recent() };
    assert_eq!(of(&carol.countersign(&bob, &other, NOW)), Denied::Countersignature);
    let dave = person("dave", "careful");
    assert_eq!(of(&carol.countersign(&dave, &recent(), NOW)), Denied::Countersignature);
    assert_eq!(of(&carol.countersign(&bob, &recent(), NOW - 1)), Denied::Used);
    assert_eq!(of(&dave.countersign(&bob, &recent(), NOW)), Denied::SecondPerson);
    let himself = person("bob", "approver");
    assert_eq!(of(&himself.countersign(&bob, &recent(), NOW)), Denied::SecondPerson);
    let mut same_key = person("carol", "approver");
    same_key.certificate.point = bob.certificate.point;
    assert_eq!(of(&same_key.countersign(&bob, &recent(), NOW)), Denied::SecondPerson);
    let mut gone = person("carol", "approver");
    gone.certificate.not_after = NOW - 1;
    let denied = Denied::Second(Standing::Expired);
    assert_eq!(of(&gone.countersign(&bob, &recent(), NOW)), denied);
    let stranger = Countersignature { certificate: vec![1; 9], ..word };
    assert_eq!(of(&stranger), Denied::SecondPerson);
}
