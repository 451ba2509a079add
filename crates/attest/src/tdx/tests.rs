//! Verdicts on quotes of real machines, on mutations of them, and on forgeries that break one rule
//! each.

mod epoch;
mod forge;
mod forged;
mod genuine;
mod machine;
mod past;
mod strict;

use alloc::vec;

use super::*;

/// A policy that trusts one root with whatever runs, so that a test can look at everything else.
fn trusting(root: Fingerprint) -> Policy {
    Policy::strict(vec![root], Measurements::DangerAny)
}

/// What every quote of a large cloud needs.
fn cloud(root: Fingerprint) -> Policy {
    let (dynamic_platform, cached_keys, smt) = (Permit::Allow, Permit::Allow, Permit::Allow);
    Policy { dynamic_platform, cached_keys, smt, ..trusting(root) }
}
