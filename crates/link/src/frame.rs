//! Frames: `be32 length || body`, where the first byte of the body is the message's kind.
//!
//! A reader is fed bytes as they come and never holds more than one frame of the limit it was made
//! with. A length is judged before a byte of the body is kept.

use alloc::vec::Vec;
use core::fmt;

/// Longest frame towards the gateway: a batch, its checkpoint and their envelope.
pub const UP_BYTES_MAX: usize = lucarne_ledger::batch::BATCH_BYTES_MAX + (64 << 10);
/// Longest frame towards the enclave: what the host may make it hold.
pub const DOWN_BYTES_MAX: usize = 64 << 10;

/// A frame that is empty or longer than its direction allows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BadLength {
    /// Length that the peer announced.
    pub bytes: usize,
    /// Longest that is allowed.
    pub max: usize,
}

impl fmt::Display for BadLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame of {} bytes; 1 to {} are allowed", self.bytes, self.max)
    }
}

impl core::error::Error for BadLength {}

/// Puts a frame around a body.
pub fn encode(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(body.len() + 4);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(body);
    out
}

/// Cuts a stream of bytes into frames.
#[derive(Debug)]
pub struct FrameReader {
    max: usize,
    buffer: Vec<u8>,
    start: usize,
}

impl FrameReader {
    /// A reader that accepts bodies of 1 to `max` bytes.
    pub const fn new(max: usize) -> Self {
        Self { max, buffer: Vec::new(), start: 0 }
    }

    /// Takes bytes from the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The body of the next whole frame, if there is one.
    ///
    /// # Errors
    /// When the announced length is not allowed; the stream cannot be read on.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, BadLength> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let Some((length, body)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let bytes = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if bytes == 0 || bytes > self.max {
            return Err(BadLength { bytes, max: self.max });
        }
        if body.len() < bytes {
            return Ok(None);
        }
        let from = self.start + 4;
        self.start = from + bytes;
        Ok(self.buffer.get(from..self.start))
    }
}

#[cfg(test)]
mod tests;
