//! Forgeries: by keys of somebody's own, with genuine batches of other ledgers, and with the stolen
//! key of the epoch.

use lucarne_archive::name::{CheckpointName, SealName};
use lucarne_ledger::cose::{self, ContentType};
use lucarne_ledger::hash::Hash;

use super::super::keys::EpochKeys;
use super::super::parts::Parts;
use super::super::sealed::{BatchPlan, Entry, seal};
use super::super::site::{LedgerModel, Segment, framed, index, lay_out, ledger_files, segment};
use super::{Effect, Expect, Place, Strike, about_ledger, one};

/// The batches of a place as somebody else would seal them.
fn own_key(strike: &mut Strike<'_>, place: Place) -> Vec<Vec<u8>> {
    let ledger = strike.ledger(place);
    let keys = EpochKeys::new(strike.random);
    let mut batches: Vec<Vec<u8>> =
        seal(&ledger.id, &keys, &ledger.plan).into_iter().map(|batch| batch.bytes).collect();
    if strike.random.once_in(2) {
        // The same under the other algorithm that statements know.
        for (forged, genuine) in batches.iter_mut().zip(&ledger.batches) {
            let mut parts = Parts::of(&genuine.bytes);
            let said = cose::unverified_payload(&parts.statement).expect("it is genuine");
            let signed = cose::sign(&keys.ed25519, ContentType::Statement, said);
            parts.statement = signed.expect("it signs");
            *forged = parts.write();
        }
    }
    batches
}

/// The bytes of a place's file with each batch replaced.
fn replaced(strike: &Strike<'_>, place: Place, batches: &[Vec<u8>]) -> Vec<u8> {
    framed(batches[strike.segment(place).batches.clone()].iter().map(Vec::as_slice))
}

pub(super) fn made_again(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let batches = own_key(strike, place);
    let file = replaced(strike, place, &batches);
    strike.put(&strike.segment(place).file(), file);
    let (range, area) = (strike.segment(place).range(), strike.around(place, place.segment));
    one("MODIFIED", &strike.ledger(place).id, Some(range), area)
}

pub(super) fn own_key_batch(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let at = strike.pick_batch(place);
    let batches = own_key(strike, place);
    strike.reframe_with(place, at, &batches[at]);
    let (range, area) = (strike.batch_range(place, at), strike.around(place, place.segment));
    one("MODIFIED", &strike.ledger(place).id, range, area)
}

/// Puts a batch into a file at some position.
fn beside(strike: &mut Strike<'_>, place: Place, stranger: &[u8]) {
    let ledger = strike.ledger(place);
    let range = strike.segment(place).batches.clone();
    let mut all: Vec<&[u8]> = range.map(|at| &ledger.batches[at].bytes[..]).collect();
    let at = index(strike.random, all.len() + 1);
    all.insert(at, stranger);
    strike.reframe(place, all);
}

pub(super) fn own_key_beside(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let at = strike.pick_batch(place);
    let batches = own_key(strike, place);
    beside(strike, place, &batches[at]);
    let (range, area) = (strike.segment(place).range(), strike.around(place, place.segment));
    one("INSERTED", &strike.ledger(place).id, Some(range), area)
}

pub(super) fn own_key_file(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.place()?;
    let batches = own_key(strike, place);
    let file = replaced(strike, place, &batches);
    let name = &strike.segment(place).name;
    let name = SealName { root: Hash(strike.random.bytes()), ..name.clone() };
    strike.put(&name.to_string(), file);
    let (id, range) = (&strike.ledger(place).id, Some((name.first, name.last)));
    let effect = one("INSERTED", id, range, strike.whole(place));
    // Where records are not in their place, it may be what is left of them.
    effect.map(|effect| Effect { also: &["MODIFIED", "MISSING"], ..effect })
}

/// A batch of another ledger.
fn stranger(strike: &mut Strike<'_>, place: Place) -> Option<Vec<u8>> {
    let other = strike.place()?;
    let at = strike.pick_batch(other);
    (strike.ledger(other).id != strike.ledger(place).id).then(|| strike.batch(other, at).to_vec())
}

pub(super) fn foreign_batch(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let at = strike.pick_batch(place);
    let stranger = stranger(strike, place)?;
    strike.reframe_with(place, at, &stranger);
    let (range, area) = (strike.batch_range(place, at), strike.around(place, place.segment));
    one("REPLAYED", &strike.ledger(place).id, range, area)
}

