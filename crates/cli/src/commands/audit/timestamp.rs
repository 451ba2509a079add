//! `lucarne audit timestamp` and `check-timestamp`: a third party's word that a checkpoint existed
//! at a time (RFC 3161), asked for, kept beside the checkpoint, and checked.
//!
//! The whole file is stamped, signatures included, so `openssl ts -verify -data` says the same.
//! Nothing is kept that did not verify. Requests go over plain HTTP: an answer is signed, and who
//! listens learns a digest. Without a network the request and the answer are files.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use clap::ValueEnum;
use http::{HeaderMap, Uri};
use lucarne_attest::timestamp::{
    Answering, Refused, Request, TIMESTAMP_BYTES_MAX, TimestampClaims, Trust, verify_response,
};
use lucarne_gateway::export::client::{Client, Endpoint, Version};
use lucarne_gateway::policy;
use lucarne_gateway::stamping::{self, AskError};
use lucarne_ledger::checkpoint::Checkpoint;
use lucarne_ledger::hash::to_hex;
use lucarne_ledger::note::NOTE_BYTES_MAX;
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::shutdown;

/// Have a checkpoint stamped by a time-stamping authority, and keep its answer as NOTE.tsr
///
/// The answer is kept only if it verifies. Exit codes: 0 stamped, or the request is written; 1 the
/// authority refused, or its answer is not believed; 3 the command line is wrong; 4 a file or the
/// authority could not be read or reached.
///
/// Example: lucarne audit timestamp ./head.note --tsa http://tsa.example:318/ --roots tsa-root.pem
#[allow(rustdoc::bare_urls, reason = "the help text is a command line")]
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    stamp: Stamp,
    #[command(flatten)]
    way: Way,
    /// The root certificates that authorities are believed under
    #[arg(long, value_name = "PEM", required_unless_present = "query_out")]
    roots: Option<PathBuf>,
    /// The request that --reply answers; without it, an answer to any request is accepted
    #[arg(long, value_name = "FILE", requires = "reply")]
    query: Option<PathBuf>,
    /// Where to keep the answer, instead of NOTE.tsr
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How the request gets to the authority and the answer back.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Way {
    /// Ask this authority
    #[arg(long, value_name = "URL")]
    tsa: Option<Uri>,
    /// Write the request to this file, to be carried to an authority
    #[arg(long, value_name = "FILE")]
    query_out: Option<PathBuf>,
    /// Read the authority's answer from this file
    #[arg(long, value_name = "FILE")]
    reply: Option<PathBuf>,
}

/// Check the time stamp of a checkpoint: who says that it existed, and since when
///
/// The chain is judged at the time of the stamp; whether the authority's certificate was revoked
/// later is not looked at. Needs no network.
///
/// Exit codes: 0 the stamp is believed; 1 it is not; 3 the command line is wrong; 4 a file could
/// not be read.
///
/// Example: lucarne audit check-timestamp ./head.note --roots tsa-root.pem
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    #[command(flatten)]
    stamp: Stamp,
    /// The root certificates that authorities are believed under
    #[arg(long, value_name = "PEM")]
    roots: PathBuf,
    /// The answer of the authority, instead of NOTE.tsr
    #[arg(long, value_name = "FILE")]
    reply: Option<PathBuf>,
    /// What to print
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What is stamped, and what its stamp may not bring along.
#[derive(Debug, clap::Args)]
struct Stamp {
    /// The checkpoint: a signed note
    #[arg(value_name = "NOTE")]
    note: PathBuf,
    /// Further certificates of the chain, for an answer that does not bring them along
    #[arg(long, value_name = "PEM")]
    certificates: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Output {
    /// Sentences for people
    Text,
    /// One JSON object, schema lucarne.timestamp/1
    Json,
}

/// Runs `audit timestamp`.
///
/// # Errors
/// When a file cannot be read or written, the authority cannot be reached, or its answer is not
/// believed.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    run_to(args, &mut std::io::stdout().lock())
}

