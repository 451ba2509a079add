//! `lucarne audit check-proof`: judges one record from a file, with nothing else but a policy.
//!
//! Two kinds of file: a bundle of `audit prove --bundle`, which carries the evidence for its keys,
//! and a `.tlog-proof`, whose keys must be given. Neither is believed before every check has
//! passed; a file that cannot be parsed proves nothing, and that is the answer "no".

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use lucarne_archive::name::EpochFile;
use lucarne_archive::store::Listing;
use lucarne_archive::{Archive, ArchiveError, Name, Put};
use lucarne_gateway::policy;
use lucarne_ledger::audit::cause::Cause;
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::hash::Hash;
use lucarne_ledger::note::NoteKey;
use lucarne_ledger::proof_bundle::{BUNDLE_BYTES_MAX, ProofBundle};
use lucarne_ledger::record::ENTRY_BYTES;
use lucarne_ledger::tlog_proof::TlogProof;
use serde_json::json;

use super::epochs;
use super::prove::Output;
use crate::failure::{Exit, Failure, chain};

mod dated;
mod judgement;
mod vouchers;

use judgement::Judgement;
use vouchers::Vouchers;

/// Check a proof of one record, and say what it proves and what not
///
/// FILE is a bundle (lucarne audit prove --bundle), which is judged with nothing else but the
/// policy, or a .tlog-proof, which is judged by the log's keys.
///
/// Exit codes: 0 proven; 1 not proven; 2 nobody shows when the evidence was there; 3 usage or
/// policy; 4 could not read; 5 proven, but only under a root that the policy names insecure.
///
/// Example: lucarne audit check-proof record-1042.proof --policy ./audit-policy.yaml
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle or the .tlog-proof
    file: PathBuf,
    /// What to trust: roots, measurements, keys (audit-policy.yaml); for a bundle
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A key that the log signs checkpoints with, as name+id+key; for a .tlog-proof
    #[arg(long, value_name = "VKEY")]
    key: Vec<NoteKey>,
    /// The hash that the record must have (record_hash of lucarne audit show)
    #[arg(long, value_name = "HASH")]
    record: Option<Hash>,
    /// What to print
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Runs the command.
///
/// # Errors
/// When the proof cannot be read, or does not hold.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    run_to(args, &mut out)
}

pub(super) fn run_to(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let bytes = read(&args.file)?;
    if bytes.starts_with(b"c2sp.org/tlog-proof@") {
        return check_log_proof(args, &bytes, out);
    }
    let Some(path) = &args.policy else {
        return Err(Failure::usage("a bundle is judged by a policy").hint("give --policy FILE"));
    };
    let policy = policy::read(path).map_err(|error| Failure::usage(error.to_string()))?;
    let bundle = ProofBundle::from_cbor(&bytes).map_err(|error| not_proven(&error))?;
    let claimed = bundle.claimed_statement().map_err(|error| not_proven(&error))?;
    let (instance, epoch) = (&claimed.ledger.instance, claimed.ledger.epoch);
    let shown = |binding: &EpochBinding, _: &[u8]| dated::shown_at(&bundle, binding, &policy);
    let attested = epochs::attest_shown(&Carried(&bundle), instance, epoch, &policy, &shown)?
        .map_err(|cause| refused(&cause))?;
    let proven = bundle
        .verify(&attested.keys, &policy.audit.log_prefix)
        .map_err(|error| not_proven(&error))?;
    same_record(args, proven.record().leaf())?;
    let vouchers = Vouchers::of(&bundle, &proven, &attested, &policy)?;
    let judgement = Judgement::of(&proven, &attested, vouchers, &policy.audit);
    match args.output {
        Output::Text => judgement.write_text(out)?,
        Output::Json => write_json(&judgement.to_json(), out)?,
    }
    Ok(judgement.exit())
}

/// The evidence of a bundle, where the judge of evidence looks for it.
struct Carried<'b>(&'b ProofBundle);

