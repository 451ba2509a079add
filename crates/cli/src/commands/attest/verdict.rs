//! Verdicts: one form for every kind of evidence, before it is printed for people or programs.
//!
//! What was not checked is part of a verdict as much as what was: a genuine document of unknown
//! code is not a trustworthy machine.

use lucarne_attest::{Class, Time};
use lucarne_ledger::hash::Hash;
use serde_json::{Map, Value};

use super::evidence::{Encoding, Evidence, Kind};
use super::judging::Terms;
use crate::failure::Exit;

/// A verdict on a file of evidence.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) kind: Kind,
    pub(super) encoding: Encoding,
    /// Name of the attester in an EAR: the kind, or `software-insecure`.
    pub(super) attester: &'static str,
    pub(super) file_sha256: Hash,
    /// SHA-256 of the signed part, if that far was come.
    pub(super) identity: Option<String>,
    pub(super) outcome: Outcome,
    pub(super) vector: Vector,
    /// What was found good, in words.
    pub(super) checked: Vec<String>,
    /// What nobody looked at, in words.
    pub(super) not_checked: Vec<String>,
    pub(super) judged_at: Time,
    /// How that time was chosen.
    pub(super) judged_by: &'static str,
    /// Until when the verdict holds, and why not longer.
    pub(super) holds_until: Option<(Time, String)>,
    /// Nonce that was asked for, if the evidence answers it.
    pub(super) nonce: Option<Vec<u8>>,
    /// Facts for people: label and value.
    pub(super) facts: Vec<(String, String)>,
    /// The claims for programs.
    pub(super) claims: Map<String, Value>,
    /// Key that the evidence vouches for, if it is verified.
    pub(super) public_key: Option<Vec<u8>>,
}

/// How it came out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// Genuine, and what the policy asks for.
    Verified,
    /// Genuine in its form, under a root or a policy that protects nothing.
    Insecure {
        /// Why.
        why: String,
    },
    /// Not believed.
    Refused {
        /// The reason, for programs.
        code: String,
        /// What sort of reason.
        class: &'static str,
        /// The reason, for people.
        text: String,
        /// What may help.
        hint: Option<String>,
    },
    /// Something is missing to tell.
    CouldNotTell {
        /// The reason, for programs.
        code: String,
        /// The reason, for people.
        text: String,
    },
}

/// The trustworthiness vector of AR4SI, as far as evidence of a TEE speaks to it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Vector {
    pub(super) instance_identity: i8,
    pub(super) configuration: i8,
    pub(super) executables: i8,
    pub(super) hardware: i8,
}

/// Recognised, approved.
pub(super) const AFFIRMING: i8 = 2;
/// Genuine, and nobody said whether it is the right code.
pub(super) const EXECUTABLES_UNRECOGNISED: i8 = 33;
/// The lowest of the values for "do not trust".
pub(super) const CONTRAINDICATED: i8 = 96;
/// Hardware that is none.
pub(super) const HARDWARE_UNRECOGNISED: i8 = 97;
/// A signature or chain is not good.
pub(super) const CRYPTOGRAPHY_FAILED: i8 = 99;
/// Evidence that could not be read.
pub(super) const UNEXPECTED_EVIDENCE: i8 = 1;

impl Outcome {
    /// The exit code.
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Verified => Exit::Yes,
            Self::Insecure { .. } => Exit::Insecure,
            Self::Refused { .. } => Exit::No,
            Self::CouldNotTell { .. } => Exit::CouldNotTell,
        }
    }

    /// Its name.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Insecure { .. } => "insecure",
            Self::Refused { .. } => "refused",
            Self::CouldNotTell { .. } => "could-not-tell",
        }
    }
}

impl Verdict {
    /// A verdict that says nothing yet.
    pub(super) fn new(evidence: &Evidence, judged_at: Time) -> Self {
        Self {
            kind: evidence.kind,
            encoding: evidence.encoding,
            attester: evidence.kind.as_str(),
            file_sha256: evidence.file_sha256,
            identity: None,
            outcome: Outcome::CouldNotTell { code: "not-judged".into(), text: "not judged".into() },
            vector: Vector::default(),
            checked: Vec::new(),
            not_checked: Vec::new(),
            judged_at,
            judged_by: "this machine's clock",
            holds_until: None,
            nonce: None,
            facts: Vec::new(),
            claims: Map::new(),
            public_key: None,
        }
    }

    /// Refuses, for a reason of this class.
    pub(super) fn refuse(&mut self, code: String, class: Class, text: String) {
        let vector = &mut self.vector;
        match class {
            Class::Malformed => vector.hardware = UNEXPECTED_EVIDENCE,
            Class::Untrusted => vector.hardware = CRYPTOGRAPHY_FAILED,
            Class::Time => vector.instance_identity = CONTRAINDICATED,
            Class::Mismatch if code.contains("debug") => vector.configuration = CONTRAINDICATED,
            Class::Mismatch => vector.executables = CONTRAINDICATED,
            Class::Policy => {}
        }
        let hint = match class {
            Class::Time => Some("name the time to judge at with --at".to_owned()),
            Class::Malformed | Class::Untrusted | Class::Mismatch | Class::Policy => None,
        };
        self.outcome = Outcome::Refused { code, class: class.as_str(), text, hint };
    }

    /// A fact for people.
    pub(super) fn fact(&mut self, label: impl Into<String>, value: impl Into<String>) {
        self.facts.push((label.into(), value.into()));
    }

    /// A claim for programs.
    pub(super) fn claim(&mut self, name: &str, value: impl Into<Value>) {
        self.claims.insert(name.to_owned(), value.into());
    }

    /// What a missing policy leaves open.
    pub(super) fn note_policy(&mut self, terms: &Terms) {
        if terms.policy.is_none() {
            self.not_checked.push(
                "which code it is: without --policy no measurement was compared, and anyone can \
                 run other code on genuine hardware"
                    .into(),
            );
        }
    }
}

/// The code of a reason whose crate gives none: the name of its variant, `lower-case-with-hyphens`.
pub(super) fn code_of(reason: &impl std::fmt::Debug) -> String {
    let debug = format!("{reason:?}");
    let name = debug.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let mut code = String::new();
    for (at, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && at > 0 {
            code.push('-');
        }
        code.push(c.to_ascii_lowercase());
    }
    code
}
