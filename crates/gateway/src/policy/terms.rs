//! Terms: what is accepted as evidence, and where the collateral lies that somebody keeps fresh.
//!
//! The files are read at each judgement, so a gateway needs no restart when they are fetched anew.
//! One that cannot be read is passed over: what is then missing is named by the verdict, as an
//! outage and never as a mismatch.

use std::path::PathBuf;

use lucarne_attest::{Acceptance, CollateralFiles, Format};

/// What is accepted, and what to verify it with.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// What is accepted, by kind.
    pub accepts: Acceptance,
    /// Files of collateral.
    pub collateral: Vec<PathBuf>,
}

impl From<lucarne_attest::Policy> for Terms {
    fn from(policy: lucarne_attest::Policy) -> Self {
        Self { accepts: policy.into(), collateral: Vec::new() }
    }
}

impl Terms {
    /// What there is to verify this evidence with: what came along, then the files.
    pub fn collateral_for(&self, evidence: &[u8], beside: &[u8]) -> CollateralFiles {
        if Format::of(evidence) == Format::Nitro {
            return CollateralFiles::default();
        }
        self.collateral_with(evidence, CollateralFiles::new([beside.to_vec()]))
    }

    /// The same where files of collateral came along.
    pub fn collateral_with(&self, evidence: &[u8], came: CollateralFiles) -> CollateralFiles {
        if Format::of(evidence) == Format::Nitro {
            return CollateralFiles::default();
        }
        let files = self.collateral.iter().filter_map(|path| std::fs::read(path).ok());
        CollateralFiles::new(came.into_files().into_iter().chain(files))
    }
}
