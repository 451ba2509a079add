//! Batches as .NET writes them, and each of their fields broken.

extern crate std;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair,
};
use serde_json::json;

use super::run::{CodeVersion, Note, Read, Run, Signed, Verdict, sort};
use super::*;

const THUMBPRINT: &str = "sha256:ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB";
const CERTIFICATE: Certificate = Certificate::Sha256(Hash([0xab; 32]));
const CODE: &str = "sha384:c3d4e5";

/// A payload with one record, as `JsonSerializer.SerializeToUtf8Bytes` writes it: `+` escaped.
fn payload(sequence: &str) -> String {
    format!(
        "{{{sequence}\"timestamp_utc\":\"2026-05-25T10:00:00.1234567\\u002B00:00\",\
         \"tee_measurement\":\"{CODE}\",\"record_count\":1,\"records\":[{{\
         \"timestamp\":\"2026-05-25T09:59:59.9Z\",\"level\":\"Information\",\
         \"message\":\"completed\",\"attributes\":{{\"stepCount\":5,\"ok\":true}}}}]}}"
    )
}

fn numbered(sequence: u64) -> String {
    payload(&format!("\"sequence\":{sequence},"))
}

/// The TEE's key pair.
struct Tee(EcdsaKeyPair);

impl Tee {
    fn new(form: &'static EcdsaSigningAlgorithm) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let document = key.to_pkcs8v1().unwrap();
        Self(EcdsaKeyPair::from_pkcs8(form, document.as_ref()).unwrap())
    }

    fn dot_net() -> Self {
        Self::new(&ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    fn public(&self) -> PublicKey {
        PublicKey::from_p256_point(self.0.public_key().as_ref()).unwrap()
    }

    fn signature(&self, payload: &str) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), payload.as_bytes()).unwrap().as_ref().to_vec()
    }

    /// The object of .NET: its default encoder writes the `+` of base64 as an escape.
    fn wrap(&self, sequence: u64, payload: &str) -> String {
        wrap(sequence, payload, &self.signature(payload))
    }

    fn judge(&self, json: &str) -> Result<VerifiedJsonBatch, JsonBatchError> {
        SignedLogBatch::parse(json.as_bytes())?.verify(&self.public(), CERTIFICATE)
    }

    fn read(&self, json: &str) -> Read {
        let outside = SignedLogBatch::parse(json.as_bytes()).ok().map(|batch| batch.sequence);
        Read { outside, outcome: self.judge(json).as_ref().map(Signed::from).map_err(Clone::clone) }
    }
}

fn wrap(sequence: u64, payload: &str, signature: &[u8]) -> String {
    let base64 = |bytes: &[u8]| STANDARD.encode(bytes).replace('+', "\\u002B");
    format!(
        "{{\"Sequence\":{sequence},\"PayloadBase64\":\"{}\",\"SignatureBase64\":\"{}\",\
         \"AttestationCertThumbprint\":\"{THUMBPRINT}\"}}",
        base64(payload.as_bytes()),
        base64(signature)
    )
}

#[test]
fn both_forms_of_signature_are_read_and_the_payload_is_what_was_signed() {
    for form in [&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P256_SHA256_ASN1_SIGNING] {
        let tee = Tee::new(form);
        let batch = tee.judge(&tee.wrap(42, &numbered(42))).unwrap();
        assert_eq!((batch.sequence(), batch.sequence_is_signed()), (42, true));
        assert_eq!(batch.digest(), Hash::of(numbered(42).as_bytes()));
        let record = payload::LogLine {
            timestamp: "2026-05-25T09:59:59.9Z".to_owned(),
            level: "Information".to_owned(),
            message: Some("completed".to_owned()),
            attributes: json!({ "stepCount": 5, "ok": true }).as_object().cloned(),
        };
        let expected = Payload {
            sequence: Some(42),
            timestamp_utc: "2026-05-25T10:00:00.1234567+00:00".to_owned(),
            tee_measurement: CODE.to_owned(),
            record_count: 1,
            records: Vec::from([record]),
        };
        assert_eq!(batch.payload(), &expected);
    }
}

