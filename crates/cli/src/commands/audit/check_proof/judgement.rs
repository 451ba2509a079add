//! What a bundle proves, in words for people who will not read code, and what it does not.
//!
//! Every sentence says who is believed for it. A withheld payload, an insecure root and a missing
//! opening are said first and change the exit code where they must.

use std::io::Write;

use lucarne_attest::Time;
use lucarne_ledger::audit;
use lucarne_ledger::audit::withholding_rule;
use lucarne_ledger::hash::to_hex;
use lucarne_ledger::proof_bundle::{BundledContent, Proven};
use serde_json::{Value, json};

use super::vouchers::Vouchers;
use crate::commands::audit::epochs::Attested;
use crate::commands::audit::record;
use crate::failure::{Exit, Failure};

/// A verdict over one record.
pub(super) struct Judgement<'b> {
    proven: &'b Proven<'b>,
    attested: &'b Attested,
    vouchers: Vouchers,
    content: Told,
}

/// What can be said of the payload.
enum Told {
    /// Here it is, decoded.
    Present(Value),
    /// Left out, by this rule or order.
    Withheld(String),
    /// Left out, and nobody whom the policy names has said so.
    Unauthorised,
}

impl<'b> Judgement<'b> {
    /// Judges what has been proven by what the policy says of withholding.
    pub(super) fn of(
        proven: &'b Proven<'b>,
        attested: &'b Attested,
        vouchers: Vouchers,
        policy: &audit::Policy,
    ) -> Self {
        let (record, ledger) = (proven.record(), &proven.statement().ledger);
        let content = match &record.content {
            BundledContent::Present { payload, .. } => {
                let shown = record::payload(ledger.kind, record.stream, payload, &|index| {
                    proven.context(index)
                });
                // It was sealed so; that it cannot be decoded does not unprove it.
                Told::Present(shown.unwrap_or_else(|_| json!({ "payload": to_hex(payload) })))
            }
            BundledContent::Withheld { commitment, authorisation } => {
                let rule = withholding_rule(ledger, record.seq, *commitment, authorisation, policy);
                rule.map_or(Told::Unauthorised, Told::Withheld)
            }
        };
        Self { proven, attested, vouchers, content }
    }

    /// The answer as a code.
    pub(super) fn exit(&self) -> Exit {
        match self.content {
            _ if self.vouchers.refuse_code() => Exit::No,
            Told::Unauthorised => Exit::No,
            Told::Present(_) | Told::Withheld(_) if self.attested.keys.insecure => Exit::Insecure,
            Told::Present(_) | Told::Withheld(_) => Exit::Yes,
        }
    }

    /// What is proven.
    fn sentence(&self) -> String {
        let (statement, head) = (self.proven.statement(), self.proven.head());
        let ledger = &statement.ledger;
        let claims = &self.attested.epoch.claims;
        let what = match &self.content {
            Told::Present(_) => "with exactly the content below".to_owned(),
            Told::Withheld(rule) => {
                format!("with a content that was withheld afterwards (rule or order: {rule})")
            }
            Told::Unauthorised => {
                "with a content that is withheld here without the word of a key that the policy \
                 names"
                    .to_owned()
            }
        };
        let who = if self.attested.keys.insecure {
            format!(
                "under a key that nothing protects ({} TEE, accepted as INSECURE by the policy): \
                 whoever ran that machine could have made this record",
                claims.kind.as_str()
            )
        } else {
            format!(
                "inside a {} TEE by software with measurement {}, under a key that the hardware's \
                 maker vouches for",
                claims.kind.as_str(),
                claims.measurement()
            )
        };
        let by = self.vouchers.latest_ms().map(|ms| {
            format!(
                " It existed at {} at the latest: others than its host say so.",
                Time::from_unix_ms(ms)
            )
        });
        format!(
            "record {} of the {} ledger of {} (epoch {}) was sealed {what}, {who}. It stands at \
             that number among the {} records whose root this key has signed.{}",
            self.proven.record().seq,
            ledger.kind,
            ledger.instance,
            ledger.epoch,
            head.size,
            by.unwrap_or_default(),
        )
    }

