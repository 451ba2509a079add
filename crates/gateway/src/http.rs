//! The HTTP side of the gateway: health, readiness, metrics and gates.
//!
//! Small answers to load balancers, scrapers and operators; no telemetry passes here. Setting a
//! gate is the only thing that changes anything, and needs a token. Connections, header time and
//! bodies are bounded, because this port is the one that strangers reach first.

pub mod gates;
mod health;
mod problem;
mod readiness;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use self::gates::Gates;
pub use self::problem::Problem;
pub use self::readiness::{Part, Readiness};
use crate::heartbeats::Heartbeats;
use crate::metrics::Metrics;

/// What the pages are made of.
#[derive(Clone)]
pub struct Pages {
    /// For `/health`.
    pub heartbeats: Heartbeats,
    /// An instance without a heartbeat for this long is not responding.
    pub silent_after: Duration,
    /// For `/ready`.
    pub readiness: Readiness,
    /// For `/metrics`.
    pub metrics: Metrics,
    /// For `/v1/gates`.
    pub gates: Arc<Gates>,
}

/// A server whose port is bound.
pub struct Server {
    listener: TcpListener,
    router: Router,
}

/// The port cannot be had.
#[derive(Debug)]
pub struct BindError {
    /// Which.
    pub address: SocketAddr,
    /// Why.
    pub source: std::io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.source)
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl Server {
    /// Binds the port.
    ///
    /// # Errors
    /// When it is taken or not ours to take.
    pub async fn bind(address: SocketAddr, pages: Pages) -> Result<Self, BindError> {
        Self::bind_router(address, router(pages)).await
    }

    /// Binds the port for the pages of another role.
    pub(crate) async fn bind_router(
        address: SocketAddr,
        router: Router,
    ) -> Result<Self, BindError> {
        let listener =
            TcpListener::bind(address).await.map_err(|source| BindError { address, source })?;
        Ok(Self { listener, router })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not know.
    pub fn local_address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is true; requests that have begun are finished, for a second at most.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { break };
            let accepted = tokio::select! {
                () = stopped(&mut stop) => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                // Out of descriptors: connections that end give some back.
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let service = TowerToHyperService::new(self.router.clone());
            let mut stop = stop.clone();
            connections.spawn(async move {
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIME_MAX)
                    .serve_connection(TokioIo::new(stream), service);
                let mut connection = std::pin::pin!(connection);
                tokio::select! {
                    // How a visitor's connection ends is the visitor's affair.
                    ended = connection.as_mut() => drop(ended),
                    () = stopped(&mut stop) => {
                        connection.as_mut().graceful_shutdown();
                        drop(tokio::time::timeout(DRAIN_TIME_MAX, connection).await);
                    }
                }
                drop(permit);
            });
        }
        while connections.join_next().await.is_some() {}
    }
}

/// All routes.
fn router(pages: Pages) -> Router {
    Router::new()
        .route("/health", get(health::show))
        .route("/ready", get(readiness::show))
        .route("/metrics", get(show_metrics))
        .route("/v1/gates/{name}", get(gates::show).put(gates::set).post(gates::set))
        .fallback(async || Problem::NOT_FOUND)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(pages))
}

// Also when nobody is left who could say stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

fn json(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

async fn show_metrics(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], pages.metrics.render())
}

/// Scrapers, a load balancer and a few operators.
const CONNECTIONS_MAX: usize = 128;
/// Also how long an idle connection is kept.
const HEADER_TIME_MAX: Duration = Duration::from_secs(30);
const DRAIN_TIME_MAX: Duration = Duration::from_secs(1);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// `{"state":"closed"}`, with room for spaces.
const BODY_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests;
