//! Runners over a source in memory: failures, restarts, draining. Time stands still unless it must
//! pass.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::*;
use crate::export::client::{Client, Endpoint, Version};
use crate::export::jsonl::Jsonl;
use crate::export::loki::{Loki, LokiFormat};
use crate::export::push::{Encoder, Push};
use crate::export::samples::{self, Receiver, Reply};
use crate::export::sink::Tally;
use crate::journal::tests::Written;

/// All there is to export, growing; the position is an index.
#[derive(Clone)]
struct Memory {
    items: watch::Receiver<Vec<Item>>,
    per_reading: usize,
    /// Becomes true when a reader waits for more.
    idle: watch::Sender<bool>,
}

impl Source for Memory {
    async fn read(
        &mut self,
        from: &Position,
        items_max: usize,
    ) -> Result<(Vec<Item>, Position), SourceError> {
        let from = match from.0.as_str() {
            "" => 0,
            text => text.parse().map_err(|_| SourceError::Position)?,
        };
        let items = self.items.borrow();
        let end = items.len().min(from + items_max.min(self.per_reading));
        Ok((items[from..end].to_vec(), Position(end.to_string())))
    }

    async fn changed(&mut self, from: &Position) {
        let from: usize = from.0.parse().unwrap_or(0);
        self.idle.send_replace(true);
        drop(self.items.wait_for(|items| items.len() > from).await);
    }
}

struct Fixed(AtomicU64);

impl Clock for Fixed {
    fn unix_ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.unix_ns())
    }
}

struct Setup {
    directory: tempfile::TempDir,
    items: watch::Sender<Vec<Item>>,
    idle: watch::Sender<bool>,
    drain: watch::Sender<bool>,
    metrics: Arc<ExporterMetrics>,
    written: Written,
}

impl Setup {
    fn new(items: Vec<Item>) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            items: watch::Sender::new(items),
            idle: watch::Sender::new(false),
            drain: watch::Sender::new(false),
            metrics: Arc::default(),
            written: Written::default(),
        }
    }

    fn runner(&self, sink: Sink) -> Runner<Memory> {
        let clock: Arc<dyn Clock> = Arc::new(Fixed(AtomicU64::new(samples::TIME_NS)));
        let surroundings = Surroundings {
            metrics: Arc::clone(&self.metrics),
            journal: Journal::new(Arc::clone(&clock), Box::new(self.written.clone()), None),
            clock,
        };
        let source =
            Memory { items: self.items.subscribe(), per_reading: 2, idle: self.idle.clone() };
        let file = CursorFile::open(&self.directory.path().join("cursors"), "test").unwrap();
        Runner::build("test".into(), sink, source, file, surroundings).unwrap()
    }

    fn jsonl(&self) -> Sink {
        let directory = self.directory.path().join("export");
        Sink::Jsonl(Box::new(Jsonl::open(&directory, u64::MAX, 1).unwrap()))
    }

    fn lines(&self) -> usize {
        let path = self.directory.path().join("export/logs.jsonl");
        std::fs::read_to_string(path).unwrap().lines().count()
    }

    async fn drained(&self, sink: Sink) {
        self.drain.send_replace(true);
        self.runner(sink).run(self.drain.subscribe()).await;
    }
}

fn logs(count: u64) -> Vec<Item> {
    (0..count).map(|index| samples::log(index, 9)).collect()
}

async fn loki(replies: &[Reply]) -> (Receiver, Sink) {
    let receiver = Receiver::start(replies).await;
    let endpoint = Endpoint {
        uri: format!("http://{}/push", receiver.address).parse().unwrap(),
        tls: None,
        headers: http::HeaderMap::new(),
        bearer_token_file: None,
        timeout: Duration::from_secs(5),
        version: Version::Http1,
    };
    let encoder = Encoder::Loki(Loki { format: LokiFormat::Json, labels_compat: false });
    (receiver, Sink::Push(Box::new(Push::new(Client::new(endpoint), encoder))))
}

