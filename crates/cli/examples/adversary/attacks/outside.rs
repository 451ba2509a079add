//! Attacks on what speaks for an archive from outside: witnesses, time-stamping authorities, and
//! the versions of a bucket, as `lucarne archive pull` brings them home.

use lucarne_archive::Name;
use lucarne_archive::name::CheckpointName;
use lucarne_ledger::hash::Hash;

use super::super::anchored::{Stamped, cosigned_name};
use super::super::expected::Area;
use super::super::site::index;
use super::{END, Effect, Place, Strike, about_ledger, due, one};

/// A place whose cosigned checkpoint nobody has touched.
fn cosigned(strike: &mut Strike<'_>) -> Option<Place> {
    let place = strike.place()?;
    let name = cosigned_name(strike.segment(place));
    (strike.files.contains_key(&name) && strike.is_fresh(&name)).then_some(place)
}

/// What a witness did not see is not covered, even after the end.
pub(super) fn cosignature_withheld(strike: &mut Strike<'_>) -> Option<Effect> {
    let mut place = strike.place()?;
    let ledger = strike.ledger(place);
    place.segment = ledger.segments.len() - 1;
    let name = cosigned_name(strike.segment(place));
    if !ledger.closed || !strike.is_fresh(&name) {
        return None;
    }
    strike.files.remove(&name);
    let range = Some(strike.segment(place).range());
    one("UNANCHORED_TAIL", &ledger.id, range, strike.whole(place))
}

pub(super) fn cosignatures_withheld(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.place()?;
    let ledger = strike.ledger(place);
    let names: Vec<String> = ledger.segments.iter().map(cosigned_name).collect();
    if !ledger.closed || !names.iter().all(|name| strike.is_fresh(name)) {
        return None;
    }
    names.iter().for_each(|name| drop(strike.files.remove(name)));
    one("UNANCHORED_TAIL", &ledger.id, Some((0, ledger.size() - 1)), strike.whole(place))
}

/// A thief of the epoch's keys shows a witness another history first.
pub(super) fn cosigned_fork(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.place()?;
    let ledger = strike.ledger(place);
    let size = 1 + strike.random.below(ledger.size());
    let root = Hash(strike.random.bytes());
    let head = ledger.head(size, root);
    let note = strike.epoch(place).keys.note(&head, [true; 2]);
    let time_s = ledger.batches.last()?.time_ms / 1_000;
    let note = strike.site.outside().cosigned(&note, &head, time_s);
    let name = CheckpointName { ledger: ledger.id.clone(), size, root, cosigned: true };
    strike.put(&name.to_string(), note);
    one("FORKED", &ledger.id, Some((size - 1, size - 1)), strike.whole(place))
}

/// The line of a witness under a head that it did not sign. The last one proves more: it is left.
pub(super) fn cosignature_moved(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = cosigned(strike)?;
    let (ledger, segment) = (strike.ledger(place), strike.segment(place));
    if place.segment + 1 == ledger.segments.len() {
        return None;
    }
    let (size, root) = (segment.checkpoint.size, segment.checkpoint.root);
    let note = strike.epoch(place).keys.note(&ledger.head(size, root), [true; 2]);
    let other = ledger.head(size, Hash(strike.random.bytes()));
    let time_s = ledger.batches[segment.batches.end - 1].time_ms / 1_000;
    let note = strike.site.outside().cosigned(&note, &other, time_s);
    strike.put(&cosigned_name(segment), note);
    one("MODIFIED", &ledger.id, Some((size - 1, size - 1)), strike.whole(place))
}

/// The host's clock runs an hour ahead of the witness's.
pub(super) fn clock_ahead(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = cosigned(strike)?;
    let (ledger, segment) = (strike.ledger(place), strike.segment(place));
    let head = ledger.head(segment.checkpoint.size, segment.checkpoint.root);
    let note = strike.epoch(place).keys.note(&head, [true; 2]);
    let sealed_s = ledger.batches[segment.batches.start].time_ms / 1_000;
    let time_s = sealed_s - 3_600 - strike.random.below(10_000);
    let note = strike.site.outside().cosigned(&note, &head, time_s);
    strike.put(&cosigned_name(segment), note);
    one("TIME_INCONSISTENT", &ledger.id, Some(segment.range()), strike.whole(place))
}

/// A time stamp that nobody has touched.
fn stamped<'a>(strike: &mut Strike<'a>) -> Option<&'a Stamped> {
    let stamps = &strike.site.outside().stamps;
    let stamp = &stamps[index(strike.random, stamps.len())];
    strike.is_fresh(&Name::Stamp(stamp.name.clone()).to_string()).then_some(stamp)
}

fn restamp(
    strike: &mut Strike<'_>,
    kind: &'static str,
    stamp: &Stamped,
    bytes: Vec<u8>,
) -> Option<Effect> {
    strike.put(&Name::Stamp(stamp.name.clone()).to_string(), bytes);
    let last = stamp.name.size - 1;
    let place = Place { epoch: stamp.epoch, kind: 0, segment: 0 };
    one(kind, &stamp.name.ledger, Some((last, last)), strike.whole(place))
}

pub(super) fn stamp_swapped(strike: &mut Strike<'_>) -> Option<Effect> {
    let (stamp, other) = (stamped(strike)?, stamped(strike)?);
    (stamp.epoch != other.epoch).then_some(())?;
    restamp(strike, "MODIFIED", stamp, other.known.clone())
}

pub(super) fn stamp_cut(strike: &mut Strike<'_>) -> Option<Effect> {
    let stamp = stamped(strike)?;
    let length = index(strike.random, stamp.known.len());
    restamp(strike, "MODIFIED", stamp, stamp.known[..length].to_vec())
}

pub(super) fn stamp_unknown(strike: &mut Strike<'_>) -> Option<Effect> {
    let stamp = stamped(strike)?;
    restamp(strike, "INCOMPLETE", stamp, stamp.unknown.clone())
}

/// What `archive pull` leaves of an oddity: a file that no archive has.
fn oddity() -> super::Expect {
    due("INCOMPLETE", (None, None, None), None)
}

/// Somebody put a second version of an object; the copy has both.
pub(super) fn second_version(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.place()?;
    let file = strike.segment(place).file();
    let version = strike.random.letters(12);
    let bytes = match strike.random.below(2) {
        0 => strike.site.files[&file].to_vec(),
        _ => strike.random.bytes::<64>().to_vec(),
    };
    strike.put(&format!("{file}.version-{version}"), bytes);
    Some(Effect { due: vec![oddity()], area: Area::default(), also: END })
}

/// Somebody hid an object behind a delete marker; the copy has the marker and the hidden version,
/// and not the object.
pub(super) fn delete_marker(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let (ledger, segment) = (strike.ledger(place), strike.segment(place));
    let file = segment.file();
    let bytes = strike.files.remove(&file)?;
    let [version, marker] = [0, 1].map(|_| strike.random.letters(12));
    strike.put(&format!("{file}.version-{version}"), bytes.to_vec());
    strike.put(&format!("{file}.deleted-{marker}"), Vec::new());
    let last = place.segment + 1 == ledger.segments.len();
    let kind = if last { "TRUNCATED" } else { "MISSING" };
    let lost = due(kind, about_ledger(&ledger.id), Some(segment.range()));
    let area = strike.around(place, place.segment);
    // Whoever looks at a neighbour still sees two files that no archive has.
    let also = &["TRUNCATED", "UNCLEAN_END", "UNANCHORED_TAIL", "MISSING", "INCOMPLETE"];
    Some(Effect { due: vec![lost, oddity(), oddity()], area, also })
}
