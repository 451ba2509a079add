//! The body of an answer: at most one buffer and, for gRPC, trailers.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// A body that is known whole before it is sent.
#[derive(Debug)]
pub(super) struct Answer {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Answer {
    /// Nothing but the head.
    pub(super) const fn empty() -> Self {
        Self { data: None, trailers: None }
    }

    /// One buffer.
    pub(super) fn whole(data: Vec<u8>) -> Self {
        Self { data: (!data.is_empty()).then(|| data.into()), trailers: None }
    }

    /// One buffer, then trailers.
    pub(super) fn trailed(data: Vec<u8>, trailers: HeaderMap) -> Self {
        Self { data: Some(data.into()), trailers: Some(trailers) }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match self.data.take() {
            Some(data) => Some(Frame::data(data)),
            None => self.trailers.take().map(Frame::trailers),
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, Bytes::len) as u64)
    }
}
