//! Receipts: the enclave's record of a question, proven to whoever asked.
//!
//! A receipt is a proof bundle like any other. It is judged by the keys that evidence has vouched
//! for on this very connection, and what it records is compared with what was asked: a record of
//! something else would be no trace of this question.

use std::path::Path;

use lucarne_ledger::audit::AttestedKeys;
use lucarne_ledger::chain;
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::LedgerKind;
use lucarne_ledger::proof_bundle::{BundledContent, ProofBundle};
use lucarne_ledger::record::Stream;
use serde_json::Value;

use crate::failure::{Exit, Failure, chain as causes};

/// Whose ledger a receipt must be of.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) keys: AttestedKeys,
    /// The epoch binding, as it was shown.
    pub(super) binding: Vec<u8>,
    pub(super) log_prefix: String,
}

/// A record that is proven.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Recorded {
    pub(super) seq: u64,
    says: Value,
}

impl Ledger {
    /// Checks the proof, and keeps it where it is wanted.
    pub(super) fn prove(&self, bytes: &[u8], keep: Option<&Path>) -> Result<Recorded, Failure> {
        let recorded = self.check(bytes).map_err(|why| {
            Failure::new(Exit::No, format!("the enclave's receipt is not accepted: {why}"))
        })?;
        if let Some(dir) = keep {
            let path = dir.join(format!("{}-{}.proof", self.keys.statement.epoch, recorded.seq));
            std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&path, bytes)).map_err(
                |error| Failure::unreadable(&format!("write {}", path.display()), &error),
            )?;
        }
        Ok(recorded)
    }

    fn check(&self, bytes: &[u8]) -> Result<Recorded, String> {
        let bundle = ProofBundle::from_cbor(bytes).map_err(|error| causes(&error))?;
        if bundle.binding != self.binding {
            return Err("it is of another epoch".to_owned());
        }
        let proven = bundle.verify(&self.keys, &self.log_prefix);
        let proven = proven.map_err(|error| causes(&error))?;
        let BundledContent::Present { payload, .. } = &proven.record().content else {
            return Err("the record is withheld".to_owned());
        };
        let is_audit = proven.statement().ledger.kind == LedgerKind::Audit
            && proven.record().stream == Stream::Audit
            && chain::split(payload).is_some();
        let says = serde_json::from_slice(payload).ok().filter(|_| is_audit);
        let says = says.ok_or("it is no audit record")?;
        Ok(Recorded { seq: bundle.seq, says })
    }
}

impl Recorded {
    /// Checks that the record says these things.
    pub(super) fn says(&self, expected: &[(&str, Value)]) -> Result<(), Failure> {
        for (key, value) in expected {
            if self.says.get(key) != Some(value) {
                let found = self.says.get(key).cloned().unwrap_or_default();
                let text = format!(
                    "record {} is not of this question: {key} is {found}, not {value}",
                    self.seq
                );
                return Err(Failure::new(Exit::No, text));
            }
        }
        Ok(())
    }
}

/// What stands for the text of a question in its record.
pub(super) fn commitment(salt: &[u8; 32], text: &str) -> String {
    Hash::of(&[&salt[..], text.as_bytes()].concat()).to_string()
}
