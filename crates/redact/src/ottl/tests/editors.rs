//! What editors make of the attributes of a log record.

use super::*;

#[track_caller]
fn check(statement: &str, before: &str, after: &str) {
    let (payload, faults) = apply(statement, &log(before, r#"{"a": {"b": 1}}"#));
    assert_eq!(
        attributes(&payload),
        json(if faults == 0 { after } else { "\"fault\"" }),
        "{statement}"
    );
}

/// The statement fails and nothing is changed.
#[track_caller]
fn fails(statement: &str, before: &str) {
    let before = log(before, r#""text""#);
    assert_eq!(apply(statement, &before), (before, 1), "{statement}");
}

#[test]
fn setting() {
    check(r#"set(attributes["a"], 1)"#, "{}", r#"{"a":1}"#);
    check(r#"set(attributes["a"], 1)"#, r#"{"a":"x","b":2}"#, r#"{"a":1,"b":2}"#);
    check(r#"set(attributes["a"], nil)"#, r#"{"a":"x"}"#, r#"{"a":"x"}"#);
    check(r#"set(attributes["a"]["b"], 1)"#, "{}", r#"{"a":{"b":1}}"#);
    check(r#"set(attributes["a"]["b"], 1)"#, r#"{"a":{"c":2}}"#, r#"{"a":{"b":1,"c":2}}"#);
    check(r#"set(attributes["a"][1], "x")"#, r#"{"a":[1,2,3]}"#, r#"{"a":[1,"x",3]}"#);
    check(r#"set(attributes, {"only": true})"#, r#"{"a":1}"#, r#"{"only":true}"#);
    check(r#"set(attributes["m"], body)"#, "{}", r#"{"m":{"a":{"b":1}}}"#);
    check(r#"set(attributes["b"], body["a"]["b"])"#, "{}", r#"{"b":1}"#);
    check(
        r#"set(attributes["r"], resource.attributes["host.name"])"#,
        "{}",
        r#"{"r":"localhost"}"#,
    );
    check(
        r#"set(attributes["a"], "y") where attributes["a"] == "x""#,
        r#"{"a":"x"}"#,
        r#"{"a":"y"}"#,
    );
    check(
        r#"set(attributes["a"], "y") where attributes["a"] == "z""#,
        r#"{"a":"x"}"#,
        r#"{"a":"x"}"#,
    );
    fails(r#"set(attributes["a"]["b"], 1)"#, r#"{"a":1}"#);
    fails(r#"set(attributes["a"][5], 1)"#, r#"{"a":[1]}"#);
    fails(r#"set(severity_text, 1 + 1)"#, "{}");
    fails(r#"set(trace_id, 0x01)"#, "{}");
}

#[test]
fn appending_and_deleting_elements() {
    check(r#"append(attributes["t"], "prod")"#, r#"{"t":["a"]}"#, r#"{"t":["a","prod"]}"#);
    check(r#"append(attributes["t"], "prod")"#, r#"{"t":"a"}"#, r#"{"t":["a","prod"]}"#);
    check(r#"append(attributes["t"], "prod")"#, "{}", r#"{"t":["prod"]}"#);
    check(r#"append(attributes["t"], values = ["s", "e"])"#, "{}", r#"{"t":["s","e"]}"#);
    check(
        r#"append(attributes["c"], attributes["t"])"#,
        r#"{"t":["a"]}"#,
        r#"{"c":["a"],"t":["a"]}"#,
    );
    check(r#"delete_index(attributes["t"], 0)"#, r#"{"t":[1,2,3]}"#, r#"{"t":[2,3]}"#);
    check(
        r#"delete_index(attributes["t"], Len(attributes["t"]) - 1)"#,
        r#"{"t":[1,2,3]}"#,
        r#"{"t":[1,2]}"#,
    );
    check(r#"delete_index(attributes["t"], 0, 3)"#, r#"{"t":[1,2,3,4]}"#, r#"{"t":[4]}"#);
    check(r#"delete_index(attributes["t"], 1, 1)"#, r#"{"t":[1,2]}"#, r#"{"t":[1,2]}"#);
    fails(r#"delete_index(attributes["t"], 2)"#, r#"{"t":[1,2]}"#);
    fails(r#"append(attributes["t"])"#, "{}");
}

#[test]
fn keys() {
    let before = r#"{"user.password":1,"Password":2,"app.version":3,"http.method":4}"#;
    check(
        r#"delete_key(attributes, "http.method")"#,
        before,
        r#"{"user.password":1,"Password":2,"app.version":3}"#,
    );
    check(r#"delete_key(attributes, "none")"#, before, before);
    check(
        r#"delete_matching_keys(attributes, "(?i).*password.*")"#,
        before,
        r#"{"app.version":3,"http.method":4}"#,
    );
    check(r#"keep_matching_keys(attributes, "(?i).*version.*")"#, before, r#"{"app.version":3}"#);
    check(r#"keep_keys(attributes, ["http.method"])"#, before, r#"{"http.method":4}"#);
    check("keep_keys(attributes, [])", before, "{}");
    check(
        r#"keep_keys(attributes["foo"], ["\\", "bar"])"#,
        r#"{"foo":{"bar":1,"x":2}}"#,
        r#"{"foo":{"bar":1}}"#,
    );
    check("limit(attributes, 0, [])", before, "{}");
    check("limit(attributes, 100, [])", before, before);
    check(r#"limit(attributes, 1, ["http.method"])"#, before, r#"{"http.method":4}"#);
    check(r#"limit(attributes, 2, ["http.method"])"#, before, r#"{"Password":2,"http.method":4}"#);
    fails(r#"limit(attributes, 0, ["http.method"])"#, "{}");
    fails(r#"delete_key(attributes["a"], "b")"#, r#"{"a":1}"#);
}

#[test]
fn merging() {
    let before = r#"{"a":1,"b":2}"#;
    check(
        r#"merge_maps(attributes, ParseJSON("{\"a\":\"n\",\"c\":\"m\"}"), "insert")"#,
        before,
        r#"{"a":1,"b":2,"c":"m"}"#,
    );
    check(
        r#"merge_maps(attributes, {"a": "n", "c": "m"}, "update")"#,
        before,
        r#"{"a":"n","b":2}"#,
    );
    check(
        r#"merge_maps(attributes, {"a": "n", "c": "m"}, "upsert")"#,
        before,
        r#"{"a":"n","b":2,"c":"m"}"#,
    );
    check(r#"merge_maps(attributes, body, "upsert")"#, "{}", r#"{"a":{"b":1}}"#);
    fails(r#"merge_maps(attributes, body, "upsert")"#, "{}");
}

#[test]
fn flattening() {
    let before = r#"{"name":"test","address":{"street":"first","house":1234},
                "occupants":["user 1","user 2"]}"#;
    check(
        "flatten(attributes)",
        before,
        r#"{"name":"test","address.street":"first","address.house":1234,"occupants.0":"user 1",
                "occupants.1":"user 2"}"#,
    );
    check(
        r#"flatten(attributes, "app")"#,
        before,
        r#"{"app.name":"test","app.address.street":"first","app.address.house":1234,
                "app.occupants.0":"user 1","app.occupants.1":"user 2"}"#,
    );
    let deep = r#"{"0":{"1":{"2":{"3":{"4":"value"}}}}}"#;
    check("flatten(attributes, depth=2)", deep, r#"{"0.1.2":{"3":{"4":"value"}}}"#);
    check("flatten(attributes, depth=0)", deep, deep);
    check(
        "flatten(attributes, resolveConflicts=true)",
        r#"{"address":{"house":"1234"},"occupants":["user 1","user 2"]}"#,
        r#"{"address.house":"1234","occupants":"user 1","occupants.0":"user 2"}"#,
    );
}

#[test]
fn replacing() {
    let url = r#"{"u":"/user/7/list/9","n":7}"#;
    check(
        r#"replace_match(attributes["u"], "/user/*/list/*", "/user/{userId}/list/{listId}")"#,
        url,
        r#"{"u":"/user/{userId}/list/{listId}","n":7}"#,
    );
    check(r#"replace_match(attributes["u"], "/other/*", "x")"#, url, url);
    check(r#"replace_match(attributes["n"], "*", "x")"#, url, url);
    check(
        r#"replace_all_matches(attributes, "/user/*/list/*", "/user/{userId}")"#,
        url,
        r#"{"u":"/user/{userId}","n":7}"#,
    );
    check(
        r#"replace_all_patterns(attributes, "value", "/user/\\d", "/user/{id}")"#,
        url,
        r#"{"u":"/user/{id}/list/9","n":7}"#,
    );
    check(
        r#"replace_all_patterns(attributes, "key", "^kube_([0-9A-Za-z]+_)", "k8s.$1.")"#,
        r#"{"kube_pod_x":1}"#,
        r#"{"k8s.pod_.x":1}"#,
    );
    check(
        r#"replace_pattern(attributes["c"], "password\\=[^\\s]*(\\s?)", "password=***")"#,
        r#"{"c":"run password=abc now"}"#,
        r#"{"c":"run password=***now"}"#,
    );
    check(
        r#"replace_pattern(attributes["c"], "(?P<w>b+)", "<${w}>$$")"#,
        r#"{"c":"abba"}"#,
        r#"{"c":"a<bb>$a"}"#,
    );
    check(r#"replace_pattern(attributes["c"], "é", "e")"#, r#"{"c":"éa"}"#, r#"{"c":"ea"}"#);
    let hash = "d74ff0ee8da3b9806b18c877dbf29bbde50b5bd8e4dad7a3a725000feb82e8f1";
    check(
        r#"replace_pattern(attributes["c"], "(pass)", "$1", SHA256)"#,
        r#"{"c":"x pass"}"#,
        &std::format!(r#"{{"c":"x {hash}"}}"#),
    );
    check(
        r#"replace_pattern(attributes["c"], "(pass)", "$1", SHA256, "k8s.%s")"#,
        r#"{"c":"pass"}"#,
        &std::format!(r#"{{"c":"k8s.{hash}"}}"#),
    );
    check(
        r#"replace_match(attributes["c"], "*", "pass", SHA256, "/user/%s")"#,
        r#"{"c":"x"}"#,
        &std::format!(r#"{{"c":"/user/{hash}"}}"#),
    );
}

#[test]
fn truncating_and_stringifying() {
    let before = r#"{"a":"hello world","n":12345678,"u":"一二三"}"#;
    check("truncate_all(attributes, 5)", before, r#"{"a":"hello","n":12345678,"u":"一"}"#);
    check("truncate_all(attributes, 4096)", before, before);
    check("truncate_all(attributes, 0)", before, r#"{"a":"","n":12345678,"u":""}"#);
    check(
        r#"truncate_all(attributes, 10, false, "(...)")"#,
        before,
        r#"{"a":"hello(...)","n":12345678,"u":"一二三"}"#,
    );
    check(
        r#"truncate_all(attributes, 10, truncation_marker = "..")"#,
        before,
        r#"{"a":"hello wo..","n":12345678,"u":"一二三"}"#,
    );
    fails(r#"truncate_all(attributes, 2, true, "long")"#, r#"{"a":"hello"}"#);
    check(
        "stringify_all(attributes)",
        r#"{"a":42,"b":3.14,"c":true,"d":{"x":[1]},"e":"s","f":null}"#,
        r#"{"a":"42","b":"3.14","c":"true","d":"{\"x\":[1]}","e":"s","f":""}"#,
    );
}

#[test]
fn what_would_grow_without_bound_is_refused() {
    let long = std::format!(r#"{{"a":"{}"}}"#, "x".repeat(20_000));
    fails(r#"replace_pattern(attributes["a"], "x", attributes["a"])"#, &long);
    let members: Vec<String> = (0..5000).map(|n| std::format!(r#"\"k{n}\":1"#)).collect();
    let many = std::format!(r#"{{"a":"{{{}}}"}}"#, members.join(","));
    fails(r#"merge_maps(attributes, ParseJSON(attributes["a"]), "insert")"#, &many);
}
