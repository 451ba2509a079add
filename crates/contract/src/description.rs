//! A contract told in parts, for people and for tools that review it: what the file says, with the
//! rule of every label found.
//!
//! Nothing is decided by a description: the contract that decides is compiled from the same text.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::compile;
use crate::contract::Contract;
use crate::error::ContractError;
use crate::file::{Body, File, GaugeRule, Number, Rule, RuleKind};

/// What a contract lets pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Its own name.
    pub name: String,
    /// Patterns that no text that leaves may contain.
    pub reject: Vec<String>,
    /// Longest text, in bytes.
    pub value_bytes: usize,
    /// Largest magnitude of a metric's value.
    pub metric_value: f64,
    /// Named values with their rules.
    pub slots: Vec<SlotText>,
    /// Bodies that leave as they are.
    pub bodies: Vec<String>,
    /// Patterns of bodies.
    pub body_patterns: Vec<String>,
    /// Metrics.
    pub metrics: Vec<MetricText>,
    /// Names of spans.
    pub span_names: Vec<String>,
    /// Times of spans are rounded down to this, in nanoseconds.
    pub round_nanos: u64,
    /// The scope whose records are audit events.
    pub audit_scope: Option<String>,
    /// Names of audit events.
    pub events: Vec<String>,
}

/// A named value.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotText {
    /// Where it stands.
    pub place: SlotPlace,
    /// Its name.
    pub name: String,
    /// What it has to be.
    pub rule: RuleText,
}

/// Where a named value stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum SlotPlace {
    /// An attribute of a log record or an audit event.
    LogAttribute,
    /// An attribute of a resource.
    ResourceAttribute,
    /// A label of a metric.
    Label,
}

/// What a named value has to be.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleText {
    /// Text that matches a pattern as a whole.
    Text {
        /// The pattern.
        pattern: String,
    },
    /// One of these texts.
    OneOf(Vec<String>),
    /// A whole number in bounds.
    Int {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A number in bounds.
    Double {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// A truth value.
    Bool,
}

/// A metric.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MetricText {
    /// Its name.
    pub name: String,
    /// Labels that stay.
    pub labels: Vec<String>,
    /// Its unit; empty for none.
    pub unit: String,
    /// Observations that a series needs; 0 for none.
    pub min_cohort: u64,
    /// What becomes of gauges that merge: `last`, `sum`, `min` or `max`.
    pub gauge: &'static str,
}

impl SlotPlace {
    /// The place as it is written in a contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LogAttribute => "logs.attributes",
            Self::ResourceAttribute => "resource.attributes",
            Self::Label => "labels",
        }
    }
}

impl Contract {
    /// Tells what the contract lets pass.
    ///
    /// # Errors
    /// None for a contract that was read from a text; the text is read again.
    pub fn description(&self) -> Result<Description, ContractError> {
        let file = compile::read(&self.source)?;
        let mut slots = Vec::new();
        for (place, rules) in [
            (SlotPlace::LogAttribute, &file.logs.attributes),
            (SlotPlace::ResourceAttribute, &file.resource.attributes),
        ] {
            let named = rules.iter();
            slots.extend(named.map(|(name, rule)| SlotText::new(place, name, rule)));
        }
        let built_in = compile::default_labels()?;
        for named in &self.labels.named {
            if let Some(rule) = compile::label_rule(&file, &built_in, &named.name) {
                slots.push(SlotText::new(SlotPlace::Label, &named.name, rule));
            }
        }
        let texts = |texts: &[serde_saphyr::Spanned<String>]| {
            texts.iter().map(|text| text.value.clone()).collect::<Vec<_>>()
        };
        let (mut bodies, mut body_patterns) = (Vec::new(), Vec::new());
        for body in &file.logs.bodies {
            match &body.value {
                Body::Text(text) => bodies.push(text.clone()),
                Body::Pattern(pattern) => body_patterns.push(pattern.clone()),
            }
        }
        Ok(Description {
            name: self.name.to_string(),
            reject: match &file.reject {
                Some(patterns) => texts(patterns),
                None => compile::DEFAULT_REJECT.map(String::from).to_vec(),
            },
            value_bytes: self.guard.value_bytes,
            metric_value: self.metric_value,
            slots,
            bodies,
            body_patterns,
            metrics: metrics(&file),
            span_names: texts(&file.traces.span_names),
            round_nanos: self.round_nanos,
            audit_scope: self.audit_scope.as_ref().map(ToString::to_string),
            events: file.audit.as_ref().map(|audit| texts(&audit.events)).unwrap_or_default(),
        })
    }
}

fn metrics(file: &File) -> Vec<MetricText> {
    let told = file.metrics.iter().map(|(name, metric)| MetricText {
        name: name.clone(),
        labels: metric.labels.iter().map(|label| label.value.clone()).collect(),
        unit: metric.unit.as_ref().map(|unit| unit.value.clone()).unwrap_or_default(),
        min_cohort: metric.min_cohort.as_ref().map_or(0, |given| given.value),
        gauge: match metric.gauge {
            GaugeRule::Last => "last",
            GaugeRule::Sum => "sum",
            GaugeRule::Min => "min",
            GaugeRule::Max => "max",
        },
    });
    told.collect()
}

impl SlotText {
    fn new(place: SlotPlace, name: &str, rule: &Rule) -> Self {
        let number = |bound: &Option<serde_saphyr::Spanned<Number>>| {
            bound.as_ref().map_or(Number::Int(0), |bound| bound.value)
        };
        let whole = |bound| match number(bound) {
            Number::Int(number) => number,
            Number::Double(_) => 0, // refused when the contract was compiled
        };
        let double = |bound| match number(bound) {
            #[expect(clippy::cast_precision_loss, reason = "as the slot itself reads it")]
            Number::Int(number) => number as f64,
            Number::Double(number) => number,
        };
        let rule = match rule.kind.value {
            RuleKind::String => RuleText::Text {
                pattern: rule.pattern.as_ref().map(|it| it.value.clone()).unwrap_or_default(),
            },
            RuleKind::Enum => {
                let values = rule.values.iter().flatten();
                RuleText::OneOf(values.map(|value| value.value.clone()).collect())
            }
            RuleKind::Int => RuleText::Int { min: whole(&rule.min), max: whole(&rule.max) },
            RuleKind::Double => RuleText::Double { min: double(&rule.min), max: double(&rule.max) },
            RuleKind::Bool => RuleText::Bool,
        };
        Self { place, name: name.into(), rule }
    }
}
