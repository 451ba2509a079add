//! Constant egress: frames of one size at one rate, so that neither lengths nor times tell what is
//! sent, nor whether anything is.
//!
//! Behind the handshake the enclave offers a key and a shape; the gateway answers with a key that
//! its pinned key has signed. From then on the stream of frames is cut into cells, padded and
//! encrypted, in both directions. Whoever is between the two sees cells; the gateway itself sees
//! what it always sees. Refused: a shape out of bounds, an answer that the pinned key has not
//! signed, a cell that does not decrypt or whose padding is not zero.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use lucarne_ledger::identity::EpochId;
use lucarne_ledger::key::{PublicKey, Signer};

use crate::frame::{BadLength, DOWN_BYTES_MAX, FrameReader, UP_BYTES_MAX};
use crate::message::{Down, Up};

/// Time between two frames, in milliseconds. Below ten the timer of a busy machine shows through;
/// above a minute nobody would know whether the enclave lives.
const INTERVAL_MS: core::ops::RangeInclusive<u64> = 10..=60_000;
/// Size of a frame towards the gateway, its length included: one that holds something, and one that
/// the gateway reads as any other.
const FRAME_BYTES: core::ops::RangeInclusive<u64> = 1 << 10..=1 << 20;
/// Size of a frame towards the enclave: an acknowledgement has 300 bytes; what is longer is cut.
pub const DOWN_FRAME_BYTES: usize = 4 << 10;
/// The length in front of a frame, the length in front of its content, and the tag behind it.
const AROUND_BYTES: usize = 4 + 4 + 16;
/// Separates what is signed here from whatever else the key signs.
const SIGNED: &[u8] = b"lucarne/v1/constant";

/// How large the frames towards the gateway are and how often one leaves, in both directions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shape {
    interval_ms: u64,
    frame_bytes: u64,
}

/// Why there is no constant egress, or no longer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConstantError {
    /// The pinned key has not signed the answer.
    Signature,
    /// A key or a random number that is none, or a library that fails.
    Key,
    /// A cell that does not decrypt, or is not of the one size.
    Cell,
    /// A cell whose content is longer than it, or whose padding is not zero.
    Padding,
    /// A frame inside of the cells.
    Frame(BadLength),
}

impl fmt::Display for ConstantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature => write!(f, "the key of constant egress is not the gateway's"),
            Self::Key => write!(f, "no key for constant egress can be made"),
            Self::Cell => write!(f, "a frame of constant egress does not decrypt"),
            Self::Padding => write!(f, "a frame of constant egress is padded wrongly"),
            Self::Frame(_) => write!(f, "a frame inside of constant egress is not one"),
        }
    }
}

impl core::error::Error for ConstantError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Frame(error) => Some(error),
            Self::Signature | Self::Key | Self::Cell | Self::Padding => None,
        }
    }
}

impl Shape {
    /// A shape, if both numbers are within bounds.
    pub fn new(interval_ms: u64, frame_bytes: u64) -> Option<Self> {
        let fits = INTERVAL_MS.contains(&interval_ms) && FRAME_BYTES.contains(&frame_bytes);
        fits.then_some(Self { interval_ms, frame_bytes })
    }

    /// Milliseconds between two frames.
    pub const fn interval_ms(&self) -> u64 {
        self.interval_ms
    }

    /// Bytes of a frame towards the gateway, its length included.
    pub const fn frame_bytes(&self) -> u64 {
        self.frame_bytes
    }

    /// When the frame of a slot leaves, from the beginning: at a random moment of the first half.
    ///
    /// The scheduler of a busy machine is late by more than that of an idle one; what it adds is
    /// lost in a spread that is a thousand times wider and knows nothing of the load.
    pub fn departure(&self, slot: u64, random: u32) -> Duration {
        let begin = Duration::from_millis(self.interval_ms.saturating_mul(slot));
        let half_ns = u128::from(self.interval_ms) * 500_000;
        let ns = (half_ns * u128::from(random)) >> 32;
        begin.saturating_add(Duration::from_nanos(u64::try_from(ns).unwrap_or(0)))
    }

    /// The slot that a moment lies in, counted from the beginning.
    pub fn slot(&self, since: Duration) -> u64 {
        let slot = since.as_millis() / u128::from(self.interval_ms.max(1));
        u64::try_from(slot).unwrap_or(u64::MAX)
    }

    fn frame(&self) -> usize {
        usize::try_from(self.frame_bytes).unwrap_or(usize::MAX)
    }
}

/// The enclave has offered a shape and waits for the gateway's key.
pub struct Offer {
    shape: Shape,
    epoch: EpochId,
    secret: PrivateKey,
    public: [u8; 32],
}

