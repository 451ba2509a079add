//! What is known of an archive between two rounds: the verified head of each ledger, and every
//! finding that still stands.
//!
//! A head moves on only behind what showed no tampering. What was found before a head stays until a
//! full verification no longer finds it; what concerns the end of a ledger is found anew whenever
//! its epoch is looked at.

use std::collections::{BTreeMap, BTreeSet};

use lucarne_ledger::audit::cause::Cause;
use lucarne_ledger::audit::finding::{Finding, SeqRange, Severity, Subject};
use lucarne_ledger::audit::report::{LedgerSummary, Report};
use lucarne_ledger::checkpoint::{self, Checkpoint};
use lucarne_ledger::identity::{LedgerId, LedgerKind};

use super::names::{Inventory, Listed, Names, Place};
use super::news;
use crate::commands::audit::since::Heads;

/// Everything that is remembered.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Epochs that were seen, and those that findings speak of.
    pub(super) epochs: BTreeMap<Place, Epoch>,
    /// Findings about the archive itself.
    pub(super) site: Vec<Finding>,
    /// The files that belong to no epoch, when they were last looked at.
    pub(super) site_names: Option<Names>,
}

/// What is remembered of an epoch.
#[derive(Debug, Default)]
pub(super) struct Epoch {
    /// Its files when it was last looked at.
    pub(super) seen: Names,
    /// When it was first seen, by the watcher's clock.
    pub(super) first_seen_ms: u64,
    /// When something new of it was last seen.
    pub(super) moved_ms: u64,
    /// What stands against it.
    pub(super) findings: Vec<Finding>,
    /// Its ledgers.
    pub(super) ledgers: BTreeMap<LedgerKind, Known>,
    records: u64,
}

/// What is remembered of a ledger.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Up to where it is verified and need not be read again.
    pub(super) head: Option<Checkpoint>,
    /// The segments before the head, when they were verified.
    pub(super) below: Names,
    /// What the last look said.
    pub(super) summary: Option<LedgerSummary>,
    /// Time of its newest verified statement, by the enclave's clock.
    pub(super) time_ms: Option<u64>,
}

/// What one reading of an archive brought.
#[derive(Debug)]
pub(super) struct Pass {
    /// The auditor's word.
    pub(super) report: Report,
    /// The segments of each ledger that were read behind its head.
    pub(super) opened: BTreeMap<LedgerId, Names>,
    /// Time of each ledger's last statement.
    pub(super) times: BTreeMap<LedgerId, u64>,
    /// What the origins of checkpoints begin with.
    pub(super) log_prefix: String,
    /// From where ledgers were read, if not from their beginning.
    pub(super) heads: Heads,
}

impl Pass {
    fn about<'a>(&'a self, place: &'a Place) -> impl Iterator<Item = &'a Finding> {
        self.report.findings.iter().filter(move |finding| is_about(finding, place))
    }

    /// What it says of an epoch; `whole`, which read it from the beginning, knows how much is left
    /// where a remembered head is not reached any more.
    fn completed(&self, place: &Place, whole: &Self) -> Vec<Finding> {
        let complete = |finding: &Finding| {
            let Cause::AnchorBeyond { size, .. } = finding.cause else { return finding.clone() };
            let is_its =
                |ledger: &&LedgerSummary| finding.subject == Subject::Ledger(ledger.id.clone());
            let left = whole.report.ledgers.iter().find(is_its).map(|ledger| ledger.size);
            let range = left.and_then(|left| SeqRange::before(left, size)).or(finding.range);
            Finding { range, ..finding.clone() }
        };
        self.about(place).map(complete).collect()
    }

    fn site(&self) -> impl Iterator<Item = &Finding> {
        let site = |finding: &&Finding| finding.subject == Subject::Archive;
        // Of the part that is new, nothing is nothing bad.
        let empty = |f: &&Finding| !matches!(f.cause, Cause::NothingToVerify);
        self.report.findings.iter().filter(site).filter(empty)
    }
}

