//! `lucarne audit show`: one record as JSON, verified before it is shown.

use std::io::Write;
use std::path::PathBuf;

use lucarne_archive::name::SealName;
use lucarne_archive::{Archive, ArchiveError, Directory, Name};
use lucarne_ledger::audit::finding::SeqRange;
use lucarne_ledger::batch::{self, VerifiedBatch};
use lucarne_ledger::hash::to_hex;
use lucarne_ledger::identity::LedgerKind;
use serde_json::{Value, json};

use super::catalogue::{Catalogue, unreadable};
use super::epochs::Attested;
use lucarne_gateway::policy;

use super::payloads::Payloads;
use super::{Place, epochs, record};
use crate::failure::{Exit, Failure, chain};

/// Show one record as JSON, with its context, after verifying the batch it was sealed in
///
/// A record is named by its sequence number and --ledger, or as exported lines name it, by --seal
/// and --index. Of a payload that is encrypted, or whose key was destroyed by order, it says so.
///
/// Example: lucarne audit show 1042 --ledger audit --records-dir ./archive --policy
/// ./audit-policy.yaml
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its sequence number in the ledger
    #[arg(required_unless_present = "seal", conflicts_with = "seal", requires = "ledger")]
    seq: Option<u64>,
    /// The .seal file that holds it (tee_seal of an exported line)
    #[arg(long, value_name = "NAME", requires = "index")]
    seal: Option<String>,
    /// Its sequence number (tee_record_index of an exported line)
    #[arg(long, value_name = "N", requires = "seal")]
    index: Option<u64>,
    /// Read encrypted payloads with the data keys in this folder or in a copy of it
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

/// Runs the command.
///
/// # Errors
/// When the record cannot be found, read or verified.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    run_to(args, &mut out)
}

pub(super) fn run_to(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let policy =
        policy::read(&args.place.policy).map_err(|error| Failure::usage(error.to_string()))?;
    let archive =
        Directory::open_read_only(&args.place.records_dir).map_err(|error| unreadable(&error))?;
    let seq = args.seq.or(args.index).unwrap_or_default();
    let seals = match &args.seal {
        Some(name) => named(&archive, name)?,
        None => holding(&archive, &args.place, seq)?,
    };
    let Some(first) = seals.first() else {
        let text = format!("no file of the archive is named for record {seq}");
        return Err(Failure::new(Exit::CouldNotTell, text));
    };
    let (instance, epoch) = (&first.ledger.instance, first.ledger.epoch);
    let attested = epochs::attest(&archive, instance, epoch, &policy)?
        .map_err(|cause| Failure::new(Exit::No, format!("{instance}/{epoch}: {cause}")))?;
    let authorities = &policy.audit.withholding_keys;
    let payloads = Payloads::of(&archive, authorities, args.keys.as_deref())?;
    let mut problem = None;
    for seal in &seals {
        match find(&archive, seal, seq, (&attested, &payloads))? {
            Ok(Some(shown)) => {
                serde_json::to_writer_pretty(&mut *out, &shown).map_err(std::io::Error::from)?;
                writeln!(out)?;
                let insecure = attested.keys.insecure;
                return Ok(if insecure { Exit::Insecure } else { Exit::Yes });
            }
            Ok(None) => {}
            Err(why) => problem = Some(why),
        }
    }
    Err(match problem {
        Some(why) => Failure::new(Exit::No, why),
        None => {
            Failure::new(Exit::CouldNotTell, format!("record {seq} is not in {}", seal_text(first)))
        }
    })
}

fn seal_text(seal: &SealName) -> String {
    Name::Seal(seal.clone()).to_string()
}

/// The file of that name, given whole or without its folders.
fn named(archive: &dyn Archive, name: &str) -> Result<Vec<SealName>, Failure> {
    if let Ok(Name::Seal(seal)) = name.parse() {
        return Ok(vec![seal]);
    }
    let wanted = |seal: &SealName| seal_text(seal).ends_with(&format!("/{name}"));
    seals(archive, "", &wanted)
}

