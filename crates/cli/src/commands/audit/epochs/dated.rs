//! The time of evidence that carries none: the earliest word of others over a checkpoint of the
//! ledger whose first record names the evidence by its digest.
//!
//! A checkpoint counts only when the records here lead to it from that first record, all of them
//! verified. So nobody can have evidence made later for an epoch that others saw earlier.

use lucarne_archive::name::CheckpointName;
use lucarne_archive::{Archive, Name};
use lucarne_attest::Time;
use lucarne_gateway::policy::Policy;
use lucarne_ledger::batch::{self, EpochKey};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::checkpoint::{Checkpoint, origin};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{LedgerId, LedgerKind};
use lucarne_ledger::key::PublicKey;
use lucarne_ledger::note::NoteKey;

use super::super::catalogue::{Catalogue, unreadable};
use super::super::{Wanted, pinned, reading, stamps};
use super::read_all;
use crate::failure::Failure;

/// What others say of one head.
struct Said {
    time: Time,
    kind: LedgerKind,
    size: u64,
    root: Hash,
}

/// The earliest time at which others show the evidence of this binding to have existed; nothing if
/// nobody does.
///
/// # Errors
/// When the archive cannot be read.
pub(super) fn shown_at(
    archive: &dyn Archive,
    policy: &Policy,
    binding: &EpochBinding,
    evidence: &[u8],
) -> Result<Option<Time>, Failure> {
    let Ok(key) = PublicKey::from_spki(&binding.p256_spki) else { return Ok(None) };
    let mut said = Vec::new();
    for kind in LedgerKind::ALL {
        said.extend(words(archive, policy, binding, (kind, &key))?);
    }
    said.sort_by_key(|word| word.time);
    if said.is_empty() {
        return Ok(None);
    }
    let (instance, epoch) = (binding.instance.clone(), binding.epoch_id());
    let wanted = Wanted { instance: Some(instance.clone()), epoch: Some(epoch), ledger: None };
    let catalogue = Catalogue::of(archive, &wanted)?;
    let key = EpochKey { instance, epoch, key };
    for word in said {
        if leads_to(archive, &catalogue, &key, evidence, &word)? {
            return Ok(Some(word.time));
        }
    }
    Ok(None)
}

/// Every believable word on a head of one ledger.
fn words(
    archive: &dyn Archive,
    policy: &Policy,
    binding: &EpochBinding,
    (kind, key): (LedgerKind, &PublicKey),
) -> Result<Vec<Said>, Failure> {
    let (instance, epoch) = (binding.instance.clone(), binding.epoch_id());
    let id = LedgerId { instance, epoch, kind };
    let origin = origin(&policy.audit.log_prefix, &id);
    let keys = [key.clone(), PublicKey::from_ed25519(&binding.ed25519)];
    let keys = keys.map(|key| NoteKey::new(&origin, key));
    let mut found = Vec::new();
    let names = archive.list(&format!("checkpoints/{id}/")).map_err(|error| unreadable(&error))?;
    // What has a name of its own is the audit's to tell.
    for name in names.flatten() {
        let head = match &name {
            Name::Checkpoint(head) if head.cosigned => cosigned(archive, policy, head, &keys)?,
            Name::Stamp(head) => stamped(archive, policy, (&name, head), &keys)?,
            _ => None,
        };
        found.extend(
            head.filter(|(head, _)| head.origin == origin)
                .map(|(Checkpoint { size, root, .. }, time)| Said { time, kind, size, root }),
        );
    }
    Ok(found)
}

fn cosigned(
    archive: &dyn Archive,
    policy: &Policy,
    head: &CheckpointName,
    keys: &[NoteKey],
) -> Result<Option<(Checkpoint, Time)>, Failure> {
    let Some(witnesses) = &policy.audit.witnesses else { return Ok(None) };
    let note = read(archive, &Name::Checkpoint(head.clone()))?;
    let Some(note) = std::str::from_utf8(&note).ok() else { return Ok(None) };
    let Ok(said) = witnesses.judge(note, keys) else { return Ok(None) };
    let oldest = said.oldest_s().filter(|_| said.is_quorum());
    let time = oldest.map(|oldest_s| Time::from_unix_ms(oldest_s.saturating_mul(1_000)));
    Ok(time.map(|time| (said.checkpoint, time)))
}

fn stamped(
    archive: &dyn Archive,
    policy: &Policy,
    (stamp, head): (&Name, &CheckpointName),
    keys: &[NoteKey],
) -> Result<Option<(Checkpoint, Time)>, Failure> {
    if policy.stamp_roots.is_empty() {
        return Ok(None);
    }
    let note = read(archive, &Name::Checkpoint(head.clone()))?;
    let Ok(latest_ms) = stamps::said(&read(archive, stamp)?, &note, &policy.stamp_roots) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&note).ok();
    let opened = text.and_then(|note| Checkpoint::open(note, keys).ok());
    Ok(opened.map(|head| (head, Time::from_unix_ms(latest_ms))))
}

