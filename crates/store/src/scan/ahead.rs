//! Rows of many pieces in any order: a second thread opens pieces while the first shows rows.
//!
//! Both take the next piece that nobody has. What the second has opened waits in a queue of a few,
//! which bounds the memory of a query; the first empties that before it opens anything itself, so
//! a query that does little with its rows uses two cores, and one that does much waits for none.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::piece::{Opened, Piece};
use crate::engine::source::{Entry, ScanStats, Selection, Unreadable};
use crate::store::Store;

/// Fewer are read before a thread has begun.
const PIECES_MIN: usize = 8;
/// Opened pieces that wait; each has some 2 MiB of lines, and columns.
const WAITING_MAX: usize = 2;

/// What both threads share.
struct Scan<'a> {
    store: &'a Store,
    pieces: &'a [Piece],
    what: &'a Selection<'a>,
    /// The first piece that nobody has taken.
    next: AtomicUsize,
}

/// What is done with each row.
type Visit<'v> = dyn FnMut(&Entry<'_>) -> ControlFlow<()> + 'v;

pub(super) fn in_any_order(
    store: &Store,
    pieces: &[Piece],
    what: &Selection<'_>,
    visit: &mut Visit<'_>,
) -> ScanStats {
    let scan = Scan { store, pieces, what, next: AtomicUsize::new(0) };
    let mut stats = ScanStats::default();
    if pieces.len() < PIECES_MIN {
        let _ended = scan.alone(&mut stats, visit);
        return stats;
    }
    thread::scope(|threads| {
        let (sender, waiting) = sync_channel(WAITING_MAX);
        let scan = &scan;
        let second = thread::Builder::new()
            .name("scan".to_owned())
            .spawn_scoped(threads, move || scan.open_ahead(&sender));
        let Ok(second) = second else {
            let _ended = scan.alone(&mut stats, visit);
            return stats;
        };
        let _ended = scan.show(&waiting, &mut stats, visit);
        // Whoever opens for nobody stops at the closed queue.
        drop(waiting);
        // A thread that died has lost a piece that it had taken.
        let lost = ScanStats { blocks_unreadable: Unreadable::unnamed(1), ..ScanStats::default() };
        stats.and(second.join().unwrap_or(lost))
    })
}

impl Scan<'_> {
    fn take(&self) -> Option<&Piece> {
        self.pieces.get(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn alone(&self, stats: &mut ScanStats, visit: &mut Visit<'_>) -> ControlFlow<()> {
        while let Some(piece) = self.take() {
            if let Some(opened) = self.store.open(piece, self.what, stats)? {
                opened.visit_all(visit)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The first thread.
    fn show(
        &self,
        waiting: &Receiver<Opened>,
        stats: &mut ScanStats,
        visit: &mut Visit<'_>,
    ) -> ControlFlow<()> {
        loop {
            let opened = match waiting.try_recv() {
                Ok(opened) => Some(opened),
                Err(_) => match self.take() {
                    Some(piece) => self.store.open(piece, self.what, stats)?,
                    // All are taken: what is left comes from the other, until it is done.
                    None => match waiting.recv() {
                        Ok(opened) => Some(opened),
                        Err(_) => return ControlFlow::Continue(()),
                    },
                },
            };
            if let Some(opened) = opened {
                opened.visit_all(visit)?;
            }
        }
    }

    /// The second thread.
    fn open_ahead(&self, ready: &SyncSender<Opened>) -> ScanStats {
        let mut stats = ScanStats::default();
        while let Some(piece) = self.take() {
            let opened = match self.store.open(piece, self.what, &mut stats) {
                ControlFlow::Break(()) => break,
                ControlFlow::Continue(opened) => opened,
            };
            if opened.is_some_and(|opened| ready.send(opened).is_err()) {
                break;
            }
        }
        stats
    }
}
