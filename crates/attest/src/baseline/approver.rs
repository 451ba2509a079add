//! Approvers: the people whose signatures a relying party counts.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::fault::BaselineError;
use super::{APPROVALS_MIN, Approval, entry};

/// A person whose approval counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Approver {
    /// Name, as in approvals.
    pub name: String,
    /// Ed25519 key.
    pub key: [u8; 32],
}

/// At least two people with names and keys of their own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Approvers(Vec<Approver>);

impl Approvers {
    /// The people of a relying party's own configuration.
    ///
    /// # Errors
    /// When there are fewer than two, or two share a name or a key.
    pub fn new(people: Vec<Approver>) -> Result<Self, BaselineError> {
        let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for person in &people {
            entry::check_text("name", &person.name)?;
            if !names.insert(&person.name) || !keys.insert(person.key) {
                return Err(BaselineError::SameApprover { name: person.name.clone() });
            }
        }
        if people.len() < APPROVALS_MIN {
            return Err(BaselineError::TooFewApprovers { got: people.len() });
        }
        Ok(Self(people))
    }

    /// Whether an approval is by one of them, under the key that belongs to the name.
    pub fn include(&self, approval: &Approval) -> bool {
        self.0.iter().any(|one| one.name == approval.by && one.key == approval.key)
    }
}
