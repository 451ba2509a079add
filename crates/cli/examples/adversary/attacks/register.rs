//! Attacks on the register, and those that only the register shows.

use lucarne_archive::Name;
use lucarne_archive::name::RegisterName;
use lucarne_ledger::identity::EpochId;
use lucarne_ledger::key::Ed25519Key;
use lucarne_ledger::register::{Entry, Predecessor};

use super::super::anchored::{cosigned_name, register_files};
use super::super::expected::{Area, Expect};
use super::super::site::{Epoch, index};
use super::{Effect, Strike, about_epoch, about_ledger, due};

/// What an attack on the register may show as, beside one on what it speaks of.
const ALSO: &[&str] = &[
    "TRUNCATED",
    "UNCLEAN_END",
    "UNANCHORED_TAIL",
    "MISSING",
    "INSERTED",
    "INCOMPLETE",
    "FORKED",
    "MODIFIED",
    "ROLLED_BACK",
];

/// The register and all that it speaks of; `None` when somebody was there before.
fn area(strike: &Strike<'_>) -> Option<Area> {
    let of = |name: &&String| name.starts_with(FOLDER);
    let whole =
        strike.files.keys().filter(of).count() == strike.site.files.keys().filter(of).count();
    if !whole || !strike.files.keys().filter(of).all(|name| strike.is_fresh(name)) {
        return None;
    }
    let name = |epoch: &Epoch| format!("{}/{}", epoch.instance(), epoch.binding.epoch_id());
    Some(Area {
        core: [FOLDER.to_owned()].into(),
        epochs: strike.site.epochs.iter().map(name).collect(),
        edge: true,
        ..Area::default()
    })
}

const FOLDER: &str = "register/";

fn found(due: Vec<Expect>, area: Area) -> Option<Effect> {
    Some(Effect { due, area, also: ALSO })
}

/// One finding about the archive as a whole.
fn of_register(kind: &'static str, area: Area) -> Option<Effect> {
    found(vec![due(kind, (None, None, None), None)], area)
}

fn entry(index: usize) -> String {
    RegisterName::Entry { index: index as u64 }.to_string()
}

/// Entries and heads as they are written with the register's own key and the witness's.
fn rewrite(strike: &mut Strike<'_>, entries: &[Entry]) {
    let anchors = strike.site.outside();
    strike.files.retain(|name, _| !name.starts_with(FOLDER));
    strike.files.extend(register_files(entries, &anchors.register, Some(&anchors.witness)));
}

pub(super) fn entry_removed(strike: &mut Strike<'_>) -> Option<Effect> {
    let area = area(strike)?;
    let at = index(strike.random, strike.site.outside().entries.len() - 1);
    strike.files.remove(&entry(at));
    of_register("MISSING", area)
}

pub(super) fn end_of_register(strike: &mut Strike<'_>) -> Option<Effect> {
    let area = area(strike)?;
    let count = strike.site.outside().entries.len();
    let kept = 1 + index(strike.random, count - 1);
    (kept..count).for_each(|at| drop(strike.files.remove(&entry(at))));
    of_register("TRUNCATED", area)
}

/// What is newer than the register as it was once.
pub(super) fn rolled_back(strike: &mut Strike<'_>) -> Option<Effect> {
    let area = area(strike)?;
    let entries = &strike.site.outside().entries;
    let kept = 1 + index(strike.random, entries.len() - 1);
    let began = |entry: &Entry| match entry {
        Entry::Epoch { epoch, .. } => Some(*epoch),
        Entry::End { .. } => None,
    };
    let gone: Vec<EpochId> = entries[kept..].iter().filter_map(began).collect();
    rewrite(strike, &entries[..kept]);
    let unlisted = strike.site.epochs.iter().filter(|e| gone.contains(&e.binding.epoch_id()));
    found(unlisted.map(|epoch| due("INSERTED", about_epoch(epoch), None)).collect(), area)
}

pub(super) fn entry_garbage(strike: &mut Strike<'_>) -> Option<Effect> {
    let area = area(strike)?;
    let name = entry(index(strike.random, strike.site.outside().entries.len()));
    let mut bytes = strike.files[&name].to_vec();
    match strike.random.below(3) {
        0 => bytes.truncate(index(strike.random, bytes.len())),
        1 => bytes.push(0),
        _ => bytes[0] ^= 1 << strike.random.below(8),
    }
    strike.put(&name, bytes);
    of_register("MODIFIED", area)
}

