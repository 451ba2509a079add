//! One rule broken at a time, on an answer that is otherwise good to the last signature.

use alloc::vec;

use super::forge::{
    ACCURACY, Change, DATA, EXTENSIONS, Forge, IMPRINT, Key, NONCE, ORDERING, POLICY, PURPOSE,
    SERIAL, SHA256, SHA384, TIME, TSA, TST_INFO, VERSION, attribute, der, extension, list, name,
};
use super::*;

fn made(change: impl FnOnce(&mut Forge)) -> Result<TimestampClaims, Refused> {
    let mut forge = Forge::new();
    change(&mut forge);
    let (response, root) = forge.make();
    judge(&response, DATA, &root)
}

#[track_caller]
fn check(change: impl FnOnce(&mut Forge), expected: Refused) {
    assert_eq!(made(change), Err(expected));
}

/// 2026-05-25T10:00:00.250Z
const GEN_TIME: Time = Time::from_unix_ms(1_779_703_200_250);

#[test]
fn what_is_not_broken_is_believed() {
    let claims = made(|_| {}).unwrap();
    assert_eq!((claims.gen_time, claims.accuracy_us), (GEN_TIME, Some(1_002_003)));
    assert_eq!((claims.policy.as_str(), claims.tsa.name.as_str()), ("1.2.3", "CN=tsa"));
    assert_eq!((claims.serial, claims.nonce), (vec![5], Some(vec![0x12, 0x34])));
    // Granted with modifications; digests with NULL; the signer named by its key; one attribute.
    made(|forge| forge.status[4] = 1).unwrap();
    let null = list(0x30, &[&SHA256[2..], &[5, 0]]);
    made(|forge| (forge.announced, forge.digest) = (null.clone(), null)).unwrap();
    made(|forge| {
        (forge.signer, forge.signer_version) = (Some(der(0x80, &[0x1d; 20])), 3);
    })
    .unwrap();
    made(|forge| forge.attributes = |list| drop(list.remove(2))).unwrap();
    made(|forge| forge.attributes = |list| drop(list.remove(3))).unwrap();
    made(|forge| forge.attributes = |list| list.push(attribute(&[5], &der(0x17, b"x")))).unwrap();
    // Everything that may be left out.
    let bare = made(|forge| {
        for field in [ACCURACY, ORDERING, NONCE, TSA] {
            forge.info[field].clear();
        }
    });
    let bare = bare.unwrap();
    assert_eq!((bare.accuracy_us, bare.nonce), (None, None));
}

#[test]
fn a_refusal_is_not_a_stamp() {
    let refusal = |status: &[u8]| {
        let status = status.to_vec();
        made(|forge| (forge.status, forge.token) = (status, false))
    };
    let not_granted = |status, failure| Err(Refused::NotGranted { status, failure });
    assert_eq!(refusal(&[0x30, 3, 2, 1, 2]), not_granted(2, 0));
    // badAlg, with a sentence for people.
    let told = [0x30, 12, 2, 1, 2, 0x30, 3, 0x0c, 1, b'x', 3, 2, 7, 0x80];
    assert_eq!(refusal(&told), not_granted(2, 0x8000_0000));
    assert_eq!(refusal(&[0x30, 3, 2, 1, 0]), Err(Refused::TokenMissing));
    let place = Place::Response;
    assert_eq!(refusal(&[0x30, 3, 2, 1, 0xff]), Err(Refused::Der { place }));
    check(
        |forge| forge.status = vec![0x30, 3, 2, 1, 3],
        Refused::NotGranted { status: 3, failure: 0 },
    );
    let long = vec![0x30; TIMESTAMP_BYTES_MAX + 1];
    let got = long.len();
    assert_eq!(judge(&long, DATA, b""), Err(Refused::TooLong { got }));
}

#[test]
fn the_envelope_has_one_form() {
    check(|forge| forge.signed_data[10] = 1, Refused::NotSignedData);
    check(|forge| forge.version = 1, Refused::Version { place: Place::SignedData });
    check(|forge| forge.content_type[12] = 1, Refused::NotTimestampInfo);
    check(|forge| forge.announced = SHA384.to_vec(), Refused::DigestsDiffer);
    check(|forge| forge.announced = [SHA256, SHA384].concat(), Refused::DigestsDiffer);
    let place = Place::SignedData;
    check(|forge| forge.announced[12] = 9, Refused::Algorithm { place });
    check(|forge| forge.revocation = vec![0xa1, 0], Refused::Unsigned);
    check(|forge| forge.signers = 0, Refused::SignerCount);
    check(|forge| forge.signers = 2, Refused::SignerCount);
    check(|forge| forge.certificates = 17, Refused::CertificateCount);
    check(|forge| forge.certificates = 0, Refused::SignerUnknown);
}

