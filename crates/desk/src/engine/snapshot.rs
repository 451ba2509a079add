//! Starts that do not read the whole log: every so many entries the state is kept beside it, and
//! its digest becomes an entry, which is sealed like all others.
//!
//! The state is still made from the log and from nothing else: a snapshot is believed when the seal
//! over its entry verifies and its bytes have that digest, it is of this version, and it is in its
//! one spelling. Anything else is passed over and the log is read from its first entry; bytes of
//! another digest are an attack, and are told as one. Entry and bytes are one transaction.

use super::sweep::first_broken;
use super::{Engine, READ_AT_ONCE, Taken, catch_up};
use crate::decide::Desk;
use crate::digest::Digest;
use crate::event::{Event, Input};
use crate::person::Actor;
use crate::policy::{Policy, Profile};
use crate::state::State;
use crate::store::{Store, StoreError};
use lucarne_ledger::identity::Instance;
use lucarne_ledger::key::PublicKey;

/// The log as it was read.
pub(super) struct Read {
    /// The state after its last entry.
    pub(super) desk: Desk,
    /// The first batch that is not what was sealed.
    pub(super) broken: Option<u64>,
    /// The entry that it was read from; none: the first.
    pub(super) from: Option<u64>,
}

enum Looked {
    Good(Box<State>, u64),
    // not sealed yet, of another version, or under a batch that is broken
    PassedOver,
    Forged(u64),
}

/// Reads and verifies the log, by the newest snapshot that can be believed. What was sealed before
/// it is not looked at here.
///
/// # Errors
/// When the store cannot be read, or is another desk's.
pub(super) fn read(
    store: &mut Store,
    desk: &Instance,
    key: &PublicKey,
) -> Result<Read, StoreError> {
    let mut forged = None;
    for seq in store.snapshots()? {
        match look(store, desk, key, seq)? {
            Looked::Good(state, position) => {
                let broken = first_broken(store, desk, key, position)?.or(forged);
                let desk = read_on(store, Desk::of(*state))?;
                return Ok(Read { desk, broken, from: Some(seq) });
            }
            Looked::PassedOver => {}
            Looked::Forged(position) => forged = Some(position),
        }
    }
    let broken = first_broken(store, desk, key, 0)?.or(forged);
    // The first entry of a log is a policy; until then there is nothing to decide.
    let empty = Desk::comparing(Policy::shipped(Profile::ResponderDefault));
    Ok(Read { desk: read_on(store, empty)?, broken, from: None })
}

fn look(
    store: &mut Store,
    desk: &Instance,
    key: &PublicKey,
    seq: u64,
) -> Result<Looked, StoreError> {
    let Some(position) = store.sealed_holding(seq)? else { return Ok(Looked::PassedOver) };
    match store.verify_batch(desk, key, position) {
        Ok(()) => {}
        Err(StoreError::Sealed { .. } | StoreError::Shape) => return Ok(Looked::PassedOver),
        Err(cause) => return Err(cause),
    }
    let entry = store.entries(seq, 1)?.into_iter().next();
    let said = entry.map(|entry| (entry.actor, entry.event));
    let Some((Actor::Desk, Event::Input(Input::Snapshot { state, version }))) = said else {
        return Ok(Looked::Forged(position));
    };
    // Another desk may have removed it since it was listed: what is not there forges nothing.
    let Some(body) = store.snapshot(seq)? else { return Ok(Looked::PassedOver) };
    if Digest::of(&body) != state {
        return Ok(Looked::Forged(position));
    }
    let read = State::from_bytes(&body).filter(|read| version == VERSION && read.next_seq == seq);
    Ok(read.map_or(Looked::PassedOver, |state| Looked::Good(Box::new(state), position)))
}

fn read_on(store: &mut Store, mut desk: Desk) -> Result<Desk, StoreError> {
    loop {
        let entries = store.entries(desk.state().next_seq, READ_AT_ONCE)?;
        if entries.is_empty() {
            return Ok(desk);
        }
        entries.iter().for_each(|entry| desk.apply(entry));
    }
}

impl Engine {
    /// Keeps the state when the last time was so many entries ago.
    pub(super) fn snapshot_if_due(&mut self) {
        let since = self.desk.state().next_seq.saturating_sub(self.snapshotted);
        if self.writable && since >= SNAPSHOT_ENTRIES {
            if self.snapshot().is_err() {
                self.parts.metrics.store_failed();
                self.stand_still();
                // A shorter start is not worth this with each group.
                self.snapshotted = self.desk.state().next_seq;
                return;
            }
            // A start believes no snapshot whose entry is not sealed.
            self.seal(0).ok();
        }
    }

    /// Keeps the state as it is now, whatever others appended taken in.
    pub(super) fn snapshot(&mut self) -> Result<(), StoreError> {
        let now = self.now();
        let (desk, channels) = (&mut self.desk, &self.parts.channels);
        let (seq, bodies) = self.parts.store.locked(|store, next| {
            catch_up(desk, store, next)?;
            let body = desk.state().to_bytes();
            let (state, version) = (Digest::of(&body), VERSION.to_owned());
            let input = Input::Snapshot { state, version };
            let mut taken = Taken::default();
            let seq = taken.take(desk, now, Actor::Desk, input, channels).seq;
            let bodies = taken.keep(desk, store)?;
            store.keep_snapshot(seq, &body)?;
            Ok::<_, StoreError>((seq, bodies))
        })?;
        self.sealing.remember(seq, bodies);
        self.snapshotted = seq;
        Ok(())
    }
}

/// What made a state must be what goes on from it.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Some hundred milliseconds of reading.
const SNAPSHOT_ENTRIES: u64 = 16_384;
