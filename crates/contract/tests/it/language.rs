//! The language of contracts: the design's example, and a place and a reason for every mistake.

use lucarne_contract::{Contract, Egress};
use lucarne_otlp::Signal;

use crate::capture::capture;
use crate::request::V::{B, D, I, S};
use crate::request::{logs, message, metrics, number_point, request, sum};

/// The example of the design, without the two settings that are not implemented.
const EXAMPLE: &str = r#"contract: credit-engine/3
logs:
  attributes:
    executionId:
      type: string
      pattern: "exec-[a-z0-9-]{1,40}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    tenantHash:   { type: string, pattern: "t_[0-9a-f]{8,64}" }
    nodeType:     { type: enum, values: [calculation, decision, hil] }
    durationMs:   { type: int, min: 0, max: 86400000 }
    errorCode:    { type: string, pattern: "E_[A-Z_]{1,48}" }
  bodies:         [ "workflow started", "workflow completed", "node failed" ]
metrics:
  bizfirst_workflow_executions_total: { labels: [tenant_hash, outcome, node_type] }
traces: { span_names: ["POST /workflow", "node"], round_times: 1ms }
audit:
  select: { scope: audit }
  events: [ workflow.started, workflow.completed, node.completed, hil.approved ]
"#;

#[test]
fn the_example_of_the_design_is_a_contract() {
    let contract = Contract::parse(EXAMPLE).unwrap();
    assert_eq!(contract.name(), "credit-engine/3");
    assert_eq!(contract.source(), EXAMPLE);
    // A label takes the rule of the log attribute of its name in camel case.
    let labels =
        [("node_type", S("decision")), ("tenant_hash", S("nobody")), ("outcome", S("failed"))];
    let sum = sum("bizfirst_workflow_executions_total", 2, &[number_point(&labels, 1, 2, 3)]);
    assert_eq!(
        capture(&contract, Signal::Metrics, &metrics(&[sum])).records,
        ["bizfirst_workflow_executions_total sum Cumulative monotonic \
          (1..2 node_type=\"decision\" outcome=\"failed\" 3)"]
    );
}

#[test]
fn every_type_of_slot() {
    let contract = Contract::parse(
        "contract: a/1\nlogs:\n  attributes:\n    s: { type: string, pattern: 'a+' }\n    \
         e: { type: enum, values: [x, y] }\n    i: { type: int, min: -5, max: 5 }\n    \
         d: { type: double, min: -0.5, max: 2 }\n    b: { type: bool }\n",
    )
    .unwrap();
    let request = logs(&[
        &[("s", S("aa")), ("e", S("y")), ("i", I(-5)), ("d", D(0.25)), ("b", B(false))],
        &[("d", I(2)), ("i", I(5)), ("b", B(true))],
        &[("s", S("b")), ("e", S("z")), ("i", I(6)), ("d", D(f64::NAN)), ("b", I(1))],
        &[("d", D(2.5)), ("i", I(-6)), ("s", S("aab"))],
    ]);
    assert_eq!(
        capture(&contract, Signal::Logs, &request).records,
        [
            "log s=\"aa\" e=\"y\" i=-5 d=0.25 b=false",
            "log d=2.0 i=5 b=true",
            "log lucarne.withheld=[\"b\",\"d\",\"e\",\"i\",\"s\"]",
            "log lucarne.withheld=[\"d\",\"i\",\"s\"]",
        ]
    );
}

#[test]
fn bodies_may_be_patterns_without_a_free_slot() {
    let contract = Contract::parse(
        "contract: a/1\nlogs: { bodies: ['exact', { pattern: 'step [0-9]{1,3} (done|failed)' }] }",
    )
    .unwrap();
    let records: Vec<_> = ["exact", "step 12 done", "step 1234 done", "step 12 done for Jane"]
        .map(|text| message(|w| w.message(5, |w| S(text).write(w))))
        .to_vec();
    let captured = capture(&contract, Signal::Logs, &request(&[], "app", &records));
    assert_eq!(captured.records, ["log body=\"exact\"", "log body=\"step 12 done\""]);
}

#[test]
fn the_reject_list_and_the_length_hold_in_every_text_slot() {
    let contract = Contract::parse(
        "contract: a/1\nreject: ['[0-9]{4}']\nlimits: { value_bytes: 6 }\n\
         logs: { attributes: { s: { type: string, pattern: '[a-z0-9]+' } } }",
    )
    .unwrap();
    let request = logs(&[&[("s", S("abc123"))], &[("s", S("a1234"))], &[("s", S("abcdefg"))]]);
    let captured = capture(&contract, Signal::Logs, &request);
    assert_eq!(captured.records[0], "log s=\"abc123\"");
    assert_eq!(captured.withheld(), ["s/value=1", "s/rejected=1"]);
}

