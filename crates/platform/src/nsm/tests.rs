//! Exchanges as they are written down: the bytes of requests and answers follow from AWS's types
//! (`nsm-api`) and from the kernel's own driver, which spells out `GetRandom`.

use std::sync::Mutex;

use super::*;

/// Answers from a list, and keeps what it was asked.
struct Recorded {
    answers: Mutex<Vec<Result<Vec<u8>, Errno>>>,
    asked: Mutex<Vec<Vec<u8>>>,
}

impl NsmDevice for Recorded {
    fn exchange(&self, request: &[u8]) -> Result<Vec<u8>, Errno> {
        self.asked.lock().unwrap().push(request.to_vec());
        self.answers.lock().unwrap().remove(0)
    }
}

fn module(answer: Result<Vec<u8>, Errno>) -> Nsm<Recorded> {
    Nsm::over(Recorded { answers: Mutex::new(vec![answer]), asked: Mutex::default() })
}

#[track_caller]
fn exchanged<T>(
    ask: impl FnOnce(&Nsm<Recorded>) -> Result<T, NsmError>,
    request: &[u8],
    answer: &[u8],
) -> Result<T, NsmError> {
    let module = module(Ok(answer.to_vec()));
    let answered = ask(&module);
    assert_eq!(*module.device.asked.lock().unwrap(), [request.to_vec()]);
    answered
}

const GET_RANDOM: &[u8] = b"\x69GetRandom";

#[test]
fn random_bytes_are_exchanged_as_the_kernel_does_it() {
    let answer = [&b"\xa1\x69GetRandom\xa1\x66random\x58\x20"[..], &[7; 32]].concat();
    assert_eq!(exchanged(Nsm::random, GET_RANDOM, &answer), Ok(vec![7; 32]));
    let none = b"\xa1\x69GetRandom\xa1\x66random\x40";
    assert_eq!(
        exchanged(Nsm::random, GET_RANDOM, none),
        Err(NsmError::Answer(NotAnAnswer::Mistaken))
    );
}

#[test]
fn a_document_is_asked_for_with_three_fields() {
    let request = [
        &b"\xa1\x6bAttestation\xa3\x69user_data\x58\x40"[..],
        &[1; 64],
        b"\x65nonce\x58\x20",
        &[2; 32],
        b"\x6apublic_key\x58\x5b",
        &[3; 91],
    ]
    .concat();
    let document = vec![0xd2; 4_600];
    let answer = [&b"\xa1\x6bAttestation\xa1\x68document\x59\x11\xf8"[..], &document].concat();
    let ask = |nsm: &Nsm<Recorded>| nsm.attestation(&[1; 64], &[2; 32], &[3; 91]);
    assert_eq!(exchanged(ask, &request, &answer), Ok(document.clone()));
    // Newer modules write maps of indefinite length.
    let newer = [&b"\xbf\x6bAttestation\xbf\x68document\x59\x11\xf8"[..], &document, b"\xff\xff"];
    assert_eq!(exchanged(ask, &request, &newer.concat()), Ok(document));
}

#[test]
fn registers_are_asked_for_by_number() {
    let answer = [&b"\xa1\x6bDescribePCR\xa2\x64lock\xf5\x64data\x58\x30"[..], &[9; 48]].concat();
    let request = b"\xa1\x6bDescribePCR\xa1\x65index\x00";
    assert_eq!(exchanged(|nsm| nsm.pcr(0), request, &answer), Ok([9; 48]));
    let short = b"\xa1\x6bDescribePCR\xa2\x64lock\xf5\x64data\x41\x09";
    assert_eq!(
        exchanged(|nsm| nsm.pcr(0), request, short),
        Err(NsmError::Answer(NotAnAnswer::Length))
    );
    let request = b"\xa1\x67LockPCR\xa1\x65index\x18\x1f";
    assert_eq!(exchanged(|nsm| nsm.lock_pcr(31), request, b"\x67LockPCR"), Ok(()));
}

#[test]
fn a_module_describes_itself_and_may_say_more_one_day() {
    let expected = NsmDescription {
        module_id: "i-0abc-enc0123".into(),
        version: [1, 0, 0],
        max_pcrs: 32,
        locked_pcrs: vec![0, 1, 2, 16],
    };
    let body = [
        &b"\x6dversion_major\x01\x6dversion_minor\x00\x6dversion_patch\x00"[..],
        b"\x69module_id\x6ei-0abc-enc0123\x68max_pcrs\x18\x20",
        b"\x6blocked_pcrs\x84\x00\x01\x02\x10\x66digest\x66SHA384",
    ]
    .concat();
    let answer = [&b"\xa1\x6bDescribeNSM\xa7"[..], &body].concat();
    assert_eq!(exchanged(Nsm::describe, b"\x6bDescribeNSM", &answer), Ok(expected.clone()));
    let grown = [&b"\xa1\x6bDescribeNSM\xa8"[..], &body, b"\x63new\xa1\x61x\xf6"].concat();
    assert_eq!(exchanged(Nsm::describe, b"\x6bDescribeNSM", &grown), Ok(expected));
    let shape = || Err(NsmError::Answer(NotAnAnswer::Shape));
    let other = String::from_utf8_lossy(&answer).replace("SHA384", "SHA512").into_bytes();
    assert_eq!(
        exchanged(Nsm::describe, b"\x6bDescribeNSM", &other[..0]),
        Err(NsmError::Answer(NotAnAnswer::Cbor))
    );
    let mut other = answer;
    let end = other.len();
    other[end - 3..].copy_from_slice(b"512");
    assert_eq!(exchanged(Nsm::describe, b"\x6bDescribeNSM", &other), shape());
}

