//! `line_format`, `label_format`, `decolorize`, `drop` and `keep`.

use super::*;

#[test]
fn lines_are_formatted() {
    rewrites("| line_format `{{.app}}: {{__line__}}`", "x", "web: x", "");
    rewrites("| logfmt | line_format `{{.a}} {{.user}}`", "a=1", "1 u1", r#"a="1""#);
    rewrites("| line_format `{{.none}}`", "x", "", "");
    rewrites("| line_format `a` | line_format `{{__line__}}b`", "x", "ab", "");
    rewrites("| line_format `{\"k\":\"v\"}` | json", "x", r#"{"k":"v"}"#, r#"k="v""#);
    rewrites(
        concat!(
            r#"| json | executionId != "" | line_format "{{.executionId}} {{.nodeType}} "#,
            r#"{{.timestamp}}""#,
        ),
        r#"{"executionId":"exec-abc-123","nodeType":"Calc","timestamp":"t"}"#,
        "exec-abc-123 Calc t",
        r#"executionId="exec-abc-123" nodeType="Calc" timestamp="t""#,
    );
    labels(
        "| line_format `{{div 1 0}}`",
        "x",
        r#"__error__="TemplateFormatErr" __error_details__="integer divide by zero""#,
    );
    kept(r#"| line_format "new" |= "new""#, "old", true);
    kept(r#"| line_format "new" |= "old""#, "old", false);
}

#[test]
fn labels_are_formatted() {
    labels("| label_format b=app", "x", r#"b="web" -app"#);
    labels("| label_format b=none", "x", "");
    labels("| label_format app=user", "x", r#"app="u1" -user"#);
    labels("| label_format app=`{{.app}}!`", "x", r#"app="web!""#);
    labels("| logfmt | label_format a=`{{.b}}`,b=`{{.a}}`", "a=1 b=2", r#"a="2" b="1""#);
    labels("| logfmt | label_format c=a,d=`{{.c}}{{.a}}`", "a=1", r#"c="1" d="1""#);
    labels(
        "| label_format a=`{{div 1 0}}`,b=`x`",
        "x",
        r#"__error__="TemplateFormatErr" __error_details__="integer divide by zero" b="x""#,
    );
    labels("| label_format a=`x` | logfmt", "a=1", r#"a="x""#);
    labels("| label_format app=app", "x", "");
    let format = ast::LabelFormat {
        name: "__error__".into(),
        value: ast::LabelFormatValue::Rename("a".into()),
    };
    let error = Pipeline::compile(&[ast::Stage::LabelFormat(alloc::vec![format])]).unwrap_err();
    assert_eq!(error, CompileError::Unformattable { name: "__error__".into() });
}

#[test]
fn classes_follow_the_labels() {
    let pipeline =
        Pipeline::compile(&stages("| logfmt | label_format x=app, y=`z`, t=trace_id")).unwrap();
    let stream = stream();
    let input = Input {
        time_ns: 0,
        line: "user=u2 q=1",
        stream: &stream,
        metadata: &METADATA,
        shredded: None,
    };
    let mut scratch = Scratch::default();
    let Outcome::Kept(row) = pipeline.run(&input, &mut scratch) else { panic!() };
    let of = |class| alloc::format!("{}", row.labels_of(class));
    assert_eq!(of(Class::Stream), r#"{pod="p-1", x="web"}"#);
    assert_eq!(of(Class::Metadata), r#"{t="t1"}"#);
    assert_eq!(of(Class::Parsed), r#"{q="1", user="u2", y="z"}"#);
    assert_eq!((row.get("user"), row.get("app"), row.error()), (Some("u2"), None, None));
}

#[test]
fn metadata_beside_a_stream_label_is_extracted() {
    let pipeline = Pipeline::compile(&stages(r#"| app_extracted="m""#)).unwrap();
    let stream = stream();
    let metadata = [("app", "m"), ("k", "v")];
    let input =
        Input { time_ns: 0, line: "", stream: &stream, metadata: &metadata, shredded: None };
    let mut scratch = Scratch::default();
    let Outcome::Kept(row) = pipeline.run(&input, &mut scratch) else { panic!() };
    let set = alloc::format!("{}", row.label_set());
    assert_eq!(set, r#"{app="web", app_extracted="m", k="v", pod="p-1"}"#);
    assert_eq!(
        alloc::format!("{}", row.labels_of(Class::Metadata)),
        r#"{app_extracted="m", k="v"}"#
    );
}

#[test]
fn colours_are_removed() {
    rewrites("| decolorize", "\u{1b}[31mred\u{1b}[0m plain", "red plain", "");
    rewrites("| decolorize", "\u{1b}[1;31;40mx\u{1b}[K", "x", "");
    rewrites("| decolorize", "\u{9b}32mgreen", "green", "");
    labels("| decolorize", "no colour [31m", "");
    labels("| decolorize", "", "");
    rewrites("| decolorize | logfmt", "a=\u{1b}[31m1\u{1b}[0m", "a=1", r#"a="1""#);
}

#[test]
fn labels_are_dropped_and_kept() {
    labels("| drop app", "x", "-app");
    labels("| drop app, user", "x", "-app -user");
    labels("| drop none", "x", "");
    labels(r#"| drop app="web""#, "x", "-app");
    labels(r#"| drop app="db""#, "x", "");
    labels(r#"| drop app!="db""#, "x", "-app");
    labels(r#"| drop app=~"w.+", user!~"u.*""#, "x", "-app");
    labels("| logfmt | drop a", "a=1 b=2", r#"b="2""#);
    labels("| logfmt | drop a | logfmt", "a=1 b=2", r#"a="1" b="2""#);
    labels("| json | drop __error__, __error_details__", "x", "");
    labels(
        r#"| json | drop __error__="JSONParserErr""#,
        "x",
        r#"__error_details__="the line is not a JSON object""#,
    );
    labels("| keep app", "x", "-pod -trace_id -user");
    labels("| logfmt | keep a, user", "a=1 b=2", r#"a="1" -app -pod -trace_id"#);
    labels(r#"| keep app="web", pod="other""#, "x", "-pod -trace_id -user");
    labels(
        "| json | keep app",
        "x",
        concat!(
            r#"__error__="JSONParserErr" __error_details__="the line is not a JSON object" "#,
            r#"-pod -trace_id -user"#,
        ),
    );
}
