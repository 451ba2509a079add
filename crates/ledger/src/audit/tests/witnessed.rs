//! What the word of witnesses adds to an audit: up to where records are covered, and a clock that
//! is not the host's.

use super::FindingKind::{Modified, TimeInconsistent, UnanchoredTail, UncleanEnd};
use super::*;
use crate::checkpoint::{Checkpoint, origin};
use crate::cosignature::Cosigner;

const NAMES: [&str; 2] = ["w1.example", "w2.example"];

fn cosigners() -> [Cosigner; 2] {
    [1, 2].map(|seed: u8| Cosigner::ed25519(NAMES[usize::from(seed - 1)], &[seed; 32]).unwrap())
}

/// A quorum of one of the two.
fn witnessed(min: usize) -> Policy {
    let mut text = String::new();
    for (number, cosigner) in cosigners().iter().enumerate() {
        text.push_str(&format!("witness w{number} {}\n", cosigner.verifier()));
    }
    text.push_str("group both 1 w0 w1\nquorum both\n");
    Policy { witnesses: Some(text.parse().unwrap()), witnesses_min: min, ..policy() }
}

/// Lets the first `count` witnesses cosign the checkpoint of this size at this time.
fn cosign(site: &mut Site, size: u64, count: usize, time_s: u64) {
    let id = LedgerId { instance: instance(), epoch: epoch(), kind: LedgerKind::Audit };
    for file in &mut site.files {
        let File::Checkpoint { named, note, .. } = file else { continue };
        if named.0 == size {
            let head = Checkpoint { origin: origin(PREFIX, &id), size, root: named.1 };
            for cosigner in &cosigners()[..count] {
                note.push_str(&cosigner.cosign(&head, time_s).unwrap());
            }
        }
    }
}

fn seen_s() -> u64 {
    TIME_MS / 1_000 + 60
}

#[test]
fn records_beyond_the_last_cosigned_checkpoint_are_not_covered() {
    let mut site = site();
    let verdict_of = |site: &Site, min| verdict(&site.audit(&witnessed(min)));
    assert_eq!(verdict_of(&site, 0), (2, vec![(UnanchoredTail, Some((0, 39)))]));
    cosign(&mut site, 20, 1, seen_s());
    assert_eq!(verdict_of(&site, 0), (2, vec![(UnanchoredTail, Some((20, 39)))]));
    cosign(&mut site, 40, 1, seen_s());
    assert_eq!(verdict_of(&site, 0), (5, vec![]));
    // Who asks for two is not content with one.
    assert_eq!(verdict_of(&site, 2), (2, vec![(UnanchoredTail, Some((0, 39)))]));
    assert_eq!(site.verdict(), (5, vec![]), "a policy without witnesses asks for none");
}

#[test]
fn a_range_that_witnesses_cover_does_not_need_the_end_of_its_ledger() {
    let mut site = site();
    cosign(&mut site, 20, 1, seen_s());
    site.files.truncate(4);
    let range = |last| Some(SeqRange { first: 0, last });
    let of = |policy| verdict(&site.audit(&policy));
    assert_eq!(of(Policy { range: range(19), ..witnessed(0) }), (5, vec![]));
    let beyond = of(Policy { range: range(19), ..policy() });
    assert_eq!(beyond, (2, vec![(UncleanEnd, None)]), "without witnesses it does");
}

#[test]
fn a_bad_line_of_a_witness_spoils_the_checkpoint() {
    let mut site = site();
    cosign(&mut site, 40, 1, seen_s());
    for file in &mut site.files {
        let File::Checkpoint { named: (40, _), note, .. } = file else { continue };
        // The last line is the witness's; one character of its signature becomes another.
        let at = note.len() - 10;
        let other = if note.as_bytes()[at] == b'A' { "B" } else { "A" };
        note.replace_range(at..=at, other);
    }
    let (exit, found) = verdict(&site.audit(&witnessed(0)));
    assert_eq!((exit, found[0]), (1, (Modified, Some((39, 39)))), "{found:?}");
}

#[test]
fn a_record_cannot_be_younger_than_the_word_of_a_witness_that_saw_it() {
    let mut site = site();
    // A quarter of an hour before the first statement says it was made.
    cosign(&mut site, 40, 1, TIME_MS / 1_000 - 900);
    let (exit, found) = verdict(&site.audit(&witnessed(0)));
    assert_eq!((exit, found), (1, vec![(TimeInconsistent, Some((0, 39)))]));
}
