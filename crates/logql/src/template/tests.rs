//! Templates and what they make of one line, worked out by hand from the documentation of Loki, of
//! Go's `text/template` and `fmt`, and of sprig.

use super::*;
use crate::labels::LabelSet;
use alloc::string::ToString as _;

impl Dot for LabelSet {
    fn field(&self, name: &str) -> Option<&str> {
        self.get(name)
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        self.iter().for_each(|(name, value)| visit(name, value));
    }
}

fn labels() -> LabelSet {
    LabelSet::from_pairs([
        ("name", "Alice"),
        ("empty", ""),
        ("path", "/api/v1/users"),
        ("n", "42"),
        ("f", "3.7"),
        ("dur", "1h30m"),
        ("size", "2KB"),
        ("day", "2021-11-02"),
        ("list", r#"[{"q":"a"},{"q":"b"}]"#),
        ("doc", r#"{"foo":55,"bar":{"baz":"x"},"nil":null,"yes":true,"list":[1,2.5,"z"]}"#),
        ("multi", "one\ntwo"),
        ("from", "1679577215"),
    ])
}

/// 2021-11-02 10:20:30.123456789 UTC, and a day later.
const FACTS: Facts<'static> = Facts {
    line: "The Line é",
    time_ns: 1_635_848_430_123_456_789,
    now_ns: 1_635_934_830_000_000_000,
};

#[track_caller]
fn check(template: &str, expected: &str) {
    let mut out = String::from("<");
    let template = Template::compile(template).unwrap();
    match template.render(&labels(), FACTS, &mut out) {
        Ok(()) => assert_eq!(out, alloc::format!("<{expected}"), "{}", template.source()),
        Err(error) => {
            assert_eq!(alloc::format!("! {error}"), expected, "{}", template.source());
            assert_eq!(out, "<");
        }
    }
}

#[track_caller]
fn refused(template: &str, expected: &str) {
    let error = Template::compile(template).unwrap_err();
    assert_eq!(error.to_string(), alloc::format!("invalid template: {expected}"), "{template}");
}

#[test]
fn text_and_labels() {
    check("", "");
    check("plain", "plain");
    check("{{.name}}", "Alice");
    check("a {{ .name }} b", "a Alice b");
    check("{{.missing}}", "");
    check("{{.empty}}", "");
    check("a {{- .name -}} b", "aAliceb");
    check("a  {{- /* note */ -}}  b", "ab");
    check("a {{/* note */}} b", "a  b");
    check("{{\"quoted \\\"x\\\"\"}}", "quoted \"x\"");
    check("{{`raw \\n`}}", "raw \\n");
    check("{{'a'}}", "97");
    check("{{5}} {{-5}} {{0x1F}} {{1_000}} {{1.50}} {{1e6}}", "5 -5 31 1000 1.5 1e+06");
    check("{{true}} {{false}}", "true false");
    check("{{ . | len }}", "12");
    check("}} {", "}} {");
    check("{{.name}}{{.n}}", "Alice42");
    check("{{__line__}}", "The Line é");
    check("{{ __line__ | lower }}", "the line é");
    check("{{len $}}", "12");
    check("{{$.name}}", "Alice");
    check("{{(.name)}}", "Alice");
}

#[test]
fn control() {
    check("{{if .name}}yes{{end}}", "yes");
    check("{{if .empty}}yes{{else}}no{{end}}", "no");
    check("{{if .empty}}1{{else if .name}}2{{else}}3{{end}}", "2");
    check("{{if .empty}}1{{else if .missing}}2{{else}}3{{end}}", "3");
    check("{{if not .empty}}yes{{end}}", "yes");
    check("{{with .name}}{{.}}{{end}}", "Alice");
    check("{{with .empty}}x{{else}}none{{end}}", "none");
    check("{{with $x := .name}}{{$x}} {{.}}{{end}}", "Alice Alice");
    check("{{$x := .n}}{{$x}}", "42");
    check("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2");
    check("{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21");
    check("{{ range $q := fromJson .list }} {{ $q.q }} {{ end }}", " a  b ");
    check("{{range fromJson .list}}{{.q}},{{end}}", "a,b,");
    check("{{range $i, $q := fromJson .list}}{{$i}}={{$q.q}};{{end}}", "0=a;1=b;");
    check("{{range $k, $v := fromJson .doc}}{{$k}} {{end}}", "bar foo list nil yes ");
    check(
        "{{range .none}}x{{else}}empty{{end}}",
        "! wrong type for value of range; expected list or map; got string",
    );
    check("{{range fromJson \"[]\"}}x{{else}}empty{{end}}", "empty");
    check("{{range 3}}{{.}}{{end}}", "012");
    check("{{range 9}}{{if eq . 2}}{{break}}{{end}}{{.}}{{end}}", "01");
    check("{{range 4}}{{if eq . 2}}{{continue}}{{end}}{{.}}{{end}}", "013");
    check("{{if and .name .n}}both{{end}}", "both");
    check("{{and .name .empty}}|{{or .empty .n}}", "|42");
    check("{{if or (contains \"he\" \"hello\") (contains \"x\" \"y\")}} yes {{end}}", " yes ");
    check(
        concat!(
            "{{if contains .name \"ErrTimeout\"}}t{{else if contains \"he\" \"hello\"}} ",
            "yes {{else}} no {{end}}",
        ),
        " yes ",
    );
}

#[test]
fn comparison_and_indexing() {
    check("{{eq .name \"Alice\"}} {{eq .name \"Bob\"}}", "true false");
    check("{{eq .name \"Bob\" \"Alice\"}}", "true");
    check("{{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 2 2}}", "true true true false true");
    check("{{lt \"a\" \"b\"}} {{lt 1.5 2.5}}", "true true");
    check("{{eq 1 1.0}}", "! incompatible types for comparison");
    check("{{eq .n 42}}", "! incompatible types for comparison");
    check("{{eq (int .n) 42}}", "true");
    check("{{eq true true}}", "true");
    check("{{len .name}} {{len \"é\"}}", "5 2");
    check("{{index . \"name\"}}", "Alice");
    check("{{index (fromJson .doc) \"bar\" \"baz\"}}", "x");
    check("{{index (fromJson .doc).list 2}}", "z");
    check("{{index (fromJson .doc).list 3}}", "! index out of range: 3");
    check("{{index .name 0}}", "65");
    check("{{slice .name 1 3}} {{slice .name 3}}", "li ce");
    check("{{slice .name 3 9}}", "! index out of range: 9");
    check(
        "{{(fromJson .doc).foo}} {{(fromJson .doc).bar.baz}} {{(fromJson .doc).yes}}",
        "55 x true",
    );
    check("{{(fromJson .doc).nope}} {{(fromJson .doc).nil}}", "<no value> <no value>");
    check("{{(fromJson .doc).list}}", "[1 2.5 z]");
    check("{{fromJson \"{\\\"foo\\\": 55}\"}}", "map[foo:55]");
    check("[{{fromJson \"nope\"}}]", "[]");
    check("[{{fromJson \"{} x\"}}]", "[]");
    check("{{.name.first}}", "! can't evaluate field first in type string");
}

#[test]
fn text_functions() {
    check("{{ .path | replace \"/\" \"_\" | trunc 5 | upper }}", "_API_");
    check(
        "{{ToLower .name}} {{ToUpper .name}} {{lower .name}} {{upper .name}}",
        "alice ALICE alice ALICE",
    );
    check("{{title \"hello world\"}} {{title \"it's o_k\"}}", "Hello World It's O_k");
    check(
        "{{trunc 5 \"hello world\"}} {{trunc -5 \"hello world\"}} {{trunc 50 \"x\"}}",
        "hello world x",
    );
    check("{{trunc 1 \"é\"}}|{{trunc -1 \"aé\"}}", "|é");
    check("{{substr 0 5 \"hello world\"}} {{substr 6 11 \"hello world\"}}", "hello world");
    check(
        concat!(
            "{{substr -1 5 \"hello world\"}}|{{substr 6 -1 \"hello world\"}}|{{substr 6 ",
            "99 \"hello world\"}}",
        ),
        "hello|world|world",
    );
    check(
        concat!(
            "{{hasPrefix \"he\" \"hello\"}} {{hasSuffix \"lo\" \"hello\"}} {{hasPrefix ",
            "\"x\" \"hello\"}}",
        ),
        "true true false",
    );
    check("{{indent 4 .multi}}", "    one\n    two");
    check("{{nindent 2 .multi}}", "\n  one\n  two");
    check("{{replace \"hello\" \"world\" \"hello world\"}}", "world world");
    check("{{Replace \"aaa\" \"a\" \"b\" 2}} {{Replace \"aaa\" \"a\" \"b\" -1}}", "bba bbb");
    check("{{repeat 3 \"hello\"}}", "hellohellohello");
    check("{{repeat -1 \"x\"}}|", "|");
    check("[{{trim \"   hello    \"}}] [{{TrimSpace \" x \"}}]", "[hello] [x]");
    check("{{trimAll \"$\" \"$5.00\"}} {{ .path | trimAll \"/s\" }}", "5.00 api/v1/user");
    check(
        "{{Trim \"--x--\" \"-\"}} {{TrimLeft \"--x--\" \"-\"}} {{TrimRight \"--x--\" \"-\"}}",
        "x x-- --x",
    );
    check("{{trimPrefix \"-\" \"-hello\"}} {{trimSuffix \"-\" \"hello-\"}}", "hello hello");
    check("{{TrimPrefix .path \"/api\"}} {{TrimSuffix .path \"/users\"}}", "/v1/users /api/v1");
    check("[{{alignLeft 5 \"hello world\"}}] [{{alignLeft 5 \"hi\"}}]", "[hello] [hi   ]");
    check("[{{alignRight 5 \"hello world\"}}] [{{alignRight 5 \"hi\"}}]", "[world] [   hi]");
    check("{{alignRight 3 \"é\"}}", "  é");
    check("{{b64enc \"hello\"}} {{b64dec \"aGVsbG8=\"}}", "aGVsbG8= hello");
    check("{{b64enc \"\"}}{{b64enc \"a\"}} {{b64enc \"abc\"}} {{b64dec \"YQ==\"}}", "YQ== YWJj a");
    check("{{b64dec \"a!==\"}}", "! error calling b64dec: illegal base64 data");
    check(
        "{{urlencode \"a b&c=é/\"}} {{urldecode \"a+b%26c%3D%C3%A9\"}}",
        "a+b%26c%3D%C3%A9%2F a b&c=é",
    );
    check("{{urldecode \"%zz\"}}", "! error calling urldecode: invalid URL escape \"%zz\"");
    check("{{default \"-\" \"\"}} {{default \"-\" \"foo\"}} {{.empty | default \"-\"}}", "- foo -");
    check("{{count \"a\" \"banana\"}} {{count \"a+\" \"aaba\"}}", "3 2");
    check("{{regexReplaceAll \"(a*)bc\" \"aabcx\" \"${1}a\"}}", "aaax");
    check("{{regexReplaceAll \"(?P<x>v)(\\\\d)\" .path \"$2$x\"}}", "/api/1v/users");
    check("{{regexReplaceAll \"a\" \"banana\" \"$1x\"}}", "bnn");
    check("{{regexReplaceAll \"a\" \"banana\" \"$$\"}}", "b$n$n$");
    check("{{regexReplaceAllLiteral \"(ts=)\" \"ts=1\" \"$1\"}}", "$11");
    check("{{html \"<a href='x'>&\"}}", "&lt;a href=&#39;x&#39;&gt;&amp;");
    check("{{js \"a'b<\"}}", "a\\'b\\u003C");
    check("{{urlquery \"a b\"}}", "a+b");
    check("{{trunc .name 5}}", "! wrong type for value of trunc; expected int; got string");
    check("{{upper 5}}", "! wrong type for value of upper; expected string; got int");
}

#[test]
fn numbers() {
    check("{{add 3 2 5}} {{sub 5 2}} {{mul 5 2 3}} {{div 10 3}} {{mod 10 3}}", "10 3 30 3 1");
    check("{{add .n \"8\"}} {{add \"x\" 1}} {{add 1.9 1}} {{add \"3.00\" 1}}", "50 1 2 4");
    check("{{div 1 0}}", "! integer divide by zero");
    check("{{mod 1 0}}", "! integer divide by zero");
    check("{{addf 3.5 2 5}} {{addf 0.1 0.2}}", "10.5 0.3");
    check("{{subf 5.5 1.5 2}} {{mulf 5.5 2 2.5}} {{divf 10 2 4}}", "2 27.5 1.25");
    check("{{divf 1 3}}", "0.3333333333333333");
    check("{{divf 1 0}}", "! integer divide by zero");
    check("{{max 1 2 3}} {{min 1 2 3}} {{maxf 1.5 2 3.5}} {{minf 1.5 2}}", "3 1 3.5 1.5");
    check("{{ceil 123.001}} {{ceil -1.5}} {{floor 123.9999}} {{floor -1.5}}", "124 -1 123 -2");
    check("{{round 123.555555 3}} {{round 1.25 1 0.6}} {{round -1.6 0}}", "123.556 1.2 -2");
    check("{{int .n}} {{int .f}} {{int \"7.0\"}} {{int 3.9}} {{int \"0x10\"}}", "42 0 7 3 16");
    check("{{float64 .f}} {{\"3.5\" | float64}} {{float64 \"x\"}}", "3.7 3.5 0");
    check("{{duration .dur}} {{.dur | duration_seconds}}", "5400 5400");
    check("{{duration \"x\"}}", "! error calling duration_seconds: time: invalid duration \"x\"");
    check("{{bytes .size}} {{bytes \"2KiB\"}} {{bytes \"1,000\"}}", "2000 2048 1000");
    check("{{bytes \"2 parsecs\"}}", "! error calling bytes: unhandled size name: parsecs");
    check("{{if gt (float64 .f) 3.5}}high{{end}}", "high");
}

#[test]
fn printing() {
    check("{{printf \"The IP address was %s\" .n}}", "The IP address was 42");
    check(
        "[{{printf \"%-7.3s\" .name}}] [{{printf \"%7s\" .name}}] [{{printf \"%.2s\" .name}}]",
        "[Ali    ] [  Alice] [Al]",
    );
    check(
        "{{printf \"%d %5d %-5d| %05d %+d %x %X %o %b %c %U\" 42 42 42 42 42 255 255 8 5 65 65}}",
        "42    42 42   | 00042 +42 ff FF 10 101 A U+0041",
    );
    check("{{printf \"%#x %#o %q %t %%\" 255 8 \"a\\\"b\" true}}", "0xff 010 \"a\\\"b\" true %");
    check(
        concat!(
            "{{printf \"%f %.2f %6.1f %e %g %.3g %G\" 3.14159 3.14159 3.14159 1500.0 ",
            "0.00001 1234.5 1e21}}",
        ),
        "3.141590 3.14    3.1 1.500000e+03 1e-05 1.23e+03 1E+21",
    );
    check("{{printf \"%06.2f|%+.1f|% d\" -1.5 2.0 7}}", "-01.50|+2.0| 7");
    check("{{printf \"%v %v %v %v\" 1 2.5 \"x\" true}}", "1 2.5 x true");
    check("{{printf \"%d\" .n}}", "%!d(string=42)");
    check("{{printf \"%s\" 5}}", "%!s(int=5)");
    check("{{printf \"%d\"}}", "%!d(MISSING)");
    check("{{printf \"x\" 1 \"a\"}}", "x%!(EXTRA int=1, string=a)");
    check("{{printf \"%\"}}", "%!(NOVERB)");
    check("{{printf \"%*d|%-*d|\" 5 42 4 7}}", "   42|7   |");
    check("{{printf \"%x %T\" \"hi\" 1.5}}", "6869 float64");
    check("{{.n | printf \"%s-%s\" .name}}", "Alice-42");
    check("{{print 1 2 \"a\" 3}} {{print \"a\" \"b\"}}", "1 2a3 ab");
    check("{{println 1 \"a\"}}", "1 a\n");
    check("{{printf \"%5t|%03s\" true \"a\"}}", " true|00a");
}

#[test]
fn times() {
    check("{{__timestamp__}}", "2021-11-02 10:20:30.123456789 +0000 UTC");
    check(
        "{{__timestamp__ | date \"2006-01-02T15:04:05.00Z-07:00\"}}",
        "2021-11-02T10:20:30.12Z+00:00",
    );
    check(
        concat!(
            "{{__timestamp__ | unixEpoch}} {{unixEpochMillis __timestamp__}} ",
            "{{unixEpochNanos __timestamp__}}",
        ),
        "1635848430 1635848430123 1635848430123456789",
    );
    check("{{date \"2006-01-02\" now}}", "2021-11-03");
    check(
        "{{now | date \"Mon Jan _2 3:04:05PM 2006 MST Z07:00 -0700\"}}",
        "Wed Nov  3 10:20:30AM 2021 UTC Z +0000",
    );
    check(
        "{{date \"Monday, January 2, 06 pm .000 ,999 002 __2\" __timestamp__}}",
        "Tuesday, November 2, 21 am .123 ,123 306 306",
    );
    check("{{unixEpoch (toDate \"2006-01-02\" .day)}}", "1635811200");
    check("{{sub (unixEpoch now) (unixEpoch (toDate \"2006-01-02\" .day))}}", "123630");
    check(
        concat!(
            "{{toDateInZone \"2006-01-02T15:04:05.999999999Z\" \"UTC\" ",
            "\"2021-11-02T01:02:03.5Z\" | unixEpochNanos}}",
        ),
        "1635814923500000000",
    );
    check(
        "{{toDate \"2006-01-02T15:04:05Z07:00\" \"2021-11-02T01:00:00+01:00\" | unixEpoch}}",
        "1635811200",
    );
    check(
        "{{toDate \"2006-01-02T15:04:05Z07:00\" \"2021-11-02T01:00:00+01:00\"}}",
        "2021-11-02 01:00:00 +0100 +0100",
    );
    check("{{toDate \"2006-01-02\" \"nope\" | unixEpoch}}", "-62135596800");
    check("{{toDate \"2006-01-02\" \"2021-02-30\" | unixEpoch}}", "-62135596800");
    check(
        "{{toDateInZone \"2006-01-02\" \"Europe/Paris\" .day}}",
        "! unknown time zone Europe/Paris",
    );
    check("{{date \"2006-01-02\" (unixToTime .from)}}", "2023-03-23");
    check(
        concat!(
            "{{unixToTime \"19439\" | unixEpoch}} {{unixToTime \"1679577215123\" | ",
            "unixEpochMillis}} {{unixToTime \"1679577215123456789\" | unixEpochNanos}}",
        ),
        "1679529600 1679577215123 1679577215123456789",
    );
    check("{{unixToTime \"12\"}}", "! error calling unixToTime: unable to parse time '12'");
    check(
        "{{date \"15:04\" .n}}",
        "! wrong type for value of date; expected time.Time; got string",
    );
    check("{{toDate \"3:04PM 2 Jan 06\" \"1:05PM 2 nov 21\" | unixEpoch}}", "1635858300");
    check(
        "{{toDate \"02/Jan/2006:15:04:05 -0700\" \"10/Jun/2021:09:14:29 +0000\" | unixEpoch}}",
        "1623316469",
    );
}

#[test]
fn what_go_refuses_is_refused() {
    refused("{{.name", "unclosed action");
    refused("{{if .a}}", "unclosed block");
    refused("{{end}}", "unexpected \"end\" in template");
    refused("{{else}}", "unexpected \"else\" in template");
    refused("{{nope .a}}", "function \"nope\" not defined");
    refused("{{$x}}", "undefined variable \"$x\"");
    refused("{{if .a}}{{$x := 1}}{{end}}{{$x}}", "undefined variable \"$x\"");
    refused("{{}}", "unexpected \"empty command\" in action");
    refused("{{.a |}}", "unexpected \"empty command\" in action");
    refused("{{.a .b}}", "unexpected \"argument of what is no function\" in action");
    refused("{{\"a\" | \"b\"}}", "unexpected \"argument of what is no function\" in action");
    refused("{{(.a}}", "unclosed left paren");
    refused("{{.a)}}", "unexpected \")\" in action");
    refused("{{\"a}}", "unclosed quoted string");
    refused("{{`a}}", "unclosed raw string");
    refused("{{/* a }}", "unclosed comment");
    refused("{{upper}}", "wrong number of args for upper: got 0");
    refused("{{upper .a .b}}", "wrong number of args for upper: got 2");
    refused("{{.a | upper .b}}", "wrong number of args for upper: got 2");
    refused("{{printf \"%s\" upper}}", "wrong number of args for upper: got 0");
    refused("{{define \"x\"}}{{end}}", "define is not supported");
    refused("{{template \"x\"}}", "template is not supported");
    refused("{{break}}", "unexpected \"break\" in action");
    refused("{{if .a}}{{else}}{{else}}{{end}}", "unexpected \"else\" in else");
    refused("{{count \"(\" .a}}", "error parsing regexp: missing closing ): `(`");
    refused("{{nil}}", "unexpected \"nil\" in action");
    refused("{{#}}", "unexpected \"#\" in action");
    refused(&"{{if .a}}".repeat(60), "nested too deeply");
    refused(&alloc::format!("{{{{{}", "(".repeat(60)), "unclosed action");
    refused(&alloc::format!("{{{{{}}}}}", "(".repeat(60)), "nested too deeply");
}

#[test]
fn work_is_bounded() {
    let limit = "! the template takes more work than a line may cost";
    check("{{repeat 3000000 \"x\"}}", limit);
    check("{{range 100000}}{{range 100000}}x{{end}}{{end}}", limit);
    check("{{indent 3000000 \"x\"}}", limit);
    check("{{range 9999}}{{repeat 999 \"x\"}}{{end}}", limit);
    check("{{$x := \"ab\"}}{{range 60}}{{$x = print $x $x}}{{end}}", limit);
    check("{{range 99}}{{count $.name \"x\"}}{{end}}", limit);
}
