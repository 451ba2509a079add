//! One ledger under audit: segments and checkpoints in, in the order of their names; findings out.
//!
//! The walk keeps the edge that verified batches have reached. A batch that starts there extends
//! it, one that starts beyond it shows what is missing between, one that starts before it is
//! compared with the past. What cannot be read is set aside as a claim on the range in the file's
//! name, and settled by the next batch that verifies: only then is it known which records the
//! damage concerns. Names are never trusted for more.

mod clock;
mod extent;
mod overlap;
mod walk;
mod witnessed;

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

pub use extent::Extent;

pub(crate) use self::clock::TOLERANCE_MS;
use self::extent::Start;
use self::overlap::{Hole, seam};
use self::witnessed::Heard;
use crate::audit::anchors::{Anchor, Anchors};
use crate::audit::cause::{Cause, ForkProof};
use crate::audit::content::Content;
use crate::audit::ends::Ends;
use crate::audit::finding::{Finding, FindingKind, SeqRange, Subject};
use crate::audit::findings::Findings;
use crate::audit::past::Past;
use crate::audit::report::LedgerSummary;
use crate::audit::{AttestedKeys, Policy};
use crate::batch::{self, BatchError, VerifiedBatch};
use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::cose::SignatureError;
use crate::encryption::{Erasure, KeyId};
use crate::hash::Hash;
use crate::identity::{LedgerId, LedgerKind};
use crate::note::{NoteError, NoteKey};
use crate::tree::Frontier;

/// What a segment's name says, as plain data. It is not signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SegmentName {
    /// The file, for people.
    pub file: String,
    /// The records it is named for.
    pub range: SeqRange,
    /// The root after them.
    pub root: Hash,
    /// How often it was rewritten.
    pub revision: u32,
    /// Days from the Unix epoch to the day it lies under; `None` when it lies under none.
    pub day: Option<u64>,
}

/// What a batch turned out to be.
#[derive(Debug)]
pub struct Step<'a> {
    /// The batch, if it verified and is of this ledger.
    pub batch: Option<VerifiedBatch<'a>>,
    /// Whether its first record follows directly on what was verified before.
    pub joined: bool,
}

/// One ledger under audit.
#[derive(Debug)]
pub struct LedgerAudit<'p> {
    policy: &'p Policy,
    id: LedgerId,
    keys: AttestedKeys,
    origin: String,
    note_keys: [NoteKey; 2],
    start: Start,
    edge: Edge,
    past: Past,
    anchors: Anchors,
    heard: Heard,
    content: Content,
    segment: Option<Segment>,
    // range, root and revision of the segment before
    named: Option<(SeqRange, Hash, u32)>,
    claims: Vec<Claim>,
    holes: Vec<Hole>,
    // files under a wrong name: what they cover, what they are named for, the file
    misplaced: Vec<(SeqRange, SeqRange, String)>,
    // the same of files that lack their beginning
    short: Vec<(SeqRange, SeqRange, String)>,
    forked: bool,
    // the largest size that a refused checkpoint was named for
    refused: u64,
    attested_ms: Option<u64>,
    // time of the last statement, and those of all
    time_ms: Option<u64>,
    ends: Ends,
    verified: u64,
    findings: Findings,
}

/// Up to where verified batches reach.
#[derive(Debug)]
struct Edge {
    tree: Frontier,
    last_leaf: Option<Hash>,
    // the statement that ends here, as signed
    statement: Vec<u8>,
}

/// The segment being read.
#[derive(Debug)]
struct Segment {
    name: SegmentName,
    // sequence number that batches had reached when it began
    reached: u64,
    // what its verified batches cover, in the order they came
    covered: Option<Covered>,
    // whether its last bytes could not be read or verified
    broken: bool,
    // whether it brought records that were not there before
    news: bool,
    // whether its last overlapping batch met no root to compare with
    uncompared: bool,
    // whether a revision before it is not there
    skipped: bool,
    // whether it leaves something out with authority, which also removes the revisions that told it
    ordered: bool,
    // whether some of what it is named for is not in it, or cannot be read
    absent: bool,
}

#[derive(Clone, Copy, Debug)]
struct Covered {
    first: u64,
    end: u64,
    root: Hash,
    day: u64,
}

/// Something that cannot be read, and the records it may have held.
#[derive(Debug)]
struct Claim {
    first: u64,
    last: u64,
    // the range in the file's name
    named: SeqRange,
    file: String,
    cause: Cause,
}

