//! Metrics: labels, re-aggregation of every kind, and the bounds of numbers.

use lucarne_otlp::Signal;

use crate::capture::{Captured, DEFAULT, capture};
use crate::request::V::{D, S};
use crate::request::{
    TIME, V, attributes, histogram_point, message, metric, metrics, number_point, request, sum,
};

const NAME: &str = "bizfirst_workflow_executions_total";

fn default(request: &[u8]) -> Captured {
    capture(&DEFAULT, Signal::Metrics, request)
}

/// The part of a line behind the kind of the metric.
fn points(captured: &Captured) -> Vec<&str> {
    captured.records.iter().map(|line| &line[line.find(" (").unwrap() + 1..]).collect()
}

fn point(range: &str, start: u64, time: u64, value: i64) -> Vec<u8> {
    number_point(&[("amount_range", S(range)), ("outcome", S("failed"))], start, time, value)
}

#[test]
fn sums_add_up_with_the_earliest_start_and_the_latest_time() {
    for temporality in [1, 2] {
        let points_in = [point("a", 20, 50, 3), point("b", 10, 40, 4), point("c", 0, 60, 5)];
        let captured = default(&metrics(&[sum(NAME, temporality, &points_in)]));
        assert_eq!(points(&captured), ["(10..60 outcome=\"failed\" 12)"]);
    }
}

#[test]
fn points_of_other_scopes_and_equal_resources_are_the_same_series() {
    let one = |host| {
        let entries = [("service.name", S("processengine")), ("host.name", S(host))];
        request(&entries, "meter", &[sum(NAME, 2, &[number_point(&[], 1, 2, 5)])])
    };
    let both = [one("ip-10-0-0-1"), one("ip-10-0-0-2")].concat();
    let captured = default(&both);
    assert_eq!(points(&captured), ["(1..2 10)"]);
    assert_eq!(captured.withheld(), ["other/unlisted=2"]);
}

#[test]
fn points_of_different_resources_kinds_and_temporalities_stay_apart() {
    let other = request(
        &[("service.name", S("gateway"))],
        "meter",
        &[
            sum(NAME, 2, &[number_point(&[], 1, 2, 5)]),
            sum(NAME, 1, &[number_point(&[], 1, 2, 6)]),
            metric(NAME, 5, &[number_point(&[], 1, 2, 7)]),
        ],
    );
    let first = metrics(&[sum(NAME, 2, &[number_point(&[], 1, 2, 4)])]);
    let captured = default(&[first, other].concat());
    let lines: Vec<_> = captured.records.iter().map(|line| line.replace(NAME, "it")).collect();
    assert_eq!(
        lines,
        [
            "resource.service.name=\"processengine\" it sum Cumulative monotonic (1..2 4)",
            "resource.service.name=\"gateway\" it gauge (1..2 7)",
            "resource.service.name=\"gateway\" it sum Delta monotonic (1..2 6)",
            "resource.service.name=\"gateway\" it sum Cumulative monotonic (1..2 5)",
        ]
    );
}

#[test]
fn a_label_that_fails_its_rule_is_removed_and_counted() {
    let one = number_point(&[("tenant_hash", S("Acme Bank"))], 1, 2, 3);
    let other = number_point(&[("tenant_hash", S("Other Bank"))], 1, 2, 4);
    let captured = default(&metrics(&[sum(NAME, 2, &[one, other])]));
    assert_eq!(points(&captured), ["(1..2 7)"]);
    assert_eq!(captured.withheld(), ["tenant_hash/value=2"]);
    crate::crossing::assert_absent(&captured, "Bank");
}

#[test]
fn labels_are_those_of_the_metric_and_not_of_another() {
    let labels = [("error_code", S("E_OK")), ("tenant_hash", S("t_8f3a2b1c"))];
    let gauge = metric("bizfirst_workflow_active", 5, &[number_point(&labels, 0, 2, 3)]);
    let captured = default(&metrics(&[gauge]));
    assert_eq!(points(&captured), ["(0..2 tenant_hash=\"t_8f3a2b1c\" 3)"]);
    assert_eq!(captured.withheld(), ["other/unlisted=1"]);
}

