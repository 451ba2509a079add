//! `access` of the configuration: who may ask what. It is measured, so nobody is let in later.
//!
//! Authorities are keys, roles are limits. A list that is empty allows nothing, and whatever a role
//! does not say has a limit of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use lucarne_ledger::hash::from_hex;
use lucarne_ledger::key::PublicKey;
use lucarne_link::access::{Name, Serial};
use lucarne_link::channel::message::Verb;
use lucarne_platform::Address;
use serde::Deserialize;
use serde_saphyr::Spanned;

/// What the file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    address: Spanned<String>,
    authorities: Vec<FileAuthority>,
    roles: Vec<FileRole>,
    #[serde(default)]
    revoked: Vec<Spanned<String>>,
    #[serde(default)]
    query_text: QueryText,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileAuthority {
    name: Spanned<String>,
    ed25519: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRole {
    name: Spanned<String>,
    authorities: Vec<Spanned<String>>,
    verbs: Vec<Spanned<String>>,
    #[serde(default)]
    streams: Vec<Spanned<String>>,
    #[serde(default)]
    all_streams: bool,
    #[serde(default)]
    span_hours_max: Option<Spanned<u64>>,
    #[serde(default)]
    rows_max: Option<Spanned<u64>>,
    #[serde(default)]
    bytes_max: Option<Spanned<u64>>,
    #[serde(default)]
    certificate_days_max: Option<Spanned<u64>>,
    #[serde(default)]
    second_person: Option<Spanned<String>>,
}

/// How the text of a query stands in its audit record, which the host reads.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum QueryText {
    /// As SHA-256 of a salt that the asker is given and the text.
    #[default]
    Committed,
    /// As it is: whoever reads the archive reads what was searched for.
    Recorded,
}

/// Who may ask what, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Access {
    /// Where the channel listens.
    pub address: Address,
    /// The line of its key, from 1.
    pub address_line: u64,
    /// Whose signature makes a certificate.
    pub authorities: BTreeMap<Name, PublicKey>,
    /// What certificates allow.
    pub roles: BTreeMap<Name, Role>,
    /// Certificates that are no longer good.
    pub revoked: BTreeSet<Serial>,
    /// How queries are recorded.
    pub query_text: QueryText,
}

/// What the holders of a role may do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Role {
    /// Who may give it.
    pub authorities: BTreeSet<Name>,
    /// What may be asked.
    pub verbs: BTreeSet<Verb>,
    /// Of which streams.
    pub streams: Streams,
    /// Longest time that one query may be about, in nanoseconds.
    pub span_ns_max: u64,
    /// Most rows of an answer.
    pub rows_max: u64,
    /// Most bytes of an answer.
    pub bytes_max: u64,
    /// Longest validity of a certificate, in seconds.
    pub certificate_seconds_max: u64,
    /// The role whose holder must countersign each query.
    pub second_person: Option<Name>,
}

/// Streams by their labels.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Streams {
    /// Every one.
    All,
    /// Those that have one of these labels with this value. None, when the list is empty.
    OneOf(Vec<(String, String)>),
}

/// Line and text of what is wrong.
type Wrong = (u64, String);

struct Numbered {
    key: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
}

/// A day: who needs a month asks thirty times, and leaves thirty records.
const SPAN_HOURS: Numbered =
    Numbered { key: "access.roles.span_hours_max", default: 24, range: 1..=8_760 };
const ROWS: Numbered =
    Numbered { key: "access.roles.rows_max", default: 10_000, range: 1..=10_000_000 };
/// 16 MiB: more than anybody reads.
const BYTES: Numbered =
    Numbered { key: "access.roles.bytes_max", default: 16 << 20, range: 1 << 10..=1 << 30 };
/// The list of revocations is measured, so a change is a new epoch: certificates should be short.
const DAYS: Numbered =
    Numbered { key: "access.roles.certificate_days_max", default: 30, range: 1..=366 };
const HOUR_NS: u64 = 3_600_000_000_000;
const DAY_S: u64 = 86_400;
const ADDRESS: &str = "vsock:any:PORT, unix:/path or tcp:127.0.0.1:PORT";
const NAME: &str = "1 to 63 of a-z, 0-9, '.', '_' and '-'";
const KEY: &str = "an Ed25519 key as 64 lower-case hex digits";
const SERIAL: &str = "a serial number as 32 lower-case hex digits";
const VERB: &str = "attestation, recent, logs, logql, trace, labels, loki or tempo";
const LABEL: &str = "a label and its value such as service_name=credit";

