//! Approvals: a quorum of humans for one action with exactly these arguments, once, for a while.
//!
//! What is approved is a digest of the action and its resolved arguments; an edit makes another
//! request. Everything is looked at again when the action is executed: the hold, the time, the
//! arguments, and whether the approvers are still who they were.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::incident::IncidentId;
use crate::moment::Moment;
use crate::person::{Person, PersonId};
use crate::policy::Effect;
use crate::refusal::Refusal;
use crate::scrub::Scrubbed;

/// The number of a request.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "REQ-{}", self.0)
    }
}

/// An action with its resolved arguments.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ActionSpec {
    /// Its name in the policy.
    pub name: String,
    /// Its arguments.
    pub args: BTreeMap<String, Scrubbed>,
}

impl ActionSpec {
    /// SHA-256 of the action and its arguments: what approvers approve.
    pub fn digest(&self) -> Digest {
        let args = self.args.iter().flat_map(|(name, arg)| [name.as_str(), arg.as_str()]);
        Digest::of_parts(std::iter::once(self.name.as_str()).chain(args).map(str::as_bytes))
    }
}

/// Who must agree.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// How many humans.
    pub n: u8,
    /// Groups that must each be spoken for, by a human each.
    pub distinct_groups: Vec<String>,
    /// Whether who asks may be among them.
    pub exclude_requester: bool,
}

/// One request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Its number.
    pub id: RequestId,
    /// Its incident.
    pub incident: IncidentId,
    /// What is asked for.
    pub action: ActionSpec,
    /// The digest of that.
    pub digest: Digest,
    /// What it does.
    pub effect: Effect,
    /// How it is undone.
    pub undo: Option<String>,
    /// The sealed bundle at that time.
    pub evidence: Option<Digest>,
    /// Who asks.
    pub by: PersonId,
    /// Why.
    pub reason: Scrubbed,
    /// Who must agree.
    pub quorum: Quorum,
    /// When it was made.
    pub made: Moment,
    /// Milliseconds for which it holds.
    pub holds_ms: u64,
    /// Who has agreed.
    pub granted: BTreeSet<PersonId>,
    /// What became of it.
    pub standing: Standing,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It waits for people.
    Open,
    /// The quorum is there.
    Approved,
    /// It was executed; it cannot be again.
    Executed,
    /// Somebody said no.
    Rejected,
    /// Its arguments were edited.
    Void,
    /// Its time ran out.
    Expired,
}

impl Standing {
    /// Whether anything can still become of it.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Open | Self::Approved)
    }
}

impl Request {
    /// Whether its time has run out.
    pub const fn is_late(&self, now: Moment) -> bool {
        now.since(self.made) > self.holds_ms
    }

    /// Whether this person may approve what is there now.
    ///
    /// # Errors
    /// With the reason why not.
    pub fn may_grant(
        &self,
        person: &Person,
        digest: Digest,
        people: &BTreeMap<PersonId, Person>,
        now: Moment,
    ) -> Result<(), Refusal> {
        if !self.standing.is_live() {
            return Err(Refusal::NotOpen);
        }
        if self.is_late(now) {
            return Err(Refusal::Expired);
        }
        if digest != self.digest {
            return Err(Refusal::OtherArguments);
        }
        if self.quorum.exclude_requester && is_same(person, &self.by, people) {
            return Err(Refusal::OwnRequest);
        }
        if self.granted.iter().any(|other| is_same(person, other, people)) {
            return Err(Refusal::SamePerson);
        }
        let groups = &self.quorum.distinct_groups;
        let asked = groups.iter().find(|group| !person.groups.contains(*group));
        match asked {
            // Somebody who speaks for none of the groups adds nothing, unless more are asked for
            // than there are groups.
            Some(group)
                if usize::from(self.quorum.n) == groups.len()
                    && !groups.iter().any(|group| person.groups.contains(group)) =>
            {
                Err(Refusal::NotInGroup { group: group.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Whether enough humans agree, by who they are now.
    pub fn has_quorum(&self, people: &BTreeMap<PersonId, Person>) -> bool {
        let requester = people.get(&self.by).map(|person| person.employee.as_str());
        let mut humans: BTreeMap<&str, &BTreeSet<String>> = BTreeMap::new();
        for person in self.granted.iter().filter_map(|id| people.get(id)) {
            let is_requester = person.id == self.by || requester == Some(person.employee.as_str());
            if !(self.quorum.exclude_requester && is_requester) {
                humans.insert(&person.employee, &person.groups);
            }
        }
        let humans: Vec<&BTreeSet<String>> = humans.into_values().collect();
        humans.len() >= usize::from(self.quorum.n)
            && are_spoken_for(&self.quorum.distinct_groups, &humans)
    }

    /// Whether it may be executed now. The hold and the evidence are looked at by the caller.
    ///
    /// # Errors
    /// With the reason why not.
    pub fn may_execute(
        &self,
        people: &BTreeMap<PersonId, Person>,
        now: Moment,
    ) -> Result<(), Refusal> {
        match self.standing {
            Standing::Approved => {}
            Standing::Open => return Err(Refusal::QuorumNotMet),
            Standing::Executed | Standing::Rejected | Standing::Void => {
                return Err(Refusal::NotOpen);
            }
            Standing::Expired => return Err(Refusal::Expired),
        }
        if self.is_late(now) {
            return Err(Refusal::Expired);
        }
        if self.digest != self.action.digest() {
            return Err(Refusal::OtherArguments);
        }
        if self.has_quorum(people) { Ok(()) } else { Err(Refusal::QuorumNotMet) }
    }
}

fn is_same(person: &Person, other: &PersonId, people: &BTreeMap<PersonId, Person>) -> bool {
    let employee = people.get(other).map(|other| &other.employee);
    person.id == *other || employee == Some(&person.employee)
}

// Whether each group can be given a human of its own. A policy asks for eight groups at most, and
// the first fits are tried in order.
fn are_spoken_for(groups: &[String], humans: &[&BTreeSet<String>]) -> bool {
    let Some((group, rest)) = groups.split_first() else { return true };
    humans.iter().enumerate().any(|(at, groups)| {
        let others = || [humans.get(..at), humans.get(at + 1..)].into_iter().flatten();
        groups.contains(group)
            && are_spoken_for(rest, &others().flatten().copied().collect::<Vec<_>>())
    })
}
