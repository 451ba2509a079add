//! The tenant of a record: what one attribute of it says.
//!
//! The attribute of an event of the audit ledger is a field of its JSON; that of a log record or a
//! span is its own, else that of its scope, else that of its resource. A metric has a tenant when
//! all its data points have the same one. Only text and whole numbers name a tenant. What cannot be
//! read as telemetry, or names none, is no tenant's: it is never guessed.

use lucarne_archive::tenant::{TenantId, Tenants};
use lucarne_ledger::batch::{Content, VerifiedBatch, split_context};
use lucarne_ledger::record::{NO_CONTEXT, Stream};
use lucarne_otlp::view::{
    AnyValue, KeyValue, LogRecord, Metric, MetricData, Resource, Scope, Span, View as _,
};
use lucarne_otlp::wire::WireError;
use serde_json::{Map, Value};

/// Tenants by an attribute of records.
#[derive(Debug)]
pub struct ByAttribute {
    name: String,
}

impl ByAttribute {
    /// Tenants by the attribute of this name.
    pub const fn new(name: String) -> Self {
        Self { name }
    }

    fn of_event(&self, payload: &[u8]) -> Option<TenantId> {
        let fields: Map<String, Value> = serde_json::from_slice(payload).ok()?;
        match fields.get(&self.name)? {
            Value::String(name) => named(name),
            Value::Number(number) if number.is_i64() || number.is_u64() => {
                named(&number.to_string())
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        }
    }

    /// The tenant of a message whose context is of `above`.
    fn of_message(
        &self,
        stream: Stream,
        is_resource: bool,
        message: &[u8],
        above: Option<TenantId>,
    ) -> Result<Option<TenantId>, WireError> {
        let own = match stream {
            Stream::Logs => self.among(LogRecord::parse(message)?.attributes()),
            Stream::Traces => self.among(Span::parse(message)?.attributes()),
            Stream::Metrics => return self.of_metric(Metric::parse(message)?, above),
            Stream::Context if is_resource => self.among(Resource::parse(message)?.attributes()),
            Stream::Context => self.among(Scope::parse(message)?.attributes()),
            Stream::Control | Stream::Audit => Ok(None),
        };
        Ok(own?.or(above))
    }

    fn of_metric(
        &self,
        metric: Metric<'_>,
        above: Option<TenantId>,
    ) -> Result<Option<TenantId>, WireError> {
        let each = match metric.data {
            None => return Ok(above),
            Some(MetricData::Gauge { points } | MetricData::Sum { points, .. }) => {
                points.map(|point| self.among(point?.attributes())).collect()
            }
            Some(MetricData::Histogram { points, .. }) => {
                points.map(|point| self.among(point?.attributes())).collect()
            }
            Some(MetricData::ExponentialHistogram { points, .. }) => {
                points.map(|point| self.among(point?.attributes())).collect()
            }
            Some(MetricData::Summary { points }) => {
                points.map(|point| self.among(point?.attributes())).collect()
            }
        };
        let each: Result<Vec<Option<TenantId>>, WireError> = each;
        let mut each = each?.into_iter().map(|own| own.or(above));
        let first = each.next().unwrap_or(above);
        Ok(first.filter(|first| each.all(|other| other == Some(*first))))
    }

    // A name that occurs twice counts with its last value, as everywhere in OTLP.
    fn among<'a>(
        &self,
        mut attributes: impl Iterator<Item = Result<KeyValue<'a>, WireError>>,
    ) -> Result<Option<TenantId>, WireError> {
        attributes.try_fold(None, |found, attribute| {
            let attribute = attribute?;
            Ok(if attribute.key == self.name { of_value(attribute.value) } else { found })
        })
    }
}

impl Tenants for ByAttribute {
    fn of(&self, batch: &VerifiedBatch<'_>) -> Vec<Option<TenantId>> {
        let mut found: Vec<Option<TenantId>> = Vec::with_capacity(batch.records().len());
        for record in batch.records() {
            let tenant = match (record.stream, record.content) {
                (Stream::Control, _) | (_, Content::Withheld { .. } | Content::Encrypted) => None,
                (Stream::Audit, Content::Present { payload, .. }) => self.of_event(payload),
                (stream, Content::Present { payload, .. }) => {
                    split_context(payload).and_then(|(index, message)| {
                        // A context stands before what refers to it.
                        let above = usize::try_from(index).ok().and_then(|at| found.get(at));
                        let above = above.copied().flatten();
                        self.of_message(stream, index == NO_CONTEXT, message, above).ok()?
                    })
                }
            };
            found.push(tenant);
        }
        found
    }
}

fn of_value(value: AnyValue<'_>) -> Option<TenantId> {
    match value {
        AnyValue::String(name) => named(name),
        AnyValue::Int(number) => named(&number.to_string()),
        AnyValue::Empty
        | AnyValue::Bool(_)
        | AnyValue::Double(_)
        | AnyValue::Array(_)
        | AnyValue::KvList(_)
        | AnyValue::Bytes(_) => None,
    }
}

// A name that is empty says that there is none.
fn named(name: &str) -> Option<TenantId> {
    (!name.is_empty()).then(|| TenantId::of(name))
}

#[cfg(test)]
mod tests;
