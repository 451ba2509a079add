//! Certificates of access: what is issued is read, and nothing else is.

use alloc::string::ToString;

use lucarne_ledger::key::{Ed25519Key, Signer as _};

use super::*;

fn sample() -> Certificate {
    let mut point = [7; 65];
    point[0] = 4;
    Certificate {
        serial: Serial::from_random([0xff; 16]),
        authority: "security-board".parse().unwrap(),
        holder: "alice".parse().unwrap(),
        role: "investigator".parse().unwrap(),
        not_before: 1_795_230_000,
        not_after: 1_795_316_400,
        point,
    }
}

fn authority() -> Ed25519Key {
    Ed25519Key::from_seed(&[3; 32]).unwrap()
}

fn issue(certificate: &Certificate) -> Vec<u8> {
    let signed = certificate.to_be_signed().unwrap();
    Certificate::assemble(&signed, &authority().sign(&signed).unwrap())
}

#[test]
fn what_is_issued_is_read_and_verified() {
    let bytes = issue(&sample());
    let claimed = Certificate::parse(&bytes).unwrap();
    assert_eq!(claimed.unverified(), &sample());
    let stranger = Ed25519Key::from_seed(&[4; 32]).unwrap();
    let refused = claimed.clone().verify(stranger.public_key());
    assert_eq!(refused, Err(CertificateError::Signature));
    assert_eq!(claimed.verify(authority().public_key()).unwrap().get(), &sample());
}

#[test]
fn no_bit_can_be_changed_and_no_byte_added() {
    let bytes = issue(&sample());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bent = bytes.clone();
            bent[at] ^= 1 << bit;
            let believed = Certificate::parse(&bent)
                .and_then(|claimed| claimed.verify(authority().public_key()));
            assert!(believed.is_err(), "bit {bit} of byte {at}");
        }
    }
    for cut in 0..bytes.len() {
        assert!(Certificate::parse(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Certificate::parse(&longer), Err(CertificateError::Profile));
    let endless = alloc::vec![0x30; CERTIFICATE_BYTES_MAX + 1];
    let got = CERTIFICATE_BYTES_MAX + 1;
    assert_eq!(Certificate::parse(&endless), Err(CertificateError::TooLong { got }));
}

#[test]
fn a_validity_runs_forward_and_ends_before_2050() {
    let backward = Certificate { not_after: sample().not_before - 1, ..sample() };
    assert_eq!(backward.to_be_signed(), Err(CertificateError::Validity));
    let late = Certificate { not_after: der::time::YEAR_2050, ..sample() };
    assert_eq!(late.to_be_signed(), Err(CertificateError::Validity));
    let moment = Certificate { not_after: sample().not_before, ..sample() };
    assert_eq!(Certificate::parse(&issue(&moment)).unwrap().unverified(), &moment);
}

#[test]
fn names_are_plain() {
    let longest = "a".repeat(NAME_BYTES_MAX);
    for good in ["a", "alice", "a.b_c-d", "0", &longest] {
        assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
    }
    let longer = "a".repeat(NAME_BYTES_MAX + 1);
    for bad in ["", "Alice", "-a", ".a", "a b", "a@b", "a/b", "ä", "a\"", &longer] {
        assert_eq!(bad.parse::<Name>(), Err(CertificateError::Name), "{bad}");
    }
}

#[test]
fn a_serial_has_one_spelling() {
    let serial = Serial::from_random([0xff; 16]);
    assert_eq!(serial.to_string(), "7fffffffffffffffffffffffffffffff");
    assert_eq!(serial.to_string().parse(), Ok(serial));
    assert_eq!("ff".repeat(16).parse::<Serial>(), Err(CertificateError::Profile));
    assert_eq!("7f".repeat(15).parse::<Serial>(), Err(CertificateError::Profile));
}

#[test]
fn longest_names_still_fit() {
    let name: Name = "z".repeat(NAME_BYTES_MAX).parse().unwrap();
    let all = Certificate { authority: name.clone(), holder: name.clone(), role: name, ..sample() };
    let bytes = issue(&all);
    assert!(bytes.len() <= CERTIFICATE_BYTES_MAX, "{}", bytes.len());
    assert_eq!(Certificate::parse(&bytes).unwrap().unverified(), &all);
}
