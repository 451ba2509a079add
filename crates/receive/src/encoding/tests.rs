//! Decompression: round trips, damage, bombs.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).unwrap()
}

fn unpack(encoding: Encoding, bytes: &[u8], limit: usize) -> Result<Vec<u8>, Reason> {
    decompress(encoding, bytes, limit, &mut Lease::of_its_own(64 << 20))
        .map_err(|refused| refused.reason)
}

fn sample(length: usize) -> Vec<u8> {
    (0..=252).cycle().map(|i: u8| i.wrapping_mul(i) ^ (i >> 1)).take(length).collect()
}

#[test]
fn any_length_up_to_the_limit_comes_back() {
    for length in [0, 1, 65_535, 65_536, 65_537, 131_072, 300_001] {
        let plain = sample(length);
        for limit in [length, length + 1, 1 << 20] {
            assert!(unpack(Encoding::Gzip, &gzip(&plain), limit) == Ok(plain.clone()), "{length}");
            assert!(unpack(Encoding::Zstd, &zstd(&plain), limit) == Ok(plain.clone()), "{length}");
        }
        if let Some(limit) = length.checked_sub(1) {
            let error = Err(Reason::DecodedTooLarge);
            assert_eq!(unpack(Encoding::Gzip, &gzip(&plain), limit), error);
            assert_eq!(unpack(Encoding::Zstd, &zstd(&plain), limit), error);
        }
    }
}

#[test]
fn members_and_frames_may_follow_each_other() {
    let parts = [gzip(b"one "), gzip(b"two")].concat();
    assert_eq!(unpack(Encoding::Gzip, &parts, 10), Ok(b"one two".to_vec()));
    let parts = [zstd(b"one "), zstd(b"two")].concat();
    assert_eq!(unpack(Encoding::Zstd, &parts, 10), Ok(b"one two".to_vec()));
}

#[test]
fn damage_at_any_byte_is_noticed_or_harmless() {
    let plain = sample(2000);
    let compressed = gzip(&plain);
    for cut in 0..compressed.len() {
        assert_eq!(unpack(Encoding::Gzip, &compressed[..cut], 4000), Err(Reason::Corrupt), "{cut}");
    }
    for at in 0..compressed.len() {
        let mut damaged = compressed.clone();
        damaged[at] ^= 0x10;
        // Time and system in the gzip header and the bits that fill the last byte carry no content.
        if let Ok(out) = unpack(Encoding::Gzip, &damaged, 4000) {
            assert!(out == plain, "byte {at} changed in silence");
        }
    }
    let compressed = zstd(&plain);
    for cut in 1..compressed.len() {
        assert_eq!(unpack(Encoding::Zstd, &compressed[..cut], 4000), Err(Reason::Corrupt), "{cut}");
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    for garbage in [&b"\0"[..], b"garbage", &[0; 64], b"\x1f\x8b"] {
        let data = [&gzip(b"data"), garbage].concat();
        assert_eq!(unpack(Encoding::Gzip, &data, 100), Err(Reason::Corrupt), "{garbage:?}");
        let data = [&zstd(b"data"), garbage].concat();
        assert_eq!(unpack(Encoding::Zstd, &data, 100), Err(Reason::Corrupt), "{garbage:?}");
    }
}

#[test]
fn a_bomb_costs_the_limit_and_no_more() {
    let zeros = vec![0; 64 << 20];
    for (encoding, bomb) in [(Encoding::Gzip, gzip(&zeros)), (Encoding::Zstd, zstd(&zeros))] {
        assert!(bomb.len() < 100_000);
        let limit = 1 << 20;
        // The budget has room for the limit and the byte past it, and the bomb asks for no more.
        let refused =
            decompress(encoding, &bomb, limit, &mut Lease::of_its_own(limit + 1)).unwrap_err();
        assert_eq!(refused.reason, Reason::DecodedTooLarge);
        let refused =
            decompress(encoding, &bomb, limit, &mut Lease::of_its_own(limit / 2)).unwrap_err();
        assert_eq!(refused.reason, Reason::Bytes);
    }
}

#[test]
fn a_window_beyond_eight_mebibytes_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(24).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(&sample(100_000)).unwrap();
    let frame = encoder.finish().unwrap();
    assert_eq!(unpack(Encoding::Zstd, &frame, 1 << 20), Err(Reason::Corrupt));
}

#[test]
fn encodings_have_names() {
    let named = |name| {
        let value = http::HeaderValue::from_static(name);
        Encoding::named(Some(&value)).map_err(|refused| refused.reason)
    };
    assert_eq!(Encoding::named(None), Ok(Encoding::Identity));
    assert_eq!(["", "identity", "none"].map(named), [const { Ok(Encoding::Identity) }; 3]);
    assert_eq!(["gzip", "GZIP"].map(named), [const { Ok(Encoding::Gzip) }; 2]);
    assert_eq!(named("zstd"), Ok(Encoding::Zstd));
    for other in ["deflate", "br", "gzip, zstd", "x-gzip", "snappy"] {
        assert_eq!(named(other), Err(Reason::ContentEncoding), "{other}");
    }
}
