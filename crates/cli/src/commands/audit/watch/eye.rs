//! The rounds: what is looked at, from where on, and when everything is verified again.
//!
//! A round lists the archive, reads what is new behind the remembered heads, and reads from the
//! beginning whatever ledger has other files before its head than were verified. A full
//! verification reads both ways too: what only the remembered heads betray, such as an end that
//! was cut off with all its checkpoints, must not be forgotten by it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lucarne_archive::{Archive, Directory};
use lucarne_gateway::clock::Clock;
use lucarne_gateway::policy;
use lucarne_ledger::audit::Scope;
use lucarne_ledger::audit::ledger::{LedgerAudit, Step};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::LedgerId;

use super::memory::{Memory, Pass};
use super::names::{Inventory, Noting, Place};
use super::news::Standing;
use super::state::State;
use crate::commands::audit::catalogue::{Catalogue, unreadable};
use crate::commands::audit::reading;
use crate::commands::audit::since::Heads;
use crate::commands::audit::trust::{Judge, Trust};
use crate::commands::audit::verify::{Plan, Verdict};
use crate::failure::Failure;

/// Who looks.
pub(super) struct Eye {
    place: super::Place,
    full_every: Duration,
    clock: Arc<dyn Clock>,
    once: bool,
    memory: Memory,
    // of the policy that the memory was made under
    policy_sha256: Option<Hash>,
    // end of the last full verification by the steady clock, and how long it took
    full: Option<(Duration, Duration)>,
    // since when the register is as it is
    site_since_ms: u64,
}

/// What became of a round.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Looked {
    /// It ended; `full` when everything was verified.
    Whole {
        /// Whether it was.
        full: bool,
    },
    /// Somebody wanted it to end before.
    Stopped,
}

/// A gateway that works beside it needs the other cores.
const JOBS: NonZeroUsize = NonZeroUsize::MIN;
/// New epochs bring full verifications forward, but not to more than a tenth of the time.
const REST: u32 = 10;

impl Eye {
    /// Has seen nothing yet.
    pub(super) fn new(
        place: &super::Place,
        full_every: Duration,
        clock: Arc<dyn Clock>,
        once: bool,
    ) -> Self {
        Self {
            place: place.clone(),
            full_every,
            clock,
            once,
            memory: Memory::default(),
            policy_sha256: None,
            full: None,
            site_since_ms: 0,
        }
    }

    /// Takes over what an earlier watcher knew.
    pub(super) fn remember(&mut self, state: &State) {
        for (id, head) in &state.heads {
            self.memory.put_back(id, head.clone());
        }
        for (place, times) in &state.epochs {
            let epoch = self.memory.epochs.entry(place.clone()).or_default();
            (epoch.first_seen_ms, epoch.moved_ms) = (times.first_seen_ms, times.moved_ms);
        }
    }

    /// Whether any round has ended.
    pub(super) const fn has_looked(&self) -> bool {
        self.full.is_some()
    }

    /// What is known.
    pub(super) const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Of the policy that the last round was judged by.
    pub(super) fn policy_sha256(&self) -> Hash {
        self.policy_sha256.unwrap_or(Hash([0; 32]))
    }

    /// What stands now.
    pub(super) fn standing(&self) -> Standing {
        Standing::of(&self.memory, self.now_ms(), self.site_since_ms, self.once)
    }

    /// Makes a round.
    ///
    /// # Errors
    /// When the policy or the archive cannot be read. What was known is then still known.
    pub(super) fn look(&mut self, stop: &(dyn Fn() -> bool + Sync)) -> Result<Looked, Failure> {
        let policy = std::fs::read(&self.place.policy).map_err(|error| {
            Failure::unreadable(&format!("read {}", self.place.policy.display()), &error)
        })?;
        let policy = Some(Hash::of(&policy));
        let archive = Directory::open_read_only(&self.place.records_dir)
            .map_err(|error| unreadable(&error))?;
        let mut inventory = self.inventory(&archive)?;
        let full = policy != self.policy_sha256 || self.is_full_due(&inventory);
        if full {
            let start = self.clock.elapsed();
            if !self.verify_all(&archive, &inventory, stop)? {
                return Ok(Looked::Stopped);
            }
            self.policy_sha256 = policy;
            let end = self.clock.elapsed();
            self.full = Some((end, end.saturating_sub(start)));
            // What came meanwhile: without it, what was read last would contradict what was read
            // first.
            inventory = self.inventory(&archive)?;
        }
        let whole = self.go_on(&archive, &inventory, stop)?;
        Ok(if whole { Looked::Whole { full } } else { Looked::Stopped })
    }