/// Runs `audit check-timestamp`.
///
/// # Errors
/// When a file cannot be read or the stamp is not believed.
pub fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    check_to(args, &mut std::io::stdout().lock())
}

fn run_to(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let note = Note::read(&args.stamp.note)?;
    let (response, request) = match &args.way {
        Way { query_out: Some(path), .. } => {
            let request = Request::new(&note.bytes, nonce()?).to_der();
            keep(path, &request)?;
            writeln!(out, "request: {}", path.display())?;
            return Ok(Exit::Yes);
        }
        Way { reply: Some(path), .. } => {
            let request = args.query.as_deref().map(|query| note.request(query)).transpose()?;
            (read(path, TIMESTAMP_BYTES_MAX)?, request)
        }
        Way { tsa: Some(tsa), .. } => {
            let request = Request::new(&note.bytes, nonce()?);
            (shutdown::runtime()?.block_on(ask(tsa, &request))?, Some(request))
        }
        Way { .. } => return Err(Failure::usage("give --tsa, --query-out or --reply")),
    };
    let answering = request.as_ref().map_or(Answering::AnyRequest, Answering::Request);
    let roots = args.roots.as_deref().map_or(Ok(Vec::new()), certificates)?;
    let claims = args.stamp.verify(&note, &roots, &response, answering)?;
    let path = args.out.clone().unwrap_or_else(|| beside(&args.stamp.note));
    keep(&path, &response)?;
    tell(&note, &claims, out)?;
    writeln!(out, "kept: {}", path.display())?;
    Ok(Exit::Yes)
}

fn check_to(args: &CheckArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let note = Note::read(&args.stamp.note)?;
    let path = args.reply.clone().unwrap_or_else(|| beside(&args.stamp.note));
    let response = read(&path, TIMESTAMP_BYTES_MAX)?;
    let roots = certificates(&args.roots)?;
    let claims = args.stamp.verify(&note, &roots, &response, Answering::AnyRequest)?;
    match args.output {
        Output::Text => tell(&note, &claims, out)?,
        Output::Json => {
            let object = object(&note, &claims);
            serde_json::to_writer_pretty(&mut *out, &object).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(Exit::Yes)
}

/// A checkpoint in a file. Who signed it is not asked here.
struct Note {
    bytes: Vec<u8>,
    checkpoint: Checkpoint,
}

impl Note {
    fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = read(path, NOTE_BYTES_MAX)?;
        let text = std::str::from_utf8(&bytes).ok().and_then(|note| note.split_once("\n\n"));
        let parsed = text.map(|(text, _)| Checkpoint::parse(&format!("{text}\n")));
        match parsed {
            Some(Ok(checkpoint)) => Ok(Self { bytes, checkpoint }),
            Some(Err(_)) | None => {
                let text = format!("{}: not a checkpoint", path.display());
                Err(Failure::usage(text).hint("expected a signed note of origin, size and root"))
            }
        }
    }

    /// The request in a file, which must be about this note.
    fn request(&self, path: &Path) -> Result<Request, Failure> {
        let what = path.display();
        let request = Request::from_der(&read(path, TIMESTAMP_BYTES_MAX)?)
            .map_err(|error| Failure::usage(format!("{what}: {error}")))?;
        if request.imprint() == lucarne_ledger::hash::Hash::of(&self.bytes) {
            Ok(request)
        } else {
            Err(Failure::usage(format!("{what}: a request about another file than the checkpoint")))
        }
    }
}

impl Stamp {
    fn verify(
        &self,
        note: &Note,
        roots: &[Vec<u8>],
        response: &[u8],
        answering: Answering<'_>,
    ) -> Result<TimestampClaims, Failure> {
        let given = self.certificates.as_deref().map_or(Ok(Vec::new()), certificates)?;
        let trust = Trust { roots, certificates: &given };
        match verify_response(response, &note.bytes, answering, trust) {
            Ok(claims) => Ok(claims.into_inner()),
            Err(error @ (Refused::NoRoots | Refused::Root)) => {
                Err(Failure::usage(error.to_string()))
            }
            Err(error) => Err(Failure::because(Exit::No, "time stamp", &error)),
        }
    }
}

/// Every certificate of a PEM file.
fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    policy::certificates(path).map_err(Failure::usage)
}

