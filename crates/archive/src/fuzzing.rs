//! Entry points for fuzzing: total functions that check what must hold for any input.

use crate::access;
use crate::name::Name;
use crate::s3::policy;
use crate::segment::SegmentReader;

/// A name that parses is spelled as it was given.
pub fn fuzz_name(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(name) = text.parse::<Name>() {
        assert_eq!(name.to_string(), text);
    }
}

/// Frames lie one after the other and end with the file.
pub fn fuzz_segment(data: &[u8]) {
    let Ok(mut reader) = SegmentReader::open(data) else { return };
    let mut last = 0;
    while let Ok(Some(frame)) = reader.next_frame() {
        assert!(frame.at.offset > last && frame.at.offset < data.len() as u64);
        assert!(!frame.content.is_empty());
        last = frame.at.offset;
    }
}

/// Every access is about something, and no log is read two ways.
pub fn fuzz_access(data: &[u8]) {
    let Ok(found) = access::read(data) else { return };
    assert_eq!(access::read(data), Ok(found));
}

/// A policy cannot deny more to a longer prefix than it says.
pub fn fuzz_policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(whole) = policy::denied(text, "archive", "") else { return };
    let Some(part) = policy::denied(text, "archive", "site/") else { return };
    // What is denied on the whole bucket is denied on a part of it.
    assert!(!whole.delete_object || part.delete_object);
    assert!(!whole.unconditional_put || part.unconditional_put);
}
