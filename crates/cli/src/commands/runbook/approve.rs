//! `lucarne runbook approve`: a person signs the digest of a runbook in a role.
//!
//! `NAME.yaml.ROLE.dsse.json` beside the runbook is a DSSE envelope. Whoever checks knows from
//! elsewhere which key speaks for a role.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use lucarne_desk::bundle::dsse::{ENVELOPE_BYTES_MAX, SealingKey};
use lucarne_desk::runbook::signature::{PAYLOAD_TYPE, Signature, beside};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::json;

use super::read::read;
use crate::clock;
use crate::commands::evidence::public_key;
use crate::failure::{Exit, Failure};

/// Sign a runbook in a role
///
/// The signature is over the digest of its text; an edit makes it stale. It is kept in
/// FILE.ROLE.dsse.json.
///
/// Example: lucarne runbook approve runbooks/audit-chain-failure.yaml --role security --by ann
/// --sign-with ann.pem
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The runbook
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The role that you speak for: security, compliance or ciso
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// Your name
    #[arg(long, value_name = "NAME")]
    by: String,
    /// The key that signs: a P-256 pair as PKCS#8 in PEM
    #[arg(long, value_name = "FILE")]
    sign_with: PathBuf,
}

/// Show who has signed a runbook, and whether that still holds
///
/// Exit codes: 0 every role that it asks for has signed exactly this text; 1 one has not; 2 one has
/// signed another text.
///
/// Example: lucarne runbook approvals runbooks/audit-chain-failure.yaml --role-key
/// security=security.pub --role-key compliance=compliance.pub
#[derive(Debug, clap::Args)]
pub(super) struct Approvals {
    /// The runbook
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Which key speaks for a role; may be repeated
    #[arg(long = "role-key", value_name = "ROLE=FILE", value_parser = role_key)]
    keys: Vec<(String, PathBuf)>,
}

/// What a role has signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::commands) struct Approval {
    /// The role.
    pub(in crate::commands) role: String,
    /// Whether it holds.
    pub(in crate::commands) signed: Signed,
}

/// Whether a signature holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::commands) enum Signed {
    /// For exactly this text: by whom, and when, milliseconds since 1970.
    Yes(String, u64),
    /// For another text, by whom.
    Stale(String),
    /// Nobody has, or not with the key of the role.
    No,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let runbook = read(&args.file)?;
    let name = |text: &str| {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"._@-".contains(&b);
        !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(good)
    };
    if !name(&args.role) || !name(&args.by) {
        return Err(Failure::usage("a role and a name are 1 to 64 of letters, digits and . _ @ -"));
    }
    let what = format!("read {}", args.sign_with.display());
    let pem = std::fs::read(&args.sign_with).map_err(|cause| Failure::unreadable(&what, &cause))?;
    let wrong = || Failure::usage(format!("{what}: expected a P-256 key as PKCS#8 in PEM"));
    let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| wrong())?;
    let key = SealingKey::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| wrong())?;
    let payload = json!({
        "version": 1, "runbook": runbook.id, "sha256": runbook.digest(), "role": args.role,
        "by": args.by, "at_ms": clock::unix_ms(),
    });
    let envelope = key
        .envelope(PAYLOAD_TYPE, payload.to_string().as_bytes())
        .map_err(|cause| Failure::because(Exit::No, "sign", &cause))?;
    let path = beside(&args.file, &args.role);
    let what = format!("write {}", path.display());
    std::fs::write(&path, envelope).map_err(|cause| Failure::unreadable(&what, &cause))?;
    writeln!(out, "{} is signed as {} in {}", runbook.id, args.role, path.display())?;
    Ok(Exit::Yes)
}

pub(super) fn approvals(args: &Approvals, out: &mut dyn Write) -> Result<Exit, Failure> {
    let keys: BTreeMap<String, PathBuf> = args.keys.iter().cloned().collect();
    let mut exit = Exit::Yes;
    for Approval { role, signed } in signed_by(&args.file, &keys)? {
        let (said, code) = match signed {
            Signed::Yes(by, at) => {
                (format!("PASS  {role}: {by} at {}", lucarne_desk::report::utc(at)), Exit::Yes)
            }
            Signed::Stale(by) => {
                (format!("STALE {role}: {by} signed another text"), Exit::CouldNotTell)
            }
            Signed::No => (format!("FAIL  {role}: nobody with its key has signed"), Exit::No),
        };
        writeln!(out, "{said}")?;
        exit = match (exit, code) {
            (Exit::No, _) | (_, Exit::No) => Exit::No,
            (Exit::Yes, code) => code,
            (exit, _) => exit,
        };
    }
    Ok(exit)
}

/// What each role that a runbook asks for has signed.
///
/// # Errors
/// When a file cannot be read.
pub(in crate::commands) fn signed_by(
    file: &Path,
    keys: &BTreeMap<String, PathBuf>,
) -> Result<Vec<Approval>, Failure> {
    let runbook = read(file)?;
    let mut all = Vec::new();
    for role in &runbook.approved_by {
        let key = keys.get(role).map(|path| public_key(path)).transpose()?;
        let kept = kept(&beside(file, role))?;
        let said = key.zip(kept).and_then(|(key, kept)| Signature::open(&kept, key, role));
        let signed = match said {
            None => Signed::No,
            Some(it) if it.sha256 == runbook.digest() => Signed::Yes(it.by, it.at_ms),
            Some(it) => Signed::Stale(it.by),
        };
        all.push(Approval { role: role.clone(), signed });
    }
    Ok(all)
}

fn kept(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let what = format!("read {}", path.display());
    match std::fs::read(path) {
        Ok(bytes) if bytes.len() <= ENVELOPE_BYTES_MAX => Ok(Some(bytes)),
        Ok(_) => Err(Failure::usage(format!("{what}: it is too long for an envelope"))),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Failure::unreadable(&what, &cause)),
    }
}

fn role_key(text: &str) -> Result<(String, PathBuf), String> {
    let (role, path) = text.split_once('=').ok_or("expected ROLE=FILE")?;
    Ok((role.to_owned(), PathBuf::from(path)))
}

const NAME_BYTES_MAX: usize = 64;
