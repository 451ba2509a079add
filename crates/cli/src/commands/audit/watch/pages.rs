//! The two pages of a watcher, for a scraper and a supervisor.
//!
//! They take no input but a path. Connections and the time for a head are bounded; whoever wants
//! more than two pages is told that there is no such page.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;

use super::measures::Measures;
use crate::failure::{Exit, Failure};
use crate::shutdown::stopped;

/// A scraper or two, a supervisor, and a person.
const CONNECTIONS_MAX: usize = 16;
/// A head is a line; who is slower is not a scraper.
const HEADER_TIME_MAX: Duration = Duration::from_secs(5);
/// Scrapers keep their connections for the next time; nobody may keep one for good.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(600);
/// When descriptors are out, connections that end give some back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server whose port is bound.
pub(super) struct Server {
    listener: TcpListener,
    measures: Arc<Measures>,
}

impl Server {
    /// Binds the port.
    ///
    /// # Errors
    /// When it is taken or not ours to take.
    pub(super) async fn bind(
        address: SocketAddr,
        measures: Arc<Measures>,
    ) -> Result<Self, Failure> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            Failure::because(Exit::Usage, &format!("--http: listen on {address}"), &error)
        })?;
        Ok(Self { listener, measures })
    }

    /// Serves until `end` is true.
    pub(super) async fn run(self, mut end: Receiver<bool>) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            let accepted = tokio::select! {
                () = stopped(&mut end) => return,
                Some(_) = connections.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let measures = Arc::clone(&self.measures);
            connections.spawn(async move {
                // How a visitor's connection ends is the visitor's affair.
                drop(tokio::time::timeout(CONNECTION_TIME_MAX, serve(stream, measures)).await);
                drop(permit);
            });
        }
    }
}

async fn serve(stream: TcpStream, measures: Arc<Measures>) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let response = page(request.method(), request.uri().path(), &measures);
        async move { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_MAX)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    drop(served);
}

fn page(method: &Method, path: &str, measures: &Measures) -> Response<Full<Bytes>> {
    let json = "application/json";
    let (status, kind, text) = match (method, path) {
        (&Method::GET, "/metrics") => {
            (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", measures.render())
        }
        (&Method::GET, "/health") => {
            let (healthy, word) = measures.health();
            let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (status, json, format!("{{\"watch\":\"{word}\"}}"))
        }
        (_, "/metrics" | "/health") => {
            (StatusCode::METHOD_NOT_ALLOWED, json, "{\"error\":\"expected GET\"}".to_owned())
        }
        _ => (StatusCode::NOT_FOUND, json, "{\"error\":\"no such page\"}".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