#[tokio::test]
async fn everything_is_exported_once_across_restarts() {
    let setup = Setup::new(logs(5));
    setup.drained(setup.jsonl()).await;
    assert_eq!(setup.lines(), 5);
    setup.items.send_modify(|items| items.extend(logs(3)));
    setup.drained(setup.jsonl()).await;
    assert_eq!(setup.lines(), 8);
    assert_eq!(setup.metrics.tally(), Tally { sent: 8, refused: 0, skipped: 0 });
}

#[tokio::test]
async fn dropping_a_runner_at_any_await_loses_and_doubles_nothing() {
    for steps in 0..40 {
        let setup = Setup::new(logs(7));
        {
            let run = setup.runner(setup.jsonl()).run(setup.drain.subscribe());
            let mut run = std::pin::pin!(run);
            let mut polls = 0;
            // Polled so many times, then dropped: a crash, as far as files can tell.
            std::future::poll_fn(|context| {
                polls += 1;
                if polls > steps || run.as_mut().poll(context).is_ready() {
                    return std::task::Poll::Ready(());
                }
                context.waker().wake_by_ref();
                std::task::Poll::Pending
            })
            .await;
        }
        setup.drained(setup.jsonl()).await;
        assert_eq!(setup.lines(), 7, "after {steps} polls");
    }
}

#[tokio::test]
async fn failures_are_waited_out_told_once_and_counted() {
    let setup = Setup::new(logs(2));
    let (receiver, sink) = loki(&[(503, &[]), (503, &[]), (502, &[]), (204, &[])]).await;
    let runner = setup.runner(sink);
    let mut idle = setup.idle.subscribe();
    let begun = tokio::time::Instant::now();
    let ending = async {
        drop(idle.wait_for(|idle| *idle).await);
        setup.drain.send_replace(true);
    };
    tokio::join!(runner.run(setup.drain.subscribe()), ending);
    // Half of 250 ms and half of 500 ms at least.
    assert!(begun.elapsed() >= Duration::from_millis(375), "{:?}", begun.elapsed());
    assert_eq!(receiver.got().len(), 4);
    assert_eq!(setup.metrics.tally(), Tally { sent: 2, refused: 0, skipped: 0 });
    assert_eq!(setup.metrics.lag(u64::MAX), Duration::ZERO);
    assert_eq!(
        setup.written.messages(),
        [
            "Warning: exporter cannot deliver HTTP status 503",
            "Warning: exporter cannot deliver HTTP status 502",
            "Information: exporter delivers again "
        ]
    );
}

#[tokio::test]
async fn what_a_receiver_refuses_is_passed_over_and_told_without_content() {
    let setup = Setup::new(logs(3));
    let (receiver, sink) = loki(&[(400, &[]), (204, &[])]).await;
    setup.drained(sink).await;
    assert_eq!(receiver.got().len(), 2);
    assert_eq!(setup.metrics.tally(), Tally { sent: 1, refused: 2, skipped: 0 });
    assert_eq!(setup.written.messages(), ["Warning: receiver refuses records HTTP status 400"]);
}

#[test]
fn what_cannot_even_be_read_is_late_since_it_could_not() {
    let metrics = ExporterMetrics::default();
    metrics.retried(5_000_000_000);
    metrics.retried(7_000_000_000);
    assert_eq!(metrics.lag(9_000_000_000), Duration::from_secs(4));
    metrics.caught_up();
    assert_eq!(metrics.lag(9_000_000_000), Duration::ZERO);
}

#[tokio::test]
async fn a_dead_receiver_does_not_hold_up_the_end_and_keeps_its_place() {
    let setup = Setup::new(logs(3));
    let (_receiver, sink) = loki(&[(503, &[])]).await;
    setup.drained(sink).await;
    let night_ns = 8 * 3_600 * 1_000_000_000;
    let lag = setup.metrics.lag(samples::TIME_NS + night_ns);
    assert!(lag >= Duration::from_nanos(night_ns), "nobody delivers, and it grows: {lag:?}");
    let (receiver, sink) = loki(&[(204, &[])]).await;
    setup.drained(sink).await;
    assert_eq!(setup.metrics.lag(u64::MAX), Duration::ZERO);
    assert_eq!(receiver.got().len(), 2);
    assert_eq!(setup.metrics.tally().sent, 3);
}
