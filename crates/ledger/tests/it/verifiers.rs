//! What we emit, given to Go's `x/mod/sumdb`, to `pymerkle` and to `pycose`: they accept it, and
//! refuse it once it is broken.
//!
//! `cargo xtask test` installs them under the target directory from `tests/verifiers`. Each is one
//! process that judges a list of cases, so a case costs nothing.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lucarne_ledger::checkpoint::Checkpoint;
use lucarne_ledger::cosignature::Cosigner;
use lucarne_ledger::hash::{Hash, to_hex};
use lucarne_ledger::key::Signer;
use lucarne_ledger::proof::{Consistency, Inclusion};
use lucarne_ledger::receipt::{Proof, Receipt};
use lucarne_ledger::tiles::{EntryBundles, HashTiles, TilePath};
use lucarne_ledger::tlog_proof::TlogProof;
use serde_json::{Value, json};

use super::written::Written;

/// The directory that holds `debug` or `release` of this build.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("verifiers")
}

/// The checker of `tests/verifiers/go`.
fn go() -> Command {
    Command::new(target().join("go/checker"))
}

/// The checker of `tests/verifiers/check.py`.
fn python() -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/verifiers/check.py");
    let mut command = Command::new(target().join("venv/bin/python3"));
    command.arg(script);
    command
}

/// Cases, and whether each must be accepted.
#[derive(Default)]
struct Cases {
    list: Vec<Value>,
    expected: Vec<bool>,
}

impl Cases {
    fn accept(&mut self, case: Value) {
        self.list.push(case);
        self.expected.push(true);
    }

    fn refuse(&mut self, case: Value) {
        self.list.push(case);
        self.expected.push(false);
    }

    #[track_caller]
    fn judge(self, mut checker: Command) {
        assert!(self.expected.contains(&true) && self.expected.contains(&false));
        let child = checker.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| {
            panic!("{checker:?}: {error}: run cargo xtask test");
        });
        let input = serde_json::to_vec(&self.list).unwrap();
        child.stdin.take().unwrap().write_all(&input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let verdicts: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(verdicts.len(), self.list.len());
        for ((case, verdict), expected) in self.list.iter().zip(&verdicts).zip(&self.expected) {
            assert_eq!(verdict.is_empty(), *expected, "{verdict}\n{case}");
        }
    }
}

fn entries(written: &Written, size: usize) -> Value {
    written.entries[..size].iter().map(|entry| Value::from(to_hex(entry))).collect()
}

fn path(hashes: &[Hash]) -> Value {
    hashes.iter().map(|hash| Value::from(hash.to_string())).collect()
}

fn bent(hash: Hash) -> Hash {
    let mut bytes = hash.0;
    bytes[17] ^= 4;
    Hash(bytes)
}

/// The same path with one thing wrong with it.
fn broken_paths(good: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    for at in 0..good.len() {
        let mut one = good.to_vec();
        one[at] = bent(one[at]);
        all.push(one);
        let mut cut = good.to_vec();
        cut.remove(at);
        all.push(cut);
    }
    let mut longer = good.to_vec();
    longer.push(Hash::ZERO);
    all.push(longer);
    all
}

fn inclusion_case(proof: &Inclusion, leaf: Hash, root: Hash) -> Value {
    json!({
        "kind": "inclusion", "index": proof.index, "size": proof.size, "path": path(&proof.path),
        "leaf": leaf.to_string(), "root": root.to_string(),
    })
}

/// Sizes on both sides of powers of two, and what they have in common with nothing.
const SIZES: [usize; 9] = [1, 2, 3, 7, 8, 9, 21, 32, 33];

fn add_roots(cases: &mut Cases, written: &Written) {
    for size in SIZES {
        let root = written.root(size);
        let case = |root: Hash| {
            json!({ "kind": "root", "entries": entries(written, size),
            "root": root.to_string() })
        };
        cases.accept(case(root));
        cases.refuse(case(bent(root)));
    }
}

fn add_inclusions(cases: &mut Cases, written: &Written) {
    for size in SIZES {
        let root = written.root(size);
        for index in 0..size {
            let (proof, leaf) = (written.inclusion(index, size), written.leaf(index));
            cases.accept(inclusion_case(&proof, leaf, root));
            cases.refuse(inclusion_case(&proof, bent(leaf), root));
            cases.refuse(inclusion_case(&proof, leaf, bent(root)));
            for path in broken_paths(&proof.path) {
                cases.refuse(inclusion_case(&Inclusion { path, ..proof.clone() }, leaf, root));
            }
            let other = Inclusion { index: (proof.index + 1) % proof.size, ..proof };
            if size > 1 {
                cases.refuse(inclusion_case(&other, leaf, root));
            }
        }
    }
}

