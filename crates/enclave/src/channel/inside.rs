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

    fn kept(&self) -> Result<&Kept, AnswerError> {
        self.pipeline.inside().caught_up(CATCH_UP).ok_or(AnswerError::Unavailable)
    }
}

impl Answers for Inside {
    fn answer(&self, permit: &Permit, rows: &mut Rows) -> Result<(), AnswerError> {
        let verb = permit.query().verb;
        if verb == Verb::Attestation {
            return self.attestation(permit, rows);
        }
        let store = &self.kept()?.store;
        if verb == Verb::Loki && http::is_followed(permit) {
            // Each look takes a turn of its own.
            return http::follow(store, &self.turns, permit, rows);
        }
        // A document is made first and sent then, to somebody who may be slow.
        match verb {
            Verb::Loki => {
                let prefixes = ["/loki/", "/ready"];
                return http::request(store, &prefixes, &self.turns, permit, rows);
            }
            Verb::Tempo => return http::request(store, &["/api/"], &self.turns, permit, rows),
            _ => {}
        }
        let _turn = self.turns.take(rows)?;
        match verb {
            Verb::Recent => lines::recent(store, permit, rows),
            Verb::Logs => lines::logs(store, permit, rows),
            Verb::Logql => lines::logql(store, permit, rows),
            Verb::Labels => labels::labels(store, permit, rows),
            Verb::Trace => spans::trace(store, permit, rows),
            Verb::Attestation | Verb::Loki | Verb::Tempo => Err(AnswerError::Unavailable),
        }
    }
}
