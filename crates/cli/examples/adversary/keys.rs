//! The keys of the adversary's site, each derived from the seed of the campaign, so that a case can
//! be made again. They are the epoch's own: this adversary has stolen them all.

use aws_lc_rs::agreement::{self, PrivateKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING,
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm,
};
use lucarne_cli::random::Random;
use lucarne_ledger::checkpoint::Checkpoint;
use lucarne_ledger::key::{Ed25519Key, PublicKey, Signer, SigningFailed};
use lucarne_ledger::note::{self, NoteKey};

/// The two keys of an epoch.
pub(crate) struct EpochKeys {
    fixed: EcdsaKeyPair,
    der: EcdsaKeyPair,
    public: PublicKey,
    pub(crate) ed25519: Ed25519Key,
}

impl EpochKeys {
    pub(crate) fn new(random: &mut Random) -> Self {
        let (scalar, point) = pair::<32>(random, &agreement::ECDH_P256);
        Self {
            fixed: signing(&ECDSA_P256_SHA256_FIXED_SIGNING, &scalar, &point),
            der: signing(&ECDSA_P256_SHA256_ASN1_SIGNING, &scalar, &point),
            public: PublicKey::from_p256_point(&point).expect("a point of P-256"),
            ed25519: Ed25519Key::from_seed(&random.bytes()).expect("any seed is one"),
        }
    }

    /// The signed note of a checkpoint, with the lines that are asked for.
    pub(crate) fn note(&self, head: &Checkpoint, lines: [bool; 2]) -> String {
        let (text, origin) = (head.to_string(), &head.origin);
        let ecdsa = self.der.sign(&SystemRandom::new(), text.as_bytes()).expect("it signs");
        let ed25519 = self.ed25519.sign(text.as_bytes()).expect("it signs");
        let both = [
            NoteKey::new(origin, self.public.clone()).line(ecdsa.as_ref()),
            NoteKey::new(origin, self.ed25519.public_key().clone()).line(&ed25519),
        ];
        let kept: Vec<String> =
            both.into_iter().zip(lines).filter_map(|(line, keep)| keep.then_some(line)).collect();
        note::assemble(&text, &kept)
    }
}

impl Signer for EpochKeys {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        let signed = self.fixed.sign(&SystemRandom::new(), message).map_err(|_| SigningFailed)?;
        signed.as_ref().try_into().map_err(|_| SigningFailed)
    }
}

/// A P-384 key, for certificates and evidence.
pub(crate) struct P384 {
    der: EcdsaKeyPair,
    fixed: EcdsaKeyPair,
    pub(crate) point: Vec<u8>,
}

impl P384 {
    pub(crate) fn new(random: &mut Random) -> Self {
        let (scalar, point) = pair::<48>(random, &agreement::ECDH_P384);
        Self {
            der: signing(&ECDSA_P384_SHA384_ASN1_SIGNING, &scalar, &point),
            fixed: signing(&ECDSA_P384_SHA384_FIXED_SIGNING, &scalar, &point),
            point,
        }
    }

    pub(crate) fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        self.der.sign(&SystemRandom::new(), message).expect("it signs").as_ref().to_vec()
    }

    pub(crate) fn sign_fixed(&self, message: &[u8]) -> Vec<u8> {
        self.fixed.sign(&SystemRandom::new(), message).expect("it signs").as_ref().to_vec()
    }
}

/// A scalar below the order of the curve, and its point. The first byte is cleared to be sure.
fn pair<const N: usize>(
    random: &mut Random,
    curve: &'static agreement::Algorithm,
) -> ([u8; N], Vec<u8>) {
    let mut scalar = random.bytes::<N>();
    scalar[0] = 0;
    scalar[N - 1] |= 1;
    let key = PrivateKey::from_private_key(curve, &scalar).expect("a scalar of the curve");
    let public = key.compute_public_key().expect("its point");
    (scalar, public.as_ref().to_vec())
}

fn signing(algorithm: &'static EcdsaSigningAlgorithm, scalar: &[u8], point: &[u8]) -> EcdsaKeyPair {
    EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, point).expect("a pair")
}
