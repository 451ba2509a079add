//! The content of a ledger under audit: its life as control records tell it, and what was left out
//! of it.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::audit::Policy;
use crate::audit::cause::Cause;
use crate::audit::finding::SeqRange;
use crate::batch::{Content as RecordContent, Record, VerifiedBatch};
use crate::control::{Close, Control, Open, Previous};
use crate::encryption::{Encryption, Erasure, KeyId};
use crate::hash::Hash;
use crate::identity::LedgerId;
use crate::record::Stream;
use crate::statement::Withholding;

/// Rules that are counted one by one; the rules are those of the policy's own key holders.
const RULES_MAX: usize = 1_000;
const OTHER_RULES: &str = "(other rules)";

/// What has been learnt from the records so far.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// Sequence number of `close`.
    pub(crate) closed_at: Option<u64>,
    /// The epoch before, as `open` names it.
    pub(crate) previous: Option<Previous>,
    /// SHA-256 of the evidence, as `open` names it.
    pub(crate) evidence: Option<String>,
    /// When it opened, by its own word.
    pub(crate) opened_ms: Option<u64>,
    /// Whether the last record is a control record that was left out without authority: it may
    /// have been the end.
    pub(crate) end_withheld: bool,
    /// Records whose payloads are encrypted and could not be read, those of erased keys not
    /// counted.
    pub(crate) encrypted: u64,
    // accepted orders to destroy keys, by key
    orders: BTreeMap<KeyId, String>,
    withheld: Tallies,
    erased: Tallies,
    // what the revisions of the file being read leave out with authority
    left_out: BTreeSet<u64>,
    // whether the keys of what is encrypted should be there
    has_keys: bool,
    // keys that an order names which is refused: a finding of its own
    excused: Vec<KeyId>,
    absent: BTreeMap<KeyId, Tally>,
}

/// Counts by rule.
type Tallies = BTreeMap<String, Tally>;

#[derive(Debug)]
struct Tally {
    count: u64,
    range: SeqRange,
}

impl Tally {
    const fn from(seq: u64) -> Self {
        Self { count: 0, range: SeqRange { first: seq, last: seq } }
    }

    fn add(&mut self, seq: u64) {
        self.count = self.count.saturating_add(1);
        self.range.last = self.range.last.max(seq);
    }
}

/// Something about one record that belongs into the report.
pub(crate) type Remark = (SeqRange, Cause);

impl Content {
    /// Looks at the records of a verified batch from `from` to before `end`.
    pub(crate) fn inspect(
        &mut self,
        batch: &VerifiedBatch<'_>,
        (from, end): (u64, u64),
        policy: &Policy,
    ) -> Vec<Remark> {
        let mut remarks = Vec::new();
        let statement = batch.statement();
        let encrypted = has_word(batch, policy);
        for (index, (seq, record)) in (statement.first..).zip(batch.records()).enumerate() {
            if seq < from || seq >= end {
                continue;
            }
            let at = SeqRange { first: seq, last: seq };
            if self.closed_at.is_some_and(|closed| closed < seq) {
                remarks.push((at, Cause::AfterClose));
            }
            let cause = match record.content {
                RecordContent::Withheld { authorisation } => {
                    self.hole(&statement.ledger, seq, record, authorisation, policy)
                }
                RecordContent::Present { payload, .. } if record.stream == Stream::Control => {
                    self.control(batch, seq, payload)
                }
                RecordContent::Encrypted => self.unread(seq, batch.data_key(index), encrypted),
                RecordContent::Present { .. } if seq == 0 => Some(Cause::ControlUnreadable),
                RecordContent::Present { .. } => None,
            };
            self.end_withheld = record.stream == Stream::Control
                && matches!(cause, Some(Cause::HoleUnauthorised { .. }));
            remarks.extend(cause.map(|cause| (at, cause)));
        }
        remarks
    }

    /// A file begins that is no later revision of the one before.
    pub(crate) fn begin_file(&mut self) {
        self.left_out.clear();
    }

    /// Counts what a later revision leaves out with authority, though an earlier one still has it.
    pub(crate) fn reconsider(&mut self, batch: &VerifiedBatch<'_>, policy: &Policy) {
        let statement = batch.statement();
        for (seq, record) in (statement.first..).zip(batch.records()) {
            if let RecordContent::Withheld { authorisation } = record.content {
                // Without authority it is no loss here: the earlier revision has the record.
                drop(self.hole(&statement.ledger, seq, record, authorisation, policy));
            }
        }
    }

    /// How many records were left out with authority.
    pub(crate) fn authorised(&self) -> u64 {
        self.withheld.values().map(|tally| tally.count).sum()
    }

    /// Takes the orders to destroy keys of this ledger that the policy accepts.
    pub(crate) fn take_orders(&mut self, orders: &[Erasure], id: &LedgerId) {
        let of = |order: &&Erasure| order.instance == id.instance && order.kind == id.kind;
        self.orders =
            orders.iter().filter(of).map(|order| (order.key, order.rule.clone())).collect();
    }

    /// Says that the data keys of the site were given, but for those that a refused order names.
    pub(crate) fn expect_keys(&mut self, excused: &[KeyId]) {
        (self.has_keys, self.excused) = (true, excused.to_vec());
    }

    /// How many records each rule left out.
    pub(crate) fn withheld(&self) -> BTreeMap<String, u64> {
        counts(&self.withheld)
    }

