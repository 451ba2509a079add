//! A whole trace decoded in place: its spans by start, who belongs to whom, and nested sets.
//!
//! The tree is what came: a span whose parent is missing is an orphan, one of a circle is cut from
//! it. Nested sets number the trees of true roots; an orphan and what hangs on it have zeros.

use std::collections::HashMap;

use lucarne_otlp::view::{AnyValue, Event, KeyValue, Link, Resource, Scope, Span, View as _};
use lucarne_otlp::wire::WireError;

use super::value::Value;
use crate::trace::{StoredSpan, TraceId};

/// Attributes of one thing; an array has one pair for each of its elements.
pub(super) type Pairs<'a> = Vec<(&'a str, Value<'a>)>;

/// A trace.
pub struct TraceView<'a> {
    /// Its id.
    pub id: TraceId,
    /// Its spans, by start.
    pub spans: Vec<SpanView<'a>>,
    /// The earliest start.
    pub start_ns: i64,
    /// The latest end.
    pub end_ns: i64,
    /// The earliest span that has no parent.
    pub root: Option<usize>,
    /// Places so that every span comes after its parent.
    pub(super) order: Vec<usize>,
}

/// A span.
pub struct SpanView<'a> {
    /// What OTLP says.
    pub span: Span<'a>,
    /// Nanoseconds since 1970.
    pub start_ns: i64,
    /// Never before the start.
    pub end_ns: i64,
    pub(super) attributes: Pairs<'a>,
    pub(super) resource: Pairs<'a>,
    pub(super) scope: Scope<'a>,
    pub(super) scope_attributes: Pairs<'a>,
    pub(super) events: Vec<(Event<'a>, Pairs<'a>)>,
    pub(super) links: Vec<(Link<'a>, Pairs<'a>)>,
    /// The place of its parent, if that is here.
    pub(super) parent: Option<usize>,
    pub(super) children: i64,
    pub(super) sets: NestedSet,
}

/// Where a span stands in its tree: what hangs on it lies between left and right.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NestedSet {
    /// From 1.
    pub left: i64,
    /// Larger than left.
    pub right: i64,
    /// The left number of the parent; -1 for a root.
    pub parent: i64,
}

impl<'a> TraceView<'a> {
    /// Decodes spans, which are sorted by start.
    ///
    /// # Errors
    /// When a stored span cannot be read.
    pub fn of(id: TraceId, stored: &'a [StoredSpan]) -> Result<Self, WireError> {
        let mut spans = stored.iter().map(SpanView::of).collect::<Result<Vec<_>, _>>()?;
        let order = relate(&mut spans);
        let start_ns = spans.iter().map(|span| span.start_ns).min().unwrap_or_default();
        let end_ns = spans.iter().map(|span| span.end_ns).max().unwrap_or_default();
        let root = spans.iter().position(SpanView::is_root);
        Ok(Self { id, spans, start_ns, end_ns, root, order })
    }

    /// The earliest root.
    #[must_use]
    pub fn root_span(&self) -> Option<&SpanView<'a>> {
        self.spans.get(self.root?)
    }
}

impl<'a> SpanView<'a> {
    fn of(stored: &'a StoredSpan) -> Result<Self, WireError> {
        let span = Span::parse(&stored.span)?;
        let scope = Scope::parse(&stored.scope)?;
        let (start_ns, end_ns) = stored.times();
        let event = |event: Result<Event<'a>, WireError>| {
            let event = event?;
            let attributes = pairs(event.attributes())?;
            Ok((event, attributes))
        };
        let link = |link: Result<Link<'a>, WireError>| {
            let link = link?;
            let attributes = pairs(link.attributes())?;
            Ok((link, attributes))
        };
        Ok(Self {
            start_ns,
            end_ns,
            attributes: pairs(span.attributes())?,
            resource: pairs(Resource::parse(&stored.resource)?.attributes())?,
            scope_attributes: pairs(scope.attributes())?,
            events: span.events().map(event).collect::<Result<_, WireError>>()?,
            links: span.links().map(link).collect::<Result<_, WireError>>()?,
            parent: None,
            children: 0,
            sets: NestedSet::default(),
            span,
            scope,
        })
    }

    /// Whether it names no parent.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.span.parent_span_id.iter().all(|byte| *byte == 0)
    }

    /// `service.name` of its resource, if it has one.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        let named = self.resource.iter().find(|(name, _)| *name == "service.name");
        match named {
            Some((_, Value::Text(text))) => Some(text),
            _ => None,
        }
    }

    /// Names and values by scope, for the tag endpoints.
    pub(crate) fn tags(&self) -> [(&'static str, &Pairs<'a>); 3] {
        [
            ("resource", &self.resource),
            ("span", &self.attributes),
            ("instrumentation", &self.scope_attributes),
        ]
    }

    /// Attributes of its events and of its links.
    pub(crate) fn far_tags(&self) -> impl Iterator<Item = (&'static str, &Pairs<'a>)> {
        let events = self.events.iter().map(|(_, pairs)| ("event", pairs));
        events.chain(self.links.iter().map(|(_, pairs)| ("link", pairs)))
    }
}

