//! What an answer means for the records of a request (OTLP specification, "Failures" of gRPC and
//! HTTP).

use std::fmt;
use std::time::Duration;

use lucarne_otlp::wire::{Reader, Value};

/// What became of the records of one request.
#[derive(Debug)]
pub enum Outcome {
    /// Taken, but for this many that the receiver found malformed.
    Accepted {
        /// `rejected_*` of the partial success.
        rejected: u64,
    },
    /// Nothing was taken; the same request may be sent again.
    Refused {
        /// How long the receiver asked to wait.
        after: Option<Duration>,
        /// What it said.
        why: Why,
    },
    /// The records may or may not have been taken: sending them again may double them.
    Unknown(Why),
    /// Not taken, and sending the same again cannot help.
    Failed(Why),
}

/// The reason behind an outcome.
#[derive(Debug)]
pub enum Why {
    /// No connection could be made.
    Connect(std::io::Error),
    /// The connection ended before the answer did.
    Cut,
    /// No answer within the time.
    NoAnswer,
    /// A gRPC status other than 0.
    Grpc(u32),
    /// An HTTP status other than 200.
    Http(u16),
    /// The answer is not OTLP.
    Protocol(&'static str),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(cause) => write!(f, "cannot connect: {cause}"),
            Self::Cut => write!(f, "the connection ended before the answer"),
            Self::NoAnswer => write!(f, "no answer in time"),
            Self::Grpc(status) => write!(f, "gRPC status {status}"),
            Self::Http(status) => write!(f, "HTTP status {status}"),
            Self::Protocol(what) => write!(f, "{what}"),
        }
    }
}

/// Judges a gRPC status other than 0 by the table of the OTLP specification.
pub(super) fn from_grpc_status(status: u32, details: Option<&[u8]>) -> Outcome {
    let after = details.and_then(retry_delay);
    let why = Why::Grpc(status);
    match (status, after) {
        // RESOURCE_EXHAUSTED may be tried again only if the receiver says when.
        (8, Some(_)) | (14, _) => Outcome::Refused { after, why },
        (8, None) => Outcome::Failed(why),
        // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, DATA_LOSS can come after the
        // records were taken.
        (1 | 4 | 10 | 11 | 15, _) => Outcome::Unknown(why),
        _ => Outcome::Failed(why),
    }
}

/// Judges an HTTP status other than 200.
pub(super) const fn from_http_status(status: u16, after: Option<Duration>) -> Outcome {
    let why = Why::Http(status);
    match status {
        429 | 503 => Outcome::Refused { after, why },
        502 | 504 => Outcome::Unknown(why),
        _ => Outcome::Failed(why),
    }
}

/// `ExportXServiceResponse { partial_success 1 { rejected 1 } }`.
pub(super) fn accepted_protobuf(message: &[u8]) -> Outcome {
    let rejected = field(message, 1).map_or(Some(0), |partial| match partial {
        Value::Bytes(partial) => match field(partial, 1) {
            None => Some(0),
            Some(Value::Varint(rejected)) => Some(rejected),
            Some(Value::Bytes(_) | Value::Fixed32(_) | Value::Fixed64(_)) => None,
        },
        Value::Varint(_) | Value::Fixed32(_) | Value::Fixed64(_) => None,
    });
    rejected.map_or(Outcome::Failed(Why::Protocol("answer is not an OTLP response")), |rejected| {
        Outcome::Accepted { rejected }
    })
}

/// The same in JSON; 64-bit integers are strings there, but numbers are met too.
pub(super) fn accepted_json(body: &[u8]) -> Outcome {
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) else {
        return Outcome::Failed(Why::Protocol("answer is not JSON"));
    };
    let rejected = json.get("partialSuccess").map_or(0, |partial| {
        ["rejectedLogRecords", "rejectedDataPoints", "rejectedSpans"]
            .iter()
            .filter_map(|name| partial.get(*name))
            .filter_map(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()))
            // A receiver may claim any number, and more than one.
            .fold(0, u64::saturating_add)
    });
    Outcome::Accepted { rejected }
}