    /// What is not.
    fn limits(&self) -> Vec<String> {
        let time = Time::from_unix_ms(self.proven.statement().time_ms);
        let mut limits = vec![
            "that what the record says is true: its author is believed for that".to_owned(),
            format!(
                "when it was sealed{}: {time} is what the sealing machine's clock said, and its \
                 host sets that clock",
                if self.vouchers.latest_ms().is_some() { ", but for the bound above" } else { "" }
            ),
            "that other records are present or absent: lucarne audit verify judges a whole archive"
                .to_owned(),
        ];
        if self.proven.opened().is_none() {
            limits.push("how the ledger began: its first record is not in the bundle".to_owned());
        }
        if !matches!(self.content, Told::Present(_)) {
            limits.push("what the withheld content was: its commitment alone is known".to_owned());
        }
        limits
    }

    /// Sentences, then the content.
    pub(super) fn write_text(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let verdict = if self.exit() == Exit::No { "NOT ACCEPTED" } else { "PROVEN" };
        writeln!(out, "{verdict}: {}", self.sentence())?;
        writeln!(out, "\nNot proven:")?;
        for limit in self.limits() {
            writeln!(out, "  - {limit}")?;
        }
        writeln!(out, "\nWho else vouches:")?;
        for said in self.vouchers.sentences() {
            writeln!(out, "  - {said}")?;
        }
        writeln!(out)?;
        if let Told::Present(content) = &self.content {
            serde_json::to_writer_pretty(&mut *out, content).map_err(std::io::Error::from)?;
            writeln!(out, "\n")?;
        }
        for (name, value) in self.facts() {
            writeln!(out, "{name}: {value}")?;
        }
        Ok(())
    }

    /// The same for programs.
    pub(super) fn to_json(&self) -> Value {
        let mut shown = json!({
            "schema": "lucarne.check-proof/1",
            "exit": self.exit().code(),
            "sentence": self.sentence(),
            "not_proven": self.limits(),
            "seq": self.proven.record().seq,
            "size": self.proven.head().size,
            "sealed_at_ms": self.proven.statement().time_ms,
            "insecure": self.attested.keys.insecure,
            "vouchers": self.vouchers.to_json(),
        });
        let extra = match &self.content {
            Told::Present(Value::Object(content)) => content.clone(),
            Told::Present(_) => serde_json::Map::new(),
            Told::Withheld(rule) => {
                [("withheld".to_owned(), json!({ "rule": rule }))].into_iter().collect()
            }
            Told::Unauthorised => {
                [("withheld".to_owned(), json!({ "rule": null }))].into_iter().collect()
            }
        };
        if let Value::Object(shown) = &mut shown {
            shown.extend(self.facts().map(|(name, value)| (name.to_owned(), value.into())));
            shown.extend(extra.into_iter().filter(|(_, value)| !value.is_null()));
        }
        shown
    }

    fn facts(&self) -> impl Iterator<Item = (&'static str, String)> {
        let (record, head) = (self.proven.record(), self.proven.head());
        let claims = &self.attested.epoch.claims;
        let deployment = self.attested.epoch.binding.deployment.clone();
        [
            ("origin", Some(head.origin.clone())),
            ("stream", Some(record.stream.to_string())),
            ("record_hash", Some(record.leaf().to_string())),
            ("commitment", Some(record.commitment().to_string())),
            ("root", Some(head.root.to_string())),
            ("tee", Some(claims.kind.as_str().to_owned())),
            ("measurement", Some(claims.measurement().to_string())),
            ("deployment", deployment),
            ("key", Some(self.attested.keys.statement.key.id().to_string())),
            ("evidence_sha256", self.proven.opened().map(|open| open.evidence_sha256.clone())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}
