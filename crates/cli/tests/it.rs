//! The command as a process: what it prints, how it exits, and what it does over real sockets.

#[path = "it/command_line.rs"]
mod command_line;
#[path = "it/configuration.rs"]
mod configuration;
#[path = "it/isolation.rs"]
mod isolation;
#[path = "it/leash.rs"]
mod leash;
#[path = "it/main_job.rs"]
mod main_job;
#[path = "it/outage.rs"]
mod outage;
#[path = "it/pages.rs"]
mod pages;
#[path = "it/process.rs"]
mod process;
#[path = "it/prometheus.rs"]
mod prometheus;
#[path = "it/proxy.rs"]
mod proxy;
#[path = "it/receiver.rs"]
mod receiver;
#[path = "it/sdk.rs"]
mod sdk;
#[path = "it/send.rs"]
mod send;
#[path = "it/site.rs"]
mod site;
#[path = "it/tampering.rs"]
mod tampering;
#[path = "it/up.rs"]
mod up;

/// A file under `it/` that no `mod` line names would never run.
#[test]
fn no_file_is_forgotten() {
    let here = include_str!("it.rs");
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(here.contains(&format!("#[path = \"it/{name}\"]")), "{name} is not named");
    }
}
