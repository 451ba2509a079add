//! `lucarne evidence`: bags of evidence, from collecting to handing over. One file a verb.

mod collect;
mod export;
mod seal;
#[cfg(test)]
mod tests;
mod verify;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use lucarne_desk::bundle::collect::hand;
use lucarne_desk::bundle::draft::Hand;
use lucarne_desk::bundle::dsse::SealingKey;
use lucarne_desk::bundle::error::BundleError;
use lucarne_desk::bundle::statement::Collector;
use lucarne_desk::digest::Digest;
use lucarne_desk::scrub::Scrubber;
use lucarne_ledger::key::PublicKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use crate::clock;
use crate::failure::{Exit, Failure};

/// Collect, seal, verify and hand over evidence
///
/// A bag is a BagIt folder (RFC 8493) that says what was collected, what could not be and why, and
/// who held it. Sealed, it verifies offline with one public key.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Collect(collect::Args),
    Seal(seal::Args),
    Verify(verify::Args),
    Export(export::Args),
}

/// Runs the chosen verb.
///
/// # Errors
/// When the command line is wrong, or something cannot be read, written or signed.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match &args.verb {
        Verb::Collect(args) => collect::run(args, &mut out),
        Verb::Seal(args) => seal::run(args, &mut out),
        Verb::Verify(args) => verify::run(args, &mut out),
        Verb::Export(args) => export::run(args, &mut out),
    }
}

/// Who holds the bag, and what for.
#[derive(Debug, clap::Args)]
struct Holder {
    /// Your name, for the chain of custody
    #[arg(long, value_name = "NAME")]
    by: String,
    /// What for
    #[arg(long, value_name = "TEXT")]
    purpose: String,
}

impl Holder {
    fn hand(&self, scrubber: &Scrubber) -> Hand {
        hand(scrubber, &self.by, &self.purpose, clock::unix_ms())
    }
}

/// What signs.
#[derive(Debug, clap::Args)]
struct Signing {
    /// The key that signs: a P-256 pair as PKCS#8 in PEM (`openssl genpkey -algorithm EC -pkeyopt
    /// ec_paramgen_curve:P-256`)
    #[arg(long, value_name = "FILE")]
    sign_with: PathBuf,
}

impl Signing {
    fn key(&self) -> Result<SealingKey, Failure> {
        let pem = read(&self.sign_with)?;
        let fault = || {
            let path = self.sign_with.display();
            Failure::usage(format!("{path}: expected a P-256 key as PKCS#8 in PEM"))
        };
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| fault())?;
        SealingKey::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| fault())
    }
}

/// Which seals count.
#[derive(Debug, clap::Args)]
struct Trust {
    /// A public key whose seals count: P-256 in PEM (`openssl pkey -pubout`); may be repeated
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
}

impl Trust {
    fn keys(&self) -> Result<Vec<PublicKey>, Failure> {
        self.keys.iter().map(|path| public_key(path)).collect()
    }
}

/// A public key of a PEM file.
///
/// # Errors
/// When it cannot be read or is another key.
pub(in crate::commands) fn public_key(path: &Path) -> Result<PublicKey, Failure> {
    let pem = read(path)?;
    let fault = || {
        Failure::usage(format!("{}: expected a P-256 public key in PEM", path.display()))
            .hint("`openssl pkey -in KEY -pubout` writes one")
    };
    let spki = SubjectPublicKeyInfoDer::from_pem_slice(&pem).map_err(|_| fault())?;
    PublicKey::from_spki(&spki).map_err(|_| fault())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::unreadable(&format!("read {}", path.display()), &error))
}

/// This program, as bags name it.
fn collector() -> Collector {
    let binary = std::env::current_exe().and_then(std::fs::read);
    Collector {
        name: "lucarne".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        binary_sha256: binary.ok().map(|bytes| Digest::of(&bytes)),
        tee: "none".to_owned(),
    }
}

/// A scrubber whose marks can be compared within what it scrubs, and nowhere else.
fn scrubber() -> Result<Scrubber, Failure> {
    let mut salt = [0; 32];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| Failure::bug("there is no randomness"))?;
    Ok(Scrubber::new(salt))
}

/// What a bag refuses is a plain no, what cannot be read is not.
fn failed(what: &str, error: &BundleError) -> Failure {
    let exit = match error {
        BundleError::File { .. } => Exit::Unreadable,
        BundleError::NotADraft
        | BundleError::Exists { .. }
        | BundleError::TooMuch { .. }
        | BundleError::Encryption(_) => Exit::Usage,
        BundleError::Sealed
        | BundleError::Twice { .. }
        | BundleError::Stray { .. }
        | BundleError::Changed { .. }
        | BundleError::Custody(_)
        | BundleError::Statement(_)
        | BundleError::NotVerified => Exit::No,
    };
    Failure::because(exit, what, error)
}
