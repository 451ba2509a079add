//! A ledger as an epoch writes it: entries out of sealed batches, checkpoints under its two keys.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
};
use lucarne_ledger::batch::{self, EpochKey};
use lucarne_ledger::checkpoint::{Checkpoint, origin};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{EpochId, Instance, LedgerId, LedgerKind};
use lucarne_ledger::key::{Ed25519Key, PublicKey, Signer, SigningFailed};
use lucarne_ledger::note::{NoteKey, assemble};
use lucarne_ledger::payload::AuditEvent;
use lucarne_ledger::proof::{Consistency, ConsistencyProver, Inclusion, InclusionProver};
use lucarne_ledger::record::{ENTRY_BYTES, entry};
use lucarne_ledger::salt::Seed;
use lucarne_ledger::seal::{Audit, Ledger};
use lucarne_ledger::tree::Frontier;

/// A P-256 pair that no other test has.
pub(crate) struct P256 {
    fixed: EcdsaKeyPair,
    der: EcdsaKeyPair,
    public: PublicKey,
}

impl P256 {
    fn fresh() -> Self {
        use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
        let made = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let secret: EcPrivateKeyBin<'_> = made.private_key().as_be_bytes().unwrap();
        let point = made.public_key().as_ref();
        let pair = |scheme| {
            EcdsaKeyPair::from_private_key_and_public_key(scheme, secret.as_ref(), point).unwrap()
        };
        Self {
            fixed: pair(&ECDSA_P256_SHA256_FIXED_SIGNING),
            der: pair(&ECDSA_P256_SHA256_ASN1_SIGNING),
            public: PublicKey::from_p256_point(point).unwrap(),
        }
    }
}

impl Signer for P256 {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        let signature =
            self.fixed.sign(&SystemRandom::new(), message).map_err(|_| SigningFailed)?;
        signature.as_ref().try_into().map_err(|_| SigningFailed)
    }
}

/// An audit ledger, sealed in batches of three.
pub(crate) struct Written {
    pub(crate) p256: P256,
    pub(crate) ed25519: Ed25519Key,
    pub(crate) origin: String,
    pub(crate) entries: Vec<[u8; ENTRY_BYTES]>,
    /// Signed statements.
    pub(crate) statements: Vec<Vec<u8>>,
    leaves: Vec<Hash>,
}

impl Written {
    /// A ledger of `size` records; every batch has been verified on the way.
    pub(crate) fn of(size: usize) -> Self {
        let instance: Instance = "nitro-001-us-east".parse().unwrap();
        let epoch = EpochId([0xe1; 16]);
        let id = LedgerId { instance: instance.clone(), epoch, kind: LedgerKind::Audit };
        let mut written = Self {
            p256: P256::fresh(),
            ed25519: Ed25519Key::from_seed(&[7; 32]).unwrap(),
            origin: origin("lucarne.local", &id),
            entries: Vec::new(),
            statements: Vec::new(),
            leaves: Vec::new(),
        };
        let key = written.p256.public_key().clone();
        let key = EpochKey { instance: instance.clone(), epoch, key };
        let mut ledger: Ledger<Audit> = Ledger::new(instance, epoch, Seed::new([1; 32]));
        for n in 0..size {
            let fields = format!("\"event_type\":\"workflow.started\",\"n\":{n}").into_bytes();
            ledger.append_event(&AuditEvent::assertion_by_contract(fields)).unwrap();
            if n % 3 == 2 || n + 1 == size {
                let sealed = ledger.seal(&written.p256, 1, Seed::new([2; 32])).unwrap().unwrap();
                let batch = batch::verify(sealed.bytes(), &key).unwrap();
                written.statements.push(batch.signed_statement().to_vec());
                for record in batch.records() {
                    written.entries.push(entry(record.stream, record.commitment));
                    written.leaves.push(record.leaf);
                }
            }
        }
        written
    }

    pub(crate) fn leaf(&self, index: usize) -> Hash {
        self.leaves[index]
    }

    fn tree(&self, size: usize) -> Frontier {
        let mut tree = Frontier::empty();
        self.leaves[..size].iter().for_each(|leaf| tree.append(*leaf));
        tree
    }

    pub(crate) fn root(&self, size: usize) -> Hash {
        self.tree(size).root()
    }

    /// The proof as the command makes it: from the edge of the tree before the record.
    pub(crate) fn inclusion(&self, index: usize, size: usize) -> Inclusion {
        let start = self.tree(index);
        let mut prover = InclusionProver::new(index as u64, size as u64, &start).unwrap();
        self.leaves[index..size].iter().for_each(|leaf| prover.push(*leaf));
        prover.finish().unwrap()
    }

    pub(crate) fn consistency(&self, old: usize, new: usize) -> Consistency {
        let start = self.tree(old);
        let mut prover = ConsistencyProver::new(old as u64, new as u64, &start).unwrap();
        self.leaves[old..new].iter().for_each(|leaf| prover.push(*leaf));
        prover.finish().unwrap()
    }

    pub(crate) fn note_keys(&self) -> [NoteKey; 2] {
        [self.p256.public_key(), self.ed25519.public_key()]
            .map(|key| NoteKey::new(&self.origin, key.clone()))
    }

    /// The checkpoint at this size, signed by both keys of the epoch.
    pub(crate) fn checkpoint(&self, size: usize) -> String {
        let head =
            Checkpoint { origin: self.origin.clone(), size: size as u64, root: self.root(size) };
        let text = head.to_string();
        let [p256, ed25519] = self.note_keys();
        let der = self.p256.der.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        let fixed = self.ed25519.sign(text.as_bytes()).unwrap();
        assemble(&text, &[p256.line(der.as_ref()), ed25519.line(&fixed)])
    }
}
