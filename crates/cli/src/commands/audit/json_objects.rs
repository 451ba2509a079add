//! Signed log batches in JSON that lie in an archive: each is held against the key of its epoch and
//! against its own name.
//!
//! No ledger names them, so one that is gone is not missed: what they say is in the ledgers.

use std::collections::BTreeMap;
use std::io::Read as _;

use lucarne_archive::name::{Date, JsonName};
use lucarne_archive::{Archive, ArchiveError, Name};
use lucarne_ledger::audit::Audit;
use lucarne_ledger::audit::cause::Cause;
use lucarne_ledger::audit::finding::Subject;
use lucarne_ledger::identity::{EpochId, Instance};
use lucarne_ledger::json_batch::{Certificate, JSON_BATCH_BYTES_MAX, SignedLogBatch};
use lucarne_ledger::key::PublicKey;

use super::catalogue::unreadable;
use crate::failure::{Failure, chain};

/// The keys of the epochs that are believed.
pub(super) type Keys = BTreeMap<(Instance, EpochId), PublicKey>;

/// Judges every batch of an epoch in `keys`. What cannot be believed of the others is their
/// epoch's finding.
///
/// # Errors
/// When an object cannot be read.
pub(super) fn judge(
    archive: &dyn Archive,
    keys: &Keys,
    audit: &mut Audit<'_>,
) -> Result<(), Failure> {
    for name in archive.list(FOLDER).map_err(|error| unreadable(&error))? {
        let name = match name {
            Ok(Name::Json(name)) => name,
            // Strays are in the catalogue already.
            Ok(_) | Err(ArchiveError::Stray { .. }) => continue,
            Err(error) => return Err(unreadable(&error)),
        };
        let place = (name.instance.clone(), name.epoch);
        let Some(key) = keys.get(&place) else { continue };
        if let Some(detail) = refusal(archive, &name, key)? {
            let subject = Subject::Epoch { instance: place.0, epoch: place.1 };
            let file = Some(Name::Json(name).to_string());
            audit.note(super::verify::finding(subject, file, Cause::JsonRefused { detail }));
        }
    }
    Ok(())
}

/// Why an object is not what its name says, if it is not.
fn refusal(
    archive: &dyn Archive,
    name: &JsonName,
    key: &PublicKey,
) -> Result<Option<String>, Failure> {
    let object = archive.open(&Name::Json(name.clone())).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    object
        .take(JSON_BATCH_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|cause| Failure::unreadable("read the archive", &cause))?;
    let verified = SignedLogBatch::parse(&bytes)
        .and_then(|batch| batch.verify(key, Certificate::Sha256(key.id())));
    let batch = match verified {
        Ok(batch) => batch,
        Err(error) => return Ok(Some(chain(&error))),
    };
    let date = Date::of_timestamp(&batch.payload().timestamp_utc);
    let signed = (batch.sequence_is_signed(), batch.sequence(), date);
    let fits = signed == (true, name.sequence, Some(name.date));
    Ok((!fits).then(|| "its name says another number or day than what was signed".to_owned()))
}

const FOLDER: &str = "json/";
