//! `lucarne proxy`: the allow-listed relay between an enclave and its host.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lucarne_gateway::clock::SystemClock;
use lucarne_gateway::proxy::log::Log;
use lucarne_gateway::proxy::place::{Local, Remote, Route};
use lucarne_gateway::proxy::{
    CONNECT_TIMEOUT, CONNECTIONS_MAX, Config, DRAIN, Family, Limits, Proxy,
};
use lucarne_platform::Address;

use crate::failure::{Exit, Failure};
use crate::shutdown;

/// Relay connections between an enclave and allow-listed places
///
/// LOCAL is where it listens: a vsock port number (on every context id),
/// vsock:PORT, unix:/path or tcp:ADDRESS:PORT. REMOTE is where it leads: HOST
/// PORT, HOST:PORT, vsock:CID:PORT or unix:/path.
///
/// The allow-list is AWS's vsock-proxy.yaml, with two more kinds of entry. What
/// is not listed is denied. SIGHUP reads the file again.
///
///   allowlist:
///   - {address: "otel-collector.internal", port: 4317}
///   - {cid: 16, port: 5005}
///   - {unix: /run/lucarne/gateway.sock}
///
/// Examples: from the enclave to a collector, in both spellings; from the host to
/// an enclave:
///
///   lucarne proxy --config vsock-proxy.yaml 8080 otel-collector.internal 4317
///   lucarne proxy --config vsock-proxy.yaml 8080 otel-collector.internal:4317
///   lucarne proxy --config vsock-proxy.yaml tcp:127.0.0.1:9443 vsock:16:5005
///
/// Each connection leaves one JSON line on standard error, with job "vsock-proxy"
/// and status "ok" or "error". With --log-to a gateway exports the lines, too; one
/// that does not take them costs lines there, which are counted, and holds up no
/// connection.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Allow-list file
    #[arg(long, value_name = "FILE", default_value = "/etc/nitro_enclaves/vsock-proxy.yaml")]
    config: PathBuf,
    /// One more relay; may be repeated
    #[arg(long = "relay", value_name = "LOCAL=REMOTE")]
    relays: Vec<Route>,
    /// Serve /metrics (Prometheus text) and /health at this address
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,
    /// Hand the lines to the gateway that listens here (its key proxy_log)
    #[arg(long, value_name = "unix:/PATH", value_parser = unix)]
    log_to: Option<Address>,
    /// Connections open at a time; one more is closed at once
    #[arg(short = 'w', long, alias = "num_workers", value_name = "N",
          default_value_t = CONNECTIONS_MAX, value_parser = connections)]
    connections_max: usize,
    /// Seconds to wait for a name and a connection
    #[arg(long, value_name = "SECONDS", default_value_t = CONNECT_TIMEOUT.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..=600))]
    connect_timeout: u64,
    /// Seconds without a byte after which a connection is closed; 0 is never
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    idle_timeout: u64,
    /// Connect to IPv4 addresses only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Connect to IPv6 addresses only
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Where to listen
    #[arg(value_name = "LOCAL", required_unless_present = "relays", requires = "remote")]
    local: Option<Local>,
    /// Where to lead: HOST PORT, HOST:PORT, vsock:CID:PORT or unix:/path
    #[arg(value_name = "REMOTE", num_args = 1..=2)]
    remote: Vec<String>,
}

/// Relays until a signal stops it.
///
/// # Errors
/// When the relays cannot be started as asked.
pub fn run(args: Args) -> Result<Exit, Failure> {
    let config = config(args)?;
    shutdown::runtime()?.block_on(async {
        let stop = shutdown::on_signal()?;
        let reload = shutdown::on_hangup()?;
        let proxy = Proxy::build(config).await.map_err(|error| {
            let hints = error.hints();
            let failure = Failure::because(Exit::Usage, "start the proxy", &error);
            hints.into_iter().fold(failure, Failure::hint)
        })?;
        writeln!(std::io::stdout(), "ready")?;
        proxy.run(stop, reload).await;
        Ok(Exit::Yes)
    })
}

fn config(args: Args) -> Result<Config, Failure> {
    let mut routes = args.relays;
    if let Some(local) = args.local {
        routes.insert(0, Route { local, remote: remote(&args.remote)? });
    }
    Ok(Config {
        routes,
        allowlist: args.config,
        metrics: args.metrics,
        family: match (args.ipv4, args.ipv6) {
            (true, _) => Family::V4,
            (false, true) => Family::V6,
            (false, false) => Family::Any,
        },
        limits: Limits {
            connections_max: args.connections_max,
            connect_timeout: Duration::from_secs(args.connect_timeout),
            idle_timeout: (args.idle_timeout > 0).then(|| Duration::from_secs(args.idle_timeout)),
            drain: DRAIN,
        },
        log: Log::new(Arc::new(SystemClock::start()), std::io::stderr()),
        log_to: args.log_to,
    })
}

fn remote(words: &[String]) -> Result<Remote, Failure> {
    let parsed = match words {
        [both] => both.parse(),
        [host, port] => {
            let Ok(port) = port.parse() else {
                return Err(Failure::usage(format!("{port:?} is not a TCP port, 0 to 65535")));
            };
            Remote::host(host, port)
        }
        _ => return Err(Failure::usage("expected REMOTE as HOST PORT or HOST:PORT")),
    };
    parsed.map_err(|error| Failure::usage(error.to_string()))
}

fn unix(text: &str) -> Result<Address, String> {
    match text.parse() {
        Ok(address @ Address::Unix(_)) => Ok(address),
        Ok(Address::Tcp(_) | Address::Vsock { .. }) | Err(_) => {
            Err("expected a Unix socket like unix:/run/lucarne/proxy-log.sock".to_owned())
        }
    }
}

fn connections(text: &str) -> Result<usize, String> {
    match text.parse() {
        // Two descriptors each; more than this is beyond what a process may usually open.
        Ok(number @ 1..=32_768) => Ok(number),
        Ok(_) | Err(_) => Err("expected a number from 1 to 32768".to_owned()),
    }
}
