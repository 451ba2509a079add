//! The software TEE: evidence in the Nitro format under a root minted on this machine. INSECURE.
//!
//! It makes the whole path from evidence to verdict run without special hardware, and protects
//! nothing: whoever can read its directory can sign whatever they like. So the root, each leaf and
//! the kind say INSECURE, and a verifier accepts it only if its own configuration pins this very
//! root under a key that says so. There is no switch in the evidence that could ask for less.
//!
//! PCR0 and PCR2 are the SHA-384 of the running executable (`sha384sum lucarne-enclave`), PCR1 is a
//! constant that says that no kernel was measured, all others are zero as on a fresh Nitro enclave.

mod certificate;
mod root;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use lucarne_ledger::cbor::Writer;
use lucarne_ledger::hash::Hash;

use crate::clock::Clock;
use crate::quote::{Question, Quote, QuoteError, Quoted};
pub use root::{MintError, PUBLIC_FILE, SECRET_FILE};

/// What the software TEE says about this machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Machine {
    /// Name of the machine; 1 to 256 bytes.
    pub module_id: String,
    /// SHA-384 of the executable.
    pub executable_sha384: [u8; 48],
}

impl Machine {
    /// This process: measures the executable that is running, even if its file was replaced since.
    ///
    /// # Errors
    /// When the executable cannot be read.
    pub fn running(module_id: String) -> io::Result<Self> {
        let mut file = File::open("/proc/self/exe")?;
        let mut context = digest::Context::new(&digest::SHA384);
        let mut buffer = vec![0; 64 * 1_024];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                count => context.update(buffer.get(..count).unwrap_or_default()),
            }
        }
        Ok(Self { module_id, executable_sha384: sha384(context.finish()) })
    }
}

/// A source of INSECURE evidence.
pub struct SoftwareTee<C> {
    root: root::Root,
    machine: Machine,
    clock: C,
    random: SystemRandom,
}

impl<C> SoftwareTee<C> {
    /// Opens the root that `directory` keeps, or mints it if there is none.
    ///
    /// The root is created whole or not at all, so a kill at any moment leaves one that opens.
    ///
    /// # Errors
    /// When the directory cannot be used, or holds a root that is damaged.
    pub fn open_or_mint(directory: &Path, machine: Machine, clock: C) -> Result<Self, MintError> {
        let root = root::Root::open_or_mint(directory)?;
        Ok(Self { root, machine, clock, random: SystemRandom::new() })
    }

    /// SHA-256 of the root certificate: what a relying party pins under `insecure`.
    pub fn root_fingerprint(&self) -> Hash {
        Hash::of(self.root.certificate())
    }

    /// The root certificate, DER.
    pub fn root_certificate(&self) -> &[u8] {
        self.root.certificate()
    }

    /// The document for `leaf`, a certificate of the key that will sign it.
    fn document(&self, leaf: &[u8], now_ms: u64, question: &Question<'_>) -> Vec<u8> {
        let executable = self.machine.executable_sha384;
        let no_kernel = sha384(digest::digest(&digest::SHA384, NO_KERNEL));
        let mut out = Writer::new();
        out.map(9);
        out.text("module_id").text(&self.machine.module_id);
        out.text("digest").text("SHA384");
        out.text("timestamp").uint(now_ms);
        out.text("pcrs").map(PCR_COUNT);
        for index in 0..PCR_COUNT {
            let value = match index {
                0 | 2 => executable,
                1 => no_kernel,
                _ => [0; 48],
            };
            out.uint(index).bytes(&value);
        }
        out.text("certificate").bytes(leaf);
        out.text("cabundle").array(1).bytes(self.root.certificate());
        out.text("public_key").bytes(question.public_key);
        out.text("user_data").bytes(question.report_data.as_bytes());
        out.text("nonce").bytes(question.nonce);
        out.finish()
    }
}

impl<C: Clock> Quote for SoftwareTee<C> {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn quote(&self, question: &Question<'_>) -> Result<Quoted, QuoteError> {
        let got = question.public_key.len();
        if got == 0 || got > PUBLIC_KEY_BYTES_MAX {
            return Err(QuoteError::PublicKeyLength { got });
        }
        let now_ms = self.clock.now_ms();
        let leaf = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING)
            .map_err(|_| QuoteError::KeyGeneration)?;
        let tbs = certificate::leaf(leaf.public_key().as_ref(), now_ms)
            .ok_or(QuoteError::Clock { now_ms })?;
        let certificate = self.root.issue(&tbs).map_err(|_| QuoteError::Signing)?;
        let payload = self.document(&certificate, now_ms, question);
        let signature =
            leaf.sign(&self.random, &signed_part(&payload)).map_err(|_| QuoteError::Signing)?;
        let mut out = Writer::new();
        out.array(4).bytes(PROTECTED).map(0).bytes(&payload).bytes(signature.as_ref());
        let measurement = self.machine.executable_sha384;
        Ok(Quoted { evidence: out.finish(), collateral: Vec::new(), measurement })
    }
}

/// The `Sig_structure` of COSE_Sign1 (RFC 9052 §4.4).
fn signed_part(payload: &[u8]) -> Vec<u8> {
    let mut out = Writer::new();
    out.array(4).text("Signature1").bytes(PROTECTED).bytes(&[]).bytes(payload);
    out.finish()
}

fn sha384(digest: digest::Digest) -> [u8; 48] {
    let mut out = [0; 48];
    // The algorithm fixes the length, so the copy always fits.
    out.copy_from_slice(digest.as_ref());
    out
}

/// What this kind of evidence is called wherever it shows.
pub(crate) const KIND: &str = "software (INSECURE)";
/// `{1: -35}`: ES384.
const PROTECTED: &[u8] = &[0xa1, 0x01, 0x38, 0x22];
/// Nitro shows sixteen registers, used or not.
const PCR_COUNT: u64 = 16;
/// What PCR1 hashes: not zero, which would read as debug mode, and the same everywhere.
const NO_KERNEL: &[u8] = b"lucarne/v1/software/no kernel was measured";
/// The limit of Nitro documents.
const PUBLIC_KEY_BYTES_MAX: usize = 1_024;
