//! Attacks on encrypted payloads: on the orders that end data keys, on the keys, on the payloads.

use std::sync::Arc;

use lucarne_archive::data_keys::{DataKeys, Slot};
use lucarne_archive::disk::RealDisk;
use lucarne_archive::encryption::Cipher;
use lucarne_archive::name::Date;
use lucarne_ledger::batch::{self, Content};
use lucarne_ledger::key::Ed25519Key;

use super::super::anchored::ENCRYPTED;
use super::super::arena::DATA_KEYS;
use super::super::expected::Area;
use super::super::sealed::{Entry, seal};
use super::super::site::{Epoch, index};
use super::{Effect, Expect, Place, Strike, about_ledger, due, one};

const ALSO: &[&str] = &["INCOMPLETE", "MODIFIED", "MISSING"];

/// An order that is not one any more says nothing, not even that a key should be here.
pub(super) fn order_refused(strike: &mut Strike<'_>) -> Option<Effect> {
    let anchors = strike.site.outside();
    let name = anchors.order_name.to_string();
    if !strike.is_fresh(&name) {
        return None;
    }
    match strike.random.below(3) {
        0 => {
            let mut bytes = strike.files[&name].to_vec();
            let at = index(strike.random, bytes.len());
            bytes[at] ^= 1 << strike.random.below(8);
            strike.put(&name, bytes);
        }
        1 => {
            let stranger = Ed25519Key::from_seed(&strike.random.bytes()).ok()?;
            strike.put(&name, anchors.order.sign(&stranger).ok()?);
        }
        _ => {
            let mut other = anchors.order_name.clone();
            other.date = Date::of_unix_ms(strike.random.below(1_000_000_000_000));
            let bytes = strike.files.remove(&name)?.to_vec();
            strike.put(&other.to_string(), bytes);
        }
    }
    let found = due("MODIFIED", (None, None, None), None);
    let area = Area { core: ["erasures".to_owned()].into(), ..Area::default() };
    Some(Effect { due: vec![found], area, also: ALSO })
}

/// From the first to the last record of a ledger whose payload is encrypted.
fn unreadable(epoch: &Epoch, kind: usize) -> Expect {
    let (ledger, key) = (&epoch.ledgers[kind], epoch.key());
    let (mut first, mut last) = (u64::MAX, 0);
    for sealed in &ledger.batches {
        let verified = batch::verify(&sealed.bytes, &key).expect("it is genuine");
        for (seq, record) in (sealed.first..).zip(verified.records()) {
            if matches!(record.content, Content::Encrypted) {
                (first, last) = (first.min(seq), seq);
            }
        }
    }
    due("INCOMPLETE", about_ledger(&ledger.id), Some((first, last)))
}

/// Either the order is not there, for a key that is gone, or the key of the other ledger.
pub(super) fn key_thrown_away(strike: &mut Strike<'_>) -> Option<Effect> {
    let kind = index(strike.random, 2);
    let name = match kind {
        0 => strike.site.files.keys().find(|name| {
            name.starts_with(&format!("../{DATA_KEYS}/")) && name.contains(".audit.")
        })?,
        _ => &strike.site.outside().order_name.to_string(),
    };
    if !strike.is_fresh(name) {
        return None;
    }
    strike.files.remove(name);
    let mut area = strike.epoch_area(ENCRYPTED[0], false);
    area.core.extend(strike.epochs_about(ENCRYPTED[1], false));
    let epochs = ENCRYPTED.map(|at| unreadable(&strike.site.epochs[at], kind));
    Some(Effect { due: epochs.into(), area, also: ALSO })
}

/// The same payloads under another key, by somebody whose word about them does not count.
pub(super) fn encrypted_again(strike: &mut Strike<'_>) -> Option<Effect> {
    let place = strike.fresh_place()?;
    let at = strike.pick_batch(place);
    let (ledger, epoch) = (strike.ledger(place), strike.epoch(place));
    let says = |entry: &Entry| matches!(entry, Entry::Said(_));
    if !ENCRYPTED.contains(&place.epoch) || !ledger.plan[at].entries.iter().any(says) {
        return None;
    }
    let plain = seal(&ledger.id, &*epoch.keys, &ledger.plan).swap_remove(at).bytes;
    let bytes = encrypt(strike, place, &plain)?;
    let verified = batch::verify(&bytes, &epoch.key()).ok()?;
    let closed = (ledger.batches[at].first..).zip(verified.records());
    let closed = closed.filter(|(_, record)| matches!(record.content, Content::Encrypted));
    let closed: Vec<u64> = closed.map(|(seq, _)| seq).collect();
    let range = Some((*closed.first()?, *closed.last()?));
    strike.reframe_with(place, at, &bytes);
    one("MISSING", &ledger.id, range, strike.whole(place))
}

fn encrypt(strike: &mut Strike<'_>, place: Place, plain: &[u8]) -> Option<Vec<u8>> {
    let dir = tempfile::tempdir().ok()?;
    let keys = DataKeys::open(Arc::new(RealDisk), dir.path(), || Some([7; 32])).ok()?;
    let stranger = Ed25519Key::from_seed(&strike.random.bytes()).ok()?;
    let cipher = Cipher::new(Arc::new(keys), stranger);
    let encrypted = cipher.encrypt(&Slot::of(&strike.segment(place).name), plain).ok()?;
    encrypted.map(|encrypted| encrypted.bytes)
}
