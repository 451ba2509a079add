//! Line filters and label filters.

use super::*;

#[test]
fn line_filters() {
    kept(r#"|= "error""#, "an error", true);
    kept(r#"|= "error""#, "an Error", false);
    kept(r#"!= "error""#, "an error", false);
    kept(r#"!= "error""#, "fine", true);
    kept(r#"|= """#, "x", true);
    kept(r#"|~ "err(or)?$""#, "an err", true);
    kept(r#"|~ "err(or)?$""#, "errors", false);
    kept(r#"|~ "(?i)ERROR""#, "an error", true);
    kept(r#"!~ "^an""#, "an error", false);
    kept(r#"!~ "^an""#, "one", true);
    kept("|~ `error=\\w+`", "error=x", true);
    kept("|~ `error=\\w+`", "error= x", false);
    kept(r#"|= "a" or "b""#, "xbx", true);
    kept(r#"|= "a" or "b""#, "xcx", false);
    kept(r#"!= "a" or "b""#, "xbx", false);
    kept(r#"!= "a" or "b""#, "xcx", true);
    kept(r#"|~ "^a" or "b$""#, "cb", true);
    kept(r#"!~ "^a" or "b$""#, "cb", false);
    kept(r#"|= "a" |= "b""#, "ab", true);
    kept(r#"|= "a" |= "b""#, "a", false);
    kept(r#"|= "a" != "b""#, "ab", false);
    kept(r#"|> "<_> level=error <_>""#, "t level=error x", true);
    kept(r#"|> "<_> level=error <_>""#, "t level=info x", false);
    kept(r#"!> "<_> level=error <_>""#, "t level=info x", true);
    kept(r#"|> "a <_>" or "b <_>""#, "b x", true);
    kept(r#"|= ip("192.168.0.0/16")"#, "peer 192.168.9.9:80", true);
    kept(r#"|= ip("192.168.0.0/16")"#, "peer 10.0.0.1", false);
    kept(r#"!= ip("192.168.4.5-192.168.4.20")"#, "peer 192.168.4.6", false);
    kept(r#"|= ip("2001:db8::/32")"#, "[2001:db8::7]", true);
    kept(r#"|= "x" or ip("10.0.0.1")"#, "10.0.0.1", true);
}

#[test]
fn text_comparisons() {
    kept(r#"| app="web""#, "", true);
    kept(r#"| app="db""#, "", false);
    kept(r#"| app!="db""#, "", true);
    kept(r#"| app=~"w.b""#, "", true);
    kept(r#"| app=~"w""#, "", false);
    kept(r#"| app!~"w.*""#, "", false);
    kept(r#"| user="u1""#, "", true);
    kept(r#"| none="""#, "", true);
    kept(r#"| none!="""#, "", false);
    kept(r#"| none=~".*""#, "", true);
    kept(r#"| none=~".+""#, "", false);
    kept(r#"| json | executionId != """#, r#"{"executionId":"exec-1"}"#, true);
    kept(r#"| json | executionId != """#, r#"{"other":1}"#, false);
    kept(r#"| json | message =~ ".*receiver.*""#, r#"{"message":"otlp receiver\nup"}"#, true);
    kept(r#"| json | a="1" and b="2""#, r#"{"a":1,"b":2}"#, true);
    kept(r#"| json | a="1", b="3""#, r#"{"a":1,"b":2}"#, false);
    kept(r#"| json | a="1" b="2""#, r#"{"a":1,"b":2}"#, true);
    kept(r#"| json | a="9" or b="2""#, r#"{"a":1,"b":2}"#, true);
    kept(r#"| json | (a="9" or b="2") and c="""#, r#"{"a":1,"b":2}"#, true);
    kept(r#"| __error__="""#, "x", true);
    kept(r#"| json | __error__="""#, "x", false);
    kept(r#"| json | __error__="JSONParserErr""#, "x", true);
    kept(r#"| json | __error_details__=~".*not a JSON.*""#, "x", true);
}

#[test]
fn typed_comparisons() {
    let line = concat!(
        r#"{"status":500,"f":"1.5","lat":"1h15m30.918273645s","size":"20MB","#,
        r#""ip":"192.168.4.7","bad":"x","exp":"1e3"}"#,
    );
    for (filter, expected) in [
        ("status == 500", true),
        ("status = 500", true),
        ("status != 500", false),
        ("status > 499", true),
        ("status >= 500", true),
        ("status < 500", false),
        ("status <= 500", true),
        ("f > 1.4", true),
        ("f < 1.5", false),
        ("exp == 1000", true),
        ("none > 0", false),
        ("none < 0", false),
        ("none != 5", false),
        ("lat > 1h15m", true),
        ("lat > 1h16m", false),
        ("lat >= 75m", true),
        ("lat < 1d", true),
        ("lat != 1s", true),
        ("none > 1s", false),
        ("size == 20MB", true),
        ("size > 19MiB", true),
        ("size < 20MiB", true),
        ("size >= 20MiB", false),
        ("none < 1KB", false),
        ("ip = ip(\"192.168.4.5-192.168.4.20\")", true),
        ("ip != ip(\"192.168.0.0/16\")", false),
        ("ip = ip(\"10.0.0.0/8\")", false),
        ("none != ip(\"10.0.0.0/8\")", false),
        ("status >= 400 and lat > 1s", true),
        ("status < 400 or size > 1MB", true),
        ("status < 400 and size > 1MB", false),
    ] {
        kept(&alloc::format!("| json | {filter}"), line, expected);
    }
}

#[test]
fn what_cannot_be_read_marks_the_line() {
    labels(
        "| logfmt | a > 5",
        "a=x",
        concat!(
            r#"__error__="LabelFilterErr" __error_details__="strconv.ParseFloat: parsing "#,
            r#"\"x\": invalid syntax" a="x""#,
        ),
    );
    labels(
        "| logfmt | a > 5s",
        "a=7",
        concat!(
            r#"__error__="LabelFilterErr" __error_details__="time: missing unit in "#,
            r#"duration \"7\"" a="7""#,
        ),
    );
    labels(
        "| logfmt | a > 5KB",
        "a=7ells",
        r#"__error__="LabelFilterErr" __error_details__="unhandled size name: ells" a="7ells""#,
    );
    kept(r#"| logfmt | a > 5 | b > 7"#, "a=x b=1", true);
    kept(r#"| logfmt | a > 5 | b = "2""#, "a=x b=1", false);
    kept(r#"| logfmt | a > 5 | __error__ = """#, "a=x b=1", false);
    kept(r#"| logfmt | a > 5 or b = "2""#, "a=x b=1", true);
    kept("| json | none > 5", "not json", true);
    kept("| json | none = ip(\"10.0.0.1\")", "not json", true);
}

#[test]
fn literals_are_certain() {
    for (text, expected) in [
        (r#"|= "error""#, &["error"] as &[_]),
        (r#"|= "b" |= "a" |= "b""#, &["a", "b"]),
        (r#"!= "error""#, &[]),
        (r#"|= "a" or "b""#, &[]),
        (r#"|= """#, &[]),
        (r#"|~ "level=(a|b) x+yz""#, &["level="]),
        (r#"|> "<_> level=error <_>""#, &[" level=error "]),
        (r#"| json |= "after""#, &["after"]),
        (r#"| line_format "x" |= "after""#, &[]),
        (r#"| decolorize |= "after""#, &[]),
        (r#"|= "first" | unpack |= "after""#, &["first"]),
        (r#"|= ip("10.0.0.1")"#, &[]),
    ] {
        assert_eq!(Pipeline::compile(&stages(text)).unwrap().literals(), expected, "{text}");
    }
}