#[test]
fn a_contract_without_a_reject_list_has_the_default_one() {
    let contract = Contract::parse(
        "contract: a/1\nlogs: { attributes: { s: { type: string, pattern: '.*' } } }",
    )
    .unwrap();
    for text in [
        "4111111111111111",
        "4111 1111 1111 1111",
        "078-05-1120",
        "bearer abcdefghijklmnopqrstuvwxyz",
    ] {
        let captured = capture(&contract, Signal::Logs, &logs(&[&[("s", S(text))]]));
        assert_eq!(captured.withheld(), ["s/rejected=1"], "{text}");
    }
}

#[track_caller]
fn refused(yaml: &str, expected: &str) {
    let error = Contract::parse(yaml).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some(expected));
}

#[test]
fn mistakes_in_the_file() {
    refused("", "line 1, column 1: unexpected end of input");
    refused(
        "contract: a/1\nlog: {}\n",
        "line 2, column 1: log: unknown field `log`, expected one of contract, reject, limits, \
         logs, resource, labels, metrics, traces, audit, egress",
    );
    refused(
        "contract: a/1\nlogs:\n  attribute: {}\n",
        "line 3, column 3: logs.attribute: unknown field `attribute`, expected one of \
         attributes, bodies",
    );
    refused("contract: [a]\n", "line 1, column 11: contract: expected string scalar");
    refused(
        "contract: a/1\nlogs:\n  attributes:\n    k: { type: text }\n",
        "line 4, column 16: logs.attributes.k.type: unknown variant `text`, expected one of \
         string, enum, int, double, bool",
    );
    refused(
        "contract: a/1\nlogs:\n  attributes:\n    k: { type: int, min: zero, max: 1 }\n",
        "line 4, column 21: logs.attributes.k.min: invalid type: string \"zero\", expected a \
         number",
    );
    refused("contract: a/1\ncontract: b/1\n", "line 2, column 1: duplicate mapping key: contract");
    refused(
        "contract: a/1\nlogs:\n  bodies: [{ patern: a }]\n",
        "line 3, column 14: logs.bodies[0].patern: unknown field `patern`, expected one of pattern",
    );
    refused("contract: a/1\nlogs: [\n", "line 2, column 7: logs: expected mapping start");
}

#[test]
fn mistakes_in_a_rule() {
    let attribute =
        |rule: &str| format!("contract: a/1\nlogs:\n  attributes:\n    k: {{ {rule} }}\n");
    refused("contract: ''\n", "line 1, column 11: contract: expected it not to be empty");
    refused(
        &attribute("type: string"),
        "line 4, column 16: logs.attributes.k: expected the key pattern",
    );
    refused(
        &attribute("type: string, pattern: a, max: 5"),
        "line 4, column 16: logs.attributes.k: the key max does not belong to this type",
    );
    refused(
        &attribute("type: string, pattern: '[a'"),
        "line 4, column 33: logs.attributes.k.pattern: expected a pattern, found unclosed \
         character class",
    );
    refused(
        &attribute("type: enum, values: []"),
        "line 4, column 16: logs.attributes.k.values: expected it not to be empty",
    );
    refused(
        &attribute("type: enum, values: [a, a]"),
        "line 4, column 34: logs.attributes.k.values[1]: expected each name once",
    );
    refused(
        &attribute("type: enum, values: ['4111111111111111']"),
        "line 4, column 31: logs.attributes.k.values[0]: expected a text that the reject list \
         does not refuse",
    );
    refused(
        &attribute("type: int, min: 0"),
        "line 4, column 16: logs.attributes.k: expected the key max",
    );
    refused(
        &attribute("type: int, min: 0, max: 1.5"),
        "line 4, column 34: logs.attributes.k: expected min and max of the rule's type, min not \
         above max",
    );
    refused(
        &attribute("type: double, min: 1, max: 0"),
        "line 4, column 37: logs.attributes.k: expected min and max of the rule's type, min not \
         above max",
    );
    refused(
        &attribute("type: double, min: 0, max: .nan"),
        "line 4, column 37: logs.attributes.k.max: non-finite float `.nan` rejected by the \
         configured policy",
    );
    refused(
        &attribute("type: bool, values: [true]"),
        "line 4, column 16: logs.attributes.k: the key values does not belong to this type",
    );
}