pub(super) fn foreign_beside(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let stranger = stranger(strike, place)?;
    beside(strike, place, &stranger);
    let (range, area) = (strike.segment(place).range(), strike.around(place, place.segment));
    one("REPLAYED", &strike.ledger(place).id, Some(range), area)
}

/// A whole file of another ledger, under its own numbers. Where the ledger has no end, it is put
/// within what is there.
pub(super) fn foreign_file(strike: &mut Strike<'_>) -> Option<Effect> {
    let (place, other) = (strike.place()?, strike.place()?);
    let (ledger, source) = (strike.ledger(place), strike.segment(other));
    let within = ledger.closed || source.name.last < ledger.size();
    if ledger.id == strike.ledger(other).id || !within {
        return None;
    }
    let name = SealName { ledger: ledger.id.clone(), ..source.name.clone() };
    let file = strike.site.files[&source.file()].to_vec();
    strike.put(&name.to_string(), file);
    one("REPLAYED", &ledger.id, Some(source.range()), strike.whole(place))
}

/// A history that parts from the true one at a batch of the plan, sealed with the epoch's key.
fn second_history(strike: &mut Strike<'_>, place: Place, from: usize, more: usize) -> LedgerModel {
    let ledger = strike.ledger(place);
    let mut plan: Vec<BatchPlan> = ledger.plan[..from].to_vec();
    for at in 0..more {
        let mut entries = vec![Entry::Heartbeat];
        if from + at == 0 {
            entries.clone_from(&ledger.plan[0].entries);
        }
        for _ in 0..index(strike.random, 5) {
            entries.push(Entry::Said(strike.random.letters(8)));
        }
        let time_ms = plan.last().map_or(ledger.plan[0].time_ms, |before| before.time_ms + 10_000);
        plan.push(BatchPlan { time_ms, seed: strike.random.bytes(), entries, ends_file: false });
    }
    lay_out(&ledger.id, &strike.epoch(place).keys, plan)
}

pub(super) fn fork_beside(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.place()?;
    let ledger = strike.ledger(place);
    let from = index(strike.random, ledger.batches.len());
    let more = 1 + index(strike.random, 3);
    let other = second_history(strike, place, from, more);
    let made = segment(&ledger.id, &other.batches, from..from + more);
    let bytes = other.batches[from..].iter().map(|batch| &batch.bytes[..]);
    strike.put(&made.file(), framed(bytes));
    let last = made.name.last.min(ledger.size() - 1);
    let effect = one("FORKED", &ledger.id, Some((made.name.first, last)), strike.whole(place));
    // Beside a second history that is whole, a damaged first one is what nobody sealed.
    effect.map(|effect| Effect { also: &["INSERTED", "MISSING", "TRUNCATED"], ..effect })
}

/// The true records of that file are gone; the next signed root shows that others were there.
pub(super) fn fork_instead(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let (ledger, old) = (strike.ledger(place), strike.segment(place));
    let (from, end) = (old.batches.start, ledger.batches[old.batches.end - 1].end);
    let mut other = second_history(strike, place, from, 1);
    // As many records as were there.
    let mut plan = other.plan.clone();
    let missing = end.checked_sub(other.size());
    let entries = &mut plan.last_mut()?.entries;
    match missing {
        Some(more) => entries.extend((0..more).map(|_| Entry::Heartbeat)),
        None => return None,
    }
    other = lay_out(&ledger.id, &strike.epoch(place).keys, plan);
    if strike.is_fresh(&old.note()) && end == other.size() {
        let made = segment(&ledger.id, &other.batches, from..from + 1);
        strike.files.remove(&old.file());
        strike.put(&made.file(), framed([&other.batches[from].bytes[..]]));
        return one("FORKED", &ledger.id, Some((end - 1, end - 1)), strike.whole(place));
    }
    None
}

