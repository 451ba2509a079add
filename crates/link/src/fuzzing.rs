//! Entry points for fuzzing: total functions over arbitrary bytes.
//!
//! What is read must be written as it came, and a stream must give the same frames however it is
//! cut into pieces.

use alloc::vec::Vec;

use crate::access::Certificate;
use crate::channel::message::{Ask, Tell};
use crate::constant;
use crate::frame::{BadLength, FrameReader};
use crate::message::{Down, Up};

/// Small, so that a short input reaches both sides of the limit.
const FRAME_BYTES_MAX: usize = 300;

/// Reads the bytes as a message towards the gateway.
///
/// # Panics
/// When it has a second spelling, which is a bug.
pub fn fuzz_up(bytes: &[u8]) {
    if let Ok(message) = Up::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
}

/// Reads the bytes as a message towards the enclave.
///
/// # Panics
/// When it has a second spelling, which is a bug.
pub fn fuzz_down(bytes: &[u8]) {
    if let Ok(message) = Down::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
}

/// Reads the bytes as a message of the channel towards the enclave.
///
/// # Panics
/// When it has a second spelling, which is a bug.
pub fn fuzz_channel_ask(bytes: &[u8]) {
    if let Ok(message) = Ask::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
}

/// Reads the bytes as a message of the channel towards the client.
///
/// # Panics
/// When it has a second spelling, which is a bug.
pub fn fuzz_channel_tell(bytes: &[u8]) {
    if let Ok(message) = Tell::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
}

/// Reads the bytes as a certificate of access.
///
/// # Panics
/// When what is read would be written otherwise, which is a bug.
pub fn fuzz_access_certificate(bytes: &[u8]) {
    if let Ok(claimed) = Certificate::parse(bytes) {
        let signed = claimed.unverified().to_be_signed();
        assert!(signed.is_ok_and(|signed| bytes.windows(signed.len()).any(|at| at == signed)));
    }
}

/// Reads the bytes as the content of a decrypted cell.
///
/// # Panics
/// When what is read could have been padded otherwise, which is a bug.
pub fn fuzz_cell(bytes: &[u8]) {
    if let Ok(content) = constant::content(bytes) {
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let mut written = [&length.to_be_bytes()[..], content].concat();
        written.resize(bytes.len(), 0);
        assert_eq!(written, bytes);
    }
}

/// Reads the bytes as a stream of frames, at once and byte by byte.
///
/// # Panics
/// When the two differ, or a frame is not of an allowed length: both are bugs.
pub fn fuzz_frame(bytes: &[u8]) {
    let whole = frames(bytes, bytes.len().max(1));
    assert_eq!(frames(bytes, 1), whole);
    assert!(whole.0.iter().all(|body| (1..=FRAME_BYTES_MAX).contains(&body.len())));
}

fn frames(bytes: &[u8], step: usize) -> (Vec<Vec<u8>>, Option<BadLength>) {
    let mut reader = FrameReader::new(FRAME_BYTES_MAX);
    let mut bodies = Vec::new();
    for piece in bytes.chunks(step) {
        reader.feed(piece);
        loop {
            match reader.next_frame() {
                Ok(Some(body)) => bodies.push(body.to_vec()),
                Ok(None) => break,
                Err(error) => return (bodies, Some(error)),
            }
        }
    }
    (bodies, None)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use lucarne_testkit::replay;

    use super::*;

    #[test]
    fn corpora_are_replayed() {
        replay("link_up", fuzz_up);
        replay("link_down", fuzz_down);
        replay("link_frame", fuzz_frame);
        replay("link_cell", fuzz_cell);
        replay("link_channel_ask", fuzz_channel_ask);
        replay("link_channel_tell", fuzz_channel_tell);
        replay("link_access_certificate", fuzz_access_certificate);
    }
}
