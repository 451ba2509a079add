//! Hands the lines of the proxy to the gateway, which exports them with `job="vsock-proxy"`.
//!
//! A bounded queue lies between the relays and the gateway, and writing to it never waits: what
//! finds no room is dropped, counted, and told as soon as a line gets through again. Standard error
//! has every line in any case. A line is sent again when the connection broke while it was written,
//! so it may come twice; what the gateway had in hand when it was killed is on standard error only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lucarne_platform::{Address, Stream, connect};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::log::{Line, Log, Reason};
use super::message::Event;
use super::metrics::Metrics;

/// The end that the log writes to. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    lines: mpsc::Sender<Vec<u8>>,
    unsaid: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
}

/// The end that the gateway is served from.
#[derive(Debug)]
pub(super) struct Forwarder {
    address: Address,
    lines: mpsc::Receiver<Vec<u8>>,
    // Dropped and not yet told.
    unsaid: Arc<AtomicU64>,
    // Taken from the queue and not yet known to be written.
    held: Option<Vec<u8>>,
}

/// Both ends of a new queue.
pub(super) fn queue(address: Address, metrics: Arc<Metrics>) -> (Feed, Forwarder) {
    let (sender, lines) = mpsc::channel(LINES_MAX);
    let unsaid = Arc::new(AtomicU64::new(0));
    let feed = Feed { lines: sender, unsaid: Arc::clone(&unsaid), metrics };
    (feed, Forwarder { address, lines, unsaid, held: None })
}

impl Feed {
    /// Queues a line, its end included, or counts it as dropped.
    pub(super) fn offer(&self, line: Vec<u8>) {
        if self.lines.try_send(line).is_err() {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            self.metrics.drop_line();
        }
    }
}

impl Forwarder {
    /// Serves until `stop`, and then until the queue is empty, but not longer than a moment.
    pub(super) async fn run(mut self, log: Log, mut stop: watch::Receiver<bool>) {
        let mut late = stop.clone();
        let too_late = async {
            super::stopped(&mut late).await;
            sleep(DRAIN_TIME_MAX).await;
        };
        tokio::select! {
            () = self.serve(&log, &mut stop) => {}
            () = too_late => {}
        }
    }

    async fn serve(&mut self, log: &Log, stop: &mut watch::Receiver<bool>) {
        let mut pause = PAUSE_MIN;
        loop {
            if let Ok(Ok(stream)) = timeout(PATIENCE, connect(&self.address)).await {
                pause = PAUSE_MIN;
                if self.send(stream, log, stop).await {
                    return;
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Sends until the connection breaks, or, which is true, everything is sent and no more comes.
    async fn send(
        &mut self,
        mut stream: Stream,
        log: &Log,
        stop: &mut watch::Receiver<bool>,
    ) -> bool {
        loop {
            if self.held.is_none() {
                self.held = self.next(log, stop).await;
            }
            let Some(line) = &self.held else {
                // The end of the stream tells the gateway that no line is torn.
                return stream.shutdown().await.is_ok();
            };
            match timeout(PATIENCE, stream.write_all(line)).await {
                Ok(Ok(())) => self.held = None,
                Ok(Err(_)) | Err(_) => return false,
            }
        }
    }

    /// The next line: first word of those that were dropped, then what is queued; none at the end.
    async fn next(&mut self, log: &Log, stop: &mut watch::Receiver<bool>) -> Option<Vec<u8>> {
        if let Some(line) = self.word_of_dropped(log) {
            return Some(line);
        }
        if let Ok(line) = self.lines.try_recv() {
            return Some(line);
        }
        let waited = tokio::select! {
            line = self.lines.recv() => line,
            () = super::stopped(stop) => None,
        };
        waited.or_else(|| self.lines.try_recv().ok())
    }

    fn word_of_dropped(&self, log: &Log) -> Option<Vec<u8>> {
        let dropped = self.unsaid.swap(0, Ordering::Relaxed);
        let reason = Some(Reason::LogFull);
        let line = Line { reason, dropped: Some(dropped), ..Line::new(Event::LinesDropped) };
        (dropped > 0).then(|| log.write_here(&line))
    }
}

/// A busy minute of connections while the gateway restarts; half a megabyte.
const LINES_MAX: usize = 1024;
/// For a connection, and for one line: the gateway is on the same machine.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Lines that are left when the proxy stops are worth a moment and no more.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lucarne_platform::Listener;
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    use super::*;
    use crate::clock::SystemClock;
    use crate::proxy::message::Message;

    fn log() -> Log {
        Log::new(Arc::new(SystemClock::start()), std::io::sink())
    }

    fn address(dir: &Path) -> Address {
        Address::Unix(dir.join("log.sock"))
    }

    async fn read(listener: &Listener, count: usize) -> Vec<String> {
        let stream = listener.accept().await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        let mut read = Vec::new();
        while read.len() < count {
            read.push(lines.next_line().await.unwrap().unwrap());
        }
        read
    }

    #[tokio::test]
    async fn what_finds_no_room_is_counted_and_told_before_what_follows() {
        let dir = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::default());
        let (feed, forwarder) = queue(address(dir.path()), Arc::clone(&metrics));
        for number in 0..LINES_MAX + 3 {
            feed.offer(format!("{number}\n").into_bytes());
        }
        assert!(metrics.text().contains("lucarne_proxy_log_dropped_total 3\n"));
        let (stop, stopping) = watch::channel(false);
        let running = tokio::spawn(forwarder.run(log(), stopping));
        // It has found nobody before; a gateway that comes later gets everything that was kept.
        let listener = Listener::bind(&address(dir.path())).unwrap();
        let lines = read(&listener, LINES_MAX + 1).await;
        let told = Message::parse(lines[0].as_bytes()).unwrap();
        assert_eq!((told.event, told.reason), (Event::LinesDropped, Some(Reason::LogFull)));
        assert_eq!(told.dropped, Some(3));
        let numbers: Vec<String> = (0..LINES_MAX).map(|number| number.to_string()).collect();
        assert_eq!(lines[1..], numbers);
        stop.send_replace(true);
        timeout(PATIENCE, running).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_gateway_that_comes_back_gets_the_lines_behind_the_break() {
        let dir = tempfile::tempdir().unwrap();
        let (feed, forwarder) = queue(address(dir.path()), Arc::default());
        let listener = Listener::bind(&address(dir.path())).unwrap();
        let (_stop, stopping) = watch::channel(false);
        tokio::spawn(forwarder.run(log(), stopping));
        feed.offer(b"one\n".to_vec());
        assert_eq!(read(&listener, 1).await, ["one"]);
        feed.offer(b"two\n".to_vec());
        assert_eq!(read(&listener, 1).await, ["two"]);
    }

    #[tokio::test]
    async fn a_stop_sends_what_is_queued_and_does_not_wait_for_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let listener = Listener::bind(&address(dir.path())).unwrap();
        let (feed, forwarder) = queue(address(dir.path()), Arc::default());
        (0..5).for_each(|_| feed.offer(b"line\n".to_vec()));
        let (stop, stopping) = watch::channel(true);
        let running = tokio::spawn(forwarder.run(log(), stopping));
        assert_eq!(read(&listener, 5).await, ["line"; 5]);
        timeout(PATIENCE, running).await.unwrap().unwrap();
        drop((stop, listener));

        let (feed, forwarder) = queue(Address::Unix(dir.path().join("nobody")), Arc::default());
        feed.offer(b"line\n".to_vec());
        let (_stop, stopping) = watch::channel(true);
        timeout(PATIENCE, forwarder.run(log(), stopping)).await.unwrap();
    }
}