fn pairs<'a>(
    attributes: impl Iterator<Item = Result<KeyValue<'a>, WireError>>,
) -> Result<Pairs<'a>, WireError> {
    let mut out = Vec::new();
    let mut values = Vec::new();
    for attribute in attributes {
        let KeyValue { key, value, .. } = attribute?;
        let value: AnyValue<'a> = value;
        Value::of_attribute(value, &mut values);
        out.extend(values.drain(..).map(|value| (key, value)));
    }
    Ok(out)
}

/// Finds parents, numbers nested sets, and gives an order in which parents come first.
fn relate(spans: &mut [SpanView<'_>]) -> Vec<usize> {
    let mut by_id: HashMap<&[u8], usize> = HashMap::new();
    for (at, span) in spans.iter().enumerate() {
        by_id.entry(span.span.span_id).or_insert(at);
    }
    let parent_of = |(at, span): (usize, &SpanView<'_>)| {
        by_id.get(span.span.parent_span_id).copied().filter(|&parent| parent != at)
    };
    let parents: Vec<Option<usize>> = spans.iter().enumerate().map(parent_of).collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    for (at, parent) in parents.iter().enumerate() {
        if let Some(siblings) = parent.and_then(|parent| children.get_mut(parent)) {
            siblings.push(at);
        }
    }
    let mut walk = Walk { spans, children, order: Vec::new(), seen: Vec::new(), number: 0 };
    walk.seen = vec![false; parents.len()];
    for (at, parent) in parents.iter().enumerate() {
        if parent.is_none() {
            walk.tree(at);
        }
    }
    // What is left hangs on circles: the earliest of each is cut from its parent.
    for at in 0..parents.len() {
        walk.tree(at);
    }
    walk.order
}

struct Walk<'w, 'a> {
    spans: &'w mut [SpanView<'a>],
    children: Vec<Vec<usize>>,
    order: Vec<usize>,
    seen: Vec<bool>,
    number: i64,
}

/// A step of the walk through a tree.
enum Step {
    Enter { at: usize, parent: Option<usize> },
    Leave(usize),
}

impl Walk<'_, '_> {
    /// Everything that hangs on a span, itself first; without a stack of calls.
    fn tree(&mut self, top: usize) {
        let numbered = self.spans.get(top).is_some_and(SpanView::is_root);
        let mut steps = vec![Step::Enter { at: top, parent: None }];
        while let Some(step) = steps.pop() {
            match step {
                Step::Enter { at, parent } => {
                    if !self.enter(at, parent, numbered) {
                        continue;
                    }
                    steps.push(Step::Leave(at));
                    let below = self.children.get(at).into_iter().flatten().rev();
                    steps.extend(below.map(|&child| Step::Enter { at: child, parent: Some(at) }));
                }
                Step::Leave(at) if numbered => {
                    self.number += 1;
                    if let Some(span) = self.spans.get_mut(at) {
                        span.sets.right = self.number;
                    }
                }
                Step::Leave(_) => {}
            }
        }
    }

    fn enter(&mut self, at: usize, parent: Option<usize>, numbered: bool) -> bool {
        if self.seen.get(at).copied().unwrap_or(true) {
            return false;
        }
        if let Some(seen) = self.seen.get_mut(at) {
            *seen = true;
        }
        self.order.push(at);
        let above = parent.and_then(|parent| self.spans.get_mut(parent)).map(|above| {
            above.children += 1;
            above.sets.left
        });
        let Some(span) = self.spans.get_mut(at) else { return false };
        span.parent = parent;
        if numbered {
            self.number += 1;
            span.sets = NestedSet { left: self.number, right: 0, parent: above.unwrap_or(-1) };
        }
        true
    }
}
