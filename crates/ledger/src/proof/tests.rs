//! Proofs of other implementations, and ours against the recursive definition at every small size.

extern crate std;

use std::path::PathBuf;
use std::string::String;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::hash::from_hex;
use crate::tree::{Frontier, parent};

fn data(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join(file);
    std::fs::read_to_string(path).unwrap()
}

fn lines<T: DeserializeOwned>(file: &str) -> Vec<T> {
    data(file).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A value of 32 bytes; the probes also have shorter and longer ones.
fn hash(base64: &str) -> Option<Hash> {
    STANDARD.decode(base64).unwrap().try_into().ok().map(Hash)
}

fn hashes(base64: Option<&Vec<String>>) -> Option<Vec<Hash>> {
    base64.into_iter().flatten().map(|text| hash(text)).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    file: String,
    leaf_idx: Option<u64>,
    leaf_hash: Option<String>,
    tree_size: Option<u64>,
    start: Option<u64>,
    end: Option<u64>,
    size: Option<u64>,
    size1: Option<u64>,
    size2: Option<u64>,
    root: Option<String>,
    root1: Option<String>,
    root2: Option<String>,
    proof: Option<Vec<String>>,
    want_err: bool,
}

impl Probe {
    fn passes(&self) -> Option<bool> {
        let path = hashes(self.proof.as_ref())?;
        let of = |text: &Option<String>| hash(text.as_deref().unwrap());
        let verdict = match self.file.split('/').next().unwrap() {
            "inclusion" => {
                let (index, size) = (self.leaf_idx?, self.tree_size?);
                Inclusion { index, size, path }.verify(of(&self.leaf_hash)?, of(&self.root)?)
            }
            "consistency" => {
                let (old, new) = (self.size1?, self.size2?);
                Consistency { old, new, path }.verify(of(&self.root1)?, of(&self.root2)?)
            }
            "subtreeinclusion" => {
                let part = Subtree { start: self.start?, end: self.end? };
                let leaf = of(&self.leaf_hash)?;
                part.verify_leaf(self.leaf_idx?, leaf, of(&self.root)?, &path)
            }
            _ => {
                let part = Subtree { start: self.start?, end: self.end? };
                part.verify(self.size?, of(&self.root1)?, of(&self.root2)?, &path)
            }
        };
        Some(verdict.is_ok())
    }
}

#[test]
fn probes_of_others_that_must_fail_fail_and_the_others_pass() {
    let mut refused = 0;
    let mut exceptions = Vec::new();
    let probes: Vec<Probe> = lines("transparency-dev/probes.jsonl");
    for probe in &probes {
        // Values that are not 32 bytes are no hashes to us.
        let passes = probe.passes().unwrap_or(false);
        assert!(!(passes && probe.want_err), "{} must fail", probe.file);
        refused += usize::from(probe.want_err);
        if !passes && !probe.want_err {
            assert_eq!(probe.passes(), None, "{} must pass", probe.file);
            exceptions.push(probe.file.as_str());
        }
    }
    assert_eq!((probes.len(), refused), (518, 482));
    // They compare equal short texts as roots.
    let short = [
        "consistency/additional/sizes-are-equal-one-and-proof-is-empty",
        "subtreeconsistency/additional/sizes-are-equal-one-and-proof-is-empty",
        "subtreeconsistency/additional/subtree-is-empty-sizes-are-equal-one-subtree-root-valid-\
         tree-root-random-proof-is-empty",
        "subtreeconsistency/additional/subtree-is-empty-sizes-are-equal-zero-subtree-root-valid-\
         tree-root-random-proof-is-empty",
    ];
    assert_eq!(exceptions, short);
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GoInclusion {
    size: u64,
    index: u64,
    leaf_hash: String,
    proof: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GoConsistency {
    size1: u64,
    size2: u64,
    proof: Vec<String>,
}

fn hex_path(hexes: &[String]) -> Vec<Hash> {
    hexes.iter().map(|hex| Hash(from_hex(hex).unwrap())).collect()
}

/// The leaf `record <i>` of the Go vectors.
fn record(i: u64) -> Hash {
    Hash::of(std::format!("\0record {i}").as_bytes())
}

#[test]
fn proofs_are_those_of_the_reference_implementation() {
    let roots: Vec<Hash> =
        data("x-mod/roots.txt").lines().map(|hex| Hash(from_hex(hex).unwrap())).collect();
    let root = |size: u64| roots[usize::try_from(size).unwrap()];
    let theirs: Vec<GoInclusion> = lines("x-mod/inclusion.jsonl");
    for GoInclusion { size, index, leaf_hash, proof } in &theirs {
        let (index, size) = (*index, *size);
        let theirs = Inclusion { index, size, path: hex_path(proof) };
        assert_eq!(leaf_hash.parse(), Ok(record(index)));
        assert_eq!(theirs.verify(record(index), root(size)), Ok(()));
        let mut prover = InclusionProver::new(index, size, &Frontier::empty()).unwrap();
        (0..size).for_each(|i| prover.push(record(i)));
        assert_eq!(prover.finish(), Ok(theirs));
    }
    let theirs: Vec<GoConsistency> = lines("x-mod/consistency.jsonl");
    for GoConsistency { size1, size2, proof } in &theirs {
        let (old, new) = (*size1, *size2);
        let theirs = Consistency { old, new, path: hex_path(proof) };
        assert_eq!(theirs.verify(root(old), root(new)), Ok(()));
        let mut prover = ConsistencyProver::new(old, new, &Frontier::empty()).unwrap();
        (0..new).for_each(|i| prover.push(record(i)));
        assert_eq!(prover.finish(), Ok(theirs));
    }
}

#[test]
fn a_real_log_of_a_billion_leaves_is_followed() {
    let of = |file: &str| serde_json::from_str::<serde_json::Value>(&data(file)).unwrap();
    let head = of("azul-ct/sth.json");
    let size = head["tree_size"].as_u64().unwrap();
    let root = hash(head["sha256_root_hash"].as_str().unwrap()).unwrap();
    let path = |value: &serde_json::Value| -> Vec<Hash> {
        let texts = value.as_array().unwrap().iter();
        texts.map(|text| hash(text.as_str().unwrap()).unwrap()).collect()
    };
    let entry = of("azul-ct/entry-10000.json");
    let input = STANDARD.decode(entry["entries"][0]["leaf_input"].as_str().unwrap()).unwrap();
    let leaf = Hash::of(&[&[0], &input[..]].concat());
    let answer = of("azul-ct/inclusion-961984011.json");
    let index = answer["leaf_index"].as_u64().unwrap();
    let proof = Inclusion { index, size, path: path(&answer["audit_path"]) };
    assert_eq!((index, proof.path.len()), (10_000, 30));
    assert_eq!(proof.verify(leaf, root), Ok(()));
    // The earlier head is not among the answers; the path contains it.
    let answer = of("azul-ct/consistency-3654490-961984011.json");
    let nodes = path(&answer["consistency"]);
    let old = Subtree { start: 0, end: 3_654_490 };
    let climbed = old.climb(size, Hash::ZERO, &nodes).unwrap();
    assert_eq!(climbed.root, root);
    let proof = Consistency { old: old.end, new: size, path: nodes };
    assert_eq!(proof.verify(climbed.start, root), Ok(()));
    let expected = ProofError::Start { expected: Hash::ZERO, found: climbed.start };
    assert_eq!(proof.verify(Hash::ZERO, root), Err(expected));
}

/// RFC 9162 §2.1.1, §2.1.3.1 and §2.1.4.1, and `SUBTREE_PROOF` of the Merkle tree certificates
/// draft, word for word: nothing shared with the code under test but the node hash.
mod reference {
    use super::*;

    fn split(size: usize) -> usize {
        size.next_power_of_two() / 2
    }

    pub(super) fn root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::of(&[]),
            [one] => *one,
            many => {
                let (left, right) = many.split_at(split(many.len()));
                parent(root(left), root(right))
            }
        }
    }

    pub(super) fn inclusion(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let k = split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut path, sibling) = if index < k {
            (inclusion(index, left), root(right))
        } else {
            (inclusion(index - k, right), root(left))
        };
        path.push(sibling);
        path
    }

    pub(super) fn subtree(start: usize, end: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
        if (start, end) == (0, leaves.len()) {
            return if known { Vec::new() } else { [root(leaves)].to_vec() };
        }
        let k = split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut path, sibling) = if end <= k {
            (subtree(start, end, left, known), root(right))
        } else if start >= k {
            (subtree(start - k, end - k, right, known), root(left))
        } else {
            // Only a run from the left edge lies across the middle.
            (subtree(0, end - k, right, false), root(left))
        };
        path.push(sibling);
        path
    }
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count as u64).map(record).collect()
}