#[test]
fn the_signer_is_the_one_that_is_named() {
    let place = Place::SignerInfo;
    check(|forge| forge.signer_version = 3, Refused::Version { place });
    check(|forge| forge.signer_version = 2, Refused::Version { place });
    check(|forge| forge.signer = Some(der(0x80, &[0x1d; 20])), Refused::Version { place });
    let other = |subject, serial| list(0x30, &[&name(subject), &[2, 1, serial]]);
    check(|forge| forge.signer = Some(other("root", 8)), Refused::SignerUnknown);
    check(|forge| forge.signer = Some(other("toor", 9)), Refused::SignerUnknown);
    let by_key = |forge: &mut Forge| {
        (forge.signer, forge.signer_version) = (Some(der(0x80, &[0x1e; 20])), 3);
    };
    check(by_key, Refused::SignerUnknown);
    check(|forge| forge.digest[12] = 9, Refused::Algorithm { place });
    check(|forge| forge.digest = SHA384.to_vec(), Refused::DigestsDiffer);
    check(|forge| forge.algorithm[11] = 3, Refused::Algorithm { place });
    check(|forge| forge.signed_by = Some(Key::new()), Refused::Signature);
    check(|forge| forge.unsigned = vec![0xa1, 0], Refused::Unsigned);
    check(|forge| forge.unsigned = vec![5, 0], Refused::Der { place });
}

#[test]
fn attributes_are_there_once_and_true() {
    let missing = |attribute| Refused::AttributeMissing { attribute };
    let repeated = |attribute| Refused::AttributeRepeated { attribute };
    let removed: [(Change, Refused); 3] = [
        (|list| drop(list.remove(0)), missing(Attribute::ContentType)),
        (|list| drop(list.remove(1)), missing(Attribute::MessageDigest)),
        (|list| list.truncate(2), missing(Attribute::SigningCertificate)),
    ];
    let doubled: [(Change, Refused); 4] = [
        (|list| list.push(list[0].clone()), repeated(Attribute::ContentType)),
        (|list| list.push(list[1].clone()), repeated(Attribute::MessageDigest)),
        (|list| list.push(list[3].clone()), repeated(Attribute::SigningCertificate)),
        (
            |list| list[0] = attribute(&[3], &[TST_INFO, TST_INFO].concat()),
            repeated(Attribute::ContentType),
        ),
    ];
    let data = [0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 1];
    assert_eq!(der(6, &data).len(), 11);
    let false_ones: [(Change, Refused); 5] = [
        (
            |list| {
                let data = [0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 1];
                list[0] = attribute(&[3], &der(6, &data));
            },
            Refused::ContentTypeDiffers,
        ),
        (|list| list[1] = attribute(&[4], &der(4, &[0; 32])), Refused::MessageDigest),
        (|list| last(&mut list[2], 1), Refused::SigningCertificate),
        (|list| last(&mut list[3], 1), Refused::SigningCertificate),
        (
            |list| list[1] = attribute(&[4], &der(2, &[0; 32])),
            Refused::Der { place: Place::SignedAttributes },
        ),
    ];
    for (change, expected) in removed.into_iter().chain(doubled).chain(false_ones) {
        check(|forge| forge.attributes = change, expected);
    }
    let place = Place::SignedAttributes;
    check(|forge| forge.sorted = false, Refused::Der { place });
}

/// Changes the last byte: the serial number or the digest that names the certificate.
fn last(bytes: &mut [u8], by: u8) {
    if let Some(byte) = bytes.last_mut() {
        *byte ^= by;
    }
}

#[test]
fn a_certificate_is_for_time_stamping_alone() {
    let fault = |fault| Refused::Certificate { fault };
    check(|forge| drop(forge.tsa.extensions.remove(1)), fault(TsaFault::NoPurpose));
    let purpose = |critical, value: &[u8]| extension(0x25, critical, value);
    let lax = purpose(false, PURPOSE);
    check(|forge| forge.tsa.extensions[1] = lax, fault(TsaFault::PurposeNotCritical));
    let email = [0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 4];
    let other = purpose(true, &email);
    check(|forge| forge.tsa.extensions[1] = other, fault(TsaFault::OtherPurpose));
    let both = purpose(true, &der(0x30, &[&PURPOSE[2..], &email[2..]].concat()));
    check(|forge| forge.tsa.extensions[1] = both, fault(TsaFault::OtherPurpose));
    let usage = extension(0x0f, true, &[3, 2, 5, 0x20]);
    check(|forge| forge.tsa.extensions[0] = usage, fault(TsaFault::KeyUsage));
    let twice = |forge: &mut Forge| forge.tsa.extensions.push(forge.tsa.extensions[1].clone());
    // The library that checks the signature refuses it as well; the first to look names it.
    check(twice, fault(TsaFault::DuplicateExtension));
}

