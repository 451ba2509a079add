//! The class of one answer: what moved against what was shown before, or why it is no answer.
//!
//! Evidence is first held against its root, nonce and binding alone, so that code which nobody
//! approved is known by its registers; then the policy says what it makes of them. A refusal for
//! another reason keeps the class of its reason: an expired chain is no forgery, a broken device no
//! attack, and silence no mismatch.

use lucarne_attest::baseline::Standing;
use lucarne_attest::classify::{Answer, Change, RegisterNames, classify};
use lucarne_attest::{
    Acceptance, At, DebugMode, EpochKeys, Exhibit, Format, Measurements, Policy, Rejected, Time,
    Verified, snp, tdx,
};
use lucarne_link::message::Fault;

use super::Registers;
use crate::journal::Level;

/// Fresh evidence is made while we wait; what is older is a replay.
const FRESH_MS: u64 = 60_000;

/// What an answer is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// What happened to the machine.
    Change(Change),
    /// No claims could be taken from it.
    Refused(lucarne_attest::Class),
}

impl Class {
    /// Its name in metrics, lines and the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Change(change) => change.as_str(),
            Self::Refused(lucarne_attest::Class::Malformed) => "malformed",
            Self::Refused(lucarne_attest::Class::Untrusted) => "untrusted",
            Self::Refused(lucarne_attest::Class::Time) => "not-in-time",
            Self::Refused(lucarne_attest::Class::Mismatch) => "not-bound",
            Self::Refused(lucarne_attest::Class::Policy) => "no-policy",
        }
    }

    /// The class of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        use lucarne_attest::Class::{Malformed, Mismatch, Policy, Time, Untrusted};
        let refused = [Malformed, Untrusted, Time, Mismatch, Policy].map(Self::Refused);
        let mut all = Change::ALL.map(Self::Change).into_iter().chain(refused);
        all.find(|class| class.as_str() == name)
    }

    /// Whether everything is as it should be.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Change(Change::Match | Change::AuthorisedChange))
    }

    /// How much it matters to an operator.
    pub(super) const fn level(self) -> Level {
        match self {
            Self::Change(Change::Match | Change::AuthorisedChange) => Level::Information,
            Self::Change(Change::Outage | Change::MovedInstance | Change::RoleChanged)
            | Self::Refused(lucarne_attest::Class::Time) => Level::Warning,
            Self::Change(_) | Self::Refused(_) => Level::Error,
        }
    }
}

/// What is made of an answer.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Judged {
    pub(super) class: Class,
    pub(super) reason: String,
    /// Registers that are authorised, to compare the next ones with.
    pub(super) shown: Option<Registers>,
    /// Whether a root that the policy names has signed it.
    pub(super) genuine: bool,
}

impl Judged {
    pub(super) fn refused(rejected: &Rejected) -> Self {
        Self {
            class: class_of(rejected),
            reason: rejected.to_string(),
            shown: None,
            genuine: !matches!(
                rejected.class(),
                lucarne_attest::Class::Malformed
                    | lucarne_attest::Class::Untrusted
                    | lucarne_attest::Class::Policy
            ),
        }
    }

    pub(super) fn no_evidence(fault: Fault) -> Self {
        let change = match fault {
            Fault::Device | Fault::TimedOut => Change::HardwareFailure,
            // Its hardware was not even asked.
            Fault::Own => Change::Outage,
        };
        let (class, reason) = (Class::Change(change), fault.to_string());
        Self { class, reason, shown: None, genuine: false }
    }
}

fn class_of(rejected: &Rejected) -> Class {
    match rejected {
        Rejected::NonceMissing | Rejected::NonceDiffers | Rejected::Stale { .. } => {
            Class::Change(Change::Replay)
        }
        Rejected::DebugMode => Class::Change(Change::DebugMode),
        Rejected::NotAuthorised { standing }
        | Rejected::Tdx(tdx::Rejected::NotAuthorised { standing })
        | Rejected::Snp(snp::Rejected::NotAuthorised { standing }) => {
            Class::Change(standing.change())
        }
        // Report data is a digest: another nonce and another boot look the same.
        Rejected::Tdx(tdx::Rejected::ReportData) | Rejected::Snp(snp::Rejected::ReportData) => {
            Class::Change(Change::Replay)
        }
        Rejected::Tdx(tdx::Rejected::DebugMode) | Rejected::Snp(snp::Rejected::Debug) => {
            Class::Change(Change::DebugMode)
        }
        other if other.is_measurement() => Class::Change(Change::ModifiedCode),
        other if other.is_outage() => Class::Change(Change::Outage),
        other => Class::Refused(other.class()),
    }
}

/// What an answer is judged by.
pub(super) struct Judgement<'a> {
    pub(super) accepts: &'a Acceptance,
    pub(super) names: &'a RegisterNames,
    pub(super) before: Option<&'a Registers>,
    pub(super) now: Time,
}

impl Judgement<'_> {
    /// Judges fresh evidence of a boot.
    pub(super) fn fresh(&self, exhibit: &Exhibit<'_>, nonce: &[u8; 32]) -> Judged {
        let at = At::Live { now: self.now, age_max_ms: FRESH_MS };
        let verify = |accepts: &Acceptance| accepts.verify_fresh(exhibit, at, *nonce);
        if Format::of(exhibit.evidence) != Format::Nitro {
            return self.listed(verify(self.accepts).map(Verified::into_inner));
        }
        // Any code, so that it is known which: whether it may run is judged below.
        let any = self.accepts.nitro.as_ref().map(|policy| Policy {
            roots: policy.roots.clone(),
            measurements: Measurements::DangerAny,
            debug: DebugMode::InsecureAccept,
        });
        let any = Acceptance { nitro: any, ..self.accepts.clone() };
        let shown = match verify(&any).map(Verified::into_inner) {
            Ok(keys) => keys.claims.registers,
            Err(rejected) => return Judged::refused(&rejected),
        };
        let verdict = verify(self.accepts).map(|_| ());
        let standing = standing(&verdict);
        let reason = match &verdict {
            Ok(()) => String::new(),
            Err(Rejected::NotAuthorised { standing }) => standing.to_string(),
            Err(rejected) => rejected.to_string(),
        };
        let before = self.before.unwrap_or(&shown);
        let change = match classify(self.names, before, Answer::Shown(&shown), &standing) {
            // What runs since before may have been taken back meanwhile.
            Change::Match => standing.change(),
            moved => moved,
        };
        let class = Class::Change(change);
        Judged { class, reason, shown: verdict.is_ok().then_some(shown), genuine: true }
    }

    /// What a verdict on a quote or a report comes to: the policy lists what may run, so what is
    /// accepted and differs from before is an authorised change.
    fn listed(&self, verdict: Result<EpochKeys, Rejected>) -> Judged {
        let shown = match verdict {
            Ok(keys) => keys.claims.registers,
            Err(rejected) => return Judged::refused(&rejected),
        };
        let same = self.before.is_none_or(|before| *before == shown);
        let change = if same { Change::Match } else { Change::AuthorisedChange };
        let (class, reason) = (Class::Change(change), String::new());
        Judged { class, reason, shown: Some(shown), genuine: true }
    }
}

/// What the verdict of a policy says of the code. A list has no versions: the policy that accepts
/// stands for one.
fn standing(verdict: &Result<(), Rejected>) -> Standing {
    match verdict {
        Ok(()) => Standing::Authorised { version: "policy".to_owned(), deployment: None },
        Err(Rejected::NotAuthorised { standing }) => standing.clone(),
        Err(_) => Standing::Unknown { closest: None, differences: Vec::new() },
    }
}
