//! Control records as the outer layer looks at them: their digests are typed, not text.
//!
//! A measurement or an epoch may happen to consist of digits alone and then looks like a card
//! number; withheld, the record that names it would be missing from the evidence. So a payload that
//! reads strictly as a control record is looked at without the fields that have the exact form of
//! their type. Whatever else it says is text and stays in view, and a payload that does not read as
//! one is looked at as it came.

use lucarne_ledger::control::{Control, Previous};
use lucarne_ledger::identity::LedgerKind;

/// What of a control record is text, as JSON; nothing if it is no control record.
pub(super) fn text(payload: &[u8], kind: LedgerKind) -> Option<Vec<u8>> {
    let mut control = Control::parse(payload, kind).ok()?;
    match &mut control {
        Control::Open(open) => {
            clear(&mut open.epoch, EPOCH_DIGITS);
            clear(&mut open.measurement, REGISTER_DIGITS);
            clear(&mut open.evidence_sha256, HASH_DIGITS);
            if let Some(Previous { epoch, root, .. }) = &mut open.previous {
                clear(epoch, EPOCH_DIGITS);
                clear(root, HASH_DIGITS);
            }
        }
        Control::Close(close) => clear(&mut close.root, HASH_DIGITS),
        Control::Heartbeat(_) | Control::Gap(_) => {}
    }
    serde_json::to_vec(&control).ok()
}

/// Empties a field that has the form of its type.
fn clear(field: &mut String, digits: usize) {
    let typed = field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if typed && field.len() == digits {
        field.clear();
    }
}

/// The first 16 bytes of a digest.
const EPOCH_DIGITS: usize = 32;
/// SHA-384.
const REGISTER_DIGITS: usize = 96;
/// SHA-256.
const HASH_DIGITS: usize = 64;
