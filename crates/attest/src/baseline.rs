//! The baseline: which values of registers belong to which version, who approved it, and when.
//!
//! A version counts from the moment two people have signed it, inside its window, until somebody
//! retires it. What was once in a baseline stays there, so that evidence of years ago can be judged
//! at its own time. Whose approval counts is said by the relying party and never by the baseline:
//! who can write the file could otherwise name himself.
//!
//! Refused as a whole: a signature that does not fit what it stands beside, one key or one name
//! that approves twice, and registers that any machine in debug mode would show. Not prevented:
//! that who holds the file removes a retirement; keep it where changes are seen.

mod approver;
mod authority;
mod entry;
mod fault;
mod standing;

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use lucarne_ledger::hash::Hash;
use lucarne_ledger::key::PublicKey;

use crate::register::Register;
use crate::time::Time;

pub use approver::{Approver, Approvers};
pub use authority::Authority;
pub use entry::{Entry, approval_message, retirement_message};
pub use fault::BaselineError;
pub use standing::Standing;

/// The versions of a site, in the order they were proposed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Baseline {
    versions: Vec<Version>,
}

/// A version with what people have signed about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Version {
    /// What is approved.
    pub entry: Entry,
    /// Who approved it.
    pub approvals: Vec<Approval>,
    /// That it may not run any more.
    pub retirement: Option<Retirement>,
}

/// One person's word that an entry is right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Approval {
    /// Name of the person.
    pub by: String,
    /// Ed25519 key of the person.
    pub key: [u8; 32],
    /// When, by the person's clock. The approval counts from then on.
    pub at: Time,
    /// Over [`approval_message`].
    pub signature: [u8; 64],
}

/// One person's word that a version may not run any more. Anybody's counts: it only takes away.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Retirement {
    /// Why, such as a bug that is known by now.
    pub reason: String,
    /// Name of the person.
    pub by: String,
    /// Ed25519 key of the person.
    pub key: [u8; 32],
    /// From when on.
    pub at: Time,
    /// Over [`retirement_message`].
    pub signature: [u8; 64],
}

/// People who have to approve a version.
pub const APPROVALS_MIN: usize = 2;
/// One new version every hour for a year is more than anybody approves by hand.
pub const VERSIONS_MAX: usize = 10_000;

impl Baseline {
    /// A baseline of versions whose signatures all hold.
    ///
    /// # Errors
    /// When a name occurs twice, an entry is not one that could be approved, or a signature is not
    /// that of its key over its entry: the file was altered.
    pub fn new(versions: Vec<Version>) -> Result<Self, BaselineError> {
        if versions.len() > VERSIONS_MAX {
            return Err(BaselineError::TooMany { got: versions.len() });
        }
        let mut names = BTreeSet::new();
        for version in &versions {
            version.check()?;
            if !names.insert(version.entry.version.as_str()) {
                return Err(BaselineError::Twice { version: version.entry.version.clone() });
            }
        }
        Ok(Self { versions })
    }

    /// All versions, in the order they were proposed.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The version of a name.
    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.entry.version == name)
    }

    /// What the baseline says about registers that a machine showed at a time.
    ///
    /// Of several versions with the same registers the one that is authorised counts; if none is,
    /// the last proposed one.
    pub fn standing(
        &self,
        approvers: &Approvers,
        shown: &BTreeMap<u8, Register>,
        at: Time,
    ) -> Standing {
        let mut found = None;
        for version in self.versions.iter().rev().filter(|version| version.entry.has(shown)) {
            let standing = version.standing(approvers, at);
            if matches!(standing, Standing::Authorised { .. }) {
                return standing;
            }
            found = found.or(Some(standing));
        }
        found.unwrap_or_else(|| self.closest(shown))
    }

    /// The version that differs in the fewest registers; of several the last proposed one.
    fn closest(&self, shown: &BTreeMap<u8, Register>) -> Standing {
        let all = self.versions.iter().rev().map(|version| (version, version.entry.differs(shown)));
        match all.min_by_key(|(_, differences)| differences.len()) {
            None => Standing::Unknown { closest: None, differences: Vec::new() },
            Some((version, differences)) => {
                Standing::Unknown { closest: Some(version.entry.version.clone()), differences }
            }
        }
    }
}

impl Version {
    /// What this version is at a time, for those whose approval counts.
    pub fn standing(&self, approvers: &Approvers, at: Time) -> Standing {
        let version = self.entry.version.clone();
        if let Some(retired) = self.retirement.as_ref().filter(|retired| retired.at <= at) {
            let reason = retired.reason.clone();
            return Standing::Retired { version, since: retired.at, reason };
        }
        let counted = self.approvals.iter().filter(|one| one.at <= at && approvers.include(one));
        let approvals = counted.count();
        if approvals < APPROVALS_MIN {
            return Standing::NotApproved { version, approvals };
        }
        if at < self.entry.valid_from {
            return Standing::NotYetValid { version, from: self.entry.valid_from };
        }
        match self.entry.valid_until {
            Some(until) if at >= until => Standing::Expired { version, until },
            Some(_) | None => {
                Standing::Authorised { version, deployment: self.entry.deployment.clone() }
            }
        }
    }

    fn check(&self) -> Result<(), BaselineError> {
        self.entry.check()?;
        let digest = self.entry.digest();
        let version = || self.entry.version.clone();
        let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for one in &self.approvals {
            entry::check_text("by", &one.by)?;
            let message = approval_message(&digest, &one.by, one.at);
            if !PublicKey::from_ed25519(&one.key).verifies(&message, &one.signature) {
                return Err(BaselineError::Altered { version: version(), by: one.by.clone() });
            }
            if !names.insert(&one.by) || !keys.insert(one.key) {
                return Err(BaselineError::SamePerson { version: version(), by: one.by.clone() });
            }
        }
        let Some(retired) = &self.retirement else { return Ok(()) };
        retired.check(&digest, &self.entry.version)
    }
}

impl Retirement {
    fn check(&self, digest: &Hash, version: &str) -> Result<(), BaselineError> {
        entry::check_text("by", &self.by)?;
        entry::check_text("reason", &self.reason)?;
        let message = retirement_message(digest, &self.by, self.at, &self.reason);
        if PublicKey::from_ed25519(&self.key).verifies(&message, &self.signature) {
            return Ok(());
        }
        Err(BaselineError::Altered { version: version.to_owned(), by: self.by.clone() })
    }
}

#[cfg(test)]
mod tests;