fn frontier(leaves: &[Hash]) -> Frontier {
    let mut frontier = Frontier::empty();
    leaves.iter().for_each(|leaf| frontier.append(*leaf));
    frontier
}

#[test]
fn every_inclusion_proof_of_every_small_tree_is_that_of_the_definition() {
    let all = leaves(70);
    for size in 1..=all.len() {
        let root = reference::root(&all[..size]);
        for index in 0..size {
            let path = reference::inclusion(index, &all[..size]);
            let proof = Inclusion { index: index as u64, size: size as u64, path };
            assert_eq!(proof.verify(all[index], root), Ok(()));
            for start in [0, index / 2, index] {
                let edge = frontier(&all[..start]);
                let prover = InclusionProver::new(index as u64, size as u64, &edge);
                // Halfway there may be a peak across a node of the path.
                let Ok(mut prover) = prover else {
                    assert_ne!(start, index);
                    assert_ne!(start, 0);
                    continue;
                };
                while let Some(next) = prover.next() {
                    prover.push(all[usize::try_from(next).unwrap()]);
                }
                assert_eq!(prover.finish().as_ref(), Ok(&proof), "{index} of {size} from {start}");
            }
        }
    }
}

#[test]
fn every_consistency_proof_of_every_small_tree_is_that_of_the_definition() {
    let all = leaves(70);
    for new in 1..=all.len() {
        let new_root = reference::root(&all[..new]);
        for old in 1..=new {
            let path = reference::subtree(0, old, &all[..new], true);
            let proof = Consistency { old: old as u64, new: new as u64, path };
            let old_root = reference::root(&all[..old]);
            assert_eq!(proof.verify(old_root, new_root), Ok(()), "{old} to {new}");
            let mut prover =
                ConsistencyProver::new(old as u64, new as u64, &frontier(&all[..old])).unwrap();
            all[old..new].iter().for_each(|leaf| prover.push(*leaf));
            assert_eq!(prover.finish(), Ok(proof), "{old} to {new}");
        }
    }
}

