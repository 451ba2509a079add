//! The key that an auditor pins himself, with `--tee-public-key`, instead of a policy.
//!
//! It is believed because it was given. It belongs to one epoch, and which one is told by what it
//! signed. The epoch's own signed words then vouch for its second key, which signs checkpoints.
//! Whether it is the key of a TEE is not known here, and the report says so.

use std::collections::BTreeMap;
use std::path::Path;

use lucarne_archive::name::{EpochFile, EpochName};
use lucarne_archive::{Archive, Name};
use lucarne_ledger::audit::AttestedKeys;
use lucarne_ledger::audit::cause::Cause;
use lucarne_ledger::batch::{self, Content, EpochKey, VerifiedBatch};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::control::{Control, Open};
use lucarne_ledger::hash::from_hex;
use lucarne_ledger::identity::{EpochId, Instance, LedgerId, LedgerKind};
use lucarne_ledger::key::{Algorithm, PublicKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};

use super::catalogue::{Catalogue, Files, unreadable};
use super::epochs::read_all;
use super::reading;
use crate::failure::Failure;

/// An epoch that the key signed for.
#[derive(Clone, Debug)]
pub(super) struct Pinned {
    /// What its ledgers are checked with.
    pub(super) keys: AttestedKeys,
    /// Whether the key of its checkpoints is known.
    pub(super) checkpoints: bool,
    /// What the epoch says of itself, if its first record is here.
    pub(super) open: Option<Box<Open>>,
}

/// What the key is to each epoch of an archive.
pub(super) type Pins = BTreeMap<(Instance, EpochId), Option<Pinned>>;

/// Files that are looked at for a batch under the key before an epoch is taken for another's.
const FILES_MAX: usize = 64;
/// A PEM file with a certificate chain is shorter.
const PEM_BYTES_MAX: u64 = 1 << 16;

/// Reads a P-256 key from PEM: a certificate's, or a bare `PUBLIC KEY`.
///
/// # Errors
/// When the file cannot be read or holds no such key.
pub(super) fn read_key(path: &Path) -> Result<PublicKey, Failure> {
    let what = path.display();
    let pem = std::fs::File::open(path)
        .and_then(|file| {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::Read::take(file, PEM_BYTES_MAX), &mut bytes)?;
            Ok(bytes)
        })
        .map_err(|error| Failure::unreadable(&format!("read {what}"), &error))?;
    let spki = match CertificateDer::from_pem_slice(&pem) {
        Ok(der) => webpki::EndEntityCert::try_from(&der)
            .map_err(|error| Failure::usage(format!("{what}: not a certificate: {error}")))?
            .subject_public_key_info()
            .to_vec(),
        Err(_) => SubjectPublicKeyInfoDer::from_pem_slice(&pem)
            .map_err(|_| {
                Failure::usage(format!("{what}: expected a CERTIFICATE or PUBLIC KEY in PEM"))
            })?
            .to_vec(),
    };
    match PublicKey::from_spki(&spki) {
        Ok(key) if key.algorithm() == Algorithm::EcdsaP256 => Ok(key),
        Ok(_) | Err(_) => Err(Failure::usage(format!("{what}: expected a key on P-256")).hint(
            "statements are signed with the P-256 key of an epoch, `keys.p256` of binding.cbor",
        )),
    }
}

/// Finds the epochs of the archive that the key signed for.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn find(
    archive: &dyn Archive,
    catalogue: &Catalogue,
    key: &PublicKey,
) -> Result<Pins, Failure> {
    let mut pins = Pins::new();
    for ((instance, epoch), ledgers) in &catalogue.epochs {
        let key = EpochKey { instance: instance.clone(), epoch: *epoch, key: key.clone() };
        let mut pinned = None;
        for (kind, files) in ledgers {
            pinned = match sample(archive, &key, *kind, files)? {
                Sample::Signed(open) => Some(vouched(archive, &key, open)?),
                Sample::Nothing => pinned,
            };
            if pinned.as_ref().is_some_and(|pinned| pinned.open.is_some()) {
                break;
            }
        }
        pins.insert((instance.clone(), *epoch), pinned);
    }
    Ok(pins)
}

/// Why nothing of an epoch can be believed under the key.
pub(super) fn refusal(pins: &Pins) -> Cause {
    if pins.values().any(Option::is_some) {
        let detail = "no batch that was looked at is signed by the key given".to_owned();
        return Cause::EvidenceAbsent { detail };
    }
    let detail = "nothing in this archive is signed by the key given".to_owned();
    Cause::EvidenceRefused { detail }
}

