//! Erasing a day of a ledger, or what is one tenant's of it, by destroying its data key, by order.
//!
//! The signed order is durable in the archive first, then the key is removed: a key that is gone
//! without a word would look like any other loss. A kill in between leaves the order and the key,
//! and the same order again removes what is left. A hold on the day stops it before anything is
//! written.

use std::fmt;
use std::io::Read as _;

use lucarne_ledger::encryption::Erasure;
use lucarne_ledger::key::{Signer, SigningFailed};

use crate::data_keys::{DataKeys, KeyError, Slot};
use crate::hold::{HoldError, Holds};
use crate::name::ErasureName;
use crate::{Archive, ArchiveError, Name, Put};

/// By what right a key is destroyed.
pub struct Order<'a> {
    /// Name of the order as reports show it: authority and reason, at most
    /// [`RULE_BYTES_MAX`](lucarne_ledger::statement::RULE_BYTES_MAX) bytes.
    pub rule: &'a str,
    /// Milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The key that the auditor's policy names for withholding.
    pub signer: &'a dyn Signer,
}

/// Why a key was not destroyed.
#[derive(Debug)]
pub enum EraseError {
    /// A hold covers the day.
    Hold(HoldError),
    /// The archive.
    Archive(ArchiveError),
    /// The folder of keys.
    Key(KeyError),
    /// The order could not be signed.
    Signing(SigningFailed),
    /// Another order for this key is there, which the same authority did not sign.
    Order {
        /// Where.
        name: Box<ErasureName>,
    },
}

impl fmt::Display for EraseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hold(error) => write!(f, "{error}"),
            Self::Archive(error) => write!(f, "{error}"),
            Self::Key(error) => write!(f, "{error}"),
            Self::Signing(_) => write!(f, "the order cannot be signed"),
            Self::Order { name } => write!(f, "{name} is there and is not of this authority"),
        }
    }
}

impl std::error::Error for EraseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Hold(error) => error.source(),
            Self::Archive(error) => error.source(),
            Self::Key(error) => error.source(),
            Self::Signing(error) => Some(error),
            Self::Order { .. } => None,
        }
    }
}

/// Destroys the key of a slot; gives the order's name, or `None` when there is no key.
///
/// # Errors
/// When a hold covers the day, or something fails. Until the order is durable nothing was removed;
/// after an error the same call may be made again.
pub fn erase(
    archive: &dyn Archive,
    holds: &Holds,
    keys: &DataKeys,
    slot: &Slot,
    order: &Order<'_>,
) -> Result<Option<ErasureName>, EraseError> {
    let Some(key) = keys.of(slot) else { return Ok(None) };
    let clearance = holds.clear_day(&slot.instance, slot.date).map_err(EraseError::Hold)?;
    let (instance, kind) = (slot.instance.clone(), slot.kind);
    let erasure = Erasure {
        instance: instance.clone(),
        kind,
        day: slot.date.to_string(),
        key: key.id(),
        rule: order.rule.to_owned(),
        time_ms: order.time_ms,
    };
    let message = erasure.sign(order.signer).map_err(EraseError::Signing)?;
    let name = ErasureName { date: slot.date, instance, kind, key: key.id() };
    let put = archive.put(&Name::Erasure(name.clone()), &message).map_err(EraseError::Archive)?;
    if put == Put::Different && !is_ours(archive, &name, order)? {
        return Err(EraseError::Order { name: Box::new(name) });
    }
    keys.destroy(&clearance, kind, slot.tenant).map_err(EraseError::Key)?;
    Ok(Some(name))
}

/// Whether the order that is there was signed by the same authority: one that was given before and
/// not carried out to its end.
fn is_ours(
    archive: &dyn Archive,
    name: &ErasureName,
    order: &Order<'_>,
) -> Result<bool, EraseError> {
    let path = Name::Erasure(name.clone());
    let file = archive.open(&path).map_err(EraseError::Archive)?;
    let mut message = Vec::new();
    let read = file.take(ORDER_BYTES_MAX).read_to_end(&mut message);
    let there = Erasure::verify(&message, order.signer.public_key());
    Ok(read.is_ok() && there.is_ok_and(|there| is_of(&there, name)))
}

/// Whether an order is about what its name says.
pub fn is_of(erasure: &Erasure, name: &ErasureName) -> bool {
    (&erasure.instance, erasure.kind, erasure.key) == (&name.instance, name.kind, name.key)
        && erasure.day == name.date.to_string()
}

/// Longest order: a COSE_Sign1 with the longest names of instance and rule.
pub const ORDER_BYTES_MAX: u64 = 640;
