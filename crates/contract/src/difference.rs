//! What a new contract would let leave that the old one does not.
//!
//! Patterns are compared as languages, by walking both automata at once, so an answer comes with
//! the shortest text that leaves anew. The comparison is one-sided: nothing is called new that is
//! not possible by the rules of its slot, and what cannot be decided within bounds counts as new.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::contract::Contract;
use crate::description::{Description, MetricText, RuleText, SlotText};
use crate::error::ContractError;
use crate::pattern::{Beyond, Whole};

/// Something that would leave anew.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewlyLeaving {
    /// Where, as a path of the contract.
    pub path: String,
    /// What is new there, for a person.
    pub what: String,
    /// A text that would leave anew, where there is a shortest one.
    pub example: Option<String>,
}

impl Contract {
    /// What leaves by this contract and not by `before`; empty when nothing does.
    ///
    /// # Errors
    /// None for contracts that were read from a text.
    pub fn newly_leaving(&self, before: &Self) -> Result<Vec<NewlyLeaving>, ContractError> {
        let (old, new) = (before.description()?, self.description()?);
        let mut found = Vec::new();
        guards(&old, &new, &mut found);
        for slot in &new.slots {
            let path = format!("{}.{}", slot.place.as_str(), slot.name);
            let known = old.slots.iter().find(|it| it.place == slot.place && it.name == slot.name);
            match known {
                None => found.push(new_thing(path, "a new name")),
                Some(known) => rule(&path, known, slot, new.value_bytes, &mut found),
            }
        }
        bodies(before, &old, &new, &mut found);
        for metric in &new.metrics {
            let path = format!("metrics.{}", metric.name);
            match old.metrics.iter().find(|known| known.name == metric.name) {
                None => found.push(new_thing(path, "a new metric")),
                Some(known) => metrics(&path, known, metric, &mut found),
            }
        }
        let lists = [
            ("traces.span_names", &old.span_names, &new.span_names),
            ("audit.events", &old.events, &new.events),
        ];
        for (path, old, new) in lists {
            texts(path, old, new, &mut found);
        }
        if !new.round_nanos.is_multiple_of(old.round_nanos) {
            let what = "times of spans, more exactly";
            found.push(new_thing("traces.round_times".to_owned(), what));
        }
        if new.audit_scope != old.audit_scope && new.audit_scope.is_some() {
            found.push(new_thing(
                "audit.select.scope".to_owned(),
                "records of another scope as audit events",
            ));
        }
        if before.egress.is_some() && self.egress != before.egress {
            let what = match self.egress {
                None => "lengths and times of what leaves, which were constant",
                Some(_) => "another constant size or rate, which tells of the change alone",
            };
            found.push(new_thing("egress".to_owned(), what));
        }
        Ok(found)
    }
}

fn new_thing(path: String, what: &str) -> NewlyLeaving {
    NewlyLeaving { path, what: what.to_owned(), example: None }
}

fn guards(old: &Description, new: &Description, found: &mut Vec<NewlyLeaving>) {
    for pattern in &old.reject {
        if !new.reject.contains(pattern) {
            let what = format!("texts that contain {pattern}, where a rule admits them");
            found.push(NewlyLeaving { path: "reject".to_owned(), what, example: None });
        }
    }
    if new.value_bytes > old.value_bytes {
        let what =
            format!("texts of up to {} bytes instead of {}", new.value_bytes, old.value_bytes);
        found.push(NewlyLeaving { path: "limits.value_bytes".to_owned(), what, example: None });
    }
    if new.metric_value > old.metric_value {
        found.push(new_thing("limits.metric_value".to_owned(), "larger values of metrics"));
    }
}

