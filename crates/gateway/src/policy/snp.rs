//! What a policy file says of SNP reports: measurements, products, and every leniency by its name.
//!
//! The roots are AMD's and are built in; another one makes every verdict INSECURE. An empty list
//! accepts nothing.

use std::collections::BTreeSet;

use lucarne_attest::baseline::Authority;
use lucarne_attest::{Fingerprint, Register, snp};
use serde::Deserialize;

use super::listed::{self, Listed};
use super::{Parsed, one_of};

/// What is accepted of reports, as it is written below `snp`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snp {
    #[serde(default)]
    measurements: Listed<Parsed<Register>>,
    #[serde(default)]
    insecure_any_measurement: bool,
    /// Roots that nobody vouches for, such as those of a laboratory; they come with the evidence.
    #[serde(default)]
    insecure_roots: Vec<Parsed<Fingerprint>>,
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

impl Snp {
    /// Checks what is written; `authority` is the baseline of the file, if it names one.
    ///
    /// # Errors
    /// What was expected.
    pub fn check(self, authority: Option<&Authority>) -> Result<snp::Policy, String> {
        one_of("snp", self.measurements.is_empty(), self.insecure_any_measurement)?;
        if self.products.is_empty() {
            return Err("snp: products: expected milan, genoa or turin, found none".into());
        }
        let mut policy = snp::Policy::strict(Vec::new());
        policy.measurements = match self.measurements {
            Listed::OneOf(_) if self.insecure_any_measurement => snp::Measurements::DangerAny,
            Listed::OneOf(list) => {
                snp::Measurements::OneOf(list.iter().map(|value| value.0).collect())
            }
            Listed::Baseline => snp::Measurements::Baseline(listed::named("snp", authority)?),
        };
        policy.insecure_roots = self.insecure_roots.iter().map(|root| root.0).collect();
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