#[test]
fn names_lists_and_settings_that_cannot_be() {
    refused(
        "contract: a/1\nlogs:\n  attributes:\n    seq: { type: bool }\n",
        "line 4, column 18: logs.attributes.seq: expected another name, this one is used by the \
         ledger or the exported line",
    );
    refused(
        "contract: a/1\nlogs:\n  attributes:\n    tee_x: { type: bool }\n",
        "line 4, column 20: logs.attributes.tee_x: expected another name, this one is used by \
         the ledger or the exported line",
    );
    refused(
        "contract: a/1\nlogs:\n  bodies: [{ pattern: 'result: .{1,9}' }]\n",
        "line 3, column 12: logs.bodies[0]: expected a pattern without a free slot (at most \
         65536 different texts)",
    );
    refused(
        "contract: a/1\nmetrics:\n  m: { labels: [city] }\n",
        "line 3, column 17: labels.city: expected a rule for this label, under labels or as a \
         log attribute of its name",
    );
    refused(
        "contract: a/1\nmetrics:\n  m: { labels: [outcome, outcome] }\n",
        "line 3, column 26: metrics.m.labels: expected each name once",
    );
    refused(
        "contract: a/1\ntraces: { round_times: 1 hour }\n",
        "line 2, column 24: traces.round_times: expected a duration such as 1ms, 10s or 5m",
    );
    refused(
        "contract: a/1\nlimits: { value_bytes: 0 }\n",
        "line 2, column 24: limits.value_bytes: expected a number from 1 to 4096",
    );
    refused(
        "contract: a/1\nreject: ['a', '(']\n",
        "line 2, column 15: reject[1]: expected a pattern, found unclosed group",
    );
}

#[test]
fn constant_egress_is_read_and_its_mistakes_are_named() {
    let read = |egress: &str| Contract::parse(&format!("contract: a/1\negress: {{ {egress} }}\n"));
    let egress = read("shape: constant, interval: 1s, frame: 64KiB").unwrap().egress();
    assert_eq!(egress, Some(Egress { interval_ms: 1_000, frame_bytes: 65_536 }));
    assert_eq!(egress.unwrap().bytes_a_second(), 65_536);
    let egress = read("shape: constant, interval: 10ms, frame: 1024B").unwrap().egress();
    assert_eq!(egress, Some(Egress { interval_ms: 10, frame_bytes: 1_024 }));
    assert_eq!(Contract::parse("contract: a/1\n").unwrap().egress(), None);
    let wrong = |egress: &str, said: &str| {
        assert_eq!(read(egress).unwrap_err().to_string(), said, "{egress}");
    };
    let interval = "line 2, column 38: egress.interval: expected";
    wrong(
        "shape: constant, interval:           soon, frame: 64KiB",
        "line 2, column 48: egress.interval: expected a duration such as 1ms, 10s or 5m",
    );
    for out in ["9ms ", "61s ", "10ns", "1500us"] {
        wrong(
            &format!("shape: constant, interval: {out}, frame: 64KiB"),
            &format!("{interval} 10ms to 1m in steps of 1ms"),
        );
    }
    wrong(
        "shape: constant, interval: 1s, frame: 64k",
        "line 2, column 49: egress.frame: expected a size such as 4096B, 64KiB or 1MiB",
    );
    for out in ["1023B", "1025KiB"] {
        wrong(
            &format!("shape: constant, interval: 1s, frame: {out}"),
            "line 2, column 49: egress.frame: expected 1KiB to 1MiB in steps of 1B",
        );
    }
    wrong(
        "shape: constant, interval: 60s, frame: 32KiB",
        "line 2, column 50: egress: expected a frame and an interval that carry at least 1024 \
         bytes a second",
    );
    wrong(
        "shape: bursts, interval: 1s, frame: 1KiB",
        "line 2, column 18: egress.shape: unknown variant `bursts`, expected one of constant",
    );
    wrong("shape: constant, interval: 1s", "line 2, column 28: egress: missing field `frame`");
}

#[test]
fn cohorts_and_gauges_are_checked() {
    for cohort in ["0", "1", "1000001"] {
        refused(
            &format!("contract: a/1\nmetrics:\n  m: {{ labels: [], min_cohort: {cohort} }}\n"),
            "line 3, column 32: metrics.m.min_cohort: expected a number from 2 to 1000000",
        );
    }
    refused(
        "contract: a/1\nmetrics:\n  m: { labels: [], gauge: mean }\n",
        "line 3, column 27: metrics.m.gauge: unknown variant `mean`, expected one of last, \
         sum, min, max",
    );
}
