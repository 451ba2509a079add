//! The runbooks of a site: their texts, and which roles have signed exactly these.
//!
//! A text is read once, when the desk starts. Signatures are read whenever a run is to begin, so
//! that a role may sign while the desk runs; what was signed of another text counts for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use lucarne_ledger::key::PublicKey;

use super::Runbook;
use super::error::RunbookError;
use super::signature::{Signature, beside};
use crate::bundle::dsse::ENVELOPE_BYTES_MAX;

/// Runbooks by name.
#[derive(Debug, Default)]
pub struct Shelf {
    kept: BTreeMap<String, Kept>,
    // which key speaks for a role
    keys: BTreeMap<String, PublicKey>,
}

#[derive(Debug)]
struct Kept {
    path: PathBuf,
    runbook: Runbook,
}

impl Shelf {
    /// Puts the text of a file on it.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn add(&mut self, path: PathBuf, source: &str) -> Result<(), RunbookError> {
        let runbook = Runbook::parse(source)?;
        self.kept.insert(runbook.id.clone(), Kept { path, runbook });
        Ok(())
    }

    /// Says which key speaks for a role.
    pub fn trust(&mut self, role: &str, key: PublicKey) {
        self.keys.insert(role.to_owned(), key);
    }

    /// All of them, in the order of their names.
    pub fn runbooks(&self) -> impl Iterator<Item = &Runbook> {
        self.kept.values().map(|kept| &kept.runbook)
    }

    /// The text of one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.kept.get(name).map(|kept| kept.runbook.source())
    }

    /// The roles of those that a runbook asks for that have signed exactly its text.
    pub fn approved(&self, name: &str) -> BTreeSet<String> {
        let Some(kept) = self.kept.get(name) else { return BTreeSet::new() };
        let signed = |role: &&String| {
            let key = self.keys.get(*role).cloned();
            let envelope = read(&beside(&kept.path, role));
            let signed = key.zip(envelope).and_then(|(key, it)| Signature::open(&it, key, role));
            signed.is_some_and(|signed| signed.sha256 == kept.runbook.digest())
        };
        kept.runbook.approved_by.iter().filter(signed).cloned().collect()
    }
}

// A file that is not there, or is none of ours, is no signature.
fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = ENVELOPE_BYTES_MAX as u64 + 1;
    std::fs::File::open(path).ok()?.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
    use serde_json::json;

    use super::super::signature::PAYLOAD_TYPE;
    use super::*;
    use crate::bundle::dsse::SealingKey;

    const TEXT: &str = "
runbook: short
title: t
kinds: []
approved_by: [security, ciso]
steps: [{id: a, phase: containing, timeout_seconds: 1, do: {notify: {to: [x], text: t}}}]
";

    fn key() -> SealingKey {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        SealingKey::from_pkcs8(pair.to_pkcs8v1().unwrap().as_ref()).unwrap()
    }

    fn sign(key: &SealingKey, path: &Path, file_of: &str, role: &str, text: &str) {
        let sha256 = Runbook::parse(text).unwrap().digest();
        let payload = json!({ "version": 1, "runbook": "short", "sha256": sha256, "role": role,
                              "by": "ann", "at_ms": 1 });
        let envelope = key.envelope(PAYLOAD_TYPE, payload.to_string().as_bytes()).unwrap();
        std::fs::write(beside(path, file_of), envelope).unwrap();
    }

    #[test]
    fn a_role_has_signed_when_its_key_signed_this_text_as_this_role() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("short.yaml");
        let (security, ciso) = (key(), key());
        let mut shelf = Shelf::default();
        shelf.add(path.clone(), TEXT).unwrap();
        shelf.trust("security", security.public_key().clone());
        shelf.trust("ciso", ciso.public_key().clone());
        let signed = || shelf.approved("short").into_iter().collect::<Vec<_>>();
        assert_eq!(signed(), [""; 0], "nobody has");
        sign(&security, &path, "security", "security", TEXT);
        assert_eq!(signed(), ["security"], "it is read again");
        sign(&security, &path, "ciso", "ciso", TEXT);
        assert_eq!(signed(), ["security"], "the key of another role");
        sign(&ciso, &path, "ciso", "security", TEXT);
        assert_eq!(signed(), ["security"], "in another role");
        sign(&ciso, &path, "ciso", "ciso", TEXT);
        assert_eq!(signed(), ["ciso", "security"]);
        sign(&security, &path, "security", "security", &TEXT.replace("title: t", "title: u"));
        assert_eq!(signed(), ["ciso"], "another text");
        assert_eq!(shelf.approved("long"), BTreeSet::new());
    }
}
