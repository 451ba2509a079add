//! Time stamps (RFC 3161): a third party's word that a checkpoint existed at a time.
//!
//! A pure function from a token, the data that was stamped and the roots that the caller trusts to
//! claims, or to the one reason why not. The chain is judged at the time that the token states, so
//! a token is as good years later as on its day; whether the authority's certificate was revoked
//! since is not looked at. Refused: anything but strict DER, attributes that nobody signed, and a
//! token whose signer is not named in what it signed.

mod algorithm;
mod certificate;
mod info;
mod refused;
mod request;
mod response;
mod signed_data;

#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;

use lucarne_ledger::hash::Hash;

pub use self::algorithm::Digest;
pub use self::refused::{Attribute, Place, Refused, TsaFault};
pub use self::request::{NotARequest, Request};

use self::certificate::Candidates;
use self::info::Info;
use self::signed_data::SignedData;
use crate::time::Time;
use crate::verified::Verified;

/// Longest answer or token: a token with its chain has 2 to 8 KiB.
pub const TIMESTAMP_BYTES_MAX: usize = 0xffff;

/// What a token says, once it is verified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TimestampClaims {
    /// When the authority saw the data.
    pub gen_time: Time,
    /// How far off that may be, in microseconds, if the authority says so.
    pub accuracy_us: Option<u64>,
    /// The authority's number of this token: the bytes of a DER integer.
    pub serial: Vec<u8>,
    /// The policy it was issued under, dotted.
    pub policy: String,
    /// What was stamped.
    pub imprint: Imprint,
    /// The nonce of the request: the bytes of a DER integer.
    pub nonce: Option<Vec<u8>>,
    /// Who stamped.
    pub tsa: Tsa,
}

/// The digest of what was stamped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Imprint {
    /// Its algorithm.
    pub algorithm: Digest,
    /// Its bytes.
    pub digest: Vec<u8>,
}

/// A time-stamping authority.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tsa {
    /// Subject of its certificate, as people read it.
    pub name: String,
    /// SHA-256 of its certificate in DER.
    pub certificate: Hash,
}

/// What a token must answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answering<'a> {
    /// This request, nonce included.
    Request(&'a Request),
    /// Any request: for a token out of an archive, whose age is its point.
    AnyRequest,
}

/// Whom the caller believes.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'a> {
    /// Root certificates in DER. None means that nobody is believed.
    pub roots: &'a [Vec<u8>],
    /// Further certificates in DER that may belong to the chain; nothing is believed of them.
    pub certificates: &'a [Vec<u8>],
}

/// Verifies the answer of an authority (`TimeStampResp`, RFC 3161 §2.4.2) over `data`.
///
/// # Errors
/// The first reason not to believe it, in the order form, signature, chain, content.
pub fn verify_response(
    response: &[u8],
    data: &[u8],
    answering: Answering<'_>,
    trust: Trust<'_>,
) -> Result<Verified<TimestampClaims>, Refused> {
    check_length(response)?;
    verify_token(response::token(response)?, data, answering, trust)
}

/// Verifies a token alone (`TimeStampToken`, RFC 3161 §2.4.2) over `data`.
///
/// # Errors
/// The first reason not to believe it, in the order form, signature, chain, content.
pub fn verify_token(
    token: &[u8],
    data: &[u8],
    answering: Answering<'_>,
    trust: Trust<'_>,
) -> Result<Verified<TimestampClaims>, Refused> {
    if trust.roots.is_empty() {
        return Err(Refused::NoRoots);
    }
    check_length(token)?;
    let signed = SignedData::parse(token)?;
    let candidates = Candidates::of(&signed.certificates, trust.certificates)?;
    let signer = candidates.signer(&signed)?;
    signed.check_signature(&signer)?;
    let info = Info::parse(signed.content)?;
    signer.check_purpose()?;
    signer.check_path(&candidates, trust.roots, info.gen_time)?;
    check_content(&info, &signer, data, answering)?;
    Ok(Verified::assertion(TimestampClaims {
        gen_time: info.gen_time,
        accuracy_us: info.accuracy_us,
        serial: info.serial.into(),
        policy: info.policy,
        imprint: Imprint { algorithm: info.digest, digest: info.imprint.into() },
        nonce: info.nonce.map(Into::into),
        tsa: Tsa { name: signer.name(), certificate: Hash::of(signer.der) },
    }))
}

const fn check_length(bytes: &[u8]) -> Result<(), Refused> {
    if bytes.len() > TIMESTAMP_BYTES_MAX {
        return Err(Refused::TooLong { got: bytes.len() });
    }
    Ok(())
}

fn check_content(
    info: &Info<'_>,
    signer: &certificate::Signer<'_>,
    data: &[u8],
    answering: Answering<'_>,
) -> Result<(), Refused> {
    if info.imprint != info.digest.of(data) {
        return Err(Refused::ImprintDiffers);
    }
    if let Some(name) = info.tsa
        && name != signer.subject
    {
        return Err(Refused::TsaName);
    }
    match (answering, info.nonce) {
        (Answering::AnyRequest, _) => Ok(()),
        (Answering::Request(request), Some(nonce)) if nonce == request.nonce() => Ok(()),
        (Answering::Request(_), Some(_)) => Err(Refused::NonceDiffers),
        (Answering::Request(_), None) => Err(Refused::NonceMissing),
    }
}

/// Reads the bytes as a token as far as that goes without a key.
pub(crate) fn fuzz_token(bytes: &[u8]) {
    let token = response::token(bytes).unwrap_or(bytes);
    let Ok(signed) = SignedData::parse(token) else { return };
    drop(Info::parse(signed.content));
    let roots: Vec<Vec<u8>> = signed.certificates.iter().map(|der| (*der).into()).collect();
    let trust = Trust { roots: &roots, certificates: &[] };
    drop(verify_token(token, b"", Answering::AnyRequest, trust));
}
