//! The file that users come with: read, refused with its line, and applied to records.

use bytes::Bytes;
use lucarne_otlp::wire::Writer;

use super::chain::{Origin, Outcome};
use super::*;
use crate::export::Telemetry;

const SEED: &str = include_str!("../../testdata/collector/seed-001.yaml");

fn parse(text: &str) -> Result<Collector, String> {
    let lookup = |name: &str| (name == "LOKI").then(|| "loki.local".to_owned());
    let parsed = Collector::parse(text, Path::new("c.yaml"), &Resolve::default(), &lookup);
    parsed.map_err(|error| error.to_string())
}

/// The chain of the first pipeline of a signal.
fn chain(collector: &Collector, signal: Signal) -> Arc<Chain> {
    let feeds = collector.outlets.iter().flat_map(|outlet| &outlet.feeds);
    let mut chains = feeds.map(|feed| &feed.chain).filter(|chain| chain.signal == signal);
    Arc::clone(chains.next().unwrap())
}

pub(super) fn attribute(number: u32, key: &str, value: &str, out: &mut Writer<'_>) {
    out.message(number, |pair| {
        pair.bytes(1, key.as_bytes());
        pair.message(2, |any| any.bytes(1, value.as_bytes()));
    });
}

fn record(write: impl FnOnce(&mut Writer<'_>)) -> Telemetry {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out));
    Telemetry { resource: Bytes::new(), scope: Bytes::new(), message: out.into() }
}

fn log(body: &str, attributes: &[(&str, &str)]) -> Telemetry {
    record(|log| {
        log.message(5, |any| any.bytes(1, body.as_bytes()));
        attributes.iter().for_each(|(key, value)| attribute(6, key, value, log));
    })
}

/// What a pipeline leaves of a record.
#[track_caller]
fn left(collector: &Collector, signal: Signal, telemetry: &Telemetry) -> Outcome {
    chain(collector, signal).apply(telemetry, Origin::Host, 0).0
}

#[test]
fn the_printed_file_is_read_as_it_is() {
    let collector = parse(SEED).unwrap();
    let grpc = Some(([0, 0, 0, 0], 4317).into());
    let receiver = OtlpReceiver { grpc, http: None, request_bytes_max: None, line: 3 };
    assert_eq!(collector.receiver, Some(receiver));
    let names: Vec<&str> = collector.outlets.iter().map(|outlet| outlet.name.as_str()).collect();
    assert_eq!(names, ["loki", "prometheusremotewrite", "otlp-tempo"]);
    let steps = |signal| chain(&collector, signal).steps.len();
    assert_eq!([Signal::Logs, Signal::Metrics, Signal::Traces].map(steps), [2, 1, 2]);
    assert_eq!(collector.batch_timeout, Some(Duration::from_secs(10)));
    assert_eq!(collector.batch_size, Some(1000));
    let mut rules = RulesConfig::shipped();
    collector.add_rules(&mut rules);
    // The shipped rules are those of this file and more, but for the digits: in this file they may
    // stand in the middle of anything.
    let mut expected = RulesConfig::shipped();
    expected.blocked_values_patterns.push("[0-9]{16}".to_owned());
    assert_eq!(rules, expected);
    let places = collector.places(&rules);
    assert_eq!(places["value:5"], "redaction line 12");
    assert_eq!(places["key:form.*"], "redaction line 15");
    assert!(collector.outlets.iter().all(|outlet| outlet.feeds.iter().all(|f| f.uplink && f.host)));
}

#[test]
fn the_printed_processors_leave_what_they_list() {
    let collector = parse(SEED).unwrap();
    let listed = log("workflow completed", &[("executionId", "exec-1"), ("durationMs", "12")]);
    assert_eq!(left(&collector, Signal::Logs, &listed), Outcome::Unchanged);
    let more = log("done", &[("executionId", "exec-1"), ("password", "p")]);
    let less = log("done", &[("executionId", "exec-1")]);
    assert_eq!(left(&collector, Signal::Logs, &more), Outcome::Changed(less));
    let span = |attributes: &[(&str, &str)]| {
        record(|span| {
            span.bytes(1, &[1; 16]);
            span.bytes(2, &[2; 8]);
            span.bytes(5, b"node");
            attributes.iter().for_each(|(key, value)| attribute(9, key, value, span));
        })
    };
    let bare = Outcome::Changed(span(&[]));
    assert_eq!(left(&collector, Signal::Traces, &span(&[("nodeType", "x")])), bare);
}

/// The error for the printed file with `from` replaced by `to`.
#[track_caller]
fn refused(from: &str, to: &str, expected: &str) {
    assert!(SEED.contains(from), "{from}");
    assert_eq!(parse(&SEED.replacen(from, to, 1)).err().as_deref(), Some(expected));
}

#[test]
fn a_misspelling_is_told_with_its_line_and_the_nearest_name() {
    refused(
        "allow_all_keys",
        "allow_all_key",
        "c.yaml:9: processors.redaction.allow_all_key: there is no such option; \
         the nearest supported is `allow_all_keys`",
    );
    refused(
        "    blocked_keys:",
        "    blocked_kyes:",
        "c.yaml:14: processors.redaction.blocked_kyes: there is no such option; \
         the nearest supported is `blocked_keys`",
    );
    refused(
        "keep_keys(",
        "keep_key(",
        "c.yaml:28: processors.transform/tee-log-sanitize.log_statements[0].statements[0]: \
         column 1: no function `keep_key`, the nearest is `keep_keys`",
    );
    refused(
        "context: span",
        "context: spam",
        "c.yaml:21: processors.transform/tee-span-sanitize.trace_statements[0].context: \
         \"spam\" is not supported; the nearest supported is `span`",
    );
    refused(
        "exporters: [loki]",
        "exporters: [lokki]",
        "c.yaml:46: service.pipelines.logs.exporters[0]: \"lokki\" is not among `exporters`; \
         the nearest is `loki`",
    );
    refused(
        "  otlp/tempo:",
        "  zipkin/tempo:",
        "c.yaml:54: service.pipelines.traces.exporters[0]: \"otlp/tempo\" is not among \
         `exporters`; the nearest is `zipkin/tempo`",
    );
    refused(
        "timeout: 10s",
        "timeout: soon",
        "c.yaml:33: processors.batch.timeout: expected a duration such as 10s or 200ms, \
         found \"soon\"",
    );
    refused(
        "\"[0-9]{16}\"",
        "\"[0-9{16}\"",
        "c.yaml:12: processors.redaction.blocked_values_patterns[1]: is not a regular expression",
    );
}

/// A file with one pipeline of logs and these processors.
fn with(processors: &str, list: &str) -> String {
    format!(
        "receivers:\n  otlp:\n    protocols:\n      grpc:\nprocessors:\n{processors}\
         exporters:\n  debug:\nservice:\n  pipelines:\n    logs:\n      receivers: [otlp]\n      \
         processors: [{list}]\n      exporters: [debug]\n"
    )
}

#[test]
fn what_is_not_supported_says_what_is() {
    let cases = [
        ("  redaction: { url_sanitizer: {} }\n", "redaction", "`blocked_values` with a pattern"),
        ("  redaction: { hash_function: md5 }\n", "redaction", "c.yaml:6: "),
        ("  redaction: { redact_all_types: false }\n", "redaction", "values of every type"),
        ("  probabilistic_sampler: {}\n", "probabilistic_sampler", "no processor"),
        ("  memory_limiter: { limit_percentage: 80 }\n", "memory_limiter", "`limit_mib`"),
        (
            "  attributes: { actions: [ { key: a, action: insertt, value: b } ] }\n",
            "attributes",
            "`insert`",
        ),
        (
            "  attributes: { actions: [ { key: a, action: insert, from_context: b } ] }\n",
            "attributes",
            "from_",
        ),
        ("  filter: { logs: { include: {} } }\n", "filter", "`log_record` with conditions"),
        (
            "  filter: { logs: { log_record: ['nme == 1'] } }\n",
            "filter",
            "c.yaml:6: processors.filter.logs.log_record[0]: column 1",
        ),
    ];
    for (processors, list, expected) in cases {
        let error = parse(&with(processors, list)).unwrap_err();
        assert!(error.contains(expected) && error.starts_with("c.yaml:6: "), "{error}");
    }
    let prometheus = SEED.replace("prometheusremotewrite", "prometheus");
    assert_eq!(
        parse(&prometheus).unwrap_err(),
        "c.yaml:37: exporters.prometheus: is not supported; \
         the nearest supported is `prometheusremotewrite`"
    );
}

#[test]
fn processors_run_in_the_order_of_their_pipeline() {
    let two = "  attributes/set: { actions: [ { key: a, action: upsert, value: one } ] }\n  \
               attributes/drop: { actions: [ { key: a, action: delete } ] }\n";
    let drop_last = parse(&with(two, "attributes/set, attributes/drop")).unwrap();
    let set_last = parse(&with(two, "attributes/drop, attributes/set")).unwrap();
    let plain = log("x", &[]);
    assert_eq!(left(&drop_last, Signal::Logs, &plain), Outcome::Unchanged);
    assert_eq!(left(&set_last, Signal::Logs, &plain), Outcome::Changed(log("x", &[("a", "one")])));
}

#[test]
fn every_action_of_attributes_does_what_it_says() {
    let check = |action: &str, before: &[(&str, &str)], after: &[(&str, &str)]| {
        let file =
            with(&format!("  attributes: {{ actions: [ {{ {action} }} ] }}\n"), "attributes");
        let collector = parse(&file).unwrap();
        let (before, after) = (log("x", before), log("x", after));
        let expected = if before == after { Outcome::Unchanged } else { Outcome::Changed(after) };
        assert_eq!(left(&collector, Signal::Logs, &before), expected, "{action}");
    };
    check("key: a, action: insert, value: n", &[("a", "o")], &[("a", "o")]);
    check("key: a, action: insert, value: n", &[], &[("a", "n")]);
    check("key: a, action: update, value: n", &[("a", "o")], &[("a", "n")]);
    check("key: a, action: update, value: n", &[], &[]);
    check("key: a, action: upsert, from_attribute: b", &[("b", "o")], &[("b", "o"), ("a", "o")]);
    check("key: a, action: upsert, from_attribute: b", &[], &[]);
    check("pattern: '^a.*$', action: delete", &[("ab", "o"), ("b", "o")], &[("b", "o")]);
    let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    check("key: a, action: hash", &[("a", "abc")], &[("a", sha)]);
    let path = [("p", "/users/7")];
    check(
        "key: p, action: extract, pattern: '^/users/(?P<id>[0-9]+)$'",
        &path,
        &[("p", "/users/7"), ("id", "7")],
    );
    let include = "  attributes: { \
                   include: { match_type: strict, attributes: [ { key: k, value: v } ] }, \
                   actions: [ { key: a, action: delete } ] }\n";
    let collector = parse(&with(include, "attributes")).unwrap();
    let other = log("x", &[("k", "w"), ("a", "1")]);
    assert_eq!(left(&collector, Signal::Logs, &other), Outcome::Unchanged);
    let fits = log("x", &[("k", "v"), ("a", "1")]);
    assert_eq!(left(&collector, Signal::Logs, &fits), Outcome::Changed(log("x", &[("k", "v")])));
}

#[test]
fn the_shipped_file_drops_records_that_are_tagged_as_sensitive() {
    let collector = parse(SHIPPED).unwrap();
    let truth = |number, out: &mut Writer<'_>| {
        out.message(number, |pair| {
            pair.bytes(1, b"sensitive");
            pair.message(2, |any| any.varint(2, 1));
        });
    };
    let span = |write: &dyn Fn(&mut Writer<'_>)| {
        record(|span| {
            span.bytes(1, &[1; 16]);
            span.bytes(2, &[2; 8]);
            write(span);
        })
    };
    let gauge = |write: &dyn Fn(&mut Writer<'_>)| {
        record(|metric| {
            metric.bytes(1, b"m");
            metric.message(5, |gauge| {
                gauge.message(1, |point| {
                    point.double(4, 1.0);
                    write(point);
                });
            });
        })
    };
    for (signal, record) in [
        (Signal::Logs, log("x", &[("sensitive", "true")])),
        (Signal::Logs, record(|log| truth(6, log))),
        (Signal::Traces, span(&|span| attribute(9, "sensitive", "true", span))),
        (Signal::Traces, span(&|span| truth(9, span))),
        (Signal::Metrics, gauge(&|point| attribute(7, "sensitive", "true", point))),
        (Signal::Metrics, gauge(&|point| truth(7, point))),
    ] {
        assert_eq!(left(&collector, signal, &record), Outcome::Dropped, "{signal:?}");
    }
    let untagged = log("x", &[("sensitive", "false")]);
    assert_eq!(left(&collector, Signal::Logs, &untagged), Outcome::Unchanged);
    assert_eq!(left(&collector, Signal::Traces, &span(&|_| {})), Outcome::Unchanged);
    assert_eq!(left(&collector, Signal::Metrics, &gauge(&|_| {})), Outcome::Unchanged);
}

