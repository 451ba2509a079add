//! Views over messages written by hand: last value wins, types are checked, errors end an
//! iteration.

use alloc::vec;
use alloc::vec::Vec;

use lucarne_testkit::replay;
use proptest::prelude::*;

use super::*;
use crate::fuzzing;
use crate::limits::VALUE_DEPTH_MAX;
use crate::wire::Writer;

fn message(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut message = Vec::new();
    write(&mut Writer::new(&mut message));
    message
}

#[track_caller]
fn refused<'a, T: View<'a>>(message: &'a [u8], expected: WireError) {
    assert_eq!(T::parse(message).err(), Some(expected));
}

proptest! {
    /// What is taken for a plain text is one, byte for byte.
    #[test]
    fn a_plain_text_is_what_the_reader_reads(
        key in proptest::collection::vec(0..0xff_u8, 0..5),
        text in proptest::collection::vec(0..0xff_u8, 0..5),
        change in proptest::option::of((0..12_usize, 0..0xff_u8)),
    ) {
        let mut bytes = message(|w| {
            w.bytes(1, &key);
            w.message(2, |w| w.bytes(1, &text));
        });
        prop_assert_eq!(plain(&bytes), Some((&key[..], &text[..])));
        if let Some((at, byte)) = change
            && let Some(place) = bytes.get_mut(at)
        {
            *place = byte;
        }
        if let Some((key, text)) = plain(&bytes) {
            let read = EncodedKeyValue(&bytes).parse();
            match (core::str::from_utf8(key), core::str::from_utf8(text), read) {
                (Ok(key), Ok(text), Ok(KeyValue { key: name, value: AnyValue::String(found) })) => {
                    prop_assert_eq!((key, text), (name, found));
                }
                (Ok(_), Ok(_), _) => prop_assert!(false, "read as something else"),
                (_, _, read) => prop_assert_eq!(read.err(), Some(WireError::Utf8)),
            }
        }
    }
}

#[test]
fn longer_texts_are_not_taken_for_plain_ones() {
    for (bytes, expected) in [(125, true), (126, false), (127, false), (128, false), (300, false)] {
        let text = vec![b'a'; bytes];
        let pair = message(|w| {
            w.bytes(1, b"k");
            w.message(2, |w| w.bytes(1, &text));
        });
        assert_eq!(plain(&pair).is_some(), expected, "{bytes}");
    }
}

fn plain(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (key, value) = EncodedKeyValue(bytes).pair()?;
    Some((key, value.text()?))
}

#[test]
fn a_repeated_scalar_counts_with_its_last_value() {
    let bytes = message(|w| {
        w.fixed64(1, 1);
        w.bytes(3, b"INFO");
        w.fixed64(1, 2);
        w.bytes(3, b"WARN");
        w.bytes(77, b"unknown");
    });
    let record = LogRecord::parse(&bytes).unwrap();
    assert_eq!((record.time_unix_nano, record.severity_text), (2, "WARN"));
}

#[test]
fn the_last_member_of_a_value_counts() {
    let bytes = message(|w| {
        w.varint(3, 1);
        w.bytes(1, b"text");
    });
    assert!(matches!(AnyValue::parse(&bytes).unwrap(), AnyValue::String("text")));
}

#[test]
fn wrong_wire_types_and_text_that_is_none() {
    refused::<LogRecord<'_>>(&message(|w| w.varint(1, 1)), WireError::Type { number: 1 });
    refused::<LogRecord<'_>>(&message(|w| w.fixed64(9, 1)), WireError::Type { number: 9 });
    refused::<LogRecord<'_>>(&message(|w| w.bytes(3, b"\xff")), WireError::Utf8);
    refused::<LogRecord<'_>>(&message(|w| w.bytes(5, &[0x0a, 0x05])), WireError::Truncated);
    refused::<KeyValue<'_>>(&message(|w| w.bytes(1, b"\xc3")), WireError::Utf8);
    refused::<Span<'_>>(&message(|w| w.fixed32(7, 1)), WireError::Type { number: 7 });
    refused::<NumberDataPoint<'_>>(&message(|w| w.varint(6, 1)), WireError::Type { number: 6 });
    refused::<Metric<'_>>(&message(|w| w.varint(5, 1)), WireError::Type { number: 5 });
}

#[test]
fn an_error_ends_the_iteration() {
    let bytes = message(|w| {
        w.message(6, |w| w.bytes(1, b"first"));
        w.varint(6, 1);
        w.message(6, |w| w.bytes(1, b"last"));
    });
    let record = LogRecord::parse(&bytes).unwrap();
    let read: Vec<_> = record.attributes().map(|entry| entry.map(|entry| entry.key)).collect();
    assert_eq!(read, [Ok("first"), Err(WireError::Type { number: 6 })]);
}

#[test]
fn numbers_are_read_packed_and_unpacked() {
    let bytes = message(|w| {
        w.fixed64(6, 1);
        let packed: Vec<u8> = [2_u64, 3].into_iter().flat_map(u64::to_le_bytes).collect();
        w.bytes(6, &packed);
        w.bytes(6, &[]);
        w.fixed64(6, 4);
        w.bytes(6, &[0; 7]);
        w.fixed64(6, 5);
    });
    let point = HistogramDataPoint::parse(&bytes).unwrap();
    let read: Vec<_> = point.bucket_counts().collect();
    assert_eq!(read, [Ok(1), Ok(2), Ok(3), Ok(4), Err(WireError::Truncated)]);
}

#[test]
fn values_are_followed_to_the_limit_and_no_further() {
    let nested = |levels: u8| {
        let mut value = message(|w| w.varint(3, 1));
        for level in 0..levels {
            value = message(|w| {
                w.message(if level % 2 == 0 { 5 } else { 6 }, |w| {
                    w.message(1, |w| {
                        if level % 2 == 0 {
                            w.encoded(&value);
                        } else {
                            w.bytes(2, &value);
                        }
                    });
                });
            });
        }
        value
    };
    let deepest = nested(VALUE_DEPTH_MAX);
    assert_eq!(AnyValue::parse(&deepest).unwrap().check(), Ok(()));
    let deeper = nested(VALUE_DEPTH_MAX + 1);
    assert_eq!(AnyValue::parse(&deeper).unwrap().check(), Err(WireError::Depth));
}

/// Each input of a corpus, and each of its prefixes, is read to its end or to an error.
#[test]
fn corpora_are_replayed() {
    replay("otlp_logs", fuzzing::fuzz_logs);
    replay("otlp_metrics", fuzzing::fuzz_metrics);
    replay("otlp_traces", fuzzing::fuzz_traces);
    replay("otlp_value", fuzzing::fuzz_value);
    replay("otlp_json", fuzzing::fuzz_json);
}