#[test]
fn a_sequence_altered_outside_the_payload_is_refused_with_the_reason() {
    let tee = Tee::dot_net();
    let error = tee.judge(&tee.wrap(43, &numbered(42))).unwrap_err();
    assert_eq!(error, JsonBatchError::SequenceDiffers { outside: 43, inside: 42 });
    let text = "Sequence 43 is not signed, and the signed payload says 42: it was altered outside \
                the payload";
    assert_eq!(format!("{error}"), text);
}

#[test]
fn a_sequence_that_the_payload_does_not_repeat_is_unsigned() {
    let tee = Tee::dot_net();
    let read = tee.read(&tee.wrap(7, &payload("")));
    let judged = Run::new(CodeVersion::Exactly(CODE.to_owned()), Some(7)).judge(&read);
    assert_eq!(judged, (Verdict::Valid { records: 1 }, Vec::from([Note::SequenceUnsigned])));
}

#[test]
fn no_bit_of_payload_or_signature_may_change() {
    let tee = Tee::dot_net();
    let (payload, signature) = (numbered(1), tee.signature(&numbered(1)));
    for bit in 0..signature.len() * 8 {
        let mut bent = signature.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(tee.judge(&wrap(1, &payload, &bent)), Err(JsonBatchError::Signature), "{bit}");
    }
    for at in 0..payload.len() {
        let mut bent = payload.clone().into_bytes();
        bent[at] ^= 1;
        let bent = String::from_utf8(bent).unwrap();
        assert_eq!(tee.judge(&wrap(1, &bent, &signature)), Err(JsonBatchError::Signature), "{at}");
    }
    let stranger = Tee::dot_net().wrap(1, &payload);
    assert_eq!(tee.judge(&stranger), Err(JsonBatchError::Signature));
}

#[test]
fn the_wrapping_has_one_form() {
    let tee = Tee::dot_net();
    let good = tee.wrap(1, &numbered(1));
    let refused = |json: &str| match tee.judge(json) {
        Err(JsonBatchError::Wrapping { detail }) => detail,
        other => panic!("{other:?}"),
    };
    let detail = refused(&good.replacen('{', "{\"Sequence\":1,", 1));
    assert_eq!(detail, "duplicate field `Sequence` at line 1 column 24");
    assert!(refused(&good.replacen('{', "{\"Extra\":1,", 1)).starts_with("unknown field `Extra`"));
    assert!(refused(&good.replace("Sequence", "sequence")).starts_with("unknown field"));
    assert!(refused(&format!("{good}{good}")).starts_with("trailing characters"));
    assert!(refused("[]").starts_with("invalid length 0"));
    assert!(refused(&good.replace("\"Sequence\":1", "\"Sequence\":-1")).starts_with("invalid"));
    assert!(refused(&good.replace("\"Sequence\":1", "\"Sequence\":\"1\"")).starts_with("invalid"));
    assert_eq!(tee.judge(&format!("\r\n {good}\n")).unwrap().sequence(), 1);
    let long = " ".repeat(JSON_BATCH_BYTES_MAX + 1);
    let got = JSON_BATCH_BYTES_MAX + 1;
    assert_eq!(tee.judge(&long), Err(JsonBatchError::TooLong { got }));
}

