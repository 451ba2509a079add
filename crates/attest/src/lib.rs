//! Verification of evidence: what a TEE's hardware signs about itself, and what of it may be
//! believed.
//!
//! A pure function from bytes, a policy and a time to claims or to the one reason why not. There is
//! no clock, no network and no file here, so the same input gives the same verdict years later.
//! Claims come only as [`Verified`], which nothing outside this crate can make. A policy that names
//! no root or no measurement refuses everything: nothing here means "any" by being empty.
//!
//! Not checked, and the caller's to check: revocation lists that nobody handed in, whether a nonce
//! was used before, and whether a measurement is the one that a baseline approves at that time.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "a test that meets the unexpected should stop"
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod acceptance;
pub mod baseline;
mod claims;
pub mod classify;
mod collateral_files;
mod der;
pub mod eif;
mod epoch;
#[doc(hidden)]
pub mod fuzzing;
mod measurement;
mod nitro;
mod policy;
mod register;
mod rejected;
mod revocation;
pub mod snp;
pub mod tdx;
mod time;
pub mod timestamp;
mod unverified;
mod verified;
mod verify;
mod x509;

pub use acceptance::{Acceptance, At, Exhibit, Format};
pub use claims::Claims;
pub use collateral_files::CollateralFiles;
pub use epoch::{EpochClaims, EpochKeys, verify_channel, verify_epoch, verify_fresh};
pub use measurement::{Measurement, MeasurementError};
pub use policy::{DebugMode, Kind, Measurements, Policy, Root};
pub use register::{Fingerprint, NotACertificate, NotARegister, REGISTER_COUNT_MAX, Register};
pub use rejected::{CertificateFault, Class, Difference, Field, Part, Place, Rejected};
pub use revocation::{NotAList, Revoked};
pub use time::{NotATime, Time};
pub use unverified::{Unverified, read_unverified};
pub use verified::Verified;
pub use verify::{CLOCK_SKEW_MS, Expect, When, verify, verify_unless_revoked};
