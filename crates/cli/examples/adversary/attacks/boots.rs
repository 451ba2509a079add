//! Attacks on whole boots: their evidence, and what they say of the boot before.

use lucarne_archive::name::EpochFile;

use super::super::site::{Birth, Epoch, MEASUREMENT, index};
use super::{END, Effect, Strike, about_epoch, about_ledger, due};

/// An epoch whose evidence and binding nobody has touched.
fn attested(strike: &mut Strike<'_>) -> Option<usize> {
    let at = index(strike.random, strike.site.epochs.len());
    let epoch = &strike.site.epochs[at];
    let files = [EpochFile::Evidence, EpochFile::Binding];
    files.iter().all(|file| strike.is_fresh(&epoch.file(*file))).then_some(at)
}

fn judged(strike: &Strike<'_>, at: usize, kind: &'static str, hides: bool) -> Option<Effect> {
    let area = strike.epoch_area(at, hides);
    let about = about_epoch(&strike.site.epochs[at]);
    Some(Effect { due: vec![due(kind, about, None)], area, also: END })
}

pub(super) fn edited(strike: &mut Strike<'_>) -> Option<Effect> {
    let at = attested(strike)?;
    let file = strike.random.pick(&[EpochFile::Evidence, EpochFile::Binding]);
    let name = strike.site.epochs[at].file(file);
    let mut bytes = strike.files[&name].to_vec();
    let byte = index(strike.random, bytes.len());
    match strike.random.below(3) {
        0 => bytes.truncate(byte),
        1 => bytes.push(0),
        _ => bytes[byte] ^= 1 << strike.random.below(8),
    }
    strike.put(&name, bytes);
    judged(strike, at, "KEY_NOT_ATTESTED", true)
}

pub(super) fn swapped(strike: &mut Strike<'_>) -> Option<Effect> {
    let at = attested(strike)?;
    let other = index(strike.random, strike.site.epochs.len());
    if at == other {
        return None;
    }
    let which = strike.random.below(3);
    for (number, file) in [EpochFile::Evidence, EpochFile::Binding].into_iter().enumerate() {
        if which == 2 || which == number as u64 {
            let bytes = strike.site.files[&strike.site.epochs[other].file(file)].to_vec();
            strike.put(&strike.site.epochs[at].file(file), bytes);
        }
    }
    judged(strike, at, "KEY_NOT_ATTESTED", true)
}

fn evidence(strike: &mut Strike<'_>, at: usize, bytes: Vec<u8>) {
    let name = strike.site.epochs[at].file(EpochFile::Evidence);
    strike.put(&name, bytes);
}

pub(super) fn unknown_root(strike: &mut Strike<'_>) -> Option<Effect> {
    let at = attested(strike)?;
    let epoch = &strike.site.epochs[at];
    let root = &strike.site.unknown;
    let bytes = root.evidence(&epoch.binding, &MEASUREMENT, epoch.attested_ms);
    evidence(strike, at, bytes);
    judged(strike, at, "KEY_NOT_ATTESTED", true)
}

pub(super) fn other_code(strike: &mut Strike<'_>) -> Option<Effect> {
    let at = attested(strike)?;
    let epoch = &strike.site.epochs[at];
    let root = if epoch.insecure { &strike.site.software } else { &strike.site.hardware };
    let retired = strike.random.bytes();
    let bytes = root.evidence(&epoch.binding, &retired, epoch.attested_ms);
    evidence(strike, at, bytes);
    judged(strike, at, "MEASUREMENT_UNEXPECTED", true)
}

/// Evidence for the same keys, of the same code and under the same root, made at another moment.
pub(super) fn other_evidence(strike: &mut Strike<'_>) -> Option<Effect> {
    let at = attested(strike)?;
    let epoch = &strike.site.epochs[at];
    let root = if epoch.insecure { &strike.site.software } else { &strike.site.hardware };
    let time_ms = epoch.attested_ms + strike.random.below(120_000);
    let bytes = root.evidence(&epoch.binding, &MEASUREMENT, time_ms);
    evidence(strike, at, bytes);
    judged(strike, at, "MODIFIED", false)
}

