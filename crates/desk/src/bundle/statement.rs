//! What signs for a bag: an in-toto statement (v1) about its tag manifest and its custody.

use serde::{Deserialize, Serialize};

use super::custody::Head;
use super::dsse::{self, DsseError, SealingKey};
use super::{CUSTODY, TAG_MANIFEST};
use crate::digest::Digest;
use lucarne_ledger::key::PublicKey;

/// The type of the payload of its envelope.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "urn:lucarne:evidence-bundle:v1";

/// What is said of a bag.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statement {
    /// SHA-256 of the tag manifest.
    pub tag_manifest: Digest,
    /// Where custody ends.
    pub custody: Head,
    /// Who sealed it.
    pub collector: Collector,
    /// The policy that the desk works under.
    pub policy_sha256: Option<Digest>,
    /// SHA-256 of the envelope that this one follows on.
    pub previous: Option<Digest>,
}

/// What collected and sealed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Collector {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its binary.
    pub binary_sha256: Option<Digest>,
    /// Where it runs; no evidence vouches for a collector outside of any TEE.
    pub tee: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Predicate,
}

#[derive(Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    name: String,
    digest: Digests,
}

#[derive(Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Digests {
    sha256: Digest,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Predicate {
    collector: Collector,
    custody: Head,
    policy_sha256: Option<Digest>,
    previous: Option<Digest>,
}

impl Statement {
    /// The envelope of it.
    ///
    /// # Errors
    /// When the key does not sign.
    #[expect(clippy::expect_used, reason = "texts and integers")]
    pub fn sign(&self, key: &SealingKey) -> Result<Vec<u8>, DsseError> {
        let payload = serde_json::to_vec(&self.form()).expect("a statement is JSON");
        key.envelope(PAYLOAD_TYPE, &payload)
    }

    /// What one of `keys` says in this envelope.
    ///
    /// # Errors
    /// When none of them says anything of a bag in it.
    pub fn open(envelope: &[u8], keys: &[PublicKey]) -> Result<Self, DsseError> {
        Self::parse(&dsse::open(envelope, PAYLOAD_TYPE, keys)?)
    }

    /// What an envelope says, whoever signed it.
    ///
    /// # Errors
    /// When it says nothing of a bag.
    pub fn danger_unverified(envelope: &[u8]) -> Result<Self, DsseError> {
        Self::parse(&dsse::danger_unverified(envelope)?)
    }

    fn parse(payload: &[u8]) -> Result<Self, DsseError> {
        let form: Form = serde_json::from_slice(payload).map_err(|_| DsseError::Spelling)?;
        let tag_manifest = form.subject.first().map(|subject| subject.digest.sha256);
        let statement = Self {
            tag_manifest: tag_manifest.ok_or(DsseError::Spelling)?,
            custody: form.predicate.custody,
            collector: form.predicate.collector.clone(),
            policy_sha256: form.predicate.policy_sha256,
            previous: form.predicate.previous,
        };
        let again = serde_json::to_vec(&statement.form()).map_err(|_| DsseError::Spelling)?;
        if again == payload { Ok(statement) } else { Err(DsseError::Spelling) }
    }

    fn form(&self) -> Form {
        let subject = |name: &str, sha256: Digest| Subject {
            name: name.to_owned(),
            digest: Digests { sha256 },
        };
        Form {
            kind: STATEMENT_TYPE.to_owned(),
            subject: vec![
                subject(TAG_MANIFEST, self.tag_manifest),
                subject(&format!("{CUSTODY}#{}", self.custody.count), self.custody.sha256),
            ],
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate: Predicate {
                collector: self.collector.clone(),
                custody: self.custody,
                policy_sha256: self.policy_sha256,
                previous: self.previous,
            },
        }
    }
}
