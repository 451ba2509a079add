//! A request that can be halved: a run of parts, each a complete element of the message's outer
//! list.
//!
//! The messages of Loki push, remote write and OTLP are all one repeated field of number 1, so
//! parts laid one after another are a message, and so is each half of them. When a receiver refuses
//! a request for what is in it, halving finds the culprit and the rest still arrives.

use std::io::Write as _;

use bytes::Bytes;

use crate::export::remote_write::second;

/// One element of the outer list of a message, encoded with its tag (or as JSON).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part {
    /// The bytes.
    pub bytes: Bytes,
    /// How many items it carries, for the counters.
    pub items: u64,
}

/// A request body before it is put together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// Path below the endpoint, for receivers that have one per signal; else empty.
    pub path: &'static str,
    /// How the parts become a body.
    pub format: Format,
    /// What it carries; never empty.
    pub parts: Vec<Part>,
}

/// How parts become a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// Protobuf in one snappy block: Loki push and remote write.
    ProtobufSnappy,
    /// Parts of remote write 1.0 as one message of 2.0, in one snappy block.
    RemoteWriteSecond,
    /// Protobuf, compressed with gzip: OTLP/HTTP.
    ProtobufGzip,
    /// Protobuf behind the five bytes of a gRPC message, uncompressed: OTLP/gRPC.
    Grpc,
    /// Loki's JSON.
    LokiJson,
    /// Loki's JSON, compressed with gzip.
    LokiJsonGzip,
}

/// Puts parts together into requests of at most [`REQUEST_BYTES_MAX`], unless a part alone is
/// larger.
pub fn gather(path: &'static str, format: Format, parts: Vec<Part>) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    let mut room = 0;
    for part in parts {
        let size = part.bytes.len();
        match requests.last_mut() {
            Some(request) if size <= room => {
                room -= size;
                request.parts.push(part);
            }
            Some(_) | None => {
                room = REQUEST_BYTES_MAX.saturating_sub(size);
                requests.push(Request { path, format, parts: vec![part] });
            }
        }
    }
    requests
}

impl Format {
    /// `Content-Type` and `Content-Encoding`.
    pub const fn headers(self) -> (&'static str, Option<&'static str>) {
        match self {
            // Both receivers imply snappy; the header is in the remote-write specification.
            Self::ProtobufSnappy => ("application/x-protobuf", Some("snappy")),
            Self::RemoteWriteSecond => {
                ("application/x-protobuf;proto=io.prometheus.write.v2.Request", Some("snappy"))
            }
            Self::ProtobufGzip => ("application/x-protobuf", Some("gzip")),
            Self::Grpc => ("application/grpc", None),
            Self::LokiJson => ("application/json", None),
            Self::LokiJsonGzip => ("application/json", Some("gzip")),
        }
    }
}

impl Request {
    /// Items in all parts.
    pub fn items(&self) -> u64 {
        self.parts.iter().map(|part| part.items).sum()
    }

    /// The first and the second half, or the request itself when it has one part.
    ///
    /// # Errors
    /// The request, when it cannot be cut.
    pub fn halves(mut self) -> Result<(Self, Self), Self> {
        if self.parts.len() < 2 {
            return Err(self);
        }
        let second = self.parts.split_off(self.parts.len() / 2);
        let rest = Self { path: self.path, format: self.format, parts: second };
        Ok((self, rest))
    }

    /// The bytes that go on the wire.
    pub fn body(&self) -> Bytes {
        match self.format {
            Format::ProtobufSnappy => snappy(&self.message()),
            Format::RemoteWriteSecond => snappy(&second::request(&self.message())),
            Format::ProtobufGzip => gzip(&self.message()),
            Format::Grpc => grpc(&self.message()),
            Format::LokiJson => self.json().into(),
            Format::LokiJsonGzip => gzip(&self.json()),
        }
    }

    /// The parts as one message, before it is compressed.
    pub(super) fn message(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.parts.iter().map(|part| part.bytes.len()).sum());
        for part in &self.parts {
            out.extend_from_slice(&part.bytes);
        }
        out
    }

    fn json(&self) -> Vec<u8> {
        let mut out = b"{\"streams\":[".to_vec();
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&part.bytes);
        }
        out.extend_from_slice(b"]}");
        out
    }
}

fn snappy(message: &[u8]) -> Bytes {
    let mut out = vec![0; snap::raw::max_compress_len(message.len())];
    // It fails only beyond 4 GiB or into too small a buffer; requests are cut at a megabyte.
    let length = snap::raw::Encoder::new().compress(message, &mut out).unwrap_or(0);
    out.truncate(length);
    out.into()
}

fn gzip(message: &[u8]) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // Writing to a Vec cannot fail.
    drop(encoder.write_all(message));
    encoder.finish().unwrap_or_default().into()
}

fn grpc(message: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(5 + message.len());
    out.push(0);
    out.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(message);
    out.into()
}

/// Before compression. Receivers take 4 MiB; a megabyte is sent again in no time.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(format: Format, parts: &[&'static str]) -> Request {
        let part =
            |text: &&'static str| Part { bytes: Bytes::from_static(text.as_bytes()), items: 2 };
        Request { path: "", format, parts: parts.iter().map(part).collect() }
    }

    #[test]
    fn halves_carry_everything_once_and_in_order() {
        let (first, second) = request(Format::LokiJson, &["1", "2", "3"]).halves().unwrap();
        assert_eq!(first.body(), "{\"streams\":[1]}");
        assert_eq!(second.body(), "{\"streams\":[2,3]}");
        assert_eq!((first.items(), second.items()), (2, 4));
        let single = request(Format::LokiJson, &["1"]);
        assert_eq!(single.clone().halves(), Err(single));
    }

    #[test]
    fn bodies_by_format() {
        assert_eq!(request(Format::Grpc, &["ab", "c"]).body(), &b"\0\0\0\0\x03abc"[..]);
        let snappy = request(Format::ProtobufSnappy, &["ab", "c"]).body();
        assert_eq!(snap::raw::Decoder::new().decompress_vec(&snappy).unwrap(), b"abc");
        let mut text = String::new();
        let body = request(Format::LokiJsonGzip, &["1"]).body();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&body[..]), &mut text)
            .unwrap();
        assert_eq!(text, "{\"streams\":[1]}");
    }
}
