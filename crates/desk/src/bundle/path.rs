//! The name of a file in a bag: relative, in one spelling on every system, and never outside.
//!
//! Refuses what some file system reads in another way: parents, blank components, separators of
//! other systems, control characters, and everything that BagIt would have to escape.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Longest name with its folders.
const BYTES_MAX: usize = 255;

/// A file of a bag, by its path from the bag's folder, with `/` between components.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct BagPath(String);

/// A text that is no name of a file in a bag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAPath;

impl BagPath {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the file is when the bag is at `bag`.
    pub fn within(&self, bag: &Path) -> PathBuf {
        bag.join(&self.0)
    }

    /// Whether it is payload.
    pub fn is_payload(&self) -> bool {
        self.0.starts_with("data/")
    }
}

impl fmt::Display for BagPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BagPath {
    type Err = NotAPath;

    fn from_str(text: &str) -> Result<Self, NotAPath> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+=@/".contains(&byte);
        let component = |part: &str| !part.is_empty() && !part.bytes().all(|byte| byte == b'.');
        let good =
            text.len() <= BYTES_MAX && text.bytes().all(allowed) && text.split('/').all(component);
        if good { Ok(Self(text.to_owned())) } else { Err(NotAPath) }
    }
}

impl<'de> Deserialize<'de> for BagPath {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for NotAPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a relative path of letters, digits and ._-+=@, up to {BYTES_MAX} bytes")
    }
}

impl std::error::Error for NotAPath {}

#[cfg(test)]
mod tests {
    use super::{BagPath, NotAPath};

    #[test]
    fn no_name_leads_out() {
        for text in ["", "/etc", "../x", "data/../x", "data//x", "a\\b", "a b", "%41", "data/."] {
            assert_eq!(text.parse::<BagPath>(), Err(NotAPath), "{text}");
        }
        assert_eq!("a".repeat(256).parse::<BagPath>(), Err(NotAPath));
        assert!("data/logs/a..b.json".parse::<BagPath>().unwrap().is_payload());
    }
}
