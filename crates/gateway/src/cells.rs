//! The gateway's end of constant egress: frames of one size at one rate, in both directions.
//!
//! An enclave that is configured for it offers a shape and a key before it sends anything; what
//! the gateway then has to say waits for its slot like everything else. Refused: a peer that asks
//! for more answers than its slots can carry.

use std::time::Duration;

use aws_lc_rs::rand;
use lucarne_ledger::identity::EpochId;
use lucarne_ledger::key::Signer;
use lucarne_link::constant::{self, CellReceiver, CellSender, ConstantError, Shape};
use lucarne_link::frame::{self, FrameReader};
use tokio::time::Instant;

/// Answers that wait for a slot: a thousand acknowledgements. Heads of ledgers replace each other
/// before they are sent, so an honest enclave is owed a few.
const WAITING_BYTES_MAX: usize = 256 << 10;

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    shape: Shape,
    sender: CellSender,
    receiver: CellReceiver,
    began: Instant,
    slot: u64,
    leaves: Instant,
}

/// Why a session with constant egress ends.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum CellsError {
    /// The peer's doing, or a library that fails.
    Constant(ConstantError),
    /// The peer is owed more than its slots carry.
    TooMuch,
    /// What comes is no frame.
    Frame(frame::BadLength),
}

impl std::fmt::Display for CellsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Constant(error) => write!(f, "{error}"),
            Self::TooMuch => write!(f, "more answers wait than constant egress carries"),
            Self::Frame(error) => write!(f, "{error}"),
        }
    }
}

impl From<ConstantError> for CellsError {
    fn from(error: ConstantError) -> Self {
        Self::Constant(error)
    }
}

impl Session {
    /// Takes an offer: the session, and the message to send, the last one in the clear.
    pub(crate) fn accept(
        shape: Shape,
        offered: &[u8; 32],
        epoch: EpochId,
        signer: &impl Signer,
    ) -> Result<(Self, Vec<u8>), CellsError> {
        let mut secret = [0; 32];
        rand::fill(&mut secret).map_err(|_| ConstantError::Key)?;
        let (cells, message) = constant::answer(shape, offered, epoch, &secret, signer)?;
        let constant::Cells { sender, receiver } = cells;
        let began = Instant::now();
        let leaves = began + departure(shape, 0)?;
        Ok((Self { shape, sender, receiver, began, slot: 0, leaves }, message))
    }

    /// The next message of the enclave, out of what was read.
    pub(crate) fn incoming(
        &mut self,
        frames: &mut FrameReader,
    ) -> Result<Option<&[u8]>, CellsError> {
        while let Some(cell) = frames.next_frame().map_err(CellsError::Frame)? {
            self.receiver.take(cell)?;
        }
        Ok(self.receiver.next_frame()?)
    }

    /// Takes a message to be sent in the slots that follow.
    pub(crate) fn push(&mut self, body: &[u8]) -> Result<(), CellsError> {
        if self.sender.waiting() > WAITING_BYTES_MAX {
            return Err(CellsError::TooMuch);
        }
        self.sender.push(&frame::encode(body));
        Ok(())
    }

    /// When the next frame leaves.
    pub(crate) const fn leaves(&self) -> Instant {
        self.leaves
    }

    /// The frame of this moment; the next one has another.
    pub(crate) fn depart(&mut self) -> Result<Vec<u8>, CellsError> {
        let past = self.shape.slot(self.began.elapsed());
        self.slot = self.slot.saturating_add(1).max(past);
        self.leaves = self.began + departure(self.shape, self.slot)?;
        Ok(self.sender.next_frame()?)
    }
}

fn departure(shape: Shape, slot: u64) -> Result<Duration, ConstantError> {
    let mut random = [0; 4];
    rand::fill(&mut random).map_err(|_| ConstantError::Key)?;
    Ok(shape.departure(slot, u32::from_be_bytes(random)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lucarne_ledger::key::Ed25519Key;
    use lucarne_link::constant::Offer;
    use lucarne_link::message::Up;

    #[tokio::test(start_paused = true)]
    async fn what_is_owed_is_bounded_and_leaves_slot_by_slot() {
        let (shape, epoch) = (Shape::new(100, 1024).unwrap(), EpochId([1; 16]));
        let (_offer, message) = Offer::draw(shape, epoch, &[2; 32]).unwrap();
        let Ok(Up::Constant { key, .. }) = Up::decode(&message) else { panic!() };
        let signer = Ed25519Key::from_seed(&[3; 32]).unwrap();
        let (mut session, _) = Session::accept(shape, &key, epoch, &signer).unwrap();
        let began = session.began;
        let accepted = (0..10_000).take_while(|_| session.push(&[7; 1_000]).is_ok()).count();
        assert_eq!(accepted, WAITING_BYTES_MAX / 1_004 + 1);
        assert_eq!(session.push(&[7]), Err(CellsError::TooMuch));
        let mut at = Vec::new();
        for _ in 0..5 {
            tokio::time::sleep_until(session.leaves()).await;
            assert_eq!(session.depart().unwrap().len(), constant::DOWN_FRAME_BYTES);
            at.push(began.elapsed().as_millis());
        }
        for (slot, ms) in (0_u128..).zip(at) {
            assert!((slot * 100..=slot * 100 + 51).contains(&ms), "slot {slot} at {ms} ms");
        }
        // Five cells have made room for nearly twenty messages more.
        assert_eq!(session.push(&[7]), Ok(()));
    }
}