/// Another entry in the place of one: every head from there on excludes it.
pub(super) fn entry_replaced(strike: &mut Strike<'_>) -> Option<Effect> {
    let area = area(strike)?;
    let at = index(strike.random, strike.site.outside().entries.len());
    let mut other = strike.site.outside().entries[at].clone();
    match &mut other {
        Entry::Epoch { time_ms, .. } | Entry::End { time_ms, .. } => {
            *time_ms += 1 + strike.random.below(1_000_000);
        }
    }
    strike.put(&entry(at), other.to_cbor());
    of_register("FORKED", area)
}

/// Appends entries as the register's keeper can.
fn append(strike: &mut Strike<'_>, more: &[Entry]) {
    let entries = [&strike.site.outside().entries[..], more].concat();
    rewrite(strike, &entries);
}

pub(super) fn doubled(strike: &mut Strike<'_>) -> Option<Effect> {
    let area = area(strike)?;
    let epoch = &strike.site.epochs[index(strike.random, strike.site.epochs.len())];
    let before = epoch.before.map(|at| &strike.site.epochs[at]);
    append(strike, &[super::super::anchored::began(epoch, before)]);
    found(vec![due("DUPLICATE", about_epoch(epoch), None)], area)
}

/// An entry for a boot that nobody has seen.
fn unknown(strike: &mut Strike<'_>, like: &Epoch, before: Option<&Epoch>) -> (Entry, Expect) {
    let mut entry = super::super::anchored::began(like, None);
    let id = EpochId(strike.random.bytes());
    if let Entry::Epoch { epoch, predecessor, .. } = &mut entry {
        *epoch = id;
        *predecessor = before
            .map(|before| Predecessor { epoch: before.binding.epoch_id(), heads: Vec::new() });
    }
    let about = (Some(like.instance().to_string()), Some(id.to_string()), None);
    (entry, due("MISSING", about, None))
}

pub(super) fn phantom(strike: &mut Strike<'_>) -> Option<Effect> {
    let mut area = area(strike)?;
    let like = &strike.site.epochs[index(strike.random, strike.site.epochs.len())];
    let (entry, missing) = unknown(strike, like, None);
    append(strike, &[entry]);
    area.epochs.insert(named(&missing));
    found(vec![missing], area)
}

/// A clone that the register knows of, and that was kept out of the archive.
pub(super) fn two_successors(strike: &mut Strike<'_>) -> Option<Effect> {
    let mut area = area(strike)?;
    let like = &strike.site.epochs[index(strike.random, strike.site.epochs.len())];
    let before = &strike.site.epochs[like.before?];
    let (entry, missing) = unknown(strike, like, Some(before));
    append(strike, &[entry]);
    area.epochs.insert(named(&missing));
    let forked = Expect { kind: "FORKED", ..missing.clone() };
    found(vec![missing, forked], area)
}

fn named(expect: &Expect) -> String {
    let (instance, epoch, _) = &expect.subject;
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{}/{}", text(instance), text(epoch))
}

pub(super) fn unlisted(strike: &mut Strike<'_>) -> Option<Effect> {
    let area = area(strike)?;
    let epoch = &strike.site.epochs[index(strike.random, strike.site.epochs.len())];
    let id = epoch.binding.epoch_id();
    let mut entries = strike.site.outside().entries.clone();
    entries.retain(|entry| match entry {
        Entry::Epoch { epoch, .. } => *epoch != id,
        Entry::End { ledger, .. } => ledger.epoch != id,
    });
    rewrite(strike, &entries);
    found(vec![due("INSERTED", about_epoch(epoch), None)], area)
}

pub(super) fn removed(strike: &mut Strike<'_>) -> Option<Effect> {
    let area = area(strike)?;
    strike.files.retain(|name, _| !name.starts_with(FOLDER));
    of_register("INCOMPLETE", area)
}

