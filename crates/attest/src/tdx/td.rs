//! The TD itself: attributes and features that decide whether it protects anything.
//!
//! Bits are named by the Intel TDX Module ABI, section 3.4. A bit that is unknown here is refused:
//! what it opens is unknown too.

use super::policy::{Permit, Policy};
use super::quote::Body;
use super::rejected::Rejected;
use crate::register::Register;

/// That the attributes are those of a TD in production.
pub(super) fn check(body: &Body, policy: &Policy) -> Result<(), Rejected> {
    let attributes = body.td_attributes;
    if attributes & DEBUG != 0 {
        return Err(Rejected::DebugMode);
    }
    if attributes & TUD != 0 {
        return Err(Rejected::Untrusted { bits: attributes & TUD });
    }
    if attributes & MIGRATABLE != 0 {
        return Err(Rejected::Migratable);
    }
    if attributes & !KNOWN != 0 {
        return Err(Rejected::AttributesReserved { bits: attributes & !KNOWN });
    }
    if attributes & SEPT_VE_DISABLE == 0 {
        return Err(Rejected::SeptVe);
    }
    if attributes & PERFMON != 0 && policy.perfmon == Permit::Refuse {
        return Err(Rejected::Perfmon);
    }
    if body.xfam & XFAM_FIXED_1 != XFAM_FIXED_1 || body.xfam & !XFAM_KNOWN != 0 {
        return Err(Rejected::Xfam { got: body.xfam });
    }
    match body.later.map(|later| later.mr_service_td) {
        None | Some(Register::ZERO) => Ok(()),
        Some(_) if policy.service_td == Permit::Allow => Ok(()),
        Some(got) => Err(Rejected::ServiceTd { got }),
    }
}

/// The host can read the memory of the TD.
const DEBUG: u64 = 1;
/// The group of bits that make a TD "under debug" in one way or another.
const TUD: u64 = 0xfe;
/// Without it the host can raise exceptions in the TD by taking pages away (Intel-SA-00828).
const SEPT_VE_DISABLE: u64 = 1 << 28;
/// The TD can be moved to another machine by a service TD.
const MIGRATABLE: u64 = 1 << 29;
const SUPERVISOR_KEYS: u64 = 1 << 30;
const KEY_LOCKER: u64 = 1 << 31;
const PERFMON: u64 = 1 << 63;
const KNOWN: u64 = SEPT_VE_DISABLE | SUPERVISOR_KEYS | KEY_LOCKER | PERFMON;
/// x87 and SSE, which every TD has.
const XFAM_FIXED_1: u64 = 0x3;
/// Every feature that a module can offer.
const XFAM_KNOWN: u64 = 0x6_dbe7;
