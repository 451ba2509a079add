//! Processors in the order of their pipeline, applied to the exported copy of one record.
//!
//! What is sealed is never touched: the archive has the record as it was signed, and a copy that a
//! processor changed says that it is not sealed. A record that a processor cannot work on is not
//! exported; it is counted.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use lucarne_otlp::Signal;
use lucarne_otlp::wire::{Field, Reader, Value, Writer};
use lucarne_redact::Shape;
use lucarne_redact::ottl::{Filter, Transform};

use super::redaction::Redaction;
use crate::counters::Counters;
use crate::export::{Entry, HostTelemetry, Item, Record, Telemetry};

/// One processor of a pipeline.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Masks values and removes keys.
    Redaction(Arc<Redaction>),
    /// Runs statements; `attributes` becomes one as well.
    Transform(Box<Transform>),
    /// Drops what a condition holds for.
    Filter(Box<Filter>),
}

/// The processors of a pipeline that change or drop.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) signal: Signal,
    pub(crate) steps: Vec<Step>,
}

/// A pipeline as an exporter sees it.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    pub(crate) chain: Arc<Chain>,
    /// What enclaves sent goes through it.
    pub(crate) uplink: bool,
    /// What `receivers.otlp` took goes through it.
    pub(crate) host: bool,
}

/// The pipelines that end in one exporter.
#[derive(Clone, Debug)]
pub struct Route {
    pub(crate) feeds: Vec<Feed>,
    pub(crate) counters: Arc<Counters>,
}

/// Where a record comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// The archive, before which the rules of every redaction have seen it.
    Archive,
    /// A process of the host.
    Host,
}

/// What a chain leaves of a record.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    Unchanged,
    Changed(Telemetry),
    Dropped,
}

impl Route {
    /// What is to be exported of `items`, in their order. A record that two pipelines lead to one
    /// exporter is exported twice, as the collector does.
    pub fn apply(&self, items: &[Item], now_unix_nano: u64) -> Vec<Item> {
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::Record(record) => self.record(record, now_unix_nano, &mut out),
                Item::Telemetry(host) => self.host(host, now_unix_nano, &mut out),
                Item::Unverified(_) | Item::Host(_) => self.pass(item, &mut out),
            }
        }
        out
    }

    fn record(&self, record: &Record, now: u64, out: &mut Vec<Item>) {
        let Some((signal, telemetry)) = record.entry.telemetry() else {
            return self.pass(&Item::Record(record.clone()), out);
        };
        for feed in self.feeds.iter().filter(|feed| feed.uplink && feed.chain.signal == signal) {
            match self.run(&feed.chain, telemetry, Origin::Archive, now) {
                Outcome::Unchanged => out.push(Item::Record(record.clone())),
                Outcome::Changed(changed) => out.push(Item::Record(Record {
                    entry: Entry::of(signal, changed),
                    unsealed: true,
                    ..record.clone()
                })),
                Outcome::Dropped => {}
            }
        }
    }

    fn host(&self, host: &HostTelemetry, now: u64, out: &mut Vec<Item>) {
        for feed in self.feeds.iter().filter(|feed| feed.host && feed.chain.signal == host.signal) {
            match self.run(&feed.chain, &host.telemetry, Origin::Host, now) {
                Outcome::Unchanged => out.push(Item::Telemetry(host.clone())),
                Outcome::Changed(telemetry) => {
                    out.push(Item::Telemetry(HostTelemetry { telemetry, ..host.clone() }));
                }
                Outcome::Dropped => {}
            }
        }
    }

    // Audit events, ledger records and messages are no OTLP that a processor could work on; the
    // outer layer has seen them, and each exporter knows which of them it can show.
    fn pass(&self, item: &Item, out: &mut Vec<Item>) {
        if self.feeds.iter().any(|feed| feed.uplink) {
            out.push(item.clone());
        }
    }

    fn run(&self, chain: &Chain, telemetry: &Telemetry, from: Origin, now: u64) -> Outcome {
        let (outcome, faults) = chain.apply(telemetry, from, now);
        self.counters.pipeline_faults.add(faults);
        match outcome {
            Outcome::Unchanged => {}
            Outcome::Changed(_) => self.counters.pipeline_changed.add(1),
            Outcome::Dropped => self.counters.pipeline_dropped.add(1),
        }
        outcome
    }
}

