//! What a new contract lets leave that the one before does not.

use lucarne_contract::Contract;

const OLD: &str = r#"
contract: a/1
logs:
  attributes:
    id:    { type: string, pattern: "exec-[a-z]{1,4}" }
    kind:  { type: enum, values: [one, two] }
    count: { type: int, min: 0, max: 10 }
  bodies: ["started", { pattern: "step [0-9]" }]
metrics:
  m: { labels: [outcome], min_cohort: 5 }
traces: { span_names: [node], round_times: 1ms }
audit: { select: { scope: audit }, events: [hil.approved] }
"#;

/// Each as `path: what (example)`.
fn newly(change: impl FnOnce(String) -> String) -> Vec<String> {
    let old = Contract::parse(OLD).unwrap();
    let new = Contract::parse(&change(OLD.to_owned())).unwrap();
    let found = new.newly_leaving(&old).unwrap();
    let told = found.into_iter().map(|it| match it.example {
        Some(example) => format!("{}: {} ({example})", it.path, it.what),
        None => format!("{}: {}", it.path, it.what),
    });
    told.collect()
}

#[test]
fn what_is_the_same_or_less_is_not_new() {
    for (from, to) in [
        ("a/1", "a/2"),
        ("{1,4}", "{2,3}"),
        ("exec-[a-z]{1,4}", "exec-a|exec-zz"),
        ("[one, two]", "[two]"),
        ("{ type: enum, values: [one, two] }", "{ type: string, pattern: \"one|two\" }"),
        ("max: 10", "max: 9"),
        ("\"started\", ", "\"step 5\", "),
        ("[0-9]\"", "[2-8]\""),
        ("min_cohort: 5", "min_cohort: 6"),
        ("[outcome]", "[]"),
        ("1ms", "10ms"),
        ("contract:", "reject: [\"(?i)bearer [a-z0-9._-]{20,}\", \"[0-9]{16}\"]\ncontract:"),
    ] {
        let found = newly(|text| text.replace(from, to));
        let expected: &[&str] = if from == "contract:" {
            // The default list was longer.
            &["reject: ", "reject: ", "reject: ", "reject: "]
        } else {
            &[]
        };
        assert_eq!(found.len(), expected.len(), "{to}: {found:?}");
        assert!(found.iter().zip(expected).all(|(it, start)| it.starts_with(start)), "{found:?}");
    }
}

#[test]
fn what_is_more_is_named_with_a_text_that_leaves_anew() {
    for (from, to, expected) in [
        ("{1,4}", "{1,5}", "id: texts that the pattern before did not admit (exec-zzzzz)"),
        ("[one, two]", "[one, two, three]", "kind: a new text (three)"),
        ("max: 10", "max: 11", "count: numbers from 0 to 11, before from 0 to 10"),
        ("{ type: int, min: 0, max: 10 }", "{ type: bool }", "count: values of another type"),
        ("    id: ", "    more: { type: bool }\n    id: ", "more: a new name"),
    ] {
        let found = newly(|text| text.replace(from, to));
        assert_eq!(found, [format!("logs.attributes.{expected}")], "{to}");
    }
    for (from, to, expected) in [
        ("\"started\"", "\"done\", \"started\"", "logs.bodies: a new text (done)"),
        (
            "[0-9]\"",
            "[0-9a]\"",
            "logs.bodies: texts that the pattern before did not admit (step a)",
        ),
        (
            "min_cohort: 5",
            "min_cohort: 2",
            "metrics.m.min_cohort: series of 2 observations instead of 5",
        ),
        (
            "min_cohort: 5",
            "min_cohort: 5, gauge: max",
            "metrics.m.gauge: the max of merged gauges instead of the last",
        ),
        ("  m:", "  n: { labels: [] }\n  m:", "metrics.n: a new metric"),
        ("[node]", "[node, edge]", "traces.span_names: a new text (edge)"),
        ("1ms", "1us", "traces.round_times: times of spans, more exactly"),
        ("1ms", "1500us", "traces.round_times: times of spans, more exactly"),
        ("[hil.approved]", "[hil.approved, x]", "audit.events: a new text (x)"),
        (
            "scope: audit",
            "scope: all",
            "audit.select.scope: records of another scope as audit events",
        ),
        (
            "contract: a/1",
            "contract: a/1\nlimits: { value_bytes: 512 }",
            "limits.value_bytes: texts of up to 512 bytes instead of 256",
        ),
    ] {
        assert_eq!(newly(|text| text.replace(from, to)), [expected], "{to}");
    }
    let found = newly(|text| text.replace("labels: [outcome]", "labels: [outcome, node_type]"));
    assert_eq!(found, ["labels.node_type: a new name", "metrics.m.labels: the label node_type"]);
}

#[test]
fn giving_up_constant_egress_is_new_and_taking_it_up_is_not() {
    let constant = "egress: { shape: constant, interval: 1s, frame: 64KiB }\n";
    assert_eq!(newly(|old| old + constant), [""; 0]);
    let before = Contract::parse(&(OLD.to_owned() + constant)).unwrap();
    let told = |new: &str| {
        let found = Contract::parse(new).unwrap().newly_leaving(&before).unwrap();
        found.into_iter().map(|it| format!("{}: {}", it.path, it.what)).collect::<Vec<_>>()
    };
    assert_eq!(told(before.source()), [""; 0]);
    assert_eq!(told(OLD), ["egress: lengths and times of what leaves, which were constant"]);
    assert_eq!(
        told(&before.source().replace("64KiB", "32KiB")),
        ["egress: another constant size or rate, which tells of the change alone"]
    );
}
