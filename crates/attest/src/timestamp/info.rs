//! `TSTInfo` (RFC 3161 §2.4.2): what an authority signs.

use alloc::format;
use alloc::string::{String, ToString};

use super::algorithm::Digest;
use super::refused::{Place, Refused};
use crate::der::{
    BOOLEAN, BadDer, Der, EXPLICIT_0, GENERALIZED_TIME, INTEGER, OCTET_STRING, OID, SEQUENCE,
};
use crate::time::Time;

/// What a token says, in place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Info<'a> {
    pub(super) policy: String,
    pub(super) digest: Digest,
    pub(super) imprint: &'a [u8],
    pub(super) serial: &'a [u8],
    pub(super) gen_time: Time,
    pub(super) accuracy_us: Option<u64>,
    pub(super) nonce: Option<&'a [u8]>,
    /// The name of the authority in DER, if it is given.
    pub(super) tsa: Option<&'a [u8]>,
}

impl From<BadDer> for Refused {
    fn from(_: BadDer) -> Self {
        Self::Der { place: Place::Info }
    }
}

impl<'a> Info<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Refused> {
        let mut outer = Der::new(bytes);
        let mut fields = outer.inside(SEQUENCE)?;
        outer.end()?;
        if fields.content(INTEGER)? != [1] {
            return Err(Refused::Version { place: Place::Info });
        }
        let policy = dotted(fields.content(OID)?)?;
        let mut imprint = fields.inside(SEQUENCE)?;
        let digest = Digest::read(&mut imprint, Place::Info)?;
        let hashed = imprint.content(OCTET_STRING)?;
        imprint.end()?;
        let serial = integer(fields.content(INTEGER)?)?;
        let gen_time = gen_time(fields.content(GENERALIZED_TIME)?)?;
        let accuracy = fields.optional(SEQUENCE)?;
        let accuracy_us = accuracy.map(|found| accuracy_us(found.content)).transpose()?;
        if let Some(ordering) = fields.optional(BOOLEAN)?
            && ordering.content != [0xff]
        {
            // False is the default and is never written (X.690 §11.5).
            return Err(Refused::Der { place: Place::Info });
        }
        let nonce = fields.optional(INTEGER)?;
        let nonce = nonce.map(|found| integer(found.content)).transpose()?;
        let tsa = fields.optional(EXPLICIT_0)?;
        let tsa = tsa.map(|found| directory_name(found.content)).transpose()?;
        if let Some(extensions) = fields.optional(EXTENSIONS)? {
            check_extensions(extensions.content)?;
        }
        fields.end()?;
        Ok(Self { policy, digest, imprint: hashed, serial, gen_time, accuracy_us, nonce, tsa })
    }
}

/// The bytes of an integer in its shortest form.
pub(super) fn integer(content: &[u8]) -> Result<&[u8], BadDer> {
    match content {
        [] | [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => Err(BadDer),
        _ if content.len() > INTEGER_BYTES_MAX => Err(BadDer),
        _ => Ok(content),
    }
}

/// `YYYYMMDDhhmmss[.fraction]Z`; a fraction does not end in 0. What is finer than a millisecond is
/// cut off.
fn gen_time(text: &[u8]) -> Result<Time, Refused> {
    let text = core::str::from_utf8(text).map_err(|_| Refused::GenTime)?;
    let text = text.strip_suffix('Z').ok_or(Refused::GenTime)?;
    let (clock, fraction) = match text.split_once('.') {
        Some((_, "")) => return Err(Refused::GenTime),
        Some((clock, fraction)) => (clock, fraction),
        None => (text, ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let good = clock.len() == 14 && digits(clock) && digits(fraction) && fraction.len() <= 9;
    if !good || fraction.ends_with('0') {
        return Err(Refused::GenTime);
    }
    let number = |from, to| clock.get(from..to).and_then(|part: &str| part.parse::<u64>().ok());
    let read = |from, to| number(from, to).ok_or(Refused::GenTime);
    let (date, time) =
        ([read(0, 4)?, read(4, 6)?, read(6, 8)?], [read(8, 10)?, read(10, 12)?, read(12, 14)?]);
    let whole = Time::from_civil(date, time).ok_or(Refused::GenTime)?;
    let ms = format!("{fraction:0<3}").get(..3).and_then(|ms| ms.parse::<u64>().ok());
    Ok(Time::from_unix_ms(whole.unix_ms() + ms.unwrap_or_default()))
}

fn accuracy_us(content: &[u8]) -> Result<u64, Refused> {
    let mut fields = Der::new(content);
    let seconds = fields.optional(INTEGER)?.map(|found| found.content);
    let millis = fields.optional(MILLIS)?.map(|found| found.content);
    let micros = fields.optional(MICROS)?.map(|found| found.content);
    fields.end()?;
    let number = |content: Option<&[u8]>, max: u64| match content.map(integer).transpose()? {
        None => Ok(0),
        Some([0x80..=0xff, ..]) => Err(Refused::Accuracy),
        Some(bytes) if bytes.len() > 4 => Err(Refused::Accuracy),
        Some(bytes) => {
            let value = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
            if value <= max { Ok(value) } else { Err(Refused::Accuracy) }
        }
    };
    let seconds = number(seconds, ACCURACY_SECONDS_MAX)?;
    Ok(seconds * 1_000_000 + number(millis, 999)? * 1_000 + number(micros, 999)?)
}

/// The name in a `GeneralName` that is a `directoryName`; authorities write no other.
fn directory_name(content: &[u8]) -> Result<&[u8], Refused> {
    let mut outer = Der::new(content);
    let name = outer.optional(DIRECTORY_NAME)?.ok_or(Refused::TsaName)?;
    outer.end()?;
    Ok(name.content)
}

fn check_extensions(content: &[u8]) -> Result<(), Refused> {
    let mut list = Der::new(content);
    while !list.is_empty() {
        let mut extension = list.inside(SEQUENCE)?;
        extension.content(OID)?;
        if extension.optional(BOOLEAN)?.is_some() {
            return Err(Refused::CriticalExtension);
        }
        extension.content(OCTET_STRING)?;
        extension.end()?;
    }
    Ok(())
}

/// An object identifier as people write it.
pub(super) fn dotted(content: &[u8]) -> Result<String, BadDer> {
    let mut text = String::new();
    let mut arc = 0_u64;
    let mut fresh = true;
    for byte in content {
        if (fresh && *byte == 0x80) || arc > u64::MAX >> 7 {
            return Err(BadDer);
        }
        arc = arc << 7 | u64::from(byte & 0x7f);
        fresh = byte & 0x80 == 0;
        if fresh {
            if text.is_empty() {
                let first = (arc / 40).min(2);
                text = format!("{first}.{}", arc - first * 40);
            } else {
                text.push('.');
                text.push_str(&arc.to_string());
            }
            arc = 0;
        }
    }
    if fresh && !text.is_empty() { Ok(text) } else { Err(BadDer) }
}

/// RFC 5280 §4.1.2.2 allows serial numbers of 20 octets; nonces of others are not longer than 32.
const INTEGER_BYTES_MAX: usize = 33;
/// A day: a time that is less certain is none.
const ACCURACY_SECONDS_MAX: u64 = 86_400;
const MILLIS: u8 = 0x80;
const MICROS: u8 = 0x81;
const EXTENSIONS: u8 = 0xa1;
pub(super) const DIRECTORY_NAME: u8 = 0xa4;
