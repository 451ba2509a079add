//! Rows of many pieces in order of time.
//!
//! A piece waits with the earliest time that it can have, and is opened when that is the earliest
//! of all. Rows of one time come in the order of pieces, then of rows; backward is the reverse.

use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use super::piece::{Opened, Piece};
use crate::engine::source::{Direction, Entry, ScanStats, Selection};
use crate::store::Store;

/// What comes next of a piece. The greatest is shown first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Next {
    time: i128,
    piece: i64,
    row: i64,
}

pub(super) fn in_order(
    store: &Store,
    pieces: &[Piece],
    what: &Selection<'_>,
    direction: Direction,
    stats: &mut ScanStats,
    visit: &mut dyn FnMut(&Entry<'_>) -> ControlFlow<()>,
) {
    let order = Order(direction);
    let mut waiting: BinaryHeap<Next> = BinaryHeap::with_capacity(pieces.len());
    let mut open: Vec<Option<Opened>> = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        open.push(None);
        waiting.push(order.bound(number, piece));
    }
    while let Some(next) = waiting.pop() {
        let number = order.undo(next.piece);
        let (Some(piece), Some(slot)) = (pieces.get(number), open.get_mut(number)) else { return };
        let Some(opened) = slot else {
            match store.open(piece, what, stats) {
                ControlFlow::Break(()) => return,
                ControlFlow::Continue(None) => {}
                ControlFlow::Continue(Some(opened)) => {
                    if what.meter.hold(opened.bytes()).is_break() {
                        return;
                    }
                    waiting.extend(order.row(number, &opened, 0));
                    *slot = Some(opened);
                }
            }
            continue;
        };
        let at = order.place(opened, next);
        if opened.visit(at, &mut Vec::new(), visit).is_break() {
            return;
        }
        let shown = order.shown(opened, at);
        match order.row(number, opened, shown) {
            Some(next) => waiting.push(next),
            None => {
                what.meter.release(opened.bytes());
                // Nothing of it is left; its number keeps its place.
                *slot = None;
            }
        }
    }
}

/// Turns either direction into "the greatest first".
#[derive(Clone, Copy)]
struct Order(Direction);

impl Order {
    const fn sign(self) -> i64 {
        match self.0 {
            Direction::Forward => -1,
            Direction::Backward => 1,
        }
    }

    fn key(self, time_ns: i64, piece: usize, row: i64) -> Next {
        let piece = i64::try_from(piece).unwrap_or(i64::MAX);
        Next {
            time: i128::from(time_ns) * i128::from(self.sign()),
            piece: piece * self.sign(),
            row: row * self.sign(),
        }
    }

    /// Before any row of the piece.
    fn bound(self, number: usize, piece: &Piece) -> Next {
        let (first, last) = piece.span();
        match self.0 {
            Direction::Forward => self.key(first, number, -1),
            Direction::Backward => self.key(last, number, i64::MAX),
        }
    }

    fn undo(self, piece: i64) -> usize {
        usize::try_from(piece * self.sign()).unwrap_or(usize::MAX)
    }

    /// The row after so many; `None` behind the last.
    fn row(self, number: usize, opened: &Opened, shown: usize) -> Option<Next> {
        let at = match self.0 {
            Direction::Forward => Some(shown).filter(|&at| at < opened.len()),
            Direction::Backward => opened.len().checked_sub(shown + 1),
        }?;
        Some(self.key(opened.time(at), number, i64::try_from(at).ok()?))
    }

    fn place(self, opened: &Opened, next: Next) -> usize {
        usize::try_from(next.row * self.sign()).unwrap_or(0).min(opened.len().saturating_sub(1))
    }

    /// How many rows were shown when this one was.
    fn shown(self, opened: &Opened, at: usize) -> usize {
        match self.0 {
            Direction::Forward => at + 1,
            Direction::Backward => opened.len() - at,
        }
    }
}
