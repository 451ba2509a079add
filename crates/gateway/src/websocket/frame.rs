//! Frames of RFC 6455 §5.2: those of a server are written, those of a client are read.
//!
//! A client's frame is masked and short; it is a whole message. Refused: extensions, fragments of
//! messages, lengths in a spelling that is not the shortest.

/// What a client says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Frame {
    /// To be answered with the same bytes.
    Ping(Vec<u8>),
    /// It ends.
    Close,
    /// Text, bytes, or the answer to a ping.
    Other,
}

/// Bytes that are no frame of a client, or more than a client of `tail` has to say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WrongFrame;

impl std::fmt::Display for WrongFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not a short, masked frame of a WebSocket")
    }
}

impl std::error::Error for WrongFrame {}

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// The longest payload of a control frame, and all that is taken of any.
const SHORT_MAX: u8 = 125;
/// Payloads of 126 bytes and more have their length in the two bytes that follow this one.
const TWO_BYTES: u8 = 126;
/// Payloads of 64 KiB and more have it in the eight bytes that follow this one.
const EIGHT_BYTES: u8 = 127;

/// The first frame of these bytes with its length; `None` when more has to come.
///
/// # Errors
/// When it is none that a client of `tail` may send.
pub fn read(bytes: &[u8]) -> Result<Option<(Frame, usize)>, WrongFrame> {
    let Some((&[kind, length], rest)) = bytes.split_first_chunk::<2>() else { return Ok(None) };
    let short = length & !MASKED;
    if kind & !0x0f != FINAL || length & MASKED == 0 || short > SHORT_MAX {
        return Err(WrongFrame);
    }
    let Some((mask, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    let Some(payload) = rest.get(..usize::from(short)) else { return Ok(None) };
    let frame = match kind & 0x0f {
        TEXT | BINARY | PONG => Frame::Other,
        CLOSE => Frame::Close,
        PING => {
            let key = mask.iter().cycle();
            Frame::Ping(payload.iter().zip(key).map(|(byte, key)| byte ^ key).collect())
        }
        _ => return Err(WrongFrame),
    };
    Ok(Some((frame, 2 + 4 + usize::from(short))))
}

pub(super) fn text(message: &str) -> Vec<u8> {
    write(TEXT, message.as_bytes())
}

/// Asks whether the other end is still there.
pub(super) fn ping() -> Vec<u8> {
    write(PING, b"")
}

/// The answer to a ping.
pub(super) fn pong(payload: &[u8]) -> Vec<u8> {
    write(PONG, payload)
}

/// The end; of a long reason the beginning.
pub(super) fn close(code: u16, reason: &str) -> Vec<u8> {
    let end = reason.floor_char_boundary(usize::from(SHORT_MAX) - 2);
    let reason = reason.get(..end).unwrap_or_default();
    write(CLOSE, &[&code.to_be_bytes()[..], reason.as_bytes()].concat())
}

fn write(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 10);
    out.push(FINAL | kind);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length), _) if length <= SHORT_MAX => out.push(length),
        (_, Ok(length)) => {
            out.push(TWO_BYTES);
            out.extend_from_slice(&length.to_be_bytes());
        }
        (_, Err(_)) => {
            out.push(EIGHT_BYTES);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_a_client_are_masked_short_and_whole() {
        // RFC 6455 §5.7: a masked text "Hello".
        let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(read(&hello), Ok(Some((Frame::Other, 11))));
        let ping = [&[0x89][..], &hello[1..], &[0x88]].concat();
        assert_eq!(read(&ping), Ok(Some((Frame::Ping(b"Hello".to_vec()), 11))));
        for end in 0..11 {
            assert_eq!(read(&hello[..end]), Ok(None), "{end}");
        }
        for wrong in [
            [0x81, 0x05], // not masked
            [0x01, 0x85], // a fragment
            [0xc1, 0x85], // an extension
            [0x81, 0xfe], // long
            [0x83, 0x80], // no such kind
        ] {
            assert_eq!(read(&[&wrong[..], &[0; 8]].concat()), Err(WrongFrame), "{wrong:x?}");
        }
    }

    #[test]
    fn lengths_have_their_shortest_spelling() {
        let heads = [(125, 2), (126, 4), (65_535, 4), (65_536, 10)];
        for (length, head) in heads {
            let written = text(&"x".repeat(length));
            assert_eq!(written.len(), length + head, "{length}");
        }
        assert_eq!(text(&"x".repeat(126))[..4], [0x81, 126, 0, 126]);
        assert_eq!(text(&"x".repeat(65_536))[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(close(1011, &"ä".repeat(200)).len(), 2 + 2 + 122);
    }
}
