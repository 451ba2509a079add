//! Sealing: manifests over what was collected, the last line of custody, and the statement.

use lucarne_ledger::key::PublicKey;

use super::custody::{Act, Deed};
use super::draft::{Draft, Hand};
use super::dsse::SealingKey;
use super::error::BundleError;
use super::manifest::Manifest;
use super::path::BagPath;
use super::statement::{Collector, Statement};
use super::{
    BAG_INFO, BAGIT, CUSTODY, LEDGER, MANIFEST, STATEMENT, STATEMENTS, TAG_MANIFEST, folder,
};
use crate::digest::Digest;
use crate::moment::DAY_MS;

/// A bag that was sealed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SealedBag {
    /// SHA-256 of its tag manifest: what others name it by.
    pub digest: Digest,
    /// Payload files.
    pub files: usize,
    /// The key that signed.
    pub key: PublicKey,
}

impl Draft {
    /// Seals the bag. What was collected is hashed again first, and the statement comes last: until
    /// it is written the bag is a draft.
    ///
    /// # Errors
    /// When a file is not what was collected or nobody collected it, or something cannot be written
    /// or signed.
    pub fn seal(
        mut self,
        by: &Hand,
        collector: Collector,
        policy_sha256: Option<Digest>,
        key: &SealingKey,
    ) -> Result<SealedBag, BundleError> {
        let (payload, bytes) = self.payload()?;
        let info = self.bag_info(by, payload.0.len(), bytes);
        folder::replace(&self.bag.join(BAGIT), DECLARATION)?;
        folder::replace(&self.bag.join(BAG_INFO), info.as_bytes())?;
        folder::replace(&self.bag.join(MANIFEST), payload.to_text().as_bytes())?;
        let tags = self.tags()?.to_text();
        folder::replace(&self.bag.join(TAG_MANIFEST), tags.as_bytes())?;
        let digest = Digest::of(tags.as_bytes());
        let item = TAG_MANIFEST.parse().map_err(|_| BundleError::NotADraft)?;
        self.record(Deed {
            wall_ms: by.wall_ms,
            actor: by.actor.clone(),
            act: Act::Sealed,
            item,
            before: None,
            after: Some(digest),
            purpose: by.purpose.clone(),
        })?;
        let custody = self.custody.head();
        let statement =
            Statement { tag_manifest: digest, custody, collector, policy_sha256, previous: None };
        let envelope = statement.sign(key).map_err(BundleError::Statement)?;
        folder::replace(&self.bag.join(STATEMENT), &envelope)?;
        Ok(SealedBag { digest, files: payload.0.len(), key: key.public_key().clone() })
    }

    fn payload(&self) -> Result<(Manifest, u64), BundleError> {
        let (mut payload, mut bytes) = (Manifest::default(), 0);
        let (files, odd) = folder::list(&self.bag)?;
        if let Some(path) = odd.first() {
            return Err(BundleError::Exists { path: self.bag.join(path) });
        }
        for file in files.into_iter().filter(BagPath::is_payload) {
            let known = self.items.items.iter().any(|item| item.file.as_ref() == Some(&file));
            let expected = self.custody.last_of(&file);
            let path = file.within(&self.bag);
            match (known, expected, folder::digest(&path)?) {
                (true, Some(expected), Some(found)) if expected == found => {
                    bytes += path.metadata().map_err(BundleError::file(&path))?.len();
                    payload.0.insert(file, found);
                }
                (true, Some(_), _) => return Err(BundleError::Changed { file }),
                (false, ..) | (true, None, _) => return Err(BundleError::Stray { file }),
            }
        }
        let items = self.items.items.iter().filter_map(|item| item.file.as_ref());
        match items.into_iter().find(|file| !payload.0.contains_key(*file)) {
            Some(file) => Err(BundleError::Changed { file: file.clone() }),
            None => Ok((payload, bytes)),
        }
    }

    fn tags(&self) -> Result<Manifest, BundleError> {
        let mut tags = Manifest::default();
        let (files, _) = folder::list(&self.bag)?;
        for file in files.into_iter().filter(|file| !file.is_payload() && is_listed(file)) {
            if let Some(digest) = folder::digest(&file.within(&self.bag))? {
                tags.0.insert(file, digest);
            }
        }
        Ok(tags)
    }

    fn bag_info(&self, by: &Hand, files: usize, bytes: u64) -> String {
        // A label's value is one line (RFC 8493 §2.2.2).
        let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let about = &self.items.about;
        let mut text = format!(
            "External-Identifier: {}\nIncident-Severity: {}\nContact-Name: {}\n\
             Bagging-Date: {}\nPayload-Oxum: {bytes}.{files}\n",
            line(about.incident.as_str()),
            about.severity,
            line(about.contact.as_str()),
            date(by.wall_ms),
        );
        if let Some(digest) = about.completes {
            text.push_str(&format!("Completes-Bag: sha256:{digest}\n"));
        }
        text
    }
}

/// Whether the tag manifest lists a tag file: not itself, and not what comes after it.
pub(super) fn is_listed(file: &BagPath) -> bool {
    let name = file.as_str();
    let after = [TAG_MANIFEST, CUSTODY, STATEMENT].contains(&name);
    !after && !name.strip_prefix(STATEMENTS).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether a name is one of those that a bag gives itself.
pub(super) fn is_own(file: &BagPath) -> bool {
    !is_listed(file) || [BAGIT, BAG_INFO, MANIFEST, LEDGER].contains(&file.as_str())
}

/// `YYYY-MM-DD` of a moment, by the proleptic Gregorian calendar (Hinnant, "days from civil").
fn date(wall_ms: u64) -> String {
    let days = wall_ms / DAY_MS + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day = day_of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{:02}", day - (153 * shifted + 2) / 5 + 1)
}

const DECLARATION: &[u8] = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(951_782_400_000), "2000-02-29");
        assert_eq!(date(1_779_703_200_000), "2026-05-25");
        assert_eq!(date(4_102_444_799_999), "2099-12-31");
    }
}
