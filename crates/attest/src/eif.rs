//! The Nitro Enclave Image Format, version 4: from an image to the PCRs that it will show.
//!
//! A header names up to 32 sections, which follow without a gap: kernel, command line, ramdisks,
//! and at most one each of metadata and signature. PCR0 measures kernel, command line and all
//! ramdisks, PCR1 the same with the first ramdisk only, PCR2 the other ramdisks, PCR8 the
//! certificate that the image is signed with. A PCR is SHA-384 over 48 zeros and SHA-384 of what
//! is measured. Metadata is not measured.
//!
//! Refused: another version, bits and fields that nobody uses, a table that says otherwise than the
//! sections, bytes after the last section, and a checksum that is not that of the bytes. Not
//! checked: the signature over PCR0, which is for the machine that boots the image to judge.

mod checksum;
mod signature;
mod text;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use aws_lc_rs::digest::{self, SHA384};
use lucarne_ledger::cbor::CborError;

use crate::register::Register;

/// An image, read and found whole. All parts point into its bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Image<'a> {
    /// What it runs on.
    pub architecture: Architecture,
    kernel: &'a [u8],
    command_line: &'a [u8],
    ramdisks: Vec<&'a [u8]>,
    metadata: Option<&'a [u8]>,
    // DER of the certificate that the image is signed with
    certificate: Option<Vec<u8>>,
}

/// What an image runs on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Architecture {
    /// x86-64
    X86,
    /// AArch64
    Arm,
}

/// The kind of a section, as its number in the format.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Section {
    /// 1
    Kernel,
    /// 2
    CommandLine,
    /// 3
    Ramdisk,
    /// 4
    Signature,
    /// 5
    Metadata,
}

/// Why bytes are not an image of this format.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EifError {
    /// The bytes end before the header, or inside a section.
    Truncated {
        /// Offset where more was expected.
        at: usize,
    },
    /// The bytes do not begin with `.eif`.
    Magic,
    /// Another version than 4.
    Version {
        /// Version found.
        got: u16,
    },
    /// Flags that nobody has given a meaning.
    Flags {
        /// Offset of the flags.
        at: usize,
        /// Flags found.
        got: u16,
    },
    /// A field that has to be zero is not.
    NotZero {
        /// Offset of the field.
        at: usize,
    },
    /// More sections than the table holds, or fewer than an image needs.
    SectionCount {
        /// Number found.
        got: u16,
    },
    /// A section does not stand where the table has it, or has another size there.
    Table {
        /// Number of the section in the table, from 0.
        section: usize,
    },
    /// A section of a kind that does not exist.
    SectionKind {
        /// Offset of the section.
        at: usize,
        /// Number found.
        got: u16,
    },
    /// A section stands where it does not belong, or a second time: a kernel comes first, then
    /// the command line.
    Order {
        /// Offset of the section.
        at: usize,
        /// What it is.
        section: Section,
    },
    /// The image has no section of this kind.
    Missing {
        /// The kind.
        section: Section,
    },
    /// Bytes after the last section.
    Trailing {
        /// Offset of the first.
        at: usize,
    },
    /// The checksum of the header is not that of the bytes.
    Checksum {
        /// As the header has it.
        want: u32,
        /// As the bytes are.
        got: u32,
    },
    /// The signature section is not one signature with its certificate.
    Signature {
        /// Offset in the section.
        at: usize,
        /// What is wrong.
        cause: CborError,
    },
    /// The certificate of the signature is not one certificate in PEM.
    Certificate,
}

impl<'a> Image<'a> {
    /// Reads an image.
    ///
    /// # Errors
    /// For anything but one whole image of version 4 and nothing after it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EifError> {
        let image = Self::sections(bytes)?;
        checksum::check(bytes)?;
        Ok(image)
    }

    /// The image without a look at the checksum, which a fuzzer cannot guess.
    pub(crate) fn sections(bytes: &'a [u8]) -> Result<Self, EifError> {
        let header = Header::parse(bytes)?;
        let mut found = Found::default();
        let mut at = HEADER_LENGTH;
        for (number, &(offset, size)) in header.table.iter().enumerate() {
            let (kind, content) = section(bytes, at)?;
            if usize::try_from(offset) != Ok(at) || usize::try_from(size) != Ok(content.len()) {
                return Err(EifError::Table { section: number });
            }
            found.add(kind, content, at)?;
            at = at.saturating_add(SECTION_HEADER_LENGTH).saturating_add(content.len());
        }
        if at != bytes.len() {
            return Err(EifError::Trailing { at });
        }
        found.image(header.architecture)
    }

    /// The registers that a machine shows that has booted the image: PCR0, PCR1, PCR2, and PCR8 if
    /// it is signed.
    ///
    /// The instance it runs on adds PCR3 and PCR4, which no image determines.
    pub fn pcrs(&self) -> BTreeMap<u8, Register> {
        let boot = [self.kernel, self.command_line];
        let (first, others) = self.ramdisks.split_at(self.ramdisks.len().min(1));
        let mut pcrs = BTreeMap::from([
            (0, extended(boot.iter().chain(first).chain(others))),
            (1, extended(boot.iter().chain(first))),
            (2, extended(others.iter())),
        ]);
        if let Some(der) = &self.certificate {
            pcrs.insert(8, extended([der.as_slice()].iter()));
        }
        pcrs
    }

    /// What the builder says about the image, as JSON. Nothing vouches for it.
    pub const fn metadata(&self) -> Option<&'a [u8]> {
        self.metadata
    }
}

/// Longest image that is worth reading: the memory of the largest enclaves in use is far above, but
/// no image seen came near.
pub const IMAGE_BYTES_MAX: u64 = 4 << 30;

