//! Write requests, read back by a decoder of other code.

use lucarne_ledger::identity::LedgerKind;
use prost::Message;

use super::*;
use crate::export::samples::{self, TIME_NS, message, record, telemetry, text};

/// `remote.proto` and `types.proto` of Prometheus 1.0, without metadata.
#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Point>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Point {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

const T: i64 = 1_716_825_600_000;

/// Series as text, samples as (milliseconds after [`T`], value).
#[expect(clippy::type_complexity, reason = "text and numbers, to be compared at once")]
fn encode(
    remote_write: &mut RemoteWrite,
    items: &[Item],
) -> (Vec<(String, Vec<(i64, f64)>)>, Tally) {
    let mut tally = Tally::default();
    let mut out = Vec::new();
    for request in remote_write.encode(items, &mut tally) {
        let plain = snap::raw::Decoder::new().decompress_vec(&request.body()).unwrap();
        for series in WriteRequest::decode(&plain[..]).unwrap().timeseries {
            let names: Vec<_> = series.labels.iter().map(|label| label.name.clone()).collect();
            assert!(names.is_sorted(), "{names:?}");
            let labels: Vec<_> = series
                .labels
                .iter()
                .map(|label| format!("{}={}", label.name, label.value))
                .collect();
            let samples = series.samples.iter().map(|p| (p.timestamp - T, p.value)).collect();
            out.push((labels.join(" "), samples));
        }
    }
    // The order of series means nothing.
    out.sort_by(|a, b| a.0.cmp(&b.0));
    (out, tally)
}

const SOURCE: &str = "job=tee-processengine";
const INSTANCE: &str = "tee_instance_id=nitro-001-us-east";

fn series(name: &str) -> String {
    format!("__name__={name} {SOURCE} {INSTANCE} tenant_hash=t_8f3a2b1c")
}

#[test]
fn a_cumulative_counter_is_one_series_in_order() {
    let name = "bizfirst_workflow_executions_total";
    let items = [samples::counter(2, name, 7), samples::counter(1, name, 5)];
    let (out, tally) = encode(&mut RemoteWrite::new(), &items);
    assert_eq!(out, [(series(name), vec![(1000, 5.0), (2000, 7.0)])]);
    assert_eq!(tally, Tally::default());
}

#[test]
fn a_counter_without_total_gets_it() {
    let (out, _) = encode(&mut RemoteWrite::new(), &[samples::counter(1, "a.b/c", 5)]);
    assert_eq!(out, [(series("a_b_c_total"), vec![(1000, 5.0)])]);
}

#[test]
fn samples_not_later_than_what_went_out_are_left_out_and_counted() {
    let mut remote_write = RemoteWrite::new();
    let name = "x_total";
    encode(&mut remote_write, &[samples::counter(5, name, 5)]);
    let items =
        [samples::counter(4, name, 4), samples::counter(5, name, 5), samples::counter(6, name, 6)];
    let (out, tally) = encode(&mut remote_write, &items);
    assert_eq!(out, [(series(name), vec![(6000, 6.0)])]);
    assert_eq!(tally, Tally { skipped: 2, ..Tally::default() });
}

#[test]
fn deltas_are_added_up_and_none_is_lost() {
    let mut remote_write = RemoteWrite::new();
    let delta = |index, value| samples::sum(index, "x_total", 1, value);
    let (out, _) = encode(&mut remote_write, &[delta(1, 5), delta(2, 3)]);
    assert_eq!(out, [(series("x_total"), vec![(1000, 5.0), (2000, 8.0)])]);
    // The late one cannot be a sample of its own; it is in the next one.
    let (out, tally) = encode(&mut remote_write, &[delta(1, 10), delta(3, 1)]);
    assert_eq!(out, [(series("x_total"), vec![(3000, 19.0)])]);
    assert_eq!(tally.skipped, 1);
}

#[test]
fn a_histogram_is_what_prometheus_knows() {
    let (out, _) = encode(&mut RemoteWrite::new(), &[samples::histogram()]);
    let name = |suffix: &str| format!("__name__=bizfirst_workflow_duration_ms{suffix} {SOURCE}");
    let bucket =
        |le: &str, count| (format!("{} le={le} {INSTANCE}", name("_bucket")), vec![(0, count)]);
    assert_eq!(
        out,
        [
            bucket("+Inf", 6.0),
            bucket("100", 1.0),
            bucket("250.5", 3.0),
            (format!("{} {INSTANCE}", name("_count")), vec![(0, 6.0)]),
            (format!("{} {INSTANCE}", name("_sum")), vec![(0, 900.5)]),
        ]
    );
}

