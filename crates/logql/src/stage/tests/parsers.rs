//! `json`, `logfmt`, `regexp`, `pattern` and `unpack`.

use super::*;

#[test]
fn json_fields_become_labels() {
    labels("| json", r#"{"a":"b"}"#, r#"a="b""#);
    labels("| json", r#" { "a" : "b" , "c" : 1 } "#, r#"a="b" c="1""#);
    labels("| json", "{}", "");
    labels("| json", r#"{"a":{"b":{"c":"d"}}}"#, r#"a_b_c="d""#);
    labels("| json", r#"{"a":[1,{"b":2},"]"],"c":3}"#, r#"c="3""#);
    labels("| json", r#"{"a":null,"b":true,"c":false}"#, r#"b="true" c="false""#);
    labels("| json", r#"{"i":1,"f":1.50,"e":1e+03,"n":-0}"#, r#"e="1e+03" f="1.50" i="1" n="-0""#);
    labels("| json", r#"{"a":""}"#, r#"a="""#);
    labels("| json", r#"{"a":"x\ny\"\\\/\t\u00e9\ud83d\ude00"}"#, "a=\"x\\ny\\\"\\\\/\\té😀\"");
    labels("| json", r#"{"a":"\ud800x"}"#, r#"a=" x""#);
    labels(
        "| json",
        r#"{"request-id":"1","b.c":"2","d e":"3"}"#,
        r#"b_c="2" d_e="3" request_id="1""#,
    );
    labels("| json", r#"{"1a":"x","b":{"2":"y"}}"#, r#"_1a="x" b_2="y""#);
    labels("| json", r#"{"é":"x"," s ":"y","":"z"}"#, r#"_="x" s="y""#);
    labels("| json", r#"{"\u0061b":"x"}"#, r#"ab="x""#);
    labels("| json", r#"{"a":1,"a":2}"#, r#"a="1""#);
    labels("| json", r#"{"a_b":1,"a":{"b":2}}"#, r#"a_b="1""#);
    labels("| json", r#"{"app":"x"}"#, r#"app_extracted="x""#);
    labels("| json", r#"{"app":"x","app_extracted":"y"}"#, r#"app_extracted="x""#);
    labels("| json", r#"{"user":"x"}"#, r#"user="x""#);
    labels("| json | json", r#"{"a":"x","app":"y"}"#, r#"a="x" app_extracted="y""#);
    labels("| json", r#"{"a":1} trailing"#, r#"a="1""#);
    labels(
        "| json",
        concat!(
            r#"{"protocol":"HTTP/2.0","servers":["129.0.1.1","10.2.1.3"],"#,
            r#""request":{"time":"6.032","method":"GET","host":"foo.grafana.net","#,
            r#""size":"55","headers":{"Accept":"*/*","User-Agent":"curl/7.68.0"}},"#,
            r#""response":{"status":401,"size":"228","latency_seconds":"6.031"}}"#,
        ),
        concat!(
            r#"protocol="HTTP/2.0" request_headers_Accept="*/*" "#,
            r#"request_headers_User_Agent="curl/7.68.0" request_host="foo.grafana.net" "#,
            r#"request_method="GET" request_size="55" request_time="6.032" "#,
            r#"response_latency_seconds="6.031" response_size="228" response_status="401""#,
        ),
    );
}

#[test]
fn what_is_not_json_is_marked() {
    let not_object =
        r#"__error__="JSONParserErr" __error_details__="the line is not a JSON object""#;
    let malformed = r#"__error__="JSONParserErr" __error_details__="Malformed JSON error""#;
    let unclosed = concat!(
        r#"__error__="JSONParserErr" __error_details__="Value looks like object, but can't "#,
        r#"find closing '}' symbol""#,
    );
    labels("| json", "plain", not_object);
    labels("| json", "", not_object);
    labels("| json", "[1]", not_object);
    labels("| json", "\"x\"", not_object);
    labels("| json", "{", unclosed);
    labels("| json", r#"{"a":1"#, &alloc::format!("{unclosed} a=\"1\""));
    labels("| json", r#"{"a":"x"#, unclosed);
    labels("| json", r#"{"a":[1"#, unclosed);
    labels("| json", r#"{"a" 1}"#, malformed);
    labels("| json", r#"{"a":1 "b":2}"#, &alloc::format!("{malformed} a=\"1\""));
    labels("| json", r#"{"a":1,}"#, &alloc::format!("{malformed} a=\"1\""));
    labels("| json", r#"{a:1}"#, malformed);
    labels("| json", r#"{"a":tru}"#, malformed);
    labels("| json", r#"{"a":truely}"#, malformed);
    labels("| json", r#"{"a":1.}"#, malformed);
    labels("| json", r#"{"a":1-2}"#, malformed);
    labels("| json", r#"{"a":"\x"}"#, malformed);
    labels("| json", r#"{"a":"\u12"}"#, malformed);
    let deep = "{\"a\":".repeat(100);
    let details = r#"__error__="JSONParserErr" __error_details__="objects are nested too deeply""#;
    labels("| json", &deep, details);
}

#[test]
fn hostile_prefixes_are_bounded() {
    let leaves = (0..30_000).map(|at| alloc::format!("\"{at}\":1")).collect::<Vec<_>>().join(",");
    let line = alloc::format!("{{\"{}\":{{{leaves}}}}}", "k".repeat(1000));
    let pipeline = Pipeline::compile(&stages("| json | keep none")).unwrap();
    let (_, labels) = run(&pipeline, &line, None).unwrap();
    let expected = concat!(
        "__error__=\"JSONParserErr\" __error_details__=\"the labels of the line are ",
        "larger than 4 MiB or too many\" -app -pod -trace_id -user",
    );
    assert_eq!(labels, expected);
}

#[test]
fn json_paths() {
    let line =
        r#"{"a":"x","b":{"c d":1,"e":[10,{"f":"g"},[true]],"n":null,"o":{"p":"q"}},"a":"y"}"#;
    for (stage, expected) in [
        ("json a", r#"a="x""#),
        (r#"json z="b.e[0]""#, r#"z="10""#),
        (r#"json z="b.e[1].f""#, r#"z="g""#),
        (r#"json z="b.e[1]""#, r#"z="{\"f\":\"g\"}""#),
        (r#"json z="b.e[2][0]""#, r#"z="true""#),
        (r#"json z="b.e""#, r#"z="[10,{\"f\":\"g\"},[true]]""#),
        (r#"json z="b.o""#, r#"z="{\"p\":\"q\"}""#),
        (r#"json z="b.n""#, r#"z="""#),
        (r#"json z="b.e[9]""#, r#"z="""#),
        (r#"json z="b.none.deep""#, r#"z="""#),
        (r#"json z="a.x""#, r#"z="""#),
        ("json z=`b[\"c d\"]`", r#"z="1""#),
        ("json z=`[\"b\"].e[0]`", r#"z="10""#),
        (r#"json y="a", z="b.o.p""#, r#"y="x" z="q""#),
        (r#"json app="a""#, r#"app_extracted="x""#),
    ] {
        labels(&alloc::format!("| {stage}"), line, expected);
    }
    labels(r#"| json z="[1]""#, r#"["a","b"]"#, r#"z="b""#);
    labels(
        r#"| json z="a""#,
        "plain",
        r#"__error__="JSONParserErr" __error_details__="the line is not a JSON object""#,
    );
    for path in
        ["", ".", "a.", ".a", "a[", "a[x]", "a[-1]", "a[0", "a[\"b\"", "a b", "1a", "a..b", "a-b"]
    {
        let stage = ast::Stage::Json(alloc::vec![ast::Extraction {
            name: "z".into(),
            expression: path.into(),
        }]);
        let error = Pipeline::compile(&[stage]).unwrap_err();
        assert!(
            matches!(&error, CompileError::JsonPath { path: have, .. } if have == path),
            "{path}"
        );
    }
}

#[test]
fn logfmt_pairs() {
    labels("| logfmt", "a=b c=d", r#"a="b" c="d""#);
    labels("| logfmt", r#"a="b c" d="e\"f\n""#, r#"a="b c" d="e\"f\n""#);
    labels("| logfmt", "a b=", "");
    labels("| logfmt --keep-empty", "a b= c=1", r#"a="" b="" c="1""#);
    labels("| logfmt", "a=1 a=2", r#"a="1""#);
    labels("| logfmt", "app=x user=y", r#"app_extracted="x" user="y""#);
    labels("| logfmt", "a-b=1 2c=3 é=4", r#"_="4" _2c="3" a_b="1""#);
    labels("| logfmt", "plain text only", "");
    labels("| logfmt", "", "");
    labels("| logfmt", "a=x=y b=2", r#"b="2""#);
    labels("| logfmt", r#"a=x"y b=2"#, r#"b="2""#);
    labels("| logfmt", r#"="x" b=2"#, r#"b="2""#);
    labels("| logfmt", r#"b=2 a="open"#, r#"b="2""#);
    labels("| logfmt", r#"a="\q" b=2"#, r#"b="2""#);
    labels("| logfmt", "a=\u{fffd} b=2", r#"b="2""#);
    labels("| logfmt", "a=é\tb=2", r#"a="é" b="2""#);
    labels(
        "| logfmt",
        concat!(
            r#"at=info method=GET path=/ host=grafana.net fwd="124.133.124.161" "#,
            r#"service=8ms status=200"#,
        ),
        concat!(
            r#"at="info" fwd="124.133.124.161" host="grafana.net" method="GET" path="/" "#,
            r#"service="8ms" status="200""#,
        ),
    );
    let strict = |at: usize, found: char| {
        let what = "logfmt syntax error at pos";
        let details = alloc::format!("__error_details__=\"{what} {at} : unexpected '{found}'\"");
        alloc::format!("__error__=\"LogfmtParserErr\" {details}")
    };
    labels("| logfmt --strict", "a=1 b=2=3 c=4", &alloc::format!("{} a=\"1\"", strict(8, '=')));
    labels("| logfmt --strict", "=x", &strict(1, '='));
    labels("| logfmt --strict", "a=1 b", r#"a="1""#);
    labels(
        "| logfmt --strict",
        r#"a="x"#,
        concat!(
            r#"__error__="LogfmtParserErr" __error_details__="logfmt syntax error at pos 5 "#,
            r#": unterminated quoted value""#,
        ),
    );
    labels(r#"| logfmt x="a", c"#, "a=1 b=2 c=3", r#"c="3" x="1""#);
    labels(r#"| logfmt x="none""#, "a=1", r#"x="""#);
    labels(r#"| logfmt app"#, "app=1", r#"app_extracted="1""#);
    labels(r#"| logfmt a_b"#, "a-b=1", r#"a_b="1""#);
    labels(r#"| logfmt --strict a"#, "a=1 =", &alloc::format!("{} a=\"1\"", strict(5, '=')));
}

#[test]
fn regexp_and_pattern() {
    labels(
        "| regexp `(?P<method>\\w+) (?P<path>[\\w|/]+) \\((?P<status>\\d+?)\\) (?P<duration>.*)`",
        "POST /api/prom/api/v1/query_range (200) 1.5s",
        r#"duration="1.5s" method="POST" path="/api/prom/api/v1/query_range" status="200""#,
    );
    labels("| regexp `(?P<a>x)`", "none", "");
    labels("| regexp `(?P<a>x)(?P<b>y)?`", "x", r#"a="x" b="""#);
    labels("| regexp `(?P<app>x)(?P<user>y)`", "xy", r#"app_extracted="x" user="y""#);
    labels("| regexp `(?P<a>x)` | regexp `(?P<a>y)`", "xy", r#"a="x""#);
    labels(
        r#"| pattern "<ip> - - <_> \"<method> <uri> <_>\" <status> <_>""#,
        r#"0.191.12.2 - - [10/Jun/2021:09:14:29 +0000] "GET /api HTTP/1.1" 200 2"#,
        r#"ip="0.191.12.2" method="GET" status="200" uri="/api""#,
    );
    labels(r#"| pattern "<app> <a>""#, "x y", r#"a="y" app_extracted="x""#);
    for (stage, expected) in [
        (ast::Stage::Regexp("x".into()), CompileError::NoNamedGroup { pattern: "x".into() }),
        (ast::Stage::Regexp("(?P<1>x)".into()), CompileError::GroupName { name: "1".into() }),
    ] {
        assert_eq!(Pipeline::compile(&[stage]).unwrap_err(), expected);
    }
}

#[test]
fn unpacking() {
    rewrites(
        "| unpack",
        r#"{"container":"myapp","pod":"pod-3223f","_entry":"original \"log\" message"}"#,
        r#"original "log" message"#,
        r#"container="myapp" pod_extracted="pod-3223f""#,
    );
    labels("| unpack", r#"{"a":"b"}"#, "");
    rewrites("| unpack", r#"{"n":1,"o":{"x":"y"},"_entry":"z"}"#, "z", "");
    labels(
        "| unpack",
        "plain",
        r#"__error__="JSONParserErr" __error_details__="the line is not a JSON object""#,
    );
    rewrites("| unpack | logfmt", r#"{"_entry":"a=1"}"#, "a=1", r#"a="1""#);
}
