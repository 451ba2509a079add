//! The auditor's policy file: which roots, measurements and keys to trust, and what has been
//! explained.
//!
//! Read strictly: what the file does not say is not trusted, and a key that nobody knows is
//! refused.

use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use lucarne_attest::baseline::{Approver, Approvers, Authority};
use lucarne_attest::{DebugMode, Fingerprint, Measurement, Measurements, Register, Root};
use lucarne_ledger::audit::{self, AcceptedEnd, Scope};
use lucarne_ledger::hash::from_hex;
use lucarne_ledger::identity::{EpochId, Instance, LedgerKind};
use lucarne_ledger::key::PublicKey;
use lucarne_ledger::trust_policy::{PolicyError, TrustPolicy};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use crate::baseline;
use crate::config::{ConfigError, parse_yaml, read_yaml};

/// What the file says, checked.
#[derive(Debug)]
pub struct Policy {
    /// For evidence.
    pub attest: lucarne_attest::Policy,
    /// For ledgers.
    pub audit: audit::Policy,
    /// The baseline that says which code is accepted when, if the file names one.
    pub authority: Option<Authority>,
    /// Whether whatever code some root vouches for is accepted: every verdict is then insecure.
    pub any_measurement: bool,
    /// The key of the site's register, if there has to be one.
    pub register: Option<PublicKey>,
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
    /// Which code is accepted: PCR0 of each, a baseline, or `any-insecure`.
    measurements: Accepted,
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
    /// Epochs without an end that a person has explained.
    #[serde(default)]
    accept_unclean_end: Vec<UncleanEnd>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterKey {
    ed25519: Parsed<Ed25519>,
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
        if roots.is_empty() {
            return Err(
                "roots: expected at least one under `roots` or `insecure`, found none".into()
            );
        }
        if self.ledgers.is_empty() {
            return Err("ledgers: expected audit, telemetry or both, found none".into());
        }
        let any_measurement = matches!(self.measurements, Accepted::AnyInsecure);
        let mut authority = None;
        let measurements = match self.measurements {
            Accepted::AnyInsecure => Measurements::DangerAny,
            Accepted::OneOf(list) => Measurements::OneOf(list),
            Accepted::Baseline(file) => {
                let read = file.check(beside)?;
                authority = Some(read.clone());
                Measurements::Baseline(Box::new(read))
            }
        };
        let accepted_ends = self.accept_unclean_end.into_iter().map(UncleanEnd::check);
        Ok(Policy {
            attest: lucarne_attest::Policy { roots, measurements, debug: DebugMode::Refuse },
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
        })
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
mod tests {
    use lucarne_ledger::cosignature::Cosigner;

    use super::*;

    const GOOD: &str = "log_prefix: lucarne.local\nroots:\n  - kind: aws-nitro\n\
        measurements: [\"111111111111111111111111111111111111111111111111\
        111111111111111111111111111111111111111111111111\"]\nledgers: [audit, telemetry]\n";

    fn read_text(text: &str) -> Result<Policy, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit-policy.yaml");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[track_caller]
    fn refused(text: &str, parts: &[&str]) {
        let message = read_text(text).unwrap_err().to_string();
        assert_eq!(message.lines().count(), 1, "{message}");
        for part in [&["audit-policy.yaml"], parts].concat() {
            assert!(message.contains(part), "{part:?} is not in {message}");
        }
    }

    #[test]
    fn a_policy_says_what_to_trust() {
        let policy = read_text(GOOD).unwrap();
        assert_eq!(policy.attest.roots, vec![Root::aws_nitro()]);
        assert_eq!(policy.audit.required, LedgerKind::ALL);
        assert!(!policy.any_measurement);
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line_with_its_place() {
        refused(&format!("{GOOD}rotos: []\n"), &[":6:", "rotos"]);
        refused(&GOOD.replace("[audit, telemetry]", "[audits]"), &[":5:", "audit or telemetry"]);
        refused(&GOOD.replace("[audit, telemetry]", "[]"), &["ledgers", "found none"]);
        refused(&GOOD.replace("- kind: aws-nitro", "- kind: tdx"), &[":3:", "tdx"]);
        refused(&GOOD.replace("\n  - kind: aws-nitro", " []"), &["roots", "found none"]);
        refused(&GOOD.replace("[\"11", "[\"zz"), &[":4:", "96 hex digits"]);
        refused(&GOOD.replace("[\"11", "[\"\", \"11"), &[":4:", "96 hex digits"]);
        let any = GOOD.lines().take(3).collect::<Vec<_>>().join("\n");
        refused(&format!("{any}\nmeasurements: []\nledgers: [audit]\n"), &["at least one"]);
        refused(&format!("{any}\nmeasurements: any\nledgers: [audit]\n"), &["any-insecure"]);
        let key = format!("{GOOD}withholding_keys: [{{ name: a, ed25519: \"00\" }}]\n");
        refused(&key, &[":6:", "64 lower-case hex digits"]);
    }

    #[test]
    fn witnesses_are_named_in_a_block_with_a_quorum() {
        let cosigner = Cosigner::ed25519("w1.example", &[1; 32]).unwrap();
        let block = |quorum: &str| {
            let witness = format!("  witness w1 {}\n", cosigner.verifier());
            format!("{GOOD}witnesses: |\n{witness}  quorum {quorum}\n")
        };
        let policy = read_text(&block("w1")).unwrap();
        assert_eq!(policy.audit.witnesses.unwrap().witnesses().len(), 1);
        refused(&block("none"), &[":7:", "witnesses", "found none"]);
        refused(&block("w2"), &[":7:", "witnesses", "line 2 of the block"]);
        assert_eq!(read_text(GOOD).unwrap().audit.witnesses, None);
    }

    #[test]
    fn a_register_is_named_by_its_key() {
        let key = "ab".repeat(32);
        let policy = read_text(&format!("{GOOD}register: {{ ed25519: \"{key}\" }}\n")).unwrap();
        assert_eq!(policy.register, Some(PublicKey::from_ed25519(&[0xab; 32])));
        refused(&format!("{GOOD}register: {{ ed25519: \"00\" }}\n"), &[":6:", "64 lower-case"]);
        assert_eq!(read_text(GOOD).unwrap().register, None);
    }

    #[test]
    fn a_root_is_pinned_by_a_certificate_only_when_it_is_the_one() {
        let insecure = |entry: &str| {
            GOOD.replace(
                "roots:\n  - kind: aws-nitro",
                &format!("insecure: [{{ kind: software{entry} }}]"),
            )
        };
        refused(&insecure(""), &["fingerprint or a certificate"]);
        refused(&insecure(", certificate: no.pem"), &["no.pem"]);
        let pinned = insecure(&format!(", fingerprint: \"{}\"", "ab".repeat(32)));
        let expected = vec![Root::insecure_software(Fingerprint([0xab; 32]))];
        assert_eq!(read_text(&pinned).unwrap().attest.roots, expected);
    }

    const BASELINE: &str = "measurements: { baseline: baseline.yaml, approvers: [\
        { name: a, ed25519: \"ALICE\" }, { name: b, ed25519: \"BOB\" }] }";

    fn with_baseline(change: impl Fn(String) -> String) -> Result<Policy, ConfigError> {
        let keys = [1, 2].map(|n| lucarne_ledger::hash::to_hex(&[n; 32]));
        let key = BASELINE.replace("ALICE", &keys[0]).replace("BOB", &keys[1]);
        let start = GOOD.find("measurements").unwrap();
        let end = GOOD.find("ledgers").unwrap();
        let text = change(format!("{}{key}\n{}", &GOOD[..start], &GOOD[end..]));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit-policy.yaml");
        std::fs::write(&path, text).unwrap();
        std::fs::write(
            dir.path().join("baseline.yaml"),
            baseline::text(&lucarne_attest::baseline::Baseline::default()),
        )
        .unwrap();
        read(&path)
    }

    #[test]
    fn a_baseline_comes_with_two_people_who_approve() {
        let policy = with_baseline(|text| text).unwrap();
        let people = [("a", 1), ("b", 2)];
        let people = people.map(|(name, key)| Approver { name: name.into(), key: [key; 32] });
        let authority = Authority {
            baseline: lucarne_attest::baseline::Baseline::default(),
            approvers: Approvers::new(people.into()).unwrap(),
        };
        let expected = Measurements::Baseline(Box::new(authority.clone()));
        assert_eq!(policy.attest.measurements, expected);
        assert_eq!((policy.authority, policy.any_measurement), (Some(authority), false));

        let refused = |old: &str, new: &str, part: &str| {
            let error = with_baseline(|text| text.replace(old, new)).unwrap_err().to_string();
            assert!(error.contains(part) && error.lines().count() == 1, "{error}");
        };
        refused("name: b", "name: a", "shares a name or a key");
        refused(&"02".repeat(32), &"01".repeat(32), "shares a name or a key");
        refused("baseline.yaml", "gone.yaml", "gone.yaml");
        refused("approvers", "approver", "approver");
        refused("ed25519: \"01", "ed25519: \"", "64 lower-case hex digits");
    }
}
