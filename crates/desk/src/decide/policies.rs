//! What follows from proposals of another policy: who agrees, when it holds, and the way back.

use std::collections::BTreeMap;

use crate::approval::ActionSpec;
use crate::decide::{Asked, Course};
use crate::digest::Digest;
use crate::event::{Fact, Input};
use crate::policy::Policy;
use crate::proposal::{CHANGE_POLICY, PROPOSALS_MAX, Proposal};
use crate::refusal::Refusal;
use crate::scrub::Scrubbed;

impl Course<'_> {
    pub(super) fn policies(&mut self, input: &Input) -> Asked {
        let answer = match input {
            Input::Propose { source, for_ms, reason } => {
                self.propose_policy(source, *for_ms, reason)
            }
            Input::Grant { policy } => self.grant_policy(*policy),
            Input::Revert { reason } => self.revert_policy(reason),
            _ => Ok(()),
        };
        answer.map_err(|why| (None, why))
    }

    fn propose_policy(
        &mut self,
        source: &str,
        for_ms: Option<u64>,
        reason: &Scrubbed,
    ) -> Result<(), Refusal> {
        let by = self.person()?.id.clone();
        if reason.as_str().trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        let policy = Policy::parse(source).map_err(|_| Refusal::PolicyUnsafe)?;
        if !policy.covers_integrity() {
            return Err(Refusal::PolicyUnsafe);
        }
        let full = self.state.proposals.len() >= PROPOSALS_MAX;
        if full || policy.digest() == self.state.policy.digest() {
            return Err(Refusal::NotOpen);
        }
        let rule = self.state.policy.actions.get(CHANGE_POLICY).ok_or(Refusal::Unknown)?;
        let digest = Scrubbed::assertion(policy.digest().to_string());
        let args = BTreeMap::from([("policy".to_owned(), digest)]);
        let action = ActionSpec { name: CHANGE_POLICY.to_owned(), args };
        // It is found by the digest of the policy, and is about no incident.
        let request = self.request_for(by, action, rule, reason);
        let (policy, source) = (policy.digest(), source.to_owned());
        self.fact(Fact::PolicyDrafted(Box::new(Proposal { policy, source, for_ms, request })));
        Ok(())
    }

    fn grant_policy(&mut self, policy: Digest) -> Result<(), Refusal> {
        let person = self.person()?;
        let found = self.state.proposals.get(&policy).ok_or(Refusal::Unknown)?;
        let request = &found.request;
        request.may_grant(person, request.digest, &self.state.people, self.at)?;
        let by = person.id.clone();
        self.fact(Fact::PolicyGranted { policy, by });
        let found = self.state.proposals.get(&policy).ok_or(Refusal::Unknown)?;
        if found.request.has_quorum(&self.state.people) {
            self.fact(Fact::PolicyAdopted(policy));
        }
        Ok(())
    }

    fn revert_policy(&mut self, reason: &Scrubbed) -> Result<(), Refusal> {
        self.person()?;
        if reason.as_str().trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        self.back()
    }

    fn back(&mut self) -> Result<(), Refusal> {
        let former = self.state.former.as_ref().ok_or(Refusal::Unknown)?;
        let policy = Policy::parse(&former.source).map_err(|_| Refusal::PolicyUnsafe)?;
        self.fact(Fact::PolicyReverted(policy.digest()));
        Ok(())
    }

    /// What a tick finds: proposals that nobody agreed to in time, and a while that is over.
    pub(super) fn end_policies(&mut self) {
        let late = self.state.proposals.values().filter(|one| one.request.is_late(self.at));
        let late: Vec<Digest> = late.map(|one| one.policy).collect();
        late.into_iter().for_each(|policy| self.fact(Fact::PolicyDropped(policy)));
        let over = self.state.former.as_ref().and_then(|former| former.back_at_ms);
        if over.is_some_and(|at| self.at.mono_ms >= at) {
            // It held before and was read then.
            self.back().ok();
        }
    }
}