const HOLES_MAX: usize = 1_024;
const MS_PER_DAY: u64 = 86_400_000;

impl<'p> LedgerAudit<'p> {
    pub(crate) fn new(policy: &'p Policy, kind: LedgerKind, keys: &AttestedKeys) -> Self {
        let (instance, epoch) = (keys.statement.instance.clone(), keys.statement.epoch);
        let id = LedgerId { instance, epoch, kind };
        let origin = checkpoint::origin(&policy.log_prefix, &id);
        let note_keys = [
            NoteKey::new(&origin, keys.statement.key.clone()),
            NoteKey::new(&origin, keys.checkpoint.clone()),
        ];
        let edge = Edge { tree: Frontier::empty(), last_leaf: None, statement: Vec::new() };
        Self {
            policy,
            id,
            keys: keys.clone(),
            origin,
            note_keys,
            start: Start::new(Extent::WHOLE),
            edge,
            past: Past::new(),
            anchors: Anchors::default(),
            heard: Heard::default(),
            content: Content::default(),
            segment: None,
            named: None,
            claims: Vec::new(),
            holes: Vec::new(),
            misplaced: Vec::new(),
            short: Vec::new(),
            forked: false,
            refused: 0,
            attested_ms: None,
            time_ms: None,
            ends: Ends::default(),
            verified: 0,
            findings: Findings::new(policy.range),
        }
    }

    /// Whose ledger it is.
    pub const fn id(&self) -> &LedgerId {
        &self.id
    }

    /// What has been found so far. What is still unsettled comes with the next batch, or at the
    /// end.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Takes the orders to destroy data keys, before the first batch: those that a withholding key
    /// of the policy signed.
    pub fn erasures(&mut self, orders: &[Erasure]) {
        self.content.take_orders(orders, &self.id);
    }

    /// Says that the site's data keys were given: what is encrypted under another one, whose end
    /// nobody ordered, cannot be read by anybody. `excused` are those that a refused order names.
    pub fn data_keys_given(&mut self, excused: &[KeyId]) {
        self.content.expect_keys(excused);
    }

    /// Begins a segment; they come in the order of their names.
    pub fn begin_segment(&mut self, name: SegmentName) {
        self.end_segment();
        let skipped = self.skips_revisions(&name);
        if name.revision == 0 || skipped {
            self.content.begin_file();
        }
        let reached = self.reached();
        self.segment = Some(Segment {
            name,
            reached,
            covered: None,
            broken: false,
            news: false,
            uncompared: false,
            absent: false,
            skipped,
            ordered: false,
        });
    }

