//! The Nitro Secure Module behind `/dev/nsm`: one ioctl that carries a CBOR request and brings a
//! CBOR answer.
//!
//! What is asked and what an answer may look like is in [`wire`]; here are the device, its limits
//! and the operations. An answer to something else than was asked is an error, and so is one that
//! the kernel may have cut. It keeps no state: each call is one exchange, and the driver lets one
//! through at a time.

mod wire;

use std::fmt;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use nix::errno::Errno;

use crate::failed::errno;
use wire::{Answer, Request};
pub use wire::{NotAnAnswer, NsmRefusal};

/// Where the driver puts the device.
const DEVICE: &str = "/dev/nsm";
/// What the driver takes (`NSM_REQUEST_MAX_SIZE`).
const REQUEST_BYTES_MAX: usize = 0x1000;
/// What the driver brings (`NSM_RESPONSE_MAX_SIZE`).
const ANSWER_BYTES_MAX: usize = 0x3000;
/// Longest `user_data` and `nonce` that AWS allows in a document.
const DATA_BYTES_MAX: usize = 512;
/// Longest `public_key` that AWS allows in a document.
const KEY_BYTES_MAX: usize = 1_024;

/// Carries one request to a Nitro Secure Module and brings its answer.
pub trait NsmDevice: Send + Sync {
    /// One exchange; the answer is at most 12 KiB long.
    ///
    /// # Errors
    /// What the kernel says.
    fn exchange(&self, request: &[u8]) -> Result<Vec<u8>, Errno>;
}

/// A Nitro Secure Module.
#[derive(Debug)]
pub struct Nsm<D = NsmFile> {
    device: D,
}

/// What a module says about itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NsmDescription {
    /// Name of the enclave.
    pub module_id: String,
    /// Major, minor and patch version of the module.
    pub version: [u16; 3],
    /// Number of measurement registers.
    pub max_pcrs: u16,
    /// Registers that cannot be extended any more, ascending.
    pub locked_pcrs: Vec<u16>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NsmError {
    /// The device is there and cannot be opened.
    Open(Errno),
    /// The exchange failed in the kernel.
    Exchange(Errno),
    /// A field has a length that no document can carry.
    FieldLength {
        /// The field.
        field: &'static str,
        /// Its length.
        got: usize,
    },
    /// The module refused.
    Refused(NsmRefusal),
    /// The answer is not one.
    Answer(NotAnAnswer),
}

impl fmt::Display for NsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(errno) => write!(f, "cannot open {DEVICE}: {}", errno.desc()),
            Self::Exchange(errno) => write!(f, "the NSM did not answer: {}", errno.desc()),
            Self::FieldLength { field, got } => {
                write!(f, "a {field} of {got} bytes does not fit into a Nitro document")
            }
            Self::Refused(refusal) => write!(f, "the NSM refused: {refusal}"),
            Self::Answer(fault) => write!(f, "the NSM answered what is no answer: {fault}"),
        }
    }
}

impl std::error::Error for NsmError {}

impl Nsm {
    /// Opens the module of this machine; nothing if it has none.
    ///
    /// # Errors
    /// When the device is there and cannot be opened.
    pub fn open() -> Result<Option<Self>, NsmError> {
        Ok(NsmFile::open(Path::new(DEVICE))?.map(Self::over))
    }
}

impl<D: NsmDevice> Nsm<D> {
    /// A module behind this device.
    pub const fn over(device: D) -> Self {
        Self { device }
    }

    /// A signed document that carries these (COSE_Sign1).
    ///
    /// # Errors
    /// When there is none.
    pub fn attestation(
        &self,
        user_data: &[u8],
        nonce: &[u8],
        public_key: &[u8],
    ) -> Result<Vec<u8>, NsmError> {
        fits("user_data", user_data, 0, DATA_BYTES_MAX)?;
        fits("nonce", nonce, 0, DATA_BYTES_MAX)?;
        fits("public_key", public_key, 1, KEY_BYTES_MAX)?;
        match self.ask(&Request::Attestation { user_data, nonce, public_key })? {
            Answer::Attestation(document) => Ok(document),
            other => Err(mistaken(&other)),
        }
    }

    /// What the module says about itself.
    ///
    /// # Errors
    /// When it says nothing.
    pub fn describe(&self) -> Result<NsmDescription, NsmError> {
        match self.ask(&Request::DescribeNsm)? {
            Answer::DescribeNsm(description) => Ok(description),
            other => Err(mistaken(&other)),
        }
    }

