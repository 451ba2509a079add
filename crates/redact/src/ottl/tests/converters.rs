//! What converters and expressions make: `set(attributes["test"], EXPRESSION)`.

use super::*;

const ATTRIBUTES: &str = r#"{
    "http.method": "get", "http.path": "/health", "http.status_code": 404, "flags": "A|B|C",
    "total": 3.5, "on": true, "numbers": [3, 1, 2], "tags": ["b", "a"], "text": "héllo",
    "foo": {"bar": "pass", "slice": ["val"], "nested": {"test": "deep"}},
    "things": [{"name": "foo", "value": 2}, {"name": "bar", "value": 5}], "key": "foo"
}"#;

/// `nil`: no attribute was set. `fault`: the statement failed.
#[track_caller]
fn check(expression: &str, expected: &str) {
    let statement = std::format!(r#"set(attributes["test"], {expression})"#);
    let (payload, faults) = apply(&statement, &log(ATTRIBUTES, r#""operationA""#));
    let got = match (attributes(&payload).get("test"), faults) {
        (Some(value), 0) => value.clone(),
        (None, 0) => Value::String("nil".into()),
        (None, 1) => Value::String("fault".into()),
        other => panic!("{expression}: {other:?}"),
    };
    let expected = match expected {
        "nil" | "fault" => Value::String(expected.into()),
        text => json(text),
    };
    assert_eq!(got, expected, "{expression}");
}

#[track_caller]
fn check_all(cases: &[(&str, &str)]) {
    for (expression, expected) in cases {
        check(expression, expected);
    }
}

#[test]
fn literals_and_paths() {
    check_all(&[
        ("\"pass\"", r#""pass""#),
        (r#""\\""#, r#""\\""#),
        (r#""\\\\""#, r#""\\\\""#),
        (r#""\"""#, r#""\"""#),
        (r#""a\nb\tc""#, r#""a\nb\tc""#),
        (r#""\d""#, r#""\\d""#),
        ("1", "1"),
        ("-1", "-1"),
        ("+7", "7"),
        ("1.5", "1.5"),
        ("-.5", "-0.5"),
        ("1.5e3", "1500.0"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("true", "true"),
        ("false", "false"),
        ("nil", "nil"),
        ("0x0102", r#""AQI=""#),
        ("[]", "[]"),
        ("[1]", "[1]"),
        (r#"["1", "2", "3"]"#, r#"["1","2","3"]"#),
        (r#"["a", attributes["http.method"], Concat(["a", "b"], "-")]"#, r#"["a","get","a-b"]"#),
        ("{}", "{}"),
        (r#"{"foo": "bar"}"#, r#"{"foo":"bar"}"#),
        (r#"{"foo": {"a": 2}}"#, r#"{"foo":{"a":2}}"#),
        (r#"{"foo": {"a": attributes["http.method"]}}"#, r#"{"foo":{"a":"get"}}"#),
        ("SEVERITY_NUMBER_WARN", "13"),
        ("body", r#""operationA""#),
        ("log.body", r#""operationA""#),
        ("body.string", r#""operationA""#),
        ("severity_number", "1"),
        ("severity_text", r#""TRACE""#),
        ("flags", "1"),
        ("dropped_attributes_count", "1"),
        ("time_unix_nano", "1763696787123456789"),
        ("observed_time_unix_nano", "1763696787123456790"),
        ("trace_id.string", r#""0102030405060708090a0b0c0d0e0f10""#),
        ("span_id.string", r#""0102030405060708""#),
        ("event_name", r#""""#),
        (r#"resource.attributes["host.name"]"#, r#""localhost""#),
        ("instrumentation_scope.name", r#""scope""#),
        ("scope.version", r#""1.2""#),
        (r#"attributes["foo"]["bar"]"#, r#""pass""#),
        (r#"attributes["foo"]["slice"][0]"#, r#""val""#),
        (r#"attributes["foo"]["nested"]["test"]"#, r#""deep""#),
        (r#"attributes[attributes["key"]]["bar"]"#, r#""pass""#),
        (r#"attributes["numbers"][1 + 1]"#, "2"),
        (r#"attributes["metadata"]["uid"]"#, "nil"),
        (r#"attributes["missing"]"#, "nil"),
        (r#"attributes["numbers"][3]"#, "fault"),
        (r#"attributes["numbers"]["a"]"#, "fault"),
        ("trace_id", "fault"),
        ("time", "fault"),
    ]);
}

#[test]
fn arithmetic() {
    check_all(&[
        ("1 + 1", "2"),
        ("1-1", "0"),
        ("2 + 3 * 4", "14"),
        ("(2 + 3) * 4", "20"),
        ("10 - 2 - 3", "5"),
        ("7 / 2", "3"),
        ("-7 / 2", "-3"),
        ("7.0 / 2.0", "3.5"),
        ("1.5 + 1.5", "3.0"),
        ("1 / 0", "fault"),
        ("1.0 / 0.0", "fault"),
        ("9223372036854775807 + 1", "fault"),
        ("1 + 1.0", "fault"),
        ("1 + \"a\"", "fault"),
        (r#"attributes["http.status_code"] - 4"#, "400"),
        (r#"Len(attributes["numbers"]) * 2"#, "6"),
        ("observed_time_unix_nano - time_unix_nano", "1"),
        ("Nanoseconds(observed_time - time)", "1"),
        (r#"Seconds(Duration("1m") + Duration("30s"))"#, "90.0"),
        (r#"Seconds(Duration("1m") - Duration("30s"))"#, "30.0"),
        (r#"UnixSeconds(Unix(10) + Duration("5s"))"#, "15"),
        (r#"UnixSeconds(Duration("5s") + Unix(10))"#, "15"),
        (r#"UnixSeconds(Unix(10) - Duration("5s"))"#, "5"),
        (r#"Duration("1s") * Duration("1s")"#, "fault"),
    ]);
}

#[test]
fn encodings_and_digests() {
    check_all(&[
        (r#"Base64Decode("aGVsbG8gd29ybGQ=")"#, r#""hello world""#),
        (r#"Base64Decode("%")"#, "fault"),
        (r#"Base64Encode("test string")"#, r#""dGVzdCBzdHJpbmc=""#),
        (r#"Base64Encode("a?>", "base64-url")"#, r#""YT8-""#),
        (r#"Base64Encode("test string", "base64-raw")"#, r#""dGVzdCBzdHJpbmc""#),
        (r#"Decode("aGVsbG8gd29ybGQ=", "base64")"#, r#""hello world""#),
        (r#"Decode("aGVsbG8gd29ybGQ", "base64-raw")"#, r#""hello world""#),
        (r#"Decode("plain", "us-ascii")"#, r#""plain""#),
        (r#"Decode(0xe9, "iso-8859-1")"#, r#""é""#),
        (r#"FNV("name")"#, &fnv_of_name()),
        (r#"SHA1("pass")"#, r#""9d4e1e23bd5b727046a9e3b4b7db57bd8d6ee684""#),
        (
            r#"SHA256("pass")"#,
            r#""d74ff0ee8da3b9806b18c877dbf29bbde50b5bd8e4dad7a3a725000feb82e8f1""#,
        ),
        (r#"Len(SHA512("pass"))"#, "128"),
        (r#"SHA256(1 + 1)"#, "fault"),
        (r#"Murmur3Hash("Hello World")"#, r#""ce837619""#),
        ("Hex(1.1)", r#""3ff199999999999a""#),
        (r#"Hex("1")"#, r#""31""#),
        ("Hex(true)", r#""01""#),
        ("Hex(12)", r#""000000000000000c""#),
        ("Hex(0x02)", r#""02""#),
        ("Hex(trace_id)", r#""0102030405060708090a0b0c0d0e0f10""#),
        ("Hex([1])", "nil"),
    ]);
}

/// FNV-1a of 64 bits by its definition.
fn fnv_of_name() -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in *b"name" {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    std::format!("{}", hash.cast_signed())
}

#[test]
fn texts() {
    check_all(&[
        (
            r#"Concat([attributes["http.method"], attributes["http.path"]], ": ")"#,
            r#""get: /health""#,
        ),
        (r#"Concat(["x", 1, 2.5, true, nil], " ")"#, r#""x 1 2.5 true <nil>""#),
        (r#"Concat(["id", span_id], "=")"#, r#""id=0102030405060708""#),
        (r#"Concat([], ",")"#, r#""""#),
        (r#"Concat(["a", [1], "b"], "-")"#, r#""a--b""#),
        (r#"ConvertCase("MY_METRIC", "lower")"#, r#""my_metric""#),
        (r#"ConvertCase("my_metric", "upper")"#, r#""MY_METRIC""#),
        (r#"ConvertCase("myMetric", "snake")"#, r#""my_metric""#),
        (r#"ConvertCase("my_metric", "camel")"#, r#""MyMetric""#),
        (r#"ToLowerCase("MyMetricName")"#, r#""mymetricname""#),
        (r#"ToUpperCase("MyMetricName")"#, r#""MYMETRICNAME""#),
        (r#"ToSnakeCase("MyMetricName")"#, r#""my_metric_name""#),
        (r#"ToCamelCase("my_metric_name")"#, r#""MyMetricName""#),
        ("ToLowerCase(severity_number)", "fault"),
        (r#"HasPrefix("ingest_service", "ingest_")"#, "true"),
        (r#"HasPrefix("ingest_service", "service")"#, "false"),
        (r#"HasSuffix("ingest_service", "_service")"#, "true"),
        (r#"HasSuffix(attributes["missing"], "_service")"#, "fault"),
        (r#"Index("hello world", "world")"#, "6"),
        (r#"Index(attributes["tags"], "a")"#, "1"),
        (r#"Index(attributes["numbers"], 95)"#, "-1"),
        ("Index(1, 1)", "fault"),
        (r#"IsMatch("string", ".*ring")"#, "true"),
        (r#"IsMatch(attributes["http.path"], "foo")"#, "false"),
        (r#"IsMatch(attributes["http.status_code"], "^4\\d\\d$")"#, "true"),
        (r#"IsMatch(attributes["total"], "^3\\.5$")"#, "true"),
        (r#"IsMatch(attributes["foo"], "deep")"#, "true"),
        (r#"IsMatch(nil, ".*")"#, "false"),
        (r#"Split(attributes["flags"], "|")"#, r#"["A","B","C"]"#),
        (r#"Split(attributes["flags"], "|")[1]"#, r#""B""#),
        (r#"Split("abc", "")"#, r#"["a","b","c"]"#),
        (r#"Substring("123456789", 0, 3)"#, r#""123""#),
        (r#"Substring("pass", 0, 2)"#, r#""pa""#),
        (r#"Substring("一二三", 0, 4, true)"#, r#""一""#),
        (r#"Substring("一二三", 0, 4)"#, "fault"),
        (r#"Substring("pass", 3, 2)"#, "fault"),
        (r#"Substring("pass", 0 - 1, 2)"#, "fault"),
        (r#"Trim(" this is a test ", " ")"#, r#""this is a test""#),
        (r#"Trim("!!this is a test!!", "!!")"#, r#""this is a test""#),
        (r#"Trim("  x ")"#, r#""x""#),
        (r#"TrimPrefix("ingest_service", "ingest_")"#, r#""service""#),
        (r#"TrimSuffix("ingest_service", "_service")"#, r#""ingest""#),
        (r#"TrimSuffix("ingest_service", "_other")"#, r#""ingest_service""#),
        (r#"String("test")"#, r#""test""#),
        ("String(span_id)", r#""0102030405060708""#),
        ("String([1,2,3])", r#""[1,2,3]""#),
        ("String(true)", r#""true""#),
        ("String(2.0)", r#""2""#),
        (r#"String({"a": 1})"#, r#""{\"a\":1}""#),
        (r#"String(Duration("90m"))"#, r#""1h30m0s""#),
        ("String(Unix(0))", r#""1970-01-01T00:00:00Z""#),
        (r#"String(attributes["missing"])"#, "nil"),
        (r#"ExtractPatterns("GIT_SHA=abc", "GIT_SHA=(?P<git.sha>\\w+)")"#, r#"{"git.sha":"abc"}"#),
        (r#"ExtractPatterns("none", "GIT_SHA=(?P<sha>\\w+)")"#, "{}"),
        (r#"ExtractPatterns("a:1", "(?P<k>\\w+):(?P<v>\\d+)")["v"]"#, r#""1""#),
    ]);
}

#[test]
fn formats() {
    check_all(&[
        (r#"Format("%02d", [7])"#, r#""07""#),
        (r#"Format("%04d-%02d-%02d", [2023, 2, 4])"#, r#""2023-02-04""#),
        (r#"Format("%s/%s.log", ["a", attributes["http.method"]])"#, r#""a/get.log""#),
        (r#"Format("%-5s|%5s|", ["ab", "cd"])"#, r#""ab   |   cd|""#),
        (r#"Format("%.2f %e", [1.5, 1500.0])"#, r#""1.50 1.500000e+03""#),
        (r#"Format("%x %X %o %b %c", [255, 255, 8, 5, 65])"#, r#""ff FF 10 101 A""#),
        (r#"Format("%+d % d", [5, 5])"#, r#""+5  5""#),
        (r#"Format("%t %v %q", [true, 1.5, "a"])"#, r#""true 1.5 \"a\"""#),
        (r#"Format("100%%", [])"#, r#""100%""#),
        (r#"Format("%d", ["hi"])"#, r#""%!d(string=hi)""#),
        (r#"Format("%d", [])"#, r#""%!d(MISSING)""#),
        (r#"Format("%d", [1, 2])"#, r#""1%!(EXTRA int64=2)""#),
        (r#"Format("%9999d", [1])"#, "fault"),
    ]);
}

#[test]
fn numbers_and_kinds() {
    check_all(&[
        (r#"Bool("true")"#, "true"),
        (r#"Bool("0")"#, "false"),
        (r#"Bool("maybe")"#, "nil"),
        ("Bool(2.5)", "true"),
        ("Bool(0)", "false"),
        (r#"Double("2.0")"#, "2.0"),
        ("Double(true)", "1.0"),
        ("Double(3)", "3.0"),
        (r#"Double("x")"#, "nil"),
        ("Int(2.9)", "2"),
        ("Int(-2.9)", "-2"),
        (r#"Int("42")"#, "42"),
        (r#"Int("2.0")"#, "nil"),
        ("Int(true)", "1"),
        ("Log(1)", "0.0"),
        ("Log(0)", "fault"),
        ("Int(Log(100.0) * 1000.0)", "4605"),
        (r#"Log("x")"#, "fault"),
        (r#"ParseInt("12345", 10)"#, "12345"),
        (r#"ParseInt("0xAA", 0)"#, "170"),
        (r#"ParseInt("AA", 16)"#, "170"),
        (r#"ParseInt("-20", 8)"#, "-16"),
        (r#"ParseInt("0b1111_0000", 0)"#, "240"),
        (r#"ParseInt("0b10110", 0)"#, "22"),
        (r#"ParseInt("0xFF", 0)"#, "255"),
        (r#"ParseInt("-0xFF", 0)"#, "-255"),
        (r#"ParseInt("-0o123", 0)"#, "-83"),
        (r#"ParseInt("notANumber", 10)"#, "fault"),
        (r#"ParseInt("1", 1)"#, "fault"),
        (r#"IsValidLuhn("17893729974")"#, "true"),
        (r#"IsValidLuhn(17893729975)"#, "false"),
        (r#"IsValidLuhn("1789-3729")"#, "fault"),
        (r#"IsInCIDR("192.168.1.7", ["10.0.0.0/8", "192.168.0.0/16"])"#, "true"),
        (r#"IsInCIDR("11.0.0.1", ["10.0.0.0/8"])"#, "false"),
        (r#"IsInCIDR("2001:db8::1", ["2001:db8::/32"])"#, "true"),
        (r#"IsInCIDR("host", ["10.0.0.0/8"])"#, "fault"),
        ("IsBool(false)", "true"),
        ("IsBool(42)", "false"),
        (r#"IsDouble(attributes["total"])"#, "true"),
        ("IsDouble(body)", "false"),
        (r#"IsInt(attributes["http.status_code"])"#, "true"),
        ("IsInt(1.0)", "false"),
        (r#"IsList(attributes["tags"])"#, "true"),
        ("IsList(body)", "false"),
        (r#"IsMap(attributes["foo"])"#, "true"),
        ("IsMap(body)", "false"),
        ("IsString(body)", "true"),
        ("IsString(1)", "false"),
        (r#"IsEmpty("")"#, "true"),
        ("IsEmpty([])", "true"),
        ("IsEmpty({})", "true"),
        ("IsEmpty(0)", "true"),
        (r#"IsEmpty(attributes["missing"])"#, "true"),
        ("IsEmpty(SpanID(0x0000000000000000))", "true"),
        ("IsEmpty(span_id)", "false"),
    ]);
}

#[test]
fn lists_and_maps() {
    check_all(&[
        (r#"Coalesce([attributes["user.id"], attributes["key"], "unknown"])"#, r#""foo""#),
        (r#"Coalesce([nil, attributes["missing"]])"#, "nil"),
        (r#"ContainsValue(attributes["tags"], "a")"#, "true"),
        ("ContainsValue([1, 2, 3, 4, 5], 3)", "true"),
        ("ContainsValue([1.1, 2.2, 3.3, 4.4], 4.4)", "true"),
        (r#"ContainsValue(["GET", "PUT", "POST"], "get")"#, "false"),
        (r#"Keys({"k1":"v1", "k2": "v2"})"#, r#"["k1","k2"]"#),
        (r#"Values({"key1": "value1", "key2": 5, "key3": [1,2]})"#, r#"["value1",5,[1,2]]"#),
        ("Keys(body)", "fault"),
        ("Len(body)", "10"),
        (r#"Len(attributes["numbers"])"#, "3"),
        (r#"Len(attributes["foo"])"#, "3"),
        ("Len(1)", "fault"),
        (r#"Sort(attributes["numbers"])"#, "[1,2,3]"),
        (r#"Sort(attributes["numbers"], "desc")"#, "[3,2,1]"),
        (r#"Sort(attributes["tags"])"#, r#"["a","b"]"#),
        ("Sort([2, 1.5])", "[1.5,2]"),
        (r#"Sort([true, "a", 2])"#, r#"[2,"a",true]"#),
        ("Sort([[1]])", "fault"),
        (
            r#"SliceToMap(attributes["things"], ["name"])"#,
            r#"{"foo":{"name":"foo","value":2},"bar":{"name":"bar","value":5}}"#,
        ),
        (
            r#"SliceToMap(attributes["things"])"#,
            r#"{"0":{"name":"foo","value":2},"1":{"name":"bar","value":5}}"#,
        ),
        (r#"SliceToMap(attributes["things"], ["name"], ["value"])"#, r#"{"foo":2,"bar":5}"#),
        (r#"SliceToMap(attributes["things"], ["value"])"#, "fault"),
        (r#"ToKeyValueString({"k1":"v1","k2":"v2","k3":"v3"})"#, r#""k1=v1 k2=v2 k3=v3""#),
        (r#"ToKeyValueString({"b":1,"a":2}, ":", ",", true)"#, r#""a:2,b:1""#),
        (
            r#"ToKeyValueString({"k1":"v1","k2":{"k3":"v3","k4":["v4","v5"]}})"#,
            r#""k1=v1 k2={\"k3\":\"v3\",\"k4\":[\"v4\",\"v5\"]}""#,
        ),
        (
            r#"ToKeyValueString({"k1":"v1","k2":"v=2","k3":"\"v=3\""})"#,
            r#""k1=v1 k2=\"v=2\" k3=\"\\\"v=3\\\"\"""#,
        ),
    ]);
}

#[test]
fn parsers() {
    check_all(&[
        (r#"ParseJSON("{\"attr\":true}")"#, r#"{"attr":true}"#),
        (r#"ParseJSON("[\"attr1\",\"attr2\"]")"#, r#"["attr1","attr2"]"#),
        (r#"ParseJSON("{\"a\":{\"b\":[1,null]}}")"#, r#"{"a":{"b":[1.0,null]}}"#),
        (r#"ParseJSON("{\"id\":1}")["id"]"#, "1.0"),
        (r#"ParseJSON("1")"#, "fault"),
        (r#"ParseJSON("{")"#, "fault"),
        ("ParseJSON(body)", "fault"),
        (r#"ParseKeyValue("k1=v1 k2=v2 k3=v3")"#, r#"{"k1":"v1","k2":"v2","k3":"v3"}"#),
        (r#"ParseKeyValue("k1!v1_k2!v2_k3!v3", "!", "_")"#, r#"{"k1":"v1","k2":"v2","k3":"v3"}"#),
        (
            r#"ParseKeyValue("k1__!v1_!_k2__!\"v2__!__v2\"", "__!", "_!_")"#,
            r#"{"k1":"v1","k2":"v2__!__v2"}"#,
        ),
        (r#"ParseKeyValue("a='b c' d=e")"#, r#"{"a":"b c","d":"e"}"#),
        (r#"ParseKeyValue("novalue")"#, "fault"),
        (r#"ParseKeyValue("")"#, "fault"),
        (
            r#"ParseCSV("999-999-9999,Joe Smith,joe.smith@example.com", "phone,name,email")"#,
            r#"{"phone":"999-999-9999","name":"Joe Smith","email":"joe.smith@example.com"}"#,
        ),
        (r#"ParseCSV("1|2", "a|b", delimiter="|")"#, r#"{"a":"1","b":"2"}"#),
        (r#"ParseCSV("1|2", "a,b", delimiter="|", headerDelimiter=",")"#, r#"{"a":"1","b":"2"}"#),
        (r#"ParseCSV("\"a,b\",c", "x,y")"#, r#"{"x":"a,b","y":"c"}"#),
        (r#"ParseCSV("a\"b,c", "x,y")"#, "fault"),
        (r#"ParseCSV("a\"b,c", "x,y", mode="lazyQuotes")"#, r#"{"x":"a\"b","y":"c"}"#),
        (
            r#"ParseCSV("\"555-555-5556,Joe Smith\",joe.smith@example.com", "phone,name,email",
                mode="ignoreQuotes")"#,
            r#"{"phone":"\"555-555-5556","name":"Joe Smith\"","email":"joe.smith@example.com"}"#,
        ),
        (r#"ParseCSV("1,2,3", "a,b")"#, "fault"),
        (
            r#"ParseSeverity(250, {"info":[{"equals": ["inf"]}, {"range":{"min":200,
                "max":299}}]})"#,
            r#""info""#,
        ),
        (r#"ParseSeverity("inf", {"info":[{"equals": ["inf"]}]})"#, r#""info""#),
        (
            r#"ParseSeverity(404, {"info":[{"range":"2xx"}], "error":[{"range":"4xx"}]})"#,
            r#""error""#,
        ),
        (r#"ParseSeverity(99, {"info":[{"range":"2xx"}]})"#, "fault"),
        (
            r#"URL("http://www.example.com")"#,
            r#"{"url.original":"http://www.example.com","url.scheme":"http",
                "url.domain":"www.example.com","url.path":""}"#,
        ),
        (
            r#"URL("http://u:p@www.example.com:80/foo.gif?key1=val1&key2=val2#fragment")"#,
            r#"{"url.path":"/foo.gif","url.fragment":"fragment","url.extension":"gif",
                "url.password":"p","url.scheme":"http","url.port":80,"url.user_info":"u:p",
                "url.original":"http://u:p@www.example.com:80/foo.gif?key1=val1&key2=val2#fragment",
                "url.domain":"www.example.com","url.query":"key1=val1&key2=val2",
                "url.username":"u"}"#,
        ),
        (r#"URL("no url")"#, "fault"),
    ]);
}

#[test]
fn times() {
    check_all(&[
        (r#"UnixSeconds(Time("02/04/2023", "%m/%d/%Y"))"#, "1675468800"),
        (r#"UnixMilli(Time("02/04/2023", "%m/%d/%Y"))"#, "1675468800000"),
        (r#"UnixMicro(Time("02/04/2023", "%m/%d/%Y"))"#, "1675468800000000"),
        (r#"UnixNano(Time("02/04/2023", "%m/%d/%Y"))"#, "1675468800000000000"),
        (r#"UnixSeconds(Time("Feb 15, 2023", "%b %d, %Y"))"#, "1676419200"),
        (
            r#"UnixSeconds(Time("2012-11-01T22:08:41+0000 EST", "%Y-%m-%dT%H:%M:%S%z %Z"))"#,
            "1351807721",
        ),
        (r#"UnixSeconds(Time("2023-05-26 12:34:56 +0200", "%F %T %z"))"#, "1685097296"),
        (r#"UnixSeconds(Time("01:02:03 pm", "%r"))"#, "46923"),
        (r#"UnixSeconds(Time("31/02/2023", "%d/%m/%Y"))"#, "fault"),
        (r#"UnixSeconds(Time("2023", "%Q"))"#, "fault"),
        (
            r#"FormatTime(Time("02/04/2023", "%m/%d/%Y"), "%A %h %e %Y")"#,
            r#""Saturday Feb  4 2023""#,
        ),
        (
            r#"FormatTime(Unix(1675468800, 123456789), "%F %T.%L %f %s %p %j")"#,
            r#""2023-02-04 00:00:00.123 123456 123456789 AM +00:00""#,
        ),
        (r#"FormatTime(Unix(0), "%a %b %d %H:%M:%S %Y %%")"#, r#""Thu Jan 01 00:00:00 1970 %""#),
        (r#"FormatTime(TruncateTime(time, Duration("10h20m")), "%Y-%m-%d")"#, r#""2025-11-20""#),
        (r#"UnixNano(TruncateTime(time, Duration("1s")))"#, "1763696787000000000"),
        ("UnixNano(Now())", "1763696787123456789"),
        ("UnixSeconds(Unix(1672527600))", "1672527600"),
        ("Year(Now())", "2025"),
        ("Month(Now())", "11"),
        ("Day(Now())", "21"),
        ("Weekday(Now())", "5"),
        ("Hour(Now())", "3"),
        ("Minute(Now())", "46"),
        ("Second(Now())", "27"),
        ("Nanosecond(Now())", "123456789"),
        ("Day(1)", "fault"),
        ("Year(Unix(0 - 1))", "1969"),
        (r#"Seconds(Duration("3s"))"#, "3.0"),
        (r#"Milliseconds(Duration("333ms"))"#, "333"),
        (r#"Hours(Duration("1000000h"))"#, "1000000.0"),
        (r#"Minutes(Duration("1h"))"#, "60.0"),
        (r#"Microseconds(Duration("1h"))"#, "3600000000"),
        (r#"Nanoseconds(Duration("1.5us"))"#, "1500"),
        (r#"Nanoseconds(Duration("-1m30s"))"#, "-90000000000"),
        (r#"Duration("soon")"#, "fault"),
        (r#"Hex(SpanID("0102030405060708"))"#, r#""0102030405060708""#),
        (
            r#"Hex(TraceID(0x00112233445566778899aabbccddeeff))"#,
            r#""00112233445566778899aabbccddeeff""#,
        ),
        (r#"SpanID("01")"#, "fault"),
    ]);
}
