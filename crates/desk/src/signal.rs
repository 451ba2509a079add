//! Signals: the one normal form of everything that the desk is told.
//!
//! Each source hands in a [`Draft`]; [`Signal::new`] checks it, scrubs every text of it and gives
//! it the fingerprint by which repeats are known. A risk or a count of misses that is absent or
//! absurd is unknown, with the reason, and never low. Nothing of the raw body is kept but a salted
//! digest.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::number::Number;
use crate::scrub::{Scrubbed, Scrubber, SecretMark};

/// What a source says, before anything is checked.
#[derive(Clone)]
pub struct Draft {
    /// Where it came in.
    pub source: Source,
    /// What it is about.
    pub kind: Kind,
    /// What was found, of an integrity or attestation signal.
    pub fault: Option<Fault>,
    /// Names and values; the names of Kafka and Alertmanager are brought to one spelling by whoever
    /// makes the draft (`capsuleHash` is `capsule_hash`).
    pub labels: BTreeMap<String, String>,
    /// The measured value, if any.
    pub value: Option<f64>,
    /// The risk score as it was written.
    pub risk: Option<String>,
    /// The missed heartbeats as they were written.
    pub misses: Option<String>,
    /// When the sender says it sent this, milliseconds since 1970.
    pub stated_ms: Option<u64>,
    /// Since when it holds, milliseconds since 1970.
    pub starts_ms: u64,
    /// Until when, once it does not hold any more.
    pub ends_ms: Option<u64>,
    /// Whether it holds.
    pub status: Status,
    /// Whether the body follows a schema that is known.
    pub schema_known: bool,
    /// A secret that somebody reports as exposed.
    pub secret: Option<Pasted>,
    /// The body as it came.
    pub raw: Vec<u8>,
}

/// A secret as it was reported. It has no `Debug`, so that it cannot be logged by accident.
#[derive(Clone)]
pub struct Pasted {
    /// The name of the key.
    pub kid: Option<String>,
    /// The secret itself.
    pub secret: String,
    /// Where it was found.
    pub location: String,
}

/// One input of the desk.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// Where it came in.
    pub source: Source,
    /// What it is about.
    pub kind: Kind,
    /// What was found, of an integrity or attestation signal.
    pub fault: Option<Fault>,
    /// Names and scrubbed values.
    pub labels: BTreeMap<String, Scrubbed>,
    /// The measured value.
    pub value: Option<Number>,
    /// How likely harm is, as its source sees it.
    pub risk: Risk,
    /// Heartbeats missed in a row.
    pub misses: Misses,
    /// When the sender says it sent this, milliseconds since 1970.
    pub stated_ms: Option<u64>,
    /// Since when it holds, milliseconds since 1970.
    pub starts_ms: u64,
    /// Until when, once it does not hold any more.
    pub ends_ms: Option<u64>,
    /// Whether it holds.
    pub status: Status,
    /// What stays of a reported secret.
    pub secret: Option<SecretMark>,
    /// By which repeats are known: kind and chosen labels.
    pub fingerprint: Digest,
    /// Salted SHA-256 of the body.
    pub raw: Digest,
}

/// Where a signal came in.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Alertmanager's webhook or its API.
    Alertmanager,
    /// A rule of ours over Prometheus or Loki.
    Rule,
    /// The topic of guard trips.
    Kafka,
    /// A CloudEvent.
    CloudEvents,
    /// A finding of `audit watch`.
    Audit,
    /// The attestation monitor.
    Attestation,
    /// Heartbeats counted here.
    Heartbeat,
    /// A probe of ours.
    Probe,
    /// A person.
    Person,
    /// The desk about itself.
    Desk,
}

/// What a signal is about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A guard of a capsule tripped.
    GuardTrip,
    /// Heartbeats of a capsule are missing.
    Heartbeat,
    /// Several capsules miss beats at once.
    Network,
    /// Workflows fail.
    WorkflowErrorRate,
    /// No logs.
    TelemetryGap,
    /// The sealed ledger does not verify.
    AuditIntegrity,
    /// Evidence does not verify, or cannot be had.
    Attestation,
    /// Revocations are not fresh.
    RevocationStale,
    /// A policy allows too much.
    PolicyAllow,
    /// A secret is out.
    SecretExposure,
    /// The audit pipeline is behind.
    AuditBacklog,
    /// Evidence was lost.
    EvidenceLost,
    /// A circuit is open while protected traffic runs.
    CircuitOpen,
    /// The desk has a fault of its own.
    DeskFault,
    /// Anything else.
    Other,
}