#[test]
fn every_subtree_of_every_small_tree_is_proven_and_no_other_run() {
    let all = leaves(34);
    for size in 1..=all.len() {
        let root = reference::root(&all[..size]);
        for start in 0..size {
            for end in start + 1..=size {
                let run = Subtree { start: start as u64, end: end as u64 };
                let hash = reference::root(&all[start..end]);
                let (from, to, of) = (start as u64, end as u64, size as u64);
                if !start.is_multiple_of((end - start).next_power_of_two()) {
                    let expected = ProofError::Range { start: from, end: to, size: of };
                    assert_eq!(run.verify(of, hash, root, &[]), Err(expected));
                    continue;
                }
                let path = reference::subtree(start, end, &all[..size], true);
                assert_eq!(run.verify(of, hash, root, &path), Ok(()), "{run:?} of {size}");
                let inside = reference::inclusion((end - start) / 2, &all[start..end]);
                let index = (start + end) / 2;
                assert_eq!(run.verify_leaf(index as u64, all[index], hash, &inside), Ok(()));
            }
        }
    }
}

/// A proof that is changed in any way does not prove, and each check has its own name.
#[test]
fn each_refusal_names_what_is_wrong() {
    let all = leaves(13);
    let root = reference::root(&all);
    let path = reference::inclusion(5, &all);
    let proof = Inclusion { index: 5, size: 13, path };
    let found = proof.root(all[6]).unwrap();
    assert_eq!(proof.verify(all[6], root), Err(ProofError::Root { expected: root, found }));
    let other = Inclusion { index: 13, ..proof.clone() };
    assert_eq!(other.verify(all[5], root), Err(ProofError::Range { start: 13, end: 14, size: 13 }));
    let mut longer = proof.clone();
    longer.path.push(all[0]);
    assert_eq!(longer.verify(all[5], root), Err(ProofError::Length { found: 5 }));
    let mut shorter = proof;
    shorter.path.pop();
    assert_eq!(shorter.verify(all[5], root), Err(ProofError::Length { found: 3 }));
    let last = Inclusion { index: u64::MAX, size: u64::MAX, path: Vec::new() };
    let expected = ProofError::Range { start: u64::MAX, end: 0, size: u64::MAX };
    assert_eq!(last.verify(all[5], root), Err(expected));

    let shrunk = Consistency { old: 14, new: 13, path: Vec::new() };
    let expected = ProofError::Range { start: 0, end: 14, size: 13 };
    assert_eq!(shrunk.verify(root, root), Err(expected));
    let nothing = Consistency { old: 0, new: 13, path: Vec::new() };
    let expected = ProofError::Range { start: 0, end: 0, size: 13 };
    assert_eq!(nothing.verify(Hash::of(&[]), root), Err(expected));
    let same = Consistency { old: 13, new: 13, path: Vec::new() };
    assert_eq!(same.verify(root, root), Ok(()));
    let expected = ProofError::Root { expected: all[0], found: root };
    assert_eq!(same.verify(root, all[0]), Err(expected));
}

