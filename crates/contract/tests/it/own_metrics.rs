//! The enclave's own metrics.

use lucarne_contract::{OwnKind, OwnPoint, OwnTime, Tally};
use lucarne_otlp::Signal;

use crate::capture::{DEFAULT, capture, capture_sanitized};
use crate::request::rich_log;

#[test]
fn the_tally_and_counters_are_metrics() {
    let contract = &*DEFAULT;
    let mut withheld = Tally::default();
    for _ in 0..2 {
        withheld.merge(&capture(contract, Signal::Logs, &rich_log()).tally);
    }
    let point = |name, kind, label, value| OwnPoint { name, kind, label, value };
    let sanitized = contract.own_metrics(
        OwnTime { start_unix_nano: 5, unix_nano: 9 },
        &withheld,
        &[
            point("lucarne_requests_total", OwnKind::Counter, Some(("outcome", "accepted")), 2),
            point("lucarne_requests_total", OwnKind::Counter, Some(("outcome", "refused")), 1),
            point("lucarne_queue_bytes", OwnKind::Gauge, None, 1024),
        ],
    );
    let captured = capture_sanitized(sanitized);
    assert_eq!(
        captured.records,
        [
            "scope=lucarne lucarne_withheld_total sum Cumulative monotonic \
             (5..9 key=\"other\" reason=\"unlisted\" 8) (5..9 key=\"body\" reason=\"unlisted\" 2)",
            "scope=lucarne lucarne_requests_total sum Cumulative monotonic \
             (5..9 outcome=\"accepted\" 2) (5..9 outcome=\"refused\" 1)",
            "scope=lucarne lucarne_queue_bytes gauge (0..9 1024)",
        ]
    );
}

#[test]
fn nothing_to_report_is_no_record() {
    let time = OwnTime { start_unix_nano: 5, unix_nano: 9 };
    let sanitized = DEFAULT.own_metrics(time, &Tally::default(), &[]);
    assert_eq!(capture_sanitized(sanitized).records, [""; 0]);
}
