//! Total functions over hostile input, for the fuzz targets and the replay of their corpora.
//!
//! The log is our own, but a disk is not to be trusted with it.

use bytes::Bytes;

use super::{entry, frames, manifest};

/// The entries of a group. What is read is what was written.
pub fn fuzz_wal_group(bytes: &[u8]) {
    if let Some(entries) = entry::decode(&Bytes::copy_from_slice(bytes)) {
        let mut again = Vec::new();
        assert!(entry::encode(&entries, &mut again).is_ok(), "what was read can be written");
        assert_eq!(again, bytes);
    }
}

/// Frames one behind the other, as a reader takes them: it gets on, or stops.
pub fn fuzz_wal_frames(bytes: &[u8]) {
    let mut rest = bytes;
    let mut left = bytes.len();
    while let Ok(Some(body)) = frames::read_frame(MARK, &mut rest) {
        assert_eq!(frames::framed_bytes(&body), (left - rest.len()) as u64);
        left = rest.len();
    }
}

/// A record of the manifest.
pub fn fuzz_wal_manifest(body: &[u8]) {
    if let Some((roll, names)) = manifest::decode(body) {
        let again = manifest::encode(roll, &names);
        assert_eq!(manifest::decode(again.as_bytes()), Some((roll, names)));
    }
}

/// The corpus was written for a file with this mark.
const MARK: frames::Mark = frames::Mark(*b"LUCARNE3");