    /// The value of a measurement register, SHA-384.
    ///
    /// # Errors
    /// When the module does not tell, or has registers of another length.
    pub fn pcr(&self, index: u16) -> Result<[u8; 48], NsmError> {
        match self.ask(&Request::DescribePcr { index })? {
            Answer::DescribePcr { data, .. } => {
                data.try_into().map_err(|_| NsmError::Answer(NotAnAnswer::Length))
            }
            other => Err(mistaken(&other)),
        }
    }

    /// Makes a measurement register read-only for the life of the enclave.
    ///
    /// # Errors
    /// When the module refuses.
    pub fn lock_pcr(&self, index: u16) -> Result<(), NsmError> {
        match self.ask(&Request::LockPcr { index })? {
            Answer::LockPcr => Ok(()),
            other => Err(mistaken(&other)),
        }
    }

    /// Random bytes of the module; it says how many.
    ///
    /// # Errors
    /// When it gives none.
    pub fn random(&self) -> Result<Vec<u8>, NsmError> {
        match self.ask(&Request::GetRandom)? {
            Answer::GetRandom(random) if !random.is_empty() => Ok(random),
            other => Err(mistaken(&other)),
        }
    }

    fn ask(&self, request: &Request<'_>) -> Result<Answer, NsmError> {
        let request = request.encode();
        // The longest fields that are let through make 2.2 KiB.
        debug_assert!(request.len() <= REQUEST_BYTES_MAX);
        let answer = self.device.exchange(&request).map_err(NsmError::Exchange)?;
        if answer.len() >= ANSWER_BYTES_MAX {
            return Err(NsmError::Answer(NotAnAnswer::Length));
        }
        match wire::decode(&answer).map_err(NsmError::Answer)? {
            Answer::Error(refusal) => Err(NsmError::Refused(refusal)),
            answer => Ok(answer),
        }
    }
}

const fn fits(field: &'static str, bytes: &[u8], min: usize, max: usize) -> Result<(), NsmError> {
    let got = bytes.len();
    if got < min || got > max { Err(NsmError::FieldLength { field, got }) } else { Ok(()) }
}

const fn mistaken(_: &Answer) -> NsmError {
    NsmError::Answer(NotAnAnswer::Mistaken)
}

/// The device itself.
#[derive(Debug)]
pub struct NsmFile(File);

impl NsmFile {
    fn open(path: &Path) -> Result<Option<Self>, NsmError> {
        match File::options().read(true).write(true).open(path) {
            Ok(file) => Ok(Some(Self(file))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(NsmError::Open(errno(&error))),
        }
    }
}

impl NsmDevice for NsmFile {
    fn exchange(&self, request: &[u8]) -> Result<Vec<u8>, Errno> {
        let mut answer = vec![0; ANSWER_BYTES_MAX];
        let mut message = Message::of(request, &mut answer);
        carry(&self.0, &mut message)?;
        let length = usize::try_from(message.answer.length).unwrap_or(usize::MAX);
        answer.truncate(length);
        Ok(answer)
    }
}

/// `struct nsm_iovec` of `linux/nsm.h`.
#[repr(C)]
#[derive(Debug)]
struct Range {
    address: u64,
    length: u64,
}

/// `struct nsm_raw` of `linux/nsm.h`: what to send, and where the answer goes.
#[repr(C)]
#[derive(Debug)]
struct Message<'a> {
    request: Range,
    answer: Range,
    // the buffers stay borrowed for as long as their addresses are here
    buffers: std::marker::PhantomData<(&'a [u8], &'a mut [u8])>,
}

impl<'a> Message<'a> {
    fn of(request: &'a [u8], answer: &'a mut [u8]) -> Self {
        Self {
            request: Range {
                address: request.as_ptr().expose_provenance() as u64,
                length: request.len() as u64,
            },
            answer: Range {
                address: answer.as_mut_ptr().expose_provenance() as u64,
                length: answer.len() as u64,
            },
            buffers: std::marker::PhantomData,
        }
    }
}

/// `NSM_IOCTL_RAW` of `linux/nsm.h`.
#[expect(unsafe_code, reason = "an ioctl is not checked by the compiler")]
fn carry(device: &File, message: &mut Message<'_>) -> Result<(), Errno> {
    mod raw {
        nix::ioctl_readwrite!(exchange, 0x0A, 0, super::Message<'_>);
    }
    // SAFETY: the descriptor is open as long as `device` is borrowed. The driver of this number
    // reads `request.length` bytes and writes at most `answer.length`, both within buffers that
    // `Message` borrows, the second one mutably; it keeps neither address. A device that does not
    // know the number answers `ENOTTY` and touches nothing.
    unsafe { raw::exchange(device.as_raw_fd(), message) }.map(drop)
}

/// Reads the bytes as an answer.
pub(crate) fn fuzz_answer(bytes: &[u8]) {
    drop(wire::decode(bytes));
}

#[cfg(test)]
mod tests;