/// What an integrity or attestation signal found.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A root does not follow from the records before it.
    ChainMismatch,
    /// A signature does not verify.
    BadSignature,
    /// Two histories under one key.
    SequenceFork,
    /// Fewer records than an anchor speaks of.
    Truncation,
    /// Code that nobody approved.
    MeasurementUnexpected,
    /// The host can read the machine.
    DebugMode,
    /// Old evidence, or under another nonce.
    Replay,
    /// Evidence of an unknown root.
    Untrusted,
    /// Records were lost for good.
    EvidenceLost,
    /// The certificate has run out, and nothing else is wrong.
    CertificateExpired,
    /// The same code under another parent role.
    RoleChanged,
    /// The same code on another parent.
    MovedInstance,
    /// Nobody could be asked.
    Unavailable,
    /// Newer records are not in the archive yet, for less than the time after which they count as
    /// truncated.
    Lag,
}

impl Fault {
    /// Whether it overrides everything else (row D0): the ground of all other evidence is in doubt.
    pub const fn is_integrity(self) -> bool {
        match self {
            Self::ChainMismatch
            | Self::BadSignature
            | Self::SequenceFork
            | Self::Truncation
            | Self::MeasurementUnexpected
            | Self::DebugMode
            | Self::Replay
            | Self::Untrusted
            | Self::EvidenceLost => true,
            Self::CertificateExpired
            | Self::RoleChanged
            | Self::MovedInstance
            | Self::Unavailable
            | Self::Lag => false,
        }
    }
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::GuardTrip,
        Self::Heartbeat,
        Self::Network,
        Self::WorkflowErrorRate,
        Self::TelemetryGap,
        Self::AuditIntegrity,
        Self::Attestation,
        Self::RevocationStale,
        Self::PolicyAllow,
        Self::SecretExposure,
        Self::AuditBacklog,
        Self::EvidenceLost,
        Self::CircuitOpen,
        Self::DeskFault,
        Self::Other,
    ];

    /// Its name in files and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GuardTrip => "guard_trip",
            Self::Heartbeat => "heartbeat",
            Self::Network => "network",
            Self::WorkflowErrorRate => "workflow_error_rate",
            Self::TelemetryGap => "telemetry_gap",
            Self::AuditIntegrity => "audit_integrity",
            Self::Attestation => "attestation",
            Self::RevocationStale => "revocation_stale",
            Self::PolicyAllow => "policy_allow",
            Self::SecretExposure => "secret_exposure",
            Self::AuditBacklog => "audit_backlog",
            Self::EvidenceLost => "evidence_lost",
            Self::CircuitOpen => "circuit_open",
            Self::DeskFault => "desk_fault",
            Self::Other => "other",
        }
    }

    /// Whether risk and misses decide about it.
    pub const fn is_scored(self) -> bool {
        matches!(self, Self::GuardTrip | Self::Heartbeat)
    }

    /// Whether a signal of this kind is about integrity, given what it found.
    pub const fn is_integrity(self, fault: Option<Fault>) -> bool {
        match (self, fault) {
            // The seeds' alerts of these two kinds do not say what was found; the worst is assumed.
            (Self::AuditIntegrity, None) | (Self::EvidenceLost, _) => true,
            (_, Some(fault)) => fault.is_integrity(),
            (_, None) => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a signal holds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It holds.
    Firing,
    /// It held.
    Resolved,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        })
    }
}

/// A risk score.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// From 0 to 1, both included.
    Known(Number),
    /// It cannot be used.
    Unknown(Unknown),
}

/// Heartbeats missed in a row.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Misses {
    /// A count.
    Known(u32),
    /// It cannot be used.
    Unknown(Unknown),
}

/// Why a figure cannot be used.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// It is not there.
    Missing,
    /// It is no number.
    NotANumber,
    /// It is a number that cannot be one of these.
    OutOfRange(Number),
    /// The body follows no schema that is known.
    Schema,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::NotANumber => f.write_str("not a number"),
            Self::OutOfRange(number) => write!(f, "{number}, out of range"),
            Self::Schema => f.write_str("of an unknown schema"),
        }
    }
}

impl Risk {
    /// Reads a score.
    pub fn parse(text: Option<&str>) -> Self {
        match number(text) {
            Ok(score) if (0.0..=1.0).contains(&score.get()) => Self::Known(score),
            Ok(score) => Self::Unknown(Unknown::OutOfRange(score)),
            Err(unknown) => Self::Unknown(unknown),
        }
    }

    /// The score, if it can be used.
    pub const fn known(self) -> Option<Number> {
        match self {
            Self::Known(score) => Some(score),
            Self::Unknown(_) => None,
        }
    }
}

impl Misses {
    /// Reads a count.
    pub fn parse(text: Option<&str>) -> Self {
        match number(text) {
            Ok(count) => {
                let whole = text.and_then(|text| text.trim().parse::<u32>().ok());
                match whole.filter(|whole| *whole <= MISSES_MAX) {
                    Some(whole) => Self::Known(whole),
                    None => Self::Unknown(Unknown::OutOfRange(count)),
                }
            }
            Err(unknown) => Self::Unknown(unknown),
        }
    }