    /// How many records each order erased.
    pub(crate) fn erased(&self) -> BTreeMap<String, u64> {
        counts(&self.erased)
    }

    /// One remark for each rule that left records out or erased them.
    pub(crate) fn withheld_remarks(&self) -> Vec<Remark> {
        let withheld = self.withheld.iter().map(|(rule, tally)| {
            (tally.range, Cause::Withheld { rule: rule.clone(), count: tally.count })
        });
        let erased = self.erased.iter().map(|(rule, tally)| {
            (tally.range, Cause::Erased { rule: rule.clone(), count: tally.count })
        });
        let absent = (self.absent.iter()).map(|(key, tally)| {
            (tally.range, Cause::DataKeyAbsent { key: *key, count: tally.count })
        });
        withheld.chain(erased).chain(absent).collect()
    }

    // A payload that is there and could not be read: without the word of a key of the policy that
    // these are the bytes, under an ordered end of its key, or under a key that was not given.
    fn unread(&mut self, seq: u64, key: Option<KeyId>, has_word: bool) -> Option<Cause> {
        if seq == 0 {
            return Some(Cause::ControlUnreadable);
        }
        let key = key?;
        if !has_word {
            return Some(Cause::EncryptionUnauthorised { key });
        }
        if let Some(rule) = self.orders.get(&key) {
            count(&mut self.erased, rule.clone(), seq);
            return None;
        }
        self.encrypted = self.encrypted.saturating_add(1);
        let known = self.absent.contains_key(&key) || self.absent.len() < RULES_MAX;
        if self.has_keys && known && !self.excused.contains(&key) {
            self.absent.entry(key).or_insert_with(|| Tally::from(seq)).add(seq);
        }
        None
    }

    fn hole(
        &mut self,
        ledger: &LedgerId,
        seq: u64,
        record: &Record<'_>,
        authorisation: &[u8],
        policy: &Policy,
    ) -> Option<Cause> {
        match withholding_rule(ledger, seq, record.commitment, authorisation, policy) {
            None => Some(Cause::HoleUnauthorised { commitment: record.commitment }),
            Some(rule) => {
                if self.left_out.insert(seq) {
                    count(&mut self.withheld, rule, seq);
                }
                None
            }
        }
    }

    fn control(&mut self, batch: &VerifiedBatch<'_>, seq: u64, payload: &[u8]) -> Option<Cause> {
        let ledger = &batch.statement().ledger;
        match (seq, Control::parse(payload, ledger.kind)) {
            (0, Ok(Control::Open(open))) if is_of(&open, ledger) => {
                self.previous = open.previous;
                self.evidence = Some(open.evidence_sha256);
                self.opened_ms = Some(open.time_ms);
                None
            }
            (1.., Ok(Control::Close(close))) => {
                self.closed_at = Some(seq);
                close_differs(batch, seq, &close)
            }
            (1.., Ok(Control::Heartbeat(_))) => None,
            (1.., Ok(Control::Gap(gap))) => {
                Some(Cause::GapDeclared { count: gap.count, reason: gap.reason })
            }
            _ => Some(Cause::ControlUnreadable),
        }
    }
}

// Whether a key of the policy signed that the encrypted payloads are these; that the word is about
// this batch was checked with the batch.
fn has_word(batch: &VerifiedBatch<'_>, policy: &Policy) -> bool {
    let signs = |word, by| Encryption::verify(word, by).is_ok();
    let word = batch.encryption();
    word.is_some_and(|word| policy.withholding_keys.iter().any(|by| signs(word, by)))
}

fn count(tallies: &mut Tallies, rule: String, seq: u64) {
    let known = tallies.contains_key(&rule) || tallies.len() < RULES_MAX;
    let rule = if known { rule } else { OTHER_RULES.to_owned() };
    tallies.entry(rule).or_insert_with(|| Tally::from(seq)).add(seq);
}

fn counts(tallies: &Tallies) -> BTreeMap<String, u64> {
    tallies.iter().map(|(rule, tally)| (rule.clone(), tally.count)).collect()
}

/// The rule by which a record was left out, if a key of the policy signed exactly that.
pub fn withholding_rule(
    ledger: &LedgerId,
    seq: u64,
    commitment: Hash,
    authorisation: &[u8],
    policy: &Policy,
) -> Option<String> {
    let verify = |key| Withholding::verify(authorisation, key).ok();
    let word = policy.withholding_keys.iter().find_map(verify)?;
    let fits = word.ledger == *ledger && word.seq == seq && word.commitment == commitment;
    fits.then_some(word.rule)
}

fn is_of(open: &Open, ledger: &LedgerId) -> bool {
    open.instance == ledger.instance.as_str()
        && open.epoch == ledger.epoch.to_string()
        && open.ledger == ledger.kind.as_str()
}

// `close` repeats size and root before it; another root would be a second history under one key.
fn close_differs(batch: &VerifiedBatch<'_>, seq: u64, close: &Close) -> Option<Cause> {
    let mut edge = batch.start();
    let before = usize::try_from(seq - batch.statement().first).unwrap_or(usize::MAX);
    batch.records().iter().take(before).for_each(|record| edge.append(record.leaf));
    let Ok(other) = close.root.parse() else { return Some(Cause::ControlUnreadable) };
    if close.size != seq {
        return Some(Cause::ControlUnreadable);
    }
    let one = edge.root();
    (one != other).then_some(Cause::TwoRoots { size: seq, one, other, proof: None })
}
