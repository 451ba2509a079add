//! The outer layer at work: what slipped the contract is withheld before anything is written.
//!
//! The seal stays valid: the payload is replaced by its commitment and a signed authorisation that
//! names the rule. What the export may show instead is a rewritten copy, marked unsealed, or
//! nothing.

mod control;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use lucarne_ledger::batch::{Content, Record, VerifiedBatch, split_context};
use lucarne_ledger::canary;
use lucarne_ledger::identity::LedgerKind;
use lucarne_ledger::key::{Ed25519Key, SigningFailed};
use lucarne_ledger::record::{NO_CONTEXT, Stream};
use lucarne_ledger::statement::Withholding;
use lucarne_redact::{Hit, OnHit, RuleKind, Rules, Shape, Verdict};

use crate::collector::redaction::Redaction;

/// The rules, and the key whose authority withholds.
#[derive(Debug)]
pub struct OuterLayer {
    rules: Rules,
    key: Ed25519Key,
    /// Those of the pipelines of a collector file: they make the copies, and find what is exempt
    /// from `rules`.
    redactions: Vec<Arc<Redaction>>,
    /// Where a rule of a collector file is written.
    places: BTreeMap<String, String>,
}

/// What the outer layer makes of one message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ScreenedMessage {
    /// Nothing forbidden was found.
    Clean,
    /// Something was found by this rule under this name; the copy without it, if hits are to be
    /// rewritten.
    Hit {
        /// The rule.
        rule: String,
        /// The name.
        key: Option<String>,
        /// What may be exported instead.
        copy: Option<Vec<u8>>,
    },
}

/// A batch as it may be written.
#[derive(Debug, Eq, PartialEq)]
pub struct Screened {
    /// The batch, with holes where something was withheld.
    pub batch: Vec<u8>,
    /// What was withheld, for signals and counters.
    pub withheld: Vec<Hole>,
    /// Copies for export of what was withheld, by sequence number: payloads with their context
    /// index.
    pub copies: Vec<(u64, Bytes)>,
}

/// One withheld record. It never holds the value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hole {
    /// Its sequence number.
    pub seq: u64,
    /// The rule that was hit.
    pub rule: String,
    /// The name at which it was found.
    pub key: Option<String>,
}

impl OuterLayer {
    /// An outer layer whose authorisations `key` signs.
    pub const fn new(rules: Rules, key: Ed25519Key) -> Self {
        Self { rules, key, redactions: Vec::new(), places: BTreeMap::new() }
    }

    /// With the redaction processors of a collector file, and where its rules are written.
    pub(crate) fn guarded(
        mut self,
        redactions: Vec<Arc<Redaction>>,
        places: BTreeMap<String, String>,
    ) -> Self {
        self.redactions = redactions;
        self.places = places;
        self
    }

    /// Where a rule is written, for people; empty for one of the gateway's own file.
    pub fn place_of(&self, rule: &str) -> &str {
        self.places.get(rule).map_or("", String::as_str)
    }

    /// Screens one OTLP message, or a JSON text.
    pub fn screen_message(&self, shape: Shape, message: &[u8]) -> ScreenedMessage {
        // Whatever the rules say: a canary is outside, so the contract is broken.
        if canary::occurs_in(message) {
            return ScreenedMessage::Hit { rule: canary::RULE.to_owned(), key: None, copy: None };
        }
        let (rule, key, hit) = match self.rules.inspect(shape, message) {
            Verdict::Hit(hit) => (hit.rule.to_string(), hit.key.clone(), Some(hit)),
            Verdict::Clean => {
                let found =
                    self.redactions.iter().find_map(|one| Some((one, one.find(shape, message)?)));
                let Some((redaction, finding)) = found else { return ScreenedMessage::Clean };
                let key = Some(finding.key).filter(|key| !key.is_empty());
                (format!("{}:{}", redaction.id, finding.rule), key, None)
            }
        };
        let copy = match self.rules.on_hit() {
            OnHit::Drop => None,
            OnHit::Rewrite => self.copy(shape, message, hit.as_ref()),
        };
        ScreenedMessage::Hit { rule, key, copy }
    }