impl Memory {
    /// The heads of all ledgers, or of those in some epochs.
    pub(super) fn heads(&self, of: Option<&BTreeSet<Place>>) -> Heads {
        let epochs = self.epochs.iter().filter(|(place, _)| of.is_none_or(|of| of.contains(place)));
        let heads = epochs.flat_map(|((instance, epoch), known)| {
            known.ledgers.iter().filter_map(|(kind, ledger)| {
                let (instance, epoch, kind) = (instance.clone(), *epoch, *kind);
                Some((LedgerId { instance, epoch, kind }, ledger.head.clone()?))
            })
        });
        heads.collect()
    }

    /// The epochs whose files are not those that were last looked at.
    pub(super) fn changed(&self, inventory: &Inventory) -> BTreeSet<Place> {
        let none = Listed::default();
        let all = self.epochs.keys().chain(inventory.epochs.keys());
        let is_other = |place: &&Place| {
            let now = inventory.epochs.get(place).unwrap_or(&none).all;
            self.epochs.get(place).is_none_or(|epoch| epoch.seen != now)
        };
        all.filter(is_other).cloned().collect()
    }

    /// Of these epochs, those of which files before a head are others than were verified: to be
    /// read from the beginning.
    pub(super) fn disturbed(
        &self,
        places: &BTreeSet<Place>,
        inventory: &Inventory,
    ) -> BTreeSet<Place> {
        let is_disturbed = |place: &&Place| {
            let known = self.epochs.get(place).zip(inventory.epochs.get(place));
            let Some((epoch, listed)) = known else { return false };
            epoch.ledgers.iter().any(|(kind, known)| {
                let below = listed.below.get(kind).copied().unwrap_or_default();
                known.head.is_some() && below != known.below
            })
        };
        places.iter().filter(is_disturbed).cloned().collect()
    }

    /// Takes what a full verification found. `behind` was read behind the remembered heads: what
    /// only they betray stays found.
    pub(super) fn begin_anew(
        &mut self,
        whole: &Pass,
        behind: Option<&Pass>,
        inventory: &Inventory,
        now_ms: u64,
    ) {
        let found: BTreeSet<Place> = whole.report.findings.iter().filter_map(place_of).collect();
        let places: BTreeSet<Place> = (self.epochs.keys().cloned())
            .chain(inventory.epochs.keys().cloned())
            .chain(found)
            .collect();
        for place in places {
            let mut betrayed = behind.map_or(Vec::new(), |pass| pass.completed(&place, whole));
            betrayed.retain(|finding| finding.severity() == Severity::Tamper);
            let explained = |finding: &&Finding| !is_explained(finding, &betrayed);
            let found = whole.about(&place).filter(explained).chain(&betrayed);
            let findings = distinct(found);
            self.take(&place, findings, whole, inventory, now_ms);
        }
        let site = |finding: &&Finding| finding.subject == Subject::Archive;
        self.site = distinct(whole.report.findings.iter().filter(site));
        self.site_names = Some(inventory.site);
    }

    /// Takes what is new of some epochs. `whole` read those from the beginning that had to be.
    pub(super) fn go_on(
        &mut self,
        places: &BTreeSet<Place>,
        behind: &Pass,
        whole: Option<(&BTreeSet<Place>, &Pass)>,
        inventory: &Inventory,
        now_ms: u64,
    ) {
        for place in places {
            let whole = whole.and_then(|(of, pass)| of.contains(place).then_some(pass));
            let old = self.epochs.get(place).map_or(&[][..], |epoch| &epoch.findings);
            let there = inventory.epochs.contains_key(place);
            let kept = old.iter().filter(|finding| match finding.cause {
                Cause::EpochAbsent => !there,
                _ => is_kept(finding, if whole.is_some() { None } else { Some(&behind.heads) }),
            });
            let found = match whole {
                Some(pass) => behind.completed(place, pass),
                None => behind.about(place).cloned().collect(),
            };
            let from_start = whole.iter().flat_map(|pass| pass.about(place));
            let from_start = from_start.filter(|finding| !is_explained(finding, &found));
            let findings = distinct(found.iter().chain(from_start).chain(kept));
            self.take(place, findings, whole.unwrap_or(behind), inventory, now_ms);
        }
        self.site = distinct(behind.site());
        self.site_names = Some(inventory.site);
    }