impl Chain {
    /// What is left of a record, and how many faults of statements there were.
    pub(crate) fn apply(&self, telemetry: &Telemetry, from: Origin, now: u64) -> (Outcome, u64) {
        let mut current = Cow::Borrowed(telemetry);
        let mut faults = 0;
        for step in &self.steps {
            let is_screened = from == Origin::Archive && matches!(current, Cow::Borrowed(_));
            let next = match step {
                // Nothing is in the archive that its rules would find once more.
                Step::Redaction(redaction) if is_screened && redaction.only_guards() => continue,
                Step::Redaction(redaction) => redacted(redaction, self.signal, &current),
                Step::Transform(transform) => {
                    whole(&current, &mut faults, |request| match transform.apply(request, now) {
                        Ok(applied) => Some((applied.payload, applied.faults)),
                        Err(_) => None,
                    })
                }
                Step::Filter(filter) => {
                    whole(&current, &mut faults, |request| match filter.apply(request, now) {
                        Ok(applied) => Some((applied.payload, applied.faults)),
                        Err(_) => None,
                    })
                }
            };
            match next {
                Outcome::Unchanged => {}
                Outcome::Changed(changed) => current = Cow::Owned(changed),
                Outcome::Dropped => return (Outcome::Dropped, faults),
            }
        }
        match current {
            Cow::Borrowed(_) => (Outcome::Unchanged, faults),
            Cow::Owned(changed) if changed == *telemetry => (Outcome::Unchanged, faults),
            Cow::Owned(changed) => (Outcome::Changed(changed), faults),
        }
    }
}

fn redacted(redaction: &Redaction, signal: Signal, telemetry: &Telemetry) -> Outcome {
    let parts = [
        (Shape::Resource, &telemetry.resource),
        (Shape::Scope, &telemetry.scope),
        (shape(signal), &telemetry.message),
    ];
    let copies = parts.map(|(shape, bytes)| redaction.copy(shape, bytes));
    let [Some(resource), Some(scope), Some(message)] = copies else { return Outcome::Dropped };
    let kept = |copy: Cow<'_, [u8]>, original: &Bytes| match copy {
        Cow::Borrowed(_) => original.clone(),
        Cow::Owned(bytes) => bytes.into(),
    };
    Outcome::Changed(Telemetry {
        resource: kept(resource, &telemetry.resource),
        scope: kept(scope, &telemetry.scope),
        message: kept(message, &telemetry.message),
    })
}

/// Runs what works on whole requests. What fails is dropped, and counted as a fault.
fn whole<'t>(
    telemetry: &'t Telemetry,
    faults: &mut u64,
    apply: impl for<'p> FnOnce(&'p [u8]) -> Option<(Cow<'p, [u8]>, u64)>,
) -> Outcome {
    let request = wrap(telemetry);
    match apply(&request) {
        Some((payload, count)) => {
            *faults += count;
            match payload {
                Cow::Borrowed(_) => Outcome::Unchanged,
                Cow::Owned(payload) => unwrap(&payload).map_or(Outcome::Dropped, Outcome::Changed),
            }
        }
        None => {
            *faults += 1;
            Outcome::Dropped
        }
    }
}

/// A request with this one record.
fn wrap(telemetry: &Telemetry) -> Vec<u8> {
    let size = telemetry.resource.len() + telemetry.scope.len() + telemetry.message.len();
    let mut out = Vec::with_capacity(size + 32);
    Writer::new(&mut out).message(1, |element| {
        element.bytes(1, &telemetry.resource);
        element.message(2, |scoped| {
            scoped.bytes(1, &telemetry.scope);
            scoped.bytes(2, &telemetry.message);
        });
    });
    out
}

/// The one record of a request, if it is still there.
fn unwrap(request: &[u8]) -> Option<Telemetry> {
    let element = inner(request, 1)?;
    let scoped = inner(element, 2)?;
    Some(Telemetry {
        resource: Bytes::copy_from_slice(inner(element, 1).unwrap_or_default()),
        scope: Bytes::copy_from_slice(inner(scoped, 1).unwrap_or_default()),
        message: Bytes::copy_from_slice(inner(scoped, 2)?),
    })
}

fn inner(message: &[u8], number: u32) -> Option<&[u8]> {
    let mut reader = Reader::new(message);
    while let Ok(Some(field)) = reader.next_field() {
        match field {
            Field { number: found, value: Value::Bytes(bytes) } if found == number => {
                return Some(bytes);
            }
            Field { .. } => {}
        }
    }
    None
}

/// The shape of a signal's records.
pub(crate) const fn shape(signal: Signal) -> Shape {
    match signal {
        Signal::Logs => Shape::LogRecord,
        Signal::Metrics => Shape::Metric,
        Signal::Traces => Shape::Span,
    }
}
