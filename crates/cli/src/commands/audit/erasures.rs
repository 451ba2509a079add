//! Encrypted payloads for an audit: the data keys to read them with, and the orders that ended
//! keys.
//!
//! An order counts when a withholding key of the policy signed it for the name that it lies under.
//! That a key is gone cannot be seen from an archive, and no report says so.

use std::path::Path;
use std::sync::Arc;

use lucarne_archive::data_keys::DataKeys;
use lucarne_archive::disk::RealDisk;
use lucarne_archive::erase::{ORDER_BYTES_MAX, is_of};
use lucarne_archive::{Archive, ArchiveError, Name};
use lucarne_ledger::audit::cause::Cause;
use lucarne_ledger::audit::finding::{Finding, Subject};
use lucarne_ledger::audit::report::Report;
use lucarne_ledger::encryption::{Erasure, KeyId};
use lucarne_ledger::key::PublicKey;

use super::catalogue::unreadable;
use super::epochs::read_all;
use super::text;
use super::trust::Judge;
use crate::failure::Failure;

/// Opens a folder of data keys for reading.
///
/// # Errors
/// When it cannot be read, or holds what is not a key.
pub(super) fn read_keys(folder: &Path) -> Result<DataKeys, Failure> {
    DataKeys::open_read_only(Arc::new(RealDisk), folder)
        .map_err(|error| Failure::unreadable("read the data keys", &error))
}

/// The orders of an archive to destroy keys.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// Those that a withholding key of the policy signed.
    pub(super) accepted: Vec<Erasure>,
    /// A finding for each other one.
    pub(super) findings: Vec<Finding>,
    /// The keys that those are named for.
    pub(super) refused: Vec<KeyId>,
}

/// Reads the orders of an archive.
///
/// # Errors
/// When the archive cannot be read.
pub(super) fn read(archive: &dyn Archive, authorities: &[PublicKey]) -> Result<Orders, Failure> {
    let mut orders = Orders::default();
    for name in archive.list("erasures/").map_err(|error| unreadable(&error))? {
        let name = match name {
            Ok(Name::Erasure(name)) => name,
            // Strays are in the catalogue already.
            Ok(_) | Err(ArchiveError::Stray { .. }) => continue,
            Err(error) => return Err(unreadable(&error)),
        };
        let file = Name::Erasure(name.clone());
        let message = read_all(archive.open(&file).map_err(|error| unreadable(&error))?)?;
        let signed = authorities.iter().find_map(|key| Erasure::verify(&message, key).ok());
        let refused = match signed {
            _ if message.len() as u64 > ORDER_BYTES_MAX => "it is longer than any",
            None => "no withholding key of the policy signed it",
            Some(order) if !is_of(&order, &name) => "it is not about what its name says",
            Some(order) => {
                orders.accepted.push(order);
                continue;
            }
        };
        orders.refused.push(name.key);
        orders.findings.push(Finding {
            subject: Subject::Archive,
            range: None,
            file: Some(file.to_string()),
            cause: Cause::ErasureRefused { detail: refused.to_owned() },
            accepted: None,
        });
    }
    Ok(orders)
}

/// What a report has to say beside its findings.
///
/// # Errors
/// When the archive cannot be read.
pub(super) fn notes(
    archive: &dyn Archive,
    judge: &Judge,
    report: &Report,
) -> Result<Vec<String>, Failure> {
    let mut notes = Vec::new();
    for ledger in report.ledgers.iter().filter(|ledger| ledger.encrypted > 0) {
        notes.push(format!(
            "payloads not read: those of {} of {} are encrypted and their keys were not given; \
             that the bytes there are they is the word of the withholding key",
            text::records(ledger.encrypted),
            ledger.id
        ));
    }
    if let Some(keys) = &judge.data_keys {
        for order in read(archive, &judge.policy.withholding_keys)?.accepted {
            if keys.by_id(order.key).is_some() {
                notes.push(format!(
                    "key {} of {}/{}/{} was to be destroyed (`{}`) and is still in the folder \
                     given",
                    order.key, order.day, order.instance, order.kind, order.rule
                ));
            }
        }
    }
    Ok(notes)
}

#[cfg(test)]
mod tests;
