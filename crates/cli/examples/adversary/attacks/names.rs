//! Names that lie about what is in a file, and copies under such names.

use lucarne_archive::name::{Date, SealName};
use lucarne_ledger::hash::Hash;

use super::super::parts::Parts;
use super::super::site::{framed, index};
use super::{Effect, Place, Strike, one};

type Rename = fn(&mut Strike<'_>, Place) -> Option<SealName>;

fn moved(
    strike: &mut Strike<'_>,
    kind: &'static str,
    keeps: bool,
    rename: Rename,
) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let old = strike.segment(place).file();
    let name = rename(strike, place)?.to_string();
    if strike.files.contains_key(&name) {
        return None;
    }
    let bytes = strike.files[&old].to_vec();
    strike.put(&name, bytes);
    if !keeps {
        strike.files.remove(&old);
    }
    let mut area = strike.around(place, place.segment);
    area.copies = keeps;
    // Read out of its turn, it makes a neighbour of every file.
    if let Some((_, first, last)) = &mut area.span {
        (*first, *last) = (0, u64::MAX);
    }
    let range = strike.segment(place).range();
    one(kind, &strike.ledger(place).id, Some(range), area)
}

fn renumber(strike: &mut Strike<'_>, place: Place) -> Option<SealName> {
    let size = strike.ledger(place).size();
    let mut name = strike.segment(place).name.clone();
    let (first, last) = (name.first, name.last);
    match strike.random.below(4) {
        0 => name.last += 1 + strike.random.below(20),
        1 => name.last = name.first + strike.random.below(name.last - name.first + 1),
        2 => name.first = strike.random.below(name.last + 1),
        _ => {
            name.first = strike.random.below(2 * size);
            name.last = name.first + strike.random.below(20);
        }
    }
    ((name.first, name.last) != (first, last)).then_some(name)
}

fn reroot(strike: &mut Strike<'_>, place: Place) -> Option<SealName> {
    let name = strike.segment(place).name.clone();
    Some(SealName { root: Hash(strike.random.bytes()), ..name })
}

fn redate(strike: &mut Strike<'_>, place: Place) -> Option<SealName> {
    let segment = strike.segment(place);
    let time_ms = strike.ledger(place).batches[segment.batches.start].time_ms;
    let days = 1 + strike.random.below(400);
    let ms = days * 86_400_000;
    let time_ms = if strike.random.once_in(2) { time_ms + ms } else { time_ms - ms };
    Some(SealName { date: Date::of_unix_ms(time_ms), ..segment.name.clone() })
}

fn revise(strike: &mut Strike<'_>, place: Place) -> Option<SealName> {
    let revision = 1 + u32::try_from(strike.random.below(20)).unwrap_or(0);
    Some(SealName { revision, ..strike.segment(place).name.clone() })
}

pub(super) fn renumbered(strike: &mut Strike<'_>) -> Option<Effect> {
    moved(strike, "REORDERED", false, renumber)
}

pub(super) fn rerooted(strike: &mut Strike<'_>) -> Option<Effect> {
    moved(strike, "MODIFIED", false, reroot)
}

pub(super) fn redated(strike: &mut Strike<'_>) -> Option<Effect> {
    moved(strike, "REORDERED", false, redate)
}

/// A file that leaves something out with authority may have lost the revisions that told it.
pub(super) fn revised(strike: &mut Strike<'_>) -> Option<Effect> {
    moved(strike, "INCOMPLETE", false, |strike, place| {
        let batches = strike.segment(place).batches.clone();
        let mut parts = batches.map(|at| Parts::of(strike.batch(place, at)));
        parts.all(|parts| parts.secret_kind == 0).then(|| revise(strike, place))?
    })
}

pub(super) fn copy_renumbered(strike: &mut Strike<'_>) -> Option<Effect> {
    moved(strike, "DUPLICATE", true, renumber)
}

pub(super) fn copy_rerooted(strike: &mut Strike<'_>) -> Option<Effect> {
    moved(strike, "DUPLICATE", true, reroot)
}

pub(super) fn copy_redated(strike: &mut Strike<'_>) -> Option<Effect> {
    moved(strike, "DUPLICATE", true, redate)
}

/// Bytes that nobody sealed, under a name that could be one of the ledger's. Where the ledger has
/// no end, they may stand for records that were there once, so it is done within what is there.
pub(super) fn garbage(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.place()?;
    let ledger = strike.ledger(place);
    let size = ledger.size();
    let beyond = if ledger.closed { size + 20 } else { size };
    let first = strike.random.below(beyond);
    let room = if ledger.closed { 20 } else { size - first };
    let last = first + strike.random.below(room.max(1));
    let root = Hash(strike.random.bytes());
    let name = SealName { first, last, root, ..strike.segment(place).name.clone() };
    let length = 1 + index(strike.random, 300);
    let bytes: Vec<u8> = (0..length).map(|_| strike.random.bytes::<1>()[0]).collect();
    let file = if strike.random.once_in(2) { framed([&bytes[..]]) } else { bytes };
    strike.put(&name.to_string(), file);
    let mut area = strike.whole(place);
    area.copies = false;
    let effect = one("INSERTED", &ledger.id, Some((first, last)), area);
    // Where records are not in their place, it may be what is left of them.
    effect.map(|effect| Effect { also: &["MODIFIED", "MISSING"], ..effect })
}
