//! Reading the text of a trust policy, line by line.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use super::{Group, LINES_MAX, Log, Member, POLICY_BYTES_MAX, TrustPolicy, Witness};
use crate::note::{NoteKey, SignatureType, VerifierKeyError};

/// A text that is no policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyError {
    /// The line, from 1; the last one where something is missing.
    pub line: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The text is longer than `POLICY_BYTES_MAX`.
    TooLong,
    /// More than `LINES_MAX` logs, witnesses or groups.
    TooMany,
    /// A control byte other than tab and newline.
    Control,
    /// The last line has no newline.
    Unterminated,
    /// The line begins with none of log, witness, group, quorum.
    Keyword,
    /// Too few or too many items.
    Items,
    /// The verifier key is none.
    Key(VerifierKeyError),
    /// The key signs in a way that is not for this: witnesses cosign, logs sign.
    KeyType,
    /// Another log, or another witness, has this public key.
    KeyTwice,
    /// The name is taken, or is `none`.
    Taken {
        /// The name.
        name: String,
    },
    /// No earlier line defines the name.
    Unknown {
        /// The name.
        name: String,
    },
    /// The name is a member of a group already.
    MemberTwice {
        /// The name.
        name: String,
    },
    /// Neither `all` nor `any` nor a number from 1 to the number of members.
    Threshold,
    /// A second quorum.
    QuorumTwice,
    /// There is no quorum.
    QuorumAbsent,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the policy is longer than {POLICY_BYTES_MAX} bytes"),
            Self::TooMany => write!(f, "more than {LINES_MAX} logs, witnesses or groups"),
            Self::Control => write!(f, "a control byte other than tab and newline"),
            Self::Unterminated => write!(f, "the last line does not end in a newline"),
            Self::Keyword => write!(f, "expected log, witness, group or quorum"),
            Self::Items => write!(f, "too few or too many items"),
            Self::Key(error) => write!(f, "{error}"),
            Self::KeyType => write!(f, "a key of this type does not sign for that"),
            Self::KeyTwice => write!(f, "an earlier line has the same public key"),
            Self::Taken { name } => write!(f, "the name {name} is taken"),
            Self::Unknown { name } => write!(f, "no earlier line defines {name}"),
            Self::MemberTwice { name } => write!(f, "{name} is a member of a group already"),
            Self::Threshold => write!(f, "expected all, any or a number of members"),
            Self::QuorumTwice => write!(f, "there is a quorum already"),
            Self::QuorumAbsent => write!(f, "there is no quorum line"),
        }
    }
}

impl core::error::Error for PolicyError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.fault {
            Fault::Key(error) => Some(error),
            Fault::TooLong
            | Fault::TooMany
            | Fault::Control
            | Fault::Unterminated
            | Fault::Keyword
            | Fault::Items
            | Fault::KeyType
            | Fault::KeyTwice
            | Fault::Taken { .. }
            | Fault::Unknown { .. }
            | Fault::MemberTwice { .. }
            | Fault::Threshold
            | Fault::QuorumTwice
            | Fault::QuorumAbsent => None,
        }
    }
}

impl FromStr for TrustPolicy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError { line: 1, fault: Fault::TooLong });
        }
        let mut reading = Reading::default();
        let mut last = 1;
        for (line, piece) in (1..).zip(text.split_inclusive('\n')) {
            last = line;
            reading.line(piece).map_err(|fault| PolicyError { line, fault })?;
        }
        let absent = PolicyError { line: last, fault: Fault::QuorumAbsent };
        let quorum = match reading.quorum.ok_or(absent)? {
            Quorum::None => None,
            Quorum::Of(member) => Some(member),
        };
        let Reading { logs, witnesses, groups, .. } = reading;
        Ok(Self { logs, witnesses, groups, quorum })
    }
}

#[derive(Default)]
struct Reading {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    // those that are in a group
    grouped: Vec<Member>,
    quorum: Option<Quorum>,
}

/// What the quorum line says.
enum Quorum {
    None,
    Of(Member),
}

