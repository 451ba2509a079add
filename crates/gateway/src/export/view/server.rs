//! HTTP/1.1 in front of a view: connections, small bodies, and a thread for each question.
//!
//! A client that goes away cancels its query. So many queries run at once as have room in memory;
//! further ones wait. A body is the form of a question, and nothing longer is read.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use lucarne_store::engine::limits::Cancel;
use lucarne_store::surface;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::kept::Kept;
use crate::websocket::{self, Successor};

/// A Grafana opens a few.
const CONNECTIONS_MAX: usize = 64;
/// Each may hold a query's memory.
const CALLS_MAX: usize = 4;
/// LogQL of 128 KiB, percent-encoded.
const BODY_BYTES_MAX: usize = 512 << 10;
/// Out of descriptors, say: the next try may be luckier.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const MAINTAIN_EVERY: Duration = Duration::from_secs(600);

type Answer = Response<Full<Bytes>>;

/// Serves until it is dropped.
pub(super) async fn serve(kept: Arc<Kept>, listener: TcpListener) {
    let calls = Arc::new(Semaphore::new(CALLS_MAX));
    let mut tasks = JoinSet::new();
    let mut maintenance = tokio::time::interval(MAINTAIN_EVERY);
    maintenance.tick().await;
    loop {
        tokio::select! {
            Some(_) = tasks.join_next() => {}
            _ = maintenance.tick() => {
                let kept = Arc::clone(&kept);
                tasks.spawn_blocking(move || kept.maintain());
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if tasks.len() < CONNECTIONS_MAX => {
                    let (kept, calls) = (Arc::clone(&kept), Arc::clone(&calls));
                    tasks.spawn(connection(kept, calls, TokioIo::new(stream)));
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

async fn connection(kept: Arc<Kept>, calls: Arc<Semaphore>, stream: TokioIo<TcpStream>) {
    let successor = Successor::default();
    let service = service_fn(|mut request| {
        let (kept, calls) = (Arc::clone(&kept), Arc::clone(&calls));
        let followed = (request.uri().path() == websocket::TAIL)
            .then(|| follow(&kept, &calls, &mut request, &successor));
        async move {
            match followed {
                Some(answer) => Ok(answer),
                None => handle(kept, calls, request).await,
            }
        }
    });
    let served = hyper::server::conn::http1::Builder::new().serve_connection(stream, service);
    // How a connection ends is its client's business.
    drop(served.with_upgrades().await);
    successor.run().await;
}

/// `tail`: the connection becomes a WebSocket on which new rows are told.
fn follow(
    kept: &Arc<Kept>,
    calls: &Arc<Semaphore>,
    request: &mut Request<Incoming>,
    successor: &Successor,
) -> Answer {
    let key = match websocket::asked(request) {
        Ok(key) => key,
        Err(why) => return plain(StatusCode::BAD_REQUEST, why),
    };
    let flags = HeaderName::from_static("x-loki-response-encoding-flags");
    let opened = kept.follow(&surface::Request {
        method: "GET",
        path: websocket::TAIL,
        query: request.uri().query().unwrap_or_default(),
        content_type: "",
        accept: "",
        encoding_flags: text(request.headers(), flags),
        body: &[],
    });
    match opened {
        Ok(mut tailing) => {
            let (kept, calls) = (Arc::clone(kept), Arc::clone(calls));
            let poll = move || kept.poll(&mut tailing);
            websocket::accept(request, &key, successor, |out| websocket::tell(poll, calls, out))
        }
        Err(refused) => respond(refused),
    }
}

/// Cancels a query when the future that waits for it is dropped.
struct CancelOnDrop(Arc<Cancel>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

async fn handle(
    kept: Arc<Kept>,
    calls: Arc<Semaphore>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(_room) = calls.acquire().await else {
        return Ok(plain(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"));
    };
    let too_long = || plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 512 KiB\n");
    // What says so is not waited for.
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Ok(too_long());
    }
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return Ok(too_long());
    };
    let cancel = Arc::new(Cancel::default());
    let guard = CancelOnDrop(Arc::clone(&cancel));
    let body = body.to_bytes();
    let called = tokio::task::spawn_blocking(move || call(&kept, &head, &body, &cancel)).await;
    drop(guard);
    Ok(called.unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR, "a bug in lucarne\n")))
}

fn call(kept: &Kept, head: &Parts, body: &[u8], cancel: &Cancel) -> Answer {
    let flags = HeaderName::from_static("x-loki-response-encoding-flags");
    let request = surface::Request {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        content_type: text(&head.headers, header::CONTENT_TYPE),
        accept: text(&head.headers, header::ACCEPT),
        encoding_flags: text(&head.headers, flags),
        body,
    };
    respond(kept.answer(&request, cancel))
}

fn respond(answer: surface::Response) -> Answer {
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

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn plain(status: StatusCode, body: &'static str) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response
}
