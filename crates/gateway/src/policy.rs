//! The auditor's policy file: which roots, measurements and keys to trust, and what has been
//! explained.
//!
//! Read strictly: what the file does not say is not trusted, and a key that nobody knows is
//! refused.

mod listed;
mod snp;
mod tdx;
mod terms;

use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use lucarne_attest::baseline::{Approver, Approvers, Authority};
use lucarne_attest::{
    Acceptance, DebugMode, Fingerprint, Measurement, Measurements, Register, Revoked, Root,
};
use lucarne_ledger::audit::{self, AcceptedEnd, Scope};
use lucarne_ledger::hash::from_hex;
use lucarne_ledger::identity::{EpochId, Instance, LedgerKind};
use lucarne_ledger::key::PublicKey;
use lucarne_ledger::trust_policy::{PolicyError, TrustPolicy};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

pub use self::snp::Snp;
pub use self::tdx::Tdx;
pub use self::terms::Terms;
use crate::baseline;
use crate::config::{ConfigError, parse_yaml, read_yaml};

/// What the file says, checked.
#[derive(Debug)]
pub struct Policy {
    /// For evidence of the Nitro format; without roots if the file names none.
    pub attest: lucarne_attest::Policy,
    /// For quotes of TDX, if they are accepted.
    pub tdx: Option<lucarne_attest::tdx::Policy>,
    /// For reports of SEV-SNP, if they are accepted.
    pub snp: Option<lucarne_attest::snp::Policy>,
    /// Certificates that are not believed any more, whatever they signed.
    pub revoked: Vec<Revoked>,
    /// Files to verify quotes and reports with.
    pub collateral: Vec<PathBuf>,
    /// For ledgers.
    pub audit: audit::Policy,
    /// The baseline that says which code is accepted when, if the file names one.
    pub authority: Option<Authority>,
    /// Whether whatever code some root vouches for is accepted: every verdict is then insecure.
    pub any_measurement: bool,
    /// The key of the site's register, if there has to be one.
    pub register: Option<PublicKey>,
    /// Whether the witnesses have to have cosigned the register too.
    pub register_witnessed: bool,
    /// Roots of the time-stamping authorities that are believed, certificates in DER.
    pub stamp_roots: Vec<Vec<u8>>,
}

impl Policy {
    /// What it accepts as evidence, by kind.
    pub fn acceptance(&self) -> Acceptance {
        Acceptance {
            nitro: Some(self.attest.clone()).filter(|policy| !policy.roots.is_empty()),
            tdx: self.tdx.clone(),
            snp: self.snp.clone(),
            revoked: self.revoked.clone(),
        }
    }

    /// The same with the place of the collateral.
    pub fn terms(&self) -> Terms {
        Terms { accepts: self.acceptance(), collateral: self.collateral.clone() }
    }
}

/// Reads the policy.
///
/// # Errors
/// One line with file, line and key of what was expected.
pub fn read(path: &Path) -> Result<Policy, ConfigError> {
    let file: File = read_yaml(path)?;
    let policy = file.check(path.parent().unwrap_or(Path::new("")));
    policy.map_err(|problem| ConfigError::new(path, problem))
}