    fn inventory(&self, archive: &dyn Archive) -> Result<Inventory, Failure> {
        Inventory::of(archive, &self.place.wanted, &self.memory.heads(None))
    }

    fn is_full_due(&self, inventory: &Inventory) -> bool {
        let Some((end, took)) = self.full else { return true };
        let rested = self.clock.elapsed().saturating_sub(end);
        let strange = inventory.epochs.keys().any(|place| !self.memory.epochs.contains_key(place));
        rested >= self.full_every || strange && rested >= took.saturating_mul(REST)
    }

    /// Verifies everything; false when it was stopped.
    fn verify_all(
        &mut self,
        archive: &dyn Archive,
        inventory: &Inventory,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<bool, Failure> {
        let heads = self.memory.heads(None);
        let behind = if heads.is_empty() {
            None
        } else {
            let all = self.memory.epochs.keys().chain(inventory.epochs.keys()).cloned().collect();
            match self.pass(archive, Some(&all), heads, stop)? {
                Some(pass) => Some(pass),
                None => return Ok(false),
            }
        };
        let Some(whole) = self.pass(archive, None, Heads::new(), stop)? else { return Ok(false) };
        self.note_site(inventory);
        self.memory.begin_anew(&whole, behind.as_ref(), inventory, self.now_ms());
        Ok(true)
    }

    /// Verifies what is new; false when it was stopped.
    fn go_on(
        &mut self,
        archive: &dyn Archive,
        inventory: &Inventory,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<bool, Failure> {
        let changed = self.memory.changed(inventory);
        if changed.is_empty() && self.memory.site_names == Some(inventory.site) {
            return Ok(true);
        }
        let heads = self.memory.heads(Some(&changed));
        let Some(behind) = self.pass(archive, Some(&changed), heads, stop)? else {
            return Ok(false);
        };
        let disturbed = self.memory.disturbed(&changed, inventory);
        let whole = if disturbed.is_empty() {
            None
        } else {
            match self.pass(archive, Some(&disturbed), Heads::new(), stop)? {
                Some(pass) => Some(pass),
                None => return Ok(false),
            }
        };
        self.note_site(inventory);
        let whole = whole.as_ref().map(|pass| (&disturbed, pass));
        self.memory.go_on(&changed, &behind, whole, inventory, self.now_ms());
        Ok(true)
    }

    /// Reads some epochs behind these heads, or everything.
    fn pass(
        &self,
        archive: &dyn Archive,
        places: Option<&BTreeSet<Place>>,
        heads: Heads,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Pass>, Failure> {
        let wanted = &self.place.wanted;
        let noting = Noting::new(archive, &heads);
        let mut catalogue = Catalogue::of(&noting, wanted)?;
        catalogue.expect(heads.keys(), wanted);
        if let Some(places) = places {
            catalogue.epochs.retain(|place, _| places.contains(place));
            catalogue.in_json.retain(|place| places.contains(place));
        }
        let judge = self.judge(&noting, &catalogue, places.is_some())?;
        let (above, jobs) = (None, JOBS);
        let plan = Plan { archive: &noting, above, heads: heads.clone(), jobs, stop };
        let mut times = Times::default();
        let verdict = plan.verify(&catalogue, &judge, &mut times)?;
        let Verdict::Whole(report) = verdict else { return Ok(None) };
        let (opened, log_prefix) = (noting.opened(), judge.policy.log_prefix);
        Ok(Some(Pass { report, opened, times: times.0, log_prefix, heads }))
    }

    fn judge(
        &self,
        archive: &dyn Archive,
        catalogue: &Catalogue,
        part: bool,
    ) -> Result<Judge, Failure> {
        let policy =
            policy::read(&self.place.policy).map_err(|error| Failure::usage(error.to_string()))?;
        let mut judge = Trust::Policy(Box::new(policy)).judge(archive, catalogue, &[])?;
        judge.narrow(&self.place.wanted, None, false);
        if part {
            judge.policy.scope = Scope::Part;
        }
        Ok(judge)
    }

    fn note_site(&mut self, inventory: &Inventory) {
        if self.memory.site_names != Some(inventory.site) {
            self.site_since_ms = self.now_ms();
        }
    }

    fn now_ms(&self) -> u64 {
        self.clock.unix_ns() / 1_000_000
    }
}

/// Notes the time of each ledger's last statement.
#[derive(Debug, Default)]
struct Times(BTreeMap<LedgerId, u64>);

impl reading::Watcher for Times {
    fn batch(&mut self, ledger: &LedgerAudit<'_>, step: &Step<'_>) -> Result<(), Failure> {
        if let Some(batch) = &step.batch {
            self.0.insert(ledger.id().clone(), batch.statement().time_ms);
        }
        Ok(())
    }

    fn file(&mut self) {}
}
