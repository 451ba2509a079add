//! A gate of the desk as the health check of a real load balancer: HAProxy takes the backend out
//! within five seconds of the finding that shuts it, and back in when a person opens it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use super::desk::{Site, free_port};
use super::process::{PATIENCE, Process, until};

/// A backend that answers everything.
fn backend() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(&stream);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok() && line.trim() != "" {
                line.clear();
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").ok();
        }
    });
    port
}

fn asked(port: u16) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
    let mut said = String::new();
    stream.read_to_string(&mut said).ok()?;
    said.split(' ').nth(1)?.parse().ok()
}

#[test]
fn a_load_balancer_takes_the_backend_out_within_five_seconds() {
    let site = Site::start("");
    let (front, back, desk) = (free_port(), backend(), site.port());
    // The check asks the desk, the traffic goes to the backend.
    let config = format!(
        "global\n  maxconn 100\ndefaults\n  mode http\n  timeout connect 2s\n  \
         timeout client 5s\n  timeout server 5s\n\
         frontend in\n  bind 127.0.0.1:{front}\n  default_backend engine\n\
         backend engine\n  option httpchk GET /v1/gates/executions\n  \
         http-check expect status 200\n  \
         server engine 127.0.0.1:{back} check addr 127.0.0.1 port {desk} inter 1s fall 2 rise 1\n"
    );
    let path = site.path("haproxy.cfg");
    std::fs::write(&path, config).unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(&path);
    let _haproxy = Process::start(&mut command, &site.path("haproxy.log"));
    until("traffic passes", PATIENCE, || (asked(front) == Some(200)).then_some(()));
    let finding = [
        "signals",
        "send",
        "--kind",
        "audit_integrity",
        "--fault",
        "chain_mismatch",
        "--label",
        "instance=i1",
    ];
    site.yes("source", &finding);
    let shut = Instant::now();
    until("traffic is refused", PATIENCE, || (asked(front) == Some(503)).then_some(()));
    assert!(shut.elapsed() <= Duration::from_secs(5), "{:?}", shut.elapsed());
    site.yes("ann", &["gate", "open", "executions", "--reason", "checked"]);
    until("traffic passes again", PATIENCE, || (asked(front) == Some(200)).then_some(()));
}
