//! HTTP/1.1 in front of a view: connections, bodies, and a thread for each question.
//!
//! A client that goes away cancels its query. So many queries run at once as have room in memory;
//! further ones wait. The gateway's own view and the one that people run by itself differ in what
//! they answer and in their bounds, and in nothing here.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use lucarne_store::engine::error::QueryError;
use lucarne_store::engine::limits::Cancel;
use lucarne_store::surface::{self, Polled, Tailing};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::websocket::{self, Successor};

/// What a server takes at a time.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections; one more is closed.
    pub connections: usize,
    /// Questions that are answered; one more waits. Each may hold a query's memory.
    pub calls: usize,
    /// Bytes of a body as it comes.
    pub body_bytes: usize,
    /// What is said of a longer one.
    pub too_long: &'static str,
}

/// What answers.
pub trait Answering: Send + Sync + 'static {
    /// Of its server.
    const BOUNDS: Bounds;

    /// A body without its encodings; as it came, where nothing else is said.
    ///
    /// # Errors
    /// Status and text for a body that cannot be had so.
    fn body(_head: &Parts, body: Bytes) -> Result<Bytes, (StatusCode, &'static str)> {
        Ok(body)
    }

    /// Answers a question; may take as long as a query may.
    fn answer(&self, request: &surface::Request<'_>, cancel: &Cancel) -> surface::Response;

    /// Begins to follow a query.
    ///
    /// # Errors
    /// The answer to a request that does not ask for that.
    fn follow(&self, request: &surface::Request<'_>) -> Result<Tailing, surface::Response>;

    /// What is new for a follower.
    ///
    /// # Errors
    /// When it cannot be followed any longer.
    fn poll(&self, tailing: &mut Tailing) -> Result<Polled, QueryError>;

    /// Cuts blocks of what is in memory and drops what is too old.
    fn maintain(&self);
}

/// Out of descriptors, say: the next try may be luckier.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const MAINTAIN_EVERY: Duration = Duration::from_secs(600);
/// A connection on which no request comes for this long is taken for one whose client is gone.
const HEAD_WAIT: Duration = Duration::from_secs(120);
/// The same for the body of a request, which holds one of few places meanwhile.
const BODY_WAIT: Duration = Duration::from_secs(60);
/// Answered without a place: whoever watches must learn that there is none.
const READY: &str = "/ready";

type Answer = Response<Full<Bytes>>;

/// Serves until it is told to stop, or is dropped.
pub async fn serve<V: Answering>(view: Arc<V>, listener: TcpListener, stop: impl Future) {
    let calls = Arc::new(Semaphore::new(V::BOUNDS.calls));
    let mut tasks = JoinSet::new();
    let mut maintenance = tokio::time::interval(MAINTAIN_EVERY);
    maintenance.tick().await;
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            _ = &mut stop => break,
            Some(_) = tasks.join_next() => {}
            _ = maintenance.tick() => {
                let view = Arc::clone(&view);
                tokio::task::spawn_blocking(move || view.maintain());
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if tasks.len() < V::BOUNDS.connections => {
                    let (view, calls) = (Arc::clone(&view), Arc::clone(&calls));
                    tasks.spawn(connection(view, calls, TokioIo::new(stream)));
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
    tasks.shutdown().await;
}

async fn connection<V: Answering>(view: Arc<V>, calls: Arc<Semaphore>, stream: TokioIo<TcpStream>) {
    let successor = Successor::default();
    let service = service_fn(|mut request| {
        let (view, calls) = (Arc::clone(&view), Arc::clone(&calls));
        let followed = (request.uri().path() == websocket::TAIL)
            .then(|| follow(&view, &calls, &mut request, &successor));
        async move {
            match followed {
                Some(answer) => Ok(answer),
                None => handle(view, calls, request).await,
            }
        }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT);
    let served = server.serve_connection(stream, service);
    // How a connection ends is its client's business.
    drop(served.with_upgrades().await);
    successor.run().await;
}

/// `tail`: the connection becomes a WebSocket on which new rows are told.
fn follow<V: Answering>(
    view: &Arc<V>,
    calls: &Arc<Semaphore>,
    request: &mut Request<Incoming>,
    successor: &Successor,
) -> Answer {
    let key = match websocket::asked(request) {
        Ok(key) => key,
        Err(why) => return plain(StatusCode::BAD_REQUEST, why),
    };
    let opened = view.follow(&surface::Request {
        method: "GET",
        path: websocket::TAIL,
        query: request.uri().query().unwrap_or_default(),
        content_type: "",
        accept: "",
        encoding_flags: text(request.headers(), ENCODING_FLAGS),
        body: &[],
    });
    match opened {
        Ok(mut tailing) => {
            let (view, calls) = (Arc::clone(view), Arc::clone(calls));
            let poll = move || view.poll(&mut tailing);
            websocket::accept(request, &key, successor, |out| websocket::tell(poll, calls, out))
        }
        Err(refused) => response(refused),
    }
}

/// Cancels a query when the future that waits for it is dropped.
struct CancelOnDrop(Arc<Cancel>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

async fn handle<V: Answering>(
    view: Arc<V>,
    calls: Arc<Semaphore>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let place =
        async { if head.uri.path() == READY { Ok(None) } else { calls.acquire().await.map(Some) } };
    let Ok(_place) = place.await else {
        return Ok(plain(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"));
    };
    let too_long = || plain(StatusCode::PAYLOAD_TOO_LARGE, V::BOUNDS.too_long);
    // What says so is not waited for.
    if body.size_hint().lower() > V::BOUNDS.body_bytes as u64 {
        return Ok(too_long());
    }
    let read = Limited::new(body, V::BOUNDS.body_bytes).collect();
    let body = match timeout(BODY_WAIT, read).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return Ok(too_long()),
        Err(_) => return Ok(plain(StatusCode::REQUEST_TIMEOUT, "the body did not come\n")),
    };
    let cancel = Arc::new(Cancel::default());
    let guard = CancelOnDrop(Arc::clone(&cancel));
    let body = body.to_bytes();
    let called = tokio::task::spawn_blocking(move || call(&*view, &head, body, &cancel)).await;
    drop(guard);
    Ok(called.unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR, "a bug in lucarne\n")))
}

fn call<V: Answering>(view: &V, head: &Parts, body: Bytes, cancel: &Cancel) -> Answer {
    let body = match V::body(head, body) {
        Ok(body) => body,
        Err((status, why)) => return plain(status, why),
    };
    let request = surface::Request {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        content_type: text(&head.headers, header::CONTENT_TYPE),
        accept: text(&head.headers, header::ACCEPT),
        encoding_flags: text(&head.headers, ENCODING_FLAGS),
        body: &body,
    };
    response(view.answer(&request, cancel))
}

fn response(answer: surface::Response) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// The text of a header; empty when there is none.
pub fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn plain(status: StatusCode, body: &'static str) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response
}

const ENCODING_FLAGS: HeaderName = HeaderName::from_static("x-loki-response-encoding-flags");
