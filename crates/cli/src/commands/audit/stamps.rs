//! Time stamps of an archive: what an authority's word about a checkpoint is worth to an audit.

use lucarne_attest::timestamp::{Answering, Refused, TimestampClaims, Trust, verify_response};
use lucarne_ledger::audit::cause::Cause;

/// When the stamped checkpoint existed at the latest, milliseconds since 1970, or the cause why the
/// stamp says nothing.
///
/// The authority's own word on how far off its clock may be is added: the bound errs to the late
/// side.
pub(super) fn said(stamp: &[u8], note: &[u8], roots: &[Vec<u8>]) -> Result<u64, Cause> {
    let trust = Trust { roots, certificates: &[] };
    match verify_response(stamp, note, Answering::AnyRequest, trust) {
        Ok(claims) => Ok(latest_ms(claims.get())),
        Err(Refused::Untrusted | Refused::SignerUnknown) => Err(Cause::StampUntrusted),
        Err(refused) => Err(Cause::StampRefused { detail: refused.to_string() }),
    }
}

/// The end of the interval that a stamp speaks of, milliseconds since 1970.
pub(super) fn latest_ms(claims: &TimestampClaims) -> u64 {
    let accuracy_ms = claims.accuracy_us.unwrap_or_default().div_ceil(1_000);
    claims.gen_time.unix_ms().saturating_add(accuracy_ms)
}
