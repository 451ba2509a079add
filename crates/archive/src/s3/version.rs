//! Versions and delete markers: what lies behind a key, and what hides it.
//!
//! A lock is on a version. A delete marker makes a locked object vanish from every ordinary listing
//! and lets a second one be created, so who wants to know what an archive holds lists versions. A
//! listing that is out of order is refused: it could hide what it repeats.

use super::bucket::Bucket;
use super::engine::Engine;
use super::failure::{Call, Fault, S3Error};
use super::persevere;
use crate::store::ArchiveError;

/// One version of a key, or a delete marker on it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Version {
    /// The key, below the prefix of the archive when it comes out of one.
    pub key: String,
    /// What the store calls this version.
    pub id: String,
    /// Whether it is what a reader of the key gets.
    pub is_latest: bool,
    /// Size in bytes; `None` for a delete marker.
    pub bytes: Option<u64>,
    /// When it was written by the store's clock, in seconds since the Unix epoch.
    pub modified_s: i64,
}

impl Version {
    /// Whether it is a delete marker.
    pub const fn is_marker(&self) -> bool {
        self.bytes.is_none()
    }
}

/// Everything that one key has, the newest first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct History {
    /// The key.
    pub key: String,
    /// At least one.
    pub versions: Vec<Version>,
}

impl History {
    /// What an archive has for every name: one version and no marker.
    pub const fn is_plain(&self) -> bool {
        matches!(self.versions.as_slice(), [only] if !only.is_marker())
    }
}

/// Where a listing goes on.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) key: String,
    pub(super) version: String,
}

/// A part of a listing.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<Place>,
}

/// Versions one after the other, a page of them in memory.
pub struct Versions {
    engine: Engine,
    bucket: Bucket,
    prefix: String,
    /// Bytes of each key that are not the archive's business.
    hidden: usize,
    page: std::vec::IntoIter<Version>,
    next: Next,
    last_key: String,
}

enum Next {
    First,
    After(Place),
    End,
}

impl std::fmt::Debug for Versions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Versions").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Versions {
    pub(super) fn new(engine: Engine, bucket: Bucket, prefix: String, hidden: usize) -> Self {
        let page = Vec::new().into_iter();
        let (next, last_key) = (Next::First, String::new());
        Self { engine, bucket, prefix, hidden, page, next, last_key }
    }

    /// The same, by key.
    pub fn histories(self) -> Histories {
        Histories { versions: self, first: None, failed: false }
    }

    fn turn(&mut self, after: Option<Place>) -> Result<(), S3Error> {
        let (bucket, prefix) = (self.bucket.clone(), self.prefix.clone());
        let asked = self
            .engine
            .wait(async move { persevere(|| bucket.version_page(&prefix, after.clone())).await });
        let gone = || S3Error::new(Call::Versions, &self.prefix, Fault::Thread);
        let page = asked.ok_or_else(gone)??;
        // An empty page with more to come would be asked for again and again.
        if page.items.is_empty() && page.next.is_some() {
            return Err(S3Error::new(Call::Versions, &self.prefix, Fault::NotUnderstood));
        }
        self.page = page.items.into_iter();
        self.next = page.next.map_or(Next::End, Next::After);
        Ok(())
    }
}

impl Iterator for Versions {
    type Item = Result<Version, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(mut version) = self.page.next() {
                let below = version.key.get(self.hidden..).map(ToOwned::to_owned);
                let (Some(below), true) = (below, version.key >= self.last_key) else {
                    self.next = Next::End;
                    self.page = Vec::new().into_iter();
                    let fault = Fault::NotUnderstood;
                    return Some(Err(S3Error::new(Call::Versions, &self.prefix, fault).into()));
                };
                self.last_key = std::mem::replace(&mut version.key, below);
                return Some(Ok(version));
            }
            let after = match std::mem::replace(&mut self.next, Next::End) {
                Next::End => return None,
                Next::First => None,
                Next::After(place) => Some(place),
            };
            if let Err(error) = self.turn(after) {
                return Some(Err(error.into()));
            }
        }
    }
}

/// Keys with all that they have.
#[derive(Debug)]
pub struct Histories {
    versions: Versions,
    first: Option<Version>,
    failed: bool,
}

impl Iterator for Histories {
    type Item = Result<History, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let first = match self.first.take().map(Ok).or_else(|| self.versions.next())? {
            Ok(first) => first,
            Err(error) => {
                self.failed = true;
                return Some(Err(error));
            }
        };
        let mut history = History { key: first.key.clone(), versions: vec![first] };
        loop {
            match self.versions.next() {
                Some(Ok(version)) if version.key == history.key => history.versions.push(version),
                Some(Ok(version)) => {
                    self.first = Some(version);
                    return Some(Ok(history));
                }
                None => return Some(Ok(history)),
                Some(Err(error)) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// A key as it is, out of the form in which it was asked for: any byte may be `%` and two digits.
/// Keys are UTF-8; a stray `%` is none of a store that was asked for this form.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            // Form encoding, which is what AWS sends.
            b'+' => b' ',
            plain => plain,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn keys_come_out_of_their_url_form() {
        assert_eq!(decoded("2026/11/a%2Bb%20c+d%C3%A9").as_deref(), Some("2026/11/a+b c dé"));
        for bad in ["%", "%2", "%zz", "%FF"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }
}
