//! Parts that an action of the desk restarts: asked for by the receiver, done by the main thread,
//! since a child is tied to the thread that starts it.

use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A wish that a part be stopped and started again.
#[derive(Debug)]
pub(super) struct Wish {
    /// Which.
    pub(super) part: &'static str,
    done: mpsc::Sender<()>,
}

impl Wish {
    /// It was done.
    pub(super) fn grant(self) {
        // Whoever wished may have given up.
        self.done.send(()).ok();
    }
}

/// Where wishes are put.
#[derive(Clone, Debug)]
pub(super) struct Wishes(UnboundedSender<Wish>);

/// Both ends.
pub(super) fn wishes() -> (Wishes, UnboundedReceiver<Wish>) {
    let (sender, receiver) = unbounded_channel();
    (Wishes(sender), receiver)
}

impl Wishes {
    /// Wishes for a restart and waits for it; whether it was done.
    pub(super) fn wish(&self, name: &str) -> bool {
        let Some(part) = RESTARTED.into_iter().find(|part| *part == name) else { return false };
        let (done, granted) = mpsc::channel();
        self.0.send(Wish { part, done }).is_ok() && granted.recv_timeout(PATIENCE).is_ok()
    }
}

/// What may be restarted while the rest runs.
const RESTARTED: [&str; 2] = ["proxy", "enclave"];
/// A stop that ships everything and a start that recovers.
const PATIENCE: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_granted_once_and_only_for_what_may_be_restarted() {
        let (wishes, mut heard) = wishes();
        assert!(!wishes.wish("gateway"));
        let wishing = std::thread::spawn(move || wishes.wish("enclave"));
        let wish = heard.blocking_recv().unwrap();
        assert_eq!(wish.part, "enclave");
        wish.grant();
        assert!(wishing.join().unwrap());
    }
}
