//! `lucarne access request`: a key that stays here, and a request that goes to the authority.
//!
//! The request is signed with the key, so nobody can request a certificate for a key that is not
//! theirs.

use std::io::Write;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lucarne_ledger::cbor::Writer;
use lucarne_ledger::key::PublicKey;
use lucarne_link::access::Name;
use serde::{Deserialize, Serialize};

use super::pem;
use crate::failure::{Exit, Failure};

/// Make a key on this machine and a request for a certificate
///
/// Tell the authority the fingerprint that is printed by another way than the request.
///
/// Example: lucarne access request --name alice --role investigator --key alice.key
/// --out alice.request
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Your name: 1 to 63 of a-z, 0-9, '.', '_' and '-'
    #[arg(long)]
    pub(in crate::commands) name: Name,
    /// The role that you ask for
    #[arg(long)]
    pub(in crate::commands) role: Name,
    /// Where to write the key; refused when there is a file
    #[arg(long, value_name = "FILE")]
    pub(in crate::commands) key: PathBuf,
    /// Where to write the request; refused when there is a file
    #[arg(long, value_name = "FILE")]
    pub(in crate::commands) out: PathBuf,
}

/// A request as it is sent.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    name: String,
    role: String,
    /// SubjectPublicKeyInfo in base64.
    public_key: String,
    /// In base64, by that key.
    signature: String,
}

/// A request whose signature is good.
pub(super) struct Request {
    pub(super) name: Name,
    pub(super) role: Name,
    pub(super) key: PublicKey,
}

/// Runs the command.
///
/// # Errors
/// When there is no randomness, or a file cannot be written.
pub(in crate::commands) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let no_key = |_| Failure::new(Exit::Unreadable, "no key can be made");
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(no_key)?;
    let key = PublicKey::from_p256_point(pair.public_key().as_ref())
        .map_err(|_| Failure::bug("a P-256 pair without a point"))?;
    let message = message(&args.name, &args.role, key.spki());
    let signature = pair.sign(&SystemRandom::new(), &message).map_err(no_key)?;
    let file = File {
        schema: SCHEMA.to_owned(),
        name: args.name.to_string(),
        role: args.role.to_string(),
        public_key: STANDARD.encode(key.spki()),
        signature: STANDARD.encode(signature),
    };
    let pkcs8 = pair.to_pkcs8v1().map_err(no_key)?;
    let private = pem::encode("PRIVATE KEY", pkcs8.as_ref());
    pem::write_new(&args.key, private.as_bytes(), 0o600)?;
    let text = serde_json::to_string_pretty(&file).map_err(std::io::Error::from)? + "\n";
    pem::write_new(&args.out, text.as_bytes(), 0o644)?;
    writeln!(out, "fingerprint sha256:{}", key.id())?;
    Ok(Exit::Yes)
}

impl Request {
    /// Reads a request and checks that it is signed with its key.
    ///
    /// # Errors
    /// When it cannot be read, or is not.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let what = format!("read {}", path.display());
        let text = std::fs::read(path).map_err(|error| Failure::unreadable(&what, &error))?;
        let wrong = |why: &str| Failure::usage(format!("{}: {why}", path.display()));
        let file: File =
            serde_json::from_slice(&text).map_err(|error| wrong(&error.to_string()))?;
        if file.schema != SCHEMA {
            return Err(wrong("no request of this version"));
        }
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| wrong("bad base64"));
        let key = PublicKey::from_spki(&decode(&file.public_key)?);
        let key = key.map_err(|_| wrong("the key is not on P-256"))?;
        let name = |text: &str| text.parse::<Name>().map_err(|error| wrong(&error.to_string()));
        let (name, role) = (name(&file.name)?, name(&file.role)?);
        if !key.verifies(&message(&name, &role, key.spki()), &decode(&file.signature)?) {
            return Err(wrong("the request is not signed with its key"));
        }
        Ok(Self { name, role, key })
    }
}

fn message(name: &Name, role: &Name, spki: &[u8]) -> Vec<u8> {
    let mut out = Writer::after(PURPOSE.to_vec());
    out.array(3).text(name.as_str()).text(role.as_str()).bytes(spki);
    out.finish()
}

const SCHEMA: &str = "lucarne.access-request/1";
/// Keeps this signature apart from every other that the key may make.
const PURPOSE: &[u8] = b"lucarne/v1/access-request";
