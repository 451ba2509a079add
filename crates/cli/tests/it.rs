//! The command as a process: what it prints, how it exits, and what it does over real sockets.

#[path = "it/adversary.rs"]
mod adversary;
#[path = "it/attest.rs"]
mod attest;
#[path = "it/baseline.rs"]
mod baseline;
#[path = "it/channel.rs"]
mod channel;
#[path = "it/collector_file.rs"]
mod collector_file;
#[path = "it/collector_uplink.rs"]
mod collector_uplink;
#[path = "it/collectors.rs"]
mod collectors;
#[path = "it/command_line.rs"]
mod command_line;
#[path = "it/configuration.rs"]
mod configuration;
#[path = "it/constant_egress.rs"]
mod constant_egress;
#[path = "it/corpus.rs"]
mod corpus;
#[path = "it/crossing.rs"]
mod crossing;
#[path = "it/desk.rs"]
mod desk;
#[path = "it/desk_drills.rs"]
mod desk_drills;
#[path = "it/desk_runs.rs"]
mod desk_runs;
#[path = "it/erasing.rs"]
mod erasing;
#[path = "it/every_bit.rs"]
mod every_bit;
#[path = "it/grafana.rs"]
mod grafana;
#[path = "it/independence.rs"]
mod independence;
#[path = "it/isolation.rs"]
mod isolation;
#[path = "it/large_archive.rs"]
mod large_archive;
#[path = "it/leaks.rs"]
mod leaks;
#[path = "it/leash.rs"]
mod leash;
#[path = "it/load_balancer.rs"]
mod load_balancer;
#[path = "it/loki_bench.rs"]
mod loki_bench;
#[path = "it/main_job.rs"]
mod main_job;
#[path = "it/monitor.rs"]
mod monitor;
#[path = "it/needles.rs"]
mod needles;
#[path = "it/outage.rs"]
mod outage;
#[path = "it/own_metrics.rs"]
mod own_metrics;
#[path = "it/pages.rs"]
mod pages;
#[path = "it/peers.rs"]
mod peers;
#[path = "it/playbooks.rs"]
mod playbooks;
#[path = "it/process.rs"]
mod process;
#[path = "it/prometheus.rs"]
mod prometheus;
#[path = "it/proxy.rs"]
mod proxy;
#[path = "it/proxy_log.rs"]
mod proxy_log;
#[path = "it/receiver.rs"]
mod receiver;
#[path = "it/register.rs"]
mod register;
#[path = "it/runbook_pages.rs"]
mod runbook_pages;
#[path = "it/s3.rs"]
mod s3;
#[path = "it/sdk.rs"]
mod sdk;
#[path = "it/sealed_archive.rs"]
mod sealed_archive;
#[path = "it/secrets.rs"]
mod secrets;
#[path = "it/send.rs"]
mod send;
#[path = "it/shapes.rs"]
mod shapes;
#[path = "it/signed_json.rs"]
mod signed_json;
#[path = "it/site.rs"]
mod site;
#[path = "it/soak.rs"]
mod soak;
#[path = "it/tampering.rs"]
mod tampering;
#[path = "it/tap.rs"]
mod tap;
#[path = "it/timestamp.rs"]
mod timestamp;
#[path = "it/up.rs"]
mod up;
#[path = "it/view.rs"]
mod view;
#[path = "it/watch.rs"]
mod watch;
#[path = "it/web_socket.rs"]
mod web_socket;
#[path = "it/what_crosses.rs"]
mod what_crosses;
#[path = "it/withholding.rs"]
mod withholding;
#[path = "it/witness.rs"]
mod witness;

/// A file under `it/` that no `mod` line names would never run.
#[test]
fn no_file_is_forgotten() {
    let here = include_str!("it.rs");
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // A folder holds the parts of the file of its name.
        let name = name.trim_end_matches(".rs");
        assert!(here.contains(&format!("#[path = \"it/{name}.rs\"]")), "{name} is not named");
    }
}
