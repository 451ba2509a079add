//! Whether a query may be asked: a pure decision from certificate, role, query and time.
//!
//! A [`Permit`] is consumed by the answer, and nothing else makes one. Every reason not to give one
//! has a word for programs and a sentence for the person who asked.

use std::fmt;

use lucarne_ledger::identity::Instance;
use lucarne_link::access::{Certificate, Issued, Name, Serial};
use lucarne_link::channel::countersignature::{Approval, Countersignature};
use lucarne_link::channel::message::{Query, Verb};

use super::config::{Access, Role, Streams};

/// Leave to ask one query, with the limits of the role.
///
/// ```compile_fail
/// use lucarne_enclave::channel::permit::Permit;
/// fn forge(permit: Permit) -> Permit {
///     Permit { rows_max: u64::MAX, ..permit } // private fields: leave cannot be typed in
/// }
/// ```
#[derive(Debug)]
pub struct Permit {
    query: Query,
    streams: Streams,
    span_ns_max: u64,
    rows_max: u64,
    bytes_max: u64,
    second: Option<Second>,
}

/// The person who countersigned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Second {
    /// Who it is.
    pub holder: Name,
    /// Number of their countersignature.
    pub number: [u8; 16],
    /// Until when it may be used, seconds since 1970.
    pub until: u64,
}

impl Permit {
    /// What is asked.
    pub const fn query(&self) -> &Query {
        &self.query
    }

    /// Of which streams.
    pub const fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Longest time that the query may be about, for verbs whose text says the time.
    pub const fn span_ns_max(&self) -> u64 {
        self.span_ns_max
    }

    /// Most rows of the answer.
    pub const fn rows_max(&self) -> u64 {
        self.rows_max
    }

    /// Most bytes of the answer.
    pub const fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Who countersigned.
    pub const fn second(&self) -> Option<&Second> {
        self.second.as_ref()
    }
}

/// What is wrong with somebody's certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It begins later.
    NotYetValid,
    /// It has ended.
    Expired,
    /// The configuration lists it as no longer good.
    Revoked,
    /// The configuration has no such role, or this authority may not give it.
    Role,
    /// It is valid for longer than the role allows.
    TooLong,
}

/// Why a query may not be asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Denied {
    /// The asker's certificate.
    Asker(Standing),
    /// The role does not have this verb.
    Verb(Verb),
    /// The query is about a longer time than the role allows.
    Span {
        /// What it allows, in nanoseconds.
        ns_max: u64,
    },
    /// The role wants a second person's word.
    SecondMissing {
        /// Of this role.
        role: Name,
    },
    /// The second person's certificate.
    Second(Standing),
    /// The second person has another role than is wanted, or is the first.
    SecondPerson,
    /// The countersignature is not one for this query.
    Countersignature,
    /// The countersignature has expired, or was used already.
    Used,
}

impl Standing {
    const fn code(self) -> &'static str {
        match self {
            Self::NotYetValid => "not-yet-valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Role => "no-role",
            Self::TooLong => "certificate-too-long",
        }
    }
}

impl Denied {
    /// For programs and records.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Asker(standing) => standing.code(),
            Self::Verb(_) => "verb-not-allowed",
            Self::Span { .. } => "time-span-too-long",
            Self::SecondMissing { .. } => "second-person-missing",
            Self::Second(_) => "second-person-invalid",
            Self::SecondPerson => "second-person-not-allowed",
            Self::Countersignature => "countersignature-wrong",
            Self::Used => "countersignature-used",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotYetValid => "the certificate is not valid yet",
            Self::Expired => "the certificate has expired",
            Self::Revoked => "the certificate is revoked",
            Self::Role => "the certificate's role is none that its authority may give here",
            Self::TooLong => "the certificate is valid for longer than its role allows",
        })
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asker(standing) => write!(f, "{standing}"),
            Self::Verb(verb) => write!(f, "the role may not ask for {verb}"),
            Self::Span { ns_max } => {
                let hours = ns_max / 3_600_000_000_000;
                write!(f, "the role may ask about {hours} h at a time; narrow from and to")
            }
            Self::SecondMissing { role } => {
                write!(f, "a second person with the role {role} must countersign")
            }
            Self::Second(standing) => write!(f, "of the second person: {standing}"),
            Self::SecondPerson => {
                write!(f, "the second person has another role than is wanted, or is the first")
            }
            Self::Countersignature => {
                write!(f, "the countersignature is not one for this query by this asker")
            }
            Self::Used => write!(f, "the countersignature has expired or was used already"),
        }
    }
}

