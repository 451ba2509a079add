//! Entries: what two people approve, and the bytes that they sign.
//!
//! The bytes are deterministic CBOR, so that equal entries have one digest. Each signature begins
//! with its own purpose: an approval cannot be passed off as a retirement, nor as anything else
//! that the same key signs.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use lucarne_ledger::cbor::Writer;
use lucarne_ledger::hash::Hash;

use super::fault::BaselineError;
use crate::register::{REGISTER_COUNT_MAX, Register};
use crate::rejected::Difference;
use crate::time::Time;

/// One version of what may run, as it was proposed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its name, such as `v1.2.3`.
    pub version: String,
    /// Sets of registers, any one of which a machine may show, such as one for each architecture.
    pub any_of: Vec<BTreeMap<u8, Register>>,
    /// Start of its window, inclusive.
    pub valid_from: Time,
    /// End of its window, exclusive; none for a window that stays open.
    pub valid_until: Option<Time>,
    /// Tag of the deployment, as the epoch binding has it, such as `deploy-v1.2.3`.
    pub deployment: Option<String>,
    /// The change ticket that asked for it.
    pub change: Option<String>,
    /// Commit that it was built from: 40 or 64 lower-case hex digits.
    pub git_commit: Option<String>,
    /// Digest of what was built.
    pub build_digest: Option<String>,
}

impl Entry {
    /// SHA-256 of the deterministic CBOR of the entry, which is what is signed.
    pub fn digest(&self) -> Hash {
        let mut out = Writer::new();
        out.array(9).text("lucarne/v1/baseline-version").text(&self.version);
        out.array(self.any_of.len() as u64);
        for registers in &self.any_of {
            out.map(registers.len() as u64);
            for (index, value) in registers {
                out.uint(u64::from(*index)).bytes(&value.0);
            }
        }
        out.uint(self.valid_from.unix_ms());
        match self.valid_until {
            Some(until) => out.uint(until.unix_ms()),
            None => out.null(),
        };
        for text in self.texts() {
            match text.1 {
                Some(text) => out.text(text),
                None => out.null(),
            };
        }
        Hash::of(&out.finish())
    }

    /// Whether a machine with these registers runs this version.
    pub fn has(&self, shown: &BTreeMap<u8, Register>) -> bool {
        self.any_of.iter().any(|wanted| differences(wanted, shown).is_empty())
    }

    /// What differs from the set that comes closest.
    pub fn differs(&self, shown: &BTreeMap<u8, Register>) -> Vec<Difference> {
        let all = self.any_of.iter().map(|wanted| differences(wanted, shown));
        all.min_by_key(Vec::len).unwrap_or_default()
    }

    /// Whether the entry is one that could be approved.
    ///
    /// # Errors
    /// With the version and what is wrong.
    pub fn check(&self) -> Result<(), BaselineError> {
        check_text("version", &self.version)?;
        for (key, text) in self.texts() {
            text.map_or(Ok(()), |text| check_text(key, text))?;
        }
        if let Some(commit) = &self.git_commit {
            let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            if !matches!(commit.len(), 40 | 64) || !commit.bytes().all(hex) {
                return Err(BaselineError::Commit { got: commit.clone() });
            }
        }
        let version = || self.version.clone();
        if self.valid_until.is_some_and(|until| until <= self.valid_from) {
            return Err(BaselineError::Window { version: version() });
        }
        if self.any_of.is_empty() || self.any_of.len() > SETS_MAX {
            return Err(BaselineError::Sets { version: version(), got: self.any_of.len() });
        }
        for registers in &self.any_of {
            // The greatest number is the last.
            if let Some(got) = registers.keys().copied().last().filter(|i| *i >= REGISTER_COUNT_MAX)
            {
                return Err(BaselineError::Index { version: version(), got });
            }
            // Zero in one of the first three is what a machine in debug mode shows.
            let zero = |index: &u8| registers.get(index) == Some(&Register::ZERO);
            if !registers.contains_key(&0) || [0, 1, 2].iter().any(zero) {
                return Err(BaselineError::Unmeasured { version: version() });
            }
        }
        Ok(())
    }

    const fn texts(&self) -> [(&'static str, Option<&String>); 4] {
        [
            ("deployment", self.deployment.as_ref()),
            ("change", self.change.as_ref()),
            ("git_commit", self.git_commit.as_ref()),
            ("build_digest", self.build_digest.as_ref()),
        ]
    }
}

/// What an approver signs: CBOR of purpose, digest of the entry, name and time.
pub fn approval_message(entry: &Hash, by: &str, at: Time) -> Vec<u8> {
    let mut out = Writer::new();
    out.array(4).text("lucarne/v1/baseline-approval");
    out.bytes(&entry.0).text(by).uint(at.unix_ms());
    out.finish()
}

/// What is signed to retire a version: CBOR of purpose, digest of the entry, name, time and reason.
pub fn retirement_message(entry: &Hash, by: &str, at: Time, reason: &str) -> Vec<u8> {
    let mut out = Writer::new();
    out.array(5).text("lucarne/v1/baseline-retirement");
    out.bytes(&entry.0).text(by).uint(at.unix_ms()).text(reason);
    out.finish()
}

/// Texts are for one line of a file and of a terminal.
pub(super) fn check_text(key: &'static str, text: &str) -> Result<(), BaselineError> {
    let good = !text.trim().is_empty() && text.trim() == text && text.len() <= TEXT_BYTES_MAX;
    if good && !text.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(BaselineError::Text { key })
    }
}

/// Like [`Measurement::differences`](crate::Measurement::differences), but a set may also ask for a
/// register of zeros, such as that no certificate signed the image.
fn differences(wanted: &BTreeMap<u8, Register>, shown: &BTreeMap<u8, Register>) -> Vec<Difference> {
    let other = |(&index, &want): (&u8, &Register)| {
        let got = shown.get(&index).copied();
        // Registers of zeros are left out by those who write evidence down.
        let same = got == Some(want) || (got.is_none() && want == Register::ZERO);
        (!same).then_some(Difference { index, want, got })
    };
    wanted.iter().filter_map(other).collect()
}

/// A ticket with its title fits.
const TEXT_BYTES_MAX: usize = 256;
/// Architectures and kernels of one version; far more than anybody builds.
const SETS_MAX: usize = 32;