impl File {
    /// Checks what is written.
    ///
    /// # Errors
    /// With the line and what was expected there.
    pub(crate) fn check(self) -> Result<Access, Wrong> {
        let mut authorities = BTreeMap::new();
        for written in &self.authorities {
            let key = from_hex(&written.ed25519.value);
            let key =
                key.map_err(|_| wrong("access.authorities.ed25519", &written.ed25519, KEY))?;
            let name = name("access.authorities.name", &written.name)?;
            if authorities.insert(name, PublicKey::from_ed25519(&key)).is_some() {
                return Err(twice("access.authorities.name", &written.name));
            }
        }
        let mut roles = BTreeMap::new();
        for written in &self.roles {
            let role = written.check(&authorities)?;
            if roles.insert(name("access.roles.name", &written.name)?, role).is_some() {
                return Err(twice("access.roles.name", &written.name));
            }
        }
        for written in &self.roles {
            if let Some(at) = &written.second_person
                && !roles.keys().any(|name| name.as_str() == at.value)
            {
                return Err(wrong("access.roles.second_person", at, "a role of this list"));
            }
        }
        let revoked = self
            .revoked
            .iter()
            .map(|at| at.value.parse().map_err(|_| wrong("access.revoked", at, SERIAL)));
        let address = self.address.value.parse();
        Ok(Access {
            address: address.map_err(|_| wrong("access.address", &self.address, ADDRESS))?,
            address_line: self.address.referenced.line(),
            revoked: revoked.collect::<Result<_, _>>()?,
            query_text: self.query_text,
            authorities,
            roles,
        })
    }
}

impl FileRole {
    fn check(&self, known: &BTreeMap<Name, PublicKey>) -> Result<Role, Wrong> {
        let authorities = self.authorities.iter().map(|at| {
            let name = name("access.roles.authorities", at)?;
            let missing = || wrong("access.roles.authorities", at, "an authority of this file");
            known.contains_key(&name).then_some(name).ok_or_else(missing)
        });
        let verbs = self
            .verbs
            .iter()
            .map(|at| at.value.parse().map_err(|_| wrong("access.roles.verbs", at, VERB)));
        let second = self.second_person.as_ref();
        Ok(Role {
            authorities: authorities.collect::<Result<_, _>>()?,
            verbs: verbs.collect::<Result<_, _>>()?,
            streams: self.streams()?,
            // No range goes beyond what these products can hold.
            span_ns_max: number(self.span_hours_max.as_ref(), &SPAN_HOURS)? * HOUR_NS,
            rows_max: number(self.rows_max.as_ref(), &ROWS)?,
            bytes_max: number(self.bytes_max.as_ref(), &BYTES)?,
            certificate_seconds_max: number(self.certificate_days_max.as_ref(), &DAYS)? * DAY_S,
            second_person: second.map(|at| name("access.roles.second_person", at)).transpose()?,
        })
    }

    fn streams(&self) -> Result<Streams, Wrong> {
        match (self.all_streams, self.streams.first()) {
            (true, None) => return Ok(Streams::All),
            (true, Some(at)) => {
                return Err(wrong("access.roles.streams", at, "nothing beside all_streams"));
            }
            (false, _) => {}
        }
        let pairs = self.streams.iter().map(|at| {
            let pair = at.value.split_once('=').filter(|(label, _)| !label.is_empty());
            let (label, value) = pair.ok_or_else(|| wrong("access.roles.streams", at, LABEL))?;
            Ok((label.to_owned(), value.to_owned()))
        });
        pairs.collect::<Result<_, _>>().map(Streams::OneOf)
    }
}

fn name(key: &str, at: &Spanned<String>) -> Result<Name, Wrong> {
    at.value.parse().map_err(|_| wrong(key, at, NAME))
}

fn number(written: Option<&Spanned<u64>>, of: &Numbered) -> Result<u64, Wrong> {
    match written {
        None => Ok(of.default),
        Some(at) if of.range.contains(&at.value) => Ok(at.value),
        Some(at) => {
            let (least, most) = (of.range.start(), of.range.end());
            let problem = format!("{}: expected {least} to {most}, found {}", of.key, at.value);
            Err((at.referenced.line(), problem))
        }
    }
}

fn wrong(key: &str, at: &Spanned<String>, expected: &str) -> Wrong {
    (at.referenced.line(), format!("{key}: expected {expected}, found {:?}", at.value))
}

