//! Content encodings of pushes: gzip by header, and the snappy block of Loki's protobuf by path.
//!
//! A body says how long it becomes, or is cut off: memory is bounded before anything is expanded.

use std::io::Read as _;

use http::StatusCode;

/// Bytes of a body as it comes.
pub(super) const BODY_BYTES_MAX: usize = 16 << 20;
/// Bytes of a body once it is expanded; what JSON becomes in memory is a few times that.
const EXPANDED_BYTES_MAX: usize = 64 << 20;

/// Why a body cannot be expanded, with its status.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BadBody {
    /// Another encoding.
    Unknown,
    /// It is not what it says.
    Malformed,
    /// It becomes too long.
    TooLong,
}

impl BadBody {
    pub(super) const fn say(self) -> (StatusCode, &'static str) {
        match self {
            Self::Unknown => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the content encoding must be gzip, snappy or identity\n",
            ),
            Self::Malformed => {
                (StatusCode::BAD_REQUEST, "the body does not have the encoding that it says\n")
            }
            Self::TooLong => {
                (StatusCode::PAYLOAD_TOO_LARGE, "the body becomes longer than 64 MiB\n")
            }
        }
    }
}

/// The body without its encodings. `block` is what the protobuf of a push has around it.
pub(super) fn expand(body: Vec<u8>, encoding: &str, block: bool) -> Result<Vec<u8>, BadBody> {
    let body = match encoding {
        "" | "identity" => body,
        "gzip" => gunzip(&body)?,
        "snappy" if block => body,
        "snappy" => unsnap(&body)?,
        _ => return Err(BadBody::Unknown),
    };
    if block { unsnap(&body) } else { Ok(body) }
}

fn gunzip(body: &[u8]) -> Result<Vec<u8>, BadBody> {
    let mut out = Vec::new();
    let decoder = flate2::read::MultiGzDecoder::new(body);
    let limit = EXPANDED_BYTES_MAX as u64 + 1;
    decoder.take(limit).read_to_end(&mut out).map_err(|_| BadBody::Malformed)?;
    if out.len() > EXPANDED_BYTES_MAX { Err(BadBody::TooLong) } else { Ok(out) }
}

fn unsnap(body: &[u8]) -> Result<Vec<u8>, BadBody> {
    let length = snap::raw::decompress_len(body).map_err(|_| BadBody::Malformed)?;
    if length > EXPANDED_BYTES_MAX {
        return Err(BadBody::TooLong);
    }
    snap::raw::Decoder::new().decompress_vec(body).map_err(|_| BadBody::Malformed)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn snappy(bytes: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(bytes).unwrap()
    }

    #[test]
    fn each_encoding_is_undone() {
        for (body, encoding, block) in [
            (b"abc".to_vec(), "", false),
            (b"abc".to_vec(), "identity", false),
            (gzip(b"abc"), "gzip", false),
            (snappy(b"abc"), "snappy", false),
            (snappy(b"abc"), "snappy", true),
            (snappy(b"abc"), "", true),
            (gzip(&snappy(b"abc")), "gzip", true),
        ] {
            assert_eq!(expand(body, encoding, block), Ok(b"abc".to_vec()), "{encoding} {block}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(expand(b"abc".to_vec(), "br", false), Err(BadBody::Unknown));
        assert_eq!(expand(b"abc".to_vec(), "gzip", false), Err(BadBody::Malformed));
        assert_eq!(expand(b"\xff\xff\xff\xff\xff".to_vec(), "", true), Err(BadBody::Malformed));
        assert_eq!(expand(vec![0xff, 0xff, 0xff, 0x7f, 0], "", true), Err(BadBody::TooLong));
        let bomb = gzip(&vec![0; EXPANDED_BYTES_MAX + 1]);
        assert_eq!(expand(bomb, "gzip", false), Err(BadBody::TooLong));
    }
}
