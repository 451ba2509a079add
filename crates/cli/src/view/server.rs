//! HTTP/1.1 in front of a view: connections, bodies, and a thread for each query.
//!
//! A client that goes away cancels its query. So many queries run at once as have room in memory;
//! further ones wait.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use lucarne_gateway::websocket::{self, Successor};
use lucarne_store::engine::limits::Cancel;
use lucarne_store::surface;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::View;
use super::encoding::{BODY_BYTES_MAX, expand};
use crate::shutdown;

/// Grafana opens a few, agents one each.
const CONNECTIONS_MAX: usize = 256;
/// Each may hold a query's memory, or a body and what it is expanded to.
const CALLS_MAX: usize = 8;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const MAINTAIN_EVERY: Duration = Duration::from_secs(600);

type Answer = Response<Full<Bytes>>;

/// Serves until it is stopped; then what is under way is finished for a moment.
pub async fn serve(view: Arc<View>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let calls = Arc::new(Semaphore::new(CALLS_MAX));
    let mut tasks = JoinSet::new();
    let mut maintenance = tokio::time::interval(MAINTAIN_EVERY);
    maintenance.tick().await;
    loop {
        tokio::select! {
            () = shutdown::stopped(&mut stop) => break,
            Some(_) = tasks.join_next() => {}
            _ = maintenance.tick() => {
                let view = Arc::clone(&view);
                tokio::task::spawn_blocking(move || view.maintain());
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if tasks.len() < CONNECTIONS_MAX => {
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

async fn connection(view: Arc<View>, calls: Arc<Semaphore>, stream: TokioIo<TcpStream>) {
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
    let served = hyper::server::conn::http1::Builder::new().serve_connection(stream, service);
    // How a connection ends is its client's business.
    drop(served.with_upgrades().await);
    successor.run().await;
}

/// `tail`: the connection becomes a WebSocket on which new rows are told.
fn follow(
    view: &Arc<View>,
    calls: &Arc<Semaphore>,
    request: &mut Request<Incoming>,
    successor: &Successor,
) -> Answer {
    let asked = websocket::asked(request);
    let key = match asked {
        Ok(key) => key,
        Err(why) => return plain(StatusCode::BAD_REQUEST, why),
    };
    let flags = HeaderName::from_static("x-loki-response-encoding-flags");
    let opened = view.follow(&surface::Request {
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

async fn handle(
    view: Arc<View>,
    calls: Arc<Semaphore>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(_room) = calls.acquire().await else {
        return Ok(plain(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"));
    };
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 16 MiB\n"));
    };
    let cancel = Arc::new(Cancel::default());
    let guard = CancelOnDrop(Arc::clone(&cancel));
    let body = body.to_bytes().to_vec();
    let called = tokio::task::spawn_blocking(move || call(&view, &head, body, &cancel)).await;
    drop(guard);
    Ok(called.unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR, "a bug in lucarne\n")))
}

fn call(view: &View, head: &http::request::Parts, body: Vec<u8>, cancel: &Cancel) -> Answer {
    let content_type = text(&head.headers, header::CONTENT_TYPE);
    let path = head.uri.path();
    let block = path == "/loki/api/v1/push" && !content_type.starts_with("application/json");
    let body = match expand(body, text(&head.headers, header::CONTENT_ENCODING), block) {
        Ok(body) => body,
        Err(bad) => {
            let (status, text) = bad.say();
            return plain(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), text);
        }
    };
    let flags = HeaderName::from_static("x-loki-response-encoding-flags");
    let request = surface::Request {
        method: head.method.as_str(),
        path,
        query: head.uri.query().unwrap_or_default(),
        content_type,
        accept: text(&head.headers, header::ACCEPT),
        encoding_flags: text(&head.headers, flags),
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

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn plain(status: StatusCode, body: &'static str) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response
}
