//! Content encodings: gzip and zstd, decompressed under a limit.
//!
//! The output grows step by step and each step is paid from the byte budget first, so a bomb costs
//! at most the limit and one step. Bytes after the end of the compressed data are refused.

use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use super::body::Lease;
use super::counters::Reason;
use super::refused::Refused;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    /// From the value of `content-encoding` or `grpc-encoding`.
    pub(super) fn named(name: Option<&http::HeaderValue>) -> Result<Self, Refused> {
        let Some(name) = name else { return Ok(Self::Identity) };
        let name = name.as_bytes();
        if name.eq_ignore_ascii_case(b"gzip") {
            Ok(Self::Gzip)
        } else if name.eq_ignore_ascii_case(b"zstd") {
            Ok(Self::Zstd)
        } else if name.is_empty()
            || name.eq_ignore_ascii_case(b"identity")
            || name.eq_ignore_ascii_case(b"none")
        {
            Ok(Self::Identity)
        } else {
            Err(Refused::new(Reason::ContentEncoding, "encoding must be identity, gzip or zstd"))
        }
    }
}

/// Decompresses gzip or zstd to at most `limit` bytes, each paid from the lease. Identity is
/// copied.
pub(super) fn decompress(
    encoding: Encoding,
    compressed: &[u8],
    limit: usize,
    lease: &mut Lease,
) -> Result<Vec<u8>, Refused> {
    match encoding {
        Encoding::Identity => drain(compressed, limit, lease),
        Encoding::Gzip => drain(MultiGzDecoder::new(compressed), limit, lease),
        Encoding::Zstd => {
            let mut decoder = ZstdDecoder::with_buffer(compressed).map_err(corrupt)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(corrupt)?;
            drain(decoder, limit, lease)
        }
    }
}

fn drain(mut reader: impl Read, limit: usize, lease: &mut Lease) -> Result<Vec<u8>, Refused> {
    let mut out = Vec::new();
    loop {
        // One byte past the limit tells a full output from one that would go on.
        let room = limit.saturating_sub(out.len()).saturating_add(1);
        let step = out.len().max(STEP_BYTES_MIN).min(room);
        lease.grow(step)?;
        out.reserve_exact(step);
        let read = reader.by_ref().take(step as u64).read_to_end(&mut out).map_err(corrupt)?;
        if out.len() > limit {
            return Err(Refused::new(
                Reason::DecodedTooLarge,
                "the request is larger than the limit after decompression",
            ));
        }
        if read < step {
            return Ok(out);
        }
    }
}

fn corrupt(_: io::Error) -> Refused {
    Refused::new(Reason::Corrupt, "the compressed data does not decompress")
}

/// Output is paid for and allocated in steps that double from this.
const STEP_BYTES_MIN: usize = 64 << 10;
/// 8 MiB: what RFC 8878 (section 3.1.1.1.2) asks decoders to support; larger windows are refused
/// before they are allocated.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

#[cfg(test)]
mod tests;