impl Archive for Carried<'_> {
    fn put(&self, _name: &Name, _bytes: &[u8]) -> Result<Put, ArchiveError> {
        Err(ArchiveError::ReadOnly)
    }

    fn open(&self, name: &Name) -> Result<Box<dyn Read + Send>, ArchiveError> {
        let file = match name {
            Name::Epoch(epoch) => match epoch.file {
                EpochFile::Binding => Some(&self.0.binding),
                EpochFile::Evidence => Some(&self.0.evidence),
                EpochFile::Collateral => self.0.collateral.as_ref(),
                EpochFile::Open => None,
            },
            Name::Seal(_)
            | Name::Checkpoint(_)
            | Name::Stamp(_)
            | Name::Register(_)
            | Name::Json(_)
            | Name::Erasure(_) => None,
        };
        match file {
            Some(bytes) => Ok(Box::new(std::io::Cursor::new(bytes.clone()))),
            None => Err(ArchiveError::NotFound { name: Box::new(name.clone()) }),
        }
    }

    fn list(&self, _prefix: &str) -> Result<Listing, ArchiveError> {
        Ok(Box::new(std::iter::empty()))
    }
}

/// A proof without evidence: as good as the keys that come with the command.
fn check_log_proof(args: &Args, bytes: &[u8], out: &mut dyn Write) -> Result<Exit, Failure> {
    if args.key.is_empty() {
        return Err(Failure::usage("a .tlog-proof is judged by the keys of its log")
            .hint("give --key, or check a bundle (lucarne audit prove --bundle)"));
    }
    let malformed = || Failure::new(Exit::No, "not proven: the file is not a text");
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    let proof = TlogProof::parse(text).map_err(|error| not_proven(&error))?;
    let entry = proof.extra.as_deref().filter(|extra| extra.len() == ENTRY_BYTES);
    let leaf = match (entry, args.record) {
        (Some(entry), _) => Hash::of(&[&[0], entry].concat()),
        (None, Some(leaf)) => leaf,
        (None, None) => {
            return Err(Failure::usage("the proof does not carry its record")
                .hint("give --record with the hash of the record"));
        }
    };
    let name = args.key.first().map(NoteKey::name).unwrap_or_default();
    let head = proof.verify(leaf, name, &args.key).map_err(|error| not_proven(&error))?;
    same_record(args, leaf)?;
    let sentence = format!(
        "Proven: the record with hash {leaf} is number {} of the log {}, whose head of {} records \
         is signed by a key you gave. Not proven: whose key that is, and what the record says.",
        proof.index, head.origin, head.size
    );
    match args.output {
        Output::Text => writeln!(out, "{sentence}")?,
        Output::Json => write_json(
            &json!({
                "schema": "lucarne.check-proof/1",
                "exit": Exit::Yes.code(),
                "sentence": sentence,
                "origin": head.origin,
                "seq": proof.index,
                "record_hash": leaf.to_string(),
                "size": head.size,
                "root": head.root.to_string(),
            }),
            out,
        )?,
    }
    Ok(Exit::Yes)
}

/// Nobody's word on when evidence was there is no word against it.
fn refused(cause: &Cause) -> Failure {
    let exit = match cause {
        Cause::EvidenceUndated { .. } => Exit::CouldNotTell,
        _ => Exit::No,
    };
    Failure::new(exit, format!("not proven: {cause}"))
}

fn same_record(args: &Args, leaf: Hash) -> Result<(), Failure> {
    match args.record {
        Some(wanted) if wanted != leaf => Err(Failure::new(
            Exit::No,
            format!("not proven: the proof is of the record with hash {leaf}, not {wanted}"),
        )),
        _ => Ok(()),
    }
}

fn not_proven(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(Exit::No, format!("not proven: {}", chain(error)))
}

fn write_json(value: &serde_json::Value, out: &mut dyn Write) -> Result<(), Failure> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// Reads the file whole; one that is longer than any proof is cut, and refused as what it then is.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |cause| Failure::unreadable(&format!("read {}", path.display()), &cause);
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(BUNDLE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
