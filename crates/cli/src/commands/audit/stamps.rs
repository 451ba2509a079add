//! Time stamps of an archive: what an authority's word about a checkpoint is worth to an audit.

use lucarne_attest::timestamp::{Answering, Refused, TimestampClaims, Trust, verify_response};
use lucarne_ledger::audit::cause::Cause;

/// When the stamped checkpoint existed at the latest, milliseconds since 1970, or the cause why the
/// stamp says nothing.
///
/// The authority's own word on how far off its clock may be is added: the bound errs to the late
/// side.
pub(super) fn said(stamp: &[u8], note: &[u8], roots: &[Vec<u8>]) -> Result<u64, Cause> {
    match claims(stamp, note, roots) {
        Ok(Some(claims)) => Ok(latest_ms(&claims)),
        Ok(None) => Err(Cause::StampUntrusted),
        Err(refused) => Err(Cause::StampRefused { detail: refused.to_string() }),
    }
}

/// What a stamp says of a checkpoint; `None` when it is of no authority under `roots`.
///
/// # Errors
/// When it does not verify: then somebody altered it, or it is about something else.
pub(super) fn claims(
    stamp: &[u8],
    note: &[u8],
    roots: &[Vec<u8>],
) -> Result<Option<TimestampClaims>, Refused> {
    let trust = Trust { roots, certificates: &[] };
    match verify_response(stamp, note, Answering::AnyRequest, trust) {
        Ok(claims) => Ok(Some(claims.into_inner())),
        Err(Refused::NoRoots | Refused::Untrusted | Refused::SignerUnknown) => Ok(None),
        Err(refused) => Err(refused),
    }
}

/// The end of the interval that a stamp speaks of, milliseconds since 1970.
pub(super) fn latest_ms(claims: &TimestampClaims) -> u64 {
    let accuracy_ms = claims.accuracy_us.unwrap_or_default().div_ceil(1_000);
    claims.gen_time.unix_ms().saturating_add(accuracy_ms)
}
