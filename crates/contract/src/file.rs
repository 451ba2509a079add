//! The contract as it is written: the YAML grammar, before anything is checked against anything
//! else.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) contract: Spanned<String>,
    #[serde(default)]
    pub(crate) reject: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default)]
    pub(crate) logs: Logs,
    #[serde(default)]
    pub(crate) resource: Resource,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, Rule>,
    #[serde(default)]
    pub(crate) metrics: BTreeMap<String, Metric>,
    #[serde(default)]
    pub(crate) traces: Traces,
    #[serde(default)]
    pub(crate) audit: Option<Audit>,
    #[serde(default)]
    pub(crate) egress: Option<crate::egress::File>,
}

/// `limits`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// Longest text that leaves, in bytes.
    pub(crate) value_bytes: Option<Spanned<u64>>,
    /// Largest magnitude of a metric's value.
    pub(crate) metric_value: Option<Spanned<u64>>,
}

/// `logs`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Logs {
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, Rule>,
    #[serde(default)]
    pub(crate) bodies: Vec<Spanned<Body>>,
}

/// `resource`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resource {
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, Rule>,
}

/// `traces`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Traces {
    #[serde(default)]
    pub(crate) span_names: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) round_times: Option<Spanned<String>>,
}

/// `audit`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audit {
    pub(crate) select: Select,
    pub(crate) events: Vec<Spanned<String>>,
}

/// `audit.select`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Select {
    pub(crate) scope: Spanned<String>,
}

/// A metric.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metric {
    pub(crate) labels: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) unit: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) min_cohort: Option<Spanned<u64>>,
    #[serde(default)]
    pub(crate) gauge: GaugeRule,
}

/// What becomes of gauges whose series merge.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GaugeRule {
    /// The latest value stands.
    #[default]
    Last,
    Sum,
    Min,
    Max,
}

/// The rule of a slot. Which keys belong to which type is checked afterwards, with better words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    #[serde(rename = "type")]
    pub(crate) kind: Spanned<RuleKind>,
    #[serde(default)]
    pub(crate) pattern: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) values: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(crate) min: Option<Spanned<Number>>,
    #[serde(default)]
    pub(crate) max: Option<Spanned<Number>>,
}

/// The type of a slot.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RuleKind {
    String,
    Enum,
    Int,
    Double,
    Bool,
}

/// A body: an exact text, or a pattern.
#[derive(Debug)]
pub(crate) enum Body {
    Text(String),
    Pattern(String),
}

/// A bound of a number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Int(i64),
    Double(f64),
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(bound: D) -> Result<Self, D::Error> {
        struct Bound;
        impl Visitor<'_> for Bound {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
                Ok(Number::Int(number))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Number, E> {
                i64::try_from(number)
                    .map(Number::Int)
                    .map_err(|_| E::custom("expected a number below 2^63"))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
                Ok(Number::Double(number))
            }
        }
        bound.deserialize_any(Bound)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(body: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Pattern {
            pattern: String,
        }

        struct TextOrPattern;
        impl<'de> Visitor<'de> for TextOrPattern {
            type Value = Body;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or {pattern: ...}")
            }

            fn visit_str<E>(self, text: &str) -> Result<Body, E> {
                Ok(Body::Text(String::from(text)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Body, A::Error> {
                let Pattern { pattern } = Pattern::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Body::Pattern(pattern))
            }
        }
        body.deserialize_any(TextOrPattern)
    }
}
