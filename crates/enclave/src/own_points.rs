//! The numbers of the enclave itself that leave with each heartbeat, as metrics `lucarne_*`.
//!
//! Names and labels are static text of this program; values are counts. A reason for which nothing
//! was ever refused has no point: while the uplink is down each report takes room. Refused here:
//! anything that a workload has sent, by the types of what is read.

use std::sync::atomic::{AtomicU64, Ordering};

use lucarne_contract::{OwnKind, OwnPoint};
use lucarne_otlp::Signal;

use crate::pipeline;
use crate::receive::{Protocol, Reason, Snapshot};

/// All points, those of one name behind each other.
/// `lost`: blocks of the inside view that came back wrong from the host, by what was wrong.
pub(crate) fn own_points(
    pipeline: &pipeline::Counters,
    received: &Snapshot,
    lost: &[(&'static str, u64)],
) -> Vec<OwnPoint> {
    let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let mut points = vec![
        counter("lucarne_requests_accepted_total", None, load(&pipeline.accepted)),
        counter("lucarne_requests_malformed_total", None, load(&pipeline.malformed)),
        counter("lucarne_requests_refused_total", None, load(&pipeline.refused)),
    ];
    let by_signal = |signal| {
        Protocol::ALL.map(|protocol| received.accepted(protocol, signal)).iter().sum::<u64>()
    };
    points.extend(SIGNALS.map(|(signal, name)| {
        counter("lucarne_receiver_requests_total", Some(("signal", name)), by_signal(signal))
    }));
    points.extend(Protocol::ALL.map(|protocol| {
        let count = SIGNALS.iter().map(|(signal, _)| received.accepted(protocol, *signal)).sum();
        let label = Some(("protocol", protocol.name()));
        counter("lucarne_receiver_requests_by_protocol_total", label, count)
    }));
    points.extend(SIGNALS.map(|(signal, name)| {
        let label = Some(("signal", name));
        counter("lucarne_receiver_rejected_items_total", label, received.rejected(signal))
    }));
    points.push(counter("lucarne_receiver_bytes_total", None, received.bytes()));
    let refused = Reason::ALL.map(|reason| (reason.name(), received.refused(reason)));
    let refused = refused.into_iter().filter(|(_, count)| *count > 0);
    points.extend(refused.map(|(reason, count)| {
        counter("lucarne_receiver_refused_total", Some(("reason", reason)), count)
    }));
    points.extend(lost.iter().filter(|(_, count)| *count > 0).map(|&(fault, count)| {
        counter("lucarne_inside_lost_blocks_total", Some(("fault", fault)), count)
    }));
    points
}

const fn counter(
    name: &'static str,
    label: Option<(&'static str, &'static str)>,
    value: u64,
) -> OwnPoint {
    OwnPoint { name, kind: OwnKind::Counter, label, value }
}

/// The signals with their names as a label.
const SIGNALS: [(Signal, &str); 3] =
    [(Signal::Logs, "logs"), (Signal::Metrics, "metrics"), (Signal::Traces, "traces")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::Counters;

    #[test]
    fn every_count_is_a_point_and_what_never_happened_has_no_reason() {
        let pipeline = pipeline::Counters::default();
        pipeline.accepted.store(5, Ordering::Relaxed);
        let received = Counters::new();
        received.accept(Protocol::Grpc, Signal::Logs, 10, 3);
        received.accept(Protocol::Http, Signal::Logs, 20, 0);
        received.accept(Protocol::Http, Signal::Metrics, 30, 0);
        let refused = [Reason::Malformed, Reason::Accept, Reason::Accept];
        refused.into_iter().for_each(|reason| received.refuse(reason));
        let points =
            own_points(&pipeline, &received.snapshot(), &[("withheld", 2), ("altered", 0)]);
        let said: Vec<String> = points
            .iter()
            .map(|point| {
                let label =
                    point.label.map_or_else(String::new, |(key, of)| format!("{key}={of} "));
                format!("{} {label}{}", point.name, point.value)
            })
            .collect();
        let expected = [
            "lucarne_requests_accepted_total 5",
            "lucarne_requests_malformed_total 0",
            "lucarne_requests_refused_total 0",
            "lucarne_receiver_requests_total signal=logs 2",
            "lucarne_receiver_requests_total signal=metrics 1",
            "lucarne_receiver_requests_total signal=traces 0",
            "lucarne_receiver_requests_by_protocol_total protocol=grpc 1",
            "lucarne_receiver_requests_by_protocol_total protocol=http 2",
            "lucarne_receiver_rejected_items_total signal=logs 3",
            "lucarne_receiver_rejected_items_total signal=metrics 0",
            "lucarne_receiver_rejected_items_total signal=traces 0",
            "lucarne_receiver_bytes_total 60",
            "lucarne_receiver_refused_total reason=malformed 1",
            "lucarne_receiver_refused_total reason=accept 2",
            "lucarne_inside_lost_blocks_total fault=withheld 2",
        ];
        assert_eq!(said, expected);
        // Points of one name follow each other, or one metric would be written twice.
        let names: Vec<&str> = points.iter().map(|point| point.name).collect();
        let mut runs: Vec<&str> = names.clone();
        runs.dedup();
        let mut distinct = names;
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(runs.len(), distinct.len());
    }
}
