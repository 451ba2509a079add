//! The two certificates of the software TEE, written in DER (X.690, RFC 5280). Both say INSECURE.
//!
//! Everything in them follows from key and time, so a stored root can be compared with what it must
//! be. What is written here is all the X.509 that the enclave knows; it reads none.

use lucarne_ledger::hash::Hash;

/// The signed part of the root for the P-384 key at `point`. It says the same at any time.
pub(super) fn root(point: &[u8]) -> Vec<u8> {
    // RFC 5280 §4.1.2.5: a certificate that has no good end is valid to the year 9999.
    let validity = sequence(&[&der(UTC_TIME, b"200101000000Z"), &der(0x18, b"99991231235959Z")]);
    tbs(point, &validity, ROOT_NAME, &[BASIC_CONSTRAINTS_ROOT, KEY_USAGE_ROOT])
}

/// The signed part of a leaf for the key at `point`, valid for three hours from now.
///
/// Nothing when the clock is beyond the year 2049, where the format of times changes.
pub(super) fn leaf(point: &[u8], now_ms: u64) -> Option<Vec<u8>> {
    let now = now_ms / 1_000;
    let validity = sequence(&[&utc_time(now)?, &utc_time(now.checked_add(LEAF_SECONDS)?)?]);
    Some(tbs(point, &validity, LEAF_NAME, &[BASIC_CONSTRAINTS_LEAF, KEY_USAGE_LEAF]))
}

/// A certificate from its signed part and the signature over it.
pub(super) fn certificate(tbs: &[u8], signature: &[u8]) -> Vec<u8> {
    sequence(&[tbs, ECDSA_SHA384, &bit_string(signature)])
}

fn tbs(point: &[u8], validity: &[u8], subject: &str, extensions: &[&[u8]]) -> Vec<u8> {
    sequence(&[
        &der(EXPLICIT_0, VERSION_3),
        &serial(point),
        ECDSA_SHA384,
        &name(ROOT_NAME),
        validity,
        &name(subject),
        &sequence(&[EC_P384, &bit_string(point)]),
        &der(EXPLICIT_3, &sequence(extensions)),
    ])
}

/// A serial number from the key: positive, and never shorter than it looks.
fn serial(point: &[u8]) -> Vec<u8> {
    let mut number = Hash::of(point).0;
    number[0] = (number[0] & 0x3f) | 0x40;
    der(INTEGER, number.get(..SERIAL_BYTES).unwrap_or_default())
}

fn name(common_name: &str) -> Vec<u8> {
    let value = der(UTF8_STRING, common_name.as_bytes());
    sequence(&[&der(SET, &sequence(&[COMMON_NAME, &value]))])
}

fn bit_string(bytes: &[u8]) -> Vec<u8> {
    der(BIT_STRING, &[&[0], bytes].concat())
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    der(SEQUENCE, &parts.concat())
}

/// One element. Nothing written here reaches 64 KiB.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let length: &[u8] = match content.len() {
        0..=0x7f => &[low],
        0x80..=0xff => &[0x81, low],
        _ => &[0x82, high, low],
    };
    [&[tag], length, content].concat()
}

/// `YYMMDDHHMMSSZ`, which ends with the year 2049.
fn utc_time(seconds: u64) -> Option<Vec<u8>> {
    if seconds >= YEAR_2050 {
        return None;
    }
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
    let year = year % 100;
    let text = format!("{year:02}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z");
    Some(der(UTC_TIME, text.as_bytes()))
}

/// Year, month and day of a day since 1970, before 2100: every fourth year has a leap day.
const fn civil(days: u64) -> (u64, u64, u64) {
    // Counted from 1968-03-01, so that a leap day is the last of its four years.
    let days = days + 671;
    let (era, day) = (days / 1_461, days % 1_461);
    let year = if day == 1_460 { 3 } else { day / 365 };
    let day_of_year = day - year * 365;
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let (month, next) = if march_month < 10 { (march_month + 3, 0) } else { (march_month - 9, 1) };
    (1968 + era * 4 + year + next, month, day)
}

const BIT_STRING: u8 = 0x03;
const INTEGER: u8 = 0x02;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const EXPLICIT_0: u8 = 0xa0;
const EXPLICIT_3: u8 = 0xa3;
/// `INTEGER 2`, which is how version 3 is written.
const VERSION_3: &[u8] = &[0x02, 0x01, 0x02];
/// `ecdsa-with-SHA384` (RFC 5758 §3.2).
pub(super) const ECDSA_SHA384: &[u8] =
    &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
/// `id-ecPublicKey` with `secp384r1` (RFC 5480 §2.1.1).
const EC_P384: &[u8] = &[
    0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
    0x00, 0x22,
];
/// `id-at-commonName`
const COMMON_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];
/// Critical: an issuer, with no issuer below it.
const BASIC_CONSTRAINTS_ROOT: &[u8] = &[
    0x30, 0x12, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x08, 0x30, 0x06, 0x01, 0x01,
    0xff, 0x02, 0x01, 0x00,
];
/// Critical: not an issuer.
const BASIC_CONSTRAINTS_LEAF: &[u8] =
    &[0x30, 0x0c, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x02, 0x30, 0x00];
/// Critical: `keyCertSign`.
const KEY_USAGE_ROOT: &[u8] = &[
    0x30, 0x0e, 0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff, 0x04, 0x04, 0x03, 0x02, 0x02, 0x04,
];
/// Critical: `digitalSignature`.
const KEY_USAGE_LEAF: &[u8] = &[
    0x30, 0x0e, 0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff, 0x04, 0x04, 0x03, 0x02, 0x07, 0x80,
];
/// Verifiers look for the last word: a root that bears it is never hardware.
const ROOT_NAME: &str = "Lucarne software TEE root (INSECURE)";
const LEAF_NAME: &str = "Lucarne software TEE leaf (INSECURE)";
/// As on AWS Nitro.
const LEAF_SECONDS: u64 = 3 * 3_600;
/// RFC 5280 §4.1.2.2 allows 20.
const SERIAL_BYTES: usize = 16;
/// 2050-01-01, in seconds since 1970.
const YEAR_2050: u64 = 2_524_608_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seconds: u64, expected: &str) {
        let time = utc_time(seconds).unwrap();
        assert_eq!(str::from_utf8(&time[2..]).unwrap(), expected);
    }

    #[test]
    fn times_are_what_date_prints() {
        check(0, "700101000000Z");
        check(951_782_399, "000228235959Z");
        check(951_825_600, "000229120000Z");
        check(951_868_800, "000301000000Z");
        check(1_668_034_317, "221109225157Z");
        check(1_709_164_800, "240229000000Z");
        check(1_735_689_599, "241231235959Z");
        check(YEAR_2050 - 1, "491231235959Z");
        assert_eq!(utc_time(YEAR_2050), None);
    }

    #[test]
    fn lengths_take_the_shortest_form() {
        for (length, header) in
            [(0x7f, &[4, 0x7f][..]), (0x80, &[4, 0x81, 0x80]), (0x1ff, &[4, 0x82, 1, 0xff])]
        {
            let element = der(4, &vec![0; length]);
            assert_eq!(&element[..element.len() - length], header);
        }
    }
}
