//! Telemetry of the host: taken by `receivers.otlp` of a collector file, screened, and exported as
//! `lucarne.sealed=false`.
//!
//! A request is taken whole or not at all, and the answer says which: good only when the log has
//! it, and a client that was told of a failure has left nothing behind. It goes into no file of the
//! archive, since nobody vouches for it. Refused: a durability that only an enclave can give.

use std::sync::Arc;

use bytes::Bytes;
use lucarne_otlp::Signal;
use lucarne_otlp::wire::{Field, Reader, Value, WireError, Writer};
use lucarne_receive::{Accepted, Durability, Intake, Raw, Refusal};
use lucarne_redact::Shape;
use tokio::sync::oneshot;

use crate::archiver::Job;
use crate::collector::chain::shape;
use crate::export::Telemetry;
use crate::journal::{Level, Value as Said};
use crate::outer_layer::{OuterLayer, ScreenedMessage};
use crate::uplink::Shared;

/// Takes requests of the host.
pub(crate) struct HostIntake {
    pub(crate) shared: Arc<Shared>,
}

impl Intake for HostIntake {
    async fn accept(
        &self,
        signal: Signal,
        request: Raw<Bytes>,
        durability: Durability,
    ) -> Result<Accepted, Refusal> {
        if durability != Durability::Accepted {
            return Err(Refusal::Unavailable("nothing seals telemetry of the host"));
        }
        let shared = &self.shared;
        let screened =
            tokio::task::block_in_place(|| screen(&shared.outer_layer, signal, request.inner()));
        let screened = screened.map_err(|error| Refusal::Malformed(error.to_string()))?;
        if screened.records > 0 {
            let (durable, is_durable) = oneshot::channel();
            let now_ns = shared.clock.unix_ns();
            let job = Job::telemetry(signal, screened.request, now_ns, durable)
                .map_err(|_| Refusal::Stopping)?;
            shared.archiver.send(job).await.map_err(|_| Refusal::Stopping)?;
            is_durable.await.map_err(|_| Refusal::Stopping)?;
        }
        // Told only of what was taken.
        for hit in &screened.hits {
            shared.counters.host_withheld.add(1);
            shared.counters.hits.add(&hit.rule);
            let fields = [
                ("rule", Said::Text(&hit.rule)),
                ("key", Said::Text(hit.key.as_deref().unwrap_or_default())),
                ("pattern", Said::Text(shared.outer_layer.place_of(&hit.rule))),
            ];
            let message = "outer layer withheld telemetry of the host";
            shared.journal.note(Level::Warning, message, &fields);
        }
        shared.counters.host_requests.add(1);
        shared.counters.host_records.add(screened.records);
        Ok(Accepted::default())
    }
}

/// What may be written of a request.
#[derive(Debug, Eq, PartialEq)]
struct Screened {
    request: Vec<u8>,
    records: u64,
    hits: Vec<Hit>,
}

/// What was found, and never the value.
#[derive(Debug, Eq, PartialEq)]
struct Hit {
    rule: String,
    key: Option<String>,
}

/// Screens each resource, scope and record of a request. One that is neither clean nor has a copy
/// is left out; a resource or scope then leaves its records without it.
fn screen(outer: &OuterLayer, signal: Signal, request: &[u8]) -> Result<Screened, WireError> {
    let mut screened =
        Screened { request: Vec::with_capacity(request.len()), records: 0, hits: Vec::new() };
    let mut look = |shape: Shape, message: &[u8]| match outer.screen_message(shape, message) {
        ScreenedMessage::Clean => Some(message.to_vec()),
        ScreenedMessage::Hit { rule, key, copy } => {
            screened.hits.push(Hit { rule, key });
            copy
        }
    };
    let mut elements = Vec::new();
    for element in children(request, 1)? {
        let mut resource = Vec::new();
        for message in children(element, 1)? {
            resource = look(Shape::Resource, message).unwrap_or_default();
        }
        let mut scopes = Vec::new();
        for scoped in children(element, 2)? {
            let mut scope = Vec::new();
            for message in children(scoped, 1)? {
                scope = look(Shape::Scope, message).unwrap_or_default();
            }
            let mut kept = Vec::new();
            for message in children(scoped, 2)? {
                kept.extend(look(shape(signal), message));
            }
            if !kept.is_empty() {
                scopes.push((scope, kept));
            }
        }
        if !scopes.is_empty() {
            elements.push((resource, scopes));
        }
    }
    let mut out = Writer::new(&mut screened.request);
    for (resource, scopes) in &elements {
        out.message(1, |element| {
            element.bytes(1, resource);
            for (scope, records) in scopes {
                screened.records += records.len() as u64;
                element.message(2, |scoped| {
                    scoped.bytes(1, scope);
                    records.iter().for_each(|record| scoped.bytes(2, record));
                });
            }
        });
    }
    Ok(screened)
}

/// The records of a screened request, each with its context.
///
/// # Errors
/// When the bytes are no request.
pub(crate) fn records(request: &[u8]) -> Result<Vec<Telemetry>, WireError> {
    let mut out = Vec::new();
    let first = |list: Vec<&[u8]>| {
        list.first().map_or_else(Bytes::new, |bytes| Bytes::copy_from_slice(bytes))
    };
    for element in children(request, 1)? {
        let resource = first(children(element, 1)?);
        for scoped in children(element, 2)? {
            let scope = first(children(scoped, 1)?);
            for message in children(scoped, 2)? {
                out.push(Telemetry {
                    resource: resource.clone(),
                    scope: scope.clone(),
                    message: Bytes::copy_from_slice(message),
                });
            }
        }
    }
    Ok(out)
}

/// The messages in a field, in their order. Schema URLs and what is unknown are left out.
fn children(message: &[u8], number: u32) -> Result<Vec<&[u8]>, WireError> {
    let mut found = Vec::new();
    let mut reader = Reader::new(message);
    while let Some(field) = reader.next_field()? {
        match field {
            Field { number: at, value: Value::Bytes(bytes) } if at == number => found.push(bytes),
            Field { number: at, .. } if at == number => return Err(WireError::Type { number }),
            Field { .. } => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
