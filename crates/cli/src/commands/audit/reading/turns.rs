//! Taking turns: workers do the heavy part of their work side by side and the rest one after the
//! other, in the order in which the work was handed out.
//!
//! What a worker has made may borrow from its own memory, since it brings it to its turn itself.
//! The first failure ends everything, a panic of one worker does too.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::failure::Failure;

/// Work that is handed out in an order, and a state that only the one whose turn it is may touch.
pub(super) struct Turns<'s, N, S> {
    hand: Mutex<Hand<N>>,
    turn: Mutex<Turn<S>>,
    changed: Condvar,
    stop: &'s (dyn Fn() -> bool + Sync),
}

/// What is handed out.
struct Hand<N> {
    names: N,
    next: u64,
    end: End,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum End {
    Open,
    Whole,
    Stopped,
}

struct Turn<S> {
    next: u64,
    state: S,
    failure: Option<Failure>,
    broken: bool,
}

/// How it ended, with the state.
pub(super) enum Fed<S> {
    /// Everything was handed out and done.
    Whole(S),
    /// Somebody stopped it; what was handed out is done.
    Stopped,
}

impl<'s, N, W, S> Turns<'s, N, S>
where
    N: Iterator<Item = Result<W, Failure>>,
{
    /// Hands out `names` until `stop` says so.
    pub(super) const fn new(names: N, stop: &'s (dyn Fn() -> bool + Sync), state: S) -> Self {
        Self {
            hand: Mutex::new(Hand { names, next: 0, end: End::Open }),
            turn: Mutex::new(Turn { next: 0, state, failure: None, broken: false }),
            changed: Condvar::new(),
            stop,
        }
    }

    /// Works until nothing is left: `each` gets what it is to do, and the ticket for its turn.
    pub(super) fn work(&self, mut each: impl FnMut(W, u64) -> Result<(), Failure>) {
        let _guard = Broken { turns: self };
        while let Some((name, ticket)) = self.take() {
            if let Err(failure) = each(name, ticket) {
                self.fail(failure);
                break;
            }
        }
    }

    /// Waits for the turn of this ticket, then touches the state.
    ///
    /// # Errors
    /// What `touch` says. Nothing is touched when somebody else has failed.
    pub(super) fn at(
        &self,
        ticket: u64,
        touch: impl FnOnce(&mut S) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let waits = |turn: &mut Turn<S>| turn.next != ticket && !turn.ended();
        let turn = self.changed.wait_while(lock(&self.turn), waits);
        let mut turn = turn.unwrap_or_else(PoisonError::into_inner);
        if turn.ended() {
            return Ok(());
        }
        let touched = touch(&mut turn.state);
        turn.next += 1;
        drop(turn);
        self.changed.notify_all();
        touched
    }

    /// What came of it, once nobody works any more.
    ///
    /// # Errors
    /// The first failure.
    pub(super) fn finish(self) -> Result<Fed<S>, Failure> {
        let turn = self.turn.into_inner().unwrap_or_else(PoisonError::into_inner);
        let hand = self.hand.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (turn.failure, hand.end) {
            (Some(failure), _) => Err(failure),
            (None, End::Stopped) => Ok(Fed::Stopped),
            (None, End::Whole | End::Open) => Ok(Fed::Whole(turn.state)),
        }
    }

    fn take(&self) -> Option<(W, u64)> {
        let mut hand = lock(&self.hand);
        if hand.end != End::Open {
            return None;
        }
        let next =
            if (self.stop)() { Err(End::Stopped) } else { hand.names.next().ok_or(End::Whole) };
        match next {
            Ok(Ok(name)) => {
                let ticket = hand.next;
                hand.next += 1;
                Some((name, ticket))
            }
            Ok(Err(failure)) => {
                hand.end = End::Whole;
                drop(hand);
                self.fail(failure);
                None
            }
            Err(end) => {
                hand.end = end;
                None
            }
        }
    }

    fn fail(&self, failure: Failure) {
        lock(&self.hand).end = End::Whole;
        lock(&self.turn).failure.get_or_insert(failure);
        self.changed.notify_all();
    }
}

impl<S> Turn<S> {
    const fn ended(&self) -> bool {
        self.failure.is_some() || self.broken
    }
}

/// Lets the others go when the one who holds it panics.
struct Broken<'t, 's, N, S> {
    turns: &'t Turns<'s, N, S>,
}

impl<N, S> Drop for Broken<'_, '_, N, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(&self.turns.turn).broken = true;
            self.turns.changed.notify_all();
        }
    }
}

// A poisoned lock belongs to a panic that ends the command anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::{Fed, Turns};
    use crate::failure::{Exit, Failure};

    const NEVER: &(dyn Fn() -> bool + Sync) = &|| false;

    fn run<N>(turns: &Turns<'_, N, Vec<u32>>, fail_at: Option<u32>)
    where
        N: Iterator<Item = Result<u32, Failure>> + Send,
    {
        let work = || {
            turns.work(|name, ticket| {
                // The later the work, the sooner it is done: turns still come in order.
                std::hint::black_box((0..(200 - name) * 50).fold(0, |a, b| a ^ b));
                if fail_at == Some(name) {
                    return Err(Failure::new(Exit::Unreadable, format!("{name}")));
                }
                turns.at(ticket, |seen| {
                    seen.push(name);
                    Ok(())
                })
            });
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(work);
            }
        });
    }

    #[test]
    fn turns_come_in_the_order_of_the_work() {
        let turns = Turns::new((0..200).map(Ok), NEVER, Vec::new());
        run(&turns, None);
        let Ok(Fed::Whole(seen)) = turns.finish() else { panic!("it was not stopped") };
        assert_eq!(seen, (0..200).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_failure_ends_everything() {
        let turns = Turns::new((0..200).map(Ok), NEVER, Vec::new());
        run(&turns, Some(77));
        let Err(failure) = turns.finish() else { panic!("77 failed") };
        assert_eq!(failure.text(false), "error: 77\n");
        let names = (0..9).map(|n| if n == 5 { Err(Failure::usage("five")) } else { Ok(n) });
        let turns = Turns::new(names, NEVER, Vec::new());
        run(&turns, None);
        assert!(matches!(turns.finish(), Err(failure) if failure.exit() == Exit::Usage));
    }

    #[test]
    fn a_stop_leaves_nothing_half_done() {
        let asked = AtomicU32::new(0);
        let stop = || asked.fetch_add(1, Ordering::Relaxed) >= 20;
        let turns = Turns::new((0..200).map(Ok), &stop, Vec::new());
        run(&turns, None);
        let seen = turns.turn.lock().unwrap().state.clone();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
        assert!(matches!(turns.finish(), Ok(Fed::Stopped)));
    }

    #[test]
    fn a_panic_lets_the_others_go() {
        let turns = Turns::new((0..200_u32).map(Ok), NEVER, Vec::<u32>::new());
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        turns.work(|name, ticket| {
                            assert_ne!(name, 9, "on purpose");
                            turns.at(ticket, |_| Ok(()))
                        });
                    });
                }
            });
        }));
        let said = ended.unwrap_err().downcast_ref::<&str>().copied();
        assert_eq!(said, Some("a scoped thread panicked"));
    }
}
