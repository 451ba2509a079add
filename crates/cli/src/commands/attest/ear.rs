//! A verdict for programs: an attestation result in the form of draft-ietf-rats-ear, unsigned, with
//! our own details under one key of the appraisal.
//!
//! The same evidence on the same terms at the same time gives the same bytes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::verdict::{Outcome, Vector, Verdict};

/// The result as a claims set.
pub(super) fn result(verdict: &Verdict) -> Value {
    let mut set = Map::new();
    set.insert("eat_profile".into(), PROFILE.into());
    set.insert("iat".into(), verdict.judged_at.unix_seconds().into());
    let verifier = json!({ "developer": "lucarne", "build": build() });
    set.insert("ear.verifier-id".into(), verifier);
    if let Some(nonce) = &verdict.nonce {
        set.insert("eat_nonce".into(), URL_SAFE_NO_PAD.encode(nonce).into());
    }
    let mut submods = Map::new();
    submods.insert(verdict.attester.into(), appraisal(verdict));
    set.insert("submods".into(), submods.into());
    set.into()
}

fn appraisal(verdict: &Verdict) -> Value {
    let Vector { instance_identity, configuration, executables, hardware } = verdict.vector;
    json!({
        "ear.status": status(verdict),
        "ear.trustworthiness-vector": {
            "instance-identity": instance_identity,
            "configuration": configuration,
            "executables": executables,
            "hardware": hardware,
        },
        "lucarne.appraisal": details(verdict),
    })
}

/// The worst of the vector, unless the verdict itself is worse.
fn status(verdict: &Verdict) -> &'static str {
    let Vector { instance_identity, configuration, executables, hardware } = verdict.vector;
    let worst = [instance_identity, configuration, executables, hardware].into_iter().max();
    match (&verdict.outcome, worst.unwrap_or_default()) {
        (Outcome::CouldNotTell { .. }, _) => "none",
        (Outcome::Refused { .. } | Outcome::Insecure { .. }, _) | (_, 96..) => "contraindicated",
        (Outcome::Verified, 32..) => "warning",
        (Outcome::Verified, 2..) => "affirming",
        (Outcome::Verified, _) => "none",
    }
}

fn details(verdict: &Verdict) -> Value {
    let reason = match &verdict.outcome {
        Outcome::Verified => Value::Null,
        Outcome::Insecure { why } => json!({ "code": "insecure", "text": why }),
        Outcome::Refused { code, class, text, .. } => {
            json!({ "code": code, "class": class, "text": text })
        }
        Outcome::CouldNotTell { code, text } => json!({ "code": code, "text": text }),
    };
    let holds_until = verdict.holds_until.as_ref();
    json!({
        "schema": "lucarne.attest/1",
        "verdict": verdict.outcome.as_str(),
        "exit": verdict.outcome.exit().code(),
        "insecure": matches!(verdict.outcome, Outcome::Insecure { .. }),
        "reason": reason,
        "kind": verdict.kind.as_str(),
        "encoding": verdict.encoding.as_str(),
        "file_sha256": verdict.file_sha256.to_string(),
        "identity_sha256": verdict.identity,
        "judged_at": verdict.judged_at.to_string(),
        "judged_by": verdict.judged_by,
        "holds_until": holds_until.map(|(time, _)| time.to_string()),
        "holds_until_by": holds_until.map(|(_, why)| why),
        "checked": verdict.checked,
        "not_checked": verdict.not_checked,
        "claims": verdict.claims,
    })
}

fn build() -> String {
    format!("lucarne {}", env!("CARGO_PKG_VERSION"))
}

/// draft-ietf-rats-ear-04.
const PROFILE: &str = "tag:ietf.org,2026:rats/ear#04";
