//! Attacks by somebody who knows the format: batches taken apart, changed and framed again.

use lucarne_ledger::batch;
use lucarne_ledger::key::{Ed25519Key, Signer};
use lucarne_ledger::statement::Withholding;

use super::super::parts::Parts;
use super::super::site::index;
use super::{Effect, Place, Strike, nothing, one};

/// A fresh place and a batch of it that has no holes yet.
fn whole_batch(strike: &mut Strike<'_>) -> Option<(Place, usize, Parts)> {
    let place = strike.fresh_place()?;
    let at = strike.pick_batch(place);
    let parts = Parts::of(strike.batch(place, at));
    (parts.secret_kind == 0).then_some((place, at, parts))
}

fn modified(strike: &mut Strike<'_>, place: Place, at: usize, bytes: &[u8]) -> Option<Effect> {
    if bytes == strike.batch(place, at) {
        return None;
    }
    strike.reframe_with(place, at, bytes);
    let (range, area) = (strike.batch_range(place, at), strike.around(place, place.segment));
    one("MODIFIED", &strike.ledger(place).id, range, area)
}

pub(super) fn bit(strike: &mut Strike<'_>) -> Option<Effect> {
    let (place, at, _) = whole_batch(strike)?;
    let mut bytes = strike.batch(place, at).to_vec();
    let byte = index(strike.random, bytes.len());
    bytes[byte] ^= 1 << strike.random.below(8);
    modified(strike, place, at, &bytes)
}

pub(super) fn record_removed(strike: &mut Strike<'_>) -> Option<Effect> {
    let (place, at, mut parts) = whole_batch(strike)?;
    let record = index(strike.random, parts.records.len());
    parts.records.remove(record);
    modified(strike, place, at, &parts.write())
}

pub(super) fn record_edited(strike: &mut Strike<'_>) -> Option<Effect> {
    let (place, at, mut parts) = whole_batch(strike)?;
    let record = index(strike.random, parts.records.len());
    let payload = &mut parts.records[record].1[0];
    match strike.random.below(3) {
        0 => payload.push(b' '),
        1 => drop(payload.pop()),
        _ => {
            let byte = index(strike.random, payload.len());
            payload[byte] = payload[byte].wrapping_add(1);
        }
    }
    modified(strike, place, at, &parts.write())
}

pub(super) fn records_swapped(strike: &mut Strike<'_>) -> Option<Effect> {
    let (place, at, mut parts) = whole_batch(strike)?;
    let one = index(strike.random, parts.records.len());
    let other = index(strike.random, parts.records.len());
    parts.records.swap(one, other);
    modified(strike, place, at, &parts.write())
}

pub(super) fn record_doubled(strike: &mut Strike<'_>) -> Option<Effect> {
    let (place, at, mut parts) = whole_batch(strike)?;
    let record = index(strike.random, parts.records.len());
    let again = parts.records[record].clone();
    parts.records.insert(record, again);
    modified(strike, place, at, &parts.write())
}

pub(super) fn secret_altered(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let at = strike.pick_batch(place);
    let mut parts = Parts::of(strike.batch(place, at));
    // A batch of nothing but holes has no salts.
    let byte = (!parts.secret.is_empty()).then(|| index(strike.random, parts.secret.len()))?;
    parts.secret[byte] ^= 1 << strike.random.below(8);
    modified(strike, place, at, &parts.write())
}

pub(super) fn frontier_altered(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let at = strike.pick_batch(place);
    let mut parts = Parts::of(strike.batch(place, at));
    match strike.random.below(2) {
        0 if !parts.frontier.is_empty() => {
            let byte = index(strike.random, parts.frontier.len());
            parts.frontier[byte] ^= 1 << strike.random.below(8);
        }
        _ => parts.frontier.extend([0; 32]),
    }
    modified(strike, place, at, &parts.write())
}

pub(super) fn seed_and_hole(strike: &mut Strike<'_>) -> Option<Effect> {
    let (place, at, mut parts) = whole_batch(strike)?;
    let key = strike.epoch(place).key();
    let verified = batch::verify(strike.batch(place, at), &key).expect("it is genuine");
    let record = index(strike.random, parts.records.len());
    let commitment = verified.records()[record].commitment.0.to_vec();
    parts.records[record].1 = vec![commitment, vec![]];
    modified(strike, place, at, &parts.write())
}

