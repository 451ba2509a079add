//! What the epochs of an archive say about one another: each names the one before it.
//!
//! An epoch signs what the gateway told it of its predecessor, so its `open` is an anchor of that
//! one. Heads that were on their way when the new epoch began are no contradiction: a gateway that
//! was killed, or a full disk, explains an older head as long as it is not much older.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::audit::cause::Cause;
use crate::audit::finding::{Finding, FindingKind, SeqRange, Subject};
use crate::audit::ledger::TOLERANCE_MS;
use crate::audit::report::LedgerSummary;
use crate::audit::{Audit, Scope, subject_finding};
use crate::hash::Hash;
use crate::identity::{EpochId, Instance, LedgerId, LedgerKind};

/// What an epoch says of the ledger before.
struct Word {
    id: LedgerId,
    opened_ms: u64,
    insecure: bool,
    before: LedgerId,
    size: u64,
    root: Hash,
}

impl Audit<'_> {
    /// Misses the ledgers that each epoch must have.
    // An epoch whose other ledger ended in order had both; one that was killed may have had no time
    // for both.
    pub(super) fn require_ledgers(&mut self) {
        for (instance, epoch) in self.epochs.clone() {
            let of_epoch = |l: &&LedgerSummary| l.id.instance == instance && l.id.epoch == epoch;
            let closed = self.ledgers.iter().filter(of_epoch).any(|ledger| ledger.closed);
            let absent: Vec<LedgerKind> = (self.policy.required.iter().copied())
                .filter(|kind| !self.ledgers.iter().filter(of_epoch).any(|l| l.id.kind == *kind))
                .collect();
            let none = absent.len() > 1 && absent.len() == self.policy.required.len();
            if none && !self.ledgers.iter().any(|ledger| of_epoch(&ledger)) {
                let subject = Subject::Epoch { instance, epoch };
                self.add_finding(subject, None, Cause::NoClose { anchored: 0 });
                continue;
            }
            for kind in absent {
                let id = LedgerId { instance: instance.clone(), epoch, kind };
                let cause =
                    if closed { Cause::LedgerAbsent } else { Cause::NoClose { anchored: 0 } };
                self.add_finding(Subject::Ledger(id), None, cause);
            }
        }
    }

    /// Compares what each epoch says of its predecessor with what is there of that one.
    pub(super) fn follow_predecessors(&mut self) {
        let words = self.words();
        let ends: BTreeMap<LedgerId, LedgerSummary> =
            self.ledgers.iter().map(|ledger| (ledger.id.clone(), ledger.clone())).collect();
        let mut told = BTreeSet::new();
        for word in &words {
            match ends.get(&word.before) {
                None => self.miss_predecessor(word, &mut told),
                Some(end) => {
                    let successor = (word.id.instance.clone(), word.id.epoch);
                    if word.insecure && !end.insecure && told.insert(successor) {
                        let (instance, epoch) = (word.id.instance.clone(), word.id.epoch);
                        let cause = Cause::ProtectionLost { epoch: word.before.epoch };
                        self.add_finding(Subject::Epoch { instance, epoch }, None, cause);
                    }
                    // A ledger that forks is one cause, wherever it shows.
                    let forked = is_forked(&self.findings, &word.before);
                    let found = contradiction(end, word);
                    let found =
                        found.filter(|(_, cause)| !(forked && cause.kind() == FindingKind::Forked));
                    // The register may have told it already.
                    let found = found.filter(|(_, cause)| !self.is_told(&word.before, cause));
                    if let Some((range, cause)) = found {
                        self.explain_end(&word.before, &cause);
                        self.add_finding(Subject::Ledger(word.before.clone()), range, cause);
                    }
                }
            }
        }
        self.doubled_successors(&words);
    }

    fn words(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        for ledger in self.ledgers.clone() {
            let Some(previous) = &ledger.previous else { continue };
            let (Ok(epoch), Ok(root)) = (previous.epoch.parse(), previous.root.parse()) else {
                self.add_finding(Subject::Ledger(ledger.id), None, Cause::ControlUnreadable);
                continue;
            };
            words.push(Word {
                before: LedgerId { epoch, ..ledger.id.clone() },
                id: ledger.id,
                opened_ms: ledger.opened_ms.unwrap_or_default(),
                insecure: ledger.insecure,
                size: previous.size,
                root,
            });
        }
        words
    }

    // An epoch that is there and cannot be judged has a finding of its own; of one that is there in
    // part, the ledger is missing; else the whole epoch is.
    fn miss_predecessor(&mut self, word: &Word, told: &mut BTreeSet<(Instance, EpochId)>) {
        let (instance, epoch) = (word.before.instance.clone(), word.before.epoch);
        let whole = (instance.clone(), epoch);
        if self.policy.scope == Scope::Part || self.unjudged.contains(&whole) {
            return;
        }
        let cause = Cause::PredecessorAbsent { epoch };
        let there = self.ledgers.iter().any(|l| l.id.instance == instance && l.id.epoch == epoch);
        if there {
            let range = SeqRange::before(0, word.size);
            let is_its = |subject: &Subject| *subject == Subject::Ledger(word.before.clone());
            self.findings.retain(|found| {
                let end = matches!(found.cause, Cause::NoClose { .. } | Cause::LedgerAbsent);
                !(end && is_its(&found.subject))
            });
            self.add_finding(Subject::Ledger(word.before.clone()), range, cause);
        } else if told.insert(whole) {
            let subject = Subject::Epoch { instance, epoch };
            self.findings.retain(|found| found.subject != subject);
            self.add_finding(subject, None, cause);
        }
    }

    // Of what lies beyond the end of a ledger, several may speak.
    fn is_told(&self, id: &LedgerId, cause: &Cause) -> bool {
        let subject = Subject::Ledger(id.clone());
        matches!(cause, Cause::AnchorBeyond { .. })
            && (self.findings.iter())
                .any(|known| known.subject == subject && known.kind() == cause.kind())
    }

    // What shows that the end was removed explains that there is none.
    pub(super) fn explain_end(&mut self, id: &LedgerId, cause: &Cause) {
        if matches!(cause, Cause::AnchorBeyond { .. }) {
            let subject = Subject::Ledger(id.clone());
            self.findings.retain(|found| {
                let end = matches!(found.cause, Cause::NoClose { .. } | Cause::BeyondAnchor { .. });
                !(end && found.subject == subject)
            });
        }
    }

    // Two boots that go on from one: a clone, unless the first was too young to be known.
    fn doubled_successors(&mut self, words: &[Word]) {
        let mut first: BTreeMap<(Instance, EpochId), (EpochId, u64)> = BTreeMap::new();
        let mut by_time: Vec<&Word> = words.iter().collect();
        by_time.sort_by_key(|word| word.opened_ms);
        let mut told = BTreeSet::new();
        for word in by_time {
            let before = (word.before.instance.clone(), word.before.epoch);
            let (epoch, opened_ms) =
                *first.entry(before).or_insert((word.id.epoch, word.opened_ms));
            let late = word.opened_ms.saturating_sub(opened_ms) > TOLERANCE_MS;
            if epoch != word.id.epoch && late && told.insert(word.id.epoch) {
                let (instance, epoch) = (word.id.instance.clone(), word.id.epoch);
                let cause = Cause::TwoSuccessors { epoch: word.before.epoch };
                self.note_quietly(Subject::Epoch { instance, epoch }, cause);
            }
        }
    }

    fn add_finding(&mut self, subject: Subject, range: Option<SeqRange>, cause: Cause) {
        self.findings.push(subject_finding(subject, range, cause));
    }
}

