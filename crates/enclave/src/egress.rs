//! When bytes leave on the uplink: at once, or in frames of one size at one rate.
//!
//! With a constant shape nothing leaves behind the handshake but cells, one a slot, made before
//! their slot begins so that no work stands between a moment and its frame. What does not fit waits
//! where it always waits, in the outbox under its budget, and the receivers push back. Refused: a
//! gateway that does not answer the offer, or answers what nobody asked.

use std::time::Duration;

use lucarne_ledger::identity::EpochId;
use lucarne_ledger::key::PublicKey;
use lucarne_link::constant::{CellReceiver, CellSender, Cells, ConstantError, Offer, Shape};
use lucarne_link::frame::FrameReader;
use lucarne_link::session::SessionError;
use tokio::time::{Instant, sleep_until};

use crate::entropy;
use crate::uplink::LinkError;

/// How the bytes of one session leave.
pub(crate) enum Egress {
    /// As soon as there are some.
    AtOnce,
    /// Not until the gateway has answered.
    Asked(Offer),
    /// One cell a slot.
    Constant(Box<Constant>),
}

/// A frame to be written.
pub(crate) struct Departure {
    pub(crate) frame: Vec<u8>,
    /// Whether the host has moved something by it: with constant egress a frame tells nothing.
    pub(crate) moves: bool,
}

/// Both directions of a session with constant egress.
pub(crate) struct Constant {
    shape: Shape,
    sender: CellSender,
    receiver: CellReceiver,
    began: Instant,
    slot: u64,
    leaves: Instant,
    // made ahead, and whether it carries anything
    ready: (Vec<u8>, bool),
}

impl Egress {
    /// The state at the begin of a session, and the frame to send first, if there is one.
    pub(crate) fn begin(
        shape: Option<Shape>,
        epoch: EpochId,
    ) -> Result<(Self, Option<Vec<u8>>), LinkError> {
        let Some(shape) = shape else { return Ok((Self::AtOnce, None)) };
        let secret = entropy::bytes().map_err(|_| LinkError::Egress(ConstantError::Key))?;
        let (offer, message) = Offer::draw(shape, epoch, &secret).map_err(LinkError::Egress)?;
        Ok((Self::Asked(offer), Some(message)))
    }

    /// Takes the gateway's answer.
    pub(crate) fn answered(
        self,
        key: &[u8; 32],
        signature: &[u8; 64],
        pinned: &PublicKey,
    ) -> Result<Self, LinkError> {
        match self {
            Self::Asked(offer) => {
                let shape = offer.shape();
                let cells = offer.answered(key, signature, pinned).map_err(LinkError::Egress)?;
                Constant::begin(shape, cells).map(|constant| Self::Constant(Box::new(constant)))
            }
            Self::AtOnce | Self::Constant(_) => Err(LinkError::Session(SessionError::OutOfOrder)),
        }
    }

    /// The next message of the gateway, out of what was read.
    pub(crate) fn incoming(
        &mut self,
        frames: &mut FrameReader,
    ) -> Result<Option<Vec<u8>>, LinkError> {
        let Self::Constant(constant) = self else {
            let body = frames.next_frame().map_err(LinkError::Length)?;
            return Ok(body.map(<[u8]>::to_vec));
        };
        loop {
            if let Some(body) = constant.receiver.next_frame().map_err(LinkError::Egress)? {
                return Ok(Some(body.to_vec()));
            }
            let Some(cell) = frames.next_frame().map_err(LinkError::Length)? else {
                return Ok(None);
            };
            constant.receiver.take(cell).map_err(LinkError::Egress)?;
        }
    }

    /// The frame that leaves now, if one does; `next` gives what waits.
    pub(crate) fn outgoing(
        &mut self,
        next: impl FnMut() -> Option<Vec<u8>>,
    ) -> Result<Option<Departure>, LinkError> {
        match self {
            Self::AtOnce => {
                let mut next = next;
                Ok(next().map(|frame| Departure { frame, moves: false }))
            }
            Self::Asked(_) => Ok(None),
            Self::Constant(constant) => constant.outgoing(next),
        }
    }

    /// Waits for the moment of the next frame; for ever, where frames have none.
    pub(crate) async fn moment(&self) {
        match self {
            Self::Constant(constant) => sleep_until(constant.leaves).await,
            Self::AtOnce | Self::Asked(_) => std::future::pending().await,
        }
    }
}

impl Constant {
    fn begin(shape: Shape, cells: Cells) -> Result<Self, LinkError> {
        let Cells { mut sender, receiver } = cells;
        let began = Instant::now();
        let ready = (sender.next_frame().map_err(LinkError::Egress)?, false);
        let leaves = began + departure(shape, 0)?;
        Ok(Self { shape, sender, receiver, began, slot: 0, leaves, ready })
    }

    fn outgoing(
        &mut self,
        mut next: impl FnMut() -> Option<Vec<u8>>,
    ) -> Result<Option<Departure>, LinkError> {
        let now = Instant::now();
        if now < self.leaves {
            return Ok(None);
        }
        while self.sender.has_room() {
            let Some(frame) = next() else { break };
            self.sender.push(&frame);
        }
        let carries = self.sender.waiting() > 0;
        let made = self.sender.next_frame().map_err(LinkError::Egress)?;
        let (frame, moves) = std::mem::replace(&mut self.ready, (made, carries));
        // A host that did not read has cost its slots; they are not made up for.
        self.slot = self.slot.saturating_add(1).max(self.shape.slot(now - self.began));
        self.leaves = self.began + departure(self.shape, self.slot)?;
        Ok(Some(Departure { frame, moves }))
    }
}

fn departure(shape: Shape, slot: u64) -> Result<Duration, LinkError> {
    let random = entropy::bytes().map_err(|_| LinkError::Egress(ConstantError::Key))?;
    Ok(shape.departure(slot, u32::from_be_bytes(random)))
}
