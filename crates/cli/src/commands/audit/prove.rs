//! `lucarne audit prove`: one record, with everything that somebody else needs to check it.
//!
//! The proof leads to the smallest stored checkpoint that covers the record and that the policy's
//! witnesses vouch for, or to the smallest of all where there is none, and reads the archive from
//! the record to there and no further. It is written only when it holds: what is missing or does
//! not verify is said instead.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use lucarne_archive::Directory;
use lucarne_attest::baseline::Baseline;
use lucarne_gateway::policy::Policy;
use lucarne_gateway::{baseline, policy};
use lucarne_ledger::record;
use lucarne_ledger::tlog_proof::TlogProof;
use serde_json::json;

use super::catalogue::unreadable;
use super::epochs::Attested;
use super::payloads::Payloads;
use super::{Place, epochs};
use crate::failure::{Exit, Failure};

mod archived;

use archived::{Found, Ledger};

/// Prove to somebody else that a record was sealed, and where it stands in its ledger
///
/// Prints a proof of the record against the smallest stored checkpoint that covers it, with the
/// quorum of witnesses that the policy asks for where there is such a one, in the form
/// that other tools know (c2sp.org/tlog-proof). It tells nothing of what the record says. --bundle
/// writes a file that does: payload, salt, statement, checkpoint and evidence, for `lucarne audit
/// check-proof` on a machine that has nothing else but the policy.
///
/// Example: lucarne audit prove 1042 --ledger audit --records-dir ./archive --policy
/// ./audit-policy.yaml --bundle record-1042.proof
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its sequence number in the ledger
    seq: u64,
    /// Write everything that is needed to judge the record to this file
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Write the proof to this file (.tlog-proof) instead of printing it
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Read encrypted payloads with the data keys in this folder or in a copy of it
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// What to print
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

/// What to print.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Output {
    /// Sentences for people; the proof itself when it goes to no file
    Text,
    /// One JSON object
    Json,
}

/// Runs the command.
///
/// # Errors
/// When the record cannot be found, read or proven.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    run_to(args, &mut out)
}

pub(super) fn run_to(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let policy =
        policy::read(&args.place.policy).map_err(|error| Failure::usage(error.to_string()))?;
    let archive =
        Directory::open_read_only(&args.place.records_dir).map_err(|error| unreadable(&error))?;
    let authorities = &policy.audit.withholding_keys;
    let payloads = Payloads::of(&archive, authorities, args.keys.as_deref())?;
    let ledger = Ledger::with_record(&archive, &payloads, &args.place.wanted, args.seq)?;
    let id = ledger.id();
    let attested = epochs::attest(&archive, &id.instance, id.epoch, &policy)?.map_err(|cause| {
        Failure::new(Exit::No, format!("{}/{}: {cause}", id.instance, id.epoch))
    })?;
    let found = ledger.prove(args.seq, &attested.keys, &policy.audit)?;
    let proof = tlog_proof(&found);
    if let Some(path) = &args.to {
        write_file(path, proof.to_string().as_bytes())?;
    }
    if let Some(path) = &args.bundle {
        let baseline = baseline_entry(&policy, &attested);
        write_file(path, &ledger.bundle(&found, baseline)?.to_cbor())?;
    }
    match args.output {
        Output::Json => write_json(args, &found, &proof, out)?,
        Output::Text => write_text(args, &found, &proof, out)?,
    }
    Ok(if attested.keys.insecure { Exit::Insecure } else { Exit::Yes })
}

/// What the site's baseline says of the code that sealed the record, if the policy has a baseline.
fn baseline_entry(policy: &Policy, attested: &Attested) -> Option<String> {
    let authority = policy.authority.as_ref()?;
    let claims = &attested.epoch.claims;
    let standing = authority.standing(&claims.registers, claims.time());
    let version = authority.baseline.version(standing.version()?)?;
    Some(baseline::text(&Baseline::new(vec![version.clone()]).ok()?))
}

/// The entry travels as extra data: whoever hashes it has the leaf.
fn tlog_proof(found: &Found) -> TlogProof {
    let subject = &found.subject;
    let entry = record::entry(subject.stream, subject.commitment());
    TlogProof {
        extra: Some(entry.to_vec()),
        index: subject.seq,
        path: found.path.clone(),
        checkpoint: found.checkpoint.clone(),
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes)
        .map_err(|cause| Failure::unreadable(&format!("write {}", path.display()), &cause))
}

fn write_text(
    args: &Args,
    found: &Found,
    proof: &TlogProof,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if args.to.is_none() && args.bundle.is_none() {
        write!(out, "{proof}")?;
        return Ok(());
    }
    let (seq, head) = (args.seq, &found.head);
    writeln!(out, "record {seq} is in {} as signed at size {}", head.origin, head.size)?;
    for path in [&args.to, &args.bundle].into_iter().flatten() {
        writeln!(out, "written: {}", path.display())?;
    }
    Ok(())
}

fn write_json(
    args: &Args,
    found: &Found,
    proof: &TlogProof,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let name = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let shown = json!({
        "schema": "lucarne.prove/1",
        "origin": found.head.origin,
        "seq": args.seq,
        "record_hash": found.subject.leaf().to_string(),
        "size": found.head.size,
        "root": found.head.root.to_string(),
        "proof": proof.to_string(),
        "proof_file": name(&args.to),
        "bundle_file": name(&args.bundle),
    });
    serde_json::to_writer_pretty(&mut *out, &shown).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}
