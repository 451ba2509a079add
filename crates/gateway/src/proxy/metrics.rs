//! What the proxy counts, and the page that shows it: `/metrics` as Prometheus text and `/health`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;

use super::log::Reason;

/// Counters of all relays of a process.
#[derive(Debug, Default)]
pub struct Metrics {
    accepted: AtomicU64,
    finished: AtomicU64,
    open: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
    failed: [AtomicU64; Reason::ALL.len()],
    log_dropped: AtomicU64,
}

/// A connection that is counted as open for as long as this value lives.
#[derive(Debug)]
pub struct Open(Arc<Metrics>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Counts a connection that was accepted, and holds it open.
    pub fn accept(self: &Arc<Self>) -> Open {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(self))
    }

    /// Counts bytes towards the remote end.
    pub fn up(&self, bytes: u64) {
        self.bytes_up.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes from the remote end.
    pub fn down(&self, bytes: u64) {
        self.bytes_down.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts a line that was not handed over to the gateway.
    pub fn drop_line(&self) {
        self.log_dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the end of a connection: by itself, or for a reason.
    pub fn end(&self, reason: Option<Reason>) {
        let counter = reason.map_or(&self.finished, |reason| &self.failed[reason as usize]);
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters as Prometheus text.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, u64)]| {
            // Writing to a string cannot fail.
            writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}").ok();
            for (labels, value) in samples {
                writeln!(out, "{name}{labels} {value}").ok();
            }
        };
        let one = |value: u64| [(String::new(), value)];
        family(
            "lucarne_proxy_connections_accepted_total",
            "counter",
            "Connections accepted by the relays.",
            &one(load(&self.accepted)),
        );
        let open = one(load(&self.open));
        family("lucarne_proxy_connections_open", "gauge", "Connections being relayed.", &open);
        let mut ends = vec![("{status=\"ok\",reason=\"\"}".to_owned(), load(&self.finished))];
        ends.extend(Reason::ALL.iter().map(|reason| {
            let labels = format!("{{status=\"error\",reason=\"{}\"}}", reason.as_str());
            (labels, load(&self.failed[*reason as usize]))
        }));
        family(
            "lucarne_proxy_connections_total",
            "counter",
            "Connections that ended, and incidents of the proxy, by reason.",
            &ends,
        );
        let bytes = [
            ("{direction=\"up\"}".to_owned(), load(&self.bytes_up)),
            ("{direction=\"down\"}".to_owned(), load(&self.bytes_down)),
        ];
        family(
            "lucarne_proxy_bytes_total",
            "counter",
            "Bytes relayed; up is towards the remote end.",
            &bytes,
        );
        family(
            "lucarne_proxy_log_dropped_total",
            "counter",
            "Lines that were not handed over to the gateway; standard error has them.",
            &one(load(&self.log_dropped)),
        );
        out
    }

    /// The page with `/metrics` and `/health`.
    pub fn page(self: &Arc<Self>) -> Router {
        let metrics = Arc::clone(self);
        let text = move || async move { ([(CONTENT_TYPE, TEXT)], metrics.text()) };
        Router::new()
            .route("/metrics", get(text))
            .route("/health", get(|| async { "{\"vsock-proxy\":\"healthy\"}\n" }))
    }
}

/// Version 0.0.4 of the text format is what every scraper reads.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_keep_their_places() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
    }

    #[test]
    fn what_was_counted_is_shown() {
        let metrics = Arc::new(Metrics::default());
        let open = metrics.accept();
        metrics.up(5);
        metrics.end(Some(Reason::NotAllowed));
        let text = metrics.text();
        let has = |line: &str| assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
        has("lucarne_proxy_connections_open 1");
        has("lucarne_proxy_bytes_total{direction=\"up\"} 5");
        has("lucarne_proxy_connections_total{status=\"error\",reason=\"not_allowed\"} 1");
        drop(open);
        assert!(metrics.text().contains("lucarne_proxy_connections_open 0\n"));
    }
}