#[test]
fn labels_are_sanitised_joined_and_cannot_pose_as_ours() {
    let message = message(|out| {
        out.bytes(1, b"9lives");
        out.message(5, |gauge| {
            gauge.message(1, |point| {
                point.fixed64(3, TIME_NS);
                point.double(4, 1.5);
                for (key, value) in [
                    ("job", "forged"),
                    ("tee_instance_id", "forged"),
                    ("le", "1"),
                    ("a.b", "1"),
                    ("a-b", "2"),
                    ("__name__", "x"),
                    ("0", "y"),
                    ("empty", ""),
                ] {
                    text(7, key, value, point);
                }
            });
        });
    });
    let item = record(LedgerKind::Telemetry, 1, Entry::Metric(telemetry(message)));
    let (out, _) = encode(&mut RemoteWrite::new(), &[item]);
    let labels = format!(
        "_0=y __name__=_9lives a_b=1;2 exported_job=forged exported_le=1 \
         exported_tee_instance_id=forged {SOURCE} key__name__=x {INSTANCE}"
    );
    assert_eq!(out, [(labels, vec![(0, 1.5)])]);
}

#[test]
fn a_heartbeat_is_a_time_with_instance_epoch_and_head() {
    let json = concat!(
        r#"{"type":"heartbeat","time_ms":1716825601000,"workload":"not-responding","#,
        r#""refused":0,"evicted":0}"#
    );
    let entry = Entry::Control { json: json.into(), record_hash: String::new() };
    let (out, _) = encode(&mut RemoteWrite::new(), &[record(LedgerKind::Telemetry, 5, entry)]);
    let epoch = "ab".repeat(16);
    let name = |name: &str| {
        format!("__name__={name} {SOURCE} ledger=telemetry tee_epoch={epoch} {INSTANCE}")
    };
    assert_eq!(
        out,
        [
            (name("lucarne_heartbeat_timestamp_seconds"), vec![(1000, 1_716_825_601.0)]),
            (name("lucarne_ledger_size"), vec![(1000, 50.0)]),
            (name("lucarne_workload_healthy"), vec![(1000, 0.0)]),
        ]
    );
}

#[test]
fn the_number_of_series_is_bounded_and_silent_ones_make_room() {
    let mut remote_write = RemoteWrite { series_max: 2, ..RemoteWrite::new() };
    let at = |name: &str, second| samples::counter(second, name, 1);
    let (out, tally) =
        encode(&mut remote_write, &[at("a_total", 1), at("b_total", 1), at("c_total", 1)]);
    assert_eq!((out.len(), tally.skipped), (2, 1));
    encode(&mut remote_write, &[at("b_total", 7200)]);
    let (out, tally) = encode(&mut remote_write, &[at("c_total", 7200)]);
    assert_eq!((out, tally.skipped), (vec![(series("c_total"), vec![(7_200_000, 1.0)])], 0));
}

#[test]
fn what_is_no_metric_is_counted() {
    let torn = telemetry(Bytes::from_static(&[0x0a, 0xff]));
    let items = [record(LedgerKind::Telemetry, 1, Entry::Metric(torn)), samples::log(1, 9)];
    let (out, tally) = encode(&mut RemoteWrite::new(), &items);
    assert_eq!((out, tally), (vec![], Tally { skipped: 1, ..Tally::default() }));
}

