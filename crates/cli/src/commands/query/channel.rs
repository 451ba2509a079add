//! The client of the attested channel: judge, then ask, then check what was recorded.

use std::time::Duration;

use aws_lc_rs::rand;
use lucarne_attest::{At, EpochKeys, Rejected, Time, Verified};
use lucarne_gateway::export::timestamp::rfc3339;
use lucarne_ledger::audit::AttestedKeys;
use lucarne_ledger::batch::EpochKey;
use lucarne_ledger::key::PublicKey;
use lucarne_link::channel::client::{AwaitAttested, Exhibit, Part, Ready, Verdict};
use lucarne_link::channel::message::{Done, Granted, Query, Refused};
use lucarne_link::channel::{Binder, ChannelError, end};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::connection::Terms;
use super::line::Line;
use super::receipt::{Ledger, commitment};
use crate::clock;
use crate::failure::{Exit, Failure};

/// Evidence of a connection is asked for while one waits.
const AGE_MS_MAX: u64 = 300_000;
/// Evidence is asked for again before a question when it is as old as this, or when what it was
/// judged with has ended meanwhile.
const RENEW: Duration = Duration::from_secs(60);

/// An enclave whose evidence is accepted.
pub(in crate::commands) struct Channel {
    line: Line,
    binder: Binder,
    // none while an exchange is under way; one that fails ends the channel
    ready: Option<Ready>,
    attested: Instant,
    epoch: EpochKeys,
    ledger: Ledger,
    terms: Terms,
}

/// What became of a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::commands) enum Answer {
    /// It was answered.
    Done {
        /// The record of the question.
        query_seq: u64,
        /// The record of the answer.
        answer_seq: u64,
        rows: u64,
        /// Why there would have been more, if there would.
        partial: Option<String>,
        anchored: bool,
        time_verified: bool,
    },
    /// It was not.
    Refused {
        code: String,
        reason: String,
        /// The record of the refusal.
        seq: Option<u64>,
        time_verified: bool,
    },
}

/// Why a peer is not the enclave that was wanted.
#[derive(Debug)]
enum NotBelieved {
    Channel(ChannelError),
    Evidence(Rejected),
}

impl From<ChannelError> for NotBelieved {
    fn from(error: ChannelError) -> Self {
        Self::Channel(error)
    }
}

impl From<NotBelieved> for Failure {
    fn from(why: NotBelieved) -> Self {
        let what = "the peer is not believed, and nothing was asked";
        match why {
            NotBelieved::Channel(error) => Self::because(Exit::No, what, &error),
            NotBelieved::Evidence(error) => Self::because(Exit::No, what, &error),
        }
    }
}

impl Channel {
    /// Connects and judges the enclave's evidence. Nothing but a challenge is sent.
    ///
    /// # Errors
    /// When it cannot be reached, or is not believed.
    pub(in crate::commands) async fn open(terms: Terms) -> Result<Self, Failure> {
        let (mut line, binder) = Line::open(&terms).await?;
        let (waiting, challenge) = AwaitAttested::begin(nonce()?);
        let (ready, epoch) = exchange(&mut line, &binder, &terms, waiting, &challenge).await?;
        let ledger = Ledger {
            keys: keys(&epoch)?,
            binding: epoch.binding.to_cbor(),
            log_prefix: terms.policy.audit.log_prefix.clone(),
        };
        let (ready, attested) = (Some(ready), Instant::now());
        Ok(Self { line, binder, ready, attested, epoch, ledger, terms })
    }

    /// The epoch that answers.
    pub(in crate::commands) const fn epoch(&self) -> &EpochKeys {
        &self.epoch
    }

