//! The thread that talks to the store, and how others wait for it.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use tokio::runtime::{Builder, Runtime};

/// A runtime with one thread; clones share it, and the last one ends it.
#[derive(Clone)]
pub(super) struct Engine(Arc<Inner>);

struct Inner(Option<Runtime>);

impl Engine {
    pub(super) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("lucarne-s3")
            .enable_all()
            .build()?;
        Ok(Self(Arc::new(Inner(Some(runtime)))))
    }

    /// Runs `work` to its end and waits for it; `None` when it panicked.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let runtime = self.0.0.as_ref()?;
        let (done, waiting) = sync_channel(1);
        runtime.spawn(async move {
            // The one who waits cannot have gone: it waits below.
            drop(done.send(work.await));
        });
        waiting.recv().ok()
    }
}

impl Drop for Inner {
    // A runtime that is dropped on a thread of another runtime panics, unless it does not wait.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_used_and_dropped_on_any_thread() {
        let engine = Engine::start().unwrap();
        assert_eq!(engine.wait(async { 1 }), Some(1));
        let outer = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let task = outer.spawn(async move {
            let found = engine.wait(async { 2 });
            drop(engine);
            found
        });
        assert_eq!(outer.block_on(task).unwrap(), Some(2));
    }
}
