//! Attestation signals: which class a result is, how bad, and what it is as a fault.
//!
//! Registers are those of Nitro: 0 the whole image, 1 kernel and boot, 2 the application, 3 the
//! role of the parent, 4 the parent instance. Any change of code moves 0 as well as 2, so 2 without
//! 0 is a contradiction and not a deployment.

use std::collections::BTreeSet;

use crate::incident::Severity;
use crate::signal::Fault;

/// What was asked of the TEE, and what came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// Nobody answered.
    Nothing {
        /// So many times in a row.
        failures: u32,
        /// Milliseconds since evidence was last good.
        last_good_age_ms: u64,
    },
    /// A document.
    Document(Document),
}

/// What a document says, as it was verified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    /// Its chain of certificates.
    pub chain: Chain,
    /// Whether it answers our nonce.
    pub nonce_matches: bool,
    /// How old it is, in milliseconds.
    pub age_ms: u64,
    /// Whether registers 0 to 2 are all zero.
    pub is_debug: bool,
    /// Registers that are not as expected.
    pub moved: BTreeSet<u8>,
    /// What is approved.
    pub change: Approval,
    /// Whether the platform says that the instance was moved or added.
    pub in_scaling_events: bool,
}

/// A chain of certificates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Chain {
    /// To a root that is believed, and in date.
    Trusted,
    /// To another root.
    UnknownRoot,
    /// To a root that is believed; a certificate has run out.
    Expired,
}

/// What is approved for now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Approval {
    /// Nothing.
    None,
    /// A change, to exactly these values.
    TheseValues,
    /// A change, to other values.
    OtherValues,
}

/// The class of a result.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// As expected.
    Match,
    /// Code that nobody approved (A).
    UnauthorizedCode,
    /// Code that was approved for now (B).
    AuthorizedChange,
    /// Asked again, before anything is said.
    Retrying,
    /// Nobody can be asked (C). Never a mismatch.
    AttestationUnavailable,
    /// The host can read the machine (D).
    DebugMode,
    /// An old answer, or to another question (E).
    Replay,
    /// A chain that is not believed (F).
    Untrusted,
    /// The same code elsewhere (G).
    MovedInstance,
    /// The same code under another role (G).
    RoleChanged,
    /// The application moved and the image that contains it did not (H).
    Inconsistent,
}

/// A diagnosis.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Diagnosis {
    /// Which it is.
    pub class: Class,
    /// How bad; none when there is no incident.
    pub severity: Option<Severity>,
    /// As the fault of a signal.
    pub fault: Option<Fault>,
    /// Whether new executions must not begin.
    pub gates: bool,
}

/// Failures in a row before an outage is called one.
pub const FAILURES: u32 = 3;
/// Older evidence than this does not let new executions begin.
pub const LAST_GOOD_MS: u64 = 10 * 60 * 1000;
/// Older documents than this are replays.
pub const AGE_MS: u64 = 5 * 60 * 1000;

/// Tells which it is.
pub fn diagnose(answer: &Answer) -> Diagnosis {
    let class = class(answer);
    let (severity, fault) = match class {
        Class::Match | Class::AuthorizedChange | Class::Retrying => (None, None),
        Class::UnauthorizedCode | Class::Inconsistent => {
            (Some(Severity::Sev0), Some(Fault::MeasurementUnexpected))
        }
        Class::DebugMode => (Some(Severity::Sev0), Some(Fault::DebugMode)),
        Class::Replay => (Some(Severity::Sev0), Some(Fault::Replay)),
        Class::Untrusted => match answer {
            Answer::Document(Document { chain: Chain::Expired, .. }) => {
                (Some(Severity::Sev1), Some(Fault::CertificateExpired))
            }
            _ => (Some(Severity::Sev0), Some(Fault::Untrusted)),
        },
        Class::AttestationUnavailable => {
            let severity = if is_stale(answer) { Severity::Sev1 } else { Severity::Sev2 };
            (Some(severity), Some(Fault::Unavailable))
        }
        Class::MovedInstance => {
            let known = matches!(answer, Answer::Document(document) if document.in_scaling_events);
            let severity = if known { Severity::Sev2 } else { Severity::Sev1 };
            (Some(severity), Some(Fault::MovedInstance))
        }
        Class::RoleChanged => (Some(Severity::Sev1), Some(Fault::RoleChanged)),
    };
    let gates = severity == Some(Severity::Sev0)
        || (class == Class::AttestationUnavailable && is_stale(answer));
    Diagnosis { class, severity, fault, gates }
}

const fn is_stale(answer: &Answer) -> bool {
    matches!(answer, Answer::Nothing { last_good_age_ms, .. } if *last_good_age_ms > LAST_GOOD_MS)
}

