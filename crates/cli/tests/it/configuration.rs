//! A configuration that cannot be used: exit 3 and one line with file, line, key and what was
//! expected, from the enclave, the gateway and the proxy.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::process::{enclave_program, run};
use super::site::{Changes, Site, append, lucarne_program, replace};

/// Exit code 3, one line of error, at most one of hint; gives the line.
#[track_caller]
fn refused(program: &Path, args: &[&str]) -> String {
    let output = run(program, args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    let (errors, others): (Vec<&str>, Vec<&str>) =
        said.lines().partition(|line| line.starts_with("error: "));
    assert_eq!(errors.len(), 1, "{said}");
    assert!(others.len() <= 1 && others.iter().all(|line| line.starts_with("hint: ")), "{said}");
    errors.concat()
}

#[track_caller]
fn says(line: &str, words: &[&str]) {
    for word in words {
        assert!(line.contains(word), "{word:?} is not in {line}");
    }
}

/// The number of the line that has `text`.
fn line_of(path: &Path, text: &str) -> usize {
    let whole = std::fs::read_to_string(path).unwrap();
    1 + whole.lines().position(|line| line.contains(text)).unwrap()
}

/// Changes the file, looks at what is said, and changes it back.
#[track_caller]
fn with(path: &Path, from: &str, to: &str, words: &[&str], refuse: impl Fn() -> String) {
    let whole = std::fs::read_to_string(path).unwrap();
    replace(path, from, to);
    let place = format!("{}:{}:", path.display(), line_of(path, to));
    says(&refuse(), &[&[place.as_str()], words].concat());
    std::fs::write(path, whole).unwrap();
}

/// The same, where the change has more lines than one: `sign` stands in the one that is named.
#[track_caller]
fn with_line_of(
    path: &Path,
    (from, to): (&str, &str),
    sign: &str,
    words: &[&str],
    refuse: impl Fn() -> String,
) {
    let whole = std::fs::read_to_string(path).unwrap();
    replace(path, from, to);
    let place = format!("{}:{}:", path.display(), line_of(path, sign));
    says(&refuse(), &[&[place.as_str()], words].concat());
    std::fs::write(path, whole).unwrap();
}

#[test]
fn the_enclave_says_what_is_wrong_with_its_file_in_one_line() {
    let site = Site::prepare(&Changes::default());
    let path = site.path("tee/enclave.yaml");
    let file = path.to_str().unwrap();
    let refuse = || {
        let checked = refused(&enclave_program(), &["--config", file, "--check-config"]);
        assert_eq!(refused(&enclave_program(), &["--config", file]), checked);
        checked
    };
    let grpc = format!("grpc: \"{}\"", site.addresses.grpc);
    let key = ["acknowledgement_key", "64 lower-case hex digits"];
    with(&path, "instance: ", "instanze: ", &["instanze", "instance"], refuse);
    with(&path, &grpc, "grpc: [1]", &["otlp.grpc", "string"], refuse);
    with(&path, &grpc, "grpc: \"somewhere\"", &["otlp.grpc", "127.0.0.1:4317"], refuse);
    with(&path, "acknowledgement_key: \"", "acknowledgement_key: \"z", &key, refuse);
    with(&path, "log_prefix: lucarne.local", "log_prefix: \"a b\"", &["log_prefix"], refuse);
    let prefix = "log_prefix: lucarne.local";
    let beside = |more: &str| format!("{prefix}\n{more}");
    let limits = |text: &str| beside(&format!("limits: {{ {text} }}"));
    for (text, words) in [
        ("queue_bytes: many", ["limits.queue_bytes", "u64"]),
        ("queue_bytes: 1", ["limits.queue_bytes: expected 65536 to 1073741824", "found 1"]),
        ("heartbeat_ms: 0", ["limits.heartbeat_ms: expected 10 to 3600000", "found 0"]),
        ("request_bytes: 0", ["limits.request_bytes: expected 1024 to", "found 0"]),
    ] {
        // The second of the two lines is the one that is named.
        with_line_of(&path, (prefix, &limits(text)), text, &words, refuse);
    }
    let json = |text: &str| beside(&format!("json_batches: {{ {text} }}"));
    for (text, words) in [
        ("every_records: 9", ["json_batches.every_records: expected 10 to 65536", "found 9"]),
        ("every_ms: 0", ["json_batches.every_ms: expected 100 to 3600000", "found 0"]),
        ("every_second: 1", ["json_batches", "every_second"]),
    ] {
        with_line_of(&path, (prefix, &json(text)), text, &words, refuse);
    }
    let check = beside("workload: { check: \"tcp:somewhere\" }");
    let expected = ["workload.check", "tcp:host:port"];
    with_line_of(&path, (prefix, &check), "somewhere", &expected, refuse);
    let absent = beside("contract: absent.yaml");
    let expected = ["contract: ", "absent.yaml", "No such file"];
    with_line_of(&path, (prefix, &absent), "absent.yaml", &expected, refuse);
    let contract = site.path("tee/contract.yaml");
    std::fs::write(&contract, "contract: mine/1\nlogz: {}\n").unwrap();
    append(&path, "contract: contract.yaml\n");
    says(&refuse(), &[&format!("{}:2: logz: ", contract.display()), "unknown field"]);
    std::fs::remove_file(&path).unwrap();
    says(&refuse(), &[file, "No such file"]);
    says(&refused(&enclave_program(), &[]), &["--config FILE is missing"]);
}

/// What `lucarne up` writes of the outer layer.
const DROP: &str = "outer_layer: { on_hit: drop }";

#[test]
fn the_gateway_says_what_is_wrong_with_its_file_in_one_line() {
    let site = Site::prepare(&Changes::default());
    let path = site.path("gateway.yaml");
    let file = path.to_str().unwrap();
    let refuse = || {
        let checked = refused(lucarne_program(), &["gateway", "--config", file, "--check-config"]);
        assert_eq!(refused(lucarne_program(), &["gateway", "--config", file]), checked);
        checked
    };
    let http = format!("address: \"{}\"", site.addresses.gateway);
    let close = "directory: archive, close_after_ms: soon";
    with(&path, "state: state", "stade: state", &["stade", "state"], refuse);
    with(&path, &http, "address: nowhere", &["http.address", "127.0.0.1:8080"], refuse);
    with(&path, "directory: archive", close, &["archive.close_after_ms", "u64"], refuse);
    with(&path, "- jsonl:", "- jsonlines:", &["jsonlines", "jsonl"], refuse);
    let exporters = "- jsonl:";
    let loki = |rest: &str| format!("- loki:\n    {rest}\n- jsonl:");
    let push = "endpoint: \"http://l/push\"\n    ";
    for (text, words) in [
        ("endpoint: \"nowhere\"", ["exporter loki: endpoint \"nowhere\"", "http://host"]),
        ("timeout_ms: 1", ["exporter loki: timeout_ms", "10 to 300000"]),
        ("name: a/b", ["exporter name \"a/b\"", "a-z"]),
        ("headers: { Host: x }", ["exporter loki: headers: \"Host\"", "can be set"]),
        ("bearer_token_file: /absent", ["exporter loki: bearer_token_file: /absent", "No such"]),
        ("format: text", ["exporters[0].loki.format", "protobuf"]),
    ] {
        let more = if text.starts_with("endpoint") { "" } else { push };
        let to = loki(&format!("{more}{text}"));
        with_line_of(&path, (exporters, &to), text, &words, refuse);
    }
    let proxies = format!("proxy_log: \"unix:{}\"", site.path("log.sock").display());
    let open_to_all = ["proxy_log: expected a Unix socket", "tcp:127.0.0.1:1"];
    with(&path, &proxies, "proxy_log: \"tcp:127.0.0.1:1\"", &open_to_all, refuse);
    let rules = "outer_layer: { blocked_values_patterns: [ \"(\" ] }";
    let words = ["outer_layer: blocked_values_patterns[0]"];
    with_line_of(&path, (DROP, rules), "outer_layer", &words, refuse);
    let trust = ["trust: ", "absent.yaml", "there is no such file"];
    with(&path, "trust: audit-policy.yaml", "trust: absent.yaml", &trust, refuse);
    std::fs::write(site.path("keys/gate"), "short").unwrap();
    let starting = refused(lucarne_program(), &["gateway", "--config", file]);
    let place = format!("{file}:{}: http.gate_token_file", line_of(&path, "gate_token_file"));
    says(&starting, &[&place, "keys/gate", "16 bytes or more"]);
    let policy = site.path("audit-policy.yaml");
    with(&policy, "kind: software", "kind: hardware", &["hardware", "software"], refuse);
    std::fs::remove_file(site.path("keys/withholding")).unwrap();
    let place = format!("{file}:{}: keys.withholding", line_of(&path, "keys/withholding"));
    says(&refuse(), &[&place, "keys/withholding: there is no such key file"]);
    std::fs::remove_file(&path).unwrap();
    says(&refuse(), &[file, "there is no such file"]);
}

#[test]
fn a_port_that_is_taken_is_named_with_its_key() {
    let site = Site::prepare(&Changes::default());
    let taken = [site.addresses.grpc, site.addresses.http, site.addresses.gateway];
    let (enclave, gateway) = (site.path("tee/enclave.yaml"), site.path("gateway.yaml"));
    let start_enclave = || refused(&enclave_program(), &["--config", enclave.to_str().unwrap()]);
    for (address, key) in [(taken[0], "otlp.grpc"), (taken[1], "otlp.http")] {
        let _holder = TcpListener::bind(address).unwrap();
        let address = address.to_string();
        let place = format!("{}:{}: {key}", enclave.display(), line_of(&enclave, &address));
        says(&start_enclave(), &[&place, &address, "in use", "configure another"]);
    }
    let start = || refused(lucarne_program(), &["gateway", "--config", gateway.to_str().unwrap()]);
    {
        let _holder = TcpListener::bind(taken[2]).unwrap();
        let address = taken[2].to_string();
        let place = format!("{}:{}: http.address", gateway.display(), line_of(&gateway, &address));
        says(&start(), &[&place, &address, "in use"]);
    }
    for (socket, key) in [("gateway.sock", "uplink.address"), ("log.sock", "proxy_log")] {
        // A start that failed later has left its socket.
        std::fs::remove_file(site.path(socket)).ok();
        let _holder = UnixListener::bind(site.path(socket)).unwrap();
        let place = format!("{}:{}: {key}", gateway.display(), line_of(&gateway, socket));
        says(&start(), &[&place, socket, "in use", "configure another"]);
    }
}

#[test]
fn an_address_of_the_proxy_that_is_taken_is_named_with_its_argument() {
    let site = Site::prepare(&Changes::default());
    let list = site.path("vsock-proxy.yaml");
    let remote = format!("unix:{}", site.path("gateway.sock").display());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let start = |more: &[&str]| {
        let args = ["proxy", "--config", list.to_str().unwrap()];
        refused(lucarne_program(), &[&args[..], more].concat())
    };
    let tcp = format!("tcp:{address}");
    says(&start(&[&tcp, &remote]), &["start the proxy: LOCAL: ", &tcp, "in use"]);
    let near = format!("unix:{}", site.path("near.sock").display());
    let metrics = start(&["--metrics", &address, &near, &remote]);
    says(&metrics, &["start the proxy: --metrics ", &address, "in use"]);
}
