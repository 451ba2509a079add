//! A configuration that cannot be used: exit 3 and one line with file, line, key and what was
//! expected, from the enclave and from the gateway.

use std::net::TcpListener;
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
    append(&path, "limits: { queue_bytes: many }\n");
    let place = format!("{file}:{}:", line_of(&path, "many"));
    says(&refuse(), &[&place, "limits.queue_bytes"]);
    std::fs::remove_file(&path).unwrap();
    says(&refuse(), &[file, "No such file"]);
    says(&refused(&enclave_program(), &[]), &["--config FILE is missing"]);
}

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
    replace(&path, "- jsonl:", "- loki: { endpoint: \"nowhere\" }\n- jsonl:");
    says(&refuse(), &[file, "exporter loki: endpoint \"nowhere\"", "http://host"]);
    replace(&path, "- loki: { endpoint: \"nowhere\" }\n", "");
    std::fs::write(site.path("keys/gate"), "short").unwrap();
    let starting = refused(lucarne_program(), &["gateway", "--config", file]);
    says(&starting, &[file, "http.gate_token_file", "keys/gate", "16 bytes or more"]);
    let policy = site.path("audit-policy.yaml");
    with(&policy, "kind: software", "kind: hardware", &["hardware", "software"], refuse);
    std::fs::remove_file(site.path("keys/withholding")).unwrap();
    says(&refuse(), &["keys/withholding", "there is no such key file"]);
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
        says(&start_enclave(), &[enclave.to_str().unwrap(), key, &address.to_string(), "in use"]);
    }
    let _holder = TcpListener::bind(taken[2]).unwrap();
    let line = refused(lucarne_program(), &["gateway", "--config", gateway.to_str().unwrap()]);
    let address = taken[2].to_string();
    says(&line, &[gateway.to_str().unwrap(), "http.address", &address, "in use"]);
}
