//! What a relying party accepts: the audit's policy file, or one for evidence alone.
//!
//! Read strictly. A kind that the file does not speak of is not accepted, an empty list accepts
//! nothing, and what protects nothing has `insecure` in its key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use lucarne_attest::classify::{RegisterNames, Role};
use lucarne_attest::{DebugMode, Fingerprint, Measurement, Measurements, Register, Root, snp, tdx};
use lucarne_gateway::config::read_yaml;
use lucarne_gateway::policy;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::evidence::read_bounded;
use crate::failure::Failure;

/// A policy of either sort, checked.
#[derive(Debug)]
pub(super) struct Policy {
    nitro: Option<lucarne_attest::Policy>,
    tdx: Option<tdx::Policy>,
    snp: Option<snp::Policy>,
    names: RegisterNames,
}

impl Policy {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read or accepts nothing.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = read_bounded(path, FILE_BYTES_MAX)?;
        let audit = text.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"log_prefix:"));
        if audit {
            let policy = policy::read(path).map_err(|error| Failure::usage(error.to_string()))?;
            let names = RegisterNames::nitro();
            return Ok(Self { nitro: Some(policy.attest), tdx: None, snp: None, names });
        }
        let file: File = read_yaml(path).map_err(|error| Failure::usage(error.to_string()))?;
        file.check().map_err(|problem| Failure::usage(format!("{}: {problem}", path.display())))
    }

    /// For documents of the Nitro format.
    pub(super) fn nitro(&self) -> Option<lucarne_attest::Policy> {
        self.nitro.clone()
    }

    /// For quotes of TDX.
    pub(super) fn tdx(&self) -> Option<tdx::Policy> {
        self.tdx.clone()
    }

    /// For reports of SNP.
    pub(super) fn snp(&self) -> Option<snp::Policy> {
        self.snp.clone()
    }

    /// What registers are called.
    pub(super) const fn names(&self) -> &RegisterNames {
        &self.names
    }
}

