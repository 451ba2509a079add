//! `lucarne view`: the inside view by itself, as a small store for logs with the API of Loki.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lucarne_gateway::view_server;
use tokio::net::TcpListener;

use crate::failure::{Exit, Failure};
use crate::shutdown;
use crate::view::{Settings, View};

/// Keep logs in a directory and answer LogQL over HTTP
///
/// Takes Loki's push API (JSON, or protobuf with snappy) and OTLP logs, and answers
/// the queries of Grafana and logcli: point a Loki data source at it. What was
/// acknowledged is there again after a crash. When the bytes or the days are used
/// up, the oldest go.
///
/// Example:
///
///   lucarne view --http 127.0.0.1:3100 --data ./view
///
/// There is no login: whoever reaches the address reads and writes. The key that
/// encrypts the blocks lies beside them in DIR, so that it protects copies of the
/// blocks alone, not of the directory.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3100")]
    http: SocketAddr,
    /// Directory of the store; made when it is not there
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Bytes of blocks and of what is kept in memory about them
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30,
          value_parser = clap::value_parser!(u64).range(64 << 20..))]
    max_bytes: u64,
    /// Days after which rows go
    #[arg(long, value_name = "DAYS", default_value_t = 7,
          value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Seconds that a query may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    query_timeout: u64,
    /// Add no service_name and no detected_level to what is pushed
    #[arg(long)]
    as_pushed: bool,
    /// Take LogQL alone, without the extensions
    #[arg(long)]
    strict_logql: bool,
}

/// Serves until a signal stops it.
///
/// # Errors
/// When the directory cannot be opened or the address cannot be listened at.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let settings = Settings {
        max_bytes: args.max_bytes,
        age: Duration::from_secs(u64::from(args.days) * 86_400),
        query_timeout: Duration::from_secs(args.query_timeout),
        as_pushed: args.as_pushed,
        strict_logql: args.strict_logql,
    };
    let view = Arc::new(View::open(&args.data, settings)?);
    shutdown::runtime()?.block_on(async {
        let mut stop = shutdown::on_signal()?;
        let listener = TcpListener::bind(args.http).await.map_err(|error| {
            Failure::because(Exit::Usage, &format!("listen at {}", args.http), &error)
        })?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "ready")?;
        out.flush()?;
        drop(out);
        view_server::serve(view, listener, shutdown::stopped(&mut stop)).await;
        Ok(Exit::Yes)
    })
}
