//! Names of orders to destroy data keys: one for each key.

use std::fmt;

use lucarne_ledger::encryption::KeyId;
use lucarne_ledger::identity::{Instance, LedgerKind};

use super::{Date, number};

/// `erasures/<yyyy>/<mm>/<dd>/<instance>/<ledger>/<key>.cbor`
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ErasureName {
    /// UTC date of the files under the key.
    pub date: Date,
    /// The workload.
    pub instance: Instance,
    /// Which of its ledgers.
    pub kind: LedgerKind,
    /// The key.
    pub key: KeyId,
}

impl ErasureName {
    /// Reads what follows `erasures/`.
    pub(super) fn parse(parts: &[&str]) -> Option<Self> {
        let &[year, month, day, instance, kind, file] = parts else { return None };
        Some(Self {
            date: Date::new(number(year)?, number(month)?, number(day)?)?,
            instance: instance.parse().ok()?,
            kind: kind.parse().ok()?,
            key: file.strip_suffix(".cbor")?.parse().ok()?,
        })
    }
}

impl fmt::Display for ErasureName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { date, instance, kind, key } = self;
        write!(f, "erasures/{date}/{instance}/{kind}/{key}.cbor")
    }
}
