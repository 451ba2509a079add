//! Signed log batches in JSON on their way into the archive: verified, screened, stored, and only
//! then acknowledged.
//!
//! A batch goes straight to the archive, since nothing exports it: a kill before the object is
//! there leaves it in the enclave, which sends the same bytes again under the same name. A batch in
//! which the outer layer finds something is kept nowhere, whole as it is: its signature could not
//! survive what a record of a ledger survives by its commitment. The records are in the ledgers
//! all the same.

use std::fmt;

use lucarne_archive::name::{Date, JsonName};
use lucarne_archive::{Archive, Name, Put};
use lucarne_ledger::json_batch::taken::{Fate, Taken};
use lucarne_ledger::json_batch::{Certificate, JsonBatchError, SignedLogBatch, VerifiedJsonBatch};

use crate::counters::Counters;
use crate::epochs::Epoch;
use crate::journal::{Journal, Level, Value};
use crate::outer_layer::{OuterLayer, ScreenedLine};

/// What taking a batch needs.
#[derive(Clone, Copy)]
pub struct Taker<'a> {
    /// Where batches go.
    pub archive: &'a dyn Archive,
    /// What must not be written.
    pub outer_layer: &'a OuterLayer,
    /// Whether payloads must be erasable, which a batch in JSON cannot be: then none is kept.
    pub erasable: bool,
    /// Counters.
    pub counters: &'a Counters,
    /// The gateway's own messages.
    pub journal: &'a Journal,
}

/// Why a batch is not taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NotTaken {
    /// It does not verify under the epoch's key.
    Unverified(JsonBatchError),
    /// The key signed what the enclave of this epoch would not: the name of the field.
    Field(&'static str),
    /// The archive failed; it is sent again on the next connection.
    Archive,
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unverified(error) => write!(f, "signed log batch does not verify: {error}"),
            Self::Field(field) => write!(f, "{field} of a signed log batch is not this epoch's"),
            Self::Archive => write!(f, "gateway cannot keep a signed log batch"),
        }
    }
}

impl std::error::Error for NotTaken {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unverified(error) => Some(error),
            Self::Field(_) | Self::Archive => None,
        }
    }
}

impl Taker<'_> {
    /// Takes a batch of an epoch; on return the archive holds it, or nothing does.
    ///
    /// # Errors
    /// When it is not one of this epoch, or cannot be kept.
    pub fn take(&self, json: &[u8], epoch: &Epoch) -> Result<Taken, NotTaken> {
        let unverified = |error| {
            self.counters.json_refused.add(1);
            NotTaken::Unverified(error)
        };
        let parsed = SignedLogBatch::parse(json).map_err(unverified)?;
        let key = &epoch.key.key;
        let batch = parsed.verify(key, Certificate::Sha256(key.id())).map_err(unverified)?;
        let name = name(&batch, epoch)
            .inspect_err(|_| self.counters.json_refused.add(1))
            .map_err(NotTaken::Field)?;
        let fate = match self.outer_layer.screen_line(parsed.payload()) {
            ScreenedLine::Clean if self.erasable => self.withhold(&batch, "erasure"),
            ScreenedLine::Clean => self.store(json, name)?,
            ScreenedLine::Hit { rule, .. } => self.withhold(&batch, &rule),
        };
        Ok(Taken {
            instance: epoch.key.instance.clone(),
            epoch: epoch.key.epoch,
            sequence: batch.sequence(),
            digest: batch.digest(),
            fate,
        })
    }

    fn withhold(&self, batch: &VerifiedJsonBatch, rule: &str) -> Fate {
        self.counters.json_withheld.add(1);
        let fields = [("sequence", Value::Number(batch.sequence())), ("rule", Value::Text(rule))];
        self.journal.note(Level::Warning, "outer layer withheld a signed log batch", &fields);
        Fate::Withheld
    }

    fn store(&self, json: &[u8], name: JsonName) -> Result<Fate, NotTaken> {
        let name = Name::Json(name);
        match self.archive.put(&name, json) {
            Ok(Put::Created | Put::AlreadyIdentical) => {
                self.counters.json_archived.add(1);
                Ok(Fate::Archived)
            }
            Ok(Put::Different) => {
                self.counters.conflicts.add(1);
                let fields = [("object", Value::Shown(&name))];
                self.journal.note(Level::Error, "the name of a signed log batch is taken", &fields);
                // To insist would hold up everything that the enclave sends.
                Ok(Fate::Displaced)
            }
            Err(error) => {
                self.counters.write_failures.add(1);
                let fields = [("error", Value::Shown(&error))];
                self.journal.note(Level::Error, "cannot keep a signed log batch", &fields);
                Err(NotTaken::Archive)
            }
        }
    }
}

/// Where a batch lies, or the field that says it is not of this epoch.
fn name(batch: &VerifiedJsonBatch, epoch: &Epoch) -> Result<JsonName, &'static str> {
    let payload = batch.payload();
    if !batch.sequence_is_signed() || batch.sequence() == 0 {
        return Err("sequence");
    }
    if *payload.tee_measurement != *epoch.measurement {
        return Err("tee_measurement");
    }
    let date = Date::of_timestamp(&payload.timestamp_utc).ok_or("timestamp_utc")?;
    let (instance, epoch) = (epoch.key.instance.clone(), epoch.key.epoch);
    Ok(JsonName { date, instance, epoch, sequence: batch.sequence() })
}

#[cfg(test)]
mod tests;
