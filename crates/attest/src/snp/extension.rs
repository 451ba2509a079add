//! What a certificate of AMD says of the chip and firmware whose key it is for (57230, table 8).
//!
//! Each extension that the product has must be there and equal what the report says. Numbers are
//! DER integers of one byte; the chip is named by its raw bytes or by the same in an octet string.

use core::fmt;

use super::certificate::Certificate;
use super::product::Product;
use super::rejected::Rejected;
use super::report::{KeyClass, Report};
use crate::der::{Der, INTEGER, OCTET_STRING};

/// An extension under 1.3.6.1.4.1.3704.1.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Extension {
    /// `productName`
    ProductName,
    /// `hwID`
    HardwareId,
    /// `blSPL`
    Bootloader,
    /// `teeSPL`
    Tee,
    /// `snpSPL`
    Snp,
    /// `spl_4`, reserved
    Spl4,
    /// `spl_5`, reserved
    Spl5,
    /// `spl_6`, reserved
    Spl6,
    /// `spl_7`, reserved
    Spl7,
    /// `ucodeSPL`
    Microcode,
    /// `fmcSPL`
    Fmc,
}

impl Extension {
    const fn oid(self) -> &'static [u8] {
        match self {
            Self::ProductName => &[0x2b, 6, 1, 4, 1, 0x9c, 0x78, 1, 2],
            Self::HardwareId => &[0x2b, 6, 1, 4, 1, 0x9c, 0x78, 1, 4],
            Self::Bootloader => &[0x2b, 6, 1, 4, 1, 0x9c, 0x78, 1, 3, 1],
            Self::Tee => &[0x2b, 6, 1, 4, 1, 0x9c, 0x78, 1, 3, 2],
            Self::Snp => &[0x2b, 6, 1, 4, 1, 0x9c, 0x78, 1, 3, 3],
            Self::Spl4 => &[0x2b, 6, 1, 4, 1, 0x9c, 0x78, 1, 3, 4],
            Self::Spl5 => &[0x2b, 6, 1, 4, 1, 0x9c, 0x78, 1, 3, 5],
            Self::Spl6 => &[0x2b, 6, 1, 4, 1, 0x9c, 0x78, 1, 3, 6],
            Self::Spl7 => &[0x2b, 6, 1, 4, 1, 0x9c, 0x78, 1, 3, 7],
            Self::Microcode => &[0x2b, 6, 1, 4, 1, 0x9c, 0x78, 1, 3, 8],
            Self::Fmc => &[0x2b, 6, 1, 4, 1, 0x9c, 0x78, 1, 3, 9],
        }
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProductName => "productName",
            Self::HardwareId => "hwID",
            Self::Bootloader => "blSPL",
            Self::Tee => "teeSPL",
            Self::Snp => "snpSPL",
            Self::Spl4 => "spl_4",
            Self::Spl5 => "spl_5",
            Self::Spl6 => "spl_6",
            Self::Spl7 => "spl_7",
            Self::Microcode => "ucodeSPL",
            Self::Fmc => "fmcSPL",
        })
    }
}

/// The product that a certificate is for.
pub(super) fn product(certificate: &Certificate<'_>) -> Result<Product, Rejected> {
    let extension = Extension::ProductName;
    let mut outer = Der::new(value(certificate, extension)?);
    let name = outer.content(IA5_STRING).and_then(|name| outer.end().map(|()| name));
    let name = name.map_err(|_| Rejected::ExtensionForm { extension })?;
    let name = core::str::from_utf8(name).map_err(|_| Rejected::ExtensionForm { extension })?;
    Product::of_name(name).ok_or(Rejected::ProductUnknown)
}

/// That the certificate is for the firmware that the report names, byte by byte.
pub(super) fn check_tcb(
    certificate: &Certificate<'_>,
    report: &Report<'_>,
    product: Product,
) -> Result<(), Rejected> {
    for (extension, reported) in order(product).into_iter().zip(report.reported_tcb) {
        let certified =
            number(value(certificate, extension)?).ok_or(Rejected::ExtensionForm { extension })?;
        if certified != reported {
            let (certificate, report) = (certified, reported);
            return Err(Rejected::TcbDiffers { extension, certificate, report });
        }
    }
    Ok(())
}

