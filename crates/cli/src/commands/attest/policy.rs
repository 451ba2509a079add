//! What a relying party accepts: the audit's policy file, or one for evidence alone.
//!
//! Read strictly. A kind that the file does not speak of is not accepted, an empty list accepts
//! nothing, and what protects nothing has `insecure` in its key.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use lucarne_attest::classify::{RegisterNames, Role};
use lucarne_attest::{
    Acceptance, DebugMode, Fingerprint, Measurement, Measurements, Register, Revoked, Root, snp,
    tdx,
};
use lucarne_gateway::config::read_yaml;
use lucarne_gateway::policy::{self, Terms};
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
    revoked: Vec<Revoked>,
    collateral: Vec<PathBuf>,
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
            let Terms { accepts, collateral } = policy.terms();
            let Acceptance { nitro, tdx, snp, revoked } = accepts;
            return Ok(Self { nitro, tdx, snp, revoked, collateral, names });
        }
        let file: File = read_yaml(path).map_err(|error| Failure::usage(error.to_string()))?;
        let beside = path.parent().unwrap_or(Path::new(""));
        file.check(beside)
            .map_err(|problem| Failure::usage(format!("{}: {problem}", path.display())))
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

    /// Certificates that are not believed any more.
    pub(super) fn revoked(&self) -> &[Revoked] {
        &self.revoked
    }

    /// Files to verify quotes and reports with, when the command line names none.
    pub(super) fn collateral(&self) -> &[PathBuf] {
        &self.collateral
    }

    /// What registers are called.
    pub(super) const fn names(&self) -> &RegisterNames {
        &self.names
    }
}

impl super::judging::Terms {
    /// Certificates that the policy does not believe any more.
    pub(super) fn revoked(&self) -> &[Revoked] {
        self.policy.as_ref().map_or(&[], Policy::revoked)
    }

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
    tdx: Option<policy::Tdx>,
    snp: Option<policy::Snp>,
    /// As in the audit's policy.
    #[serde(default)]
    collateral: Vec<PathBuf>,
    /// As in the audit's policy.
    #[serde(default)]
    revocations: Vec<PathBuf>,
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

impl File {
    fn check(self, beside: &Path) -> Result<Policy, String> {
        if self.nitro.is_none() && self.tdx.is_none() && self.snp.is_none() {
            return Err("expected nitro, tdx or snp, found none: nothing would be accepted".into());
        }
        let names = self.nitro.as_ref().map_or_else(|| Ok(RegisterNames::nitro()), Nitro::names)?;
        Ok(Policy {
            nitro: self.nitro.map(Nitro::check).transpose()?,
            tdx: self.tdx.map(|tdx| tdx.check(None)).transpose()?,
            snp: self.snp.map(|snp| snp.check(None)).transpose()?,
            revoked: policy::revoked(&self.revocations, beside)?,
            collateral: self.collateral.iter().map(|path| beside.join(path)).collect(),
            names,
        })
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
        policy::one_of("nitro", self.measurements.is_empty(), self.insecure_any_measurement)?;
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