#[test]
fn the_shipped_file_blocks_amounts() {
    let collector = parse(SHIPPED).unwrap();
    let amount = log("x", &[("amount_range", "50k"), ("tenant_hash", "t_0")]);
    let Outcome::Changed(left_over) = left(&collector, Signal::Logs, &amount) else { panic!() };
    assert_eq!(find(&left_over.message, b"amount_range"), None);
    assert_ne!(find(&left_over.message, b"tenant_hash"), None);
}

#[test]
fn the_shipped_file_blocks_numeric_results_in_messages() {
    let collector = parse(SHIPPED).unwrap();
    let result = log("Calculation result: 1500000", &[("tenant_hash", "t_0")]);
    let Outcome::Changed(left_over) = left(&collector, Signal::Logs, &result) else { panic!() };
    assert_eq!(find(&left_over.message, b"1500000"), None);
    assert_ne!(find(&left_over.message, b"tenant_hash"), None);
    let words = log("Calculation result is not shown", &[]);
    assert_eq!(left(&collector, Signal::Logs, &words), Outcome::Unchanged);
}

#[test]
fn the_shipped_file_has_the_rules_of_a_gateway_without_one() {
    let collector = parse(SHIPPED).unwrap();
    let mut rules = RulesConfig {
        blocked_keys: Vec::new(),
        blocked_values_patterns: Vec::new(),
        ..RulesConfig::shipped()
    };
    collector.add_rules(&mut rules);
    assert_eq!(rules, RulesConfig::shipped());
    // Its pipelines are for what enclaves send, and lead to the gateway's own exporters.
    let [outlet] = &collector.outlets[..] else { panic!("{:?}", collector.outlets) };
    assert!(matches!(outlet.target, Target::Own));
    assert!(outlet.feeds.iter().all(|feed| feed.uplink && !feed.host) && outlet.feeds.len() == 3);
}