    // What the processors leave; where that is not clean, or there are none, what the rules leave.
    fn copy(&self, shape: Shape, message: &[u8], hit: Option<&Hit>) -> Option<Vec<u8>> {
        if hit.is_some_and(|hit| matches!(hit.rule.kind, RuleKind::Tag | RuleKind::Unreadable)) {
            return None;
        }
        let mut current = message.to_vec();
        for redaction in &self.redactions {
            current = redaction.copy(shape, &current)?.into_owned();
        }
        match self.rules.inspect(shape, &current) {
            Verdict::Clean => Some(current),
            Verdict::Hit(hit) => self.rules.rewrite(shape, &current, &hit),
        }
    }

    // What is found in the text of a control record; a copy is made of all of it. Canaries are
    // looked for in all of it, too.
    fn screen_control(&self, message: &[u8], kind: LedgerKind) -> ScreenedMessage {
        let whole = || self.screen_message(Shape::Json, message);
        let text = control::text(message, kind).filter(|_| !canary::occurs_in(message));
        let Some(text) = text else { return whole() };
        match self.screen_message(Shape::Json, &text) {
            ScreenedMessage::Hit { rule, key, copy: Some(_) } => match whole() {
                ScreenedMessage::Hit { copy, .. } => ScreenedMessage::Hit { rule, key, copy },
                ScreenedMessage::Clean => ScreenedMessage::Hit { rule, key, copy: None },
            },
            found => found,
        }
    }

    /// Screens a verified batch.
    ///
    /// # Errors
    /// When an authorisation cannot be signed; then nothing of the batch may be written.
    pub fn screen(
        &self,
        batch: &VerifiedBatch<'_>,
        now_ms: u64,
    ) -> Result<Screened, SigningFailed> {
        let mut withheld = Vec::new();
        let mut copies = Vec::new();
        let mut authorities = vec![None; batch.records().len()];
        let numbered = (batch.statement().first..).zip(batch.records());
        let kind = batch.statement().ledger.kind;
        for ((seq, record), authority) in numbered.zip(&mut authorities) {
            let Some((shape, index, message)) = shape(record) else { continue };
            let found = match record.stream {
                Stream::Control => self.screen_control(message, kind),
                Stream::Logs
                | Stream::Metrics
                | Stream::Traces
                | Stream::Audit
                | Stream::Context => self.screen_message(shape, message),
            };
            let ScreenedMessage::Hit { rule, key, copy } = found else { continue };
            let withholding = Withholding {
                ledger: batch.statement().ledger.clone(),
                seq,
                commitment: record.commitment,
                rule: rule.clone(),
                time_ms: now_ms,
            };
            *authority = Some(withholding.sign(&self.key)?);
            copies.extend(copy.map(|copy| (seq, [index, &copy[..]].concat().into())));
            withheld.push(Hole { seq, rule, key });
        }
        let batch = batch.withhold(|position| authorities.get_mut(position).and_then(Option::take));
        Ok(Screened { batch, withheld, copies })
    }
}

/// What the outer layer makes of a line that nothing has sealed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ScreenedLine {
    /// Nothing forbidden was found.
    Clean,
    /// Something was found by this rule; the copy without it, if hits are to be rewritten.
    Hit {
        /// The rule.
        rule: String,
        /// What may be exported instead.
        copy: Option<Vec<u8>>,
    },
}

impl OuterLayer {
    /// Screens one JSON object of a process on the host.
    pub fn screen_line(&self, json: &[u8]) -> ScreenedLine {
        match self.rules.inspect(Shape::Json, json) {
            Verdict::Clean => ScreenedLine::Clean,
            Verdict::Hit(hit) => {
                let rewrites = self.rules.on_hit() == OnHit::Rewrite;
                let copy = rewrites.then(|| self.rules.rewrite(Shape::Json, json, &hit)).flatten();
                ScreenedLine::Hit { rule: hit.rule.to_string(), copy }
            }
        }
    }
}

// What the rules are to look at: the shape, the context index in front, the message behind it.
fn shape<'a>(record: &Record<'a>) -> Option<(Shape, &'a [u8], &'a [u8])> {
    let Content::Present { payload, .. } = record.content else { return None };
    let shape = match record.stream {
        Stream::Control | Stream::Audit => return Some((Shape::Json, &[], payload)),
        Stream::Logs => Shape::LogRecord,
        Stream::Metrics => Shape::Metric,
        Stream::Traces => Shape::Span,
        Stream::Context if split_context(payload)?.0 == NO_CONTEXT => Shape::Resource,
        Stream::Context => Shape::Scope,
    };
    let (index, message) = payload.split_at_checked(4)?;
    Some((shape, index, message))
}

#[cfg(test)]
mod tests;
