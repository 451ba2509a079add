//! People as the desk knows them: an account, the human behind it, and the groups it is in.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// An account: the `sub` of the identity provider.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct PersonId(pub String);

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who an account is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The account.
    pub id: PersonId,
    /// The human: two accounts of one human have the same.
    pub employee: String,
    /// What the account may speak for: `security`, `compliance`, `ciso`, `commander`, …
    pub groups: BTreeSet<String>,
}

/// Who did something.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The desk itself, by its policy.
    Desk,
    /// A person.
    Person(PersonId),
    /// Whatever sent a signal or a result.
    Adapter(String),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Desk => f.write_str("desk"),
            Self::Person(person) => person.fmt(f),
            Self::Adapter(name) => f.write_str(name),
        }
    }
}