fn twice(key: &str, at: &Spanned<String>) -> Wrong {
    (at.referenced.line(), format!("{key}: {:?} is there twice", at.value))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::channel) fn access(yaml: &str) -> Result<Access, Wrong> {
        serde_saphyr::from_str::<File>(yaml).unwrap().check()
    }

    /// A complete one, which other tests change.
    pub(in crate::channel) fn sample() -> String {
        let key = lucarne_ledger::hash::to_hex(authority().public_key().raw());
        format!(
            "address: \"tcp:127.0.0.1:0\"\n\
             authorities:\n- {{ name: board, ed25519: \"{key}\" }}\n\
             roles:\n\
             - {{ name: investigator, authorities: [ board ], verbs: [ recent, attestation ], \
             all_streams: true, rows_max: 100 }}\n\
             - {{ name: careful, authorities: [ board ], verbs: [ recent ], \
             streams: [ service_name=credit ], second_person: approver }}\n\
             - {{ name: approver, authorities: [ board ], verbs: [] }}\n\
             revoked: [ \"40000000000000000000000000000000\" ]\n"
        )
    }

    pub(in crate::channel) fn authority() -> lucarne_ledger::key::Ed25519Key {
        lucarne_ledger::key::Ed25519Key::from_seed(&[3; 32]).unwrap()
    }

    use lucarne_ledger::key::Signer as _;

    #[test]
    fn what_is_not_said_is_not_allowed_and_limits_have_defaults() {
        let access = access(&sample()).unwrap();
        let role = |name: &str| access.roles[&name.parse::<Name>().unwrap()].clone();
        let board: BTreeSet<Name> = ["board".parse().unwrap()].into();
        assert_eq!(
            role("approver"),
            Role {
                authorities: board,
                verbs: BTreeSet::new(),
                streams: Streams::OneOf(Vec::new()),
                span_ns_max: 24 * HOUR_NS,
                rows_max: 10_000,
                bytes_max: 16 << 20,
                certificate_seconds_max: 30 * DAY_S,
                second_person: None,
            }
        );
        assert_eq!(role("careful").second_person, Some("approver".parse().unwrap()));
        let pair = ("service_name".to_owned(), "credit".to_owned());
        assert_eq!(role("careful").streams, Streams::OneOf(vec![pair]));
        assert_eq!(
            (role("investigator").rows_max, role("investigator").streams),
            (100, Streams::All)
        );
        assert_eq!((access.revoked.len(), access.query_text), (1, QueryText::Committed));
    }

    #[track_caller]
    fn refuse(from: &str, to: &str, line: u64, problem: &str) {
        let text = sample();
        assert_eq!(text.matches(from).count(), 1, "{from}");
        assert_eq!(access(&text.replace(from, to)), Err((line, problem.to_owned())));
    }

    #[test]
    fn each_mistake_has_its_line_and_what_was_expected() {
        refuse(
            "tcp:127.0.0.1:0",
            "localhost",
            1,
            "access.address: expected vsock:any:PORT, unix:/path or tcp:127.0.0.1:PORT, found \
             \"localhost\"",
        );
        refuse(
            "name: board",
            "name: Board",
            3,
            "access.authorities.name: expected 1 to 63 of a-z, 0-9, '.', '_' and '-', found \
             \"Board\"",
        );
        refuse(
            "name: careful, authorities: [ board ]",
            "name: careful, authorities: [ nobody ]",
            6,
            "access.roles.authorities: expected an authority of this file, found \"nobody\"",
        );
        refuse(
            "verbs: [ recent ]",
            "verbs: [ sql ]",
            6,
            "access.roles.verbs: expected attestation, recent, logs, logql, trace, labels, loki or \
             tempo, found \"sql\"",
        );
        refuse(
            "rows_max: 100",
            "rows_max: 0",
            5,
            "access.roles.rows_max: expected 1 to 10000000, found 0",
        );
        refuse(
            "second_person: approver",
            "second_person: nobody",
            6,
            "access.roles.second_person: expected a role of this list, found \"nobody\"",
        );
        refuse(
            "name: approver",
            "name: investigator",
            7,
            "access.roles.name: \"investigator\" is there twice",
        );
        refuse(
            "all_streams: true",
            "all_streams: true, streams: [ a=b ]",
            5,
            "access.roles.streams: expected nothing beside all_streams, found \"a=b\"",
        );
        refuse(
            "service_name=credit",
            "service_name",
            6,
            "access.roles.streams: expected a label and its value such as service_name=credit, \
             found \"service_name\"",
        );
        refuse(
            "\"40000000000000000000000000000000\"",
            "\"00000000000000000000000000000000\"",
            8,
            "access.revoked: expected a serial number as 32 lower-case hex digits, found \
             \"00000000000000000000000000000000\"",
        );
    }
}
