//! From a payload to its records and back.
//!
//! The walk goes down the three levels of a request. Each message that statements may change is
//! held as encoded bytes; on the way back it is written before or around what is below it. When
//! nothing was changed, the payload is handed back as it is.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use lucarne_otlp::Signal;
use lucarne_otlp::wire::{Reader, Value as Wire, Writer};

use super::error::Fault;
use super::fields::metric_data;
use super::message::{self, Slot, Stack};
use super::paths::{Context, Shape};

/// What is done with a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Keep,
    Drop,
}

/// What looks at each record of a context, and may change it in its stack.
pub(super) trait Visit {
    /// Changes or judges the record. A fault stops the walk.
    fn record(&mut self, stack: &mut Stack<'_>, scratch: &mut Vec<u8>) -> Result<Verdict, Fault>;
}

/// Walks a payload; the result is borrowed when nothing changed.
pub(super) fn walk<'p, V: Visit>(
    signal: Signal,
    context: Context,
    payload: &'p [u8],
    now: u64,
    visit: &mut V,
) -> Result<Cow<'p, [u8]>, Fault> {
    let mut walker = Walker {
        signal,
        context,
        visit,
        stack: Stack::new(now),
        scratch: Vec::new(),
        changed: false,
    };
    let mut out = Vec::with_capacity(payload.len());
    walker.request(payload, &mut Writer::new(&mut out))?;
    Ok(if walker.changed { Cow::Owned(out) } else { Cow::Borrowed(payload) })
}

struct Walker<'p, 'v, V> {
    signal: Signal,
    context: Context,
    visit: &'v mut V,
    stack: Stack<'p>,
    scratch: Vec<u8>,
    changed: bool,
}

