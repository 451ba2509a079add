//! Tiles of the reference implementation, byte for byte.

extern crate std;

use alloc::collections::BTreeMap;
use alloc::string::ToString;
use std::path::PathBuf;

use serde::Deserialize;

use super::*;
use crate::record::{self, Stream};

fn data(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/x-mod").join(file)
}

fn entry(i: u64) -> String {
    std::format!("record {i}")
}

/// Every tile of a log of `size` entries `record <i>`.
fn log(size: u64) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let (mut hashes, mut bundles) = (HashTiles::new(), EntryBundles::new());
    let mut emit = |path: TilePath, bytes: &[u8]| {
        assert_eq!(found.insert(path.to_string(), bytes.to_vec()), None, "{path} twice");
    };
    for entry in (0..size).map(entry) {
        hashes.push(Hash::of(&[&[0], entry.as_bytes()].concat()), &mut emit);
        bundles.push(entry.as_bytes(), &mut emit).unwrap();
    }
    hashes.partial(&mut emit);
    bundles.partial(&mut emit);
    found
}

#[test]
fn a_log_of_600_has_the_files_of_the_reference_implementation() {
    let found = log(600);
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    let expected = [
        "tile/0/000",
        "tile/0/001",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002.p/88",
    ];
    assert_eq!(names, expected);
    for (name, bytes) in &found {
        let theirs = std::fs::read(data("tlog-600").join(name)).unwrap();
        assert_eq!(*bytes, theirs, "{name}");
    }
}

#[derive(Deserialize)]
struct Tiles {
    tiles: Vec<Tile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tile {
    path: String,
    sha256: String,
}

#[test]
fn a_log_of_70000_has_the_tiles_of_the_reference_implementation() {
    let text = std::fs::read(data("tiles-70000.json")).unwrap();
    let theirs: Tiles = serde_json::from_slice(&text).unwrap();
    let theirs: BTreeMap<String, String> =
        theirs.tiles.into_iter().map(|tile| (tile.path, tile.sha256)).collect();
    assert_eq!(theirs.len(), 277);
    let mut ours = log(70_000);
    ours.retain(|path, _| !path.starts_with("tile/entries/"));
    let digest = |bytes: &[u8]| Hash::of(bytes).to_string();
    let ours: BTreeMap<String, String> =
        ours.iter().map(|(path, bytes)| (path.clone(), digest(bytes))).collect();
    assert_eq!(ours, theirs);
}

#[test]
fn large_indices_are_written_in_groups_of_three_digits() {
    let text = std::fs::read(data("tile-paths.json")).unwrap();
    let theirs: BTreeMap<u64, String> = serde_json::from_slice(&text).unwrap();
    for (index, path) in theirs {
        let kind = TileKind::Hashes { level: 0 };
        assert_eq!(TilePath { kind, index, width: TILE_WIDTH }.to_string(), path);
    }
}

#[test]
fn a_whole_tile_is_emitted_once_and_leaves_no_partial_one() {
    let names: Vec<String> = log(256).into_keys().collect();
    assert_eq!(names, ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]);
    assert_eq!(log(0), BTreeMap::new());
}

#[test]
fn an_entry_that_does_not_fit_is_refused_and_not_taken() {
    let mut bundles = EntryBundles::new();
    let mut found = Vec::new();
    let mut emit = |path: TilePath, bytes: &[u8]| found.push((path.width, bytes.len()));
    let long = bundles.push(&[7; ENTRY_BYTES_MAX + 1], &mut emit);
    assert_eq!(long, Err(EntryTooLong { bytes: 65_536 }));
    assert_eq!(bundles.push(&[7; ENTRY_BYTES_MAX], &mut emit), Ok(()));
    bundles.partial(&mut emit);
    assert_eq!(found, [(1, 2 + 65_535)]);
}

#[test]
fn the_entry_of_a_record_is_what_its_leaf_is_the_hash_of() {
    let commitment = Hash::of(b"commitment");
    for stream in Stream::ALL {
        let entry = record::entry(stream, commitment);
        assert_eq!(entry.len(), 34);
        let leaf = Hash::of(&[&[0], &entry[..]].concat());
        assert_eq!(record::leaf(stream, commitment), leaf);
        assert_eq!(entry[..2], [1, stream.code()]);
    }
}
