//! What the desk itself answers to a runbook: what it decided, where a secret was found, and what
//! the five probes of a telemetry gap and the two of an attestation amount to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::diagnosis::telemetry_gap::{Evidence, Gap, Head, Health, Path, Probes, diagnose};
use crate::incident::Incident;
use crate::scrub::Scrubbed;

/// The item and the word for branches; none when the desk has no answer of this name.
pub(super) fn own(
    item: &str,
    incident: &Incident,
    answers: &BTreeMap<String, Scrubbed>,
) -> (Value, Option<String>) {
    match item {
        "diagnosis" => {
            let found = diagnose(probes(answers));
            let word = word(found.gap);
            let said = json!({ "diagnosis": word, "answers": answers });
            (said, Some(word.to_owned()))
        }
        "attestation-diff" => {
            let word = compared(answers);
            (json!({ "difference": word, "answers": answers }), Some(word.to_owned()))
        }
        _ => {
            let word = incident.verdict.as_str().to_uppercase();
            let said = json!({
                "incident": incident.id.to_string(), "kind": incident.kind.as_str(),
                "verdict": incident.verdict.as_str(), "rule": incident.rule,
                "risk": incident.risk, "labels": incident.labels,
            });
            (said, Some(word))
        }
    }
}

// What does not say that it is as it should be, or approved, is not.
fn compared(answers: &BTreeMap<String, Scrubbed>) -> &'static str {
    match answers.get("current").map_or("", Scrubbed::as_str) {
        "same" => "SAME",
        "changed_approved" => "AUTHORIZED_CHANGE",
        "unavailable" => "ATTESTATION_UNAVAILABLE",
        _ => "UNEXPECTED_CODE",
    }
}

const fn word(gap: Gap) -> &'static str {
    match gap {
        Gap::None => "NONE",
        Gap::CollectorFailure => "COLLECTOR_FAILURE",
        Gap::VsockFailure => "VSOCK_FAILURE",
        Gap::CrashRestartSameCode => "CRASH_RESTART_SAME_CODE",
        Gap::AuthorizedRestart => "AUTHORIZED_RESTART",
        Gap::UnauthorizedCode => "UNAUTHORIZED_CODE",
        Gap::AuditChainBreak => "AUDIT_CHAIN_BREAK",
        Gap::TruncationOrLag => "TRUNCATION_OR_LAG",
        Gap::Unknown => "UNKNOWN",
    }
}

// A word that is not known is no answer, and no answer is never harmless.
fn probes(answers: &BTreeMap<String, Scrubbed>) -> Probes {
    let said = |step: &str| answers.get(step).map_or("", Scrubbed::as_str);
    let path = |step| match said(step) {
        "ok" => Path::Works,
        "errors" => Path::Errors,
        _ => Path::Timeout,
    };
    Probes {
        collector: path("collector"),
        vsock: path("vsock"),
        health: match said("health") {
            "healthy" => Health::Healthy,
            "not_responding" | "not-responding" => Health::NotResponding,
            "back" => Health::Back,
            _ => Health::Timeout,
        },
        head: match said("chain-head") {
            "advances" => Head::Advances,
            "frozen" => Head::Frozen,
            "new_epoch" => Head::NewEpoch,
            "broken" => Head::Broken,
            _ => Head::Unknown,
        },
        attestation: match said("attestation") {
            "same" => Evidence::Same,
            "same_after_boot" => Evidence::SameAfterBoot,
            "changed" => Evidence::Changed { approved: false },
            "changed_approved" => Evidence::Changed { approved: true },
            _ => Evidence::Unknown,
        },
        // The runbook was started because there are none.
        heartbeats: false,
    }
}