struct Header {
    architecture: Architecture,
    // offset and size of each section
    table: Vec<(u64, u64)>,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, EifError> {
        if array::<4>(bytes, 0)? != *b".eif" {
            return Err(EifError::Magic);
        }
        let version = u16_at(bytes, 4)?;
        if version != VERSION {
            return Err(EifError::Version { got: version });
        }
        let flags = u16_at(bytes, FLAGS_AT)?;
        let architecture = match flags {
            0 => Architecture::X86,
            1 => Architecture::Arm,
            got => return Err(EifError::Flags { at: FLAGS_AT, got }),
        };
        let count = u16_at(bytes, 26)?;
        if !(SECTIONS_MIN..=SECTIONS_MAX).contains(&count) {
            return Err(EifError::SectionCount { got: count });
        }
        let mut table = Vec::new();
        for index in 0..SECTIONS_MAX {
            let at = usize::from(index) * 8;
            let entry = (u64_at(bytes, OFFSETS_AT + at)?, u64_at(bytes, SIZES_AT + at)?);
            if index < count {
                table.push(entry);
            } else if entry != (0, 0) {
                return Err(EifError::Table { section: usize::from(index) });
            }
        }
        for (at, unused) in [(24, u32::from(u16_at(bytes, 24)?)), (540, u32_at(bytes, 540)?)] {
            if unused != 0 {
                return Err(EifError::NotZero { at });
            }
        }
        u32_at(bytes, checksum::AT)?;
        Ok(Self { architecture, table })
    }
}

/// Kind and content of the section at an offset.
fn section(bytes: &[u8], at: usize) -> Result<(Section, &[u8]), EifError> {
    let kind = match u16_at(bytes, at)? {
        1 => Section::Kernel,
        2 => Section::CommandLine,
        3 => Section::Ramdisk,
        4 => Section::Signature,
        5 => Section::Metadata,
        got => return Err(EifError::SectionKind { at, got }),
    };
    let flags_at = at.saturating_add(2);
    let flags = u16_at(bytes, flags_at)?;
    if flags != 0 {
        return Err(EifError::Flags { at: flags_at, got: flags });
    }
    let size = usize::try_from(u64_at(bytes, at.saturating_add(4))?).unwrap_or(usize::MAX);
    let start = at.saturating_add(SECTION_HEADER_LENGTH);
    let content = bytes.get(start..start.saturating_add(size));
    Ok((kind, content.ok_or(EifError::Truncated { at: bytes.len() })?))
}

/// Sections as they come.
#[derive(Default)]
struct Found<'a> {
    kernel: Option<&'a [u8]>,
    command_line: Option<&'a [u8]>,
    ramdisks: Vec<&'a [u8]>,
    metadata: Option<&'a [u8]>,
    certificate: Option<Vec<u8>>,
}

impl<'a> Found<'a> {
    fn add(&mut self, section: Section, content: &'a [u8], at: usize) -> Result<(), EifError> {
        let in_place = match section {
            Section::Kernel => self.kernel.is_none(),
            Section::CommandLine => self.kernel.is_some() && self.command_line.is_none(),
            Section::Ramdisk => self.command_line.is_some() && self.certificate.is_none(),
            Section::Signature => !self.ramdisks.is_empty() && self.certificate.is_none(),
            Section::Metadata => self.command_line.is_some() && self.metadata.is_none(),
        };
        if !in_place {
            return Err(EifError::Order { at, section });
        }
        match section {
            Section::Kernel => self.kernel = Some(content),
            Section::CommandLine => self.command_line = Some(content),
            Section::Ramdisk => self.ramdisks.push(content),
            Section::Signature => self.certificate = Some(signature::certificate(content)?),
            Section::Metadata => self.metadata = Some(content),
        }
        Ok(())
    }

    fn image(self, architecture: Architecture) -> Result<Image<'a>, EifError> {
        let missing = |section| EifError::Missing { section };
        if self.ramdisks.is_empty() {
            return Err(missing(Section::Ramdisk));
        }
        Ok(Image {
            architecture,
            kernel: self.kernel.ok_or(missing(Section::Kernel))?,
            command_line: self.command_line.ok_or(missing(Section::CommandLine))?,
            ramdisks: self.ramdisks,
            metadata: self.metadata,
            certificate: self.certificate,
        })
    }
}

/// A register that began with zeros and was extended once, with the digest of the parts.
fn extended<'p, 'a: 'p>(parts: impl Iterator<Item = &'p &'a [u8]>) -> Register {
    let mut measured = digest::Context::new(&SHA384);
    parts.for_each(|part| measured.update(part));
    let mut register = digest::Context::new(&SHA384);
    register.update(&Register::ZERO.0);
    register.update(measured.finish().as_ref());
    let mut value = Register::ZERO;
    value.0.iter_mut().zip(register.finish().as_ref()).for_each(|(to, from)| *to = *from);
    value
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], EifError> {
    let there = bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
    there.copied().ok_or(EifError::Truncated { at: bytes.len() })
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, EifError> {
    array(bytes, at).map(u16::from_be_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, EifError> {
    array(bytes, at).map(u32::from_be_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, EifError> {
    array(bytes, at).map(u64::from_be_bytes)
}

const VERSION: u16 = 4;
const FLAGS_AT: usize = 6;
const OFFSETS_AT: usize = 28;
const SIZES_AT: usize = 284;
const HEADER_LENGTH: usize = 548;
const SECTION_HEADER_LENGTH: usize = 12;
/// Kernel, command line and a ramdisk: without one of them nothing boots.
const SECTIONS_MIN: u16 = 3;
/// What the table of the header holds.
const SECTIONS_MAX: u16 = 32;

#[cfg(test)]
mod tests;