#[test]
fn a_gauge_keeps_its_latest_value_and_the_later_of_equal_times() {
    let gauge = |points: &[Vec<u8>]| metrics(&[metric("bizfirst_workflow_active", 5, points)]);
    let captured =
        default(&gauge(&[point("a", 0, 50, 3), point("b", 0, 60, 4), point("c", 0, 40, 5)]));
    assert_eq!(points(&captured), ["(0..60 4)"]);
    let captured = default(&gauge(&[point("a", 0, 50, 3), point("b", 0, 50, 4)]));
    assert_eq!(points(&captured), ["(0..50 4)"]);
}

#[test]
fn integers_and_doubles_add() {
    let double = message(|w| w.double(4, 0.5));
    let captured = default(&metrics(&[sum(NAME, 2, &[number_point(&[], 1, 2, 3), double])]));
    assert_eq!(points(&captured), ["(1..2 3.5)"]);
}

#[test]
fn values_that_no_counter_reaches_do_not_leave() {
    let huge = number_point(&[], 1, 2, 4_111_111_111_111_111);
    let nan = message(|w| w.double(4, f64::NAN));
    let nothing = message(|w| w.fixed64(3, 2));
    let captured = default(&metrics(&[sum(NAME, 2, &[huge, nan, nothing])]));
    assert_eq!(captured.records, [""; 0]);
    assert_eq!(captured.withheld(), [format!("{NAME}/type=1"), format!("{NAME}/value=2")]);
    // Two that are small enough can add up to one that is not.
    let half = number_point(&[], 1, 2, 600_000_000_000);
    let captured = default(&metrics(&[sum(NAME, 2, &[half.clone(), half])]));
    assert_eq!(captured.records, [""; 0]);
    assert_eq!(captured.withheld(), [format!("{NAME}/value=1")]);
}

#[test]
fn a_point_without_a_recorded_value_says_so() {
    let stale = message(|w| {
        w.fixed64(3, 9);
        w.varint(8, 0xffff_ffff);
    });
    let captured = default(&metrics(&[sum(NAME, 2, std::slice::from_ref(&stale))]));
    assert_eq!(points(&captured), ["(0..9 flags=1 none)"]);
    let captured = default(&metrics(&[sum(NAME, 2, &[stale, number_point(&[], 1, 2, 3)])]));
    assert_eq!(points(&captured), ["(1..9 3)"]);
}

#[test]
fn histograms_with_equal_bounds_are_added() {
    let name = "bizfirst_workflow_duration_ms";
    let point = |range, counts: &[u64]| {
        histogram_point(&[("amount_range", S(range))], counts, &[5.0, 10.0])
    };
    let points_in = [point("a", &[1, 2, 3]), point("b", &[10, 20, 30])];
    let captured = default(&metrics(&[metric(name, 9, &points_in)]));
    assert_eq!(
        captured.records,
        [format!(
            "resource.service.name=\"processengine\" {name} unit=ms histogram Cumulative \
             (1..{TIME} count=66 sum=21 min=1 max=7 [11, 22, 33] [5.0, 10.0])"
        )]
    );
}

#[test]
fn histograms_with_other_bounds_collide() {
    let name = "bizfirst_workflow_duration_ms";
    let points_in = [histogram_point(&[], &[1, 2], &[5.0]), histogram_point(&[], &[1, 2], &[6.0])];
    let captured = default(&metrics(&[metric(name, 9, &points_in)]));
    assert_eq!(
        points(&captured),
        [format!("(1..{TIME} count=3 sum=10.5 min=1 max=7 [1, 2] [5.0])")]
    );
    assert_eq!(captured.withheld(), [format!("{name}/collision=1")]);
}

#[test]
fn histograms_that_are_none() {
    let name = "bizfirst_workflow_duration_ms";
    for (point, reason) in [
        (histogram_point(&[], &[1, 2, 3], &[5.0]), "value"),
        (histogram_point(&[], &[1, 2, 3], &[6.0, 5.0]), "value"),
        (histogram_point(&[], &[1, 2], &[f64::INFINITY]), "value"),
        (histogram_point(&[], &[1, 4_111_111_111_111_111], &[5.0]), "value"),
        (histogram_point(&[], &vec![0; 513], &vec![0.0; 512]), "limit"),
    ] {
        let captured = default(&metrics(&[metric(name, 9, &[point])]));
        assert_eq!(captured.records, [""; 0]);
        assert_eq!(captured.withheld(), [format!("{name}/{reason}=1")]);
    }
    // Totals alone are a histogram.
    let captured = default(&metrics(&[metric(name, 9, &[message(|w| w.fixed64(4, 2))])]));
    assert_eq!(points(&captured), ["(0..0 count=2 [] [])"]);
}