/// What the origins of the archive's checkpoints begin with, as the first one of them says.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn log_prefix(archive: &dyn Archive, pins: &Pins) -> Result<String, Failure> {
    for ((instance, epoch), _) in pins.iter().filter(|(_, pinned)| pinned.is_some()) {
        let prefix = format!("checkpoints/{instance}/{epoch}/");
        let names = archive.list(&prefix).map_err(|error| unreadable(&error))?;
        for name in names.flatten().take(FILES_MAX) {
            let Name::Checkpoint(checkpoint) = &name else { continue };
            let note = read_all(archive.open(&name).map_err(|error| unreadable(&error))?)?;
            let origin = String::from_utf8_lossy(&note).lines().next().map(str::to_owned);
            let end = format!("/{}", checkpoint.ledger);
            if let Some(prefix) = origin.as_deref().and_then(|line| line.strip_suffix(&end)) {
                return Ok(prefix.to_owned());
            }
        }
    }
    Ok(String::new())
}

/// What a batch under the key shows.
enum Sample {
    /// None was found.
    Nothing,
    /// The key signs for the ledger; its first record is in the batch, or it is not.
    Signed(Option<Box<Open>>),
}

/// Looks for a batch of the ledger under the key.
fn sample(
    archive: &dyn Archive,
    key: &EpochKey,
    kind: LedgerKind,
    files: &Files,
) -> Result<Sample, Failure> {
    let id = LedgerId { instance: key.instance.clone(), epoch: key.epoch, kind };
    let mut found = Sample::Nothing;
    for name in reading::Segments::new(archive, &id, files, 0).take(FILES_MAX) {
        let source = archive.open(&Name::Seal(name?)).map_err(|error| unreadable(&error))?;
        // Damage is the auditor's business.
        drop(reading::batches(source, &mut |bytes| {
            if matches!(found, Sample::Nothing)
                && let Ok(batch) = batch::verify(bytes, key)
            {
                found = Sample::Signed(open_of(&batch).map(Box::new));
            }
            Ok(())
        })?);
        if matches!(found, Sample::Signed(_)) {
            break;
        }
    }
    Ok(found)
}

/// The `open` record, if the batch begins with it.
pub(super) fn open_of(batch: &VerifiedBatch<'_>) -> Option<Open> {
    let statement = batch.statement();
    match batch.records().first().filter(|_| statement.first == 0)?.content {
        Content::Present { payload, .. } => match Control::parse(payload, statement.ledger.kind) {
            Ok(Control::Open(open)) => Some(open),
            Ok(_) | Err(_) => None,
        },
        Content::Withheld { .. } | Content::Encrypted => None,
    }
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| from_hex::<1>(pair?).ok().map(|[byte]| byte)).collect()
}

/// The keys of the epoch. Its id, which the key signs, is a digest of the binding that names both.
fn vouched(
    archive: &dyn Archive,
    key: &EpochKey,
    open: Option<Box<Open>>,
) -> Result<Pinned, Failure> {
    let (instance, epoch, file) = (key.instance.clone(), key.epoch, EpochFile::Binding);
    let stored = match archive.open(&EpochName { instance, epoch, file }.into()) {
        Ok(source) => Some(read_all(source)?),
        Err(lucarne_archive::ArchiveError::NotFound { .. }) => None,
        Err(error) => return Err(unreadable(&error)),
    };
    let said = open.as_ref().and_then(|open| bytes_of(&open.binding));
    let fits = |bytes: &Vec<u8>| {
        let binding = EpochBinding::from_cbor(bytes).ok()?;
        let same = binding.epoch_id() == key.epoch && binding.p256_spki == key.key.spki();
        same.then_some(binding.ed25519)
    };
    let ed25519 = stored.iter().chain(&said).find_map(fits);
    let checkpoint = ed25519.map(|bytes| PublicKey::from_ed25519(&bytes));
    let insecure = open.as_ref().is_some_and(|open| open.tee.starts_with("software"));
    Ok(Pinned {
        checkpoints: checkpoint.is_some(),
        keys: AttestedKeys {
            statement: key.clone(),
            checkpoint: checkpoint.unwrap_or_else(|| key.key.clone()),
            insecure,
        },
        open,
    })
}
