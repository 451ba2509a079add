//! Metrics: labels, re-aggregation of every kind, and the bounds of numbers.

use lucarne_contract::{Contract, Memory, Scratch};
use lucarne_otlp::Signal;

use crate::capture::{Captured, DEFAULT, capture, capture_sanitized};
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
fn exponential_histograms_cross_and_are_added() {
    let name = "bizfirst_node_duration_ms";
    let points_in = [
        exponential(6, &[("outcome", S("failed"))]),
        exponential(6, &[("amount_range", S("a")), ("outcome", S("failed"))]),
    ];
    let captured = default(&metrics(&[metric(name, 10, &points_in)]));
    assert_eq!(
        points(&captured),
        ["(0..9 outcome=\"failed\" count=12 sum=3 scale=-2 zero=2 -1[4, 600] 0[6])"]
    );
    assert_eq!(captured.withheld(), ["other/unlisted=1"]);
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

/// Buckets of one side from an offset on.
fn of_scale(scale: i64, offset: i64, counts: &[u64], time: u64) -> Vec<u8> {
    message(|w| {
        w.fixed64(2, 1);
        w.fixed64(3, time);
        w.fixed64(4, counts.iter().sum());
        w.zigzag(6, scale);
        w.message(8, |w| {
            w.zigzag(1, offset);
            counts.iter().for_each(|count| w.varint(2, *count));
        });
    })
}

#[test]
fn exponential_histograms_meet_at_the_coarser_scale() {
    let name = "bizfirst_node_duration_ms";
    // Indices -3..=1 at scale 2 become -2, -1, -1, 0, 0 at scale 1.
    let points_in = [of_scale(2, -3, &[1, 2, 3, 4, 5], 9), of_scale(1, -1, &[10, 20, 30], 9)];
    let captured = default(&metrics(&[metric(name, 10, &points_in)]));
    assert_eq!(points(&captured), ["(1..9 count=75 scale=1 zero=0 -2[1, 15, 29, 30])"]);
    // What lies far apart is made coarser until it fits into 512 buckets.
    let points_in = [of_scale(3, -1000, &[7, 7], 9), of_scale(3, 1000, &[5, 5], 9)];
    let captured = default(&metrics(&[metric(name, 10, &points_in)]));
    let line = points(&captured)[0];
    assert!(line.starts_with("(1..9 count=24 scale=1 zero=0 -250[14, 0"), "{line}");
    assert!(line.ends_with(" 0, 10])"), "{line}");
}

/// Requests one after the other, through one memory.
struct Following {
    contract: Contract,
    memory: Memory,
}

impl Following {
    fn new(rules: &str) -> Self {
        let yaml = format!("contract: a/1\nmetrics:\n  m: {{ labels: [outcome]{rules} }}\n");
        Self { contract: Contract::parse(&yaml).unwrap(), memory: Memory::default() }
    }

    fn send(&mut self, metrics_in: &[Vec<u8>]) -> (Vec<String>, Vec<String>) {
        let request = metrics(metrics_in);
        let mut scratch = Scratch::default();
        let memory = &mut self.memory;
        let sanitized =
            self.contract.sanitize_remembering(Signal::Metrics, &request, &mut scratch, memory);
        let captured = capture_sanitized(sanitized.unwrap());
        let told = points(&captured).into_iter().map(str::to_owned).collect();
        let withheld = captured.withheld().into_iter();
        (told, withheld.filter(|it| !it.starts_with("other/")).collect())
    }
}

#[test]
fn a_counter_never_goes_down_because_a_part_of_it_began_anew_or_fell_silent() {
    let mut following = Following::new("");
    let mut send = |points: &[(&str, u64, u64, i64)]| {
        let points =
            points.iter().map(|(range, start, time, value)| point(range, *start, *time, *value));
        following.send(&[sum("m", 2, &points.collect::<Vec<_>>())]).0
    };
    let mut points_of = |points: &[(&str, u64, u64, i64)]| send(points).concat();
    assert_eq!(
        points_of(&[("a", 10, 20, 100), ("b", 10, 20, 50)]),
        "(10..20 outcome=\"failed\" 150)"
    );
    // `a` began anew at 25 and has counted three since.
    assert_eq!(
        points_of(&[("a", 25, 30, 3), ("b", 10, 30, 55)]),
        "(10..30 outcome=\"failed\" 158)"
    );
    // `b` is silent, `c` is new.
    assert_eq!(points_of(&[("a", 25, 40, 4), ("c", 35, 40, 7)]), "(10..40 outcome=\"failed\" 166)");
    // The value fell although the start is the same: a restart that does not say so.
    assert_eq!(points_of(&[("a", 25, 50, 1), ("c", 35, 50, 7)]), "(10..50 outcome=\"failed\" 167)");
    // What comes late is in the later point already.
    assert_eq!(points_of(&[("a", 25, 45, 9)]), "(10..50 outcome=\"failed\" 167)");
}

#[test]
fn histograms_that_began_anew_go_on_counting() {
    let mut following = Following::new("");
    let point = |start, time, counts: &[u64]| {
        message(|w| {
            w.fixed64(2, start);
            w.fixed64(3, time);
            w.fixed64(4, counts.iter().sum());
            w.double(5, 2.0);
            w.message(6, |w| counts.iter().for_each(|count| w.packed_fixed64(*count)));
            w.message(7, |w| w.packed_fixed64(5.0_f64.to_bits()));
        })
    };
    let mut send = |it| following.send(&[metric("m", 9, &[it])]).0.concat();
    assert_eq!(send(point(1, 10, &[3, 4])), "(1..10 count=7 sum=2 [3, 4] [5.0])");
    assert_eq!(send(point(1, 20, &[5, 4])), "(1..20 count=9 sum=2 [5, 4] [5.0])");
    assert_eq!(send(point(21, 30, &[1, 0])), "(1..30 count=10 sum=4 [6, 4] [5.0])");
    // Exponential ones too, across a change of scale.
    let mut send = |it| following.send(&[metric("m", 10, &[it])]).0.concat();
    assert_eq!(send(of_scale(2, 0, &[4, 4], 10)), "(1..10 count=8 scale=2 zero=0 0[4, 4])");
    assert_eq!(send(of_scale(1, 0, &[9], 20)), "(1..20 count=9 scale=1 zero=0 0[9])");
}

#[test]
fn a_series_leaves_when_it_stands_for_enough_observations() {
    let mut following = Following::new(", min_cohort: 5");
    let mut send = |time, value| following.send(&[sum("m", 2, &[point("a", 1, time, value)])]);
    let held = (Vec::<String>::new(), vec!["m/cohort=1".to_owned()]);
    let left = |text: &str| (vec![text.to_owned()], Vec::<String>::new());
    assert_eq!(send(10, 4), held);
    assert_eq!(send(20, 5), left("(1..20 outcome=\"failed\" 5)"));
    assert_eq!(send(30, 9), held);
    assert_eq!(send(40, 10), left("(1..40 outcome=\"failed\" 10)"));
}

#[test]
fn deltas_that_are_held_back_are_not_lost() {
    let mut following = Following::new(", min_cohort: 5");
    let mut send = |start, time, value| {
        following.send(&[sum("m", 1, &[point("a", start, time, value)])]).0.concat()
    };
    assert_eq!(send(10, 20, 2), "");
    assert_eq!(send(20, 30, 2), "");
    assert_eq!(send(30, 40, 1), "(10..40 outcome=\"failed\" 5)");
    assert_eq!(send(40, 50, 6), "(40..50 outcome=\"failed\" 6)");
}

#[test]
fn a_refused_request_leaves_no_trace_in_the_memory() {
    let mut following = Following::new(", min_cohort: 5");
    let deltas = |value| [sum("m", 1, &[point("a", 10, 20, value)])];
    assert_eq!(following.send(&deltas(3)).0.concat(), "");
    assert_eq!(following.send(&deltas(3)).0.concat(), "(10..20 outcome=\"failed\" 6)");
    following.memory.undo();
    assert_eq!(following.send(&deltas(3)).0.concat(), "(10..20 outcome=\"failed\" 6)");
}

#[test]
fn gauges_merge_by_the_rule_of_their_metric_and_need_their_cohort() {
    let gauge = |rules: &str, values: &[i64]| {
        let points: Vec<_> =
            (0_u32..).zip(values).map(|(n, value)| point(&n.to_string(), 0, 50, *value)).collect();
        Following::new(rules).send(&[metric("m", 5, &points)]).0.concat()
    };
    for (rule, value) in [("last", 4), ("sum", 12), ("min", 3), ("max", 5)] {
        let expected = format!("(0..50 outcome=\"failed\" {value})");
        assert_eq!(gauge(&format!(", gauge: {rule}"), &[3, 5, 4]), expected, "{rule}");
    }
    assert_eq!(gauge(", min_cohort: 3", &[3, 5]), "");
    assert_eq!(gauge(", min_cohort: 3", &[3, 5, 4]), "(0..50 outcome=\"failed\" 4)");
}

#[test]
fn series_that_are_too_many_to_remember_are_refused_and_counted() {
    let mut following = Following::new("");
    let (mut kept, mut refused) = (0_i64, 0_usize);
    // Each is a series of the workload; all are one of the output.
    for round in 0..4 {
        let points: Vec<_> = (0..20_000).map(|n| point(&format!("{round}-{n}"), 1, 2, 1)).collect();
        let (told, withheld) = following.send(&[sum("m", 2, &points)]);
        // In the last round nothing new has room, so nothing is said.
        let last = told.concat();
        if let Some((_, value)) = last.rsplit_once(' ') {
            kept = value.trim_end_matches(')').parse().unwrap();
        }
        refused += withheld.concat().rsplit_once('=').map_or(0, |(_, n)| n.parse().unwrap());
    }
    assert_eq!(usize::try_from(kept).unwrap() + refused, 80_000);
    assert!(refused > 10_000 && kept > 20_000, "{kept} kept, {refused} refused");
}
