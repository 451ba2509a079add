//! Entry points for fuzzing: total functions that check what must hold for any input.

use crate::name::Name;
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