#[test]
fn go_accepts_roots_and_paths_and_refuses_broken_ones() {
    let written = Written::of(33);
    let mut cases = Cases::default();
    add_roots(&mut cases, &written);
    add_inclusions(&mut cases, &written);
    let case = |proof: &Consistency, old_root: Hash, root: Hash| {
        json!({
            "kind": "consistency", "old": proof.old, "size": proof.new, "path": path(&proof.path),
            "old_root": old_root.to_string(), "root": root.to_string(),
        })
    };
    for new in SIZES {
        for old in 1..=new {
            let (old_root, root) = (written.root(old), written.root(new));
            let proof = written.consistency(old, new);
            cases.accept(case(&proof, old_root, root));
            cases.refuse(case(&proof, bent(old_root), root));
            cases.refuse(case(&proof, old_root, bent(root)));
            for path in broken_paths(&proof.path) {
                cases.refuse(case(&Consistency { path, ..proof.clone() }, old_root, root));
            }
        }
    }
    cases.judge(go());
}

#[test]
fn pymerkle_accepts_roots_and_paths_and_refuses_broken_ones() {
    let written = Written::of(33);
    let mut cases = Cases::default();
    add_roots(&mut cases, &written);
    add_inclusions(&mut cases, &written);
    for (old, new) in [(1, 2), (3, 7), (8, 9), (9, 21), (32, 33)] {
        let case = |old_root: Hash, root: Hash| {
            json!({
                "kind": "states", "entries": entries(&written, new), "old": old, "size": new,
                "old_root": old_root.to_string(), "root": root.to_string(),
            })
        };
        let (old_root, root) = (written.root(old), written.root(new));
        cases.accept(case(old_root, root));
        cases.refuse(case(bent(old_root), root));
        cases.refuse(case(old_root, bent(root)));
        cases.refuse(case(root, old_root));
    }
    cases.judge(python());
}

/// Each letter of a text in turn, changed to another. Not the last of a base64 text that ends in
/// `=`: it has bits to spare, which Go does not look at. Our own reader does.
fn bent_texts(text: &str) -> impl Iterator<Item = String> {
    let counts =
        |(at, c): &(usize, char)| c.is_ascii_alphanumeric() && !text[at + 1..].starts_with('=');
    text.char_indices().filter(counts).map(|(at, c)| {
        let other = if c == 'x' { "y" } else { "x" };
        [&text[..at], other, &text[at + 1..]].concat()
    })
}

#[test]
fn go_opens_checkpoints_of_both_keys_and_refuses_broken_ones() {
    let written = Written::of(9);
    let keys: Vec<String> = written.note_keys().iter().map(ToString::to_string).collect();
    let mut cases = Cases::default();
    let case = |text: &str, keys: &[String]| json!({ "kind": "note", "text": text, "keys": keys });
    for size in [1, 9] {
        let text = written.checkpoint(size);
        cases.accept(case(&text, &keys));
        cases.accept(case(&text, &keys[..1]));
        cases.accept(case(&text, &keys[1..]));
        for bent in bent_texts(&text) {
            cases.refuse(case(&bent, &keys));
        }
        let stranger = Written::of(1);
        let foreign: Vec<String> = stranger.note_keys().iter().map(ToString::to_string).collect();
        cases.refuse(case(&text, &foreign[..1]));
    }
    cases.judge(go());
}

#[test]
fn go_opens_cosigned_checkpoints_and_refuses_broken_ones() {
    let written = Written::of(9);
    let log = written.note_keys();
    let cosigners = [
        Cosigner::ed25519("witness.example/w1", &[1; 32]).unwrap(),
        Cosigner::ml_dsa_44("witness.example/w2", &[2; 32]).unwrap(),
    ];
    let stranger = Cosigner::ml_dsa_44("witness.example/w2", &[3; 32]).unwrap();
    let vkey = |cosigner: &Cosigner| cosigner.verifier().to_string();
    let case = |text: &str, keys: &[String]| json!({ "kind": "note", "text": text, "keys": keys });
    let mut cases = Cases::default();
    for (size, time_s) in [(1, 0), (9, 1_779_703_200)] {
        let signed = written.checkpoint(size);
        let head = Checkpoint::open(&signed, &log).unwrap();
        for cosigner in &cosigners {
            let text = signed.clone() + &cosigner.cosign(&head, time_s).unwrap();
            let keys = [log[0].to_string(), vkey(cosigner)];
            cases.accept(case(&text, &keys));
            cases.refuse(case(&signed, &keys));
            cases.refuse(case(&text, &[log[0].to_string(), vkey(&stranger)]));
            let (line, _) = text.trim_end().rsplit_once('\n').unwrap();
            let from = line.len() + 1;
            // Name, key id, time and the begin of the signature; what follows is alike, but for the
            // last letter, of which Go does not look at every bit.
            for bent in bent_texts(&text[from..]).take(90) {
                cases.refuse(case(&[&text[..from], &bent].concat(), &keys));
            }
            let other = text.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size + 1), 1);
            cases.refuse(case(&other, &keys[1..]));
        }
        let both: String =
            cosigners.iter().map(|cosigner| cosigner.cosign(&head, time_s).unwrap()).collect();
        let keys = [log[0].to_string(), vkey(&cosigners[0]), vkey(&cosigners[1])];
        cases.accept(case(&(signed + &both), &keys));
    }
    cases.judge(go());
}

