//! What a policy file says of TDX quotes: measurements, and every leniency by its name.
//!
//! The root is Intel's and is built in; another one makes every verdict INSECURE. An empty list
//! accepts nothing.

use std::collections::{BTreeMap, BTreeSet};

use lucarne_attest::baseline::Authority;
use lucarne_attest::{Fingerprint, Register, tdx};
use serde::Deserialize;

use super::listed::{self, Listed};
use super::{Parsed, one_of};

/// What is accepted of quotes, as it is written below `tdx`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tdx {
    #[serde(default)]
    measurements: Listed<BTreeMap<TdRegister, Parsed<Register>>>,
    #[serde(default)]
    insecure_any_measurement: bool,
    /// Roots that nobody vouches for, such as those of a laboratory.
    #[serde(default)]
    insecure_roots: Vec<Parsed<Fingerprint>>,
    #[serde(default)]
    statuses: Vec<Status>,
    #[serde(default)]
    advisories_denied: BTreeSet<String>,
    #[serde(default)]
    evaluation_number_min: u32,
    #[serde(default)]
    allow: BTreeSet<TdxAllowed>,
}

#[derive(Clone, Copy, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
enum TdRegister {
    Mrtd,
    Rtmr0,
    Rtmr1,
    Rtmr2,
    Rtmr3,
    Mrconfigid,
    Mrowner,
    Mrownerconfig,
    Mrseam,
}

#[derive(Clone, Copy, Deserialize)]
enum Status {
    #[serde(rename = "SWHardeningNeeded")]
    SwHardeningNeeded,
    ConfigurationNeeded,
    #[serde(rename = "ConfigurationAndSWHardeningNeeded")]
    ConfigurationAndSwHardeningNeeded,
    OutOfDate,
    OutOfDateConfigurationNeeded,
}

#[derive(Clone, Copy, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
enum TdxAllowed {
    Perfmon,
    ServiceTd,
    DynamicPlatform,
    CachedKeys,
    Smt,
}

impl Tdx {
    /// Checks what is written; `authority` is the baseline of the file, if it names one.
    ///
    /// # Errors
    /// What was expected.
    pub fn check(self, authority: Option<&Authority>) -> Result<tdx::Policy, String> {
        one_of("tdx", self.measurements.is_empty(), self.insecure_any_measurement)?;
        let measurements = match self.measurements {
            Listed::OneOf(_) if self.insecure_any_measurement => tdx::Measurements::DangerAny,
            Listed::OneOf(sets) => sets_of(sets)?,
            Listed::Baseline => tdx::Measurements::Baseline(listed::named("tdx", authority)?),
        };
        let mut roots = vec![tdx::INTEL_SGX_ROOT];
        roots.extend(self.insecure_roots.iter().map(|root| root.0));
        let permit = |what| {
            if self.allow.contains(&what) { tdx::Permit::Allow } else { tdx::Permit::Refuse }
        };
        Ok(tdx::Policy {
            statuses: self.statuses.iter().map(|status| status.status()).collect(),
            advisories_denied: self.advisories_denied,
            evaluation_number_min: self.evaluation_number_min,
            perfmon: permit(TdxAllowed::Perfmon),
            service_td: permit(TdxAllowed::ServiceTd),
            dynamic_platform: permit(TdxAllowed::DynamicPlatform),
            cached_keys: permit(TdxAllowed::CachedKeys),
            smt: permit(TdxAllowed::Smt),
            ..tdx::Policy::strict(roots, measurements)
        })
    }
}

fn sets_of(sets: Vec<BTreeMap<TdRegister, Parsed<Register>>>) -> Result<tdx::Measurements, String> {
    let sets = sets.into_iter().map(|set| {
        let values = set.into_iter().map(|(name, value)| (name.name(), value.0)).collect();
        tdx::Measurement::new(values).map_err(|error| format!("tdx: measurements: {error}"))
    });
    sets.collect::<Result<_, _>>().map(tdx::Measurements::OneOf)
}

impl TdRegister {
    const fn name(self) -> tdx::RegisterName {
        match self {
            Self::Mrtd => tdx::RegisterName::MrTd,
            Self::Rtmr0 => tdx::RegisterName::Rtmr0,
            Self::Rtmr1 => tdx::RegisterName::Rtmr1,
            Self::Rtmr2 => tdx::RegisterName::Rtmr2,
            Self::Rtmr3 => tdx::RegisterName::Rtmr3,
            Self::Mrconfigid => tdx::RegisterName::MrConfigId,
            Self::Mrowner => tdx::RegisterName::MrOwner,
            Self::Mrownerconfig => tdx::RegisterName::MrOwnerConfig,
            Self::Mrseam => tdx::RegisterName::MrSeam,
        }
    }
}

impl Status {
    const fn status(self) -> tdx::TcbStatus {
        match self {
            Self::SwHardeningNeeded => tdx::TcbStatus::SwHardeningNeeded,
            Self::ConfigurationNeeded => tdx::TcbStatus::ConfigurationNeeded,
            Self::ConfigurationAndSwHardeningNeeded => {
                tdx::TcbStatus::ConfigurationAndSwHardeningNeeded
            }
            Self::OutOfDate => tdx::TcbStatus::OutOfDate,
            Self::OutOfDateConfigurationNeeded => tdx::TcbStatus::OutOfDateConfigurationNeeded,
        }
    }
}