impl Access {
    /// The certificate that somebody has shown, if an authority of the configuration signed it.
    pub fn recognise(&self, certificate: &[u8]) -> Option<Issued> {
        let claimed = Certificate::parse(certificate).ok()?;
        let authority = self.authorities.get(&claimed.unverified().authority)?;
        claimed.verify(authority).ok()
    }

    /// Whether `asker` may ask this at `now_ms`, of this instance.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn permit(
        &self,
        asker: &Issued,
        query: &Query,
        countersignature: Option<&Countersignature>,
        instance: &Instance,
        now_ms: u64,
    ) -> Result<Permit, Denied> {
        let now = now_ms / 1_000;
        let role = self.role(asker.get(), now).map_err(Denied::Asker)?;
        if !role.verbs.contains(&query.verb) {
            return Err(Denied::Verb(query.verb));
        }
        check_span(role, query, now_ms)?;
        let approval = Approval { instance, asker: asker.get().serial, query };
        let second = match &role.second_person {
            None => None,
            Some(wanted) => {
                let missing = || Denied::SecondMissing { role: wanted.clone() };
                let word = countersignature.ok_or_else(missing)?;
                Some(self.second(asker.get(), &approval, word, wanted, now)?)
            }
        };
        Ok(Permit {
            query: query.clone(),
            streams: role.streams.clone(),
            span_ns_max: role.span_ns_max,
            rows_max: query.limit.min(role.rows_max),
            bytes_max: role.bytes_max,
            second,
        })
    }

    fn role(&self, certificate: &Certificate, now: u64) -> Result<&Role, Standing> {
        if self.revoked.contains(&certificate.serial) {
            return Err(Standing::Revoked);
        }
        if now < certificate.not_before {
            return Err(Standing::NotYetValid);
        }
        if now > certificate.not_after {
            return Err(Standing::Expired);
        }
        let role = self.roles.get(&certificate.role).ok_or(Standing::Role)?;
        if !role.authorities.contains(&certificate.authority) {
            return Err(Standing::Role);
        }
        let seconds = certificate.not_after.saturating_sub(certificate.not_before);
        if seconds > role.certificate_seconds_max { Err(Standing::TooLong) } else { Ok(role) }
    }

    fn second(
        &self,
        first: &Certificate,
        approval: &Approval<'_>,
        word: &Countersignature,
        wanted: &Name,
        now: u64,
    ) -> Result<Second, Denied> {
        let issued = self.recognise(&word.certificate).ok_or(Denied::SecondPerson)?;
        let second = issued.get();
        self.role(second, now).map_err(Denied::Second)?;
        if second.role != *wanted || second.holder == first.holder || second.point == first.point {
            return Err(Denied::SecondPerson);
        }
        let message = approval.message(&word.number, word.until);
        let key = second.key().map_err(|_| Denied::SecondPerson)?;
        if !key.verifies(&message, &word.signature) {
            return Err(Denied::Countersignature);
        }
        if now > word.until {
            return Err(Denied::Used);
        }
        Ok(Second { holder: second.holder.clone(), number: word.number, until: word.until })
    }
}

/// Who a certificate names, for records.
pub(super) fn serial_of(issued: &Issued) -> Serial {
    issued.get().serial
}

// Evidence is not about a time, and "to the newest" is to now. A request of an HTTP API says its
// times in its path: whoever answers it holds it to `span_ns_max`.
fn check_span(role: &Role, query: &Query, now_ms: u64) -> Result<(), Denied> {
    let to = query.to_ns.min(now_ms.saturating_mul(1_000_000));
    let long = to.saturating_sub(query.from_ns) > role.span_ns_max;
    match query.verb {
        Verb::Attestation | Verb::Loki | Verb::Tempo => Ok(()),
        Verb::Recent | Verb::Logs | Verb::Logql | Verb::Trace | Verb::Labels if !long => Ok(()),
        Verb::Recent | Verb::Logs | Verb::Logql | Verb::Trace | Verb::Labels => {
            Err(Denied::Span { ns_max: role.span_ns_max })
        }
    }
}

#[cfg(test)]
mod tests;
