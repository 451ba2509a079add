//! Authority: a baseline together with the people whose approval counts, as one relying party has
//! them.

use alloc::collections::BTreeMap;

use super::{Approvers, Baseline, Standing};
use crate::classify::{Answer, Change, RegisterNames, classify};
use crate::register::Register;
use crate::rejected::Rejected;
use crate::time::Time;

/// What a relying party holds machines to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authority {
    /// The versions.
    pub baseline: Baseline,
    /// Whose approval counts.
    pub approvers: Approvers,
}

impl Authority {
    /// What is to be said about registers that a machine showed at a time.
    pub fn standing(&self, shown: &BTreeMap<u8, Register>, at: Time) -> Standing {
        self.baseline.standing(&self.approvers, shown, at)
    }

    /// What happened between the registers of a machine before and those it showed at a time.
    ///
    /// Nothing moved is no match when what runs has been retired meanwhile, or is beyond its
    /// window.
    pub fn evaluate(
        &self,
        names: &RegisterNames,
        before: &BTreeMap<u8, Register>,
        shown: &BTreeMap<u8, Register>,
        at: Time,
    ) -> (Change, Standing) {
        let standing = self.standing(shown, at);
        let change = match classify(names, before, Answer::Shown(shown), &standing) {
            Change::Match => standing.change(),
            moved => moved,
        };
        (change, standing)
    }

    /// Whether registers that a machine showed at a time are authorised then.
    pub(crate) fn check(&self, shown: &BTreeMap<u8, Register>, at: Time) -> Result<(), Rejected> {
        match self.standing(shown, at) {
            Standing::Authorised { .. } => Ok(()),
            standing => Err(Rejected::NotAuthorised { standing }),
        }
    }
}
