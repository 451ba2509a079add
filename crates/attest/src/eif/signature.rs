//! The signature section: CBOR, an array of one map of `signing_certificate` and `signature`.
//!
//! Both are written as arrays of numbers, one for each byte, by the tool that makes images. Only
//! the certificate is measured, as DER.

use alloc::vec::Vec;

use lucarne_ledger::cbor::{CborError, Reader};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::EifError;

/// The certificate of the one signature, as DER.
pub(super) fn certificate(section: &[u8]) -> Result<Vec<u8>, EifError> {
    let mut reader = Reader::new(section);
    let pem = fields(&mut reader).map_err(|cause| {
        let at = section.len().saturating_sub(reader.rest().len());
        EifError::Signature { at, cause }
    })?;
    let mut found = CertificateDer::pem_slice_iter(&pem);
    match (found.next(), found.next()) {
        (Some(Ok(der)), None) => Ok(der.to_vec()),
        _ => Err(EifError::Certificate),
    }
}

fn fields(reader: &mut Reader<'_>) -> Result<Vec<u8>, CborError> {
    expect(reader.array()?, 1)?;
    expect(reader.map()?, 2)?;
    name(reader, "signing_certificate")?;
    let pem = numbers(reader)?;
    name(reader, "signature")?;
    numbers(reader)?;
    reader.clone().end()?;
    Ok(pem)
}

fn expect(got: u64, want: u64) -> Result<(), CborError> {
    if got == want { Ok(()) } else { Err(CborError::Value) }
}

fn name(reader: &mut Reader<'_>, want: &str) -> Result<(), CborError> {
    if reader.text()? == want { Ok(()) } else { Err(CborError::Value) }
}

/// Bytes as an array of numbers. Nothing is reserved by what the head claims.
fn numbers(reader: &mut Reader<'_>) -> Result<Vec<u8>, CborError> {
    let count = reader.array()?;
    let mut bytes = Vec::new();
    for _ in 0..count {
        bytes.push(u8::try_from(reader.uint()?).map_err(|_| CborError::Value)?);
    }
    Ok(bytes)
}