/// A boot without protection after one that had it: only who was protected can have lost it.
pub(super) fn downgraded(strike: &mut Strike<'_>) -> Option<Effect> {
    let (at, before) = last_boot(strike)?;
    let old = &strike.site.epochs[at];
    if old.insecure || strike.site.epochs[before].insecure {
        return None;
    }
    let previous = [0, 1].map(|kind| Some(strike.site.told(before, kind)));
    let (instance, start_ms) = (old.instance().to_string(), old.attested_ms);
    let birth = Birth { instance: &instance, start_ms, insecure: true, closes: true, previous };
    let epoch = born_again(strike, &birth, at);
    let mut area = strike.epoch_area(at, false);
    area.adds(&epoch);
    Some(Effect { due: vec![due("DOWNGRADED", about_epoch(&epoch), None)], area, also: END })
}

/// A boot in place of the last one of its instance.
fn born_again(strike: &mut Strike<'_>, birth: &Birth<'_>, old: usize) -> Epoch {
    let epoch = strike.site.epoch(strike.random, birth);
    let own = format!("{}/{}", birth.instance, strike.site.epochs[old].binding.epoch_id());
    strike.files.retain(|name, _| !name.contains(&own));
    strike.files.extend(strike.site.files_of(&epoch));
    epoch
}

/// The last boot of an instance that nobody has touched, and the one before.
pub(super) fn last_boot(strike: &mut Strike<'_>) -> Option<(usize, usize)> {
    let at = index(strike.random, strike.site.epochs.len());
    let epoch = &strike.site.epochs[at];
    let before = epoch.before.filter(|_| epoch.after.is_none())?;
    let fresh = [at, before].iter().all(|at| strike.is_epoch_fresh(&strike.site.epochs[*at]));
    fresh.then_some((at, before))
}

/// What a boot is told that comes after the first segments only.
fn old_heads(strike: &mut Strike<'_>, before: usize) -> ([Told; 2], Vec<(usize, u64, u64)>) {
    let mut forgotten = Vec::new();
    let told = [0, 1].map(|kind| {
        let ledger = &strike.site.epochs[before].ledgers[kind];
        let mut told = strike.site.told(before, kind);
        let kept = index(strike.random, ledger.segments.len());
        // One of the two at least is told of an old head.
        if kept + 1 < ledger.segments.len() || kind == 1 && forgotten.is_empty() {
            let segment = &ledger.segments[kept.min(ledger.segments.len() - 2)];
            told.size = segment.checkpoint.size;
            told.root = segment.checkpoint.root.to_string();
            forgotten.push((kind, told.size, ledger.size() - 1));
        }
        Some(told)
    });
    (told, forgotten)
}

type Told = Option<lucarne_ledger::control::Previous>;

pub(super) fn rolled_back(strike: &mut Strike<'_>) -> Option<Effect> {
    let (at, before) = last_boot(strike)?;
    let old = &strike.site.epochs[at];
    let (previous, forgotten) = old_heads(strike, before);
    let instance = old.instance().to_string();
    let (start_ms, insecure) = (old.attested_ms, old.insecure);
    let birth = Birth { instance: &instance, start_ms, insecure, closes: true, previous };
    let epoch = born_again(strike, &birth, at);
    let mut area = strike.epoch_area(at, false);
    area.adds(&epoch);
    let ledgers = &strike.site.epochs[before].ledgers;
    let found = forgotten.into_iter().map(|(kind, size, last)| {
        due("ROLLED_BACK", about_ledger(&ledgers[kind].id), Some((size, last)))
    });
    Some(Effect { due: found.collect(), area, also: END })
}

/// A second boot that goes on from the same one, long before or after the first.
pub(super) fn cloned(strike: &mut Strike<'_>) -> Option<Effect> {
    let (at, before) = last_boot(strike)?;
    let old = &strike.site.epochs[at];
    let shift = 700_000 + strike.random.below(700_000);
    let later = strike.random.once_in(2);
    let start_ms = if later { old.attested_ms + shift } else { old.attested_ms - shift };
    let previous = [0, 1].map(|kind| Some(strike.site.told(before, kind)));
    let instance = old.instance().to_string();
    let insecure = old.insecure;
    let birth = Birth { instance: &instance, start_ms, insecure, closes: true, previous };
    let epoch = strike.site.epoch(strike.random, &birth);
    strike.files.extend(strike.site.files_of(&epoch));
    let mut area = strike.epoch_area(at, false);
    area.adds(&epoch);
    let about = about_epoch(if later { &epoch } else { old });
    Some(Effect { due: vec![due("FORKED", about, None)], area, also: END })
}