/// The two directions at one end.
#[derive(Debug)]
pub struct Cells {
    /// What this end sends.
    pub sender: CellSender,
    /// What this end receives.
    pub receiver: CellReceiver,
}

impl Offer {
    /// Offers a shape for a session of `epoch`: the state, and the message to send. `secret` is 32
    /// fresh random bytes.
    ///
    /// # Errors
    /// When the library makes no key of them.
    pub fn draw(
        shape: Shape,
        epoch: EpochId,
        secret: &[u8; 32],
    ) -> Result<(Self, Vec<u8>), ConstantError> {
        let (secret, public) = pair(secret)?;
        let message = Up::Constant { shape, key: public }.encode();
        Ok((Self { shape, epoch, secret, public }, message))
    }

    /// What was offered.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Takes the gateway's answer.
    ///
    /// # Errors
    /// When `pinned` has not signed it for this very offer, or its key is none.
    pub fn answered(
        self,
        key: &[u8; 32],
        signature: &[u8; 64],
        pinned: &PublicKey,
    ) -> Result<Cells, ConstantError> {
        let transcript = transcript(self.shape, self.epoch, &self.public, key);
        if !pinned.verifies(&transcript, signature) {
            return Err(ConstantError::Signature);
        }
        let [up, down] = keys(&self.secret, key, &transcript)?;
        Ok(Cells {
            sender: CellSender::new(up, self.shape.frame()),
            receiver: CellReceiver::new(down, DOWN_FRAME_BYTES, DOWN_BYTES_MAX),
        })
    }
}

/// The gateway's answer to an offer: its end, and the message to send, which is the last one in the
/// clear. `secret` is 32 fresh random bytes.
///
/// The offered key is vouched for by nobody, and need not be: what comes by it proves itself, and
/// what goes by it is worth nothing to anybody but the enclave.
///
/// # Errors
/// When the offered key is none, or nothing can be signed.
pub fn answer(
    shape: Shape,
    offered: &[u8; 32],
    epoch: EpochId,
    secret: &[u8; 32],
    signer: &impl Signer,
) -> Result<(Cells, Vec<u8>), ConstantError> {
    let (secret, public) = pair(secret)?;
    let transcript = transcript(shape, epoch, offered, &public);
    let [up, down] = keys(&secret, offered, &transcript)?;
    let signature = signer.sign(&transcript).map_err(|_| ConstantError::Key)?;
    let cells = Cells {
        sender: CellSender::new(down, DOWN_FRAME_BYTES),
        receiver: CellReceiver::new(up, shape.frame(), UP_BYTES_MAX),
    };
    Ok((cells, Down::Constant { key: public, signature }.encode()))
}

fn pair(secret: &[u8; 32]) -> Result<(PrivateKey, [u8; 32]), ConstantError> {
    let secret = PrivateKey::from_private_key(&X25519, secret).map_err(|_| ConstantError::Key)?;
    let public = secret.compute_public_key().map_err(|_| ConstantError::Key)?;
    let public = public.as_ref().try_into().map_err(|_| ConstantError::Key)?;
    Ok((secret, public))
}

/// What is signed, and what the keys depend on: `label || epoch || be64 interval || be64 size ||
/// the enclave's key || the gateway's key`.
fn transcript(shape: Shape, epoch: EpochId, offered: &[u8; 32], answered: &[u8; 32]) -> Vec<u8> {
    let numbers = [shape.interval_ms.to_be_bytes(), shape.frame_bytes.to_be_bytes()].concat();
    [SIGNED, &epoch.0, &numbers, offered, answered].concat()
}

struct KeyBytes;

impl KeyType for KeyBytes {
    fn len(&self) -> usize {
        32
    }
}

/// The keys towards the gateway and towards the enclave.
fn keys(
    own: &PrivateKey,
    peer: &[u8; 32],
    transcript: &[u8],
) -> Result<[LessSafeKey; 2], ConstantError> {
    let peer = UnparsedPublicKey::new(&X25519, peer);
    agreement::agree(own, peer, ConstantError::Key, |shared| {
        let secret = Salt::new(HKDF_SHA256, transcript).extract(shared);
        let key = |way: &[u8]| {
            let mut key = [0; 32];
            let info = [way];
            let okm = secret.expand(&info, KeyBytes).map_err(|_| ConstantError::Key)?;
            okm.fill(&mut key).map_err(|_| ConstantError::Key)?;
            let key = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| ConstantError::Key)?;
            Ok(LessSafeKey::new(key))
        };
        Ok([key(b"up")?, key(b"down")?])
    })
}

