//! One HTTP connection that is opened when needed and dropped when it broke.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::{Answer, Why};

/// A connection in one of the two HTTP versions that OTLP uses.
#[derive(Debug)]
pub(crate) enum Connection {
    /// gRPC: requests of several callers interleave on one connection.
    Http2(Arc<Mutex<Option<Http2>>>),
    /// OTLP/HTTP: one request at a time.
    Http1(Option<Http1>),
}

#[derive(Debug)]
pub(crate) struct Http2 {
    sender: http2::SendRequest<Full<Bytes>>,
    // Dropping the set ends the task that drives the connection.
    _driver: JoinSet<()>,
}

#[derive(Debug)]
pub(crate) struct Http1 {
    sender: http1::SendRequest<Full<Bytes>>,
    _driver: JoinSet<()>,
}

impl Connection {
    /// A connection for gRPC, not yet open.
    pub(crate) fn http2() -> Self {
        Self::Http2(Arc::new(Mutex::new(None)))
    }

    /// A connection for HTTP/1.1, not yet open.
    pub(crate) const fn http1() -> Self {
        Self::Http1(None)
    }

    /// The same connection for another caller; HTTP/1.1 cannot be shared, so its caller gets a new
    /// one.
    pub(crate) fn share(&self) -> Self {
        match self {
            Self::Http2(shared) => Self::Http2(Arc::clone(shared)),
            Self::Http1(_) => Self::http1(),
        }
    }

    /// Connects unless a usable connection is there.
    pub(crate) async fn open(&mut self, authority: &str) -> std::io::Result<()> {
        match self {
            Self::Http2(shared) => {
                let mut slot = shared.lock().await;
                if slot.as_ref().is_none_or(|open| open.sender.is_closed()) {
                    *slot = Some(Http2::connect(authority).await?);
                }
            }
            Self::Http1(slot) => {
                if slot.as_ref().is_none_or(|open| open.sender.is_closed()) {
                    *slot = Some(Http1::connect(authority).await?);
                }
            }
        }
        Ok(())
    }

    /// Sends a request; after an error the next [`open`](Self::open) connects anew.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Why> {
        match self {
            Self::Http2(shared) => {
                let mut sender = match shared.lock().await.as_ref() {
                    Some(open) => open.sender.clone(),
                    None => return Err(Why::Cut),
                };
                sender.send_request(request).await.map_err(|_| Why::Cut)
            }
            Self::Http1(slot) => {
                let Some(open) = slot.as_mut() else { return Err(Why::Cut) };
                let sent = match open.sender.ready().await {
                    Ok(()) => open.sender.send_request(request).await,
                    Err(cause) => Err(cause),
                };
                sent.map_err(|_| {
                    *slot = None;
                    Why::Cut
                })
            }
        }
    }
}

impl Http2 {
    async fn connect(authority: &str) -> std::io::Result<Self> {
        let io = TokioIo::new(connect(authority).await?);
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .handshake(io)
            .await
            .map_err(std::io::Error::other)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Its end shows as a failed request, which is judged there.
            connection.await.ok();
        });
        Ok(Self { sender, _driver: driver })
    }
}

impl Http1 {
    async fn connect(authority: &str) -> std::io::Result<Self> {
        let io = TokioIo::new(connect(authority).await?);
        let (sender, connection) = http1::handshake(io).await.map_err(std::io::Error::other)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            connection.await.ok();
        });
        Ok(Self { sender, _driver: driver })
    }
}

async fn connect(authority: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(authority).await?;
    stream.set_nodelay(true)?; // a batch must not wait for the acknowledgement of the one before
    Ok(stream)
}
