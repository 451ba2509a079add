//! A receiver that counts what it takes and answers as it is told: the other end of `lucarne send`.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// What a receiver does with one request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// `RESOURCE_EXHAUSTED` with a RetryInfo of 10 ms, or 429 with `Retry-After: 0`. Nothing is
    /// taken.
    Refuse,
    /// Takes the records and closes the connection without an answer.
    TakeAndCut,
    /// `INVALID_ARGUMENT` or 400.
    Malformed,
    /// A partial success that rejects three records.
    RejectThree,
}

/// What came in, and the answers that are still to be given before it takes everything.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    pub(crate) answers: Mutex<VecDeque<Answer>>,
    pub(crate) taken: Mutex<Vec<u8>>,
    pub(crate) requests: Mutex<Vec<(String, HeaderMap)>>,
}

impl Receiver {
    /// Listens until the runtime ends.
    pub(crate) async fn start(answers: &[Answer]) -> (Arc<Self>, SocketAddr) {
        let answers = Mutex::new(answers.iter().copied().collect());
        let receiver = Arc::new(Self { answers, ..Self::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&receiver);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    // "PRI * HTTP/2.0" against "POST": the second byte tells the versions apart.
                    let mut start = [0; 2];
                    while stream.peek(&mut start).await.unwrap() == 1 {}
                    let service = service_fn(|request| Arc::clone(&shared).answer(request));
                    let io = TokioIo::new(stream);
                    if start == *b"PR" {
                        let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        http2.serve_connection(io, service).await.ok();
                    } else {
                        let http1 = hyper::server::conn::http1::Builder::new();
                        http1.serve_connection(io, service).await.ok();
                    }
                });
            }
        });
        (receiver, address)
    }

    /// Execution ids that were taken, each once.
    pub(crate) fn executions(&self) -> BTreeSet<String> {
        let taken = self.taken.lock().unwrap();
        let text = String::from_utf8_lossy(&taken);
        let ids = text.match_indices("exec-").filter_map(|(at, _)| text.get(at..at + 19));
        ids.map(str::to_owned).collect()
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, std::io::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
        self.requests.lock().unwrap().push((head.uri.path().to_owned(), head.headers));
        let answer = self.answers.lock().unwrap().pop_front();
        let grpc = head.version == Version::HTTP_2;
        let taken = if grpc { &body[5..] } else { &body[..] };
        match answer {
            None | Some(Answer::TakeAndCut | Answer::RejectThree) => {
                self.taken.lock().unwrap().extend_from_slice(taken);
            }
            Some(Answer::Refuse | Answer::Malformed) => {}
        }
        Ok(match (answer, grpc) {
            (Some(Answer::TakeAndCut), _) => return Err(std::io::Error::other("cut")),
            (Some(Answer::Refuse), true) => status("8", Some(RETRY_INFO)),
            (Some(Answer::Refuse), false) => plain(StatusCode::TOO_MANY_REQUESTS),
            (Some(Answer::Malformed), true) => status("3", None),
            (Some(Answer::Malformed), false) => plain(StatusCode::BAD_REQUEST),
            (Some(Answer::RejectThree), _) => success(b"\x0a\x02\x08\x03", grpc),
            (None, _) => success(b"", grpc),
        })
    }
}

fn success(message: &[u8], grpc: bool) -> Response<Full<Bytes>> {
    let mut body = Vec::new();
    if grpc {
        body.extend_from_slice(&[0, 0, 0, 0, u8::try_from(message.len()).unwrap()]);
    }
    body.extend_from_slice(message);
    let mut response = Response::new(Full::new(Bytes::from(body)));
    if grpc {
        // Without a body that ends in trailers, the status stands among the headers, which clients
        // take too.
        response.headers_mut().insert("grpc-status", HeaderValue::from_static("0"));
    }
    response
}

fn status(code: &'static str, details: Option<&'static str>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    response.headers_mut().insert("grpc-status", HeaderValue::from_static(code));
    if let Some(details) = details {
        let details = HeaderValue::from_static(details);
        response.headers_mut().insert("grpc-status-details-bin", details);
    }
    response
}

fn plain(code: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = code;
    response.headers_mut().insert("retry-after", HeaderValue::from_static("0"));
    response
}

/// `Status { code 8, details [RetryInfo { 0.01 s }] }`.
const RETRY_INFO: &str =
    "CAgaMwoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIHCgUQgK3iBA==";
