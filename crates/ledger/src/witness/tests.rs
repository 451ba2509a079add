//! Decisions of a witness: every status of the specification, and a model of many requests.

extern crate std;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::path::Path;

use super::*;
use crate::key::{Ed25519Key, Signer};
use crate::proof::ConsistencyProver;

const ORIGIN: &str = "audit.example/log1";

fn vector() -> String {
    let path = "testdata/x-mod/witness-add-checkpoint-600-1000.txt";
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn log() -> (Ed25519Key, NoteKey) {
    let key = Ed25519Key::from_seed(&Hash::of(b"log1 ed25519").0).unwrap();
    let verifier = NoteKey::new(ORIGIN, key.public_key().clone());
    (key, verifier)
}

fn leaf(i: u64) -> Hash {
    Hash::of(format!("\0record {i}").as_bytes())
}

fn root(size: u64) -> Hash {
    let mut frontier = Frontier::empty();
    (0..size).for_each(|i| frontier.append(leaf(i)));
    frontier.root()
}

fn held(size: u64) -> Held {
    Held { size, root: root(size) }
}

fn note_of(size: u64, root: Hash) -> String {
    let (key, verifier) = log();
    let text = Checkpoint { origin: ORIGIN.into(), size, root }.to_string();
    let line = verifier.line(&key.sign(text.as_bytes()).unwrap());
    note::assemble(&text, &[line])
}

fn path(old: u64, new: u64) -> Vec<Hash> {
    let mut prover = ConsistencyProver::new(old, new, &Frontier::empty()).unwrap();
    while let Some(next) = prover.next() {
        prover.push(leaf(next));
    }
    prover.finish().unwrap().path
}

fn decide(body: &str, state: Option<Held>) -> Result<Checkpoint, Refusal> {
    let accepted = Request::parse(body.as_bytes())?.verify(&[log().1])?.decide(state)?;
    assert_eq!(Checkpoint::open(accepted.note(), &[log().1]).as_ref(), Ok(accepted.head()));
    Ok(accepted.head().clone())
}

#[test]
fn the_request_of_the_vectors_is_accepted_and_has_one_spelling() {
    let body = vector();
    let request = Request::parse(body.as_bytes()).unwrap();
    assert_eq!((request.old(), request.claimed().size), (600, 1000));
    assert_eq!(write(request.old(), request.path(), request.note()), body);
    let head = decide(&body, Some(held(600))).unwrap();
    assert_eq!((head.size, head.root), (1000, root(1000)));
    assert_eq!(write(600, &path(600, 1000), &note_of(1000, root(1000))), body);
}

#[test]
fn every_other_spelling_is_malformed() {
    let body = vector();
    let first = body.lines().nth(1).unwrap();
    for (from, to) in [
        ("old 600", "old 0600"),
        ("old 600", "old +600"),
        ("old 600", "old  600"),
        ("old 600", "Old 600"),
        ("old 600", "old"),
        ("old 600", "old "),
        ("old 600", "old 18446744073709551616"),
        ("old 600\n", "old 600\r\n"),
        ("old 600\n", ""),
        (first, "0MQ"),
        (first, &format!("{first} ")),
        (first, "0MQZC02YAI5BB82hNqgeiJjbFC2/zuqs4sZcUzDS7Rl="),
        ("\n\naudit", "\naudit"),
        ("\n\naudit", "\n\n\naudit"),
        ("\n1000\n", "\n01000\n"),
        ("\n1000\n", "\n1000\nextension\n"),
        ("\u{2014} ", "- "),
    ] {
        let other = body.replacen(from, to, 1);
        assert_ne!(other, body, "{from:?}");
        assert_eq!(decide(&other, Some(held(600))), Err(Refusal::Malformed), "{to:?}");
    }
    let note = note_of(1000, root(1000));
    let hashes = |count: usize| write(1, &[Hash::ZERO].repeat(count), &note);
    assert_eq!(Request::parse(hashes(63).as_bytes()).unwrap().path().len(), 63);
    assert_eq!(Request::parse(hashes(64).as_bytes()), Err(Refusal::Malformed));
    assert_eq!(Request::parse(&[0xff]), Err(Refusal::Malformed));
    let long = [b'x'; REQUEST_BYTES_MAX + 1];
    assert_eq!(Request::parse(&long), Err(Refusal::Malformed));
}

#[test]
fn each_refusal_has_the_status_of_the_specification() {
    let (body, note) = (vector(), note_of(1000, root(1000)));
    let proof = path(600, 1000);
    let is = |found: Result<Checkpoint, Refusal>, refusal: Refusal, status: u16| {
        assert_eq!(found, Err(refusal));
        assert_eq!(refusal.status(), status);
    };
    is(decide("old 1\n", None), Refusal::Malformed, 400);
    is(decide(&write(1001, &[], &note), Some(held(600))), Refusal::OldBeyond, 400);
    let forged = body.replacen("\n1000\n", "\n1001\n", 1);
    is(decide(&forged, Some(held(600))), Refusal::Unsigned, 403);
    let stranger = NoteKey::new(
        "other.example",
        log()
            .1
            .material()
            .try_into()
            .map(|key: &[u8; 32]| crate::key::PublicKey::from_ed25519(key))
            .unwrap(),
    );
    let request = Request::parse(body.as_bytes()).unwrap();
    assert_eq!(request.verify(&[stranger]), Err(Refusal::Unsigned));
    assert_eq!(Refusal::UnknownOrigin.status(), 404);
    is(decide(&body, None), Refusal::Held { size: 0 }, 409);
    is(decide(&body, Some(held(700))), Refusal::Held { size: 700 }, 409);
    is(decide(&body, Some(held(1001))), Refusal::Held { size: 1001 }, 409);
    let forked = Held { size: 1000, root: Hash::ZERO };
    is(decide(&write(1000, &[], &note), Some(forked)), Refusal::Forked { held: Hash::ZERO }, 422);
    let other = Held { size: 600, root: root(599) };
    let why = ProofError::Start { expected: root(599), found: root(600) };
    is(decide(&body, Some(other)), Refusal::NotConsistent { why }, 422);
    let why = ProofError::Length { found: 7 };
    is(
        decide(&write(600, &proof[1..], &note), Some(held(600))),
        Refusal::NotConsistent { why },
        422,
    );
    let needless = write(1000, &proof[..1], &note);
    is(decide(&needless, Some(held(1000))), Refusal::NeedlessProof, 422);
    is(decide(&write(0, &proof, &note), None), Refusal::NeedlessProof, 422);
    is(decide(&write(0, &[], &note_of(0, Hash::ZERO)), None), Refusal::EmptyRoot, 422);
}

#[test]
fn what_goes_on_is_accepted() {
    let note = note_of(1000, root(1000));
    let size = |found: Result<Checkpoint, Refusal>| found.map(|head| head.size);
    assert_eq!(size(decide(&write(0, &[], &note), None)), Ok(1000));
    assert_eq!(size(decide(&write(0, &[], &note), Some(held(0)))), Ok(1000));
    assert_eq!(size(decide(&write(1000, &[], &note), Some(held(1000)))), Ok(1000));
    assert_eq!(size(decide(&write(0, &[], &note_of(0, root(0))), None)), Ok(0));
}

#[test]
fn a_witness_never_goes_back_and_never_forks() {
    // Whatever is asked in whatever order, what is cosigned is one history that grows.
    let mut state: Option<Held> = None;
    let mut seen: BTreeMap<u64, Hash> = BTreeMap::new();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut accepted = 0;
    for step in 0..2000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let [old, new, fork] = [random % 24, (random >> 16) % 24, (random >> 32) % 4];
        // A guess is seldom right, and a sender that was told the size does not guess.
        let told = !(random >> 40).is_multiple_of(4);
        let old = if told { state.map_or(0, |held| held.size) } else { old };
        let root = if fork == 0 { Hash::of(&new.to_be_bytes()) } else { root(new) };
        let path = if old == 0 || old >= new { Vec::new() } else { path(old, new) };
        let before = state;
        if let Ok(head) = decide(&write(old, &path, &note_of(new, root)), state) {
            let now = Held { size: head.size, root: head.root };
            assert!(before.is_none_or(|before| before.size <= now.size), "{before:?} {now:?}");
            assert_eq!(*seen.entry(now.size).or_insert(now.root), now.root);
            state = Some(now);
            accepted += 1;
        }
        // Begin again now and then: the tree is soon at its largest, or one that is not ours.
        if step % 20 == 19 {
            (state, seen) = (None, BTreeMap::new());
        }
    }
    assert!(accepted > 200, "only {accepted} accepted");
}