fn rule(
    path: &str,
    old: &SlotText,
    new: &SlotText,
    value_bytes: usize,
    found: &mut Vec<NewlyLeaving>,
) {
    let what = match (&old.rule, &new.rule) {
        (RuleText::OneOf(old), RuleText::OneOf(new)) => return texts(path, old, new, found),
        (
            RuleText::Text { .. } | RuleText::OneOf(_),
            RuleText::Text { .. } | RuleText::OneOf(_),
        ) => {
            let (old, new) = (pattern_of(&old.rule), pattern_of(&new.rule));
            return patterns(path, &old, &new, value_bytes, found);
        }
        (RuleText::Int { min, max }, RuleText::Int { min: least, max: most }) => {
            if least >= min && most <= max {
                return;
            }
            format!("numbers from {least} to {most}, before from {min} to {max}")
        }
        (RuleText::Double { min, max }, RuleText::Double { min: least, max: most }) => {
            if least >= min && most <= max {
                return;
            }
            format!("numbers from {least} to {most}, before from {min} to {max}")
        }
        (RuleText::Bool, RuleText::Bool) => return,
        _ => "values of another type".to_owned(),
    };
    found.push(NewlyLeaving { path: path.to_owned(), what, example: None });
}

/// A pattern for what a rule of texts lets pass.
fn pattern_of(rule: &RuleText) -> String {
    match rule {
        RuleText::Text { pattern } => pattern.clone(),
        RuleText::OneOf(values) => {
            alternatives(values.iter().map(|text| regex_syntax::escape(text)))
        }
        RuleText::Int { .. } | RuleText::Double { .. } | RuleText::Bool => String::new(),
    }
}

fn alternatives(patterns: impl Iterator<Item = String>) -> String {
    patterns.map(|pattern| format!("(?:{pattern})")).collect::<Vec<_>>().join("|")
}

fn patterns(path: &str, old: &str, new: &str, value_bytes: usize, found: &mut Vec<NewlyLeaving>) {
    if old == new {
        return;
    }
    let beyond = match (Whole::new(new), Whole::new(old)) {
        (Ok(new), Ok(old)) => new.beyond(&old, value_bytes),
        _ => Beyond::Undecided,
    };
    let (what, example) = match beyond {
        Beyond::Nothing => return,
        Beyond::Text(text) => {
            let text = String::from_utf8_lossy(&text).to_string();
            ("texts that the pattern before did not admit", Some(text))
        }
        Beyond::Undecided => ("perhaps other texts: the patterns are too large to compare", None),
    };
    found.push(NewlyLeaving { path: path.to_owned(), what: what.to_owned(), example });
}

fn bodies(before: &Contract, old: &Description, new: &Description, found: &mut Vec<NewlyLeaving>) {
    for text in &new.bodies {
        let body = lucarne_otlp::view::AnyValue::String(text);
        if before.bodies.pass(&before.guard, body).is_err() {
            let (path, what) = ("logs.bodies".to_owned(), "a new text".to_owned());
            found.push(NewlyLeaving { path, what, example: Some(text.clone()) });
        }
    }
    let listed = old.bodies.iter().map(|text| regex_syntax::escape(text));
    let known = alternatives(listed.chain(old.body_patterns.iter().cloned()));
    for pattern in new.body_patterns.iter().filter(|it| !old.body_patterns.contains(it)) {
        // With no body before, every one is new: the empty pattern admits the empty text only.
        patterns("logs.bodies", &known, pattern, new.value_bytes, found);
    }
}

fn metrics(path: &str, old: &MetricText, new: &MetricText, found: &mut Vec<NewlyLeaving>) {
    for label in new.labels.iter().filter(|label| !old.labels.contains(label)) {
        found.push(new_thing(format!("{path}.labels"), &format!("the label {label}")));
    }
    // Fewer labels merge more series: that is less. A smaller cohort is more.
    if new.min_cohort < old.min_cohort {
        let what =
            format!("series of {} observations instead of {}", new.min_cohort, old.min_cohort);
        found.push(new_thing(format!("{path}.min_cohort"), &what));
    }
    if new.gauge != old.gauge {
        let what = format!("the {} of merged gauges instead of the {}", new.gauge, old.gauge);
        found.push(new_thing(format!("{path}.gauge"), &what));
    }
    if new.unit != old.unit && !new.unit.is_empty() {
        found.push(new_thing(format!("{path}.unit"), &format!("the unit {}", new.unit)));
    }
}

fn texts(path: &str, old: &[String], new: &[String], found: &mut Vec<NewlyLeaving>) {
    let old: BTreeSet<&String> = old.iter().collect();
    for text in new.iter().filter(|text| !old.contains(text)) {
        let (path, what) = (path.to_owned(), "a new text".to_owned());
        found.push(NewlyLeaving { path, what, example: Some(text.clone()) });
    }
}
