//! Verifying a bag: offline, with public keys and nothing else, and to the end even when something
//! is wrong.
//!
//! Each finding has a class of its own. A bag without a statement, or without a key to check it
//! with, is no finding of tampering: it cannot be told.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use lucarne_ledger::key::PublicKey;

use super::custody::Custody;
use super::dsse::DsseError;
use super::error::BundleError;
use super::item::Items;
use super::manifest::Manifest;
use super::path::BagPath;
use super::statement::Statement;
use super::{
    CUSTODY, LEDGER, MANIFEST, STATEMENT, STATEMENTS, TAG_BYTES_MAX, TAG_MANIFEST, folder, seal,
};
use crate::digest::Digest;

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// What kind of thing.
    pub class: Class,
    /// Where: a file, or a line of custody.
    pub place: String,
}

/// What can be wrong, the worst last.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// It was never sealed.
    NotSealed,
    /// A signature of a key that nobody named as trusted.
    UntrustedKey,
    /// A file that no manifest lists.
    Inserted,
    /// A file is not there.
    Missing,
    /// A file is not what was sealed.
    Altered,
    /// Custody ends before the head that was signed.
    CustodyTruncated,
    /// Custody does not hold together, or not with what was sealed.
    CustodyBroken,
    /// A statement is none, or is not signed by its key.
    Signature,
}

/// What was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// Everything that is wrong, in the order of looking.
    pub findings: Vec<Finding>,
    /// SHA-256 of the tag manifest.
    pub digest: Option<Digest>,
    /// What the statement says, if a trusted key signed it.
    pub statement: Option<Statement>,
    /// What was planned and what became of it, if that can be read.
    pub items: Option<Items>,
    /// Files that are as they were sealed.
    pub intact: usize,
}

impl Class {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSealed => "NOT_SEALED",
            Self::UntrustedKey => "UNTRUSTED_KEY",
            Self::Inserted => "INSERTED",
            Self::Missing => "MISSING",
            Self::Altered => "ALTERED",
            Self::CustodyTruncated => "CUSTODY_TRUNCATED",
            Self::CustodyBroken => "CUSTODY_BROKEN",
            Self::Signature => "SIGNATURE",
        }
    }

    /// Whether it is evidence of tampering, and not only a lack of proof.
    pub const fn is_tampering(self) -> bool {
        !matches!(self, Self::NotSealed | Self::UntrustedKey)
    }
}

impl Report {
    /// The worst class, if anything is wrong.
    pub fn worst(&self) -> Option<Class> {
        self.findings.iter().map(|finding| finding.class).max()
    }