    /// The count, if it can be used.
    pub const fn known(self) -> Option<u32> {
        match self {
            Self::Known(count) => Some(count),
            Self::Unknown(_) => None,
        }
    }
}

fn number(text: Option<&str>) -> Result<Number, Unknown> {
    let text = text.map(str::trim).filter(|text| !text.is_empty()).ok_or(Unknown::Missing)?;
    text.parse().ok().and_then(Number::new).ok_or(Unknown::NotANumber)
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(score) => score.fmt(f),
            Self::Unknown(why) => why.fmt(f),
        }
    }
}

impl fmt::Display for Misses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(count) => count.fmt(f),
            Self::Unknown(why) => why.fmt(f),
        }
    }
}

/// Why a draft is no signal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SignalError {
    /// More labels than a signal may have.
    TooManyLabels {
        /// How many there are.
        got: usize,
    },
    /// A name of a label that is not `[A-Za-z_][A-Za-z0-9_]{0,63}`.
    LabelName {
        /// Its position among the sorted names.
        position: usize,
    },
}

impl fmt::Display for SignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyLabels { got } => {
                write!(f, "{got} labels, at most {LABELS_MAX} are taken")
            }
            Self::LabelName { position } => {
                write!(f, "name of label {position} is not 1 to 64 of letters, digits and _")
            }
        }
    }
}

impl std::error::Error for SignalError {}

impl Signal {
    /// The normal form of a draft; `chosen` are the labels that tell one cause from another.
    ///
    /// # Errors
    /// When there are too many labels, or one has a strange name.
    pub fn new(draft: &Draft, scrubber: &Scrubber, chosen: &[String]) -> Result<Self, SignalError> {
        if draft.labels.len() > LABELS_MAX {
            return Err(SignalError::TooManyLabels { got: draft.labels.len() });
        }
        if let Some(position) = draft.labels.keys().position(|name| !is_label_name(name)) {
            return Err(SignalError::LabelName { position });
        }
        let secret = draft.secret.as_ref();
        let clean = |text: &String| match secret.filter(|pasted| !pasted.secret.is_empty()) {
            Some(pasted) => scrubber.scrub(&text.replace(&pasted.secret, "")),
            None => scrubber.scrub(text),
        };
        let labels: BTreeMap<String, Scrubbed> =
            draft.labels.iter().map(|(name, text)| (name.clone(), clean(text))).collect();
        let (mut risk, mut misses) =
            (Risk::parse(draft.risk.as_deref()), Misses::parse(draft.misses.as_deref()));
        if !draft.schema_known {
            risk = Risk::Unknown(Unknown::Schema);
            misses = Misses::Unknown(Unknown::Schema);
        }
        Ok(Self {
            fingerprint: fingerprint(draft.kind, &labels, chosen),
            secret: secret.map(|p| scrubber.secret(p.kid.as_deref(), &p.location, &p.secret)),
            raw: scrubber.fingerprint(&draft.raw),
            source: draft.source,
            kind: draft.kind,
            fault: draft.fault,
            labels,
            value: draft.value.and_then(Number::new),
            risk,
            misses,
            stated_ms: draft.stated_ms,
            starts_ms: draft.starts_ms,
            ends_ms: draft.ends_ms,
            status: draft.status,
        })
    }

    /// The text of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(Scrubbed::as_str)
    }

    /// Whether it is about integrity.
    pub const fn is_integrity(&self) -> bool {
        self.kind.is_integrity(self.fault)
    }
}

/// The fingerprint of a kind and the chosen ones among the labels.
///
/// A heartbeat that is missed here and a guard trip of the same capsule are one cause.
pub fn fingerprint(kind: Kind, labels: &BTreeMap<String, Scrubbed>, chosen: &[String]) -> Digest {
    let kind = if kind == Kind::Heartbeat { Kind::GuardTrip } else { kind };
    let mut names: Vec<&String> = chosen.iter().collect();
    names.sort();
    let pairs = names.into_iter().filter_map(|name| labels.get_key_value(name));
    let parts = pairs.flat_map(|(name, text)| [name.as_bytes(), text.as_str().as_bytes()]);
    Digest::of_parts(std::iter::once(kind.as_str().as_bytes()).chain(parts))
}

pub(crate) fn is_label_name(name: &str) -> bool {
    let good = |(at, b): (usize, u8)| {
        b.is_ascii_alphabetic() || b == b'_' || (at > 0 && b.is_ascii_digit())
    };
    (1..=64).contains(&name.len()) && name.bytes().enumerate().all(good)
}