#[test]
fn go_follows_proof_files_and_refuses_broken_ones() {
    let written = Written::of(21);
    let keys: Vec<String> = written.note_keys().iter().map(ToString::to_string).collect();
    let mut cases = Cases::default();
    let case = |text: &str, leaf: Hash| {
        json!({
            "kind": "tlog-proof", "text": text, "keys": keys, "leaf": leaf.to_string(),
        })
    };
    for (index, size) in [(0, 1), (0, 21), (13, 21), (20, 21)] {
        let path = written.inclusion(index, size).path;
        let (extra, checkpoint) = (None, written.checkpoint(size));
        let text = TlogProof { extra, index: index as u64, path, checkpoint }.to_string();
        let leaf = written.leaf(index);
        // Extra data is nobody's business but the reader's.
        let entry = format!("@v1\nextra {}\n", STANDARD.encode(written.entries[index]));
        cases.accept(case(&text.replacen("@v1\n", &entry, 1), leaf));
        cases.accept(case(&text, leaf));
        cases.refuse(case(&text, bent(leaf)));
        for bent in bent_texts(&text) {
            cases.refuse(case(&bent, leaf));
        }
    }
    cases.judge(go());
}

#[test]
fn go_proves_every_record_by_the_tiles_and_refuses_broken_ones() {
    let size = 600;
    let written = Written::of(size);
    let mut tiles: BTreeMap<String, String> = BTreeMap::new();
    let mut emit = |path: TilePath, bytes: &[u8]| {
        tiles.insert(path.to_string(), to_hex(bytes));
    };
    let (mut hashes, mut bundles) = (HashTiles::new(), EntryBundles::new());
    for (index, entry) in written.entries.iter().enumerate() {
        hashes.push(written.leaf(index), &mut emit);
        bundles.push(entry, &mut emit).unwrap();
    }
    hashes.partial(&mut emit);
    bundles.partial(&mut emit);
    let root = written.root(size).to_string();
    let case = |tiles: &BTreeMap<String, String>, size: usize| {
        json!({
            "kind": "tiles", "tiles": tiles, "size": size, "root": root,
        })
    };
    let mut cases = Cases::default();
    cases.accept(case(&tiles, size));
    cases.refuse(case(&tiles, size - 1));
    for (path, hex) in &tiles {
        let mut absent = tiles.clone();
        absent.remove(path);
        cases.refuse(case(&absent, size));
        let mut bent = tiles.clone();
        let other = if hex.ends_with('0') { "1" } else { "0" };
        bent.insert(path.clone(), [&hex[..hex.len() - 1], other].concat());
        cases.refuse(case(&bent, size));
    }
    cases.judge(go());
}

#[test]
fn pycose_accepts_statements_and_receipts_and_refuses_broken_ones() {
    let written = Written::of(9);
    let signers: [&dyn Signer; 2] = [&written.p256, &written.ed25519];
    let mut cases = Cases::default();
    let spki = |signer: &dyn Signer| to_hex(signer.public_key().spki());
    let sign1 = |message: &[u8], signer: &dyn Signer| {
        json!({
            "kind": "sign1", "message": to_hex(message), "spki": spki(signer),
        })
    };
    for statement in &written.statements {
        cases.accept(sign1(statement, signers[0]));
        cases.refuse(sign1(statement, signers[1]));
        cases.refuse(sign1(&bent_middle(statement), signers[0]));
    }
    let receipt = |message: &[u8], signer: &dyn Signer, index: usize| {
        json!({
            "kind": "receipt", "message": to_hex(message), "spki": spki(signer), "size": 9,
            "origin": written.origin, "leaf": written.leaf(index).to_string(),
        })
    };
    for (at, signer) in signers.into_iter().enumerate() {
        for index in [0, 4, 8] {
            let proof = Proof::Inclusion(written.inclusion(index, 9));
            let message = Receipt::sign(signer, &written.origin, &proof, written.root(9)).unwrap();
            cases.accept(receipt(&message, signer, index));
            cases.refuse(receipt(&message, signers[1 - at], index));
            cases.refuse(receipt(&message, signer, (index + 1) % 9));
            for byte in 0..message.len() {
                let mut bent = message.clone();
                bent[byte] ^= 0x10;
                cases.refuse(receipt(&bent, signer, index));
            }
        }
    }
    cases.judge(python());
}

fn bent_middle(message: &[u8]) -> Vec<u8> {
    let mut bent = message.to_vec();
    bent[message.len() / 2] ^= 1;
    bent
}