    /// What the questions rest on.
    pub(in crate::commands) const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Asks, and hands out the pieces of the answer as they come. Each record is proven.
    ///
    /// # Errors
    /// When the connection fails, a record is not proven, or `take` fails.
    pub(in crate::commands) async fn ask(
        &mut self,
        query: &Query,
        mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<Answer, Failure> {
        let ready = self.ready.take();
        let ready = ready.ok_or_else(|| Failure::new(Exit::Unreadable, "the channel has ended"))?;
        let ready = self.renew(ready).await?;
        let word = self.terms.countersignature.clone();
        let (asked, body) = ready.ask(query.clone(), word);
        self.line.send(&body).await?;
        let granted = asked.on_frame(&self.line.receive().await?);
        let (mut answering, granted) = match granted.map_err(|error| broken(&error))? {
            Verdict::Granted(answering, granted) => (answering, granted),
            Verdict::Refused(ready, refused) => {
                self.ready = Some(ready);
                return self.refused(query, &refused);
            }
        };
        let query_seq = self.granted(query, &granted)?;
        loop {
            let part = answering.on_frame(&self.line.receive().await?);
            answering = match part.map_err(|error| broken(&error))? {
                Part::Chunk(answering, bytes) => {
                    take(&bytes)?;
                    answering
                }
                Part::Done(ready, done) => {
                    self.ready = Some(ready);
                    return self.done(query_seq, &granted, done);
                }
                Part::Refused(ready, refused) => {
                    self.ready = Some(ready);
                    return self.failed(query_seq, &refused);
                }
            };
        }
    }

    async fn renew(&mut self, ready: Ready) -> Result<Ready, Failure> {
        let now = Time::from_unix_ms(clock::unix_ms());
        if !is_due(self.attested.elapsed(), now, self.epoch.claims.holds_until) {
            return Ok(ready);
        }
        let (waiting, challenge) = ready.renew(nonce()?);
        let exchanged =
            exchange(&mut self.line, &self.binder, &self.terms, waiting, &challenge).await;
        let (ready, epoch) = exchanged?;
        if epoch.epoch != self.epoch.epoch {
            return Err(Failure::new(Exit::No, "the peer became another epoch on one connection"));
        }
        (self.epoch, self.attested) = (epoch, Instant::now());
        Ok(ready)
    }

    fn granted(&self, query: &Query, granted: &Granted) -> Result<u64, Failure> {
        let recorded = self.ledger.prove(&granted.receipt, self.terms.receipts.as_deref())?;
        let mut says = self.asked(query);
        says.push(("event_type", json!("access.query")));
        says.push(("query_digest", json!(commitment(&granted.salt, &query.text))));
        recorded.says(&says)?;
        Ok(recorded.seq)
    }

    fn done(&self, query_seq: u64, granted: &Granted, done: Done) -> Result<Answer, Failure> {
        let recorded = self.ledger.prove(&done.receipt, self.terms.receipts.as_deref())?;
        recorded.says(&[
            ("event_type", json!("access.answer")),
            ("query_seq", json!(query_seq)),
            ("rows", json!(done.rows)),
            ("bytes", json!(done.bytes)),
        ])?;
        Ok(Answer::Done {
            query_seq,
            answer_seq: recorded.seq,
            rows: done.rows,
            partial: done.partial,
            anchored: granted.anchored,
            time_verified: granted.time_verified,
        })
    }

    fn refused(&self, query: &Query, refused: &Refused) -> Result<Answer, Failure> {
        let mut says = self.asked(query);
        says.push(("event_type", json!("access.refusal")));
        says.push(("reason", json!(refused.code)));
        self.with_record(refused, &says)
    }

    fn failed(&self, query_seq: u64, refused: &Refused) -> Result<Answer, Failure> {
        let says = [("event_type", json!("access.answer")), ("query_seq", json!(query_seq))];
        self.with_record(refused, &says)
    }

    fn with_record(&self, refused: &Refused, says: &[(&str, Value)]) -> Result<Answer, Failure> {
        let Refused { code, reason, receipt, time_verified } = refused.clone();
        let keep = self.terms.receipts.as_deref();
        let recorded = receipt.map(|bytes| self.ledger.prove(&bytes, keep)).transpose()?;
        if let Some(recorded) = &recorded {
            recorded.says(says)?;
        }
        Ok(Answer::Refused { code, reason, seq: recorded.map(|it| it.seq), time_verified })
    }

    fn asked(&self, query: &Query) -> Vec<(&'static str, Value)> {
        vec![
            ("who", json!(self.terms.holder)),
            ("verb", json!(query.verb.as_str())),
            ("from_utc", json!(rfc3339(query.from_ns))),
            ("to_utc", json!(rfc3339(query.to_ns))),
        ]
    }
}

impl Answer {
    /// Prints on standard error what the answer rests on; how the command ends.
    ///
    /// # Errors
    /// When the question was refused.
    pub(in crate::commands) fn conclude(&self, channel: &Channel) -> Result<Exit, Failure> {
        let insecure = channel.epoch().insecure() || channel.terms().policy.any_measurement;
        match self {
            Self::Refused { code, reason, seq, time_verified } => {
                let mut text = format!("refused ({code}): {reason}");
                if let Some(seq) = seq {
                    text.push_str(&format!("; recorded as audit record {seq}"));
                }
                if !time_verified {
                    text.push_str("; time unverified");
                }
                Err(Failure::new(Exit::No, text))
            }
            Self::Done { query_seq, answer_seq, rows, partial, anchored, time_verified } => {
                let mut notes = vec![format!(
                    "{rows} rows; audit records {query_seq} and {answer_seq}, both proven"
                )];
                if !anchored {
                    notes.push("not anchored: no witness has seen the record yet".to_owned());
                }
                if !time_verified {
                    notes.push("time unverified: the host's clock judged the certificate".into());
                }
                if channel.terms().wanted.instance.is_none() {
                    let got = channel.epoch().instance();
                    notes.push(format!("instance not bound: {got} answered, none was asked for"));
                }
                if insecure {
                    notes.push("INSECURE: nothing protects this enclave".to_owned());
                }
                if let Some(why) = partial {
                    notes.push(format!("PARTIAL: {why}"));
                }
                let text: String = notes.iter().map(|note| format!("note: {note}\n")).collect();
                // The answer stands on standard output, whoever reads these.
                std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).ok();
                Ok(match (partial, insecure) {
                    (Some(_), _) => Exit::CouldNotTell,
                    (None, true) => Exit::Insecure,
                    (None, false) => Exit::Yes,
                })
            }
        }
    }
}

