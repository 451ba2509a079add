//! Damage to files by somebody who does not care for their form.

use super::super::site::index;
use super::{Effect, Place, Strike, one};

/// Header of a file, and head of a frame: length and digest.
const MAGIC_BYTES: usize = 8;
const HEAD_BYTES: usize = 36;

/// Where each frame begins, and where the file ends.
fn frames(file: &[u8]) -> Vec<usize> {
    let mut starts = vec![MAGIC_BYTES];
    let mut at = MAGIC_BYTES;
    while at < file.len() {
        let head = file[at..at + 4].try_into().expect("a whole frame");
        at += HEAD_BYTES + u32::from_be_bytes(head) as usize;
        starts.push(at);
    }
    starts
}

/// From the first record of the frame that holds a byte to the last one of the file.
fn lost_from(strike: &Strike<'_>, place: Place, file: &[u8], byte: usize) -> (u64, u64) {
    let frame = frames(file).iter().filter(|start| **start <= byte).count().saturating_sub(1);
    let segment = strike.segment(place);
    (strike.ledger(place).batches[segment.batches.start + frame].first, segment.name.last)
}

fn damaged(
    strike: &mut Strike<'_>,
    place: Place,
    change: impl FnOnce(&mut Strike<'_>, &mut Vec<u8>) -> Option<usize>,
) -> Option<Effect> {
    let name = strike.segment(place).file();
    let mut file = strike.files[&name].to_vec();
    let whole = file.clone();
    let byte = change(strike, &mut file)?;
    let range = lost_from(strike, place, &whole, byte);
    strike.put(&name, file);
    let area = strike.around(place, place.segment);
    one("MODIFIED", &strike.ledger(place).id, Some(range), area)
}

pub(super) fn bit(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    damaged(strike, place, |strike, file| {
        let at = index(strike.random, file.len());
        file[at] ^= 1 << strike.random.below(8);
        Some(at)
    })
}

pub(super) fn bytes(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    damaged(strike, place, |strike, file| {
        let count = 1 + index(strike.random, 50);
        let at = index(strike.random, file.len());
        let end = (at + count).min(file.len());
        for byte in &mut file[at..end] {
            *byte ^= 1 + u8::try_from(strike.random.below(255)).unwrap_or(0);
        }
        Some(at)
    })
}

pub(super) fn garbage(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    damaged(strike, place, |strike, file| {
        let length = 1 + index(strike.random, 2 * file.len());
        *file = (0..length).map(|_| strike.random.bytes::<1>()[0]).collect();
        Some(0)
    })
}

pub(super) fn emptied(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    damaged(strike, place, |strike, file| {
        // Nothing at all, or a header with nothing behind.
        file.truncate(if strike.random.once_in(2) { 0 } else { MAGIC_BYTES });
        Some(0)
    })
}

/// Cut between two frames, whole batches are missing; cut within one, it is no frame any more.
pub(super) fn cut(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let name = strike.segment(place).file();
    let whole = strike.files[&name].to_vec();
    let starts = frames(&whole);
    let at = if strike.random.once_in(3) && starts.len() > 2 {
        starts[1 + index(strike.random, starts.len() - 2)]
    } else {
        1 + index(strike.random, whole.len() - 1)
    };
    if at <= MAGIC_BYTES {
        return None;
    }
    let kind = if starts.contains(&at) { "MISSING" } else { "MODIFIED" };
    let range = lost_from(strike, place, &whole, at);
    strike.put(&name, whole[..at].to_vec());
    let area = strike.around(place, place.segment);
    one(kind, &strike.ledger(place).id, Some(range), area)
}

pub(super) fn appended(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let name = strike.segment(place).file();
    let mut file = strike.files[&name].to_vec();
    for _ in 0..1 + strike.random.below(100) {
        file.push(strike.random.bytes::<1>()[0]);
    }
    strike.put(&name, file);
    let (range, area) = (strike.segment(place).range(), strike.around(place, place.segment));
    one("INSERTED", &strike.ledger(place).id, Some(range), area)
}
