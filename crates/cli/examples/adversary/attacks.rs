//! The attacks: each finds itself a place, changes the files, and says from its own definition what
//! must be found.

mod batches;
mod boots;
mod checkpoints;
mod crashes;
mod damage;
mod erasure;
mod forgery;
mod names;
mod outside;
mod register;
mod removal;

use std::collections::BTreeSet;
use std::sync::Arc;

use lucarne_cli::random::Random;
use lucarne_ledger::identity::LedgerId;

use super::expected::{Area, Effect, Expect, Range, Subject};
use super::site::{Epoch, Files, LedgerModel, Segment, Site, index};

/// One way to do harm, or to have an accident.
#[derive(Clone, Copy)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&mut Strike<'_>) -> Option<Effect>,
}

const fn attack(name: &'static str, run: fn(&mut Strike<'_>) -> Option<Effect>) -> Attack {
    Attack { name, run }
}

/// Those on an archive that nothing outside of it anchors.
pub(crate) const ATTACKS: [Attack; 73] = {
    [
        attack("bit flipped in a file", damage::bit),
        attack("bytes overwritten in a file", damage::bytes),
        attack("file cut", damage::cut),
        attack("file emptied", damage::emptied),
        attack("file replaced by garbage", damage::garbage),
        attack("bytes appended to a file", damage::appended),
        attack("bit flipped in a batch, re-framed", batches::bit),
        attack("record removed, re-framed", batches::record_removed),
        attack("record edited, re-framed", batches::record_edited),
        attack("records swapped in a batch, re-framed", batches::records_swapped),
        attack("record doubled in a batch, re-framed", batches::record_doubled),
        attack("salt or seed altered", batches::secret_altered),
        attack("frontier altered", batches::frontier_altered),
        attack("hole beside a seed", batches::seed_and_hole),
        attack("withheld without authority", batches::withheld_unauthorised),
        attack("withheld with a stranger's key", batches::withheld_by_stranger),
        attack("withheld with another record's authority", batches::withheld_for_another),
        attack("authority edited", batches::authority_edited),
        attack("withheld by the key's holder", batches::withheld_by_holder),
        attack("batches removed, re-framed", batches::removed),
        attack("batches reordered in a file", batches::reordered),
        attack("batch doubled in a file", batches::doubled),
        attack("segments removed", removal::segments),
        attack("end removed with its checkpoints", removal::tail),
        attack("ledger removed", removal::ledger),
        attack("ledger removed but for its checkpoints", removal::ledger_but_checkpoints),
        attack("boot removed", removal::boot),
        attack("boot removed but for its evidence", removal::boot_but_evidence),
        attack("stale prefix served", removal::stale_prefix),
        attack("evidence removed", removal::evidence),
        attack("file renamed to other numbers", names::renumbered),
        attack("file renamed to another root", names::rerooted),
        attack("file moved to another day", names::redated),
        attack("file renamed to a later revision", names::revised),
        attack("copy under other numbers", names::copy_renumbered),
        attack("copy under another root", names::copy_rerooted),
        attack("copy under another day", names::copy_redated),
        attack("garbage under a good name", names::garbage),
        attack("deleted and made again by somebody else", forgery::made_again),
        attack("batch of somebody's own key, in its place", forgery::own_key_batch),
        attack("batch of somebody's own key, beside", forgery::own_key_beside),
        attack("batch of somebody's own key, in a file of its own", forgery::own_key_file),
        attack("batch of another ledger, in its place", forgery::foreign_batch),
        attack("batch of another ledger, beside", forgery::foreign_beside),
        attack("file of another ledger", forgery::foreign_file),
        attack("second history beside the first", forgery::fork_beside),
        attack("second history in place of the first", forgery::fork_instead),
        attack("records sealed after the end", forgery::after_close),
        attack("end that lies about its root", forgery::lying_close),
        attack("clock set back", forgery::clock_back),
        attack("sealed before the evidence", forgery::before_evidence),
        attack("silence", forgery::silence),
        attack("bit flipped in a checkpoint", checkpoints::bit),
        attack("signature taken off a checkpoint", checkpoints::stripped),
        attack("checkpoint of somebody's own key", checkpoints::own_key),
        attack("checkpoint of a second history", checkpoints::forked),
        attack("checkpoint beyond the end", checkpoints::beyond),
        attack("checkpoint renamed", checkpoints::renamed),
        attack("checkpoint of another ledger", checkpoints::foreign),
        attack("checkpoint removed", checkpoints::removed),
        attack("all checkpoints removed", checkpoints::all_removed),
        attack("evidence or binding edited", boots::edited),
        attack("evidence or binding swapped", boots::swapped),
        attack("evidence under an unknown root", boots::unknown_root),
        attack("evidence of other code", boots::other_code),
        attack("evidence replaced by other valid evidence", boots::other_evidence),
        attack("boot under an insecure root", boots::downgraded),
        attack("boot told of an old head", boots::rolled_back),
        attack("two boots after one", boots::cloned),
        attack("second version of an object, pulled", outside::second_version),
        attack("object hidden by a delete marker, pulled", outside::delete_marker),
        attack("accident: enclave killed", crashes::killed),
        attack("accident: anything benign", crashes::benign),
    ]
};