/// The files whose name speaks of the record, in the one epoch that has such.
fn holding(archive: &dyn Archive, place: &Place, seq: u64) -> Result<Vec<SealName>, Failure> {
    let kind = place.wanted.ledger.unwrap_or(LedgerKind::Audit);
    let range = SeqRange { first: seq, last: seq };
    let mut catalogue = Catalogue::of(archive, &place.wanted)?;
    catalogue.epochs.retain(|_, ledgers| {
        ledgers.get(&kind).and_then(|files| files.named).is_some_and(|named| named.meets(&range))
    });
    if catalogue.epochs.len() > 1 {
        let list: Vec<String> = (catalogue.epochs.keys())
            .map(|(instance, epoch)| format!("--instance {instance} --epoch {epoch}"))
            .collect();
        return Err(Failure::usage(format!("{} epochs have a record {seq}", list.len()))
            .hint(format!("say which: {}", list.join(", or "))));
    }
    let mut found = Vec::new();
    for ((instance, epoch), ledgers) in &catalogue.epochs {
        for day in ledgers.get(&kind).iter().flat_map(|files| &files.days) {
            let wanted = |seal: &SealName| (seal.first..=seal.last).contains(&seq);
            found.extend(seals(archive, &format!("{day}/{instance}/{epoch}/{kind}/"), &wanted)?);
        }
    }
    Ok(found)
}

fn seals(
    archive: &dyn Archive,
    prefix: &str,
    wanted: &dyn Fn(&SealName) -> bool,
) -> Result<Vec<SealName>, Failure> {
    let mut found = Vec::new();
    for name in archive.list(prefix).map_err(|error| unreadable(&error))? {
        match name {
            Ok(Name::Seal(seal)) if wanted(&seal) => found.push(seal),
            Ok(_) | Err(ArchiveError::Stray { .. }) => {}
            Err(error) => return Err(unreadable(&error)),
        }
    }
    Ok(found)
}

/// The record in this file; the inner error says what does not verify.
fn find(
    archive: &dyn Archive,
    seal: &SealName,
    seq: u64,
    (attested, payloads): (&Attested, &Payloads),
) -> Result<Result<Option<Value>, String>, Failure> {
    let source = archive.open(&Name::Seal(seal.clone())).map_err(|error| unreadable(&error))?;
    let mut found = None;
    let mut refused = None;
    let whole = payloads.batches(source, &mut |bytes| {
        match batch::verify(bytes, &attested.keys.statement) {
            Ok(batch) if batch.statement().ledger != seal.ledger => {
                refused = Some("a batch in the file is of another ledger".to_owned());
            }
            Ok(batch) => {
                let range = SeqRange::before(batch.statement().first, batch.statement().size());
                if range.is_some_and(|range| (range.first..=range.last).contains(&seq)) {
                    found = Some(show(&batch, seq, seal, (attested, payloads))?);
                }
            }
            Err(error) => {
                refused = Some(format!("a batch in the file does not verify: {}", chain(&error)));
            }
        }
        Ok(())
    })?;
    let whole = whole.map_err(|error| chain(&error));
    Ok(match (found, refused, whole) {
        (Some(found), _, _) => Ok(Some(found)),
        (None, Some(why), _) | (None, None, Err(why)) => Err(format!("{}: {why}", seal_text(seal))),
        (None, None, Ok(())) => Ok(None),
    })
}

fn show(
    batch: &VerifiedBatch<'_>,
    seq: u64,
    seal: &SealName,
    (attested, payloads): (&Attested, &Payloads),
) -> Result<Value, Failure> {
    let statement = batch.statement();
    let index = usize::try_from(seq.saturating_sub(statement.first)).unwrap_or(usize::MAX);
    let Some(record) = batch.records().get(index) else {
        return Err(Failure::bug("a verified batch has fewer records than its statement says"));
    };
    let claims = &attested.epoch.claims;
    let mut shown = json!({
        "instance": statement.ledger.instance.as_str(),
        "epoch": statement.ledger.epoch.to_string(),
        "ledger": statement.ledger.kind.as_str(),
        "seq": seq,
        "stream": record.stream.as_str(),
        "record_hash": record.leaf.to_string(),
        "commitment": record.commitment.to_string(),
        "sealed_at_ms": statement.time_ms,
        "tee": claims.kind.as_str(),
        "insecure": attested.keys.insecure,
        "measurement": claims.measurement().to_string(),
        "key": to_hex(&attested.keys.statement.key.id().0),
        "seal": seal_text(seal),
    });
    let content = record::content(batch, (seq, record), payloads)
        .map_err(|error| Failure::because(Exit::CouldNotTell, "decode the payload", &error))?;
    if let (Value::Object(shown), Value::Object(content)) = (&mut shown, content) {
        shown.extend(content.into_iter().filter(|(_, value)| !value.is_null()));
    }
    Ok(shown)
}
