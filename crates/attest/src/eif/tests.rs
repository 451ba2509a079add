//! Images made and measured by another program (`testdata/eif/make.py`), and each way to break one.

use alloc::string::ToString;
use alloc::vec;
use std::string::String;

use super::checksum::tests::mended;
use super::*;

const ONE: &[u8] = include_bytes!("../../testdata/eif/one_ramdisk.eif");
const THREE: &[u8] = include_bytes!("../../testdata/eif/three_ramdisks_arm.eif");
const SIGNED: &[u8] = include_bytes!("../../testdata/eif/signed.eif");
const PCRS: &str = include_str!("../../testdata/eif/pcrs.json");
/// What the reproducible builds of several public projects with one ramdisk print as PCR2.
const NOTHING: &str = "21b9efbc184807662e966d34f390821309eeac6802309798\
                       826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a";

#[track_caller]
fn measured(image: &[u8], name: &str, architecture: Architecture) {
    let all: serde_json::Value = serde_json::from_str(PCRS).unwrap();
    let expected: BTreeMap<u8, Register> = all[name]
        .as_object()
        .unwrap()
        .iter()
        .map(|(index, value)| (index.parse().unwrap(), value.as_str().unwrap().parse().unwrap()))
        .collect();
    let image = Image::parse(image).unwrap();
    assert_eq!((image.pcrs(), image.architecture), (expected, architecture));
}

#[test]
fn registers_are_those_that_another_program_computes() {
    measured(ONE, "one_ramdisk", Architecture::X86);
    measured(THREE, "three_ramdisks_arm", Architecture::Arm);
    measured(SIGNED, "signed", Architecture::X86);
}

#[test]
fn one_ramdisk_has_what_others_publish_for_one() {
    let pcrs = Image::parse(ONE).unwrap().pcrs();
    assert_eq!(pcrs[&0], pcrs[&1]);
    assert_eq!(pcrs[&2].to_string(), NOTHING);
}