fn class(answer: &Answer) -> Class {
    let document = match answer {
        Answer::Nothing { failures, .. } if *failures < FAILURES && !is_stale(answer) => {
            return Class::Retrying;
        }
        Answer::Nothing { .. } => return Class::AttestationUnavailable,
        Answer::Document(document) => document,
    };
    // What is not genuine says nothing else; what answers another question says nothing about now.
    if document.chain == Chain::UnknownRoot {
        return Class::Untrusted;
    }
    if !document.nonce_matches || document.age_ms > AGE_MS {
        return Class::Replay;
    }
    if document.is_debug {
        return Class::DebugMode;
    }
    match by_registers(document) {
        // An expired certificate must not hide what the document shows.
        Class::Match | Class::AuthorizedChange if document.chain == Chain::Expired => {
            Class::Untrusted
        }
        class => class,
    }
}

fn by_registers(document: &Document) -> Class {
    let moved = |register| document.moved.contains(&register);
    let only = |register| document.moved.len() == 1 && moved(register);
    if document.moved.is_empty() {
        Class::Match
    } else if only(4) {
        Class::MovedInstance
    } else if only(3) {
        Class::RoleChanged
    } else if moved(2) && !moved(0) {
        Class::Inconsistent
    } else if document.change == Approval::TheseValues && !moved(3) && !moved(4) {
        Class::AuthorizedChange
    } else {
        Class::UnauthorizedCode
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(moved: &[u8]) -> Document {
        Document {
            chain: Chain::Trusted,
            nonce_matches: true,
            age_ms: 1000,
            is_debug: false,
            moved: moved.iter().copied().collect(),
            change: Approval::None,
            in_scaling_events: false,
        }
    }

    fn nothing(failures: u32, minutes: u64) -> Answer {
        Answer::Nothing { failures, last_good_age_ms: minutes * 60_000 }
    }

    /// AT-04: every class of the design.
    #[test]
    fn the_table_of_classes() {
        use Class::{
            AttestationUnavailable, AuthorizedChange, DebugMode, Inconsistent, Match,
            MovedInstance, Replay, Retrying, RoleChanged, UnauthorizedCode, Untrusted,
        };
        let doc = Answer::Document;
        let approved = |change| doc(Document { change, ..document(&[0, 2]) });
        let zero = doc(Document { is_debug: true, ..document(&[0, 1, 2]) });
        let stale = doc(Document { age_ms: 6 * 60_000, ..document(&[]) });
        let other = doc(Document { nonce_matches: false, ..document(&[]) });
        let rooted = |chain| doc(Document { chain, ..document(&[]) });
        let scaled = doc(Document { in_scaling_events: true, ..document(&[4]) });
        let (sev0, sev1, sev2) = (Some(Severity::Sev0), Some(Severity::Sev1), Some(Severity::Sev2));
        let rows = [
            ("as expected", doc(document(&[])), Match, None, false),
            ("A 0 and 2", doc(document(&[0, 2])), UnauthorizedCode, sev0, true),
            ("A 0 and 1", doc(document(&[0, 1])), UnauthorizedCode, sev0, true),
            ("B approved", approved(Approval::TheseValues), AuthorizedChange, None, false),
            ("B a nibble off", approved(Approval::OtherValues), UnauthorizedCode, sev0, true),
            ("C twice", nothing(2, 1), Retrying, None, false),
            ("C thrice", nothing(3, 3), AttestationUnavailable, sev2, false),
            ("C ten minutes", nothing(10, 10), AttestationUnavailable, sev2, false),
            ("C longer", nothing(11, 11), AttestationUnavailable, sev1, true),
            ("D", zero, DebugMode, sev0, true),
            ("E old", stale, Replay, sev0, true),
            ("E nonce", other, Replay, sev0, true),
            ("F root", rooted(Chain::UnknownRoot), Untrusted, sev0, true),
            ("F expired", rooted(Chain::Expired), Untrusted, sev1, false),
            ("G moved", doc(document(&[4])), MovedInstance, sev1, false),
            ("G scaled", scaled, MovedInstance, sev2, false),
            ("G role", doc(document(&[3])), RoleChanged, sev1, false),
            ("H", doc(document(&[2])), Inconsistent, sev0, true),
        ];
        for (case, answer, class, severity, gates) in rows {
            let found = diagnose(&answer);
            assert_eq!(
                (found.class, found.severity, found.gates),
                (class, severity, gates),
                "{case}"
            );
            let integrity = found.fault.is_some_and(Fault::is_integrity);
            assert_eq!(integrity, severity == sev0, "{case}");
        }
    }

    #[test]
    fn an_expired_certificate_hides_nothing() {
        let expired = Document { chain: Chain::Expired, ..document(&[0, 2]) };
        assert_eq!(diagnose(&Answer::Document(expired)).class, Class::UnauthorizedCode);
        let elsewhere = Document { change: Approval::TheseValues, ..document(&[0, 2, 4]) };
        assert_eq!(diagnose(&Answer::Document(elsewhere)).class, Class::UnauthorizedCode);
    }
}
