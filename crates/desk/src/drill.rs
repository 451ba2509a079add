//! Drills: an incident that is injected on purpose, and what must follow from it within which time.
//!
//! A drill takes the way of a real signal. It is marked by a label and by an instance of its own,
//! so that it joins no real incident, holds nothing real, and can be cancelled by one person.

use std::collections::BTreeMap;

use crate::incident::Severity;
use crate::scrub::Scrubbed;
use crate::signal::{Fault, Kind};

/// The label that marks a drill.
pub const LABEL: &str = "drill";
/// The instance that a drill is about.
pub const INSTANCE: &str = "drill";

/// Whether labels are those of a drill: any source may call a real incident one, and does not make
/// it one by that.
pub fn is_one(labels: &BTreeMap<String, Scrubbed>) -> bool {
    is_marked(|name| labels.get(name).map(Scrubbed::as_str))
}

/// The same for labels of another form.
pub fn is_marked<'l>(label: impl Fn(&str) -> Option<&'l str>) -> bool {
    label(LABEL) == Some("true") && label("instance") == Some(INSTANCE)
}

/// One of the four incidents of the operations page.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Drill {
    /// Workflows fail.
    ErrorRateSpike,
    /// No logs.
    TelemetryGap,
    /// The audit chain does not hold.
    AuditChainFailure,
    /// Evidence does not verify.
    AttestationFailure,
}

/// What must follow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Expected {
    /// The row that decides.
    pub rule: &'static str,
    /// At least so bad.
    pub severity: Severity,
    /// Whether everything is held.
    pub held: bool,
    /// Whether new executions are refused.
    pub gated: bool,
    /// Milliseconds until it is decided.
    pub decided_ms: u64,
    /// Milliseconds until the gate is shut.
    pub gated_ms: u64,
    /// Milliseconds until notifications are out.
    pub told_ms: u64,
}

impl Drill {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 4] = [
        Self::ErrorRateSpike,
        Self::TelemetryGap,
        Self::AuditChainFailure,
        Self::AttestationFailure,
    ];

    /// Its name, which is that of its runbook.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ErrorRateSpike => "error-rate-spike",
            Self::TelemetryGap => "telemetry-gap",
            Self::AuditChainFailure => "audit-chain-failure",
            Self::AttestationFailure => "attestation-failure",
        }
    }

    /// What its signal is about.
    pub const fn kind(self) -> Kind {
        match self {
            Self::ErrorRateSpike => Kind::WorkflowErrorRate,
            Self::TelemetryGap => Kind::TelemetryGap,
            Self::AuditChainFailure => Kind::AuditIntegrity,
            Self::AttestationFailure => Kind::Attestation,
        }
    }

    /// What its signal says was found.
    pub const fn fault(self) -> Option<Fault> {
        match self {
            Self::ErrorRateSpike | Self::TelemetryGap => None,
            Self::AuditChainFailure => Some(Fault::ChainMismatch),
            Self::AttestationFailure => Some(Fault::MeasurementUnexpected),
        }
    }

    /// The labels of its signal.
    pub fn labels(self) -> BTreeMap<&'static str, &'static str> {
        BTreeMap::from([(LABEL, "true"), ("instance", INSTANCE), ("alertname", self.as_str())])
    }

    /// What must follow by the policy that is shipped.
    pub const fn expected(self) -> Expected {
        let integrity = self.fault().is_some();
        Expected {
            rule: if integrity { "D0" } else { "O1" },
            severity: if integrity { Severity::Sev0 } else { Severity::Sev2 },
            held: integrity,
            gated: integrity,
            decided_ms: 1_000,
            gated_ms: 5_000,
            told_ms: 10_000,
        }
    }
}

impl std::str::FromStr for Drill {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|drill| drill.as_str() == text);
        found.ok_or_else(|| format!("expected one of {names}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_drill_has_its_runbook_for_its_kind() {
        for drill in Drill::ALL {
            let path =
                format!("{}/../../runbooks/{}.yaml", env!("CARGO_MANIFEST_DIR"), drill.as_str());
            let text = std::fs::read_to_string(&path).unwrap();
            let runbook = crate::runbook::Runbook::parse(&text).unwrap();
            assert!(runbook.kinds.contains(&drill.kind()), "{}", drill.as_str());
            assert_eq!(drill.as_str().parse(), Ok(drill));
        }
        assert!("fire".parse::<Drill>().is_err());
    }
}