/// `io.prometheus.write.v2`, as far as it is used.
#[derive(Clone, PartialEq, Message)]
struct Second {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    timeseries: Vec<SecondSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct SecondSeries {
    #[prost(uint32, repeated, tag = "1")]
    labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Point>,
    #[prost(message, repeated, tag = "3")]
    histograms: Vec<NativeHistogram>,
    #[prost(message, tag = "5")]
    metadata: Option<Metadata>,
    #[prost(int64, tag = "6")]
    created_timestamp: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Metadata {
    #[prost(int32, tag = "1")]
    kind: i32,
}

#[derive(Clone, PartialEq, Message)]
struct NativeHistogram {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(double, tag = "3")]
    sum: f64,
    #[prost(sint32, tag = "4")]
    schema: i32,
    #[prost(double, tag = "5")]
    zero_threshold: f64,
    #[prost(uint64, tag = "6")]
    zero_count: u64,
    #[prost(message, repeated, tag = "11")]
    positive_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "12")]
    positive_deltas: Vec<i64>,
    #[prost(int64, tag = "15")]
    timestamp: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Span {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

/// An exponential histogram of this scale with buckets from index -2 on.
fn exponential(temporality: u64, scale: i64) -> Item {
    let message = message(|out| {
        out.bytes(1, b"duration");
        out.message(10, |histogram| {
            histogram.message(1, |point| {
                point.fixed64(2, TIME_NS - 5_000_000);
                point.fixed64(3, TIME_NS);
                point.fixed64(4, 13);
                point.double(5, 21.5);
                point.zigzag(6, scale);
                point.fixed64(7, 1);
                point.message(8, |buckets| {
                    buckets.zigzag(1, -2);
                    for count in [3, 4, 0, 0, 5_u64] {
                        buckets.varint(2, count);
                    }
                });
            });
            histogram.varint(2, temporality);
        });
    });
    record(LedgerKind::Telemetry, 1, Entry::Metric(telemetry(message)))
}

fn second(items: &[Item]) -> Second {
    let options = Options { second: true, native_histograms: true };
    let requests = RemoteWrite::with(options).encode(items, &mut Tally::default());
    let [request] = &requests[..] else { panic!("one request") };
    let (content_type, _) = request.format.headers();
    assert_eq!(content_type, "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    let plain = snap::raw::Decoder::new().decompress_vec(&request.body()).unwrap();
    Second::decode(&plain[..]).unwrap()
}

#[test]
fn the_second_version_has_every_text_once_and_says_what_series_are() {
    let name = "bizfirst_workflow_executions_total";
    let told = second(&[samples::counter(2, name, 7), exponential(2, 0)]);
    assert_eq!(told.symbols[0], "");
    let mut texts = told.symbols.clone();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), told.symbols.len(), "{:?}", told.symbols);
    let labels = |series: &SecondSeries| -> Vec<String> {
        let text = |place: &u32| told.symbols[usize::try_from(*place).unwrap()].as_str();
        series
            .labels_refs
            .chunks(2)
            .map(|it| format!("{}={}", text(&it[0]), text(&it[1])))
            .collect()
    };
    let [counter, histogram] = &told.timeseries[..] else { panic!("two series") };
    assert_eq!(labels(counter).join(" "), series(name));
    assert_eq!(counter.metadata, Some(Metadata { kind: 1 }));
    assert_eq!(counter.samples.len(), 1);
    assert_eq!(labels(histogram), ["__name__=duration", SOURCE, INSTANCE]);
    assert_eq!(histogram.metadata, Some(Metadata { kind: 3 }));
    assert_eq!(histogram.created_timestamp, T - 5);
    // Indices -2, -1 and 2 end one higher: two spans, and the difference from bucket to bucket.
    let expected = NativeHistogram {
        count: 13,
        sum: 21.5,
        schema: 0,
        zero_threshold: 0.0,
        zero_count: 1,
        positive_spans: vec![Span { offset: -1, length: 2 }, Span { offset: 2, length: 1 }],
        positive_deltas: vec![3, 1, 1],
        timestamp: T,
    };
    assert_eq!(histogram.histograms, [expected]);
}

#[test]
fn scales_beyond_those_of_prometheus() {
    // At scale 9 the indices -2, -1 and 2 are -1, -1 and 1 at scale 8.
    let told = second(&[exponential(2, 9)]);
    let [histogram] = &told.timeseries[0].histograms[..] else { panic!("one histogram") };
    assert_eq!(histogram.schema, 8);
    assert_eq!(
        histogram.positive_spans,
        [Span { offset: 0, length: 1 }, Span { offset: 1, length: 1 }]
    );
    assert_eq!(histogram.positive_deltas, [7, -2]);
    let told = second(&[exponential(2, -5), samples::counter(2, "a", 7)]);
    assert!(told.timeseries.iter().all(|series| series.histograms.is_empty()));
}

#[test]
fn exponential_histograms_are_count_and_sum_where_there_are_no_native_ones() {
    let expected = [
        (format!("__name__=duration_count {SOURCE} {INSTANCE}"), vec![(0, 13.0)]),
        (format!("__name__=duration_sum {SOURCE} {INSTANCE}"), vec![(0, 21.5)]),
    ];
    let (out, _) = encode(&mut RemoteWrite::new(), &[exponential(2, 0)]);
    assert_eq!(out, expected);
    // Increments are added up here, which takes numbers.
    let options = Options { second: false, native_histograms: true };
    let (out, _) = encode(&mut RemoteWrite::with(options), &[exponential(1, 0)]);
    assert_eq!(out, expected);
}
