//! The `exporters:` section, as people write it.

use super::*;

fn parse(yaml: &str) -> Vec<ExporterFile> {
    serde_saphyr::from_str(yaml).unwrap()
}

/// What is wrong with an exporter whose YAML is given, in its first line.
#[track_caller]
fn check(yaml: &str, expected: &str) {
    let error = build(&parse(yaml), &Resolve::default()).unwrap_err();
    assert_eq!((error.line, error.to_string().as_str()), (1, expected));
}

#[test]
fn every_kind_with_every_option() {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "secret").unwrap();
    let (dir, token) = (directory.path().display(), token.display());
    let yaml = format!(
        "
- jsonl: {{ dir: {dir}/export, rotate_bytes: 1048576, rotate_keep: 3 }}
- loki:
    endpoint: http://loki:3100/loki/api/v1/push
    format: json
    gzip: false
    labels_compat: true
    headers: {{ X-Scope-OrgID: tenant }}
    bearer_token_file: {token}
    timeout_ms: 500
- loki: {{ name: loki-2, endpoint: \"http://other:3100/loki/api/v1/push\" }}
- prometheus_remote_write: {{ endpoint: \"http://prometheus:9090/api/v1/write\" }}
- otlp_grpc: {{ endpoint: \"http://tempo:4317\", signals: [traces] }}
- otlp_http: {{ endpoint: \"http://tempo:4318\" }}
"
    );
    let built = build(&parse(&yaml), &Resolve::default()).unwrap();
    let names: Vec<&str> = built.iter().map(|(name, _)| &name[..]).collect();
    let expected = ["jsonl", "loki", "loki-2", "prometheus_remote_write", "otlp_grpc", "otlp_http"];
    assert_eq!(names, expected);
    assert!(directory.path().join("export/logs.jsonl").exists());
}

#[test]
fn mistakes_are_named_with_what_was_expected() {
    let loki = |rest: &str| format!("[{{ loki: {{ endpoint: \"http://l/push\", {rest} }} }}]");
    check(&loki("name: \"a/b\""), "exporter name \"a/b\": expected 1 to 63 of a-z, 0-9, - and _");
    check(
        "[{ loki: { endpoint: \"http://l\" } }, { loki: { endpoint: \"http://m\" } }]",
        "two exporters are called loki: give one of them another name",
    );
    for url in ["loki:3100", "ftp://loki", "/push", "http://user:secret@loki/", "http://l/p?a=b"] {
        let expected = format!(
            "exporter loki: endpoint {url:?}: expected http://host[:port][/path] or https, \
             without user or query"
        );
        check(&format!("[{{ loki: {{ endpoint: {url:?} }} }}]"), &expected);
    }
    check(
        &loki("headers: { Content-Type: x }"),
        "exporter loki: headers: \"Content-Type\" is not a header that can be set",
    );
    check(&loki("timeout_ms: 5"), "exporter loki: timeout_ms: expected 10 to 300000");
    check(
        &loki("bearer_token_file: /nonexistent/token"),
        "exporter loki: bearer_token_file: /nonexistent/token: No such file or directory \
         (os error 2)",
    );
    check(
        "[{ otlp_grpc: { endpoint: \"https://t\", ca_file: /dev/null } }]",
        "exporter otlp_grpc: ca_file: no certificate authority found in /dev/null",
    );
}

#[test]
fn a_wrong_value_is_found_in_its_own_line() {
    let yaml = |two: &str, three: &str, four: &str, five: &str| {
        let (head, tail) = ("- loki:\n    endpoint: ", "- jsonl: { dir: /proc/none }\n");
        let rest = format!("\n    timeout_ms: {three}\n    name: {four}\n    headers:\n");
        format!("{head}{two}{rest}      X-Tenant: {five}\n{tail}")
    };
    let line = |text: String| build(&parse(&text), &Resolve::default()).unwrap_err().line;
    let good = "\"http://loki/push\"";
    assert_eq!(line(yaml("nowhere", "500", "l", "t")), 2);
    assert_eq!(line(yaml(good, "1", "l", "t")), 3);
    assert_eq!(line(yaml(good, "500", "a/b", "t")), 4);
    assert_eq!(line(yaml(good, "500", "l", "\"a\\nb\"")), 6);
    assert_eq!(line(yaml(good, "500", "l", "t")), 7, "the directory that cannot be made");
    assert_eq!(line(yaml(good, "500", "jsonl", "t")), 7, "a name taken by the one before");
}

#[test]
fn unknown_keys_and_kinds_are_refused() {
    let refused = |yaml: &str| {
        serde_saphyr::from_str::<Vec<ExporterFile>>(yaml).map(|_| ()).unwrap_err().to_string()
    };
    let unknown_key = refused("[{ loki: { endpoint: \"http://l\", labels_compatible: true } }]");
    assert!(unknown_key.contains("labels_compatible"), "{unknown_key}");
    let unknown_kind = refused("[{ kafka: { endpoint: \"http://l\" } }]");
    assert!(unknown_kind.contains("kafka"), "{unknown_kind}");
    // What one kind knows another does not.
    let foreign = refused("[{ otlp_http: { endpoint: \"http://l\", format: json } }]");
    assert!(foreign.contains("format"), "{foreign}");
}
