//! `lucarne attest export-key`: the key that evidence vouches for, as a PEM file for other tools.
//!
//! Only of evidence that is verified: a key out of a document that anyone wrote vouches for
//! nothing.

use std::io::Write;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lucarne_ledger::key::{Algorithm, PublicKey};

use super::evidence::Evidence;
use super::judging::{Judging, judge};
use super::text;
use super::verdict::Outcome;
use crate::failure::{Exit, Failure};

/// Write the key that evidence vouches for, as PEM
///
/// The evidence is verified first, a Nitro document as of the time that it is signed with unless
/// --at says otherwise. The file is a bare P-256 public key (SubjectPublicKeyInfo), which `openssl
/// pkey -pubin` and `lucarne audit verify --tee-public-key` read.
///
/// Exits as `lucarne attest verify` does; without a verdict of 0 or 5 nothing is written.
///
/// Example: lucarne attest export-key evidence.cbor --policy ./policy.yaml --pem tee-public-key.pem
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The evidence
    #[arg(value_name = "EVIDENCE")]
    file: PathBuf,
    /// Where to write the key
    #[arg(long, value_name = "FILE")]
    pem: PathBuf,
    #[command(flatten)]
    judging: Judging,
}

/// Runs the command.
///
/// # Errors
/// When something cannot be read or written, or the evidence vouches for no such key.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let evidence = Evidence::read(&args.file)?;
    let terms = args.judging.or_as_signed(evidence.kind).terms()?;
    let verdict = judge(&evidence, &terms)?;
    let mut err = std::io::stderr().lock();
    match &verdict.outcome {
        Outcome::Verified => {}
        Outcome::Insecure { why } => writeln!(err, "INSECURE: {why}")?,
        Outcome::Refused { .. } | Outcome::CouldNotTell { .. } => {
            text::print(&verdict, &mut err)?;
            return Ok(verdict.outcome.exit());
        }
    }
    let key = verdict.public_key.as_deref().unwrap_or_default();
    match PublicKey::from_spki(key) {
        Ok(read) if read.algorithm() == Algorithm::EcdsaP256 => {}
        Ok(_) | Err(_) => {
            let text = "the evidence vouches for no key on P-256, or not as SubjectPublicKeyInfo";
            return Err(Failure::new(Exit::No, text));
        }
    }
    std::fs::write(&args.pem, pem(key))
        .map_err(|error| Failure::unreadable(&format!("write {}", args.pem.display()), &error))?;
    Ok(verdict.outcome.exit())
}

/// A public key in PEM (RFC 7468 §13).
fn pem(spki: &[u8]) -> String {
    let mut text = String::from("-----BEGIN PUBLIC KEY-----\n");
    for line in STANDARD.encode(spki).as_bytes().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text.push_str("-----END PUBLIC KEY-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_64_characters() {
        let key = include_str!("../../../testdata/audit/tee-public-key.pem");
        let body: String = key.lines().filter(|line| !line.starts_with('-')).collect();
        assert_eq!(pem(&STANDARD.decode(body).unwrap()), key);
    }
}
