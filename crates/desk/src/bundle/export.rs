//! A copy of a sealed bag for somebody else: the same payload under the same manifests, one line of
//! custody more, and a statement that follows on the one before.

use std::path::Path;

use super::custody::{Act, Custody, Deed};
use super::draft::Hand;
use super::dsse::SealingKey;
use super::error::BundleError;
use super::statement::{Collector, Statement};
use super::verify::verify;
use super::{CUSTODY, STATEMENT, STATEMENTS, TAG_BYTES_MAX, TAG_MANIFEST, folder};
use crate::digest::Digest;
use lucarne_ledger::key::PublicKey;

/// Copies a bag that verifies under `keys`.
///
/// # Errors
/// When it does not verify, the place is taken, or something cannot be read, written or signed.
pub fn export(
    bag: &Path,
    to: &Path,
    keys: &[PublicKey],
    by: &Hand,
    collector: Collector,
    key: &SealingKey,
) -> Result<(), BundleError> {
    let report = verify(bag, keys)?;
    let (Some(said), true) = (report.statement, report.findings.is_empty()) else {
        return Err(BundleError::NotVerified);
    };
    if to.exists() {
        return Err(BundleError::Exists { path: to.to_owned() });
    }
    let (files, _) = folder::list(bag)?;
    for file in files.iter().filter(|file| ![STATEMENT, CUSTODY].contains(&file.as_str())) {
        let bytes = folder::read(&file.within(bag), super::ITEM_BYTES_MAX as u64 * 2)?;
        folder::replace(&file.within(to), &bytes)?;
    }
    let old = folder::read(&bag.join(STATEMENT), TAG_BYTES_MAX)?;
    let earlier = files.iter().filter(|file| file.as_str().starts_with(STATEMENTS)).count();
    folder::replace(&to.join(STATEMENTS).join(format!("{earlier:06}.dsse.json")), &old)?;
    let custody = folder::read(&bag.join(CUSTODY), TAG_BYTES_MAX)?;
    let mut chain = Custody::parse(&custody).map_err(BundleError::Custody)?;
    let line = chain.append(Deed {
        wall_ms: by.wall_ms,
        actor: by.actor.clone(),
        act: Act::Exported,
        item: TAG_MANIFEST.parse().map_err(|_| BundleError::NotVerified)?,
        before: Some(said.tag_manifest),
        after: Some(said.tag_manifest),
        purpose: by.purpose.clone(),
    });
    folder::replace(&to.join(CUSTODY), &[custody, line].concat())?;
    let previous = Some(Digest::of(&old));
    let next = Statement { custody: chain.head(), collector, previous, ..said };
    let envelope = next.sign(key).map_err(BundleError::Statement)?;
    folder::replace(&to.join(STATEMENT), &envelope)
}
