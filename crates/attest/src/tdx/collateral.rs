//! Collateral: what Intel says about a family of machines, as files that were fetched before.
//!
//! The two JSON documents are kept as the bytes that were received, since the signature is over
//! those. Revocation lists are part of it, always: without one, revocation would be unknown.
//! Nothing is believed here yet; that happens with a quote at a time.

use alloc::borrow::{Cow, ToOwned as _};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use lucarne_ledger::hash::from_hex;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::chain;
use super::rejected::{Place, Source};

/// Collateral for the quotes of one family of machines, unverified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Collateral {
    pub(super) tcb_info: Signed,
    pub(super) qe_identity: Signed,
    pub(super) root_crl: Vec<u8>,
    pub(super) pck_crl: Vec<u8>,
}

/// A JSON document with its signature and the chain of its signer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Signed {
    /// The document, byte for byte as it was signed.
    pub(super) body: Vec<u8>,
    /// Raw ECDSA signature, r and s.
    pub(super) signature: [u8; 64],
    /// DER of the signer and of the root.
    pub(super) chain: Vec<Vec<u8>>,
}

/// The files of Intel's Provisioning Certification Service, version 4 of its interface.
#[derive(Clone, Copy, Debug)]
pub struct PcsFiles<'a> {
    /// Answer of `/tdx/certification/v4/tcb`: `{"tcbInfo":...,"signature":"..."}`.
    pub tcb_info: &'a [u8],
    /// Its `TCB-Info-Issuer-Chain`, in PEM with the percent encoding undone.
    pub tcb_info_chain: &'a [u8],
    /// Answer of `/tdx/certification/v4/qe/identity`.
    pub qe_identity: &'a [u8],
    /// Its `SGX-Enclave-Identity-Issuer-Chain`, likewise.
    pub qe_identity_chain: &'a [u8],
    /// Revocation list of the root, in DER.
    pub root_crl: &'a [u8],
    /// Revocation list of the PCK's issuer, in DER.
    pub pck_crl: &'a [u8],
}

/// Why files are not collateral.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CollateralError {
    /// A file is longer than any of its kind.
    TooLong {
        /// Length given.
        got: usize,
    },
    /// The bundle is not the JSON that belongs here.
    Bundle {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A document is not the JSON that belongs here.
    Document {
        /// Which one.
        source: Source,
    },
    /// A document or list is missing.
    Missing {
        /// Which one.
        source: Source,
    },
    /// A signature or list is not written in hex.
    Hex {
        /// What it belongs to.
        source: Source,
    },
    /// The chain of a signer is not two certificates in PEM, the signer and the root.
    Chain {
        /// What was signed.
        source: Source,
    },
}

impl fmt::Display for CollateralError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { got } => write!(f, "{got} bytes are more than any collateral has"),
            Self::Bundle { line, column } => {
                write!(f, "the bundle is wrong at line {line}, column {column}")
            }
            Self::Document { source } => write!(f, "{source} is not the JSON that Intel writes"),
            Self::Missing { source } => write!(f, "{source} is missing"),
            Self::Hex { source } => write!(f, "{source} or its signature is not in hex"),
            Self::Chain { source } => {
                write!(f, "the chain of {source} is not a signer and a root in PEM")
            }
        }
    }
}

impl core::error::Error for CollateralError {}

