//! `google.rpc.Status` with `RetryInfo`, and the three `Export…ServiceResponse` messages, in
//! protobuf and in JSON.

use std::time::Duration;

use lucarne_otlp::Signal;
use lucarne_otlp::wire::Writer;
use serde_json::json;

use super::refused::Refused;

/// The gRPC status codes that the receivers use (grpc/grpc `doc/statuscodes.md`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Code {
    Cancelled = 1,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
}

/// `google.rpc.Status` in protobuf.
pub(super) fn status_protobuf(refused: &Refused) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.varint(1, refused.grpc() as u64);
    writer.bytes(2, refused.message.as_bytes());
    if let Some(after) = refused.retry_after {
        writer.message(3, |any| {
            any.bytes(1, RETRY_INFO.as_bytes());
            any.message(2, |info| info.message(1, |delay| duration(delay, after)));
        });
    }
    out
}

/// `google.rpc.Status` in JSON.
pub(super) fn status_json(refused: &Refused) -> Vec<u8> {
    let mut status = json!({ "code": refused.grpc() as u32, "message": refused.message });
    if let (Some(after), Some(fields)) = (refused.retry_after, status.as_object_mut()) {
        let delay = format!("{}.{:09}s", after.as_secs(), after.subsec_nanos());
        let info = json!([{ "@type": RETRY_INFO, "retryDelay": delay }]);
        fields.insert("details".to_owned(), info);
    }
    status.to_string().into_bytes()
}

/// `Export…ServiceResponse` in protobuf: empty unless something was rejected.
pub(super) fn response_protobuf(rejected: u64) -> Vec<u8> {
    let mut out = Vec::new();
    if rejected > 0 {
        // The three partial successes have the same field numbers.
        Writer::new(&mut out).message(1, |partial| {
            partial.varint(1, rejected);
            partial.bytes(2, REJECTED.as_bytes());
        });
    }
    out
}

/// `Export…ServiceResponse` in JSON.
pub(super) fn response_json(signal: Signal, rejected: u64) -> Vec<u8> {
    if rejected == 0 {
        return b"{}".to_vec();
    }
    let field = match signal {
        Signal::Logs => "rejectedLogRecords",
        Signal::Metrics => "rejectedDataPoints",
        Signal::Traces => "rejectedSpans",
    };
    // 64-bit integers are strings in the JSON of protobuf.
    let partial = json!({ field: rejected.to_string(), "errorMessage": REJECTED });
    json!({ "partialSuccess": partial }).to_string().into_bytes()
}

/// `google.protobuf.Duration`.
fn duration(writer: &mut Writer<'_>, duration: Duration) {
    if duration.as_secs() > 0 {
        writer.varint(1, duration.as_secs());
    }
    if duration.subsec_nanos() > 0 {
        writer.varint(2, duration.subsec_nanos().into());
    }
}

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
const REJECTED: &str = "malformed items were rejected; the others were taken";

#[cfg(test)]
mod tests {
    use super::super::counters::Reason;
    use super::*;

    fn full() -> Refused {
        Refused::retry(Reason::Overloaded, "full", Duration::from_millis(1500))
    }

    #[test]
    fn a_status_is_protobuf_that_others_read() {
        // Written by the Python classes of googleapis-common-protos.
        let mut expected = b"\x08\x08\x12\x04full\x1a\x36\x0a\x28".to_vec();
        expected.extend_from_slice(RETRY_INFO.as_bytes());
        expected.extend_from_slice(b"\x12\x0a\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01");
        assert_eq!(status_protobuf(&full()), expected);
    }

    #[test]
    fn a_status_has_a_json_form() {
        let text = String::from_utf8(status_json(&full())).unwrap();
        let expected = json!({"code": 8, "message": "full", "details": [
            {"@type": RETRY_INFO, "retryDelay": "1.500000000s"}]});
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
    }

    #[test]
    fn a_response_is_empty_unless_something_was_rejected() {
        assert_eq!(response_protobuf(0), b"");
        assert_eq!(response_json(Signal::Traces, 0), b"{}");
        let mut expected = b"\x0a\x38\x08\x02\x12\x34".to_vec();
        expected.extend_from_slice(REJECTED.as_bytes());
        assert_eq!(response_protobuf(2), expected);
        let json: serde_json::Value =
            serde_json::from_slice(&response_json(Signal::Metrics, 2)).unwrap();
        let expected = json!({"rejectedDataPoints": "2", "errorMessage": REJECTED});
        assert_eq!(json, json!({ "partialSuccess": expected }));
    }
}