impl Reading {
    fn line(&mut self, line: &str) -> Result<(), Fault> {
        let line = line.strip_suffix('\n').ok_or(Fault::Unterminated)?;
        if line.bytes().any(|byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) {
            return Err(Fault::Control);
        }
        let mut items = line.split([' ', '\t']).filter(|item| !item.is_empty());
        let Some(keyword) = items.next() else { return Ok(()) };
        if keyword.starts_with('#') {
            return Ok(());
        }
        let items: Vec<&str> = items.collect();
        match (keyword, &items[..]) {
            ("log", [key]) => self.log(key, None),
            ("log", [key, url]) => self.log(key, Some(url)),
            ("witness", [name, key]) => self.witness(name, key, None),
            ("witness", [name, key, url]) => self.witness(name, key, Some(url)),
            ("group", [name, threshold, members @ ..]) => self.group(name, threshold, members),
            ("quorum", [name]) => self.set_quorum(name),
            ("log" | "witness" | "group" | "quorum", _) => Err(Fault::Items),
            _ => Err(Fault::Keyword),
        }
    }

    fn log(&mut self, key: &str, url: Option<&str>) -> Result<(), Fault> {
        let key: NoteKey = key.parse().map_err(Fault::Key)?;
        if key.signature_type() == SignatureType::Cosignature {
            return Err(Fault::KeyType);
        }
        let known = self.logs.iter().any(|log| log.key.material() == key.material());
        unless(known, Fault::KeyTwice)?;
        push(&mut self.logs, Log { key, url: url.map(ToOwned::to_owned) })
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<&str>) -> Result<(), Fault> {
        let key: NoteKey = key.parse().map_err(Fault::Key)?;
        match key.signature_type() {
            SignatureType::Cosignature | SignatureType::Subtree => {}
            SignatureType::Ed25519 | SignatureType::Ecdsa => return Err(Fault::KeyType),
        }
        let known = self.witnesses.iter().any(|known| known.key.material() == key.material());
        unless(known, Fault::KeyTwice)?;
        let name = self.free_name(name)?;
        push(&mut self.witnesses, Witness { name, key, url: url.map(ToOwned::to_owned) })
    }

    fn group(&mut self, name: &str, threshold: &str, members: &[&str]) -> Result<(), Fault> {
        let name = self.free_name(name)?;
        unless(members.is_empty(), Fault::Items)?;
        let threshold = match threshold {
            "all" => members.len(),
            "any" => 1,
            number => read_number(number).ok_or(Fault::Threshold)?,
        };
        unless(!(1..=members.len()).contains(&threshold), Fault::Threshold)?;
        let mut found = Vec::with_capacity(members.len().min(2 * LINES_MAX));
        for member in members {
            let known = self.find(member)?;
            unless(self.grouped.contains(&known), Fault::MemberTwice { name: (*member).into() })?;
            self.grouped.push(known);
            found.push(known);
        }
        push(&mut self.groups, Group { name, threshold, members: found })
    }

    fn set_quorum(&mut self, name: &str) -> Result<(), Fault> {
        unless(self.quorum.is_some(), Fault::QuorumTwice)?;
        self.quorum = Some(if name == NONE { Quorum::None } else { Quorum::Of(self.find(name)?) });
        Ok(())
    }

    fn free_name(&self, name: &str) -> Result<String, Fault> {
        let taken = name == NONE || self.find(name).is_ok();
        unless(taken, Fault::Taken { name: name.into() })?;
        Ok(name.to_owned())
    }

    fn find(&self, name: &str) -> Result<Member, Fault> {
        let witness = self.witnesses.iter().position(|witness| witness.name == name);
        let group = || self.groups.iter().position(|group| group.name == name);
        witness
            .map(Member::Witness)
            .or_else(|| group().map(Member::Group))
            .ok_or_else(|| Fault::Unknown { name: name.into() })
    }
}

fn unless(wrong: bool, fault: Fault) -> Result<(), Fault> {
    if wrong { Err(fault) } else { Ok(()) }
}

fn push<T>(list: &mut Vec<T>, item: T) -> Result<(), Fault> {
    unless(list.len() == LINES_MAX, Fault::TooMany)?;
    list.push(item);
    Ok(())
}

/// Decimal digits without a leading zero: the standard parser also takes a plus sign.
fn read_number(text: &str) -> Option<usize> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if digits { text.parse().ok() } else { None }
}

/// The quorum of those who ask for none.
const NONE: &str = "none";