#[test]
fn metadata_is_shown_and_not_measured() {
    let image = Image::parse(ONE).unwrap();
    assert_eq!(image.metadata().unwrap(), br#"{"ImageName": "demo", "ImageVersion": "1.2.3"}"#);
    let at = ONE.windows(5).position(|part| part == b"1.2.3").unwrap();
    let other = mended(&with(ONE, at, b"1.2.4"));
    assert_eq!(Image::parse(&other).unwrap().pcrs(), image.pcrs());
}

fn with(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

#[test]
fn no_bit_can_be_turned_unseen() {
    for at in 0..SIGNED.len() {
        let mut flipped = SIGNED.to_vec();
        flipped[at] ^= 1 << (at % 8);
        assert!(Image::parse(&flipped).is_err(), "byte {at}");
        assert!(Image::parse(&SIGNED[..at]).is_err(), "cut at {at}");
    }
}

#[track_caller]
fn refused(image: &[u8], expected: EifError) {
    assert_eq!(Image::parse(&mended(image)), Err(expected));
    let text = expected.to_string();
    assert!(!text.is_empty() && !text.ends_with('.') && !text.contains('\n'), "{text}");
}

#[test]
fn the_header_has_one_spelling() {
    refused(&with(ONE, 0, b".EIF"), EifError::Magic);
    refused(&with(ONE, 4, &[0, 3]), EifError::Version { got: 3 });
    refused(&with(ONE, 6, &[0, 2]), EifError::Flags { at: 6, got: 2 });
    refused(&with(ONE, 24, &[0, 1]), EifError::NotZero { at: 24 });
    refused(&with(ONE, 540, &[1]), EifError::NotZero { at: 540 });
    refused(&with(ONE, 26, &[0, 2]), EifError::SectionCount { got: 2 });
    refused(&with(ONE, 26, &[0, 33]), EifError::SectionCount { got: 33 });
    // The table: an offset, a size, and an entry of a section that is not there.
    refused(&with(ONE, 28 + 15, &[0]), EifError::Table { section: 1 });
    refused(&with(ONE, 284 + 7, &[0]), EifError::Table { section: 0 });
    refused(&with(ONE, 28 + 31 * 8, &[1]), EifError::Table { section: 31 });
}

#[test]
fn sections_stand_where_they_belong() {
    let kernel = 548;
    let command_line = kernel + 12 + 1_000;
    let order = |at, section| EifError::Order { at, section };
    refused(&with(ONE, kernel, &[0, 6]), EifError::SectionKind { at: kernel, got: 6 });
    refused(&with(ONE, kernel, &[0, 2]), order(kernel, Section::CommandLine));
    refused(&with(ONE, kernel, &[0, 3]), order(kernel, Section::Ramdisk));
    refused(&with(ONE, kernel, &[0, 4]), order(kernel, Section::Signature));
    refused(&with(ONE, command_line, &[0, 1]), order(command_line, Section::Kernel));
    refused(&with(ONE, kernel + 2, &[0, 1]), EifError::Flags { at: kernel + 2, got: 1 });
    let metadata = command_line + 12 + 85;
    let missing = with(&with(ONE, metadata, &[0, 3]), metadata + 12 + 46, &[0, 5]);
    // The same parts in another order are another image, and a good one.
    let disk = b"first ramdisk: init".repeat(20);
    assert_eq!(Image::parse(&mended(&missing)).unwrap().metadata(), Some(&disk[..]));
    let twice = with(THREE, metadata + 12 + 46, &[0, 5]);
    refused(&twice, order(metadata + 12 + 46, Section::Metadata));
}

#[test]
fn what_follows_or_is_missing_is_seen() {
    let longer = [ONE, &[0]].concat();
    refused(&longer, EifError::Trailing { at: ONE.len() });
    refused(&with(ONE, 548 + 4, &[255; 8]), EifError::Truncated { at: ONE.len() });
    assert_eq!(Image::parse(&ONE[..547]), Err(EifError::Truncated { at: 547 }));
    assert_eq!(Image::parse(&[]), Err(EifError::Truncated { at: 0 }));
    let crc = u32_at(ONE, checksum::AT).unwrap();
    let broken = with(ONE, checksum::AT, &(crc ^ 1).to_be_bytes());
    assert_eq!(Image::parse(&broken), Err(EifError::Checksum { want: crc ^ 1, got: crc }));
}

#[test]
fn a_signature_has_one_certificate() {
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let section = |pem: &str, count: u8| {
        let mut out = vec![0x80 | count, 0xa2, 0x73];
        out.extend_from_slice(b"signing_certificate");
        out.extend_from_slice(&[0x98, u8::try_from(pem.len()).unwrap()]);
        pem.bytes().for_each(|byte| out.extend_from_slice(&[0x18, byte][usize::from(byte < 24)..]));
        out.extend_from_slice(b"\x69signature\x81\x01");
        out
    };
    assert_eq!(signature::certificate(&section(pem, 1)), Ok(vec![0, 0, 0]));
    let at_1 = EifError::Signature { at: 1, cause: CborError::Value };
    assert_eq!(signature::certificate(&section(pem, 2)), Err(at_1));
    let two = String::from(pem) + pem;
    assert_eq!(signature::certificate(&section(&two, 1)), Err(EifError::Certificate));
    assert_eq!(
        signature::certificate(&section("this is a text and no PEM", 1)),
        Err(EifError::Certificate)
    );
    let longer = [section(pem, 1), vec![0]].concat();
    let trailing = EifError::Signature { at: longer.len() - 1, cause: CborError::TrailingBytes };
    assert_eq!(signature::certificate(&longer), Err(trailing));
    // A head that claims more than there is reserves nothing.
    let claims = [&section(pem, 1)[..22], &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255]].concat();
    let cut = EifError::Signature { at: claims.len(), cause: CborError::Truncated };
    assert_eq!(signature::certificate(&claims), Err(cut));
}
