//! No logs: which of the parts between the workload and here is silent, by five probes.
//!
//! The worst explanation that the probes support is the one that is given. A return of the logs by
//! itself is no explanation.

use crate::incident::Severity;

/// What the five probes say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Probes {
    /// The collector outside.
    pub collector: Path,
    /// The proxy of the virtual socket.
    pub vsock: Path,
    /// The health endpoint.
    pub health: Health,
    /// The head of the audit ledger.
    pub head: Head,
    /// Evidence of the TEE.
    pub attestation: Evidence,
    /// Whether heartbeats arrive.
    pub heartbeats: bool,
}

/// A part that passes things on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Path {
    /// It works.
    Works,
    /// It reports errors.
    Errors,
    /// It did not answer in time.
    Timeout,
}

/// The workload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Health {
    /// It answers and works.
    Healthy,
    /// It answers that it does not.
    NotResponding,
    /// It was gone and is back.
    Back,
    /// It did not answer in time.
    Timeout,
}

/// The head of the audit ledger as it is seen outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Head {
    /// It grows.
    Advances,
    /// It does not.
    Frozen,
    /// Another epoch began.
    NewEpoch,
    /// What follows does not follow from what was before.
    Broken,
    /// Heartbeats speak of more records than are stored.
    Ahead {
        /// Size in the heartbeat.
        stated: u64,
        /// Size that is stored.
        stored: u64,
        /// For how long that has been so, in milliseconds.
        for_ms: u64,
    },
    /// Nobody can say.
    Unknown,
}

/// Evidence of the TEE, against what it was before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Evidence {
    /// The same code, the same boot.
    Same,
    /// The same code after a boot.
    SameAfterBoot,
    /// Other code.
    Changed {
        /// Whether a change to exactly this code is approved now.
        approved: bool,
    },
    /// Nobody can say.
    Unknown,
}

/// What it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Gap {
    /// There is none: the workload is idle.
    None,
    /// The collector fails.
    CollectorFailure,
    /// The virtual socket fails.
    VsockFailure,
    /// The same code crashed and came back.
    CrashRestartSameCode,
    /// Approved code was deployed.
    AuthorizedRestart,
    /// Other code runs, and nobody approved it.
    UnauthorizedCode,
    /// The ledger does not follow from itself.
    AuditChainBreak,
    /// Records are late, or gone.
    TruncationOrLag,
    /// Nobody can say.
    Unknown,
}

/// What is done about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Restart the collector; this can be undone.
    RestartCollector,
    /// See later that what is missing was sent after all.
    CheckBackfill,
    /// Restart the proxy; this can be undone.
    RestartProxy,
    /// Compare its allow-list with the approved one.
    CompareAllowlist,
    /// Record the interval that cannot be proven.
    RecordUnproven,
    /// Verify fresh evidence.
    VerifyAttestation,
    /// Say of each execution in flight what became of it.
    ReconcileInFlight,
    /// Keep the instance as it is; no restart.
    HoldInstance,
    /// Let no new executions begin.
    GateExecutions,
    /// Wake somebody.
    Page,
}

/// A diagnosis.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Diagnosis {
    /// What it is.
    pub gap: Gap,
    /// How bad; none when there is no incident at all.
    pub severity: Option<Severity>,
    /// What is done.
    pub steps: &'static [Step],
}

/// Heartbeats travel faster than batches; within this time the archive may be behind.
pub const LAG_MS: u64 = 60_000;
/// After this time what is late counts as gone.
pub const TRUNCATION_MS: u64 = 300_000;

/// Tells which it is.
pub fn diagnose(probes: Probes) -> Diagnosis {
    let gap = gap(probes);
    let (severity, steps): (_, &[Step]) = match gap {
        Gap::None => (None, &[]),
        Gap::CollectorFailure => {
            (Some(Severity::Sev3), &[Step::RestartCollector, Step::CheckBackfill])
        }
        Gap::VsockFailure => (Some(Severity::Sev2), &[Step::RestartProxy, Step::CompareAllowlist]),
        Gap::CrashRestartSameCode | Gap::AuthorizedRestart => (
            Some(Severity::Sev2),
            &[Step::RecordUnproven, Step::VerifyAttestation, Step::ReconcileInFlight],
        ),
        Gap::UnauthorizedCode | Gap::AuditChainBreak => {
            (Some(Severity::Sev0), &[Step::HoldInstance, Step::GateExecutions, Step::Page])
        }
        Gap::TruncationOrLag => {
            let gone = matches!(probes.head, Head::Ahead { for_ms, .. } if for_ms >= TRUNCATION_MS);
            let severity = if gone { Severity::Sev0 } else { Severity::Sev1 };
            (Some(severity), &[Step::Page])
        }
        Gap::Unknown => (Some(Severity::Sev1), &[Step::GateExecutions, Step::Page]),
    };
    Diagnosis { gap, severity, steps }
}