    fn say(&mut self, class: Class, place: impl Into<String>) {
        self.findings.push(Finding { class, place: place.into() });
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Verifies a bag.
///
/// # Errors
/// When the folder cannot be listed or a file that is there cannot be read.
pub fn verify(bag: &Path, keys: &[PublicKey]) -> Result<Report, BundleError> {
    let mut report =
        Report { findings: Vec::new(), digest: None, statement: None, items: None, intact: 0 };
    let (files, odd) = folder::list(bag)?;
    if part(bag, STATEMENT)?.is_none() && part(bag, TAG_MANIFEST)?.is_none() {
        report.say(Class::NotSealed, STATEMENT);
        return Ok(report);
    }
    for name in odd {
        report.say(Class::Inserted, name);
    }
    let files: BTreeSet<BagPath> = files.into_iter().collect();
    let statements = statements(bag, &files, keys, &mut report)?;
    let listed = listed(bag, &files, &statements, &mut report)?;
    custody(bag, &listed, &statements, &mut report)?;
    report.items = part(bag, LEDGER)?.and_then(|bytes| Items::parse(&bytes));
    report.statement = statements.into_iter().next_back();
    Ok(report)
}

/// What trusted keys say, oldest first; each follows on the one before.
fn statements(
    bag: &Path,
    files: &BTreeSet<BagPath>,
    keys: &[PublicKey],
    report: &mut Report,
) -> Result<Vec<Statement>, BundleError> {
    let earlier = |file: &&BagPath| file.as_str().starts_with(&format!("{STATEMENTS}/"));
    let mut names: Vec<&str> = files.iter().filter(earlier).map(BagPath::as_str).collect();
    names.push(STATEMENT);
    let (mut said, mut previous) = (Vec::new(), None);
    for name in names {
        let Some(bytes) = part(bag, name)? else {
            report.say(Class::NotSealed, name);
            continue;
        };
        match Statement::open(&bytes, keys) {
            Ok(statement) if statement.previous == previous => said.push(statement),
            Ok(_) | Err(DsseError::Spelling | DsseError::Type | DsseError::Signature) => {
                report.say(Class::Signature, name);
            }
            Err(DsseError::Untrusted { key }) => {
                report.say(Class::UntrustedKey, format!("{name} by key {key}"));
                // What it says is still compared: a change shows without any key.
                said.extend(Statement::danger_unverified(&bytes).ok());
            }
            Err(DsseError::NotAKey | DsseError::SigningFailed) => {
                report.say(Class::Signature, name);
            }
        }
        previous = Some(Digest::of(&bytes));
    }
    Ok(said)
}

/// The payload and its digests, after every listed file was compared.
fn listed(
    bag: &Path,
    files: &BTreeSet<BagPath>,
    statements: &[Statement],
    report: &mut Report,
) -> Result<Manifest, BundleError> {
    let tags = manifest(bag, TAG_MANIFEST, report)?;
    let digest = part(bag, TAG_MANIFEST)?.map(|bytes| Digest::of(&bytes));
    report.digest = digest;
    if digest.is_some() && statements.iter().any(|said| Some(said.tag_manifest) != digest) {
        report.say(Class::Altered, TAG_MANIFEST);
    }
    let payload = manifest(bag, MANIFEST, report)?;
    for (file, expected) in tags.0.iter().chain(&payload.0) {
        match folder::digest(&file.within(bag))? {
            None if file.as_str() == MANIFEST => {} // said already
            None => report.say(Class::Missing, file.as_str()),
            Some(found) if found == *expected => report.intact += 1,
            Some(_) => report.say(Class::Altered, file.as_str()),
        }
    }
    for file in files {
        let place = if file.is_payload() { &payload } else { &tags };
        let expected = file.is_payload() || seal::is_listed(file);
        // Without a manifest nothing can be said of what it lists.
        if expected && !place.0.is_empty() && !place.0.contains_key(file) {
            report.say(Class::Inserted, file.as_str());
        }
    }
    Ok(payload)
}

fn custody(
    bag: &Path,
    payload: &Manifest,
    statements: &[Statement],
    report: &mut Report,
) -> Result<(), BundleError> {
    let Some(bytes) = part(bag, CUSTODY)? else {
        report.say(Class::Missing, CUSTODY);
        return Ok(());
    };
    let custody = match Custody::parse(&bytes) {
        Ok(custody) => custody,
        Err(broken) => {
            report.say(Class::CustodyBroken, format!("{CUSTODY} line {}", broken.line));
            return Ok(());
        }
    };
    let count = custody.head().count;
    for said in statements {
        let place = format!("{CUSTODY} line {}", said.custody.count);
        match usize::try_from(said.custody.count).ok().and_then(|at| custody.head_at(at)) {
            None => report.say(Class::CustodyTruncated, format!("{place}, {count} are there")),
            Some(head) if head == said.custody => {}
            Some(_) => report.say(Class::CustodyBroken, place),
        }
    }
    let signed = statements.last().map_or(count, |said| said.custody.count);
    if count > signed {
        report.say(Class::CustodyBroken, format!("{CUSTODY} line {}, not signed", signed + 1));
    }
    if report.findings.is_empty() {
        let strange = payload.0.iter().find(|(file, is)| custody.last_of(file) != Some(**is));
        if let Some((file, _)) = strange {
            report.say(Class::CustodyBroken, format!("{CUSTODY} about {file}"));
        }
    }
    Ok(())
}

fn manifest(bag: &Path, name: &str, report: &mut Report) -> Result<Manifest, BundleError> {
    let Some(bytes) = part(bag, name)? else {
        report.say(Class::Missing, name);
        return Ok(Manifest::default());
    };
    Ok(Manifest::parse(&bytes).unwrap_or_else(|| {
        report.say(Class::Altered, name);
        Manifest::default()
    }))
}

fn part(bag: &Path, name: &str) -> Result<Option<Vec<u8>>, BundleError> {
    match folder::read(&bag.join(name), TAG_BYTES_MAX) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(BundleError::File { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
