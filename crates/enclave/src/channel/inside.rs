//! What can be asked: evidence, and what the inside view keeps.
//!
//! A question waits for what was accepted before it; then the store answers within the limits of
//! the role. Streams that the role may not see do not exist for the engine.

mod allowed;
mod http;
mod labels;
mod lines;
mod spans;

use std::sync::Arc;
use std::time::Duration;

use lucarne_ledger::cbor::Writer;
use lucarne_ledger::hash::from_hex;
use lucarne_link::channel::message::Verb;

use super::answers::{AnswerError, Answers, Rows};
use super::permit::Permit;
use crate::inside_store::Kept;
use crate::pipeline::Pipeline;
use crate::uplink::Identity;

/// How long a question waits for what was accepted before it: the store's queue at full size.
const CATCH_UP: Duration = Duration::from_secs(5);

/// Answers from what the enclave holds itself.
pub struct Inside {
    identity: Arc<Identity>,
    pipeline: Arc<Pipeline>,
}

impl Inside {
    /// From its evidence and its store.
    pub const fn new(identity: Arc<Identity>, pipeline: Arc<Pipeline>) -> Self {
        Self { identity, pipeline }
    }

    /// CBOR `[binding, evidence, collateral, fresh evidence, its collateral]`: the first evidence
    /// is of the boot, the second is made now and answers the nonce that is the query's text.
    fn attestation(&self, permit: &Permit, rows: &mut Rows) -> Result<(), AnswerError> {
        let nonce: [u8; 32] = from_hex(&permit.query().text)
            .map_err(|_| AnswerError::Malformed("expected a nonce of 64 hex digits".into()))?;
        let who = &self.identity;
        let fresh = who.fresh(&nonce);
        let fresh = fresh.map_err(|_| AnswerError::Failed("the evidence device fails"))?;
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
        match permit.query().verb {
            Verb::Attestation => self.attestation(permit, rows),
            Verb::Recent => lines::recent(&self.kept()?.store, permit, rows),
            Verb::Logs => lines::logs(&self.kept()?.store, permit, rows),
            Verb::Logql => lines::logql(&self.kept()?.store, permit, rows),
            Verb::Labels => labels::labels(&self.kept()?.store, permit, rows),
            Verb::Trace => spans::trace(&self.kept()?.store, permit, rows),
            Verb::Loki => http::request(&self.kept()?.store, &["/loki/", "/ready"], permit, rows),
            Verb::Tempo => http::request(&self.kept()?.store, &["/api/"], permit, rows),
        }
    }
}
