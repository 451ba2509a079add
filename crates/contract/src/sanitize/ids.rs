//! Trace and span ids: the right number of bytes, not all zero, and not text in disguise.

use crate::contract::Contract;
use crate::tally::{Key, Reason, Tally};

/// Lets a trace id pass. An empty one is none; a bad one is counted.
#[inline]
pub(crate) fn trace_id<'a>(
    contract: &Contract,
    tally: &mut Tally,
    id: &'a [u8],
) -> Option<&'a [u8]> {
    identifier(contract, tally, Key::TRACE_ID, id, 16)
}

/// Lets a span id pass. An empty one is none; a bad one is counted.
#[inline]
pub(crate) fn span_id<'a>(
    contract: &Contract,
    tally: &mut Tally,
    id: &'a [u8],
) -> Option<&'a [u8]> {
    identifier(contract, tally, Key::SPAN_ID, id, 8)
}

fn identifier<'a>(
    contract: &Contract,
    tally: &mut Tally,
    key: Key,
    id: &'a [u8],
    length: usize,
) -> Option<&'a [u8]> {
    if id.is_empty() {
        return None;
    }
    let refused = if id.len() != length {
        Reason::Type
    } else if id.iter().all(|byte| *byte == 0) {
        Reason::Value // W3C trace context calls it invalid
    } else if contract.guard.reject.occurs_in(id) {
        Reason::Rejected // sixteen random bytes are never sixteen digits
    } else {
        return Some(id);
    };
    tally.add(key, refused);
    None
}