impl<'p, V: Visit> Walker<'p, '_, V> {
    fn request(&mut self, payload: &'p [u8], out: &mut Writer<'_>) -> Result<(), Fault> {
        let mut below = Vec::new();
        let mut reader = Reader::new(payload);
        while let Some(field) = reader.next_field()? {
            let (1, Wire::Bytes(message)) = (field.number, field.value) else {
                message::copy(field, out);
                continue;
            };
            self.stack.resource = Slot::new(Shape::Resource, message::nested(message, 1)?);
            below.clear();
            let kept = self.level(message, &mut below, Self::scope)?;
            let mut kept = kept > 0 || self.context == Context::Resource;
            if self.context == Context::Resource {
                self.stack.begin(Shape::Resource, &[]);
                kept = self.visit()? == Verdict::Keep;
            }
            self.finish(kept, Slot::new(Shape::Resource, &[]), &below, out, true);
        }
        Ok(())
    }

    /// Writes a resource or scope (whichever was held) and what is below it.
    fn finish(
        &mut self,
        kept: bool,
        empty: Slot<'p>,
        below: &[u8],
        out: &mut Writer<'_>,
        resource: bool,
    ) {
        let held = if resource { &mut self.stack.resource } else { &mut self.stack.scope };
        let slot = core::mem::replace(held, empty);
        if !kept {
            self.changed = true;
            return;
        }
        self.changed |= slot.changed();
        out.message(if resource { 1 } else { 2 }, |out| {
            if !slot.bytes.is_empty() || slot.changed() {
                out.bytes(1, &slot.bytes);
            }
            out.encoded(below);
        });
    }

    /// Goes through the messages in field 2; how many are left, or one if there were none.
    fn level(
        &mut self,
        message: &'p [u8],
        below: &mut Vec<u8>,
        each: fn(&mut Self, &'p [u8], &mut Writer<'_>) -> Result<bool, Fault>,
    ) -> Result<usize, Fault> {
        let (mut seen, mut left) = (0_usize, 0_usize);
        let mut reader = Reader::new(message);
        let mut out = Writer::new(below);
        while let Some(field) = reader.next_field()? {
            match (field.number, field.value) {
                (1, _) => {}
                (2, Wire::Bytes(inner)) => {
                    seen = seen.saturating_add(1);
                    left = left.saturating_add(usize::from(each(self, inner, &mut out)?));
                }
                _ => message::copy(field, &mut out),
            }
        }
        Ok(if seen == 0 { 1 } else { left })
    }

    fn scope(&mut self, message: &'p [u8], out: &mut Writer<'_>) -> Result<bool, Fault> {
        if self.context == Context::Resource {
            out.bytes(2, message);
            return Ok(true);
        }
        self.stack.scope = Slot::new(Shape::Scope, message::nested(message, 1)?);
        let mut below = Vec::with_capacity(message.len());
        let mut kept = self.level(message, &mut below, Self::record)? > 0;
        if self.context == Context::Scope {
            self.stack.begin(Shape::Scope, &[]);
            kept = self.visit()? == Verdict::Keep;
        }
        self.appended(&mut below)?;
        self.finish(kept, Slot::new(Shape::Scope, &[]), &below, out, false);
        Ok(kept)
    }

    /// Metrics that were made of others go through the statements as well.
    fn appended(&mut self, below: &mut Vec<u8>) -> Result<(), Fault> {
        let mut at = 0_usize;
        while let Some(metric) = self.stack.appended.get_mut(at) {
            let metric = core::mem::take(metric);
            self.stack.begin(Shape::Metric, &[]);
            self.stack.record.bytes = Cow::Owned(metric);
            if self.visit()? == Verdict::Keep {
                Writer::new(below).bytes(2, &self.stack.record.bytes);
            }
            self.changed = true;
            at = at.saturating_add(1);
        }
        self.stack.appended.clear();
        Ok(())
    }

    fn visit(&mut self) -> Result<Verdict, Fault> {
        self.visit.record(&mut self.stack, &mut self.scratch)
    }

    fn record(&mut self, message: &'p [u8], out: &mut Writer<'_>) -> Result<bool, Fault> {
        match (self.context, self.signal) {
            (Context::Scope | Context::Resource, _) => {
                out.bytes(2, message);
                return Ok(true);
            }
            (Context::DataPoint, _) => return self.metric(message, out),
            (Context::SpanEvent, _) => return self.span(message, out),
            (_, Signal::Logs) => self.stack.begin(Shape::Log, message),
            (_, Signal::Traces) => self.stack.begin(Shape::Span, message),
            (_, Signal::Metrics) => self.stack.begin(Shape::Metric, message),
        }
        self.one(2, out)
    }

    /// Visits the record of the stack and writes what is left of it as field `number`.
    fn one(&mut self, number: u32, out: &mut Writer<'_>) -> Result<bool, Fault> {
        let verdict = self.visit()?;
        self.changed |= verdict == Verdict::Drop || self.stack.record.changed();
        if verdict == Verdict::Keep {
            out.bytes(number, &self.stack.record.bytes);
        }
        // The buffer of a changed record serves the next one.
        if let Cow::Owned(buffer) =
            core::mem::replace(&mut self.stack.record.bytes, Cow::Borrowed(&[]))
            && self.scratch.capacity() < buffer.capacity()
        {
            self.scratch = buffer;
        }
        Ok(verdict == Verdict::Keep)
    }

    fn metric(&mut self, message: &'p [u8], out: &mut Writer<'_>) -> Result<bool, Fault> {
        self.stack.parent = Slot::new(Shape::Metric, message);
        let Some((kind, data)) = metric_data(message)? else {
            out.bytes(2, message);
            return Ok(true);
        };
        let shape = match kind {
            9 => Shape::HistogramPoint,
            10 => Shape::ExponentialPoint,
            11 => Shape::SummaryPoint,
            _ => Shape::NumberPoint,
        };
        let mut points = Vec::with_capacity(data.len());
        let (seen, left) = self.children(data, 1, shape, &mut points)?;
        let parent = core::mem::replace(&mut self.stack.parent, Slot::new(Shape::Metric, &[]));
        self.changed |= parent.changed();
        if left == 0 && seen > 0 {
            return Ok(false);
        }
        let data = metric_data(&parent.bytes)?.map_or(data, |(_, data)| data);
        out.message(2, |out| {
            message::replace(&parent.bytes, &[kind], out, |out| {
                out.message(kind, |out| rebuilt(data, 1, &points, out))
            })
        })?;
        Ok(true)
    }

    fn span(&mut self, message: &'p [u8], out: &mut Writer<'_>) -> Result<bool, Fault> {
        self.stack.parent = Slot::new(Shape::Span, message);
        let mut events = Vec::new();
        self.children(message, 11, Shape::SpanEvent, &mut events)?;
        let parent = core::mem::replace(&mut self.stack.parent, Slot::new(Shape::Span, &[]));
        self.changed |= parent.changed();
        out.message(2, |out| rebuilt(&parent.bytes, 11, &events, out))?;
        Ok(true)
    }

    /// Visits the messages in field `number`; how many there were and how many are left.
    fn children(
        &mut self,
        message: &'p [u8],
        number: u32,
        shape: Shape,
        out: &mut Vec<u8>,
    ) -> Result<(usize, usize), Fault> {
        let (mut seen, mut left) = (0_usize, 0_usize);
        let mut out = Writer::new(out);
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            if let (true, Wire::Bytes(child)) = (field.number == number, field.value) {
                self.stack.begin(shape, child);
                self.stack.index = i64::try_from(seen).unwrap_or(i64::MAX);
                seen = seen.saturating_add(1);
                left = left.saturating_add(usize::from(self.one(number, &mut out)?));
            }
        }
        Ok((seen, left))
    }
}

/// A message whose fields `number` are exchanged for `children`, encoded with their tags.
fn rebuilt(
    message: &[u8],
    number: u32,
    children: &[u8],
    out: &mut Writer<'_>,
) -> Result<(), Fault> {
    message::replace(message, &[number], out, |out| {
        out.encoded(children);
        Ok(())
    })
}
