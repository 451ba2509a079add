//! A proposal for a contract, learnt from captured telemetry: narrow, and silent about what it does
//! not understand.
//!
//! Decided here: what is too free to propose. A value that looks like text, a name, an amount or a
//! secret is refused with its reason, so that the person who signs has to write that rule.

mod rule;

use std::collections::{BTreeMap, BTreeSet};

use lucarne_otlp::wire::WireError;

use self::rule::{Seen, quoted};
use crate::capture::Request;
use crate::capture::values::{self, Found, Spot};

/// What was seen in captures.
#[derive(Debug, Default)]
pub(crate) struct Proposal {
    attributes: BTreeMap<(Spot, String), Seen>,
    // metrics with the labels that occurred
    metrics: BTreeMap<String, BTreeSet<String>>,
    // bodies, span names and event names, with how often each came
    texts: BTreeMap<Spot, BTreeMap<String, u64>>,
    beyond: bool,
}

impl Proposal {
    /// Learns from requests.
    ///
    /// # Errors
    /// When one is not OTLP.
    pub(crate) fn of(requests: &[Request]) -> Result<Self, WireError> {
        let mut proposal = Self::default();
        for request in requests {
            values::walk(request.signal, &request.bytes, &mut |found| proposal.see(&found))?;
        }
        Ok(proposal)
    }

    fn see(&mut self, found: &Found<'_>) {
        match found.spot {
            Spot::Resource | Spot::Log | Spot::Label => {
                if found.spot == Spot::Label {
                    let labels = self.metrics.entry(found.metric.to_owned()).or_default();
                    labels.insert(found.key.to_owned());
                }
                let key = (found.spot, found.key.to_owned());
                if self.attributes.len() >= NAMES_MAX && !self.attributes.contains_key(&key) {
                    self.beyond = true;
                    return;
                }
                self.attributes.entry(key).or_default().see(found.value);
            }
            Spot::Body | Spot::SpanName | Spot::Event | Spot::Metric => {
                // Anything but text is no catalogue entry.
                let lucarne_otlp::view::AnyValue::String(text) = found.value else { return };
                if found.spot == Spot::Metric {
                    self.metrics.entry(text.to_owned()).or_default();
                    return;
                }
                let texts = self.texts.entry(found.spot).or_default();
                if texts.len() < TEXTS_MAX || texts.contains_key(text) {
                    *texts.entry(text.to_owned()).or_default() += 1;
                }
            }
            Spot::Span => {} // no contract lets one pass
        }
    }

    /// The proposal as a contract with comments.
    pub(crate) fn text(&self) -> String {
        let mut out = String::from(HEADER);
        if self.beyond {
            out.push_str(
                "# More names were seen than a contract can have; the rest is not here.\n",
            );
        }
        out.push_str("contract: proposed/1\n\nlogs:\n  attributes:");
        let log = self.rules(Spot::Log, "    ");
        out.push_str(if log.1 == 0 { " {}\n" } else { "\n" });
        out.push_str(&log.0);
        self.list(&mut out, "  bodies:", Spot::Body);
        let resource = self.rules(Spot::Resource, "    ");
        out.push_str("\nresource:\n  attributes:");
        out.push_str(if resource.1 == 0 { " {}\n" } else { "\n" });
        out.push_str(&resource.0);
        let labels = self.rules(Spot::Label, "  ");
        out.push_str(if labels.1 == 0 { "\nlabels: {}\n" } else { "\nlabels:\n" });
        out.push_str(&labels.0);
        self.write_metrics(&mut out);
        out.push_str("\ntraces:\n  round_times: 1ms\n");
        self.list(&mut out, "  span_names:", Spot::SpanName);
        out
    }

    /// The rules of a place, and how many there are.
    fn rules(&self, spot: Spot, indent: &str) -> (String, usize) {
        let (mut out, mut count) = (String::new(), 0);
        for ((_, key), seen) in self.attributes.iter().filter(|((of, _), _)| *of == spot) {
            match seen.rule(key) {
                Ok(rule) if spot != Spot::Log || !is_reserved(key) => {
                    count += 1;
                    let said = format!("{indent}{}: {rule}  # {}\n", quoted(key), seen.told());
                    out.push_str(&said);
                }
                Ok(_) => out.push_str(&format!(
                    "{indent}# refused: {}: the ledger or the exporters use the name\n",
                    quoted(key)
                )),
                Err(why) => {
                    out.push_str(&format!("{indent}# refused: {}: {why}\n", quoted(key)));
                }
            }
        }
        (out, count)
    }

    fn list(&self, out: &mut String, title: &str, spot: Spot) {
        let empty = BTreeMap::new();
        let texts = self.texts.get(&spot).unwrap_or(&empty);
        let listed = texts.iter().filter(|(text, count)| **count > 1 && rule::is_catalogue(text));
        let listed: Vec<&String> = listed.map(|(text, _)| text).take(LISTED_MAX).collect();
        let refused = texts.len() - listed.len();
        out.push_str(title);
        out.push_str(if listed.is_empty() { " []\n" } else { "\n" });
        listed.iter().for_each(|text| out.push_str(&format!("    - {}\n", quoted(text))));
        if refused > 0 {
            out.push_str(&format!(
                "    # refused: {refused} texts that came once, have digits, or are too long\n"
            ));
        }
    }

    fn write_metrics(&self, out: &mut String) {
        let named = |name: &&String| rule::is_identifier(name);
        let metrics: Vec<_> = self.metrics.iter().filter(|(name, _)| named(name)).collect();
        out.push_str(if metrics.is_empty() { "\nmetrics: {}\n" } else { "\nmetrics:\n" });
        for (name, labels) in &metrics {
            let kept = labels.iter().filter(|label| {
                let seen = self.attributes.get(&(Spot::Label, (*label).clone()));
                seen.is_some_and(|seen| seen.rule(label).is_ok())
            });
            let kept: Vec<String> = kept.map(|label| quoted(label)).collect();
            out.push_str(&format!("  {}: {{ labels: [{}] }}\n", quoted(name), kept.join(", ")));
        }
        let refused = self.metrics.len() - metrics.len();
        if refused > 0 {
            out.push_str(&format!(
                "  # refused: {refused} metrics whose names are no identifiers\n"
            ));
        }
    }
}

fn is_reserved(key: &str) -> bool {
    let yaml =
        format!("contract: a/1\nlogs: {{ attributes: {{ {}: {{ type: bool }} }} }}\n", quoted(key));
    lucarne_contract::Contract::parse(&yaml).is_err()
}

const HEADER: &str = "\
# PROPOSED from captured telemetry. Nothing of it holds until a person has read every line and
# signed it off: values below were seen in telemetry that no contract had filtered. Refused names
# are workload text, too; remove their lines before this file goes into a measured configuration.
";

/// As many as a contract can have in one place.
const NAMES_MAX: usize = 128;

/// Different texts remembered of one place.
const TEXTS_MAX: usize = 10_000;

/// A catalogue that a person reads.
const LISTED_MAX: usize = 64;

#[cfg(test)]
mod tests;
