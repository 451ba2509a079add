//! Accidents: what kills and full disks leave behind. None of it may be blamed on anybody.

use std::ops::Range;

use lucarne_archive::name::{EpochFile, SealName};

use super::super::expected::{Area, Expect};
use super::super::sealed::Entry;
use super::super::site::{Birth, framed, index, lay_out, ledger_files, segment};
use super::boots::last_boot;
use super::{END, Effect, Place, Strike, about_epoch, about_ledger, due, nothing};

/// The enclave of a last boot is killed: its ledgers have no end, and what it had sealed last may
/// have come without its checkpoint, because the gateway was killed as well.
pub(super) fn killed(strike: &mut Strike<'_>) -> Option<Effect> {
    let at = index(strike.random, strike.site.epochs.len());
    let epoch = &strike.site.epochs[at];
    if epoch.after.is_some() || !strike.is_epoch_fresh(epoch) {
        return None;
    }
    let mut found: Vec<Expect> = Vec::new();
    for ledger in &epoch.ledgers {
        let mut plan = ledger.plan.clone();
        plan.truncate(1 + index(strike.random, plan.len()));
        let last = plan.last_mut()?;
        last.entries.retain(|entry| !matches!(entry, Entry::Close { .. }));
        for segment in &ledger.segments {
            strike.files.remove(&segment.file());
            strike.files.remove(&segment.note());
        }
        let again = lay_out(&ledger.id, &epoch.keys, plan);
        strike.files.extend(ledger_files(&again, &epoch.keys));
        let mut tail = None;
        if strike.random.once_in(2) {
            let last = again.segments.last()?;
            strike.files.remove(&last.note());
            tail = Some(last.range());
        }
        found.push(due("UNCLEAN_END", about_ledger(&ledger.id), tail));
    }
    Some(Effect { due: found, area: strike.epoch_area(at, false), also: END })
}