/// That the certificate is for the chip that the report names, or for no chip if its key is none's.
///
/// A report that names no chip is passed: whether that may be is for the policy.
pub(super) fn check_chip(
    certificate: &Certificate<'_>,
    report: &Report<'_>,
    product: Product,
) -> Result<(), Rejected> {
    let extension = Extension::HardwareId;
    match report.key {
        KeyClass::Vlek if certificate.extension(extension.oid()).is_some() => {
            return Err(Rejected::ChipIdUnexpected);
        }
        KeyClass::Vlek => return Ok(()),
        KeyClass::Vcek => {}
    }
    let length = match product {
        Product::Milan | Product::Genoa => 64,
        Product::Turin => 8,
    };
    let named = unwrapped(value(certificate, extension)?, length)
        .ok_or(Rejected::ExtensionForm { extension })?;
    if report.chip_id == [0; 64] {
        return Ok(());
    }
    let (chip, padding) = report.chip_id.split_at(length);
    let same = chip == named && padding.iter().all(|byte| *byte == 0);
    if same { Ok(()) } else { Err(Rejected::ChipIdDiffers) }
}

fn value<'a>(certificate: &Certificate<'a>, extension: Extension) -> Result<&'a [u8], Rejected> {
    let found = certificate.extension(extension.oid());
    found.ok_or(Rejected::ExtensionMissing { extension })
}

/// Which extension stands for which byte of a TCB version.
const fn order(product: Product) -> [Extension; 8] {
    use Extension::{Bootloader, Fmc, Microcode, Snp, Spl4, Spl5, Spl6, Spl7, Tee};
    match product {
        Product::Milan | Product::Genoa => {
            [Bootloader, Tee, Spl4, Spl5, Spl6, Spl7, Snp, Microcode]
        }
        Product::Turin => [Fmc, Bootloader, Tee, Snp, Spl5, Spl6, Spl7, Microcode],
    }
}

/// A number from 0 to 255: from 128 on it has a zero before it, since the first bit is a sign.
fn number(value: &[u8]) -> Option<u8> {
    let mut outer = Der::new(value);
    let content = outer.content(INTEGER).ok()?;
    outer.end().ok()?;
    match content {
        [small @ 0..=0x7f] | [0, small @ 0x80..=0xff] => Some(*small),
        _ => None,
    }
}

/// The bytes as they stand or in an octet string. The raw length decides: a chip may have a name
/// that looks like a header.
fn unwrapped(value: &[u8], length: usize) -> Option<&[u8]> {
    if value.len() == length {
        return Some(value);
    }
    let mut outer = Der::new(value);
    let content = outer.content(OCTET_STRING).ok()?;
    outer.end().ok()?;
    (content.len() == length).then_some(content)
}

const IA5_STRING: u8 = 0x16;

#[cfg(test)]
mod tests {
    use super::*;

    /// 0xD9 is written `02 02 00 D9`.
    #[test]
    fn numbers_from_128_have_a_zero_before_them() {
        assert_eq!(number(&[2, 1, 0x73]), Some(0x73));
        assert_eq!(number(&[2, 2, 0, 0xd9]), Some(0xd9));
        for bad in
            [&[2, 1, 0xd9][..], &[2, 2, 0, 0x73], &[2, 2, 1, 0], &[2, 0], &[2, 1, 0, 0], &[4, 1, 0]]
        {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_chip_is_named_raw_or_in_an_octet_string() {
        assert_eq!(unwrapped(&[2; 8], 8), Some(&[2; 8][..]));
        assert_eq!(unwrapped(&[4, 8, 1, 1, 1, 1, 1, 1, 1, 1], 8), Some(&[1; 8][..]));
        // A name that begins like a header is a name.
        assert_eq!(unwrapped(&[4, 6, 1, 1, 1, 1, 1, 1], 8), Some(&[4, 6, 1, 1, 1, 1, 1, 1][..]));
        for bad in
            [&[1; 7][..], &[1; 9], &[4, 7, 1, 1, 1, 1, 1, 1, 1], &[2, 8, 1, 1, 1, 1, 1, 1, 1, 1]]
        {
            assert_eq!(unwrapped(bad, 8), None, "{bad:?}");
        }
    }
}