    fn take(
        &mut self,
        place: &Place,
        findings: Vec<Finding>,
        pass: &Pass,
        inventory: &Inventory,
        now_ms: u64,
    ) {
        let epoch = self.epochs.entry(place.clone()).or_default();
        epoch.seen = inventory.epochs.get(place).map(|listed| listed.all).unwrap_or_default();
        let is_its =
            |ledger: &&LedgerSummary| ledger.id.instance == place.0 && ledger.id.epoch == place.1;
        for summary in pass.report.ledgers.iter().filter(is_its) {
            let known = epoch.ledgers.entry(summary.id.kind).or_default();
            known.learn(summary, &findings, pass);
        }
        epoch.findings = findings;
        let sizes = epoch.ledgers.values().filter_map(|known| known.summary.as_ref());
        let records = sizes.fold(0_u64, |sum, ledger| sum.saturating_add(ledger.size));
        if epoch.first_seen_ms == 0 {
            // Of what was there before the watcher, only its own times tell how old it is.
            let newest = epoch.ledgers.values().filter_map(|known| known.time_ms).max();
            epoch.first_seen_ms = now_ms;
            epoch.moved_ms = newest.unwrap_or(now_ms).min(now_ms);
        } else if records > epoch.records {
            epoch.moved_ms = now_ms;
        }
        epoch.records = epoch.records.max(records);
    }

    /// Puts a head back that an earlier watcher remembered.
    pub(super) fn put_back(&mut self, id: &LedgerId, head: Checkpoint) {
        let epoch = self.epochs.entry((id.instance.clone(), id.epoch)).or_default();
        epoch.records = epoch.records.saturating_add(head.size);
        epoch.ledgers.entry(id.kind).or_default().head = Some(head);
    }
}

impl Known {
    fn learn(&mut self, summary: &LedgerSummary, findings: &[Finding], pass: &Pass) {
        self.time_ms = pass.times.get(&summary.id).copied().or(self.time_ms);
        let subject = Subject::Ledger(summary.id.clone());
        let tampered = findings.iter().any(|finding| {
            let ahead = news::is_ahead(finding, summary.size);
            finding.subject == subject && finding.severity() == Severity::Tamper && !ahead
        });
        let lower = self.head.as_ref().is_some_and(|head| summary.size < head.size);
        if !tampered && !lower && summary.size > 0 {
            let origin = checkpoint::origin(&pass.log_prefix, &summary.id);
            let opened = pass.opened.get(&summary.id).copied().unwrap_or_default();
            let gone_on = pass.heads.contains_key(&summary.id);
            self.below = if gone_on { self.below.with(opened) } else { opened };
            self.head = Some(Checkpoint { origin, size: summary.size, root: summary.root });
        }
        self.summary = Some(summary.clone());
    }
}

/// Whether an old finding stands although its epoch was looked at again: from these heads on, or
/// from the beginning.
fn is_kept(finding: &Finding, heads: Option<&Heads>) -> bool {
    if news::is_of_the_end(finding) {
        return false;
    }
    if news::is_of_the_site(finding) || finding.severity() == Severity::Tamper {
        return true;
    }
    let (Subject::Ledger(id), Some(heads)) = (&finding.subject, heads) else { return false };
    let from = heads.get(id).map_or(0, |head| head.size);
    finding.range.is_some_and(|range| range.last < from)
}

/// Whether it only says that there is no end, of a ledger whose end was cut off.
fn is_explained(finding: &Finding, others: &[Finding]) -> bool {
    let cut = |other: &Finding| {
        matches!(other.cause, Cause::AnchorBeyond { .. }) && other.subject == finding.subject
    };
    matches!(finding.cause, Cause::NoClose { .. } | Cause::BeyondAnchor { .. })
        && others.iter().any(cut)
}

fn place_of(finding: &Finding) -> Option<Place> {
    Some((finding.subject.instance()?.clone(), finding.subject.epoch()?))
}

fn is_about(finding: &Finding, (instance, epoch): &Place) -> bool {
    finding.subject.instance() == Some(instance) && finding.subject.epoch() == Some(*epoch)
}

fn distinct<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<Finding> {
    let mut keys = BTreeSet::new();
    findings.filter(|finding| keys.insert(news::key(finding))).cloned().collect()
}