impl Collateral {
    /// Collateral from the files of Intel's service.
    ///
    /// # Errors
    /// When a file is empty or not what it is named. Nothing is verified.
    pub fn from_pcs(files: &PcsFiles<'_>) -> Result<Self, CollateralError> {
        Ok(Self {
            tcb_info: pcs_document::<TcbInfoAnswer<'_>>(
                files.tcb_info,
                files.tcb_info_chain,
                Source::TcbInfo,
            )?,
            qe_identity: pcs_document::<QeIdentityAnswer<'_>>(
                files.qe_identity,
                files.qe_identity_chain,
                Source::QeIdentity,
            )?,
            root_crl: list(files.root_crl.to_vec(), Source::RootCrl)?,
            pck_crl: list(files.pck_crl.to_vec(), Source::PckCrl)?,
        })
    }

    /// Collateral from one JSON file, in which documents are strings and lists are hex.
    ///
    /// This is what caching services and `dcap-qvl` write. Its `pck_crl_issuer_chain` and
    /// `pck_certificate_chain` are read over: the quote brings the one issuer that counts.
    ///
    /// # Errors
    /// When it is not of that form. Nothing is verified.
    pub fn from_bundle(json: &[u8]) -> Result<Self, CollateralError> {
        check_length(json)?;
        let bundle: Bundle<'_> = serde_json::from_slice(json).map_err(|error| {
            CollateralError::Bundle { line: error.line(), column: error.column() }
        })?;
        let crl = |text: &str, source| match hex(text) {
            Some(der) => list(der, source),
            None => Err(CollateralError::Hex { source }),
        };
        Ok(Self {
            tcb_info: signed(
                bundle.tcb_info.as_bytes(),
                &bundle.tcb_info_signature,
                bundle.tcb_info_issuer_chain.as_bytes(),
                Source::TcbInfo,
            )?,
            qe_identity: signed(
                bundle.qe_identity.as_bytes(),
                &bundle.qe_identity_signature,
                bundle.qe_identity_issuer_chain.as_bytes(),
                Source::QeIdentity,
            )?,
            root_crl: crl(&bundle.root_ca_crl, Source::RootCrl)?,
            pck_crl: crl(&bundle.pck_crl, Source::PckCrl)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bundle<'a> {
    #[serde(borrow, default, rename = "pck_crl_issuer_chain")]
    _pck_crl_issuer_chain: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "pck_certificate_chain")]
    _pck_certificate_chain: Option<Cow<'a, str>>,
    root_ca_crl: String,
    pck_crl: String,
    tcb_info_issuer_chain: String,
    tcb_info: String,
    tcb_info_signature: String,
    qe_identity_issuer_chain: String,
    qe_identity: String,
    qe_identity_signature: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TcbInfoAnswer<'a> {
    #[serde(borrow, rename = "tcbInfo")]
    body: &'a RawValue,
    signature: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QeIdentityAnswer<'a> {
    #[serde(borrow, rename = "enclaveIdentity")]
    body: &'a RawValue,
    signature: String,
}

/// A document of the service: a body that is kept as it is written, and its signature.
fn pcs_document<'a, T: Deserialize<'a> + Into<(&'a RawValue, String)>>(
    answer: &'a [u8],
    pem: &[u8],
    source: Source,
) -> Result<Signed, CollateralError> {
    check_length(answer)?;
    if answer.is_empty() {
        return Err(CollateralError::Missing { source });
    }
    let read: T =
        serde_json::from_slice(answer).map_err(|_| CollateralError::Document { source })?;
    let (body, signature) = read.into();
    signed(body.get().as_bytes(), &signature, pem, source)
}

impl<'a> From<TcbInfoAnswer<'a>> for (&'a RawValue, String) {
    fn from(answer: TcbInfoAnswer<'a>) -> Self {
        (answer.body, answer.signature)
    }
}

impl<'a> From<QeIdentityAnswer<'a>> for (&'a RawValue, String) {
    fn from(answer: QeIdentityAnswer<'a>) -> Self {
        (answer.body, answer.signature)
    }
}

fn signed(
    body: &[u8],
    signature: &str,
    pem: &[u8],
    source: Source,
) -> Result<Signed, CollateralError> {
    check_length(body)?;
    check_length(pem)?;
    if body.is_empty() {
        return Err(CollateralError::Missing { source });
    }
    let signature =
        from_hex(&signature.to_ascii_lowercase()).map_err(|_| CollateralError::Hex { source })?;
    let chain = chain::read_pem(pem, Place::TcbInfoSigner)
        .map_err(|_| CollateralError::Chain { source })?;
    Ok(Signed { body: body.to_owned(), signature, chain })
}

fn list(der: Vec<u8>, source: Source) -> Result<Vec<u8>, CollateralError> {
    check_length(&der)?;
    if der.is_empty() { Err(CollateralError::Missing { source }) } else { Ok(der) }
}

fn check_length(bytes: &[u8]) -> Result<(), CollateralError> {
    match bytes.len() {
        0..=FILE_BYTES_MAX => Ok(()),
        got => Err(CollateralError::TooLong { got }),
    }
}

/// Hex of any length.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// Collateral of one family has 20 KB; the revocation list of a busy year would add as much.
const FILE_BYTES_MAX: usize = 512 * 1024;