/// The delay of the `google.rpc.RetryInfo` in `google.rpc.Status { details 3 Any { type_url 1,
/// value 2 } }`.
fn retry_delay(details: &[u8]) -> Option<Duration> {
    let status = base64(details)?;
    let mut reader = Reader::new(&status);
    while let Ok(Some(found)) = reader.next_field() {
        let (3, Value::Bytes(any)) = (found.number, found.value) else { continue };
        let Some(Value::Bytes(b"type.googleapis.com/google.rpc.RetryInfo")) = field(any, 1) else {
            continue;
        };
        let Some(Value::Bytes(info)) = field(any, 2) else { continue };
        let Some(Value::Bytes(delay)) = field(info, 1) else { return Some(Duration::ZERO) };
        let number = |number| match field(delay, number) {
            Some(Value::Varint(value)) => value,
            Some(Value::Bytes(_) | Value::Fixed32(_) | Value::Fixed64(_)) | None => 0,
        };
        let nanos = u32::try_from(number(2)).ok().filter(|nanos| *nanos < 1_000_000_000)?;
        return Some(Duration::new(number(1), nanos));
    }
    None
}

fn field(message: &[u8], number: u32) -> Option<Value<'_>> {
    let mut reader = Reader::new(message);
    while let Ok(Some(found)) = reader.next_field() {
        if found.number == number {
            return Some(found.value);
        }
    }
    None
}

/// Standard base64, padded or not: gRPC allows both in binary headers.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for &byte in text.iter().take_while(|byte| **byte != b'=') {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{accepted_json, accepted_protobuf, base64, from_grpc_status, from_http_status};

    #[track_caller]
    fn check(outcome: &super::Outcome, expected: &str) {
        assert_eq!(format!("{outcome:?}"), expected);
    }

    #[test]
    fn statuses_mean_what_the_specification_says() {
        check(&from_grpc_status(8, None), "Failed(Grpc(8))");
        check(&from_grpc_status(14, None), "Refused { after: None, why: Grpc(14) }");
        check(&from_grpc_status(4, None), "Unknown(Grpc(4))");
        check(&from_grpc_status(3, None), "Failed(Grpc(3))");
        check(&from_http_status(504, None), "Unknown(Http(504))");
        check(&from_http_status(400, None), "Failed(Http(400))");
        let after = Some(std::time::Duration::from_secs(2));
        check(&from_http_status(429, after), "Refused { after: Some(2s), why: Http(429) }");
    }

    #[test]
    fn retry_info_is_found() {
        // Status { code 8, details [Any { RetryInfo { retry_delay { seconds 1, nanos 500000000 } }
        // }] }.
        let details = concat!(
            "CAgaNgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUu",
            "cnBjLlJldHJ5SW5mbxIKCggIARCAyrXuAQ=="
        );
        check(
            &from_grpc_status(8, Some(details.as_bytes())),
            "Refused { after: Some(1.5s), why: Grpc(8) }",
        );
    }

    #[test]
    fn partial_success_counts() {
        check(&accepted_protobuf(b""), "Accepted { rejected: 0 }");
        check(&accepted_protobuf(b"\x0a\x02\x08\x07"), "Accepted { rejected: 7 }");
        check(&accepted_json(b"{}"), "Accepted { rejected: 0 }");
        let json = br#"{"partialSuccess":{"rejectedLogRecords":"7"}}"#;
        check(&accepted_json(json), "Accepted { rejected: 7 }");
        let failed = r#"Failed(Protocol("answer is not JSON"))"#;
        check(&accepted_json(b"<html>"), failed);
    }

    #[test]
    fn base64_of_the_rfc() {
        for (text, bytes) in [("Zm9vYmFy", "foobar"), ("Zm9vYg==", "foob"), ("Zm9vYmE", "fooba")] {
            assert_eq!(base64(text.as_bytes()).unwrap(), bytes.as_bytes());
        }
        assert_eq!(base64(b"Zm9v!"), None);
    }
}
