//! Attacks on signed heads. A thief of the epoch's keys can sign whatever he likes.

use lucarne_archive::name::CheckpointName;
use lucarne_ledger::checkpoint::Checkpoint;
use lucarne_ledger::hash::Hash;

use super::super::keys::EpochKeys;
use super::super::site::index;
use super::{Effect, Place, Strike, nothing, one};

/// A place whose checkpoint nobody has touched.
fn fresh(strike: &mut Strike<'_>) -> Option<Place> {
    let place = strike.place()?;
    strike.is_fresh(&strike.segment(place).note()).then_some(place)
}

const fn last(size: u64) -> Option<(u64, u64)> {
    Some((size - 1, size - 1))
}

fn refused(strike: &mut Strike<'_>, place: Place, note: Vec<u8>) -> Option<Effect> {
    let segment = strike.segment(place);
    strike.put(&segment.note(), note);
    let area = strike.around(place, place.segment);
    one("MODIFIED", &strike.ledger(place).id, last(segment.checkpoint.size), area)
}

pub(super) fn bit(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = fresh(strike)?;
    let mut note = strike.files[&strike.segment(place).note()].to_vec();
    let at = index(strike.random, note.len());
    note[at] ^= 1 << strike.random.below(8);
    refused(strike, place, note)
}

fn head(strike: &Strike<'_>, place: Place) -> Checkpoint {
    let checkpoint = &strike.segment(place).checkpoint;
    strike.ledger(place).head(checkpoint.size, checkpoint.root)
}

pub(super) fn stripped(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = fresh(strike)?;
    let lines = strike.random.pick(&[[true, false], [false, true], [false, false]]);
    let note = strike.epoch(place).keys.note(&head(strike, place), lines);
    refused(strike, place, note.into_bytes())
}

pub(super) fn own_key(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = fresh(strike)?;
    let note = EpochKeys::new(strike.random).note(&head(strike, place), [true; 2]);
    refused(strike, place, note.into_bytes())
}

/// Puts a checkpoint beside the others that the epoch's own keys have signed.
fn signed(strike: &mut Strike<'_>, place: Place, size: u64) {
    let ledger = strike.ledger(place);
    let root = Hash(strike.random.bytes());
    let name = CheckpointName { ledger: ledger.id.clone(), size, root, cosigned: false };
    let note = strike.epoch(place).keys.note(&ledger.head(size, root), [true; 2]);
    strike.put(&name.to_string(), note.into_bytes());
}

pub(super) fn forked(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.place()?;
    let size = 1 + strike.random.below(strike.ledger(place).size());
    signed(strike, place, size);
    one("FORKED", &strike.ledger(place).id, last(size), strike.whole(place))
}

pub(super) fn beyond(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.place()?;
    let size = strike.ledger(place).size();
    let more = size + 1 + strike.random.below(50);
    signed(strike, place, more);
    one("TRUNCATED", &strike.ledger(place).id, Some((size, more - 1)), strike.whole(place))
}

pub(super) fn renamed(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = fresh(strike)?;
    let old = &strike.segment(place).checkpoint;
    let mut name = old.clone();
    if strike.random.once_in(2) {
        name.root = Hash(strike.random.bytes());
    } else {
        name.size = 1 + strike.random.below(2 * old.size);
    }
    if name == *old || strike.files.contains_key(&name.to_string()) {
        return None;
    }
    let note = strike.files[&old.to_string()].to_vec();
    strike.files.remove(&old.to_string());
    strike.put(&name.to_string(), note);
    one("MODIFIED", &strike.ledger(place).id, last(name.size), strike.whole(place))
}

pub(super) fn foreign(strike: &mut Strike<'_>) -> Option<Effect> {
    let (place, other) = (strike.place()?, strike.place()?);
    let (ledger, stranger) = (strike.ledger(place), strike.ledger(other));
    if ledger.id == stranger.id {
        return None;
    }
    let source = &strike.segment(other).checkpoint;
    let note = strike.site.files[&source.to_string()].to_vec();
    let name = CheckpointName { ledger: ledger.id.clone(), ..source.clone() };
    strike.put(&name.to_string(), note);
    one("REPLAYED", &ledger.id, last(source.size), strike.whole(place))
}

/// Only the last one proves what no other does. An end that a person has explained stays explained.
pub(super) fn removed(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = fresh(strike)?;
    let ledger = strike.ledger(place);
    strike.files.remove(&strike.segment(place).note());
    let area = strike.around(place, place.segment);
    if place.segment + 1 < ledger.segments.len() || !ledger.closed {
        return nothing(area);
    }
    let (first, end) = (strike.segment(place).name.first, ledger.size() - 1);
    one("UNANCHORED_TAIL", &ledger.id, Some((first, end)), area)
}

pub(super) fn all_removed(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.place()?;
    let ledger = strike.ledger(place);
    if !ledger.segments.iter().all(|segment| strike.is_fresh(&segment.note())) {
        return None;
    }
    for segment in &ledger.segments {
        strike.files.remove(&segment.note());
    }
    let area = strike.whole(place);
    if !ledger.closed {
        return nothing(area);
    }
    one("UNANCHORED_TAIL", &ledger.id, Some((0, ledger.size() - 1)), area)
}
