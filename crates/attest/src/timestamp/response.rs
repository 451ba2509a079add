//! Answers (`TimeStampResp`, RFC 3161 §2.4.2): a status, and a token if it is a good one.

use super::refused::{Place, Refused};
use crate::der::{BIT_STRING, BadDer, Der, INTEGER, SEQUENCE};

/// The token of an answer.
pub(super) fn token(bytes: &[u8]) -> Result<&[u8], Refused> {
    let (status, failure, token) =
        read(bytes).map_err(|BadDer| Refused::Der { place: Place::Response })?;
    match (status, token) {
        // granted, and granted with modifications, which are checked as everything else
        (0 | 1, Some(token)) => Ok(token),
        (0 | 1, None) => Err(Refused::TokenMissing),
        (_, _) => Err(Refused::NotGranted { status, failure }),
    }
}

fn read(bytes: &[u8]) -> Result<(u8, u32, Option<&[u8]>), BadDer> {
    let mut outer = Der::new(bytes);
    let mut fields = outer.inside(SEQUENCE)?;
    outer.end()?;
    let mut info = fields.inside(SEQUENCE)?;
    let [status @ 0..=0x7f] = info.content(INTEGER)? else { return Err(BadDer) };
    info.optional(SEQUENCE)?; // text for people, in words that nobody signed
    let failure = info.optional(BIT_STRING)?.map_or(Ok(0), |bits| failure(bits.content))?;
    info.end()?;
    let token = if fields.is_empty() { None } else { Some(fields.element(SEQUENCE)?.raw) };
    fields.end()?;
    Ok((*status, failure, token))
}

/// The bits of a bit string of at most 32, the first one highest.
fn failure(content: &[u8]) -> Result<u32, BadDer> {
    let [0..=7, bits @ ..] = content else { return Err(BadDer) };
    let mut padded = [0; 4];
    padded.get_mut(..bits.len()).ok_or(BadDer)?.copy_from_slice(bits);
    Ok(u32::from_be_bytes(padded))
}
