//! A real Prometheus with the shipped rules, and the real Alertmanager that tells a desk.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tokio::net::TcpListener;

use crate::process::token;

/// The rule files, by their names.
pub(crate) const FILES: [&str; 3] = ["bizfirst", "incident-bot", "caracal"];

/// Where they are.
pub(crate) fn rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/prometheus")
}

/// A program of Debian's, ended when this is dropped.
pub(crate) struct Daemon(Child);

impl Daemon {
    fn start(name: &str, folder: &Path, args: &[String]) -> Self {
        let child = Command::new(name)
            .current_dir(folder)
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap_or_else(|error| panic!("install Debian package {name}: {error}")))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// Prometheus with our rules over one target, and the Alertmanager that tells a desk.
pub(crate) async fn monitoring(
    folder: &Path,
    target: SocketAddr,
    desk: SocketAddr,
    seconds: u64,
) -> [Daemon; 2] {
    let (alertmanager, prometheus) = (free_port().await, free_port().await);
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    let files = FILES.map(|name| format!("'{}'", rules().join(format!("{name}.yml")).display()));
    write(
        "prometheus.yml",
        format!(
            "global: {{scrape_interval: {seconds}s, evaluation_interval: {seconds}s, \
             scrape_timeout: {seconds}s}}\nrule_files: [{}]\nalerting:\n  alertmanagers:\n    \
             - static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]\nscrape_configs:\n  \
             - job_name: one\n    static_configs: [{{targets: ['{target}']}}]\n",
            files.join(", ")
        ),
    );
    write("source-token", token("source"));
    write(
        "alertmanager.yml",
        format!(
            "route: {{receiver: desk, group_by: ['...'], group_wait: 0s, group_interval: 1s}}\n\
             receivers:\n  - name: desk\n    webhook_configs:\n      \
             - url: http://{desk}/v1/ingest/alertmanager\n        http_config: \
             {{authorization: {{credentials_file: source-token}}}}\n"
        ),
    );
    let listen = |port: u16| format!("--web.listen-address=127.0.0.1:{port}");
    let am = ["--config.file=alertmanager.yml", "--storage.path=am", "--cluster.listen-address="];
    let am: Vec<String> = am.iter().map(ToString::to_string).collect();
    let am = Daemon::start(
        "prometheus-alertmanager",
        folder,
        &[am, vec![listen(alertmanager)]].concat(),
    );
    let prom = ["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"];
    let prom: Vec<String> = prom.iter().map(ToString::to_string).collect();
    let prom = Daemon::start("prometheus", folder, &[prom, vec![listen(prometheus)]].concat());
    [am, prom]
}
