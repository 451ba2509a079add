//! The seam between the enclave and whatever signs for it: NSM, TSM, or the INSECURE software TEE.
//!
//! Quoting needs no verifier: nothing here judges evidence. The workload cannot reach a source;
//! only the enclave's own code asks, and what evidence carries is [`ReportData`], which nobody can
//! make from bytes of their choice.

use std::fmt;

use lucarne_ledger::report_data::ReportData;
use lucarne_link::message::Fault;
use lucarne_platform::{NsmError, TsmError};

/// What evidence is asked to vouch for.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What it carries; every kind of evidence has room for it.
    pub report_data: &'a ReportData,
    /// A key as DER `SubjectPublicKeyInfo`. Only evidence of the Nitro format shows it; elsewhere
    /// it is bound by way of the report data.
    pub public_key: &'a [u8],
    /// The nonce that is answered. As for the key.
    pub nonce: &'a [u8; 32],
}

/// Evidence, and what goes with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Quoted {
    /// What the hardware signed.
    pub evidence: Vec<u8>,
    /// What the platform handed out for its verification; empty where there is nothing.
    pub collateral: Vec<u8>,
    /// The register that names the measured code: PCR0, MRTD or the launch digest.
    pub measurement: [u8; 48],
}

/// Something that makes evidence of this machine.
///
/// A source may be asked at any time and from several threads; each answer is new. It may block for
/// as long as the device does.
pub trait Quote {
    /// What kind of machine it speaks for; with INSECURE in it where nothing protects the machine.
    fn kind(&self) -> &'static str;

    /// New evidence.
    ///
    /// # Errors
    /// When the source cannot make any.
    fn quote(&self, question: &Question<'_>) -> Result<Quoted, QuoteError>;
}

/// Why there is no evidence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum QuoteError {
    /// No key could be drawn.
    KeyGeneration,
    /// The key could not sign.
    Signing,
    /// The public key does not fit into evidence.
    PublicKeyLength {
        /// Length given, in bytes.
        got: usize,
    },
    /// The clock is beyond what certificates can say.
    Clock {
        /// Milliseconds since 1970.
        now_ms: u64,
    },
    /// The Nitro Secure Module.
    Nsm(NsmError),
    /// The TSM of the kernel.
    Tsm(TsmError),
    /// The report is too short to hold a measurement.
    Short {
        /// Its length.
        got: usize,
    },
    /// No answer within the time that a question may take.
    TimedOut,
}

impl QuoteError {
    /// What the gateway is told of it.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::KeyGeneration | Self::Signing | Self::Clock { .. } => Fault::Own,
            Self::PublicKeyLength { .. } | Self::Nsm(_) | Self::Tsm(_) | Self::Short { .. } => {
                Fault::Device
            }
            Self::TimedOut => Fault::TimedOut,
        }
    }
}

impl fmt::Display for QuoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyGeneration => write!(f, "no key could be drawn for the evidence"),
            Self::Signing => write!(f, "the evidence could not be signed"),
            Self::PublicKeyLength { got } => {
                write!(f, "a public key of {got} bytes does not fit into evidence")
            }
            Self::Clock { now_ms } => {
                write!(f, "the clock says {now_ms} ms since 1970, which no certificate can")
            }
            Self::Nsm(error) => write!(f, "{error}"),
            Self::Tsm(error) => write!(f, "{error}"),
            Self::Short { got } => write!(f, "the device made a report of {got} bytes only"),
            Self::TimedOut => write!(f, "the evidence device did not answer in time"),
        }
    }
}

impl std::error::Error for QuoteError {}