#[test]
fn what_the_archive_has_screened_is_not_screened_by_the_same_rules_again() {
    let collector = parse(SHIPPED).unwrap();
    let card = log("card 4111111111111111", &[]);
    let apply =
        |collector: &Collector, from| chain(collector, Signal::Logs).apply(&card, from, 0).0;
    assert!(matches!(apply(&collector, Origin::Host), Outcome::Changed(_)));
    assert_eq!(apply(&collector, Origin::Archive), Outcome::Unchanged);
    // A redaction that does more, or one behind a statement that changed the record, does it.
    for more in ["    allowed_keys: [x]\n    allow_all_keys: false\n", "    ignored_keys: [x]\n"] {
        let text = SHIPPED.replace("    allow_all_keys: true\n", more);
        let text = match more.contains("ignored") {
            true => text.replace("  redaction:\n", "  redaction:\n    allow_all_keys: true\n"),
            false => text,
        };
        let collector = parse(&text).unwrap();
        assert!(matches!(apply(&collector, Origin::Archive), Outcome::Changed(_)), "{more}");
    }
    let statement =
        "  attributes: { actions: [ { key: a, action: insert, value: b } ] }\n  redaction:\n";
    let text = SHIPPED
        .replace("  redaction:\n", statement)
        .replace("[filter/sensitive, redaction]", "[attributes, redaction]");
    let Outcome::Changed(changed) = apply(&parse(&text).unwrap(), Origin::Archive) else {
        panic!()
    };
    assert_eq!(find(&changed.message, b"4111111111111111"), None);
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[test]
fn the_environment_is_put_in() {
    let text = SEED.replace("http://loki:3100", "http://${env:LOKI}:3100");
    let collector = parse(&text).unwrap();
    let shown = format!("{:?}", collector.outlets[0].target);
    assert!(shown.contains("http://loki.local:3100/loki/api/v1/push"), "{shown}");
    let unset = SEED.replace("http://loki:3100", "http://${env:NONE}:3100");
    assert_eq!(
        parse(&unset).unwrap_err(),
        "c.yaml:36: the environment has no variable NONE; \
         the nearest supported is `${env:NONE:-default}`"
    );
}

#[test]
fn the_uplink_feeds_the_pipelines_that_name_it() {
    let text = SEED.replacen("receivers:\n", "receivers:\n  lucarne_uplink:\n", 1).replacen(
        "receivers: [otlp]",
        "receivers: [lucarne_uplink]",
        1,
    );
    let collector = parse(&text).unwrap();
    let fed = |outlet: &Outlet| (outlet.feeds[0].uplink, outlet.feeds[0].host);
    let fed: Vec<_> = collector.outlets.iter().map(fed).collect();
    assert_eq!(fed, [(true, false), (false, true), (false, true)]);
}
