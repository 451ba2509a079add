//! Answers of `openssl ts` (`testdata/rfc3161`), against what OpenSSL itself says of them.

use alloc::vec::Vec;

use super::*;

const CHECKPOINT: &[u8] = include_bytes!("../../../testdata/rfc3161/checkpoint");
const RESPONSE: &[u8] = include_bytes!("../../../testdata/rfc3161/checkpoint.tsr");
const REQUEST: &[u8] = include_bytes!("../../../testdata/rfc3161/checkpoint.tsq");
const BARE: &[u8] = include_bytes!("../../../testdata/rfc3161/checkpoint-sha384-nocert.tsr");
const CA: &[u8] = include_bytes!("../../../testdata/rfc3161/ca.der");
const TSA: &[u8] = include_bytes!("../../../testdata/rfc3161/tsa.der");

/// 2026-11-21T01:42:33Z
const GEN_TIME: Time = Time::from_unix_ms(1_795_225_353_000);

#[test]
fn an_answer_of_openssl_says_what_openssl_reads_in_it() {
    let request = Request::from_der(REQUEST).unwrap();
    assert_eq!(request.imprint(), Hash::of(CHECKPOINT));
    let roots = [CA.to_vec()];
    let trust = Trust { roots: &roots, certificates: &[] };
    let answering = Answering::Request(&request);
    let claims = verify_response(RESPONSE, CHECKPOINT, answering, trust).unwrap();
    let expected = TimestampClaims {
        gen_time: GEN_TIME,
        accuracy_us: Some(1_000_000),
        serial: [2].into(),
        policy: "1.3.6.1.4.1.99999.1".into(),
        imprint: Imprint { algorithm: Digest::Sha256, digest: Hash::of(CHECKPOINT).0.into() },
        nonce: Some([0x72, 0x16, 0xeb, 0x5f, 0xd1, 0xcc, 0x66, 0x82].into()),
        tsa: Tsa { name: "O=Test TSA, CN=Test TSA 1".into(), certificate: Hash::of(TSA) },
    };
    assert_eq!(claims.into_inner(), expected);
    assert_eq!(GEN_TIME.unix_seconds(), 1_795_225_353);
}

#[test]
fn a_token_without_certificate_needs_one_given() {
    let roots = [CA.to_vec()];
    let bare = |certificates: &[Vec<u8>]| {
        let trust = Trust { roots: &roots, certificates };
        verify_response(BARE, CHECKPOINT, Answering::AnyRequest, trust)
    };
    assert_eq!(bare(&[]).unwrap_err(), Refused::SignerUnknown);
    assert_eq!(bare(&[CA.to_vec()]).unwrap_err(), Refused::SignerUnknown);
    let claims = bare(&[CA.to_vec(), TSA.to_vec()]).unwrap();
    assert_eq!(claims.imprint.algorithm, Digest::Sha384);
    assert_eq!(claims.tsa.certificate, Hash::of(TSA));
}

#[test]
fn other_data_other_requests_and_other_roots_are_refused() {
    let mut data = CHECKPOINT.to_vec();
    data[10] ^= 1;
    assert_eq!(judge(RESPONSE, &data, CA), Err(Refused::ImprintDiffers));
    assert_eq!(judge(RESPONSE, CHECKPOINT, TSA), Err(Refused::Untrusted));
    assert_eq!(judge(RESPONSE, CHECKPOINT, b"no certificate"), Err(Refused::Root));
    let other = Request::new(CHECKPOINT, [7; 16]);
    let roots = [CA.to_vec()];
    let trust = Trust { roots: &roots, certificates: &[] };
    let refused = verify_response(RESPONSE, CHECKPOINT, Answering::Request(&other), trust);
    assert_eq!(refused, Err(Refused::NonceDiffers));
    let none = Trust { roots: &[], certificates: &[] };
    let refused = verify_response(RESPONSE, CHECKPOINT, Answering::AnyRequest, none);
    assert_eq!(refused, Err(Refused::NoRoots));
}

#[test]
fn no_bit_and_no_byte_may_be_other() {
    assert_eq!(judge(RESPONSE, CHECKPOINT, CA).map(|claims| claims.gen_time), Ok(GEN_TIME));
    // Status 1 is "granted with modifications": the bit that makes 0 into 1 is not signed.
    let harmless: Vec<usize> = one_bit_off(RESPONSE)
        .filter(|(_, bent)| judge(bent, CHECKPOINT, CA).is_ok())
        .map(|(bit, _)| bit)
        .collect();
    assert_eq!(harmless, [8 * 8]);
    for cut in 0..RESPONSE.len() {
        let refused = judge(&RESPONSE[..cut], CHECKPOINT, CA);
        assert_eq!(refused, Err(Refused::Der { place: Place::Response }), "cut at {cut}");
    }
    let trailing = [RESPONSE, &[0]].concat();
    let refused = judge(&trailing, CHECKPOINT, CA);
    assert_eq!(refused, Err(Refused::Der { place: Place::Response }));
}

#[test]
fn requests_are_read_back_as_they_were_written() {
    let request = Request::new(CHECKPOINT, [0; 16]);
    assert_eq!(Request::from_der(&request.to_der()), Ok(request.clone()));
    assert_eq!(request.nonce(), [&[1][..], &[0; 16]].concat());
    assert_eq!(Request::from_der(REQUEST).unwrap().to_der(), REQUEST);
    let sha384 = include_bytes!("../../../testdata/rfc3161/checkpoint-sha384.tsq");
    assert_eq!(Request::from_der(sha384), Err(NotARequest));
    for (bit, bent) in one_bit_off(&request.to_der()) {
        if let Ok(read) = Request::from_der(&bent) {
            assert!(read != request && read.to_der() == bent, "{bit}");
        }
    }
}