impl super::judging::Terms {
    /// What registers are called: by the policy, or as AWS does.
    pub(super) fn names(&self) -> RegisterNames {
        let named = self.policy.as_ref().map(|policy| policy.names().clone());
        named.unwrap_or_else(RegisterNames::nitro)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    nitro: Option<Nitro>,
    tdx: Option<Tdx>,
    snp: Option<Snp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nitro {
    /// Roots of other partitions, by fingerprint; that of the commercial one is built in.
    #[serde(default)]
    roots: Vec<Parsed<Fingerprint>>,
    /// Roots of software TEEs, which protect nothing.
    #[serde(default)]
    insecure_software_roots: Vec<Parsed<Fingerprint>>,
    /// Sets of registers by number.
    #[serde(default)]
    measurements: Vec<BTreeMap<u8, Parsed<Register>>>,
    #[serde(default)]
    insecure_any_measurement: bool,
    #[serde(default)]
    insecure_debug: bool,
    /// Other roles and words for registers.
    #[serde(default)]
    registers: BTreeMap<u8, Named>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    role: Option<RoleName>,
    name: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RoleName {
    Image,
    Kernel,
    Application,
    ParentRole,
    ParentInstance,
    SigningCertificate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tdx {
    #[serde(default)]
    measurements: Vec<BTreeMap<TdRegister, Parsed<Register>>>,
    #[serde(default)]
    insecure_any_measurement: bool,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Snp {
    #[serde(default)]
    measurements: Vec<Parsed<Register>>,
    #[serde(default)]
    insecure_any_measurement: bool,
    products: BTreeSet<Product>,
    #[serde(default)]
    allow: BTreeSet<SnpAllowed>,
    version_min: Option<u32>,
    vmpl_max: Option<u32>,
    #[serde(default)]
    without_revocation_list: bool,
    #[serde(default)]
    without_alias_check: bool,
}

#[derive(Clone, Copy, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
enum Product {
    Milan,
    Genoa,
    Turin,
}

#[derive(Clone, Copy, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
enum SnpAllowed {
    InsecureDebug,
    MigrationAgent,
    Vlek,
    MaskedChipId,
}

impl File {
    fn check(self) -> Result<Policy, String> {
        if self.nitro.is_none() && self.tdx.is_none() && self.snp.is_none() {
            return Err("expected nitro, tdx or snp, found none: nothing would be accepted".into());
        }
        let names = self.nitro.as_ref().map_or_else(|| Ok(RegisterNames::nitro()), Nitro::names)?;
        Ok(Policy {
            nitro: self.nitro.map(Nitro::check).transpose()?,
            tdx: self.tdx.map(Tdx::check).transpose()?,
            snp: self.snp.map(Snp::check).transpose()?,
            names,
        })
    }
}

/// That exactly one of a list and "any" is given.
fn one_of(kind: &str, empty: bool, any: bool) -> Result<(), String> {
    match (empty, any) {
        (true, false) => Err(format!("{kind}: expected measurements, found none")),
        (false, true) => Err(format!("{kind}: measurements contradict insecure_any_measurement")),
        (true, true) | (false, false) => Ok(()),
    }
}

impl Nitro {
    fn names(&self) -> Result<RegisterNames, String> {
        let (mut roles, mut words) = (BTreeMap::new(), BTreeMap::new());
        for (index, named) in &self.registers {
            roles.extend(named.role.map(|role| (*index, role.role())));
            words.extend(named.name.clone().map(|name| (*index, name)));
        }
        let renamed = RegisterNames::nitro().renamed(roles, words);
        renamed.map_err(|error| format!("nitro: registers: {error}"))
    }

    fn check(self) -> Result<lucarne_attest::Policy, String> {
        one_of("nitro", self.measurements.is_empty(), self.insecure_any_measurement)?;
        let sets = self.measurements.into_iter().map(|set| {
            let values = set.into_iter().map(|(index, value)| (index, value.0)).collect();
            Measurement::new(values).map_err(|error| format!("nitro: measurements: {error}"))
        });
        let sets: Vec<_> = sets.collect::<Result<_, _>>()?;
        let mut roots = vec![Root::aws_nitro()];
        roots.extend(self.roots.iter().map(|root| Root::nitro(root.0)));
        let software = self.insecure_software_roots.iter();
        roots.extend(software.map(|root| Root::insecure_software(root.0)));
        Ok(lucarne_attest::Policy {
            roots,
            measurements: if self.insecure_any_measurement {
                Measurements::DangerAny
            } else {
                Measurements::OneOf(sets)
            },
            debug: if self.insecure_debug { DebugMode::InsecureAccept } else { DebugMode::Refuse },
        })
    }
}

impl RoleName {
    const fn role(self) -> Role {
        match self {
            Self::Image => Role::Image,
            Self::Kernel => Role::Kernel,
            Self::Application => Role::Application,
            Self::ParentRole => Role::ParentRole,
            Self::ParentInstance => Role::ParentInstance,
            Self::SigningCertificate => Role::SigningCertificate,
        }
    }
}

impl Tdx {
    fn check(self) -> Result<tdx::Policy, String> {
        one_of("tdx", self.measurements.is_empty(), self.insecure_any_measurement)?;
        let sets = self.measurements.into_iter().map(|set| {
            let values = set.into_iter().map(|(name, value)| (name.name(), value.0)).collect();
            tdx::Measurement::new(values).map_err(|error| format!("tdx: measurements: {error}"))
        });
        let sets: Vec<_> = sets.collect::<Result<_, _>>()?;
        let measurements = if self.insecure_any_measurement {
            tdx::Measurements::DangerAny
        } else {
            tdx::Measurements::OneOf(sets)
        };
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
            ..tdx::Policy::strict(vec![tdx::INTEL_SGX_ROOT], measurements)
        })
    }
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

impl Snp {
    fn check(self) -> Result<snp::Policy, String> {
        one_of("snp", self.measurements.is_empty(), self.insecure_any_measurement)?;
        if self.products.is_empty() {
            return Err("snp: products: expected milan, genoa or turin, found none".into());
        }
        let listed: Vec<Register> = self.measurements.iter().map(|value| value.0).collect();
        let mut policy = snp::Policy::strict(listed);
        if self.insecure_any_measurement {
            policy.measurements = snp::Accepted::DangerAny;
        }
        let products = self.products.iter().map(|product| (product.product(), snp::Tcb::ZERO));
        policy.products = products.collect();
        let allowance = |what| {
            let allowed = self.allow.contains(&what);
            if allowed { snp::Allowance::Allow } else { snp::Allowance::Refuse }
        };
        policy.debug = allowance(SnpAllowed::InsecureDebug);
        policy.migration_agent = allowance(SnpAllowed::MigrationAgent);
        policy.vlek = allowance(SnpAllowed::Vlek);
        policy.masked_chip_id = allowance(SnpAllowed::MaskedChipId);
        policy.version_min = self.version_min.unwrap_or(policy.version_min);
        policy.vmpl_max = self.vmpl_max.unwrap_or(policy.vmpl_max);
        if self.without_revocation_list {
            policy.revocation = snp::Need::Optional;
        }
        if self.without_alias_check {
            policy.protections.retain(|one| *one != snp::Protection::AliasCheck);
        }
        Ok(policy)
    }
}

impl Product {
    const fn product(self) -> snp::Product {
        match self {
            Self::Milan => snp::Product::Milan,
            Self::Genoa => snp::Product::Genoa,
            Self::Turin => snp::Product::Turin,
        }
    }
}

/// A value that is written as text.
struct Parsed<T>(T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let found = |error: T::Err| D::Error::custom(format_args!("{error}, found `{text}`"));
        text.parse().map(Self).map_err(found)
    }
}

/// A policy with a hundred measurements has 20 KB.
const FILE_BYTES_MAX: u64 = 1 << 20;
