//! Policies: the vector of another implementation, every fault with its line, and quorums against a
//! count by trying all subsets.

extern crate std;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use std::path::Path;

use super::*;
use crate::cosignature::Cosigner;
use crate::hash::Hash;
use crate::key::{Ed25519Key, Signer};
use crate::note::VerifierKeyError;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/x-mod").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The checkpoint note in the proof of the vectors.
fn note_of_the_proof() -> String {
    let proof = file("record-299.tlog-proof");
    proof.split_once("\n\n").unwrap().1.to_owned()
}

#[test]
fn the_policy_of_the_vectors_accepts_its_checkpoint() {
    let policy: TrustPolicy = file("record-299.policy").parse().unwrap();
    let note = note_of_the_proof();
    let judged = policy.judge_listed(&note).unwrap();
    assert_eq!(
        (judged.checkpoint.origin.as_str(), judged.checkpoint.size),
        ("audit.example/log1", 600)
    );
    let by = |witness, time_s| Cosigned { witness, time_s: Some(time_s) };
    assert_eq!(judged.cosigned, [by(0, 1_679_315_147), by(1, 1_700_000_000)]);
    assert_eq!((judged.is_quorum(), judged.missing), (true, 0));
    assert_eq!(judged.oldest_s(), Some(1_679_315_147));
    assert_eq!(judged.newest_s(), Some(1_700_000_000));
    let without = |name: &str| {
        let keep = |line: &&str| !line.starts_with(&format!("\u{2014} {name} "));
        let lines: Vec<&str> = note.split_inclusive('\n').filter(keep).collect();
        policy.judge_listed(&lines.concat())
    };
    let judged = without("witness.example/w2").unwrap();
    assert_eq!((judged.is_quorum(), judged.missing), (false, 1));
    assert_eq!(judged.cosigned, [by(0, 1_679_315_147)]);
    let unsigned = Err(CheckpointError::Note(NoteError::Unsigned));
    assert_eq!(without("audit.example/log1"), unsigned);
    // Witnesses alone vouch for no log.
    assert_eq!(policy.judge(&note, &[]), unsigned);
    let spoilt = note.replacen("\n600\n", "\n601\n", 1);
    let bad = Err(CheckpointError::Note(NoteError::BadSignature));
    assert_eq!(policy.judge_listed(&spoilt), bad);
}

/// Witness number `n`, as a cosigner and as its line in a policy.
fn witness(n: u8) -> (Cosigner, String) {
    let name = format!("w{n}");
    let cosigner = Cosigner::ed25519(&name, &[n + 1; 32]).unwrap();
    let line = format!("witness {name} {}\n", cosigner.verifier());
    (cosigner, line)
}

fn witnesses(count: u8) -> String {
    (0..count).map(|n| witness(n).1).collect()
}

#[track_caller]
fn refused(text: &str, line: usize, fault: Fault) {
    assert_eq!(text.parse::<TrustPolicy>(), Err(PolicyError { line, fault }), "{text}");
}

#[test]
fn every_fault_is_named_with_its_line() {
    let two = witnesses(2);
    let with = |rest: &str| format!("{two}{rest}");
    let name = |name: &str| name.to_owned();
    refused("", 1, Fault::QuorumAbsent);
    refused(&two, 2, Fault::QuorumAbsent);
    refused("# only\n\n \t\n", 3, Fault::QuorumAbsent);
    refused("quorum none", 1, Fault::Unterminated);
    refused("quorum none\r\n", 1, Fault::Control);
    refused("# \u{7f}\nquorum none\n", 1, Fault::Control);
    refused("quorum none\nquorum none\n", 2, Fault::QuorumTwice);
    refused("quorum\n", 1, Fault::Items);
    refused("quorum none none\n", 1, Fault::Items);
    refused("quorums none\n", 1, Fault::Keyword);
    refused("Quorum none\n", 1, Fault::Keyword);
    refused("quorum w0\n", 1, Fault::Unknown { name: name("w0") });
    refused(&with("group none any w0\n"), 3, Fault::Taken { name: name("none") });
    refused(&with("group w1 any w0\n"), 3, Fault::Taken { name: name("w1") });
    refused(&with("group g any\n"), 3, Fault::Items);
    refused(&with("group g any w0 none\n"), 3, Fault::Unknown { name: name("none") });
    refused(&with("group g any w0 w0\n"), 3, Fault::MemberTwice { name: name("w0") });
    refused(
        &with("group g any w0\ngroup h any w0 w1\n"),
        4,
        Fault::MemberTwice { name: name("w0") },
    );
    refused(&with("group g any g\n"), 3, Fault::Unknown { name: name("g") });
    for wrong in ["0", "3", "02", "+1", "-1", "some", "18446744073709551616"] {
        refused(&with(&format!("group g {wrong} w0 w1\n")), 3, Fault::Threshold);
    }
    let again = two.lines().next().unwrap().replace("witness w0", "witness other");
    refused(&with(&format!("{again}\n")), 3, Fault::KeyTwice);
    let key = Ed25519Key::from_seed(&[1; 32]).unwrap().public_key().clone();
    let log = NoteKey::new("log.example", key);
    refused(&format!("witness l {log}\n"), 1, Fault::KeyType);
    refused(&format!("log {}\n", witness(1).0.verifier()), 1, Fault::KeyType);
    refused(&format!("log {log}\nlog {log} http://other\n"), 2, Fault::KeyTwice);
    let malformed = Fault::Key(VerifierKeyError::Malformed);
    refused("\nlog example\n", 2, malformed);
    let many = "group g any w0\n";
    let long = format!("{}{many}", "#\n".repeat(POLICY_BYTES_MAX / 2));
    refused(&long, 1, Fault::TooLong);
    let crowd: String = (0..65).map(|n| witness(n).1).collect();
    refused(&crowd, 65, Fault::TooMany);
    let error = "\nlog example\n".parse::<TrustPolicy>().unwrap_err();
    assert_eq!(error.to_string(), "line 2: not a verifier key of the form name+id+base64");
}