/// Leaves out a run of records that are present, with the authority that `word` gives for each.
fn withheld(
    strike: &mut Strike<'_>,
    mut word: impl FnMut(&batch::VerifiedBatch<'_>, usize) -> Vec<u8>,
) -> Option<(Place, (u64, u64))> {
    let (place, at, parts) = whole_batch(strike)?;
    let count = parts.records.len();
    let from = index(strike.random, count);
    let to = from + index(strike.random, count - from);
    let key = strike.epoch(place).key();
    let bytes = strike.batch(place, at);
    let verified = batch::verify(bytes, &key).expect("it is genuine");
    let less = verified
        .withhold(|position| (from..=to).contains(&position).then(|| word(&verified, position)));
    strike.reframe_with(place, at, &less);
    let first = verified.statement().first;
    Some((place, (first + from as u64, first + to as u64)))
}

fn missing(strike: &Strike<'_>, place: Place, range: (u64, u64)) -> Option<Effect> {
    let area = strike.around(place, place.segment);
    one("MISSING", &strike.ledger(place).id, Some(range), area)
}

pub(super) fn withheld_unauthorised(strike: &mut Strike<'_>) -> Option<Effect> {
    let blank = strike.random.once_in(2);
    let said = strike.random.letters(20).into_bytes();
    let (place, range) = withheld(strike, |_, _| if blank { Vec::new() } else { said.clone() })?;
    missing(strike, place, range)
}

pub(super) fn withheld_by_stranger(strike: &mut Strike<'_>) -> Option<Effect> {
    let stranger = Ed25519Key::from_seed(&strike.random.bytes()).expect("any seed is one");
    let (place, range) = withheld(strike, |batch, at| word(batch, at, 0, &stranger))?;
    missing(strike, place, range)
}

pub(super) fn withheld_for_another(strike: &mut Strike<'_>) -> Option<Effect> {
    let site = strike.site;
    let (place, range) = withheld(strike, |batch, at| word(batch, at, 1, &site.withholding))?;
    missing(strike, place, range)
}

/// The authority for a record, or for one behind it.
fn word(batch: &batch::VerifiedBatch<'_>, at: usize, off: u64, signer: &dyn Signer) -> Vec<u8> {
    let statement = batch.statement();
    let word = Withholding {
        ledger: statement.ledger.clone(),
        seq: statement.first + at as u64 + off,
        commitment: batch.records()[at].commitment,
        rule: "key form.*".to_owned(),
        time_ms: statement.time_ms,
    };
    word.sign(signer).expect("it signs")
}

pub(super) fn authority_edited(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let at = strike.pick_batch(place);
    let mut parts = Parts::of(strike.batch(place, at));
    let hole = parts.records.iter().position(|(_, strings)| strings.len() == 2)?;
    let authority = &mut parts.records[hole].1[1];
    let byte = index(strike.random, authority.len());
    authority[byte] ^= 1 << strike.random.below(8);
    strike.reframe_with(place, at, &parts.write());
    let seq = strike.ledger(place).batches[at].first + hole as u64;
    missing(strike, place, (seq, seq))
}

/// The holder of the key can withhold wrongly, not unseen: it is counted and is no tampering.
pub(super) fn withheld_by_holder(strike: &mut Strike<'_>) -> Option<Effect> {
    let (place, at, parts) = whole_batch(strike)?;
    // Without its first or last record a ledger has no beginning or end that anybody can read.
    let ledger = strike.ledger(place);
    let edge = at == 0 || at + 1 == ledger.batches.len();
    let chosen = (!edge).then(|| index(strike.random, parts.records.len()))?;
    let key = strike.epoch(place).key();
    let less = strike.site.without_some(strike.batch(place, at), &key, |n| n == chosen);
    strike.reframe_with(place, at, &less);
    nothing(strike.around(place, place.segment))
}

pub(super) fn removed(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let range = strike.segment(place).batches.clone();
    if range.len() < 2 {
        return None;
    }
    let from = range.start + index(strike.random, range.len());
    let to = from + index(strike.random, range.end - from);
    if from == range.start && to + 1 == range.end {
        return None;
    }
    let ledger = strike.ledger(place);
    let kept = range.filter(|at| !(from..=to).contains(at));
    let kept: Vec<&[u8]> = kept.map(|at| &ledger.batches[at].bytes[..]).collect();
    strike.reframe(place, kept);
    missing(strike, place, (ledger.batches[from].first, ledger.batches[to].end - 1))
}

/// Those that stand behind a later one are out of order.
pub(super) fn reordered(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let mut order: Vec<usize> = strike.segment(place).batches.clone().collect();
    for at in (1..order.len()).rev() {
        order.swap(at, index(strike.random, at + 1));
    }
    let late: Vec<usize> = (0..order.len())
        .filter(|at| order[..*at].iter().any(|before| *before > order[*at]))
        .map(|at| order[at])
        .collect();
    let (first, last) = (late.iter().min()?, late.iter().max()?);
    let ledger = strike.ledger(place);
    let range = (ledger.batches[*first].first, ledger.batches[*last].end - 1);
    let batches: Vec<&[u8]> = order.iter().map(|at| &ledger.batches[*at].bytes[..]).collect();
    strike.reframe(place, batches);
    one("REORDERED", &ledger.id, Some(range), strike.around(place, place.segment))
}

/// Equal leaves twice are an overlap, which a gateway that was killed writes too.
pub(super) fn doubled(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let ledger = strike.ledger(place);
    let mut order: Vec<usize> = strike.segment(place).batches.clone().collect();
    let at = index(strike.random, order.len());
    order.insert(at, order[at]);
    let batches: Vec<&[u8]> = order.iter().map(|at| &ledger.batches[*at].bytes[..]).collect();
    strike.reframe(place, batches);
    nothing(strike.around(place, place.segment))
}
