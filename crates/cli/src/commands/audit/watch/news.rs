//! What is worth a signal: findings by an identity that stays, and those that a living epoch
//! excuses.
//!
//! An archive that grows has an end that is not covered yet, and checkpoints that are there before
//! their records. That is no finding for as long as the epoch moves; silence makes it one.

use std::collections::BTreeSet;

use lucarne_ledger::audit::cause::Cause;
use lucarne_ledger::audit::finding::{Finding, FindingKind, SeqRange, Severity, Subject};
use lucarne_ledger::audit::register::RegisterFault;
use lucarne_ledger::audit::report::{LedgerSummary, Report, exit_code};
use lucarne_ledger::hash::Hash;

use super::memory::{Epoch, Known, Memory};
use crate::commands::audit::outcome;
use crate::failure::Exit;

/// An epoch of which nothing new came for this long has stopped: eight heartbeats.
pub(super) const SILENT_MS: u64 = 120_000;
/// A head of a ledger that goes on is old after this long: three heartbeats, and what a file may
/// wait until it is closed.
pub(super) const OLD_MS: u64 = 60_000;

/// The identity of a finding: kind, cause, subject, range and file.
///
/// Of what concerns the growing end of a ledger the range is left out but for its beginning.
pub(super) fn key(finding: &Finding) -> Hash {
    let range = match finding.cause {
        Cause::NoClose { .. } | Cause::BeyondAnchor { .. } => None,
        Cause::AnchorBeyond { .. } => finding.range.map(|range| (range.first, None)),
        _ => finding.range.map(|range| (range.first, Some(range.last))),
    };
    let subject = finding.subject.to_string();
    let parts = (finding.kind().as_str(), finding.cause.code(), subject, range, &finding.file);
    Hash::of(format!("{parts:?}").as_bytes())
}

/// Whether it says where a ledger ends, which every look tells anew.
pub(super) const fn is_of_the_end(finding: &Finding) -> bool {
    matches!(
        finding.cause,
        Cause::NoClose { .. } | Cause::BeyondAnchor { .. } | Cause::AnchorBeyond { .. }
    )
}

/// Whether it comes from comparing epochs with one another and with the register, which only a
/// full verification does.
pub(super) const fn is_of_the_site(finding: &Finding) -> bool {
    matches!(
        finding.cause,
        Cause::EpochAbsent
            | Cause::EpochUnlisted
            | Cause::EpochListedTwice
            | Cause::EvidenceDiffers { .. }
            | Cause::TwoSuccessors { .. }
            | Cause::HeadForgotten { .. }
            | Cause::ProtectionLost { .. }
            | Cause::PredecessorAbsent { .. }
    )
}

/// Whether it is an anchor that lies ahead of all records up to `size`, as they come in a live
/// archive: checkpoints are stored before their segment.
pub(super) fn is_ahead(finding: &Finding, size: u64) -> bool {
    matches!(finding.cause, Cause::AnchorBeyond { .. })
        && finding.range.is_some_and(|range| range.first >= size)
}

/// What stands at the end of a round.
#[derive(Debug)]
pub(super) struct Standing {
    /// Ledgers as last looked at, and what stands against them.
    pub(super) report: Report,
    /// What a living epoch excuses, by its identity.
    pub(super) excused: BTreeSet<Hash>,
    /// Epochs without an end that go on.
    pub(super) open: Vec<Shown>,
    /// The ledgers of all epochs, with the time of their newest statement.
    pub(super) shown: Vec<Shown>,
}

/// A ledger in the metrics.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// The ledger.
    pub(super) summary: LedgerSummary,
    /// Time of its newest verified statement.
    pub(super) time_ms: Option<u64>,
}