    /// Takes the next batch of the segment, whatever its bytes are.
    pub fn batch<'a>(&mut self, bytes: &'a [u8]) -> Step<'a> {
        let checked = batch::verify(bytes, &self.keys.statement);
        self.checked(bytes, checked)
    }

    /// As [`batch`](Self::batch), for bytes that were already checked with
    /// [`epoch_key`](Self::epoch_key): batches are verified in any order and joined in theirs.
    pub fn checked<'a>(
        &mut self,
        bytes: &'a [u8],
        checked: Result<VerifiedBatch<'a>, BatchError>,
    ) -> Step<'a> {
        match checked {
            Ok(batch) if batch.statement().ledger.kind == self.id.kind => {
                let joined = self.join(&batch);
                Step { batch: Some(batch), joined }
            }
            Ok(batch) => {
                let stated = Some(batch.statement().ledger.clone());
                self.broken(Cause::Foreign { stated });
                Step { batch: None, joined: false }
            }
            Err(error) => {
                self.broken(self.why(bytes, error));
                Step { batch: None, joined: false }
            }
        }
    }

    /// Notes that the segment cannot be read on.
    pub fn unreadable(&mut self, detail: &str) {
        self.broken(Cause::FileUnreadable { detail: detail.to_owned() });
    }

    /// Takes a checkpoint of the archive, not later than the segment that goes beyond its size.
    ///
    /// `named` is size and root of its file name, `note` its content.
    pub fn checkpoint(&mut self, file: &str, named: (u64, Hash), note: &[u8]) {
        let range = seam(named.0);
        let file = Some(file.to_owned());
        let head = core::str::from_utf8(note)
            .map_err(|_| CheckpointError::NotCanonical)
            .and_then(|note| self.open(note));
        let cause = match head {
            Ok(head) if head.origin != self.origin => Cause::Foreign { stated: None },
            Ok(head) => {
                let (size, root) = (head.size, head.root);
                let said =
                    core::str::from_utf8(note).map_or(Ok(()), |note| self.hear_witnesses(note));
                if let Err(error) = said {
                    self.find(range, file, Cause::CheckpointRefused(error));
                    return;
                }
                // What was signed counts, whatever the file is called.
                let fork = self.anchor(Anchor { size, root, note: note.to_vec() });
                if (size, root) != named {
                    self.find(range, file, Cause::NameDiffers { stated: named.1, found: root });
                } else if let Some(cause) = fork {
                    self.fork_in(range, file, cause);
                }
                return;
            }
            Err(error) if self.is_foreign_note(note, error) => Cause::Foreign { stated: None },
            Err(error) => {
                self.refused = self.refused.max(named.0);
                Cause::CheckpointRefused(error)
            }
        };
        self.find(range, file, cause);
    }

    // The enclave signs with both keys of the epoch: a line less is a line that was taken away.
    fn open(&self, note: &str) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::open_by_all(note, &self.note_keys)
    }

    /// Ends the ledger.
    pub(super) fn finish(mut self) -> (LedgerSummary, Findings) {
        self.end_segment();
        let reached = self.reached();
        let claimed = self.settle(u64::MAX, None);
        self.conclude_start();
        self.conclude_anchors();
        self.conclude(reached, claimed);
        self.conclude_holes();
        let summary = LedgerSummary {
            id: self.id.clone(),
            from: self.start.extent.from,
            size: reached,
            root: self.head().1,
            verified: self.verified,
            anchored: self.anchors.fitting(),
            closed: self.content.closed_at.is_some(),
            insecure: self.keys.insecure,
            withheld: self.content.withheld(),
            erased: self.content.erased(),
            encrypted: self.content.encrypted,
            previous: self.content.previous.take(),
            evidence: self.content.evidence.take(),
            opened_ms: self.content.opened_ms,
            ended: self.content.closed_at.map(|at| at.saturating_add(1)),
            ends: core::mem::take(&mut self.ends),
            tail_damaged: self.start.extent.open_ended
                || claimed > reached
                || self.anchors.beyond(claimed).is_some(),
        };
        (summary, self.findings)
    }

    // What the end of the ledger shows; `claimed` is the size that damaged files at the end speak
    // of.
    fn conclude(&mut self, reached: u64, claimed: u64) {
        for (range, cause) in self.content.withheld_remarks() {
            self.find(Some(range), None, cause);
        }
        if self.anchors.overflowed {
            self.find(None, None, Cause::AnchorsUncompared);
        }
        let open_ended = self.start.extent.open_ended;
        let beyond = self.anchors.beyond(claimed).filter(|_| !open_ended);
        let beyond = beyond.map(|anchor| (anchor.size, anchor.root));
        if let Some((size, root)) = beyond {
            self.find(SeqRange::before(claimed, size), None, Cause::AnchorBeyond { size, root });
        } else if claimed == reached && !self.forked {
            let remembered = self.start.extent.root.map_or(0, |_| self.start.extent.from);
            let anchored = self.anchors.fitting().min(reached).max(remembered);
            let closed = self.content.closed_at.map(|at| at.saturating_add(1));
            let end = reached.min(closed.unwrap_or(reached));
            let tail = SeqRange::before(anchored.max(self.start.extent.from), end);
            let witnessed = self.witnessed();
            let unseen = SeqRange::before(witnessed.max(self.start.extent.from), end);
            // With witnesses a range that they cover does not need the end of its ledger.
            let covered = self.policy.witnesses.is_some()
                && self.policy.range.is_some_and(|range| range.last < witnessed);
            if self.content.end_withheld || self.refused >= end && tail.is_some() {
                // What stands in the place of the end, or of its anchor, is a finding of its own.
            } else if closed.is_none() && !open_ended {
                if !covered {
                    self.find(tail, None, Cause::NoClose { anchored });
                }
            } else if tail.is_some() {
                self.find(tail, None, Cause::BeyondAnchor { anchored });
            } else if unseen.is_some() {
                self.find(unseen, None, Cause::BeyondWitnesses { witnessed });
            }
        }
        if let Some(range) = self.policy.range.filter(|range| range.last >= reached.max(claimed)) {
            let asked = SeqRange { first: range.first.max(reached), last: range.last };
            self.find(Some(asked), None, Cause::RangeBeyondEnd { size: reached });
        }
    }

    // Revisions are written one after the other and none takes another's place.
    fn skips_revisions(&mut self, name: &SegmentName) -> bool {
        let before = self.named.replace((name.range, name.root, name.revision));
        let expected = name.revision.checked_sub(1).map(|before| (name.range, name.root, before));
        expected.is_some() && before != expected
    }

    fn find(&mut self, range: Option<SeqRange>, file: Option<String>, cause: Cause) {
        // A run of equal causes is one cause.
        if let Some(range) = range.filter(|_| cause.runs()) {
            let same = core::mem::discriminant(&cause);
            let mut last = self.findings.iter_mut().rev();
            let last = last.find(|found| core::mem::discriminant(&found.cause) == same);
            let run = last.and_then(|found| found.range.as_mut());
            if let Some(run) = run.filter(|run| run.last.checked_add(1) == Some(range.first)) {
                run.last = range.last;
                return;
            }
        }
        let subject = Subject::Ledger(self.id.clone());
        self.findings.push(Finding { subject, range, file, cause, accepted: None });
    }

    // A second history under one key is one finding, however far the two go on.
    fn fork(&mut self, range: Option<SeqRange>, cause: Cause) {
        let file = self.segment.as_ref().map(|segment| segment.name.file.clone());
        self.fork_in(range, file, cause);
    }

    fn fork_in(&mut self, range: Option<SeqRange>, file: Option<String>, cause: Cause) {
        self.forked = true;
        let is_fork = |f: &&mut Finding| f.kind() == FindingKind::Forked;
        let Some(known) = self.findings.iter_mut().find(is_fork) else {
            return self.find(range, file, cause);
        };
        if let (Some(known), Some(range)) = (known.range.as_mut(), range) {
            known.first = known.first.min(range.first);
            known.last = known.last.max(range.last);
        }
        if known.cause.proof().is_none() && cause.proof().is_some() {
            known.cause = cause;
        }
    }

    fn anchor(&mut self, anchor: Anchor) -> Option<Cause> {
        let (size, root) = (anchor.size, anchor.root);
        if size > self.edge.tree.size() {
            return self.anchors.wait(anchor);
        }
        match self.past.root(size) {
            Some(one) if one != root => {
                let statement = self.edge.statement.clone();
                let ends_here = size == self.edge.tree.size() && !statement.is_empty();
                let proof = ends_here.then_some(ForkProof { one: statement, other: anchor.note });
                Some(Cause::TwoRoots { size, one, other: root, proof })
            }
            Some(_) => {
                self.anchors.fits(size);
                None
            }
            None => {
                self.anchors.late(anchor);
                None
            }
        }
    }

    // Checkpoints whose records came later than they did, under a wrong name.
    fn conclude_anchors(&mut self) {
        for anchor in self.anchors.take_late() {
            let size = anchor.size;
            match self.past.root(size) {
                Some(one) if one != anchor.root => {
                    let cause = Cause::TwoRoots { size, one, other: anchor.root, proof: None };
                    self.fork_in(seam(size), None, cause);
                }
                Some(_) => self.anchors.fits(size),
                // Its records are not here, which is a finding of its own.
                None if self.is_missing(size.saturating_sub(1)) => self.anchors.fits(size),
                None => {}
            }
        }
    }

    // A note of another ledger is genuine and out of place; it is told by its own first line.
    fn is_foreign_note(&self, note: &[u8], error: CheckpointError) -> bool {
        let text = core::str::from_utf8(note).unwrap_or_default();
        let origin = text.lines().next().unwrap_or_default();
        let signer = text.lines().rev().find_map(|line| line.strip_prefix("\u{2014} "));
        let named = |name: &str| signer.is_some_and(|rest| rest.split(' ').next() == Some(name));
        error == CheckpointError::Note(NoteError::Unsigned)
            && origin != self.origin
            && named(origin)
    }

    // A batch of another epoch names another epoch *and* another key; damage would not change both.
    fn why(&self, bytes: &[u8], error: BatchError) -> Cause {
        let stated = match (error, batch::claimed_statement(bytes)) {
            (BatchError::Foreign, Ok(stated)) => Some(stated),
            (BatchError::Signature(SignatureError::Header), Ok(stated))
                if (&stated.ledger.instance, stated.ledger.epoch)
                    != (&self.id.instance, self.id.epoch) =>
            {
                Some(stated)
            }
            _ => None,
        };
        match stated {
            Some(stated) => Cause::Foreign { stated: Some(stated.ledger) },
            None => Cause::BatchRefused(error),
        }
    }
}