#[test]
fn the_chain_holds_at_the_time_of_the_token() {
    let time = |text: &str| {
        let digits = text.as_bytes();
        let two = |at: usize| u64::from(digits[at] - b'0') * 10 + u64::from(digits[at + 1] - b'0');
        Time::from_civil([2000 + two(0), two(2), two(4)], [two(6), two(8), two(10)]).unwrap()
    };
    let (early, late) = ("260525100001Z", "260525095959Z");
    check(
        |forge| forge.tsa.validity = [early, "491231235959Z"],
        Refused::NotYetValid { not_before: time(early), at: GEN_TIME },
    );
    check(
        |forge| forge.tsa.validity = ["200101000000Z", late],
        Refused::Expired { not_after: time(late), at: GEN_TIME },
    );
    made(|forge| forge.tsa.validity = ["260525100000Z", "260525100000Z"]).unwrap();
    check(|forge| (forge.tsa.issuer, forge.root.serial) = ("other", 1), Refused::Untrusted);
    let (response, _) = Forge::new().make();
    let (_, stranger) = Forge::new().make();
    assert_eq!(judge(&response, DATA, &stranger), Err(Refused::Untrusted));
    let unknown = extension(0x63, true, &[5, 0]);
    check(|forge| forge.tsa.extensions.push(unknown), Refused::Path);
}

#[test]
fn what_is_signed_has_one_form() {
    let place = Place::Info;
    let field = |field: usize, value: &[u8], expected| {
        let value = value.to_vec();
        check(|forge| forge.info[field] = value, expected);
    };
    field(VERSION, &[2, 1, 2], Refused::Version { place });
    field(POLICY, &[6, 2, 0x2a, 0x80], Refused::Der { place });
    field(POLICY, &[6, 0], Refused::Der { place });
    let imprint = |algorithm: &[u8], digest: &[u8]| list(0x30, &[algorithm, &der(4, digest)]);
    field(IMPRINT, &imprint(SHA256, &[0; 32]), Refused::ImprintDiffers);
    field(IMPRINT, &imprint(SHA384, &Digest::Sha256.of(DATA)), Refused::ImprintDiffers);
    let sha1 = [0x30, 7, 6, 5, 0x2b, 14, 3, 2, 0x1a];
    field(IMPRINT, &imprint(&sha1, &[0; 20]), Refused::Algorithm { place });
    field(SERIAL, &[2, 2, 0, 5], Refused::Der { place });
    field(SERIAL, &[2, 0], Refused::Der { place });
    for bad in [
        &b"20260525100000.250Z"[..],
        b"20260525100000.Z",
        b"20260525100000",
        b"20260525100000+0100",
        b"202605251000Z",
        b"20260532100000Z",
        b"20260525100060Z",
    ] {
        field(TIME, &der(0x18, bad), Refused::GenTime);
    }
    field(TIME, &der(0x17, b"260525100000Z"), Refused::Der { place });
    for bad in [&[0x80, 2, 3, 0xe8][..], &[0x81, 1, 0x80], &[2, 1, 0xff], &[2, 3, 1, 0x51, 0x81]] {
        field(ACCURACY, &der(0x30, bad), Refused::Accuracy);
    }
    field(ACCURACY, &[0x30, 3, 0x82, 1, 1], Refused::Der { place });
    field(ORDERING, &[1, 1, 0], Refused::Der { place });
    field(NONCE, &[2, 2, 0, 1], Refused::Der { place });
    field(TSA, &der(0xa0, &der(0xa4, &name("other"))), Refused::TsaName);
    field(TSA, &der(0xa0, &der(0x86, b"https://tsa")), Refused::TsaName);
    let extension = |critical| der(0xa1, &extension(1, critical, &[5, 0]));
    field(EXTENSIONS, &extension(true), Refused::CriticalExtension);
    field(EXTENSIONS, &[5, 0], Refused::Der { place });
    made(|forge| forge.info[EXTENSIONS] = extension(false)).unwrap();
}

#[test]
fn a_token_answers_its_request() {
    let request = Request::new(DATA, [3; 16]);
    let nonce = der(2, request.nonce());
    let answer = |nonce: Vec<u8>| {
        let mut forge = Forge::new();
        forge.info[NONCE] = nonce;
        let (response, root) = forge.make();
        let roots = [root];
        let trust = Trust { roots: &roots, certificates: &[] };
        verify_response(&response, DATA, Answering::Request(&request), trust)
            .map(|claims| claims.nonce.clone())
    };
    assert_eq!(answer(nonce), Ok(Some(request.nonce().to_vec())));
    assert_eq!(answer(vec![2, 1, 3]), Err(Refused::NonceDiffers));
    assert_eq!(answer(vec![]), Err(Refused::NonceMissing));
}

#[test]
fn no_bit_of_a_forged_answer_may_be_other() {
    let (response, root) = Forge::new().make();
    let harmless: Vec<usize> = one_bit_off(&response)
        .filter(|(_, bent)| judge(bent, DATA, &root).is_ok())
        .map(|(bit, _)| bit)
        .collect();
    assert_eq!(harmless, [8 * 8]);
}