/// Cuts what is to be sent into cells of one size.
pub struct CellSender {
    key: LessSafeKey,
    // INVARIANT: never used twice with this key
    number: u64,
    frame_bytes: usize,
    waiting: Vec<u8>,
    start: usize,
}

impl CellSender {
    const fn new(key: LessSafeKey, frame_bytes: usize) -> Self {
        Self { key, number: 0, frame_bytes, waiting: Vec::new(), start: 0 }
    }

    /// Whether the next cell has room that nothing fills yet.
    pub const fn has_room(&self) -> bool {
        self.waiting() < self.frame_bytes.saturating_sub(AROUND_BYTES)
    }

    /// Bytes that wait for a cell.
    pub const fn waiting(&self) -> usize {
        self.waiting.len().saturating_sub(self.start)
    }

    /// Takes a frame to be sent in the cells that follow.
    pub fn push(&mut self, frame: &[u8]) {
        if self.start > 0 {
            self.waiting.drain(..self.start);
            self.start = 0;
        }
        self.waiting.extend_from_slice(frame);
    }

    /// The next frame of the one size, whether or not anything waits.
    ///
    /// # Errors
    /// When the library cannot encrypt; the session must end.
    pub fn next_frame(&mut self) -> Result<Vec<u8>, ConstantError> {
        let sealed_bytes = self.frame_bytes.saturating_sub(4);
        let room = self.frame_bytes.saturating_sub(AROUND_BYTES);
        let end = self.start.saturating_add(room).min(self.waiting.len());
        let content = self.waiting.get(self.start..end).unwrap_or_default();
        let mut plain = Vec::with_capacity(self.frame_bytes);
        plain.extend_from_slice(&length(content.len()));
        plain.extend_from_slice(content);
        plain.resize(sealed_bytes.saturating_sub(16), 0);
        self.start = end;
        let nonce = nonce(&mut self.number)?;
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::empty(), &mut plain)
            .map_err(|_| ConstantError::Key)?;
        let mut frame = Vec::with_capacity(self.frame_bytes);
        frame.extend_from_slice(&length(sealed_bytes));
        frame.extend_from_slice(&plain);
        frame.extend_from_slice(tag.as_ref());
        Ok(frame)
    }
}

impl fmt::Debug for CellSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CellSender")
    }
}

/// Puts frames together from cells.
pub struct CellReceiver {
    key: LessSafeKey,
    number: u64,
    frame_bytes: usize,
    frames: FrameReader,
}

impl CellReceiver {
    const fn new(key: LessSafeKey, frame_bytes: usize, inner_max: usize) -> Self {
        Self { key, number: 0, frame_bytes, frames: FrameReader::new(inner_max) }
    }

    /// Takes the body of a frame of the stream.
    ///
    /// # Errors
    /// When it is not the next cell; the session must end.
    pub fn take(&mut self, body: &[u8]) -> Result<(), ConstantError> {
        if body.len() != self.frame_bytes.saturating_sub(4) {
            return Err(ConstantError::Cell);
        }
        let mut sealed = body.to_vec();
        let nonce = nonce(&mut self.number)?;
        let plain = self.key.open_in_place(nonce, Aad::empty(), &mut sealed);
        let plain = plain.map_err(|_| ConstantError::Cell)?;
        self.frames.feed(content(plain)?);
        Ok(())
    }

    /// The body of the next whole frame, if there is one.
    ///
    /// # Errors
    /// When what the cells hold is no frame; the session must end.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, ConstantError> {
        self.frames.next_frame().map_err(ConstantError::Frame)
    }
}

impl fmt::Debug for CellReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CellReceiver")
    }
}

/// What a cell carries: `be32 length || content || zeros`.
pub(crate) fn content(plain: &[u8]) -> Result<&[u8], ConstantError> {
    let (length, rest) = plain.split_first_chunk::<4>().ok_or(ConstantError::Padding)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let (content, padding) = rest.split_at_checked(length).ok_or(ConstantError::Padding)?;
    if padding.iter().all(|byte| *byte == 0) { Ok(content) } else { Err(ConstantError::Padding) }
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes()
}

fn nonce(number: &mut u64) -> Result<Nonce, ConstantError> {
    let mut nonce = [0; 12];
    if let Some(tail) = nonce.last_chunk_mut::<8>() {
        *tail = number.to_be_bytes();
    }
    *number = number.checked_add(1).ok_or(ConstantError::Key)?;
    Ok(Nonce::assume_unique_for_key(nonce))
}

#[cfg(test)]
mod tests;