#[test]
fn base64_and_thumbprints_have_one_form() {
    let tee = Tee::dot_net();
    let good = tee.wrap(1, &numbered(1));
    let field = |field| Err(JsonBatchError::Base64 { field });
    for name in ["PayloadBase64", "SignatureBase64"] {
        let spaced = good.replace(&format!("\"{name}\":\""), &format!("\"{name}\":\" "));
        assert_eq!(tee.judge(&spaced), field(name));
    }
    // 64 bytes end in two characters of padding, which may not be left out.
    let bare = good.replace("==\",\"Att", "\",\"Att");
    assert_eq!(tee.judge(&bare), field("SignatureBase64"));
    for bad in ["", "sha1:00", "ABABABABABABABABABABABABABABABABABABABAB", "sha256:zz"] {
        let json = good.replace(THUMBPRINT, bad);
        assert_eq!(tee.judge(&json), Err(JsonBatchError::ThumbprintForm), "{bad}");
    }
    let mixed = good.replace("sha256:AB", "sha256:aB");
    assert_eq!(tee.judge(&mixed), Err(JsonBatchError::ThumbprintForm));
    let plain = good.replace(THUMBPRINT, &"ab".repeat(32));
    assert_eq!(tee.judge(&plain).unwrap().sequence(), 1);
    let other = good.replace(THUMBPRINT, &"cd".repeat(32));
    let named = Hash([0xcd; 32]);
    assert_eq!(tee.judge(&other), Err(JsonBatchError::ThumbprintDiffers { named }));
    let alone = SignedLogBatch::parse(other.as_bytes()).unwrap();
    assert_eq!(alone.verify(&tee.public(), Certificate::KeyAlone).unwrap().sequence(), 1);
}

#[test]
fn a_key_of_another_kind_signs_no_batch() {
    let tee = Tee::dot_net();
    let batch = SignedLogBatch::parse(tee.wrap(1, &numbered(1)).as_bytes()).unwrap();
    let other = PublicKey::from_ed25519(&[1; 32]);
    assert_eq!(batch.verify(&other, CERTIFICATE), Err(JsonBatchError::Key));
}

#[test]
fn a_signed_payload_of_another_form_is_refused() {
    let tee = Tee::dot_net();
    let judge = |payload: &str| tee.judge(&tee.wrap(1, payload));
    let refused = |payload: &str| match judge(payload) {
        Err(JsonBatchError::Payload { detail }) => detail,
        other => panic!("{other:?}"),
    };
    let good = numbered(1);
    let twice = good.replace("\"ok\":true", "\"stepCount\":6");
    assert!(refused(&twice).starts_with("a key occurs twice"));
    let nested = good.replace("\"ok\":true", "\"ok\":[{\"a\":1,\"a\":1}]");
    assert!(refused(&nested).starts_with("a key occurs twice"));
    let list = good.replace("{\"stepCount\":5,\"ok\":true}", "[1]");
    assert!(refused(&list).starts_with("attributes are not an object"));
    let duplicate = good.replacen('{', "{\"record_count\":1,", 1);
    assert!(refused(&duplicate).starts_with("duplicate field `record_count`"));
    assert!(refused(&good.replacen('{', "{\"more\":1,", 1)).starts_with("unknown field `more`"));
    assert!(refused(&format!("{good}x")).starts_with("trailing characters"));
    assert!(refused(&payload("\"sequence\":null,")).starts_with("invalid type: null"));
    let count = good.replace("\"record_count\":1", "\"record_count\":2");
    assert_eq!(judge(&count), Err(JsonBatchError::RecordCount { stated: 2, found: 1 }));
    let nothing = good.replace("{\"stepCount\":5,\"ok\":true}", "null");
    assert_eq!(judge(&nothing).unwrap().payload().records[0].attributes, None);
}

/// The verdicts on a run, in the order that `sort` gives it.
fn verdicts(mut run: Run, mut reads: Vec<Read>) -> Vec<(String, Vec<Note>)> {
    sort(&mut reads, |read| read);
    reads
        .iter()
        .map(|read| run.judge(read))
        .map(|(verdict, notes)| (format!("{verdict}"), notes))
        .collect()
}

fn exactly() -> CodeVersion {
    CodeVersion::Exactly(CODE.to_owned())
}