/// Those on an archive with a register, witnesses, time stamps and data keys.
pub(crate) const ANCHORED: [Attack; 35] = {
    [
        attack("bit flipped in a file", damage::bit),
        attack("file cut", damage::cut),
        attack("batches removed, re-framed", batches::removed),
        attack("segments removed", removal::segments),
        attack("evidence or binding edited", boots::edited),
        attack("evidence replaced by other valid evidence", boots::other_evidence),
        attack("second version of an object, pulled", outside::second_version),
        attack("last boot removed, which the register names", register::boot_removed),
        attack("end removed with its anchors, which the register names", register::end_removed),
        attack("stale prefix served beside a fresh register", register::stale_prefix),
        attack("entry of the register removed", register::entry_removed),
        attack("end of the register removed", register::end_of_register),
        attack("register rolled back with its heads", register::rolled_back),
        attack("entry of the register made garbage", register::entry_garbage),
        attack("entry of the register replaced", register::entry_replaced),
        attack("epoch listed twice", register::doubled),
        attack("two successors in the register", register::two_successors),
        attack("epoch listed that never was", register::phantom),
        attack("epoch left out of the register", register::unlisted),
        attack("register removed", register::removed),
        attack("register begun anew", register::begun_anew),
        attack("register begun anew by a stranger", register::by_a_stranger),
        attack("bit flipped in a head of the register", register::head_bit),
        attack("cosignature of the register withheld", register::cosignature_withheld),
        attack("last cosignature withheld", outside::cosignature_withheld),
        attack("all cosignatures withheld", outside::cosignatures_withheld),
        attack("second history, cosigned", outside::cosigned_fork),
        attack("cosignature of another head", outside::cosignature_moved),
        attack("sealed long after a witness had seen it", outside::clock_ahead),
        attack("time stamp of another checkpoint", outside::stamp_swapped),
        attack("time stamp cut", outside::stamp_cut),
        attack("time stamp of an unknown authority", outside::stamp_unknown),
        attack("order to erase edited or of a stranger", erasure::order_refused),
        attack("data key thrown away without an order", erasure::key_thrown_away),
        attack("payloads encrypted again by a stranger", erasure::encrypted_again),
    ]
};

/// One case in the making.
pub(crate) struct Strike<'a> {
    pub(crate) site: &'a Site,
    pub(crate) files: Files,
    pub(crate) random: &'a mut Random,
}

/// Positions of an epoch, of its ledger and of a segment of that.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    epoch: usize,
    kind: usize,
    segment: usize,
}

/// What the end of a ledger may look like once what proves it is attacked as well.
const END: &[&str] = &["TRUNCATED", "UNCLEAN_END", "UNANCHORED_TAIL", "MISSING", "ROLLED_BACK"];

impl<'a> Strike<'a> {
    /// A place whose file is there.
    fn place(&mut self) -> Option<Place> {
        let epoch = index(self.random, self.site.epochs.len());
        let kind = index(self.random, 2);
        let segment = index(self.random, self.site.epochs[epoch].ledgers[kind].segments.len());
        let place = Place { epoch, kind, segment };
        self.files.contains_key(&self.segment(place).file()).then_some(place)
    }

    /// A place whose file nobody has touched.
    fn fresh_place(&mut self) -> Option<Place> {
        let place = self.place()?;
        let fresh = self.is_fresh(&self.segment(place).file());
        fresh.then_some(place)
    }

