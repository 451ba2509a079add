//! Frames in every cut, with every wrong length.

extern crate std;

use std::vec;

use proptest::collection::vec as many;
use proptest::prelude::*;

use super::*;

fn read_all(reader: &mut FrameReader) -> Result<Vec<Vec<u8>>, BadLength> {
    let mut bodies = Vec::new();
    while let Some(body) = reader.next_frame()? {
        bodies.push(body.to_vec());
    }
    Ok(bodies)
}

proptest! {
    #[test]
    fn a_stream_gives_its_frames_however_it_is_cut(
        bodies in many(many(any::<u8>(), 1..40), 0..6),
        cut in any::<proptest::sample::Index>(),
    ) {
        let stream = bodies.iter().flat_map(|body| encode(body)).collect::<Vec<_>>();
        for step in 1..=stream.len() {
            let mut reader = FrameReader::new(40);
            let mut read = Vec::new();
            for piece in stream.chunks(step) {
                reader.feed(piece);
                read.extend(read_all(&mut reader).unwrap());
            }
            prop_assert_eq!(&read, &bodies);
        }
        // In two pieces, and what is cut off at the end is never a frame.
        let at = cut.index(stream.len() + 1);
        let mut reader = FrameReader::new(40);
        reader.feed(&stream[..at]);
        let mut read = read_all(&mut reader).unwrap();
        let whole = bodies.iter().scan(0, |end, body| { *end += body.len() + 4; Some(*end) });
        prop_assert_eq!(read.len(), whole.filter(|end| *end <= at).count());
        reader.feed(&stream[at..]);
        read.extend(read_all(&mut reader).unwrap());
        prop_assert_eq!(read, bodies);
    }

    #[test]
    fn a_length_is_judged_before_the_body_comes(length: u32, max in 1_usize..100_000) {
        let mut reader = FrameReader::new(max);
        reader.feed(&length.to_be_bytes());
        let bytes = length as usize;
        let expected = match bytes {
            0 => Err(BadLength { bytes, max }),
            _ if bytes > max => Err(BadLength { bytes, max }),
            _ => Ok(None),
        };
        prop_assert_eq!(reader.next_frame(), expected);
    }
}

#[test]
fn both_ends_of_the_range_are_frames_and_one_beyond_is_none() {
    for max in [1, DOWN_BYTES_MAX] {
        let body = vec![7; max];
        let mut reader = FrameReader::new(max);
        reader.feed(&encode(&body));
        assert_eq!(read_all(&mut reader), Ok(vec![body]));
        reader.feed(&encode(&vec![7; max + 1]));
        let bad = BadLength { bytes: max + 1, max };
        assert_eq!(read_all(&mut reader), Err(bad));
        // Nothing after it can be believed: feeding more changes nothing.
        reader.feed(&encode(&[1]));
        assert_eq!(read_all(&mut reader), Err(bad));
    }
}

#[test]
fn a_bad_length_says_what_is_allowed() {
    let mut reader = FrameReader::new(DOWN_BYTES_MAX);
    reader.feed(&[0xff; 4]);
    let text = std::format!("{}", reader.next_frame().unwrap_err());
    assert_eq!(text, "frame of 4294967295 bytes; 1 to 65536 are allowed");
}

#[test]
fn a_reader_holds_no_more_than_what_was_fed_since_the_last_frame() {
    let mut reader = FrameReader::new(1_000);
    for _ in 0..10_000 {
        reader.feed(&encode(&[9; 1_000]));
        assert_eq!(reader.next_frame().unwrap().map(<[u8]>::len), Some(1_000));
    }
    assert!(reader.buffer.capacity() < 8_000, "{}", reader.buffer.capacity());
}