/// What lies there; nothing where nothing does.
fn read(archive: &dyn Archive, name: &Name) -> Result<Vec<u8>, Failure> {
    match archive.open(name) {
        Ok(source) => read_all(source),
        Err(lucarne_archive::ArchiveError::NotFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(unreadable(&error)),
    }
}

/// Whether verified records lead from one that names the evidence to this head.
fn leads_to(
    archive: &dyn Archive,
    catalogue: &Catalogue,
    key: &EpochKey,
    evidence: &[u8],
    word: &Said,
) -> Result<bool, Failure> {
    let id = LedgerId { instance: key.instance.clone(), epoch: key.epoch, kind: word.kind };
    let ledgers = catalogue.epochs.get(&(id.instance.clone(), id.epoch));
    let Some(files) = ledgers.and_then(|ledgers| ledgers.get(&word.kind)) else {
        return Ok(false);
    };
    let named = Hash::of(evidence).to_string();
    let mut reached: Option<(u64, Hash)> = None;
    for name in reading::Segments::new(archive, &id, files, 0) {
        let source = archive.open(&Name::Seal(name?)).map_err(|error| unreadable(&error))?;
        // Damage is for the audit to name; it only ends the way here.
        drop(reading::batches(source, &mut |bytes| {
            let Ok(batch) = batch::verify(bytes, key) else { return Ok(()) };
            let statement = batch.statement();
            let goes_on = match reached {
                None => pinned::open_of(&batch).is_some_and(|open| open.evidence_sha256 == named),
                Some(end) => end == (statement.first, statement.prev_root),
            };
            let done = reached.is_some_and(|(size, _)| size >= word.size);
            if goes_on && !done {
                reached = Some((statement.size(), statement.root));
            }
            Ok(())
        })?);
        if reached.is_none_or(|(size, _)| size >= word.size) {
            break;
        }
    }
    Ok(reached == Some((word.size, word.root)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use lucarne_archive::Directory;
    use lucarne_gateway::policy;
    use lucarne_ledger::cosignature::Cosigner;

    use super::*;
    use crate::commands::audit::verify::tests::site::{FIRST, Site};

    const SEEN_S: u64 = 1_779_703_500;

    fn witness() -> Cosigner {
        Cosigner::ed25519("witness.example/w", &[3; 32]).unwrap()
    }

    /// The word of a witness on the checkpoint in this place, beside it.
    fn cosign(site: &Site, place: usize, time_s: u64) {
        let path = &site.checkpoints("audit")[place];
        let note = fs::read_to_string(path).unwrap();
        let head = Checkpoint::parse(&note[..note.find("\n\n").unwrap() + 1]).unwrap();
        let line = witness().cosign(&head, time_s).unwrap();
        fs::write(path.with_extension("cosigned.note"), format!("{note}{line}")).unwrap();
    }

    fn shown(site: &Site, policy: &Policy, evidence: &[u8]) -> Option<u64> {
        let archive = Directory::open_read_only(&site.archive()).unwrap();
        let binding = EpochBinding::from_cbor(&FIRST.file("binding")).unwrap();
        shown_at(&archive, policy, &binding, evidence).unwrap().map(Time::unix_seconds)
    }

    fn policy(site: &Site) -> Policy {
        let mut policy = policy::read(&site.policy()).unwrap();
        let key = witness().verifier().to_string();
        let text = format!("witness w {key}\nquorum w\n");
        policy.audit.witnesses = Some(text.parse().unwrap());
        policy
    }

    #[test]
    fn the_earliest_word_over_what_names_the_evidence_counts() {
        let site = Site::new();
        let (policy, evidence) = (policy(&site), FIRST.file("evidence"));
        assert_eq!(shown(&site, &policy, &evidence), None);
        let last = site.checkpoints("audit").len() - 1;
        cosign(&site, last, SEEN_S + 60);
        assert_eq!(shown(&site, &policy, &evidence), Some(SEEN_S + 60));
        cosign(&site, 0, SEEN_S);
        assert_eq!(shown(&site, &policy, &evidence), Some(SEEN_S));
        // Evidence that the first record does not name may have been made at any time.
        assert_eq!(shown(&site, &policy, b"made later"), None);
        // Nobody who is not believed dates anything.
        let nobody = policy::read(&site.policy()).unwrap();
        assert_eq!(shown(&site, &nobody, &evidence), None);
    }

    #[test]
    fn a_head_to_which_no_records_lead_dates_nothing() {
        let site = Site::new();
        let (policy, evidence) = (policy(&site), FIRST.file("evidence"));
        cosign(&site, 0, SEEN_S);
        fs::remove_file(&site.seals("audit")[0]).unwrap();
        assert_eq!(shown(&site, &policy, &evidence), None);
        let forked = fs::read_to_string(site.forked_checkpoint()).unwrap();
        let site = Site::new();
        let head = Checkpoint::parse(&forked[..forked.find("\n\n").unwrap() + 1]).unwrap();
        let line = witness().cosign(&head, SEEN_S).unwrap();
        let folder = site.checkpoints("audit")[0].parent().unwrap().to_owned();
        let name = format!("{:020}-{}.cosigned.note", head.size, head.root);
        fs::write(folder.join(name), format!("{forked}{line}")).unwrap();
        assert_eq!(shown(&site, &policy, &evidence), None);
    }
}
