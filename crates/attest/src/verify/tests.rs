//! Verdicts on genuine documents, on mutations of one, and on forgeries that break one rule each.

mod forge;
mod forged;
mod genuine;
mod mutated;
mod regressions;

use alloc::vec;

use super::*;
use crate::policy::Root;

/// A policy that trusts one root with whatever code, so that a test can look at everything else.
fn trusting(root: Root) -> Policy {
    Policy { roots: vec![root], measurements: Measurements::DangerAny, debug: DebugMode::Refuse }
}
