//! Gathering and the byte budget.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Frame, SizeHint};

use super::super::tests::Sink;
use super::*;

struct Pieces(VecDeque<Bytes>, u64);

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.pop_front().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.1);
        hint
    }
}

fn gate(budget: usize) -> Gate<Sink> {
    let limits = Limits {
        body_bytes_max: 0,
        decoded_bytes_max: 0,
        in_flight_bytes_max: budget,
        ..Limits::STANDARD
    };
    Gate::new(Arc::new(Sink::default()), limits, Arc::new(Counters::new()))
}

async fn read(
    gate: &Gate<Sink>,
    lease: &mut Lease,
    pieces: &[Bytes],
    hint: u64,
) -> Result<Bytes, Reason> {
    let body = Pieces(pieces.iter().cloned().collect(), hint);
    gate.read(body, 100, |_| None, lease).await.map_err(|refused| refused.reason)
}

#[tokio::test]
async fn one_piece_is_not_copied() {
    let gate = gate(1000);
    let piece = Bytes::from(vec![7; 100]);
    let body = read(&gate, &mut gate.lease(), &[Bytes::new(), piece.clone()], 100).await.unwrap();
    assert_eq!(body.as_ptr(), piece.as_ptr());
    assert_eq!(body, piece);
}

#[tokio::test]
async fn pieces_are_joined_in_order() {
    let gate = gate(1000);
    let pieces = [&b"ab"[..], b"", b"c", b"de"].map(Bytes::from_static);
    assert_eq!(read(&gate, &mut gate.lease(), &pieces, 0).await, Ok(Bytes::from_static(b"abcde")));
    assert_eq!(read(&gate, &mut gate.lease(), &[], 0).await, Ok(Bytes::new()));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_when_announced_and_when_sent() {
    let gate = gate(1000);
    let large = [Bytes::from(vec![0; 60]), Bytes::from(vec![0; 41])];
    assert_eq!(read(&gate, &mut gate.lease(), &large, 0).await, Err(Reason::TooLarge));
    assert_eq!(read(&gate, &mut gate.lease(), &[], 101).await, Err(Reason::TooLarge));
    assert_eq!(gate.bytes.available_permits(), 1000);
}

#[tokio::test]
async fn the_budget_covers_what_is_held_and_gets_it_back() {
    let gate = gate(100);
    let mut first = gate.lease();
    read(&gate, &mut first, &[Bytes::from(vec![0; 70])], 0).await.unwrap();
    assert_eq!(gate.bytes.available_permits(), 30);
    let second = [Bytes::from(vec![0; 31])];
    assert_eq!(read(&gate, &mut gate.lease(), &second, 0).await, Err(Reason::Bytes));
    drop(first);
    assert_eq!(gate.bytes.available_permits(), 100);
    assert_eq!(read(&gate, &mut gate.lease(), &second, 0).await, Ok(second[0].clone()));
}