/// Whether evidence of this age, judged with what holds until then, is asked for again.
fn is_due(age: Duration, now: Time, holds_until: Time) -> bool {
    age >= RENEW || now >= holds_until
}

/// One challenge and its answer, judged.
async fn exchange(
    line: &mut Line,
    binder: &Binder,
    terms: &Terms,
    waiting: AwaitAttested,
    challenge: &[u8],
) -> Result<(Ready, EpochKeys), Failure> {
    line.send(challenge).await?;
    let shown = waiting.on_frame(&line.receive().await?).map_err(NotBelieved::from)?;
    let judged = shown.judge(binder, &terms.wanted, |exhibit| judge(exhibit, terms));
    Ok(judged?)
}

fn judge(exhibit: &Exhibit<'_>, terms: &Terms) -> Result<EpochKeys, NotBelieved> {
    let now = Time::from_unix_ms(clock::unix_ms());
    let at = At::Live { now, age_max_ms: AGE_MS_MAX };
    let end = end(exhibit.binder, exhibit.nonce);
    let Exhibit { binding, evidence, collateral, .. } = exhibit;
    let trust = terms.policy.terms();
    let collateral = &trust.collateral_for(evidence, collateral);
    let shown = lucarne_attest::Exhibit { evidence, collateral, binding };
    let verified = trust.accepts.verify_channel(&shown, at, &end);
    verified.map(Verified::into_inner).map_err(NotBelieved::Evidence)
}

fn keys(epoch: &EpochKeys) -> Result<AttestedKeys, Failure> {
    let key = PublicKey::from_spki(&epoch.binding.p256_spki)
        .map_err(|error| Failure::because(Exit::No, "the epoch has no usable key", &error))?;
    Ok(AttestedKeys {
        statement: EpochKey { instance: epoch.instance().clone(), epoch: epoch.epoch, key },
        checkpoint: PublicKey::from_ed25519(&epoch.binding.ed25519),
        insecure: epoch.insecure(),
    })
}

/// 32 fresh random bytes.
///
/// # Errors
/// When there are none.
pub(in crate::commands) fn nonce() -> Result<[u8; 32], Failure> {
    let mut nonce = [0; 32];
    rand::fill(&mut nonce).map_err(|_| Failure::new(Exit::Unreadable, "no random numbers"))?;
    Ok(nonce)
}

fn broken(error: &ChannelError) -> Failure {
    Failure::because(Exit::No, "the enclave breaks the protocol", error)
}

#[cfg(test)]
mod tests;
