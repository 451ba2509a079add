//! `lucarne access issue`: the authority's signature under a name, a role and a time.

use std::io::Write;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use lucarne_gateway::export::timestamp::parse_rfc3339;
use lucarne_ledger::hash::from_hex;
use lucarne_ledger::key::{Algorithm, Ed25519Key, Signer as _};
use lucarne_link::access::{Certificate, Name, Serial};

use super::request::Request;
use super::{issued, pem};
use crate::clock;
use crate::failure::{Exit, Failure};

/// Sign a certificate of access for a request
///
/// The authority's key is a file with 64 hex digits, the seed of an Ed25519 pair; it is made when
/// there is none. What is printed first is the public half, for `access.authorities` in the
/// enclave's configuration. Compare the fingerprint with what the person told you.
///
/// Example: lucarne access issue --request alice.request --authority security-board
/// --authority-key board.key --days 7 --issued issued.jsonl --out alice.pem
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the investigator sent
    #[arg(long, value_name = "FILE")]
    pub(in crate::commands) request: PathBuf,
    /// Your name, as the enclave's configuration has it
    #[arg(long, value_name = "NAME")]
    pub(in crate::commands) authority: Name,
    /// Your key
    #[arg(long, value_name = "FILE")]
    pub(in crate::commands) authority_key: PathBuf,
    /// How long it is valid
    #[arg(long, value_name = "N", default_value_t = 7,
          value_parser = clap::value_parser!(u64).range(1..=366))]
    pub(in crate::commands) days: u64,
    /// Until this time, instead
    #[arg(long, value_name = "RFC3339", value_parser = second, conflicts_with = "days")]
    pub(in crate::commands) until: Option<u64>,
    /// The list of what you have issued; this is added
    #[arg(long, value_name = "FILE")]
    pub(in crate::commands) issued: PathBuf,
    /// Where to write the certificate; refused when there is a file
    #[arg(long, value_name = "FILE")]
    pub(in crate::commands) out: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When a file cannot be used.
pub(in crate::commands) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let request = Request::read(&args.request)?;
    let authority = open_key(&args.authority_key)?;
    let mut serial = [0; 16];
    rand::fill(&mut serial).map_err(|_| Failure::new(Exit::Unreadable, "no random numbers"))?;
    if request.key.algorithm() != Algorithm::EcdsaP256 {
        return Err(Failure::usage("the request's key is not on P-256"));
    }
    let point = request.key.raw().try_into();
    let now = clock::since_1970().as_secs();
    // The enclave's clock may be slower than this one; the days count from then, for a role's limit
    // of so many days is one of the whole validity.
    let since = now.saturating_sub(CLOCK_SKEW_SECONDS);
    let not_after = args.until.unwrap_or(since.saturating_add(args.days * 86_400));
    let certificate = Certificate {
        serial: Serial::from_random(serial),
        authority: args.authority.clone(),
        holder: request.name,
        role: request.role,
        not_before: since.min(not_after.saturating_sub(CLOCK_SKEW_SECONDS)),
        not_after,
        point: point.map_err(|_| Failure::bug("a P-256 key without a point"))?,
    };
    let signed = certificate.to_be_signed();
    let signed =
        signed.map_err(|error| Failure::because(Exit::Usage, "write the certificate", &error))?;
    let signature = authority.sign(&signed);
    let signature = signature
        .map_err(|error| Failure::because(Exit::Unreadable, "sign the certificate", &error))?;
    let der = Certificate::assemble(&signed, &signature);
    // Listed first: a certificate that nobody knows of cannot be revoked.
    issued::add(&args.issued, &certificate, request.key.id().to_string())?;
    pem::write_new(&args.out, pem::encode("CERTIFICATE", &der).as_bytes(), 0o644)?;
    let public: String = authority.public_key().raw().iter().map(|b| format!("{b:02x}")).collect();
    writeln!(out, "authority   {} ed25519 {public}", args.authority)?;
    writeln!(out, "holder      {} as {}", certificate.holder, certificate.role)?;
    writeln!(out, "fingerprint sha256:{}", request.key.id())?;
    writeln!(out, "serial      {}", certificate.serial)?;
    Ok(Exit::Yes)
}

fn open_key(path: &Path) -> Result<Ed25519Key, Failure> {
    let text = crate::commands::up::key::open_or_draw_token(path)?;
    let wrong = || Failure::usage(format!("{}: expected 64 hex digits", path.display()));
    let seed = from_hex::<32>(text.trim_end()).map_err(|_| wrong())?;
    Ed25519Key::from_seed(&seed).map_err(|_| wrong())
}

fn second(text: &str) -> Result<u64, String> {
    let expected = || "expected a time such as 2026-05-25T10:00:00Z".to_owned();
    parse_rfc3339(text).map(|ns| ns / 1_000_000_000).ok_or_else(expected)
}

const CLOCK_SKEW_SECONDS: u64 = 300;
