//! What is written reads back; what is cut, too long or not ours is refused.

use alloc::vec;

use proptest::prelude::*;

use super::*;

#[track_caller]
fn refused(message: &[u8], expected: WireError) {
    let mut reader = Reader::new(message);
    let error = loop {
        match reader.next_field() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("read to the end"),
            Err(error) => break error,
        }
    };
    assert_eq!(error, expected);
}

fn fields(message: &[u8]) -> Vec<Field<'_>> {
    let mut reader = Reader::new(message);
    let mut fields = Vec::new();
    while let Some(field) = reader.next_field().unwrap() {
        fields.push(field);
    }
    fields
}

#[test]
fn refusals() {
    refused(&[0x08], WireError::Truncated);
    refused(&[0x08, 0x80], WireError::Truncated);
    refused(&[0x09, 0, 0, 0, 0, 0, 0, 0], WireError::Truncated);
    refused(&[0x0d, 0, 0, 0], WireError::Truncated);
    refused(&[0x0a, 0x02, 0x00], WireError::Truncated);
    // A length near 2^64 must not wrap.
    refused(
        &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        WireError::Truncated,
    );
    refused(&[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02], WireError::Varint);
    refused(
        &[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        WireError::Varint,
    );
    refused(&[0x00, 0x00], WireError::Tag); // field 0
    refused(&[0x0b], WireError::Tag); // a group
    refused(&[0x0f], WireError::Tag);
    refused(&[0x80, 0x80, 0x80, 0x80, 0x10, 0x00], WireError::Tag); // field 2^29
}

#[test]
fn the_longest_numbers_are_read() {
    let mut message = Vec::new();
    let mut writer = Writer::new(&mut message);
    writer.varint(FIELD_NUMBER_MAX, u64::MAX);
    writer.zigzag(1, i64::MIN);
    writer.zigzag(1, -1);
    assert_eq!(
        fields(&message),
        [
            Field { number: FIELD_NUMBER_MAX, value: Value::Varint(u64::MAX) },
            Field { number: 1, value: Value::Varint(u64::MAX) },
            Field { number: 1, value: Value::Varint(1) },
        ]
    );
}

#[test]
fn messages_of_every_length_of_length() {
    for length in [0, 1, 127, 128, 129, 16_383, 16_384, 2_097_152] {
        let content = vec![7; length];
        let mut known = Vec::new();
        Writer::new(&mut known).bytes(3, &content);
        let mut patched = b"x".to_vec();
        Writer::new(&mut patched).message(3, |writer| writer.encoded(&content));
        assert_eq!(patched.split_off(1), known, "{length} bytes");
        assert_eq!(fields(&known), [Field { number: 3, value: Value::Bytes(&content) }]);
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        values in prop::collection::vec((1..=FIELD_NUMBER_MAX, any::<u64>(), 0..4_u8), 0..40),
    ) {
        let blobs: Vec<Vec<u8>> =
            values.iter().map(|(_, value, _)| vec![9; (value % 300) as usize]).collect();
        let mut message = Vec::new();
        let mut writer = Writer::new(&mut message);
        let mut expected = Vec::new();
        for ((number, value, wire), blob) in values.iter().zip(&blobs) {
            let short = (value & 0xffff_ffff) as u32;
            let value = match wire {
                0 => { writer.varint(*number, *value); Value::Varint(*value) }
                1 => { writer.fixed64(*number, *value); Value::Fixed64(*value) }
                2 => { writer.fixed32(*number, short); Value::Fixed32(short) }
                _ => { writer.bytes(*number, blob); Value::Bytes(blob) }
            };
            expected.push(Field { number: *number, value });
        }
        prop_assert_eq!(fields(&message), expected);
    }

    #[test]
    fn any_bytes_end_in_an_end_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut reader = Reader::new(&bytes);
        let mut steps = 0;
        while let Ok(Some(_)) = reader.next_field() {
            steps += 1;
        }
        prop_assert!(steps <= bytes.len() / 2, "each field takes at least two bytes");
    }
}