impl Standing {
    /// Judges what is remembered. `once` is a look without a later one: the site's own findings
    /// are then taken as they are.
    pub(super) fn of(memory: &Memory, now_ms: u64, site_since_ms: u64, once: bool) -> Self {
        let mut standing = Self {
            report: Report { ledgers: Vec::new(), findings: Vec::new() },
            excused: BTreeSet::new(),
            open: Vec::new(),
            shown: Vec::new(),
        };
        let fresh = !once && now_ms.saturating_sub(site_since_ms) < SILENT_MS;
        for finding in &memory.site {
            // The head of the register is stored after the entry that it covers.
            let unsigned = matches!(finding.cause, Cause::Register(RegisterFault::Unsigned { .. }));
            standing.add(finding, unsigned && fresh);
        }
        for epoch in memory.epochs.values() {
            let lives = now_ms.saturating_sub(epoch.moved_ms) < SILENT_MS;
            let young = !once && now_ms.saturating_sub(epoch.first_seen_ms) < SILENT_MS;
            for finding in &epoch.findings {
                standing.add(finding, is_excused(finding, epoch, lives, young));
            }
            standing.show(epoch, lives);
            if lives {
                standing.find_old(epoch, now_ms);
            }
        }
        standing
    }

    fn add(&mut self, finding: &Finding, excused: bool) {
        if excused {
            self.excused.insert(key(finding));
        } else {
            self.report.findings.push(finding.clone());
        }
    }

    // Once nothing at all comes of the epoch, that it has no end says more.
    fn find_old(&mut self, epoch: &Epoch, now_ms: u64) {
        for known in epoch.ledgers.values() {
            let (Some(summary), Some(time_ms)) = (&known.summary, known.time_ms) else { continue };
            let age_ms = now_ms.saturating_sub(time_ms);
            if summary.closed || age_ms < OLD_MS {
                continue;
            }
            self.report.findings.push(Finding {
                subject: Subject::Ledger(summary.id.clone()),
                range: SeqRange::before(summary.size.saturating_sub(1), summary.size),
                file: None,
                cause: Cause::HeadOld { age_ms },
                accepted: None,
            });
        }
    }

    fn show(&mut self, epoch: &Epoch, lives: bool) {
        for Known { summary, time_ms, .. } in epoch.ledgers.values() {
            let Some(summary) = summary.clone() else { continue };
            self.report.ledgers.push(summary.clone());
            let shown = Shown { summary, time_ms: *time_ms };
            if lives && !shown.summary.closed {
                self.open.push(shown.clone());
            }
            self.shown.push(shown);
        }
    }

    /// The findings that are worth a signal.
    pub(super) fn news(&self) -> impl Iterator<Item = &Finding> {
        self.report.findings.iter().filter(|finding| {
            let told = finding.severity() > Severity::Ok;
            told || finding.kind() == FindingKind::GapDeclared && finding.accepted.is_none()
        })
    }

    /// How many findings of a kind stand, without those that a person has explained.
    pub(super) fn count(&self, kind: FindingKind) -> usize {
        let is_counted = |f: &&Finding| f.kind() == kind && f.accepted.is_none();
        self.report.findings.iter().filter(is_counted).count()
    }

    /// The exit code that the round alone would give.
    pub(super) fn exit(&self) -> Exit {
        match exit_code(&self.report) {
            lucarne_ledger::audit::report::EXIT_VERIFIED => Exit::Yes,
            lucarne_ledger::audit::report::EXIT_TAMPERED => Exit::No,
            lucarne_ledger::audit::report::EXIT_INSECURE => Exit::Insecure,
            _ => Exit::CouldNotTell,
        }
    }

    /// One sentence for people.
    pub(super) fn sentence(&self) -> String {
        let sentence = outcome::sentence(&self.report);
        match self.open.len() {
            0 => sentence,
            1 => format!("{sentence} One ledger is open and goes on."),
            count => format!("{sentence} {count} ledgers are open and go on."),
        }
    }
}

fn is_excused(finding: &Finding, epoch: &Epoch, lives: bool, young: bool) -> bool {
    match finding.cause {
        Cause::NoClose { .. } | Cause::BeyondAnchor { .. } => lives,
        // Behind a head that is remembered, records were there once.
        Cause::AnchorBeyond { .. } => {
            let known = finding.subject.kind().and_then(|kind| epoch.ledgers.get(&kind));
            let head = known.and_then(|known| known.head.as_ref());
            lives && is_ahead(finding, head.map_or(0, |head| head.size))
        }
        // Its evidence is stored before its entry in the register.
        Cause::EpochUnlisted => young,
        _ => false,
    }
}
