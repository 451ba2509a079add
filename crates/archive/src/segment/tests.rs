//! Segments round trip, and not one bit of a file can change unseen.

use lucarne_testkit::replay;
use proptest::prelude::*;

use super::*;

fn file(contents: &[&[u8]]) -> Vec<u8> {
    let mut writer = SegmentWriter::new().unwrap();
    for content in contents {
        writer.push(content).unwrap();
    }
    writer.finish()
}

/// A file around given compressed bytes, with a true digest.
fn around(frames: &[&[u8]]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for frame in frames {
        out.extend_from_slice(&u32::try_from(frame.len()).unwrap().to_be_bytes());
        out.extend_from_slice(&Hash::of(frame).0);
        out.extend_from_slice(frame);
    }
    out
}

fn read(file: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut out = Vec::new();
    let mut reader = SegmentReader::open(file).map_err(|error| error.to_string())?;
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => out.push(frame.content.to_vec()),
            Ok(None) => return Ok(out),
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(content, 3).unwrap()
}

#[track_caller]
fn refused(file: &[u8], expected: &str) {
    assert_eq!(read(file), Err(expected.to_owned()));
}

#[test]
fn frames_come_back_with_their_places() {
    let bytes = file(&[b"one", b"two two two"]);
    let mut reader = SegmentReader::open(bytes.as_slice()).unwrap();
    let first = reader.next_frame().unwrap().unwrap();
    assert_eq!((first.at, first.content), (Place { offset: 8, frame: 0 }, &b"one"[..]));
    let second = reader.next_frame().unwrap().unwrap();
    let offset = 8 + 36 + zstd(b"one").len() as u64;
    assert_eq!((second.at, second.content), (Place { offset, frame: 1 }, &b"two two two"[..]));
    assert_eq!(reader.next_frame().unwrap(), None);
}

#[test]
fn the_writer_counts_what_decides_when_a_file_closes() {
    let mut writer = SegmentWriter::new().unwrap();
    assert!(writer.is_empty());
    writer.push(&[0; 1000]).unwrap();
    writer.push(&[1; 24]).unwrap();
    assert_eq!((writer.content_bytes(), writer.is_empty()), (1024, false));
    let error = writer.push(&[]).unwrap_err();
    assert!(matches!(error, SegmentError::Content { got: 0, .. }), "{error}");
}

#[test]
fn every_flipped_bit_is_seen() {
    let whole = file(&[b"first batch", b"second batch, somewhat longer than the first"]);
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            let error = read(&bytes).expect_err("a changed file was read");
            assert!(!error.is_empty(), "byte {at}");
        }
    }
}

#[test]
fn every_cut_is_seen_but_the_one_between_frames() {
    let whole = file(&[b"first batch", b"second batch"]);
    let between = file(&[b"first batch"]).len();
    for length in 0..whole.len() {
        let cut = read(&whole[..length]);
        if length == between {
            // The name of the file says how far it goes; the segment itself cannot know.
            assert_eq!(cut, Ok(vec![b"first batch".to_vec()]));
        } else {
            assert!(cut.is_err(), "cut at {length}");
        }
    }
}

#[test]
fn errors_say_where() {
    let whole = file(&[b"first batch", b"second batch"]);
    let second = file(&[b"first batch"]).len();
    refused(b"", "not a seal file of this version");
    refused(b"LUCSEAL2", "not a seal file of this version");
    refused(MAGIC, "seal file has no frame");
    let mut bytes = whole.clone();
    *bytes.last_mut().unwrap() ^= 1;
    refused(&bytes, &format!("seal frame does not match its digest, frame 1 at byte {second}"));
    refused(
        &[whole.as_slice(), &[0]].concat(),
        &format!("seal file is cut off, frame 2 at byte {}", whole.len()),
    );
    refused(
        &[whole.as_slice(), &[0; 36]].concat(),
        &format!("seal frame claims 0 bytes, frame 2 at byte {}", whole.len()),
    );
    let huge = [&MAGIC[..], &[0xff; 36]].concat();
    refused(&huge, "seal frame claims 4294967295 bytes, frame 0 at byte 8");
}

#[test]
fn a_frame_is_exactly_one_zstd_frame_of_known_size() {
    const NOT_ONE: &str = "seal frame is not one zstd frame, frame 0 at byte 8";
    let frame = zstd(b"batch");
    assert_eq!(read(&around(&[&frame])), Ok(vec![b"batch".to_vec()]));
    refused(&around(&[b"not zstd at all"]), NOT_ONE);
    refused(&around(&[&[frame.as_slice(), frame.as_slice()].concat()]), NOT_ONE);
    refused(&around(&[&[frame.as_slice(), &[0]].concat()]), NOT_ONE);
    refused(&around(&[&frame[..frame.len() - 1]]), NOT_ONE);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"hide"].concat();
    refused(&around(&[&skippable]), NOT_ONE);
    refused(&around(&[&[skippable.as_slice(), frame.as_slice()].concat()]), NOT_ONE);
    refused(&around(&[&zstd(b"")]), "seal frame has 0 bytes of content, frame 0 at byte 8");
}

#[test]
fn a_bomb_is_refused_by_what_it_declares() {
    let bomb = zstd(&vec![0; CONTENT_BYTES_MAX + 1]);
    assert!(bomb.len() < 10_000);
    refused(&around(&[&bomb]), "seal frame has 67108865 bytes of content, frame 0 at byte 8");
}

#[test]
fn a_failing_source_is_told_apart_from_a_bad_file() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(ErrorKind::TimedOut.into())
        }
    }
    let error = SegmentReader::open(Failing).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "read seal file, frame 0 at byte 0");
}

proptest! {
    #[test]
    fn any_contents_round_trip(
        contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..2000), 1..5)
    ) {
        let slices: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(read(&file(&slices)), Ok(contents));
    }

    #[test]
    fn hostile_bytes_never_panic(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzzing::fuzz_segment(&data);
        crate::fuzzing::fuzz_segment(&[&MAGIC[..], &data].concat());
        crate::fuzzing::fuzz_name(&data);
    }
}

#[test]
fn the_corpora_replay() {
    replay("archive_segment", crate::fuzzing::fuzz_segment);
    replay("archive_name", crate::fuzzing::fuzz_name);
}
