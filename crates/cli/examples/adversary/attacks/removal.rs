//! What is taken away whole: files, ledgers, boots, evidence, and all that is newer than a moment.

use lucarne_archive::name::EpochFile;

use super::super::expected::Area;
use super::super::site::index;
use super::{END, Effect, Strike, about_epoch, about_ledger, due, one};

/// A checkpoint beyond what is left tells a removed end.
pub(super) fn segments(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.place()?;
    let ledger = strike.ledger(place);
    let last = (place.segment + index(strike.random, 3)).min(ledger.segments.len() - 1);
    let chosen = &ledger.segments[place.segment..=last];
    if !chosen.iter().all(|segment| strike.is_fresh(&segment.file())) {
        return None;
    }
    for segment in chosen {
        strike.files.remove(&segment.file());
    }
    let kind = if last + 1 == ledger.segments.len() { "TRUNCATED" } else { "MISSING" };
    let range = (chosen[0].name.first, chosen[chosen.len() - 1].name.last);
    one(kind, &ledger.id, Some(range), strike.around(place, last))
}

/// Without its checkpoints a removed end looks like a crash, unless the next boot knows better.
pub(super) fn tail(strike: &mut Strike<'_>) -> Option<Effect> {
    let mut place = strike.place()?;
    let ledger = strike.ledger(place);
    place.segment = place.segment.max(1);
    let chosen = &ledger.segments[place.segment..];
    let fresh = |name: &String| strike.is_fresh(name);
    if !chosen.iter().all(|segment| fresh(&segment.file()) && fresh(&segment.note())) {
        return None;
    }
    for segment in chosen {
        strike.files.remove(&segment.file());
        strike.files.remove(&segment.note());
    }
    let area = strike.around(place, ledger.segments.len() - 1);
    if strike.epoch(place).after.is_some() {
        let range = (chosen[0].name.first, ledger.size() - 1);
        return one("TRUNCATED", &ledger.id, Some(range), area);
    }
    one("UNCLEAN_END", &ledger.id, None, area)
}

pub(super) fn ledger(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.place()?;
    let (epoch, ledger) = (strike.epoch(place), strike.ledger(place));
    if !strike.is_epoch_fresh(epoch) {
        return None;
    }
    for segment in &ledger.segments {
        strike.files.remove(&segment.file());
        strike.files.remove(&segment.note());
    }
    let range = epoch.after.map(|_| (0, ledger.size() - 1));
    one("MISSING", &ledger.id, range, strike.epoch_area(place.epoch, false))
}

pub(super) fn ledger_but_checkpoints(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.place()?;
    let ledger = strike.ledger(place);
    if !strike.is_epoch_fresh(strike.epoch(place)) {
        return None;
    }
    for segment in &ledger.segments {
        strike.files.remove(&segment.file());
    }
    one(
        "TRUNCATED",
        &ledger.id,
        Some((0, ledger.size() - 1)),
        strike.epoch_area(place.epoch, false),
    )
}

/// A boot that no later one names leaves nothing that could miss it.
pub(super) fn boot(strike: &mut Strike<'_>) -> Option<Effect> {
    taken(strike, false)
}

pub(super) fn boot_but_evidence(strike: &mut Strike<'_>) -> Option<Effect> {
    taken(strike, true)
}

fn taken(strike: &mut Strike<'_>, keeps_evidence: bool) -> Option<Effect> {
    let at = index(strike.random, strike.site.epochs.len());
    let epoch = &strike.site.epochs[at];
    if !strike.is_epoch_fresh(epoch) || (epoch.after.is_none() && !keeps_evidence) {
        return None;
    }
    let own = format!("{}/{}", epoch.instance(), epoch.binding.epoch_id());
    let goes = |name: &str| name.contains(&own) && !(keeps_evidence && name.starts_with("epochs/"));
    strike.files.retain(|name, _| !goes(name));
    let kind = if epoch.after.is_some() { "MISSING" } else { "UNCLEAN_END" };
    let area = strike.epoch_area(at, true);
    Some(Effect { due: vec![due(kind, about_epoch(epoch), None)], area, also: END })
}

/// A store that serves the archive of some time ago: later boots are not there, and one has no end.
pub(super) fn stale_prefix(strike: &mut Strike<'_>) -> Option<Effect> {
    let at = index(strike.random, strike.site.epochs.len());
    let epoch = &strike.site.epochs[at];
    // The end that a person has explained is explained here too.
    if !epoch.ledgers[0].closed {
        return None;
    }
    let mut area = strike.epoch_area(at, false);
    let mut gone = epoch.after;
    let mut touched = vec![at];
    while let Some(later) = gone {
        touched.push(later);
        let more = strike.epoch_area(later, false);
        area.core.extend(more.core);
        area.epochs.extend(more.epochs);
        gone = strike.site.epochs[later].after;
    }
    if !touched.iter().all(|at| strike.is_epoch_fresh(&strike.site.epochs[*at])) {
        return None;
    }
    for later in &touched[1..] {
        let epoch = &strike.site.epochs[*later];
        let own = format!("{}/{}", epoch.instance(), epoch.binding.epoch_id());
        strike.files.retain(|name, _| !name.contains(&own));
    }
    let mut found = Vec::new();
    for ledger in &epoch.ledgers {
        let kept = 1 + index(strike.random, ledger.segments.len() - 1);
        for segment in &ledger.segments[kept..] {
            strike.files.remove(&segment.file());
            strike.files.remove(&segment.note());
        }
        found.push(due("UNCLEAN_END", about_ledger(&ledger.id), None));
    }
    Some(Effect { due: found, area, also: END })
}

pub(super) fn evidence(strike: &mut Strike<'_>) -> Option<Effect> {
    let at = index(strike.random, strike.site.epochs.len());
    let epoch = &strike.site.epochs[at];
    let files = [EpochFile::Evidence, EpochFile::Binding];
    if !files.iter().all(|file| strike.is_fresh(&epoch.file(*file))) {
        return None;
    }
    let which = strike.random.below(3);
    for (number, file) in files.into_iter().enumerate() {
        if which == 2 || which == number as u64 {
            strike.files.remove(&epoch.file(file));
        }
    }
    let area = Area { hides: true, ..strike.epoch_area(at, true) };
    Some(Effect { due: vec![due("INCOMPLETE", about_epoch(epoch), None)], area, also: END })
}