fn is_forked(findings: &[Finding], ledger: &LedgerId) -> bool {
    let subject = Subject::Ledger(ledger.clone());
    findings.iter().any(|found| found.subject == subject && found.kind() == FindingKind::Forked)
}

/// Whether a head that somebody else remembers of a ledger excludes what is there of it: a longer
/// one, or one with another root.
pub(super) fn excluded(
    end: &LedgerSummary,
    size: u64,
    root: Hash,
) -> Option<(Option<SeqRange>, Cause)> {
    if size > end.size {
        let beyond = (SeqRange::before(end.size, size), Cause::AnchorBeyond { size, root });
        return (!end.tail_damaged).then_some(beyond);
    }
    let known = if size == end.size { Some(end.root) } else { end.ends.root(size) };
    known.filter(|one| *one != root).map(|one| {
        let range = SeqRange::before(size.saturating_sub(1), size.max(1));
        (range, Cause::TwoRoots { size, one, other: root, proof: None })
    })
}

fn contradiction(end: &LedgerSummary, word: &Word) -> Option<(Option<SeqRange>, Cause)> {
    let size = word.size;
    if let Some(found) = excluded(end, size, word.root) {
        return Some(found);
    }
    // What the ledger sealed after its end is a finding of its own.
    let whole = end.ended.unwrap_or(end.size).min(end.anchored);
    let known_ms = end.ends.beyond(size).filter(|_| size < whole)?;
    (known_ms.saturating_add(TOLERANCE_MS) < word.opened_ms).then(|| {
        let cause = Cause::HeadForgotten { successor: word.id.epoch, size };
        (SeqRange::before(size, whole), cause)
    })
}
