//! The framing of gRPC, byte by byte.

use super::*;

fn reason<T>(result: Result<T, Refused>) -> Result<T, Reason> {
    result.map_err(|refused| refused.reason)
}

#[test]
fn a_frame_is_taken_in_place() {
    let body = Bytes::from_static(b"\x01\x00\x00\x00\x03abc");
    let (compressed, message) = unframe(body.clone()).unwrap();
    assert!(compressed);
    assert_eq!(message, &b"abc"[..]);
    assert_eq!(message.as_ptr(), body[5..].as_ptr());
}

#[test]
fn a_body_is_one_whole_message() {
    for (body, words) in [
        (&b""[..], "the message prefix is cut off"),
        (b"\0\0\0\0", "the message prefix is cut off"),
        (b"\0\0\0\0\x02a", "the message is cut off"),
        (b"\0\xff\xff\xff\xffa", "the message is cut off"),
        (b"\0\0\0\0\x01a\0\0\0\0\0", "more than one message"),
        (b"\x02\0\0\0\x01a", "the message prefix is not valid"),
    ] {
        assert_eq!(unframe(Bytes::from_static(body)), Err(malformed(words)));
    }
    assert_eq!(unframe(Bytes::from_static(b"\0\0\0\0\0")), Ok((false, Bytes::new())));
}

#[test]
fn timeouts_are_eight_digits_and_a_unit() {
    let of = |text: &'static str| reason(timeout(&HeaderValue::from_static(text)));
    assert_eq!(of("10S"), Ok(Duration::from_secs(10)));
    assert_eq!(of("2M"), Ok(Duration::from_secs(120)));
    assert_eq!(of("99999999H"), Ok(Duration::from_secs(99_999_999 * 3600)));
    assert_eq!(of("7m"), Ok(Duration::from_millis(7)));
    assert_eq!(of("8u"), Ok(Duration::from_micros(8)));
    assert_eq!(of("9n"), Ok(Duration::from_nanos(9)));
    for text in ["", "S", "10", "123456789S", "-1S", "1.5S", "1s", "1 S"] {
        assert_eq!(of(text), Err(Reason::Malformed), "{text}");
    }
}

#[test]
fn messages_are_percent_encoded() {
    assert_eq!(percent_encoded("50% é\n").unwrap(), "50%25 %C3%A9%0A");
}

#[test]
fn no_damage_to_a_body_breaks_the_parsers() {
    use super::super::fuzzing;
    let compressed = zstd::bulk::compress(&[7; 5000], 3).unwrap();
    let length = u32::try_from(compressed.len()).unwrap().to_be_bytes();
    let body = [&b"\x01"[..], &length, &compressed].concat();
    for at in 0..body.len() {
        fuzzing::fuzz_grpc_body(&body[..at]);
        for bit in 0..8 {
            let mut damaged = body.clone();
            damaged[at] ^= 1 << bit;
            fuzzing::fuzz_grpc_body(&damaged);
            fuzzing::fuzz_grpc_timeout(&damaged);
        }
    }
}