#[test]
fn a_refusal_is_named_and_an_answer_to_another_question_is_none() {
    let refused = b"\xa1\x65Error\x6fInvalidArgument";
    let expected = NsmError::Refused(NsmRefusal::InvalidArgument);
    assert_eq!(exchanged(Nsm::random, GET_RANDOM, refused), Err(expected));
    assert_eq!(expected.to_string(), "the NSM refused: InvalidArgument");
    assert_eq!(
        exchanged(Nsm::random, GET_RANDOM, b"\xa1\x65Error\x61?"),
        answer_fault(NotAnAnswer::Shape)
    );
    assert_eq!(
        exchanged(Nsm::random, GET_RANDOM, b"\x67LockPCR"),
        answer_fault(NotAnAnswer::Mistaken)
    );
    let failed = module(Err(Errno::ETIMEDOUT));
    assert_eq!(failed.random(), Err(NsmError::Exchange(Errno::ETIMEDOUT)));
}

fn answer_fault(fault: NotAnAnswer) -> Result<Vec<u8>, NsmError> {
    Err(NsmError::Answer(fault))
}

#[test]
fn what_is_not_strict_is_refused() {
    let malformed: [&[u8]; 9] = [
        b"",
        b"\xa1\x69GetRandom\xa1\x66random\x42\x01",
        b"\xa1\x69GetRandom\xa1\x66random\x41\x01\x00",
        b"\xa1\x69GetRandom\xa1\x66random\x58\x01\x01",
        b"\xa1\x69GetRandom\xa1\x66random\x5f\x41\x01\xff",
        b"\xa2\x61a\x00\x61a\x00",
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x81\x81\x81\x81\x81\x00",
        b"\xbf\x69GetRandom\xa1\x66random\x41\x01",
    ];
    for answer in malformed {
        let found = module(Ok(answer.to_vec())).random();
        assert_eq!(found, answer_fault(NotAnAnswer::Cbor), "{answer:02x?}");
    }
    let shapes: [&[u8]; 4] =
        [b"\x00", b"\xf6", b"\xa1\x69GetRandom\xa2\x66random\x41\x01\x61x\x00", b"\xa1\x61x\xf4"];
    for answer in shapes {
        let found = module(Ok(answer.to_vec())).random();
        assert_eq!(found, answer_fault(NotAnAnswer::Shape), "{answer:02x?}");
    }
    // As long as the buffer: the kernel may have cut it.
    let full = module(Ok(vec![0; ANSWER_BYTES_MAX])).random();
    assert_eq!(full, answer_fault(NotAnAnswer::Length));
}

#[test]
fn what_no_document_can_carry_is_not_sent() {
    let refused = |user_data: usize, nonce: usize, key: usize| {
        let module = module(Ok(b"\xa1\x6bAttestation\xa1\x68document\x41\x00".to_vec()));
        let answer = module.attestation(&vec![0; user_data], &vec![0; nonce], &vec![0; key]);
        (answer, module.device.asked.lock().unwrap().len())
    };
    let wrong = |field, got| (Err(NsmError::FieldLength { field, got }), 0);
    assert_eq!(refused(513, 32, 91), wrong("user_data", 513));
    assert_eq!(refused(64, 513, 91), wrong("nonce", 513));
    assert_eq!(refused(64, 32, 0), wrong("public_key", 0));
    assert_eq!(refused(64, 32, 1_025), wrong("public_key", 1_025));
    assert_eq!(refused(512, 512, 1_024), (Ok(vec![0]), 1));
}

/// What is no module answers `ENOTTY` to the ioctl; a name without a device is no module.
#[test]
fn the_call_reaches_the_kernel() {
    let file = NsmFile::open(Path::new("/dev/null")).unwrap().unwrap();
    assert_eq!(file.exchange(GET_RANDOM), Err(Errno::ENOTTY));
    assert!(matches!(NsmFile::open(Path::new("/nonexistent/nsm")), Ok(None)));
    assert_eq!(size_of::<Message<'_>>(), 32);
    let refused = NsmFile::open(Path::new("/proc")).unwrap_err();
    assert_eq!(refused, NsmError::Open(Errno::EISDIR));
}
