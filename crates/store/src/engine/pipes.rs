//! Extension pipes: what happens to the rows of a log query together.
//!
//! Rows flow through the pipes one by one. `head`, `distinct` and `fields` pass them on at once;
//! `sort`, `tail` and `top` hold what they must until the scan is over, a sort with a limit only
//! its best rows. Everything that is held is charged to the query.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;

use lucarne_logql::ast::{Pipe, SortKey};
use lucarne_logql::go_number::quote;
use lucarne_logql::labels::LabelSet;

use super::answer::Row;
use super::limits::Meter;
use super::natural;

/// The name of the count that `top` adds.
pub const HITS: &str = "hits";

/// Pipes at work; the answer's own limit is the last.
pub(super) struct Pipes {
    pipes: Vec<Working>,
    out: Vec<Row>,
}

enum Working {
    Head { left: u64 },
    Tail { keep: usize, rows: VecDeque<Row> },
    Sort(Sorting),
    Distinct { by: Vec<String>, seen: HashSet<Vec<String>> },
    Top { count: u64, by: Vec<String>, hits: HashMap<Vec<String>, (u64, i64)> },
    Fields(Vec<String>),
}

impl Pipes {
    pub(super) fn new(pipes: &[Pipe], limit: u64) -> Self {
        let mut working: Vec<Working> = pipes.iter().map(Working::new).collect();
        working.push(Working::Head { left: limit });
        // A sort that is cut afterwards need not hold more than the cut leaves.
        for at in 1..working.len() {
            let Some((before, after)) = working.split_at_mut_checked(at) else { break };
            if let (Some(Working::Sort(sort)), Some(Working::Head { left })) =
                (before.last_mut(), after.first())
            {
                sort.limit = sort.limit.min(*left);
            }
        }
        Self { pipes: working, out: Vec::new() }
    }

    /// Whether rows pass in the order in which they come, so that what passed until a stop is a
    /// true beginning of the answer.
    pub(super) fn keeps_order(pipes: &[Pipe]) -> bool {
        pipes.iter().all(|pipe| match pipe {
            Pipe::Head(_) | Pipe::Distinct(_) | Pipe::Fields(_) => true,
            Pipe::Sort { .. } | Pipe::Tail(_) | Pipe::Top { .. } => false,
        })
    }

    /// One more row, which the caller has charged. Breaks when no further row can matter.
    pub(super) fn push(&mut self, row: Row, meter: &Meter<'_>) -> ControlFlow<()> {
        push(&mut self.pipes, row, &mut self.out, meter)
    }

    /// All rows, when there are no more.
    pub(super) fn finish(mut self, meter: &Meter<'_>) -> Vec<Row> {
        let mut rest = self.pipes.as_mut_slice();
        while let Some((first, following)) = rest.split_first_mut() {
            for row in first.drain() {
                if push(following, row, &mut self.out, meter).is_break() {
                    break;
                }
            }
            rest = following;
        }
        self.out
    }
}

