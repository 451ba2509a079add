//! What can be asked: evidence, and what the inside view keeps.
//!
//! A question waits for what was accepted before it; then the store answers within the limits of
//! the role. Streams that the role may not see do not exist for the engine.

mod allowed;
mod http;
mod labels;
mod lines;
mod spans;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use lucarne_ledger::cbor::Writer;
use lucarne_ledger::hash::from_hex;
use lucarne_link::channel::message::Verb;
use lucarne_store::Store;

use self::turns::Turns;
use super::answers::{AnswerError, Answers, Rows};
use super::permit::Permit;
use crate::inside_store::Kept;
use crate::journal;
use crate::pipeline::Pipeline;
use crate::uplink::Identity;

/// How long a question waits for what was accepted before it: the store's queue at full size.
const CATCH_UP: Duration = Duration::from_secs(5);

/// Answers from what the enclave holds itself.
pub struct Inside {
    identity: Arc<Identity>,
    pipeline: Arc<Pipeline>,
    turns: Turns,
}

impl Inside {
    /// From its evidence and its store.
    pub const fn new(identity: Arc<Identity>, pipeline: Arc<Pipeline>) -> Self {
        Self { identity, pipeline, turns: Turns::new() }
    }

    /// CBOR `[binding, evidence, collateral, fresh evidence, its collateral]`: the first evidence
    /// is of the boot, the second is made now and answers the nonce that is the query's text.
    fn attestation(&self, permit: &Permit, rows: &mut Rows) -> Result<(), AnswerError> {
        let nonce: [u8; 32] = from_hex(&permit.query().text)
            .map_err(|_| AnswerError::Malformed("expected a nonce of 64 hex digits".into()))?;
        let who = &self.identity;
        let fresh = who.fresh(&nonce);
        let fresh = fresh.map_err(|error| {
            journal::warn("channel", &format_args!("the evidence device fails: {error}"));
            AnswerError::Failed("the evidence device fails")
        })?;
        let mut out = Writer::new();
        out.array(5).bytes(&who.binding).bytes(&who.evidence).bytes(&who.collateral);
        out.bytes(&fresh.evidence).bytes(&fresh.collateral);
        Ok(rows.row(&out.finish())?)
    }

    /// Rows go out while they are found, so the turn ends with the last of them.
    fn search(
        &self,
        ask: fn(&Store, &Permit, &mut Rows) -> Result<(), AnswerError>,
        permit: &Permit,
        rows: &mut Rows,
    ) -> Result<(), AnswerError> {
        let kept = self.kept()?;
        let _turn = self.turns.take(rows)?;
        ask(&kept.store, permit, rows)
    }

    fn kept(&self) -> Result<&Kept, AnswerError> {
        self.pipeline.inside().caught_up(CATCH_UP).ok_or(AnswerError::Unavailable)
    }
}

impl Answers for Inside {
    fn answer(&self, permit: &Permit, rows: &mut Rows) -> Result<(), AnswerError> {
        let store = || Ok::<_, AnswerError>(&self.kept()?.store);
        let turns = &self.turns;
        match permit.query().verb {
            Verb::Attestation => self.attestation(permit, rows),
            Verb::Recent => self.search(lines::recent, permit, rows),
            Verb::Logs => self.search(lines::logs, permit, rows),
            Verb::Logql => self.search(lines::logql, permit, rows),
            Verb::Labels => self.search(labels::labels, permit, rows),
            Verb::Trace => self.search(spans::trace, permit, rows),
            // Each look takes a turn; a document is made in one and sent behind it.
            Verb::Loki if http::is_followed(permit) => http::follow(store()?, turns, permit, rows),
            Verb::Loki => http::request(store()?, &["/loki/", "/ready"], turns, permit, rows),
            Verb::Tempo => http::request(store()?, &["/api/"], turns, permit, rows),
        }
    }
}
