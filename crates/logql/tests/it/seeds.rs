//! Every query that the seeds print, and what it stands for.

use lucarne_logql::ast::Stage;
use lucarne_logql::{Mode, parse, parse_filter};

/// As printed, and canonical.
const QUERIES: &[(&str, &str)] = &[
    (
        r#"{job="tee-processengine", level="Error"}
  | json
  | errorCode != ""
  | count_over_time([5m]) by (errorCode, tenantHash)"#,
        concat!(
            r#"sum by (errorCode, tenantHash) (count_over_time("#,
            r#"{job="tee-processengine", level="Error"} | json | errorCode!="" [5m]))"#,
        ),
    ),
    (
        r#"{job="tee-processengine", level="Error"} |= "E_CALCULATION_OVERFLOW"
  | json | executionId != ""
  | line_format "{{.executionId}} {{.nodeType}} {{.timestamp}}""#,
        concat!(
            r#"{job="tee-processengine", level="Error"} |= "E_CALCULATION_OVERFLOW" "#,
            r#"| json | executionId!="" "#,
            r#"| line_format "{{.executionId}} {{.nodeType}} {{.timestamp}}""#,
        ),
    ),
    (
        r#"{job="otel-collector-external"} |= "tee-processengine"
  | json | message =~ ".*receiver.*""#,
        concat!(
            r#"{job="otel-collector-external"} |= "tee-processengine" "#,
            r#"| json | message=~".*receiver.*""#,
        ),
    ),
    (
        r#"{job="vsock-proxy"} | json | status = "error""#,
        r#"{job="vsock-proxy"} | json | status="error""#,
    ),
    (
        r#"{job="tee-audit"} | json | tee_instance_id = "nitro-001-us-east"
  | sort by (seq desc)
  | head(10)"#,
        concat!(
            r#"{job="tee-audit"} | json | tee_instance_id="nitro-001-us-east" "#,
            r#"| sort by (seq desc) | head 10"#,
        ),
    ),
    (
        r#"{job="tee-audit"} | json | tee_instance_id = "nitro-001-us-east"
  | sort by (seq)"#,
        r#"{job="tee-audit"} | json | tee_instance_id="nitro-001-us-east" | sort by (seq)"#,
    ),
    (
        r#"{job="tee-processengine", signature_valid="false"}"#,
        r#"{job="tee-processengine", signature_valid="false"}"#,
    ),
    (
        r#"{job="tee-processengine"} | json | tee_batch_seq > 0 | sort by (tee_batch_seq)"#,
        r#"{job="tee-processengine"} | json | tee_batch_seq > 0 | sort by (tee_batch_seq)"#,
    ),
];

#[test]
fn every_printed_query_parses() {
    for (query, canonical) in QUERIES {
        let parsed =
            parse(query, Mode::Extended).unwrap_or_else(|error| panic!("{query}: {error}"));
        assert_eq!(parsed.canonical, *canonical);
        assert_eq!(parsed.rewritten, query.contains("count_over_time"), "{query}");
    }
}

#[test]
fn the_printed_filter_is_a_label_filter() {
    let stages = parse_filter(r#"executionId="exec-abc-123""#).expect("a filter");
    let printed: Vec<String> = stages.iter().map(Stage::to_string).collect();
    assert_eq!(printed, [r#"| executionId="exec-abc-123""#]);
}

/// Filters that go beyond the printed one.
#[test]
fn filters_are_conditions_then_stages() {
    for (filter, expected) in [
        (r#"a="b" and c > 5"#, &[r#"| a="b" and c > 5"#][..]),
        (r#"(a="b" or c="d") e="f""#, &[r#"| (a="b" or c="d") and e="f""#]),
        (r#"|= "x" | json | a="b""#, &[r#"|= "x""#, "| json", r#"| a="b""#]),
        (r#"a="b" |= "x""#, &[r#"| a="b""#, r#"|= "x""#]),
        (r#"| a="b""#, &[r#"| a="b""#]),
        (r#"!= "x""#, &[r#"!= "x""#]),
    ] {
        let stages = parse_filter(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
        let printed: Vec<String> = stages.iter().map(Stage::to_string).collect();
        assert_eq!(printed, expected, "{filter}");
    }
    for (filter, expected) in [
        ("", "1, col 1: syntax error: unexpected end of query, expecting a label name or \"(\""),
        (r#"{a="b"}"#, "1, col 1: syntax error: unexpected \"{\", expecting a label name or \"(\""),
        (
            r#"a="b" | sort by (c)"#,
            "1, col 9: sort is not allowed here, it ends a log query; \
             its form is sort by (field [asc|desc], ...)",
        ),
        (
            r#"a="b" ) "#,
            "1, col 7: syntax error: unexpected \")\", expecting a stage or the end of the filter",
        ),
    ] {
        let error = parse_filter(filter).expect_err(filter).to_string();
        assert_eq!(error, format!("parse error at line {expected}"), "{filter}");
    }
}

/// Requests about series may select every stream.
#[test]
fn selectors_alone() {
    use lucarne_logql::parse_selector;
    for (selector, canonical) in
        [("{}", "{}"), ("{ a = \"b\" }", r#"{a="b"}"#), (r#"{a=~".*"}"#, r#"{a=~".*"}"#)]
    {
        assert_eq!(parse_selector(selector).expect(selector).to_string(), canonical);
    }
    let error = parse_selector(r#"{a="b"} |= "x""#).expect_err("a query").to_string();
    assert_eq!(
        error,
        "parse error at line 1, col 9: syntax error: unexpected \"|=\", \
         expecting the end of the selector"
    );
}