#[test]
fn blanks_and_comments_are_not_lines_of_their_own_and_order_is_free() {
    let (_, line) = witness(0);
    let spaced = line.replace(' ', " \t ").replace('\n', "  http://127.0.0.1:1/p \t\n");
    let text = format!("# comment\n\n  {spaced}\t# another\n quorum\tw0 \n{}", witness(1).1);
    let policy: TrustPolicy = text.parse().unwrap();
    assert_eq!(policy.witnesses()[0].url.as_deref(), Some("http://127.0.0.1:1/p"));
    assert_eq!((policy.witnesses().len(), policy.asks_for_none()), (2, false));
    let none: TrustPolicy = "quorum none\n".parse().unwrap();
    assert!(none.asks_for_none());
}

/// A note by a log, cosigned by those of `witnesses` whose bit is set in `who`.
fn cosigned(who: u32, count: u8) -> (String, NoteKey) {
    let log = Ed25519Key::from_seed(&[99; 32]).unwrap();
    let head = Checkpoint { origin: "log.example".into(), size: 7, root: Hash([7; 32]) };
    let text = head.to_string();
    let key = NoteKey::new(&head.origin, log.public_key().clone());
    let mut lines = vec![key.line(&log.sign(text.as_bytes()).unwrap())];
    for n in (0..count).filter(|n| who & (1 << n) != 0) {
        lines.push(witness(n).0.cosign(&head, 100 + u64::from(n)).unwrap());
    }
    (note::assemble(&text, &lines), key)
}

#[test]
fn a_quorum_is_short_of_as_many_as_the_fewest_that_would_do() {
    let rules = "group a 2 w0 w1 w2\ngroup b any w3 w4\ngroup c all a b\nquorum c\n";
    let policy: TrustPolicy = format!("{}{rules}", witnesses(5)).parse().unwrap();
    // Written down again by hand, over sets of witnesses.
    let enough = |who: u32| (who & 0b111).count_ones() >= 2 && who & 0b11000 != 0;
    for who in 0..32_u32 {
        let missing = (0..32_u32)
            .filter(|more| enough(who | more))
            .map(|more| (more & !who).count_ones())
            .min()
            .unwrap();
        let (note, log) = cosigned(who, 5);
        let judged = policy.judge(&note, &[log]).unwrap();
        assert_eq!(judged.missing, missing as usize, "{who:05b}");
        assert_eq!(judged.is_quorum(), enough(who), "{who:05b}");
        let positions: Vec<usize> = (0..5).filter(|n| who & (1 << n) != 0).collect();
        assert_eq!(policy.is_quorum_of(&positions), enough(who), "{who:05b}");
        assert_eq!(judged.cosigned.len(), who.count_ones() as usize);
    }
}

#[test]
fn a_log_signs_under_its_own_origin_only() {
    let policy: TrustPolicy = "quorum none\n".parse().unwrap();
    let (note, log) = cosigned(0, 0);
    assert_eq!(policy.judge(&note, &[log]).unwrap().missing, 0);
    let stranger = Ed25519Key::from_seed(&[98; 32]).unwrap();
    let head = Checkpoint { origin: "log.example".into(), size: 7, root: Hash([7; 32]) };
    let other = NoteKey::new("other.example", stranger.public_key().clone());
    let line = other.line(&stranger.sign(head.to_string().as_bytes()).unwrap());
    let note = note::assemble(&head.to_string(), &[line]);
    let unsigned = Err(CheckpointError::Note(NoteError::Unsigned));
    assert_eq!(policy.judge(&note, &[other]), unsigned);
}

#[test]
fn of_two_words_of_one_witness_the_later_counts() {
    let (cosigner, line) = witness(0);
    let policy: TrustPolicy = format!("{line}quorum w0\n").parse().unwrap();
    let (note, log) = cosigned(0, 0);
    let head = Checkpoint { origin: "log.example".into(), size: 7, root: Hash([7; 32]) };
    let at = |time_s| cosigner.cosign(&head, time_s).unwrap();
    let twice = format!("{note}{}{}{}", at(50), at(70), at(0));
    let judged = policy.judge(&twice, core::slice::from_ref(&log)).unwrap();
    assert_eq!(judged.cosigned, [Cosigned { witness: 0, time_s: Some(70) }]);
    let timeless = policy.judge(&format!("{note}{}", at(0)), &[log]).unwrap();
    assert_eq!(timeless.cosigned, [Cosigned { witness: 0, time_s: None }]);
    assert_eq!((timeless.is_quorum(), timeless.newest_s()), (true, None));
}
