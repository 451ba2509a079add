//! The outer layer at work: what slipped the contract is withheld before anything is written.
//!
//! The seal stays valid: the payload is replaced by its commitment and a signed authorisation that
//! names the rule. What the export may show instead is a rewritten copy, marked unsealed, or
//! nothing.

use lucarne_ledger::batch::{Content, Record, VerifiedBatch, split_context};
use lucarne_ledger::key::{Ed25519Key, SigningFailed};
use lucarne_ledger::record::{NO_CONTEXT, Stream};
use lucarne_ledger::statement::Withholding;
use lucarne_redact::{OnHit, Rules, Shape, Verdict};

/// The rules, and the key whose authority withholds.
#[derive(Debug)]
pub struct OuterLayer {
    rules: Rules,
    key: Ed25519Key,
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
    pub copies: Vec<(u64, Vec<u8>)>,
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
        Self { rules, key }
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
        for ((seq, record), authority) in numbered.zip(&mut authorities) {
            let Some((shape, index, message)) = shape(record) else { continue };
            let Verdict::Hit(hit) = self.rules.inspect(shape, message) else { continue };
            let rule = hit.rule.to_string();
            let withholding = Withholding {
                ledger: batch.statement().ledger.clone(),
                seq,
                commitment: record.commitment,
                rule: rule.clone(),
                time_ms: now_ms,
            };
            *authority = Some(withholding.sign(&self.key)?);
            if self.rules.on_hit() == OnHit::Rewrite {
                let copy = self.rules.rewrite(shape, message, &hit);
                copies.extend(copy.map(|copy| (seq, [index, &copy[..]].concat())));
            }
            withheld.push(Hole { seq, rule, key: hit.key });
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