fn gap(probes: Probes) -> Gap {
    let Probes { collector, vsock, health, head, attestation, heartbeats } = probes;
    match (head, attestation) {
        (Head::Broken, _) => return Gap::AuditChainBreak,
        (_, Evidence::Changed { approved: false }) => return Gap::UnauthorizedCode,
        (Head::Ahead { stated, stored, for_ms }, _) if stated > stored && for_ms > LAG_MS => {
            return Gap::TruncationOrLag;
        }
        (Head::NewEpoch, Evidence::SameAfterBoot) => return Gap::CrashRestartSameCode,
        (Head::NewEpoch, Evidence::Changed { approved: true }) => return Gap::AuthorizedRestart,
        _ => {}
    }
    // A path is only to blame when the workload behind it is known to be well.
    let well = health == Health::Healthy && attestation == Evidence::Same;
    match (collector, vsock, head) {
        (Path::Errors, Path::Works, Head::Advances) if well => Gap::CollectorFailure,
        (Path::Works, Path::Errors, Head::Frozen) if well => Gap::VsockFailure,
        (Path::Works, Path::Works, Head::Advances) if well && heartbeats => Gap::None,
        _ => Gap::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: Probes = Probes {
        collector: Path::Works,
        vsock: Path::Works,
        health: Health::Healthy,
        head: Head::Advances,
        attestation: Evidence::Same,
        heartbeats: false,
    };

    /// AT-02: the table of the design, row by row.
    #[test]
    fn the_differential_table() {
        let ahead = |for_ms| Head::Ahead { stated: 5000, stored: 4980, for_ms };
        let dark = Probes {
            collector: Path::Timeout,
            vsock: Path::Timeout,
            health: Health::Timeout,
            head: Head::Unknown,
            attestation: Evidence::Unknown,
            heartbeats: false,
        };
        let changed = Evidence::Changed { approved: false };
        let crashed = Probes { health: Health::NotResponding, head: Head::NewEpoch, ..OK };
        let rows = [
            (
                "a",
                Probes { collector: Path::Errors, ..OK },
                Gap::CollectorFailure,
                Some(Severity::Sev3),
            ),
            (
                "b",
                Probes { vsock: Path::Errors, head: Head::Frozen, ..OK },
                Gap::VsockFailure,
                Some(Severity::Sev2),
            ),
            (
                "c",
                Probes { attestation: Evidence::SameAfterBoot, ..crashed },
                Gap::CrashRestartSameCode,
                Some(Severity::Sev2),
            ),
            (
                "d",
                Probes { health: Health::Back, attestation: changed, ..crashed },
                Gap::UnauthorizedCode,
                Some(Severity::Sev0),
            ),
            ("e", Probes { head: Head::Broken, ..OK }, Gap::AuditChainBreak, Some(Severity::Sev0)),
            ("f", dark, Gap::Unknown, Some(Severity::Sev1)),
            ("g", Probes { heartbeats: true, ..OK }, Gap::None, None),
            ("h", Probes { head: ahead(60_001), ..OK }, Gap::TruncationOrLag, Some(Severity::Sev1)),
            (
                "h later",
                Probes { head: ahead(300_000), ..OK },
                Gap::TruncationOrLag,
                Some(Severity::Sev0),
            ),
        ];
        for (case, probes, gap, severity) in rows {
            let found = diagnose(probes);
            assert_eq!((found.gap, found.severity), (gap, severity), "{case}");
        }
    }

    #[test]
    fn what_is_done_follows_from_what_it_is() {
        let steps = |probes| diagnose(probes).steps;
        assert_eq!(
            steps(Probes { collector: Path::Errors, ..OK }),
            [Step::RestartCollector, Step::CheckBackfill]
        );
        // Nothing restarts what is evidence.
        let changed = Evidence::Changed { approved: false };
        assert_eq!(
            steps(Probes { attestation: changed, ..OK }),
            [Step::HoldInstance, Step::GateExecutions, Step::Page]
        );
    }

    #[test]
    fn nothing_unseen_is_taken_for_nothing() {
        // All is well, and yet no heartbeat arrives.
        assert_eq!(diagnose(OK).gap, Gap::Unknown);
        // The collector fails, and whether the workload is well is not known.
        let blind = Probes { collector: Path::Errors, attestation: Evidence::Unknown, ..OK };
        assert_eq!(diagnose(blind).gap, Gap::Unknown);
        let fresh = Head::Ahead { stated: 5000, stored: 4980, for_ms: 60_000 };
        assert_eq!(diagnose(Probes { head: fresh, ..OK }).gap, Gap::Unknown);
        // A broken chain is worse than any failing part.
        let both = Probes { collector: Path::Errors, head: Head::Broken, ..OK };
        assert_eq!(diagnose(both).gap, Gap::AuditChainBreak);
        let planned = Evidence::Changed { approved: true };
        let planned = Probes { head: Head::NewEpoch, attestation: planned, ..OK };
        assert_eq!(diagnose(planned).gap, Gap::AuthorizedRestart);
    }
}
