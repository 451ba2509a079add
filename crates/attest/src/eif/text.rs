//! What is wrong with an image, for people.

use core::fmt;

use super::{Architecture, EifError, Section};

impl fmt::Display for EifError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { at } => write!(f, "the image ends too early, at byte {at}"),
            Self::Magic => write!(f, "not an enclave image: it does not begin with .eif"),
            Self::Version { got } => write!(f, "an image of format version {got}, only 4 is known"),
            Self::Flags { at, got } => write!(f, "unknown flags {got:#06x} at byte {at}"),
            Self::NotZero { at } => write!(f, "a field that is not in use is set, at byte {at}"),
            Self::SectionCount { got } => {
                write!(f, "an image of {got} sections, expected 3 to 32")
            }
            Self::Table { section } => {
                write!(f, "section {section} is not where and what the table of the image says")
            }
            Self::SectionKind { at, got } => {
                write!(f, "a section of unknown kind {got} at byte {at}")
            }
            Self::Order { at, section } => {
                write!(f, "a {section} where none belongs, at byte {at}")
            }
            Self::Missing { section } => write!(f, "the image has no {section}"),
            Self::Trailing { at } => write!(f, "bytes after the last section, at byte {at}"),
            Self::Checksum { want, got } => {
                write!(f, "the checksum says {want:08x} and the bytes have {got:08x}")
            }
            Self::Signature { at, cause } => {
                write!(f, "the signature section is not as it should be at its byte {at}: {cause}")
            }
            Self::Certificate => write!(f, "the signature does not carry one certificate in PEM"),
        }
    }
}

impl core::error::Error for EifError {}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "kernel",
            Self::CommandLine => "command line",
            Self::Ramdisk => "ramdisk",
            Self::Signature => "signature",
            Self::Metadata => "metadata section",
        })
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86 => "x86_64",
            Self::Arm => "aarch64",
        })
    }
}
