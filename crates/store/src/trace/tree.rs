//! Spans as a tree: who called whom, where the time went, and what the end waited for.
//!
//! A pure function over spans in any order. What does not fit together is still shown: a span whose
//! parent is missing is a root and marked, spans that are their own ancestors are cut apart, and a
//! clock that disagrees between services makes no time negative.

use std::collections::HashMap;

use super::SpanInfo;

/// A span in its tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// What is known of it.
    pub span: SpanInfo,
    /// 0 for a root.
    pub depth: usize,
    /// Whether it has a parent that is not among the spans, or is its own ancestor.
    pub is_orphan: bool,
    /// Time that none of its children covers.
    pub self_ns: u64,
    /// Whether the end of the first root waited for it.
    pub is_critical: bool,
}

/// The spans in the order in which a waterfall shows them: parents before children, each group by
/// start, the earliest root first.
#[must_use]
pub fn build(mut spans: Vec<SpanInfo>) -> Vec<Node> {
    spans.sort_by_key(|span| (span.start_ns, span.id));
    let shape = Shape::of(&spans);
    let critical = shape.critical_path(&spans);
    let mut nodes = Vec::with_capacity(spans.len());
    let mut waiting: Vec<(usize, usize)> = shape.roots.iter().rev().map(|&at| (at, 0)).collect();
    while let Some((at, depth)) = waiting.pop() {
        let (Some(span), Some(children)) = (spans.get(at), shape.children.get(at)) else {
            continue;
        };
        waiting.extend(children.iter().rev().map(|&child| (child, depth + 1)));
        nodes.push(Node {
            span: span.clone(),
            depth,
            is_orphan: depth == 0 && span.parent.is_some(),
            self_ns: self_ns(span, children.iter().filter_map(|&child| spans.get(child))),
            is_critical: critical.get(at).copied().unwrap_or(false),
        });
    }
    nodes
}

/// Who belongs to whom, by place in the sorted spans.
struct Shape {
    roots: Vec<usize>,
    children: Vec<Vec<usize>>,
}

impl Shape {
    fn of(spans: &[SpanInfo]) -> Self {
        let mut by_id = HashMap::new();
        for (at, span) in spans.iter().enumerate() {
            by_id.entry(span.id).or_insert(at); // of two with one id the earlier has the children
        }
        let mut parents: Vec<Option<usize>> = spans
            .iter()
            .map(|span| span.parent.and_then(|parent| by_id.get(&parent).copied()))
            .collect();
        cut_cycles(&mut parents);
        let mut children = vec![Vec::new(); spans.len()];
        let mut roots = Vec::new();
        for (at, parent) in parents.iter().enumerate() {
            match parent.and_then(|parent| children.get_mut(parent)) {
                Some(siblings) => siblings.push(at),
                None => roots.push(at),
            }
        }
        Self { roots, children }
    }

    /// From the end of the first root backward: the child that ended last before what came next.
    fn critical_path(&self, spans: &[SpanInfo]) -> Vec<bool> {
        let mut on_path = vec![false; spans.len()];
        let first = self.roots.first().copied();
        let mut waiting: Vec<usize> = first.into_iter().collect();
        while let Some(at) = waiting.pop() {
            let (Some(span), Some(children)) = (spans.get(at), self.children.get(at)) else {
                continue;
            };
            if let Some(mark) = on_path.get_mut(at) {
                *mark = true;
            }
            let mut by_end: Vec<(u64, usize)> = children
                .iter()
                .filter_map(|&child| Some((spans.get(child)?.end_ns, child)))
                .collect();
            by_end.sort_unstable();
            let mut until = span.end_ns;
            for (end_ns, child) in by_end.into_iter().rev() {
                // One that outlives its parent is not what the parent waited for.
                if end_ns <= until {
                    waiting.push(child);
                    until = spans.get(child).map_or(until, |child| child.start_ns);
                }
            }
        }
        on_path
    }
}

/// Makes the earliest span of each circle a root.
fn cut_cycles(parents: &mut [Option<usize>]) {
    /// The walk that saw a span first.
    const UNSEEN: usize = usize::MAX;
    let mut seen = vec![UNSEEN; parents.len()];
    for start in 0..parents.len() {
        let mut at = start;
        while seen.get(at) == Some(&UNSEEN) {
            if let Some(mark) = seen.get_mut(at) {
                *mark = start;
            }
            match parents.get(at).copied().flatten() {
                None => break,
                // Spans are walked by start, so the first that closes a circle began it.
                Some(parent) if seen.get(parent) == Some(&start) => {
                    if let Some(slot) = parents.get_mut(parent) {
                        *slot = None;
                    }
                    break;
                }
                Some(parent) => at = parent,
            }
        }
    }
}

/// The time of a span without what its children cover within it.
fn self_ns<'a>(span: &SpanInfo, children: impl Iterator<Item = &'a SpanInfo>) -> u64 {
    let mut covered = 0;
    let mut until = span.start_ns;
    for child in children {
        // Children come by start.
        let start = child.start_ns.clamp(until, span.end_ns.max(until));
        let end = child.end_ns.clamp(start, span.end_ns.max(start));
        covered += end - start;
        until = end;
    }
    (span.end_ns - span.start_ns).saturating_sub(covered)
}