/// A witness that remembers the first register does not cosign another.
pub(super) fn begun_anew(strike: &mut Strike<'_>) -> Option<Effect> {
    let area = area(strike)?;
    let (last, first) = strike.site.epochs.split_last()?;
    let entries = [super::super::anchored::began(last, None)];
    let key = &strike.site.outside().register;
    strike.files.retain(|name, _| !name.starts_with(FOLDER));
    strike.files.extend(register_files(&entries, key, None));
    let mut all = vec![due("UNANCHORED_TAIL", (None, None, None), None)];
    all.extend(first.iter().map(|epoch| due("INSERTED", about_epoch(epoch), None)));
    found(all, area)
}

pub(super) fn by_a_stranger(strike: &mut Strike<'_>) -> Option<Effect> {
    let area = area(strike)?;
    let entries = [super::super::anchored::began(strike.site.epochs.last()?, None)];
    let key = Ed25519Key::from_seed(&strike.random.bytes()).ok()?;
    strike.files.retain(|name, _| !name.starts_with(FOLDER));
    strike.files.extend(register_files(&entries, &key, None));
    of_register("MODIFIED", area)
}

/// The plain heads: of a cosigned one, a flip may also make the witness a stranger.
pub(super) fn head_bit(strike: &mut Strike<'_>) -> Option<Effect> {
    let area = area(strike)?;
    let plain = |name: &&String| {
        name.starts_with(FOLDER) && name.ends_with(".note") && !name.ends_with(".cosigned.note")
    };
    let heads: Vec<String> = strike.files.keys().filter(plain).cloned().collect();
    let name = &heads[index(strike.random, heads.len())];
    let mut note = strike.files[name].to_vec();
    let at = index(strike.random, note.len());
    note[at] ^= 1 << strike.random.below(8);
    strike.put(name, note);
    of_register("MODIFIED", area)
}

pub(super) fn cosignature_withheld(strike: &mut Strike<'_>) -> Option<Effect> {
    let area = area(strike)?;
    let cosigned = |name: &&String| name.starts_with(FOLDER) && name.ends_with(".cosigned.note");
    let last = strike.files.keys().rfind(cosigned)?.clone();
    strike.files.remove(&last);
    of_register("UNANCHORED_TAIL", area)
}

/// A boot that no later one names.
pub(super) fn boot_removed(strike: &mut Strike<'_>) -> Option<Effect> {
    let at = index(strike.random, strike.site.epochs.len());
    let epoch = &strike.site.epochs[at];
    if epoch.after.is_some() || !strike.is_epoch_fresh(epoch) {
        return None;
    }
    let own = format!("{}/{}", epoch.instance(), epoch.binding.epoch_id());
    strike.files.retain(|name, _| !name.contains(&own));
    found(vec![due("MISSING", about_epoch(epoch), None)], strike.epoch_area(at, true))
}

/// Takes everything of a ledger away that is newer than so many segments.
fn cut(strike: &mut Strike<'_>, epoch: usize, kind: usize, kept: usize) -> Expect {
    let ledger = &strike.site.epochs[epoch].ledgers[kind];
    for segment in &ledger.segments[kept..] {
        let stamp = Name::Stamp(segment.checkpoint.clone()).to_string();
        for name in [segment.file(), segment.note(), cosigned_name(segment), stamp] {
            strike.files.remove(&name);
        }
    }
    let first = ledger.segments[kept].name.first;
    due("TRUNCATED", about_ledger(&ledger.id), Some((first, ledger.size() - 1)))
}

pub(super) fn end_removed(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.place()?;
    let ledger = strike.ledger(place);
    if !ledger.closed || !strike.is_epoch_fresh(strike.epoch(place)) {
        return None;
    }
    let kept = 1 + index(strike.random, ledger.segments.len() - 1);
    let lost = cut(strike, place.epoch, place.kind, kept);
    found(vec![lost], strike.whole(place))
}

/// A store that serves the archive of some time ago, and the register of today.
pub(super) fn stale_prefix(strike: &mut Strike<'_>) -> Option<Effect> {
    let at = index(strike.random, strike.site.epochs.len());
    let epoch = &strike.site.epochs[at];
    if epoch.after.is_some() || !strike.is_epoch_fresh(epoch) {
        return None;
    }
    let lost = [0, 1].map(|kind| {
        let kept = 1 + index(strike.random, epoch.ledgers[kind].segments.len() - 1);
        cut(strike, at, kind, kept)
    });
    found(lost.into(), strike.epoch_area(at, false))
}