#[test]
fn a_gap_is_told_once_and_judging_goes_on() {
    let tee = Tee::dot_net();
    let reads = [5, 1, 2, 6, 10].map(|n| tee.read(&tee.wrap(n, &numbered(n))));
    let valid = || ("Valid(1)".to_owned(), Vec::new());
    let gap = |text: &str, note| (text.to_owned(), Vec::from([note]));
    let expected = [
        valid(),
        valid(),
        gap("SequenceGap(2, 5)", Note::Missing(3, 4)),
        valid(),
        gap("SequenceGap(6, 10)", Note::Missing(7, 9)),
    ];
    assert_eq!(verdicts(Run::new(exactly(), Some(1)), reads.to_vec()), expected);
    // Nothing says which is the first: then none is missing before it.
    let tail = verdicts(Run::new(exactly(), None), reads[..1].to_vec());
    assert_eq!(tail, [valid()]);
    let missing = verdicts(Run::new(exactly(), Some(1)), reads[..1].to_vec());
    assert_eq!(missing, [gap("SequenceGap(0, 5)", Note::Missing(1, 4))]);
}

#[test]
fn a_refused_batch_is_broken_and_not_missing_as_well() {
    let tee = Tee::dot_net();
    let bad = wrap(2, &numbered(2), &[0; 64]);
    let altered = tee.wrap(9, &numbered(3));
    let reads = [tee.read(&tee.wrap(1, &numbered(1))), tee.read(&bad), tee.read(&altered)];
    let after = tee.read(&tee.wrap(4, &numbered(4)));
    let reads = reads.into_iter().chain([after, tee.read("{")]).collect();
    let got = verdicts(Run::new(exactly(), Some(1)), reads);
    let words: Vec<&str> = got.iter().map(|(verdict, _)| verdict.as_str()).collect();
    let expected = [
        "TamperedOrInvalidSignature(unknown)",
        "Valid(1)",
        "TamperedOrInvalidSignature(2)",
        "TamperedOrInvalidSignature(9)",
        "Valid(1)",
    ];
    assert_eq!(words, expected);
    let differs = JsonBatchError::SequenceDiffers { outside: 9, inside: 3 };
    assert_eq!(got[3].1, [Note::Refused(differs)]);
}

#[test]
fn other_code_is_named_and_does_not_break_the_sequence() {
    let tee = Tee::dot_net();
    let other = numbered(2).replace(CODE, "sha384:\\u001b[2J");
    let reads = Vec::from([
        tee.read(&tee.wrap(1, &numbered(1))),
        tee.read(&tee.wrap(2, &other)),
        tee.read(&tee.wrap(3, &numbered(3))),
    ]);
    let words = |code| -> Vec<String> {
        let got = verdicts(Run::new(code, Some(1)), reads.clone());
        got.into_iter().map(|(verdict, _)| verdict).collect()
    };
    let named = "UnexpectedCodeVersion(sha384:\\u{1b}[2J)";
    assert_eq!(words(exactly()), ["Valid(1)", named, "Valid(1)"]);
    assert_eq!(words(CodeVersion::NotCompared), ["Valid(1)", "Valid(1)", "Valid(1)"]);
}

#[test]
fn a_copy_is_harmless_and_a_second_payload_is_not() {
    let tee = Tee::dot_net();
    let at = |n: u64, hour: &str| numbered(n).replace("T10:", &format!("T{hour}:"));
    let one = tee.wrap(1, &at(1, "10"));
    let copy = verdicts(Run::new(exactly(), Some(1)), Vec::from([tee.read(&one), tee.read(&one)]));
    let valid = || ("Valid(1)".to_owned(), Vec::new());
    assert_eq!(copy, [valid(), ("Valid(1)".to_owned(), Vec::from([Note::Repeated]))]);
    // A restart: two runs of numbers, told apart by their times, and one verdict between them.
    let runs = [(1, "10"), (1, "12"), (2, "11"), (2, "13")];
    let reads = runs.map(|(n, hour)| tee.read(&tee.wrap(n, &at(n, hour)))).to_vec();
    let again = ("SequenceGap(2, 1)".to_owned(), Vec::from([Note::StartedAgain]));
    let got = verdicts(Run::new(exactly(), Some(1)), reads);
    assert_eq!(got, [valid(), valid(), again, valid()]);
}