#[test]
fn a_prover_says_why_it_cannot_prove() {
    let all = leaves(8);
    let edge = frontier(&all[..4]);
    let start = InclusionProver::new(1, 8, &edge).map(drop);
    assert_eq!(start, Err(ProverError::TooLate { start: 4 }));
    let behind = ConsistencyProver::new(4, 6, &frontier(&all)).map(drop);
    assert_eq!(behind, Err(ProverError::TooLate { start: 8 }));
    let absent = InclusionProver::new(8, 8, &edge).map(drop);
    let range = ProofError::Range { start: 8, end: 9, size: 8 };
    assert_eq!(absent, Err(ProverError::Proof(range)));
    let shrinks = ConsistencyProver::new(8, 7, &edge).map(drop);
    let range = ProofError::Range { start: 0, end: 8, size: 7 };
    assert_eq!(shrinks, Err(ProverError::Proof(range)));
    let nothing = ConsistencyProver::new(0, 7, &Frontier::empty()).map(drop);
    let range = ProofError::Range { start: 0, end: 0, size: 7 };
    assert_eq!(nothing, Err(ProverError::Proof(range)));
    let mut early = InclusionProver::new(5, 8, &edge).unwrap();
    early.push(all[4]);
    assert_eq!(early.next(), Some(5));
    assert_eq!(early.finish(), Err(ProverError::Leaves { found: 5, size: 8 }));
    let mut late = InclusionProver::new(5, 8, &edge).unwrap();
    (4..9).for_each(|i| late.push(record(i)));
    assert_eq!(late.next(), None);
    assert_eq!(late.finish(), Err(ProverError::Leaves { found: 9, size: 8 }));
}

/// A path of a tree of any size, made up from the plan alone: what a prover would send.
fn random_path(index: u64, size: u64) -> Inclusion {
    let runs = plan::inclusion(index, size);
    let path = runs.iter().map(|run| Hash::of(&run.start.to_be_bytes())).collect();
    Inclusion { index, size, path }
}

proptest! {
    #[test]
    fn a_changed_proof_never_proves(
        size in 2..=u64::MAX, index in any::<u64>(), at in any::<prop::sample::Index>(),
        bit in 0..256_usize, other in any::<u64>(),
    ) {
        let proof = random_path(index % size, size);
        let leaf = Hash::of(b"leaf");
        let root = proof.root(leaf).unwrap();
        prop_assert_eq!(proof.verify(leaf, root), Ok(()));
        prop_assert!(proof.path.len() <= PATH_HASHES_MAX);
        let mut bent = proof.clone();
        let at = at.index(bent.path.len());
        bent.path[at].0[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(bent.verify(leaf, root).is_err());
        let elsewhere = Inclusion { index: other % size, ..proof.clone() };
        prop_assert_eq!(elsewhere.verify(leaf, root).is_ok(), elsewhere.index == proof.index);
        let mut cut = proof;
        cut.path.remove(at);
        prop_assert!(cut.verify(leaf, root).is_err());
    }

    #[test]
    fn consistency_holds_at_any_size_up_to_a_thousand(
        new in 1..1_000_usize, old in any::<usize>(),
    ) {
        let old = old % new + 1;
        let all = leaves(new);
        let mut prover =
            ConsistencyProver::new(old as u64, new as u64, &Frontier::empty()).unwrap();
        all.iter().for_each(|leaf| prover.push(*leaf));
        let proof = prover.finish().unwrap();
        let (old_root, new_root) = (frontier(&all[..old]).root(), frontier(&all).root());
        prop_assert_eq!(proof.verify(old_root, new_root), Ok(()));
        if old < new {
            prop_assert!(proof.verify(new_root, new_root).is_err());
            let (old, new) = (proof.old, proof.new);
            let swapped = Consistency { old: new, new: old, path: proof.path };
            prop_assert!(swapped.verify(old_root, new_root).is_err());
        }
    }
}