fn push(pipes: &mut [Working], row: Row, out: &mut Vec<Row>, meter: &Meter<'_>) -> ControlFlow<()> {
    let Some((pipe, rest)) = pipes.split_first_mut() else {
        out.push(row);
        return ControlFlow::Continue(());
    };
    match pipe {
        Working::Head { left: 0 } => ControlFlow::Break(()),
        Working::Head { left } => {
            *left = left.saturating_sub(1);
            let last = *left == 0;
            push(rest, row, out, meter)?;
            if last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
        Working::Tail { keep, rows } => {
            rows.push_back(row);
            if rows.len() > *keep {
                let gone = rows.pop_front();
                meter.release(gone.map_or(0, |row| row.bytes()));
            }
            ControlFlow::Continue(())
        }
        Working::Sort(sort) => {
            sort.push(row, meter);
            ControlFlow::Continue(())
        }
        Working::Distinct { by, seen } => {
            let key = fields(&row, by);
            meter.hold(key_bytes(&key))?;
            if seen.insert(key) {
                return push(rest, row, out, meter);
            }
            meter.release(row.bytes());
            ControlFlow::Continue(())
        }
        Working::Top { by, hits, .. } => {
            let key = fields(&row, by);
            meter.release(row.bytes());
            if !hits.contains_key(&key) {
                meter.hold(key_bytes(&key))?;
            }
            let (count, latest) = hits.entry(key).or_insert((0, row.time_ns));
            *count = count.saturating_add(1);
            *latest = row.time_ns.max(*latest);
            ControlFlow::Continue(())
        }
        Working::Fields(names) => push(rest, only(&row, names), out, meter),
    }
}

impl Working {
    fn new(pipe: &Pipe) -> Self {
        match pipe {
            Pipe::Sort { keys, limit } => Self::Sort(Sorting::new(keys, limit.unwrap_or(u64::MAX))),
            Pipe::Head(count) => Self::Head { left: *count },
            Pipe::Tail(count) => Self::Tail {
                keep: usize::try_from(*count).unwrap_or(usize::MAX),
                rows: VecDeque::new(),
            },
            Pipe::Distinct(by) => Self::Distinct { by: by.clone(), seen: HashSet::new() },
            Pipe::Top { count, by } => {
                Self::Top { count: *count, by: by.clone(), hits: HashMap::new() }
            }
            Pipe::Fields(names) => Self::Fields(names.clone()),
        }
    }

    /// The rows that it held back.
    fn drain(&mut self) -> Vec<Row> {
        match self {
            Self::Head { .. } | Self::Distinct { .. } | Self::Fields(_) => Vec::new(),
            Self::Tail { rows, .. } => rows.drain(..).collect(),
            Self::Sort(sort) => sort.drain(),
            Self::Top { count, by, hits } => top(*count, by, std::mem::take(hits)),
        }
    }
}

/// A sort that holds at most its limit.
struct Sorting {
    fields: Vec<String>,
    descending: Arc<[bool]>,
    limit: u64,
    arrived: u64,
    /// The worst on top.
    heap: BinaryHeap<Ranked>,
}

struct Ranked {
    keys: Vec<String>,
    descending: Arc<[bool]>,
    /// Equals keep the order in which they came.
    arrival: u64,
    row: Row,
}

impl Sorting {
    fn new(keys: &[SortKey], limit: u64) -> Self {
        Self {
            fields: keys.iter().map(|key| key.field.clone()).collect(),
            descending: keys.iter().map(|key| key.descending).collect(),
            limit,
            arrived: 0,
            heap: BinaryHeap::new(),
        }
    }

    fn push(&mut self, row: Row, meter: &Meter<'_>) {
        let keys = fields(&row, &self.fields);
        let descending = Arc::clone(&self.descending);
        self.heap.push(Ranked { keys, descending, arrival: self.arrived, row });
        self.arrived = self.arrived.saturating_add(1);
        if self.heap.len() as u64 > self.limit {
            let worst = self.heap.pop();
            meter.release(worst.map_or(0, |worst| worst.row.bytes()));
        }
    }

    fn drain(&mut self) -> Vec<Row> {
        let sorted = std::mem::take(&mut self.heap).into_sorted_vec();
        sorted.into_iter().map(|ranked| ranked.row).collect()
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let keys = self.keys.iter().zip(&other.keys).zip(self.descending.iter());
        for ((one, other), descending) in keys {
            let order = natural::compare(one, other);
            let order = if *descending { order.reverse() } else { order };
            if order != Ordering::Equal {
                return order;
            }
        }
        self.arrival.cmp(&other.arrival)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

/// The most frequent combinations, most first; equals in natural order.
fn top(count: u64, by: &[String], hits: HashMap<Vec<String>, (u64, i64)>) -> Vec<Row> {
    let mut all: Vec<(Vec<String>, (u64, i64))> = hits.into_iter().collect();
    all.sort_by(|(keys, (hits, _)), (other_keys, (other_hits, _))| {
        let natural = || {
            let pairs = keys.iter().zip(other_keys);
            pairs.map(|(one, other)| natural::compare(one, other)).find(|o| o.is_ne())
        };
        Reverse(hits)
            .cmp(&Reverse(other_hits))
            .then_with(|| natural().unwrap_or(Ordering::Equal))
            .then_with(|| keys.cmp(other_keys))
    });
    all.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    let row = |(keys, (hits, latest)): (Vec<String>, (u64, i64))| {
        let mut pairs: Vec<_> = by.iter().cloned().zip(keys).collect();
        pairs.push((HITS.to_owned(), hits.to_string()));
        table_row(latest, pairs, None)
    };
    all.into_iter().map(row).collect()
}

/// A row with only these fields. Without `_line` its line is the fields themselves.
fn only(row: &Row, names: &[String]) -> Row {
    let line = names.iter().any(|name| name == "_line").then(|| row.line.clone());
    let named = names.iter().filter(|name| *name != "_line");
    let pairs = named.map(|name| (name.clone(), row.field(name).into_owned())).collect();
    table_row(row.time_ns, pairs, line)
}

fn table_row(time_ns: i64, parsed: Vec<(String, String)>, line: Option<String>) -> Row {
    let line = line.unwrap_or_else(|| logfmt(&parsed));
    Row { time_ns, line, stream: Arc::new(LabelSet::new()), metadata: Vec::new(), parsed }
}

fn logfmt(pairs: &[(String, String)]) -> String {
    let mut line = String::new();
    for (name, value) in pairs {
        let separator = if line.is_empty() { "" } else { " " };
        let plain = |c: char| c > ' ' && c != '"' && c != '=' && c != '\\' && !c.is_control();
        let _ = if value.is_empty() || !value.chars().all(plain) {
            write!(line, "{separator}{name}={}", quote(value))
        } else {
            write!(line, "{separator}{name}={value}")
        };
    }
    line
}

fn fields(row: &Row, names: &[String]) -> Vec<String> {
    names.iter().map(|name| row.field(name).into_owned()).collect()
}

fn key_bytes(key: &[String]) -> usize {
    let text: usize = key.iter().map(|text| text.len().saturating_add(size_of::<String>())).sum();
    text.saturating_add(48)
}
