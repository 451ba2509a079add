//! Records that share resource and scope, as elements of an OTLP request.
//!
//! The three requests have one layout: field 1 of a request holds a resource in field 1 and its
//! scopes in field 2, and a scope element holds the scope in field 1 and the records in field 2.

use bytes::Bytes;
use lucarne_ledger::identity::LedgerId;
use lucarne_otlp::wire::Writer;

use super::attribute;
use crate::export::request::Part;
use crate::export::{Telemetry, Whence};

/// Groups in the order of their first record.
pub(super) struct Groups {
    parts: Vec<Part>,
    open: Option<Group>,
}

/// A run of records with one resource and scope.
struct Group {
    context: Context,
    /// Records as elements of field 2.
    records: Vec<u8>,
    items: u64,
}

#[derive(Eq, PartialEq)]
struct Context {
    /// `None` for what comes from the host.
    ledger: Option<LedgerId>,
    resource: Bytes,
    scope: Bytes,
}

impl Groups {
    pub(super) const fn new() -> Self {
        Self { parts: Vec::new(), open: None }
    }

    /// Adds a record that `write` appends.
    pub(super) fn add(
        &mut self,
        whence: Whence<'_>,
        telemetry: &Telemetry,
        write: impl FnOnce(&mut Writer<'_>),
    ) {
        let ledger = match whence {
            Whence::Sealed(record) => Some(record.origin.ledger.clone()),
            Whence::Host(_) => None,
        };
        let (resource, scope) = (telemetry.resource.clone(), telemetry.scope.clone());
        self.push(Context { ledger, resource, scope }, write);
    }

    /// Adds a log record of the host.
    pub(super) fn add_bare(&mut self, message: &[u8]) {
        let context = Context { ledger: None, resource: Bytes::new(), scope: Bytes::new() };
        self.push(context, |out| out.encoded(message));
    }

    pub(super) fn finish(mut self) -> Vec<Part> {
        self.parts.extend(self.open.take().map(Group::part));
        self.parts
    }

    fn push(&mut self, context: Context, write: impl FnOnce(&mut Writer<'_>)) {
        let fits = |group: &mut Group| group.context == context && group.items < RECORDS_PER_PART;
        let mut group = match self.open.take_if(fits) {
            Some(group) => group,
            None => {
                self.parts.extend(self.open.take().map(Group::part));
                Group { context, records: Vec::new(), items: 0 }
            }
        };
        Writer::new(&mut group.records).message(2, write);
        group.items += 1;
        self.open = Some(group);
    }
}

impl Group {
    fn part(self) -> Part {
        let mut out = Vec::with_capacity(self.records.len() + 256);
        Writer::new(&mut out).message(1, |element| {
            element.message(1, |resource| {
                resource.encoded(&self.context.resource);
                if let Some(ledger) = &self.context.ledger {
                    attribute(1, "tee_instance_id", ledger.instance.as_str(), resource);
                    attribute(1, "tee_epoch", &ledger.epoch.to_string(), resource);
                }
            });
            element.message(2, |scoped| {
                if !self.context.scope.is_empty() {
                    scoped.bytes(1, &self.context.scope);
                }
                scoped.encoded(&self.records);
            });
        });
        Part { bytes: out.into(), items: self.items }
    }
}

/// Small enough that halving finds a culprit, large enough that resources do not weigh.
const RECORDS_PER_PART: u64 = 64;