/// One of many things that mean nothing.
pub(super) fn benign(strike: &mut Strike<'_>) -> Option<Effect> {
    let accidents: [fn(&mut Strike<'_>) -> Option<Effect>; 8] = [
        leftovers,
        torn_write,
        recut,
        recut,
        written_again,
        restarted_at_once,
        unwritten_boot,
        too_young_to_know,
    ];
    strike.random.pick(&accidents)(strike)
}

/// What a killed writer leaves where nobody but the archive looks.
fn leftovers(strike: &mut Strike<'_>) -> Option<Effect> {
    let name = format!(".staging/{}", strike.random.below(100));
    let bytes = strike.random.bytes::<40>().to_vec();
    strike.put(&name, bytes);
    strike.put("notes-of-an-operator.txt", b"power was lost".to_vec());
    nothing(Area::default())
}

/// A copy that was torn half-way lies among the files: something is not as it should be, and that
/// is all that can be said.
fn torn_write(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.place()?;
    let name = format!("{}.tmp", strike.segment(place).file());
    let whole = &strike.site.files[&strike.segment(place).file()];
    let cut = index(strike.random, whole.len());
    if strike.files.keys().any(|name| name.ends_with(".tmp")) {
        return None;
    }
    strike.put(&name, whole[..cut].to_vec());
    let found = due("INCOMPLETE", (None, None, None), None);
    Some(Effect { due: vec![found], area: Area::default(), also: END })
}

/// A gateway that was killed cuts what it archives once more in another way.
fn recut(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.place()?;
    let ledger = strike.ledger(place);
    let from = index(strike.random, ledger.batches.len());
    let to = from + 1 + index(strike.random, ledger.batches.len() - from);
    again(strike, place, from..to)?;
    let mut area = strike.whole(place);
    area.copies = true;
    nothing(area)
}

fn again(strike: &mut Strike<'_>, place: Place, batches: Range<usize>) -> Option<()> {
    let ledger = strike.ledger(place);
    let made = segment(&ledger.id, &ledger.batches, batches.clone());
    // What was sealed again since would be another history.
    let fresh = ledger.segments.iter().all(|segment| strike.is_fresh(&segment.file()));
    if strike.files.contains_key(&made.file()) || !fresh {
        return None;
    }
    let bytes = ledger.batches[batches].iter().map(|batch| &batch.bytes[..]);
    strike.put(&made.file(), framed(bytes));
    let (size, root) = (made.checkpoint.size, made.checkpoint.root);
    let note = strike.epoch(place).keys.note(&ledger.head(size, root), [true; 2]);
    if !strike.files.contains_key(&made.note()) {
        strike.put(&made.note(), note.into_bytes());
    }
    Some(())
}

/// The same records under the next revision: identical, framed in another way, or screened again.
fn written_again(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let (ledger, old) = (strike.ledger(place), strike.segment(place));
    let batches = &ledger.batches[old.batches.clone()];
    let key = strike.epoch(place).key();
    let file = match strike.random.below(3) {
        0 => strike.files[&old.file()].to_vec(),
        1 => {
            framed([&batches.iter().flat_map(|batch| batch.bytes.clone()).collect::<Vec<_>>()[..]])
        }
        _ => {
            let less = |bytes: &[u8]| strike.site.without_some(bytes, &key, |at| at == 0);
            let less: Vec<Vec<u8>> = batches.iter().map(|batch| less(&batch.bytes)).collect();
            framed(less.iter().map(Vec::as_slice))
        }
    };
    let name = SealName { revision: 1, ..old.name.clone() };
    if strike.files.contains_key(&name.to_string()) {
        return None;
    }
    strike.put(&name.to_string(), file);
    let mut area = strike.around(place, place.segment);
    area.copies = true;
    nothing(area)
}

/// A restart within a minute: the next boot is told of what the archive had, and the rest came
/// after.
fn restarted_at_once(strike: &mut Strike<'_>) -> Option<Effect> {
    let (at, before) = last_boot(strike)?;
    let old = &strike.site.epochs[at];
    let earlier = &strike.site.epochs[before];
    let ended = earlier.ledgers.iter().filter_map(|l| l.batches.last()).map(|b| b.time_ms).max()?;
    let previous = [0, 1].map(|kind| {
        let segments = &earlier.ledgers[kind].segments;
        let known = &segments[segments.len() - 2].checkpoint;
        let told = strike.site.told(before, kind);
        Some(lucarne_ledger::control::Previous {
            size: known.size,
            root: known.root.to_string(),
            ..told
        })
    });
    let (instance, insecure) = (old.instance().to_string(), old.insecure);
    let start_ms = ended + strike.random.below(60_000);
    let birth = Birth { instance: &instance, start_ms, insecure, closes: true, previous };
    let epoch = strike.site.epoch(strike.random, &birth);
    let own = format!("{instance}/{}", old.binding.epoch_id());
    strike.files.retain(|name, _| !name.contains(&own));
    strike.files.extend(strike.site.files_of(&epoch));
    let mut area = strike.epoch_area(at, false);
    area.adds(&epoch);
    nothing(area)
}

/// A boot that was killed when only its evidence had arrived.
fn unwritten_boot(strike: &mut Strike<'_>) -> Option<Effect> {
    let (at, _) = last_boot(strike)?;
    let old = &strike.site.epochs[at];
    let (instance, insecure) = (old.instance().to_string(), old.insecure);
    let start_ms = old.attested_ms + 3_600_000;
    let previous = [None, None];
    let birth = Birth { instance: &instance, start_ms, insecure, closes: true, previous };
    let epoch = strike.site.epoch(strike.random, &birth);
    for file in [EpochFile::Evidence, EpochFile::Binding] {
        let name = epoch.file(file);
        let bytes = strike.site.files_of(&epoch)[&name].clone();
        strike.files.insert(name, bytes);
    }
    let found = due("UNCLEAN_END", about_epoch(&epoch), None);
    let mut area = Area::default();
    area.adds(&epoch);
    Some(Effect { due: vec![found], area, also: END })
}

/// A boot that was killed before the gateway had archived a word of it: the next one follows on the
/// same predecessor, within minutes.
fn too_young_to_know(strike: &mut Strike<'_>) -> Option<Effect> {
    let (at, before) = last_boot(strike)?;
    let old = &strike.site.epochs[at];
    let (instance, insecure) = (old.instance().to_string(), old.insecure);
    let previous = [0, 1].map(|kind| Some(strike.site.told(before, kind)));
    let start_ms = old.attested_ms - 30_000 - strike.random.below(300_000);
    let birth = Birth { instance: &instance, start_ms, insecure, closes: true, previous };
    let epoch = strike.site.epoch(strike.random, &birth);
    strike.files.extend(strike.site.files_of(&epoch));
    let mut area = strike.epoch_area(at, false);
    area.adds(&epoch);
    nothing(area)
}