/// Whether a text has the shape of a policy; reads no file.
pub(crate) fn shape(text: &str, path: &Path) -> Result<(), ConfigError> {
    parse_yaml::<File>(text, path).map(drop)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What the origins of checkpoints begin with; as in the enclave's configuration.
    log_prefix: String,
    /// Roots of hardware.
    #[serde(default)]
    roots: Vec<HardwareRoot>,
    /// Roots that protect nothing.
    #[serde(default)]
    insecure: Vec<InsecureRoot>,
    /// Which code is accepted under these roots: PCR0 of each, a baseline, or `any-insecure`.
    #[serde(default)]
    measurements: Option<Accepted>,
    /// What is accepted of TDX quotes.
    #[serde(default)]
    tdx: Option<Tdx>,
    /// What is accepted of SNP reports.
    #[serde(default)]
    snp: Option<Snp>,
    /// Files to verify quotes and reports with: Intel's documents in one bundle, certificates,
    /// revocation lists.
    #[serde(default)]
    collateral: Vec<PathBuf>,
    /// Revocation lists in PEM or DER: what they name is not believed, whatever its kind.
    #[serde(default)]
    revocations: Vec<PathBuf>,
    /// Ledgers that every epoch must have.
    ledgers: Vec<Parsed<LedgerKind>>,
    /// Whose word leaves a record out.
    #[serde(default)]
    withholding_keys: Vec<WithholdingKey>,
    /// The key of the site's register, which the archive then has to have.
    #[serde(default)]
    register: Option<RegisterKey>,
    /// Whose cosignatures must cover the records: a policy in the form of C2SP tlog-policy.
    #[serde(default)]
    witnesses: Option<Cosigners>,
    /// Which authorities' time stamps (RFC 3161) are believed.
    #[serde(default)]
    time_stamps: Option<TimeStamps>,
    /// Epochs without an end that a person has explained.
    #[serde(default)]
    accept_unclean_end: Vec<UncleanEnd>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterKey {
    ed25519: Parsed<Ed25519>,
    #[serde(default)]
    witnessed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeStamps {
    roots: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HardwareRoot {
    kind: HardwareKind,
    fingerprint: Option<Parsed<Fingerprint>>,
    certificate: Option<PathBuf>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum HardwareKind {
    /// The root of the commercial AWS partition; its fingerprint is built in.
    AwsNitro,
    /// Another Nitro root.
    Nitro,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InsecureRoot {
    #[expect(dead_code, reason = "there is one kind; the file must still say it")]
    kind: InsecureKind,
    fingerprint: Option<Parsed<Fingerprint>>,
    certificate: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum InsecureKind {
    Software,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithholdingKey {
    #[expect(dead_code, reason = "for the reader of the file")]
    name: String,
    ed25519: Parsed<Ed25519>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UncleanEnd {
    instance: Parsed<Instance>,
    epoch: Parsed<EpochId>,
    explanation: String,
}

enum Accepted {
    AnyInsecure,
    OneOf(Vec<Measurement>),
    Baseline(BaselineFile),
}

/// The file of versions, and whose approval of them counts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BaselineFile {
    baseline: PathBuf,
    approvers: Vec<ApproverFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApproverFile {
    name: String,
    ed25519: Parsed<Ed25519>,
}

struct Ed25519([u8; 32]);

struct Cosigners(TrustPolicy);

impl<'de> Deserialize<'de> for Cosigners {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let policy: TrustPolicy = text.parse().map_err(|error: PolicyError| {
            D::Error::custom(format_args!("line {} of the block: {}", error.line, error.fault))
        })?;
        if policy.asks_for_none() {
            return Err(D::Error::custom("expected a quorum of witnesses, found none"));
        }
        Ok(Self(policy))
    }
}

impl File {
    fn check(self, beside: &Path) -> Result<Policy, String> {
        let roots = self.all_roots(beside)?;
        self.check_sections(&roots)?;
        let register_witnessed = self.register_witnessed();
        let revoked = revoked(&self.revocations, beside)?;
        let mut authority = None;
        let measurements = match self.measurements {
            None => Measurements::OneOf(Vec::new()),
            Some(Accepted::AnyInsecure) => Measurements::DangerAny,
            Some(Accepted::OneOf(list)) => Measurements::OneOf(list),
            Some(Accepted::Baseline(file)) => {
                let read = file.check(beside)?;
                authority = Some(read.clone());
                Measurements::Baseline(Box::new(read))
            }
        };
        let tdx = self.tdx.map(|tdx| tdx.check(authority.as_ref())).transpose()?;
        let snp = self.snp.map(|snp| snp.check(authority.as_ref())).transpose()?;
        let any_measurement = (measurements == Measurements::DangerAny)
            || tdx.as_ref().is_some_and(|tdx| {
                tdx.measurements == lucarne_attest::tdx::Measurements::DangerAny
            })
            || snp.as_ref().is_some_and(|snp| {
                snp.measurements == lucarne_attest::snp::Measurements::DangerAny
            });
        let stamp_roots = match &self.time_stamps {
            None => Vec::new(),
            Some(TimeStamps { roots }) => certificates(&beside.join(roots))
                .map_err(|problem| format!("time_stamps.roots: {problem}"))?,
        };
        let accepted_ends = self.accept_unclean_end.into_iter().map(UncleanEnd::check);
        Ok(Policy {
            attest: lucarne_attest::Policy { roots, measurements, debug: DebugMode::Refuse },
            tdx,
            snp,
            revoked,
            collateral: self.collateral.iter().map(|path| beside.join(path)).collect(),
            audit: audit::Policy {
                log_prefix: self.log_prefix,
                required: self.ledgers.into_iter().map(|ledger| ledger.0).collect(),
                withholding_keys: (self.withholding_keys.into_iter())
                    .map(|key| PublicKey::from_ed25519(&key.ed25519.0.0))
                    .collect(),
                witnesses: self.witnesses.map(|cosigners| cosigners.0),
                witnesses_min: 0,
                accepted_ends: accepted_ends.collect::<Result<_, _>>()?,
                scope: Scope::Whole,
                range: None,
            },
            authority,
            any_measurement,
            register: self.register.map(|key| PublicKey::from_ed25519(&key.ed25519.0.0)),
            register_witnessed,
            stamp_roots,
        })
    }

    /// What is wrong with sections taken together.
    fn check_sections(&self, roots: &[Root]) -> Result<(), String> {
        if roots.is_empty() && self.tdx.is_none() && self.snp.is_none() {
            return Err(
                "roots: expected at least one under `roots` or `insecure`, found none".into()
            );
        }
        if self.ledgers.is_empty() {
            return Err("ledgers: expected audit, telemetry or both, found none".into());
        }
        if self.register_witnessed() && self.witnesses.is_none() {
            return Err("register.witnessed: expected `witnesses` beside it, found none".into());
        }
        match (&self.measurements, roots.is_empty()) {
            // Sections of other kinds may speak of a baseline as well.
            (None, true) | (Some(_), false) | (Some(Accepted::Baseline(_)), true) => Ok(()),
            (None, false) | (Some(_), true) => {
                Err("measurements: expected beside `roots` or `insecure`, and only there".into())
            }
        }
    }

    fn register_witnessed(&self) -> bool {
        self.register.as_ref().is_some_and(|register| register.witnessed)
    }

    /// The roots of hardware, and after them those that protect nothing.
    fn all_roots(&self, beside: &Path) -> Result<Vec<Root>, String> {
        let mut roots = Vec::new();
        for root in &self.roots {
            roots.push(root.check(beside)?);
        }
        for root in &self.insecure {
            let fingerprint =
                pinned(root.fingerprint.as_ref(), root.certificate.as_deref(), beside)
                    .map_err(|problem| format!("insecure: {problem}"))?;
            roots.push(Root::insecure_software(fingerprint));
        }
        Ok(roots)
    }
}

impl HardwareRoot {
    fn check(&self, beside: &Path) -> Result<Root, String> {
        let named = self.fingerprint.is_some() || self.certificate.is_some();
        match self.kind {
            HardwareKind::AwsNitro if named => {
                Err("roots: the fingerprint of aws-nitro is built in, for another root say nitro"
                    .into())
            }
            HardwareKind::AwsNitro => Ok(Root::aws_nitro()),
            HardwareKind::Nitro => {
                pinned(self.fingerprint.as_ref(), self.certificate.as_deref(), beside)
                    .map(Root::nitro)
                    .map_err(|problem| format!("roots: {problem}"))
            }
        }
    }
}

impl BaselineFile {
    fn check(self, beside: &Path) -> Result<Authority, String> {
        let people = self.approvers.into_iter();
        let people = people.map(|one| Approver { name: one.name, key: one.ed25519.0.0 });
        let approvers = Approvers::new(people.collect())
            .map_err(|problem| format!("measurements.approvers: {problem}"))?;
        let baseline = baseline::read(&beside.join(self.baseline))
            .map_err(|problem| format!("measurements.baseline: {problem}"))?;
        Ok(Authority { baseline, approvers })
    }
}

impl UncleanEnd {
    fn check(self) -> Result<AcceptedEnd, String> {
        if self.explanation.trim().is_empty() {
            return Err("accept_unclean_end: expected an explanation, found an empty one".into());
        }
        let (instance, epoch) = (self.instance.0, self.epoch.0);
        Ok(AcceptedEnd { instance, epoch, explanation: self.explanation })
    }
}

/// The fingerprint of a root that is pinned by fingerprint, by certificate, or by both when they
/// agree.
fn pinned(
    fingerprint: Option<&Parsed<Fingerprint>>,
    certificate: Option<&Path>,
    beside: &Path,
) -> Result<Fingerprint, String> {
    let Some(certificate) = certificate else {
        return fingerprint.map(|pinned| pinned.0).ok_or_else(|| {
            "expected a fingerprint or a certificate of the root, found neither".to_owned()
        });
    };
    let path = beside.join(certificate);
    let found = std::fs::read(&path)
        .map_err(|error| format!("certificate {}: {error}", path.display()))
        .and_then(|pem| {
            Fingerprint::of_pem(&pem)
                .map_err(|error| format!("certificate {}: {error}", path.display()))
        })?;
    match fingerprint {
        Some(Parsed(pinned)) if *pinned != found => {
            Err(format!("expected the certificate to have fingerprint {pinned}, found {found}"))
        }
        Some(_) | None => Ok(found),
    }
}

/// Every certificate of a PEM file, in DER; at least one.
///
/// # Errors
/// When it cannot be read, or has none.
pub fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let pem = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&pem).map(|der| der.map(|der| der.to_vec())).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(_) => Err(format!("{}: expected certificates in PEM", path.display())),
    }
}

/// What the revocation lists in these files name; paths are taken from `beside`.
///
/// # Errors
/// When a file cannot be read, or is no list.
pub fn revoked(lists: &[PathBuf], beside: &Path) -> Result<Vec<Revoked>, String> {
    let mut revoked = Vec::new();
    for list in lists {
        let named = revocations(&beside.join(list));
        revoked.extend(named.map_err(|problem| format!("revocations: {problem}"))?);
    }
    Ok(revoked)
}

/// What the revocation lists in a file name; at least one list.
fn revocations(path: &Path) -> Result<Vec<Revoked>, String> {
    let file = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let expected = || format!("{}: expected revocation lists in PEM or DER", path.display());
    if let Ok(found) = Revoked::of_list(&file) {
        return Ok(found);
    }
    let lists: Vec<CertificateRevocationListDer<'_>> =
        CertificateRevocationListDer::pem_slice_iter(&file)
            .collect::<Result<_, _>>()
            .map_err(|_| expected())?;
    let read: Result<Vec<_>, _> = lists.iter().map(|list| Revoked::of_list(list)).collect();
    let found = read.map_err(|_| expected())?;
    if found.is_empty() { Err(expected()) } else { Ok(found.concat()) }
}

/// That exactly one of a list and "any" is given.
///
/// # Errors
/// What was expected.
pub fn one_of(kind: &str, empty: bool, any: bool) -> Result<(), String> {
    match (empty, any) {
        (true, false) => Err(format!("{kind}: expected measurements, found none")),
        (false, true) => Err(format!("{kind}: measurements contradict insecure_any_measurement")),
        (true, true) | (false, false) => Ok(()),
    }
}

impl FromStr for Ed25519 {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        from_hex(text).map(Self).map_err(|_| "expected 64 lower-case hex digits".to_owned())
    }
}

/// A value that is written as text; the error then has the line of the text.
pub(crate) struct Parsed<T>(pub(crate) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(PhantomData<T>);
        impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
                text.parse().map_err(|error| E::custom(format_args!("{error}, found `{text}`")))
            }
        }
        deserializer.deserialize_str(Text(PhantomData)).map(Self)
    }
}

impl<'de> Deserialize<'de> for Accepted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Accepted;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    f,
                    "`any-insecure`, a list of PCR0 values of 96 hex digits, or a baseline with \
                     its approvers"
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Accepted, E> {
                if text == "any-insecure" {
                    Ok(Accepted::AnyInsecure)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(text), &self))
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Accepted, A::Error> {
                let mut accepted = Vec::new();
                while let Some(Parsed(register)) = list.next_element::<Parsed<Register>>()? {
                    let measurement =
                        Measurement::new([(0, register)].into()).map_err(A::Error::custom)?;
                    accepted.push(measurement);
                }
                if accepted.is_empty() {
                    return Err(A::Error::custom("expected at least one measurement, found none"));
                }
                Ok(Accepted::OneOf(accepted))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Accepted, A::Error> {
                let map = de::value::MapAccessDeserializer::new(map);
                BaselineFile::deserialize(map).map(Accepted::Baseline)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests;
