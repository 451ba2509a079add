//! Checkpoints in their one spelling.

extern crate std;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use std::path::Path;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Bad {
    bodies: BTreeMap<String, String>,
}

#[test]
fn every_other_spelling_is_refused() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/x-mod/checkpoint-bad-bodies.json");
    let bad: Bad = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let found: Vec<(&str, Result<u64, CheckpointError>)> = (bad.bodies.iter())
        .map(|(name, body)| (name.as_str(), Checkpoint::parse(body).map(|head| head.size)))
        .collect();
    let spelling = Err(CheckpointError::NotCanonical);
    assert_eq!(
        found,
        [
            ("empty extension line", Err(CheckpointError::Lines)),
            ("empty origin", spelling),
            ("hex root", spelling),
            ("leading zero size", spelling),
            ("negative size", spelling),
            ("non-canonical base64 (trailing bits)", spelling),
            ("only two lines", Err(CheckpointError::Lines)),
            ("plus sign", spelling),
            ("root not base64", spelling),
            ("short root", spelling),
            ("size overflows uint64", spelling),
            ("url-safe base64 root", spelling),
        ]
    );
}

#[test]
fn what_is_written_is_what_is_read() {
    for size in [0, 1, 9_999, u64::MAX] {
        let head =
            Checkpoint { origin: "lucarne.local/i/e/audit".into(), size, root: Hash([7; 32]) };
        assert_eq!(Checkpoint::parse(&head.to_string()), Ok(head));
    }
    let text = "o\n1\nCwrq+Vhkv2cxFgzCYCi/5bVYmrb0QFOO91My4GwHIC4=";
    assert_eq!(Checkpoint::parse(text), Err(CheckpointError::NotCanonical));
    let long = "o".repeat(TEXT_BYTES_MAX + 1);
    assert_eq!(Checkpoint::parse(&long), Err(CheckpointError::TooLong));
}