    fn epoch(&self, place: Place) -> &'a Epoch {
        &self.site.epochs[place.epoch]
    }

    fn ledger(&self, place: Place) -> &'a LedgerModel {
        &self.epoch(place).ledgers[place.kind]
    }

    fn segment(&self, place: Place) -> &'a Segment {
        &self.ledger(place).segments[place.segment]
    }

    /// Whether a file is as the site left it.
    fn is_fresh(&self, name: &str) -> bool {
        match (self.files.get(name), self.site.files.get(name)) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }

    /// Whether nothing of an epoch was touched.
    fn is_epoch_fresh(&self, epoch: &Epoch) -> bool {
        let own = format!("{}/{}", epoch.instance(), epoch.binding.epoch_id());
        let mine = |name: &&String| name.contains(&own);
        let names: Vec<&String> = self.files.keys().filter(mine).collect();
        names.len() == self.site.files.keys().filter(mine).count()
            && names.into_iter().all(|name| self.is_fresh(name))
    }

    fn put(&mut self, name: &str, bytes: Vec<u8>) {
        self.files.insert(name.to_owned(), bytes.into());
    }

    fn batch(&self, place: Place, at: usize) -> &'a [u8] {
        &self.ledger(place).batches[at].bytes
    }

    /// Writes the file of a place with these batches, one a frame.
    fn reframe<'b>(&mut self, place: Place, batches: impl IntoIterator<Item = &'b [u8]>) {
        let file = super::site::framed(batches);
        let name = self.segment(place).file();
        self.put(&name, file);
    }

    /// Writes the file of a place with another batch at one position.
    fn reframe_with(&mut self, place: Place, at: usize, other: &[u8]) {
        let ledger = self.ledger(place);
        let range = self.segment(place).batches.clone();
        let bytes = |position: usize| {
            if position == at { other } else { &ledger.batches[position].bytes[..] }
        };
        let all: Vec<&[u8]> = range.map(bytes).collect();
        self.reframe(place, all);
    }

    /// A batch of a place.
    fn pick_batch(&mut self, place: Place) -> usize {
        let range = self.segment(place).batches.clone();
        range.start + index(self.random, range.len())
    }

    fn batch_range(&self, place: Place, at: usize) -> Range {
        let batch = &self.ledger(place).batches[at];
        Some((batch.first, batch.end - 1))
    }

    /// The neighbourhood of some segments of a ledger.
    fn around(&self, place: Place, last: usize) -> Area {
        let ledger = self.ledger(place);
        let from = place.segment.saturating_sub(1);
        let to = (last + 1).min(ledger.segments.len() - 1);
        let edge = place.segment == 0 || last + 1 == ledger.segments.len();
        let span = (ledger.segments[from].name.first, ledger.segments[to].name.last);
        Area {
            core: self.epochs_about(place.epoch, false),
            epochs: self.epochs_about(place.epoch, edge),
            span: Some((ledger.id.clone(), span.0, span.1)),
            edge,
            ..Area::default()
        }
    }

    /// A whole ledger.
    fn whole(&self, place: Place) -> Area {
        let id: LedgerId = self.ledger(place).id.clone();
        let core = self.epochs_about(place.epoch, false);
        let epochs = self.epochs_about(place.epoch, true);
        Area { core, epochs, span: Some((id, 0, u64::MAX)), edge: true, ..Area::default() }
    }

    /// A whole epoch.
    fn epoch_area(&self, epoch: usize, hides: bool) -> Area {
        let core = self.epochs_about(epoch, false);
        Area { core, epochs: self.epochs_about(epoch, true), edge: true, hides, ..Area::default() }
    }

    fn epochs_about(&self, epoch: usize, neighbours: bool) -> BTreeSet<String> {
        let one = &self.site.epochs[epoch];
        let others = [one.before, one.after].into_iter().flatten().filter(|_| neighbours);
        others
            .chain([epoch])
            .map(|at| &self.site.epochs[at])
            .map(|epoch| format!("{}/{}", epoch.instance(), epoch.binding.epoch_id()))
            .collect()
    }
}

fn about_ledger(id: &LedgerId) -> Subject {
    (Some(id.instance.to_string()), Some(id.epoch.to_string()), Some(id.kind.to_string()))
}

fn about_epoch(epoch: &Epoch) -> Subject {
    (Some(epoch.instance().to_string()), Some(epoch.binding.epoch_id().to_string()), None)
}

fn due(kind: &'static str, subject: Subject, range: Range) -> Expect {
    Expect { kind, subject, ranges: vec![range] }
}

/// One finding on a ledger.
fn one(kind: &'static str, id: &LedgerId, range: Range, area: Area) -> Option<Effect> {
    Some(Effect { due: vec![due(kind, about_ledger(id), range)], area, also: END })
}

/// Nothing to be found.
fn nothing(area: Area) -> Option<Effect> {
    Some(Effect { due: vec![], area, also: END })
}