/// Sends a request to an authority (RFC 3161 §3.4).
async fn ask(tsa: &Uri, request: &Request) -> Result<Vec<u8>, Failure> {
    if tsa.scheme_str() != Some("http") || tsa.query().is_some() {
        return Err(Failure::usage(format!("{tsa}: expected http://host[:port]/path")).hint(
            "for https, carry it by hand: --query-out FILE, then --reply FILE --query FILE",
        ));
    }
    let endpoint = Endpoint {
        uri: tsa.clone(),
        tls: None,
        headers: HeaderMap::new(),
        bearer_token_file: None,
        timeout: TIMEOUT,
        version: Version::Http1,
    };
    let answer = stamping::ask(&mut Client::new(endpoint), request).await;
    answer.map_err(|error| match error {
        AskError::Answer(_) => Failure::new(Exit::Unreadable, format!("ask {tsa}: {error}")),
        error => Failure::unreadable(&format!("ask {tsa}"), &error),
    })
}

fn nonce() -> Result<[u8; 16], Failure> {
    let mut nonce = [0; 16];
    SystemRandom::new().fill(&mut nonce).map_err(|_| Failure::bug("no random numbers"))?;
    Ok(nonce)
}

/// `NOTE.tsr`.
fn beside(note: &Path) -> PathBuf {
    note.with_added_extension("tsr")
}

/// A file of at most so many bytes.
fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let what = format!("read {}", path.display());
    let failed = |error: std::io::Error| Failure::unreadable(&what, &error);
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > bytes_max {
        return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
    }
    Ok(bytes)
}

/// Writes a new file, whole or not at all; one that is there stays.
fn keep(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let what = format!("write {}", path.display());
    let failed = |error: std::io::Error| Failure::unreadable(&what, &error);
    let draft = path.with_added_extension("new");
    let written = std::fs::write(&draft, bytes)
        .and_then(|()| std::fs::File::open(&draft)?.sync_all())
        .and_then(|()| std::fs::hard_link(&draft, path));
    // Gone in any case: what counts has its other name by now.
    std::fs::remove_file(&draft).ok();
    written.map_err(failed)
}

fn tell(note: &Note, claims: &TimestampClaims, out: &mut dyn Write) -> Result<(), Failure> {
    let Checkpoint { origin, size, root } = &note.checkpoint;
    let TimestampClaims { gen_time, tsa, policy, .. } = claims;
    let accuracy = claims.accuracy_us.map(|us| format!(" (to {us} us)")).unwrap_or_default();
    writeln!(
        out,
        "{origin} had {size} records with root {root} at {gen_time}{accuracy}, or before."
    )?;
    writeln!(out, "stamped by: {} (certificate {})", tsa.name, tsa.certificate)?;
    writeln!(out, "serial {}, policy {policy}", to_hex(&claims.serial))?;
    Ok(())
}

fn object(note: &Note, claims: &TimestampClaims) -> Value {
    json!({
        "schema": "lucarne.timestamp/1",
        "origin": note.checkpoint.origin,
        "size": note.checkpoint.size,
        "root": note.checkpoint.root.to_string(),
        "time": claims.gen_time.to_string(),
        "accuracy_us": claims.accuracy_us,
        "serial": to_hex(&claims.serial),
        "policy": claims.policy,
        "imprint": {
            "algorithm": claims.imprint.algorithm.as_str(),
            "digest": to_hex(&claims.imprint.digest),
        },
        "tsa": {
            "name": claims.tsa.name,
            "certificate_sha256": claims.tsa.certificate.to_string(),
        },
    })
}

/// Authorities answer within seconds; some wait on a device.
const TIMEOUT: Duration = Duration::from_secs(30);
