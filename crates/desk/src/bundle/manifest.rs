//! Manifests of a bag (RFC 8493 §2.1.3): a SHA-256 and a path a line, sorted by path.

use std::collections::BTreeMap;

use super::path::BagPath;
use crate::digest::Digest;

/// Files of a manifest: items, their two folders, tag files.
const LINES_MAX: usize = super::ITEMS_MAX + 64;

/// Files with their digests.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Manifest(pub BTreeMap<BagPath, Digest>);

impl Manifest {
    /// Reads a manifest in its one spelling.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut files = BTreeMap::new();
        for line in text.lines().take(LINES_MAX + 1) {
            let (digest, path) = line.split_once("  ")?;
            files.insert(path.parse().ok()?, digest.parse().ok()?);
        }
        let manifest = Self(files);
        (manifest.0.len() <= LINES_MAX && manifest.to_text() == text).then_some(manifest)
    }

    /// Its one spelling.
    pub fn to_text(&self) -> String {
        self.0.iter().map(|(path, digest)| format!("{digest}  {path}\n")).collect()
    }
}