fn exponential(count: u64, labels: &[(&str, V<'_>)]) -> Vec<u8> {
    message(|w| {
        attributes(w, 1, labels);
        w.fixed64(3, 9);
        w.fixed64(4, count);
        w.double(5, 1.5);
        w.zigzag(6, -2);
        w.fixed64(7, 1);
        w.message(8, |w| {
            w.zigzag(1, -1);
            w.varint(2, 2);
            w.varint(2, 300);
        });
        w.message(9, |w| w.message(2, |w| w.packed_varint(3)));
    })
}

#[test]
fn exponential_histograms_cross_and_cannot_be_merged() {
    let name = "bizfirst_node_duration_ms";
    let points_in = [
        exponential(6, &[("outcome", S("failed"))]),
        exponential(6, &[("amount_range", S("a")), ("outcome", S("failed"))]),
    ];
    let captured = default(&metrics(&[metric(name, 10, &points_in)]));
    assert_eq!(
        points(&captured),
        ["(0..9 outcome=\"failed\" count=6 sum=1.5 scale=-2 zero=1 -1[2, 300] 0[3])"]
    );
    assert_eq!(captured.withheld(), ["other/unlisted=1", &format!("{name}/collision=1")]);
}

#[test]
fn an_exponential_histogram_of_one_sample_does_not_cross() {
    let name = "bizfirst_node_duration_ms";
    let points_in = [
        exponential(1, &[("outcome", S("failed"))]),
        exponential(2, &[("outcome", S("completed"))]),
    ];
    let captured = default(&metrics(&[metric(name, 10, &points_in)]));
    assert_eq!(
        points(&captured),
        ["(0..9 outcome=\"completed\" count=2 sum=1.5 scale=-2 zero=1 -1[2, 300] 0[3])"]
    );
    assert_eq!(captured.withheld(), [format!("{name}/value=1")]);
}

#[test]
fn summaries_cross_and_their_numbers_are_bounded() {
    let name = "bizfirst_node_duration_ms";
    let summary = |value| {
        message(|w| {
            w.fixed64(4, 2);
            w.double(5, 3.0);
            w.message(6, |w| {
                w.double(1, 0.5);
                w.double(2, value);
            });
        })
    };
    let captured = default(&metrics(&[metric(name, 11, &[summary(1.5)])]));
    assert_eq!(points(&captured), ["(0..0 count=2 sum=3 0.5:1.5)"]);
    let captured = default(&metrics(&[metric(name, 11, &[summary(4_111_111_111_111_111.0)])]));
    assert_eq!(captured.withheld(), [format!("{name}/value=1")]);
}

#[test]
fn a_metric_without_points_of_a_known_kind() {
    let captured =
        default(&metrics(&[message(|w| w.bytes(1, NAME.as_bytes())), sum(NAME, 2, &[])]));
    assert_eq!(captured.records, [""; 0]);
    assert_eq!(captured.withheld(), [format!("{NAME}/type=1")]);
}

#[test]
fn too_many_points_are_rejected_and_counted() {
    let labels = [("outcome", D(0.5))];
    let points_in: Vec<_> = (0..32_770).map(|_| number_point(&labels[..0], 1, 2, 1)).collect();
    let captured = default(&metrics(&[sum(NAME, 2, &points_in)]));
    assert_eq!(points(&captured), ["(1..2 32768)"]);
    assert_eq!(captured.rejected, 2);
    assert_eq!(captured.withheld(), [format!("{NAME}/limit=2")]);
}

#[test]
fn many_series_are_cut_into_records_of_bounded_size() {
    let series = |n: u32| {
        let hash = format!("t_{n:08x}");
        number_point(&[("tenant_hash", S(&hash))], 1, 2, i64::from(n))
    };
    let points_in: Vec<_> = (0..5000).map(series).collect();
    let captured = default(&metrics(&[sum(NAME, 2, &points_in)]));
    let series: usize =
        captured.records.iter().map(|line| line.matches("tenant_hash").count()).sum();
    assert_eq!(series, 5000);
    assert!(captured.records.len() > 3, "{} records", captured.records.len());
    assert!(captured.records.iter().all(|line| line.matches("tenant_hash").count() < 1500));
}
