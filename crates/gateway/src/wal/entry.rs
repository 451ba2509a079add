//! Entries of the log and their bytes.
//!
//! ```text
//! kind u8 || ledger u8 || epoch 16 bytes || length u8, instance || be32 length, payload
//! ```
//! Entries of a group lie one after the other. The payload is opaque here.

use bytes::Bytes;
use lucarne_ledger::identity::{EpochId, LedgerId, LedgerKind};

use super::error::WalError;

/// Something that passed the outer layer and has to reach the archive or the exporters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// What the payload is.
    pub kind: Kind,
    /// Whose it is.
    pub origin: LedgerId,
    /// Its bytes.
    pub payload: Bytes,
}

/// What a payload is; the number is on the disk.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Kind {
    /// A verified batch with its checkpoint; what was withheld is already replaced, and the copies
    /// that were rewritten for export lie beside it.
    Batch = 1,
    /// A batch that did not verify: statement, hashes and sizes, no content.
    Unverified = 3,
    /// A message of the host side itself, for export only.
    Message = 6,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Batch, Self::Unverified, Self::Message];

    const fn code(self) -> u8 {
        self as u8
    }
}

/// Writes the bytes of a group into `out`, which is emptied before.
pub(super) fn encode(entries: &[Entry], out: &mut Vec<u8>) -> Result<(), WalError> {
    out.clear();
    if entries.is_empty() {
        return Err(WalError::NoEntries);
    }
    let size: usize = entries.iter().map(|entry| entry.payload.len() + HEAD_BYTES_MAX).sum();
    if size > GROUP_BYTES_MAX {
        return Err(WalError::TooLarge { got: size as u64 });
    }
    out.reserve(size);
    for Entry { kind, origin, payload } in entries {
        let instance = origin.instance.as_str().as_bytes();
        let too_large = || WalError::TooLarge { got: payload.len() as u64 };
        out.push(kind.code());
        out.push(u8::try_from(origin.kind.code()).map_err(|_| too_large())?);
        out.extend_from_slice(&origin.epoch.0);
        out.push(u8::try_from(instance.len()).map_err(|_| too_large())?);
        out.extend_from_slice(instance);
        let length = u32::try_from(payload.len()).map_err(|_| too_large())?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(payload);
    }
    Ok(())
}

/// The entries of a group, in its memory, or `None` when the bytes are none.
pub(super) fn decode(group: &Bytes) -> Option<Vec<Entry>> {
    let (mut entries, mut rest) = (Vec::new(), &group[..]);
    while !rest.is_empty() {
        entries.push(decode_entry(group, &mut rest)?);
    }
    if entries.is_empty() { None } else { Some(entries) }
}

fn decode_entry(group: &Bytes, bytes: &mut &[u8]) -> Option<Entry> {
    let [code, ledger] = take_array(bytes)?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.code() == code)?;
    let epoch = EpochId(take_array(bytes)?);
    let [length] = take_array(bytes)?;
    let instance = std::str::from_utf8(take(bytes, usize::from(length))?).ok()?.parse().ok()?;
    let length = u32::from_be_bytes(take_array(bytes)?);
    let payload = group.slice_ref(take(bytes, usize::try_from(length).ok()?)?);
    let origin = LedgerId { instance, epoch, kind: LedgerKind::from_code(u64::from(ledger))? };
    Some(Entry { kind, origin, payload })
}

fn take<'b>(bytes: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(head)
}

fn take_array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

/// Kind, ledger, epoch, the longest instance with its length, and the payload's length.
const HEAD_BYTES_MAX: usize = 1 + 1 + 16 + 1 + 63 + 4;
/// Several of the largest batches; one group is held in memory whole.
const GROUP_BYTES_MAX: usize = 32 << 20;