pub(super) fn after_close(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.place()?;
    let ledger = strike.ledger(place);
    if !ledger.closed {
        return None;
    }
    let (from, more) = (ledger.batches.len(), 1 + index(strike.random, 3));
    let other = second_history(strike, place, from, more);
    let made = segment(&ledger.id, &other.batches, from..from + more);
    let bytes = other.batches[from..].iter().map(|batch| &batch.bytes[..]);
    strike.put(&made.file(), framed(bytes));
    if strike.random.once_in(2) {
        let head = ledger.head(made.checkpoint.size, made.checkpoint.root);
        let note = strike.epoch(place).keys.note(&head, [true; 2]);
        strike.put(&made.note(), note.into_bytes());
    }
    let effect = one("INSERTED", &ledger.id, Some(made.range()), strike.whole(place));
    // Two of these exclude each other.
    effect.map(|effect| Effect { also: &["FORKED"], ..effect })
}

/// A ledger without a successor, sealed once more after a change of its plan.
fn sealed_again(
    strike: &mut Strike<'_>,
    change: impl FnOnce(&mut Strike<'_>, Place, &mut Vec<BatchPlan>) -> Option<usize>,
) -> Option<(Place, LedgerModel, usize)> {
    let place = strike.place()?;
    let (epoch, ledger) = (strike.epoch(place), strike.ledger(place));
    if epoch.after.is_some() || !strike.is_epoch_fresh(epoch) {
        return None;
    }
    let mut plan = ledger.plan.clone();
    let at = change(strike, place, &mut plan)?;
    for Segment { name, checkpoint, .. } in &ledger.segments {
        strike.files.remove(&name.to_string());
        strike.files.remove(&CheckpointName::to_string(checkpoint));
    }
    let again = lay_out(&ledger.id, &epoch.keys, plan);
    strike.files.extend(ledger_files(&again, &epoch.keys));
    Some((place, again, at))
}

pub(super) fn lying_close(strike: &mut Strike<'_>) -> Option<Effect> {
    let (place, again, _) = sealed_again(strike, |_, _, plan| {
        let end = plan.last_mut()?.entries.last_mut()?;
        *end = Entry::Close { lies: true };
        Some(0)
    })?;
    let last = again.size() - 1;
    one("FORKED", &again.id, Some((last, last)), strike.whole(place))
}

fn range(again: &LedgerModel, at: usize) -> (u64, u64) {
    (again.batches[at].first, again.batches[at].end - 1)
}

/// More than a minute, less than what the evidence excludes.
pub(super) fn clock_back(strike: &mut Strike<'_>) -> Option<Effect> {
    let (place, again, at) = sealed_again(strike, |strike, _, plan| {
        let at = 1 + index(strike.random, plan.len() - 1);
        let back = plan[at].time_ms - plan[at - 1].time_ms + 61_000 + strike.random.below(400_000);
        plan[at..].iter_mut().for_each(|batch| batch.time_ms -= back);
        Some(at)
    })?;
    one("INCOMPLETE", &again.id, Some(range(&again, at)), strike.whole(place))
}

pub(super) fn before_evidence(strike: &mut Strike<'_>) -> Option<Effect> {
    let (place, again, at) = sealed_again(strike, |strike, place, plan| {
        let at = index(strike.random, plan.len());
        let span = plan.last()?.time_ms - strike.epoch(place).attested_ms;
        let back = span + 601_000 + strike.random.below(1_000_000);
        plan[at..].iter_mut().for_each(|batch| batch.time_ms -= back);
        Some(at)
    })?;
    let first = again.batches[at].first;
    one("TIME_INCONSISTENT", &again.id, Some((first, again.size() - 1)), strike.whole(place))
}

pub(super) fn silence(strike: &mut Strike<'_>) -> Option<Effect> {
    let (place, again, at) = sealed_again(strike, |strike, _, plan| {
        // A ledger that says that records were lost has said why it was silent.
        let quiet: Vec<usize> = (1..plan.len())
            .filter(|at| !plan[*at].entries.iter().any(|entry| matches!(entry, Entry::Gap(_))))
            .collect();
        let at = strike.random.pick(&quiet);
        let ms = 46_000 + strike.random.below(3_600_000);
        plan[at..].iter_mut().for_each(|batch| batch.time_ms += ms);
        Some(at)
    })?;
    let first = again.batches[at].first;
    let area = strike.whole(place);
    let found = Expect {
        kind: "STALE",
        subject: about_ledger(&again.id),
        ranges: vec![Some((first - 1, first))],
    };
    Some(Effect { due: vec![found], area, also: super::END })
}
