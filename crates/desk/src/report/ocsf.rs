//! A report as an event of the Open Cybersecurity Schema Framework: Incident Finding, class 2005 of
//! schema 1.8.0.
//!
//! Names and numbers are those of the schema; what it has no place for is in `unmapped`. It says
//! how the incident stands at its newest entry, so the same entries give the same event.

use serde_json::{Value, json};

use super::Report;
use crate::drill;
use crate::incident::{Phase, Severity};

impl Report {
    /// The event.
    pub fn ocsf(&self) -> Value {
        let (activity_id, activity) = self.activity();
        let (status_id, status) = standing(self.phase);
        let (severity_id, severity) = self.severity();
        let (verdict_id, verdict) = self.ocsf_verdict();
        let mut event = json!({
            "activity_id": activity_id, "activity_name": activity,
            "category_uid": 2, "category_name": "Findings",
            "class_uid": CLASS_UID, "class_name": "Incident Finding",
            "type_uid": CLASS_UID * 100 + activity_id,
            "type_name": format!("Incident Finding: {activity}"),
            "time": self.made_ms,
            "severity_id": severity_id, "severity": severity,
            "status_id": status_id, "status": status,
            "verdict_id": verdict_id, "verdict": verdict,
            // The ladder begins with them, and nobody else is sure to be told.
            "assignee_group": { "name": "on-call" },
            "finding_info_list": [self.finding()],
            "metadata": self.metadata(),
            "unmapped": self.unmapped(),
        });
        let moments = [("start_time", self.detected_ms), ("end_time", self.recovered_ms)];
        let cause = self.review.as_ref().map(|review| json!(review.root_cause));
        let moments = moments.map(|(name, at)| (name, at.map(|at| json!(at))));
        for (name, value) in moments.into_iter().chain([("desc", cause)]) {
            if let (Some(value), Some(fields)) = (value, event.as_object_mut()) {
                fields.insert(name.to_owned(), value);
            }
        }
        event
    }

    const fn activity(&self) -> (u64, &'static str) {
        match standing(self.phase).0 {
            1 => (1, "Create"),
            5 => (3, "Close"),
            _ => (2, "Update"),
        }
    }

    const fn severity(&self) -> (u64, &'static str) {
        match self.severity {
            Some(Severity::Sev0) => (5, "Critical"),
            Some(Severity::Sev1) => (4, "High"),
            Some(Severity::Sev2) => (3, "Medium"),
            Some(Severity::Sev3) => (2, "Low"),
            None => (0, "Unknown"),
        }
    }

    fn ocsf_verdict(&self) -> (u64, &'static str) {
        if drill::is_one(&self.labels) {
            return (6, "Test");
        }
        if self.phase == Phase::Merged {
            return (10, "Duplicate");
        }
        let word = self.verdict.as_deref().and_then(|text| text.split(' ').next());
        match word {
            Some("legitimate") => (2, "True Positive"),
            Some("false_positive") => (1, "False Positive"),
            Some("suppressed") => (3, "Disregard"),
            Some("investigate") => (7, "Insufficient Data"),
            _ => (0, "Unknown"),
        }
    }

    fn finding(&self) -> Value {
        let kind = self.kind.map_or("other", |kind| kind.as_str());
        let mut finding = json!({
            "uid": self.incident, "title": format!("{}: {kind}", self.incident),
            "types": [kind], "modified_time": self.made_ms,
        });
        let rule =
            self.verdict.as_deref().and_then(|text| text.split_once(" (")?.1.strip_suffix(')'));
        if let Some(fields) = finding.as_object_mut() {
            if let Some(at) = self.detected_ms {
                fields.insert("created_time".to_owned(), json!(at));
            }
            if let Some(rule) = rule {
                let analytic = json!({ "type_id": 1, "type": "Rule", "name": rule });
                fields.insert("analytic".to_owned(), analytic);
            }
        }
        finding
    }

    fn metadata(&self) -> Value {
        let labels: Vec<String> =
            self.labels.iter().map(|(name, text)| format!("{name}: {text}")).collect();
        json!({
            "version": "1.8.0", "uid": format!("{}/{}", self.incident, self.made_ms),
            "labels": labels,
            "product": { "name": "Lucarne desk", "vendor_name": "Lucarne",
                         "version": env!("CARGO_PKG_VERSION") },
        })
    }

    fn unmapped(&self) -> Value {
        json!({
            "phase": self.phase, "severity": self.severity, "verdict": self.verdict,
            "capsule": self.capsule, "tenant": self.tenant, "risk": self.risk,
            "misses": self.misses, "evidence_bag_sha256": self.evidence,
            "report_sha256": self.digest(), "entries": self.timeline.len(),
        })
    }
}

const fn standing(phase: Phase) -> (u64, &'static str) {
    match phase {
        Phase::Detected | Phase::Triaged => (1, "New"),
        Phase::Containing
        | Phase::Preserving
        | Phase::Diagnosing
        | Phase::Recovering
        | Phase::Validating => (2, "In Progress"),
        Phase::Suppressed => (3, "On Hold"),
        Phase::Resolved | Phase::InReview => (4, "Resolved"),
        Phase::Closed | Phase::FalsePositive | Phase::Merged | Phase::Cancelled => (5, "Closed"),
    }
}

const CLASS_UID: u64 = 2005;