/// Alertmanager sends a dozen; a signal is not a document.
pub(crate) const LABELS_MAX: usize = 64;
/// At five seconds a beat this is two months of silence.
const MISSES_MAX: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft {
            source: Source::Person,
            kind: Kind::SecretExposure,
            fault: None,
            labels: [("note".to_owned(), "key is Zk9-secret-Zk9 in repo".to_owned())].into(),
            value: None,
            risk: None,
            misses: None,
            stated_ms: None,
            starts_ms: 0,
            ends_ms: None,
            status: Status::Firing,
            schema_known: true,
            secret: Some(Pasted {
                kid: Some("sts-2026-05".to_owned()),
                secret: "Zk9-secret-Zk9".to_owned(),
                location: "https://git.example/r commit 1f".to_owned(),
            }),
            raw: b"{\"secret\":\"Zk9-secret-Zk9\"}".to_vec(),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers build one for it")]
    fn signal(draft: Draft) -> Result<Signal, SignalError> {
        Signal::new(&draft, &Scrubber::new([7; 32]), &["kid".to_owned()])
    }

    #[test]
    fn a_pasted_secret_is_nowhere_in_what_is_stored() {
        let signal = signal(draft()).unwrap();
        let stored = serde_json::to_string(&signal).unwrap();
        assert!(!stored.contains("Zk9"), "{stored}");
        let mark = signal.secret.unwrap();
        assert_eq!(mark.kid.unwrap().as_str(), "sts-2026-05");
        assert_eq!(mark.length, 14);
        assert_eq!(mark.fingerprint, Scrubber::new([7; 32]).fingerprint(b"Zk9-secret-Zk9"));
        assert_eq!(mark.location.as_str(), "https://git.example/r commit 1f");
        // A plain digest of a short body could be guessed.
        assert_ne!(signal.raw, Digest::of(&draft().raw));
    }

    #[test]
    fn what_is_absent_or_absurd_is_unknown() {
        let out = |value| Unknown::OutOfRange(Number::new(value).unwrap());
        let known = |value| Risk::Known(Number::new(value).unwrap());
        for (text, risk) in [
            (Some("0"), known(0.0)),
            (Some("1"), known(1.0)),
            (Some("0.8"), known(0.8)),
            (None, Risk::Unknown(Unknown::Missing)),
            (Some(" "), Risk::Unknown(Unknown::Missing)),
            (Some("abc"), Risk::Unknown(Unknown::NotANumber)),
            (Some("NaN"), Risk::Unknown(Unknown::NotANumber)),
            (Some("inf"), Risk::Unknown(Unknown::NotANumber)),
            (Some("1.7"), Risk::Unknown(out(1.7))),
            (Some("-0.1"), Risk::Unknown(out(-0.1))),
        ] {
            assert_eq!(Risk::parse(text), risk, "{text:?}");
        }
        for (text, misses) in [
            (Some("4"), Misses::Known(4)),
            (Some("1000000"), Misses::Known(1_000_000)),
            (Some("1000001"), Misses::Unknown(out(1_000_001.0))),
            (Some("-1"), Misses::Unknown(out(-1.0))),
            (Some("2.5"), Misses::Unknown(out(2.5))),
            (Some("x"), Misses::Unknown(Unknown::NotANumber)),
            (None, Misses::Unknown(Unknown::Missing)),
        ] {
            assert_eq!(Misses::parse(text), misses, "{text:?}");
        }
    }

    #[test]
    fn an_unknown_schema_leaves_no_figure() {
        let odd = Draft {
            risk: Some("0.1".to_owned()),
            misses: Some("0".to_owned()),
            schema_known: false,
            ..draft()
        };
        let signal = signal(odd).unwrap();
        assert_eq!(signal.risk, Risk::Unknown(Unknown::Schema));
        assert_eq!(signal.misses, Misses::Unknown(Unknown::Schema));
    }

    #[test]
    fn only_chosen_labels_tell_causes_apart() {
        let with = |name: &str, text: &str| {
            let labels = [("kid", "k"), (name, text)];
            let labels = labels.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
            signal(Draft { labels, ..draft() }).unwrap().fingerprint
        };
        assert_eq!(with("x", "1"), with("x", "2"));
        assert_ne!(with("kid", "1"), with("kid", "2"));
    }

    #[test]
    fn labels_are_bounded() {
        let many: BTreeMap<String, String> =
            (0..65).map(|n| (format!("l{n}"), String::new())).collect();
        let refused = signal(Draft { labels: many, ..draft() });
        assert_eq!(refused, Err(SignalError::TooManyLabels { got: 65 }));
        for name in ["", "1a", "a-b", "é"] {
            let labels = [(name.to_owned(), String::new())].into();
            let refused = signal(Draft { labels, ..draft() });
            assert_eq!(refused, Err(SignalError::LabelName { position: 0 }), "{name}");
        }
    }
}
