//! Runbooks: typed steps in YAML, checked before anybody needs them.
//!
//! A runbook says what is read, who must agree, what is done and how it is undone, and what proves
//! that it worked. Reading refuses what cannot be run; linting finds what can be run and should not
//! be: an action without approval, an arrow into nothing, a step that nothing leads to.

mod compile;
pub mod dry_run;
pub mod error;
mod file;
pub mod lint;
pub mod record;
pub mod run;
pub mod shelf;
pub mod signature;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::error::RunbookError;
use crate::digest::Digest;
use crate::incident::Phase;
use crate::policy::Effect;
use crate::signal::Kind;

/// Longest file: what two people can review before they sign.
pub const FILE_BYTES_MAX: usize = 64 * 1024;
/// Steps of one runbook.
pub const STEPS_MAX: usize = 100;

/// A runbook that can be run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Runbook {
    /// Its name.
    pub id: String,
    /// What it is for, in a line.
    pub title: String,
    /// The kinds of incident that it answers.
    pub kinds: Vec<Kind>,
    /// Groups that must have signed it; may be empty.
    pub approved_by: Vec<String>,
    /// What a run is given.
    pub inputs: Vec<String>,
    /// In order.
    pub steps: Vec<Step>,
    source: String,
    digest: Digest,
}

/// One step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// Its name, once in a runbook.
    pub id: String,
    /// The line that it begins on.
    pub line: u64,
    /// The phase of the incident that it belongs to.
    pub phase: Phase,
    /// What is done.
    pub work: Work,
    /// How long it may take.
    pub timeout_ms: u64,
    /// How often it is tried again when it fails.
    pub retries: u8,
    /// Where to go on when it fails for good; nowhere is the end of the run.
    pub on_failure: Option<String>,
}

/// What a step does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Work {
    /// Asks a source and keeps the answer as evidence.
    Query {
        /// Which: `logql`, `promql`, `attested`, `http`.
        source: String,
        /// What is asked.
        text: String,
        /// The item of evidence that the answer becomes.
        evidence: String,
    },
    /// Asks, and compares the answer.
    Check {
        /// What is probed.
        probe: String,
        /// What it must say.
        expect: String,
        /// For how long without a break.
        soak_ms: u64,
    },
    /// Waits for a quorum for the action of a later step.
    Approve {
        /// That step.
        action: String,
        /// How many humans.
        n: u8,
        /// Groups that must each be spoken for.
        groups: Vec<String>,
    },
    /// Changes something.
    Act {
        /// The action.
        action: String,
        /// What it does to the world.
        effect: Effect,
        /// Its arguments; `{input}` is replaced.
        args: BTreeMap<String, String>,
        /// The action that undoes it.
        undo: Option<String>,
        /// Evidence that must be there before.
        requires_evidence: Vec<String>,
        /// For how long it stands before its owner is asked whether it still should.
        expires_ms: u64,
    },
    /// Collects by a plan; with `seal`, seals the bag.
    Preserve {
        /// The items.
        items: Vec<String>,
        /// Whether the bag is sealed after.
        seal: bool,
    },
    /// Tells somebody.
    Notify {
        /// Roles.
        to: Vec<String>,
        /// What.
        text: String,
    },
    /// Lets time pass.
    Wait {
        /// How much.
        ms: u64,
    },
    /// Goes one way or another by the answer of an earlier step.
    Branch {
        /// That step.
        on: String,
        /// By answer.
        cases: BTreeMap<String, String>,
        /// Otherwise.
        otherwise: String,
    },
}

impl Runbook {
    /// Reads a runbook.
    ///
    /// # Errors
    /// At the first line that cannot be run.
    pub fn parse(yaml: &str) -> Result<Self, RunbookError> {
        compile::compile(yaml)
    }

    /// Its text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// SHA-256 of its text: what people sign. Any edit makes another runbook.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The place of a step.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.id == id)
    }
}

impl Work {
    /// The word for it.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Query { .. } => "query",
            Self::Check { .. } => "check",
            Self::Approve { .. } => "approve",
            Self::Act { .. } => "act",
            Self::Preserve { .. } => "preserve",
            Self::Notify { .. } => "notify",
            Self::Wait { .. } => "wait",
            Self::Branch { .. } => "branch",
        }
    }
}
