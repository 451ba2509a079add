//! Lines of the proxy at the gateway's exporters, with real processes: `job="vsock-proxy"`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use serde_json::Value;

use super::process::{PATIENCE, until};
use super::site::{Changes, Site};

/// Gateway and proxy without an enclave.
fn start() -> Site {
    let mut site = Site::prepare(&Changes::default());
    site.start_gateway();
    site.start_proxy();
    site
}

fn exported(site: &Site) -> Vec<Value> {
    let text = std::fs::read_to_string(site.path("export/logs.jsonl")).unwrap_or_default();
    // A line without its end is being written at this moment.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines = whole.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.filter(|line: &Value| line["job"] == "vsock-proxy").collect()
}

/// Waits for exported lines of the proxy for which `key` has `value`.
#[track_caller]
fn await_lines(site: &Site, (key, value): (&str, &str), count: usize) -> Vec<Value> {
    until(&format!("{count} lines with {key} {value}"), PATIENCE, || {
        let lines: Vec<Value> =
            exported(site).into_iter().filter(|line| line[key] == value).collect();
        (lines.len() >= count).then_some(lines)
    })
}

/// Connects to the relay, which closes.
fn call(site: &Site) {
    let mut call = UnixStream::connect(site.path("proxy.sock")).unwrap();
    call.read_to_end(&mut Vec::new()).ok();
}

fn lines_total(site: &Site, result: &str) -> f64 {
    let start = format!("lucarne_gateway_proxy_lines_total{{result=\"{result}\"}} ");
    let (_, page) = site.get("/metrics").unwrap();
    page.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok()).unwrap()
}

#[test]
fn an_unlisted_connection_comes_out_at_the_exporters_as_an_error_of_the_proxy() {
    let mut site = start();
    await_lines(&site, ("message", "listening"), 1);
    std::fs::write(site.path("vsock-proxy.yaml"), "allowlist: []\n").unwrap();
    site.proxy.as_ref().unwrap().signal("-HUP");
    let read_again = await_lines(&site, ("message", "allow-list read again"), 1);
    assert_eq!(
        (&read_again[0]["status"], &read_again[0]["level"]),
        (&"ok".into(), &"Information".into())
    );
    call(&site);
    let lines = await_lines(&site, ("reason", "not_allowed"), 1);
    let mut line = lines[0].clone();
    let timestamp = line["timestamp"].take();
    let duration = line["durationMs"].take();
    assert!(timestamp.is_string() && duration.is_u64(), "{lines:?}");
    let place = |name: &str| format!("unix:{}", site.path(name).display());
    let expected = serde_json::json!({
        "timestamp": null, "level": "Error", "job": "vsock-proxy", "status": "error",
        "local": place("proxy.sock"), "remote": place("gateway.sock"),
        "message": "connection closed: not in the allow-list", "reason": "not_allowed",
        "bytes_up": 0, "bytes_down": 0, "durationMs": null,
    });
    assert_eq!(line, expected);
    assert_eq!((lines_total(&site, "taken"), lines_total(&site, "refused")), (3.0, 0.0));
    assert_eq!(site.stop(), [None, Some(0), Some(0)]);
    // The proxy is stopped before the gateway, which still takes its last word.
    assert_eq!(await_lines(&site, ("message", "stopped"), 1).len(), 1);
}

#[test]
fn a_gateway_that_is_killed_gets_the_lines_when_it_is_back() {
    let mut site = start();
    await_lines(&site, ("message", "listening"), 1);
    site.gateway.take().unwrap().stop("-KILL");
    for _ in 0..3 {
        call(&site);
    }
    site.start_gateway();
    let lines = await_lines(&site, ("reason", "connect"), 3);
    assert!(lines.iter().all(|line| line["status"] == "error"), "{lines:?}");
    assert_eq!(site.stop(), [None, Some(0), Some(0)]);
}

#[test]
fn what_speaks_on_the_socket_is_believed_only_as_a_proxy_and_screened() {
    let mut site = start();
    let mut speaker = UnixStream::connect(site.path("log.sock")).unwrap();
    let line = |detail: &str| {
        format!(
            "{{\"timestamp\":\"2023-11-14T22:13:20.123456789Z\",\"level\":\"Error\",\
             \"job\":\"vsock-proxy\",\"status\":\"error\",\"message\":\"connection failed\",\
             \"reason\":\"connect\",\"detail\":\"{detail}\"}}\n"
        )
    };
    let planted = "4111111111111111";
    let foreign = line("as an audit").replace("vsock-proxy", "tee-audit");
    for text in [line("first"), line(planted), foreign, "not JSON\n".to_owned(), line("last")] {
        speaker.write_all(text.as_bytes()).unwrap();
    }
    await_lines(&site, ("detail", "last"), 1);
    assert_eq!(await_lines(&site, ("detail", "first"), 1).len(), 1);
    let withheld = await_lines(&site, ("rule", "value:1"), 1);
    assert_eq!(withheld[0]["message"], "a line was withheld by the outer layer");
    let results = ["taken", "withheld", "refused"].map(|result| lines_total(&site, result));
    assert_eq!(results, [3.0, 1.0, 2.0], "listening, first and last; the planted one; two of none");
    // Behind a line without an end nothing more is read.
    let mut endless = UnixStream::connect(site.path("log.sock")).unwrap();
    endless.write_all(&vec![b' '; 64 << 10]).ok();
    let closed = endless.read(&mut [0]).map_or(0, |count| count);
    assert_eq!((closed, lines_total(&site, "refused")), (0, 3.0));
    assert_eq!(site.stop(), [None, Some(0), Some(0)]);
    for place in ["export/logs.jsonl", "logs/gateway.log"] {
        let text = std::fs::read_to_string(site.path(place)).unwrap();
        assert!(!text.contains(planted) && !text.contains("as an audit"), "{place}");
    }
    for file in std::fs::read_dir(site.path("state/wal")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(planted.len()).any(|window| window == planted.as_bytes()));
    }
}
