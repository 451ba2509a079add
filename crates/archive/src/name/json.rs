//! Names of signed log batches in JSON: one for each number of an epoch and day.

use std::fmt;

use lucarne_ledger::identity::{EpochId, Instance};

use super::{Date, number};

/// `json/<yyyy>/<mm>/<dd>/<instance>/<epoch>/<sequence>.json`
///
/// It has its number for a name and not its content: the number is signed, and of two that claim
/// one place, one loses.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct JsonName {
    /// UTC date of its signed time.
    pub date: Date,
    /// The workload.
    pub instance: Instance,
    /// Its boot.
    pub epoch: EpochId,
    /// Its number, from 1.
    pub sequence: u64,
}

impl JsonName {
    /// Reads what follows `json/`.
    pub(super) fn parse(parts: &[&str]) -> Option<Self> {
        let &[year, month, day, instance, epoch, file] = parts else { return None };
        Some(Self {
            date: Date::new(number(year)?, number(month)?, number(day)?)?,
            instance: instance.parse().ok()?,
            epoch: epoch.parse().ok()?,
            sequence: number(file.strip_suffix(".json")?).filter(|number| *number > 0)?,
        })
    }
}

impl fmt::Display for JsonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { date, instance, epoch, sequence } = self;
        write!(f, "json/{date}/{instance}/{epoch}/{sequence:020}.json")
    }
}
