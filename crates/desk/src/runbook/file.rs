//! A runbook as it is written: the YAML grammar, before anything is compared with anything else.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::incident::Phase;
use crate::policy::Effect;
use crate::signal::Kind;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) runbook: String,
    pub(super) title: String,
    pub(super) kinds: Vec<Kind>,
    #[serde(default)]
    pub(super) approved_by: Vec<String>,
    #[serde(default)]
    pub(super) inputs: Vec<String>,
    pub(super) steps: Vec<Spanned<Step>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) id: String,
    pub(super) phase: Phase,
    #[serde(rename = "do")]
    pub(super) work: Work,
    pub(super) timeout_seconds: u64,
    #[serde(default)]
    pub(super) retries: u8,
    pub(super) on_failure: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Work {
    Query(Query),
    Check(Check),
    Approve(Approve),
    Act(Act),
    Preserve(Preserve),
    Notify(Notify),
    Wait(Wait),
    Branch(Branch),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    pub(super) source: String,
    pub(super) text: String,
    pub(super) evidence: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    pub(super) probe: String,
    pub(super) expect: String,
    #[serde(default)]
    pub(super) soak_seconds: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approve {
    pub(super) action: String,
    pub(super) n: u8,
    #[serde(default)]
    pub(super) groups: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Act {
    pub(super) action: String,
    pub(super) effect: Effect,
    #[serde(default)]
    pub(super) args: BTreeMap<String, String>,
    pub(super) undo: Option<String>,
    #[serde(default)]
    pub(super) requires_evidence: Vec<String>,
    pub(super) expires_seconds: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Preserve {
    pub(super) items: Vec<String>,
    #[serde(default)]
    pub(super) seal: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Notify {
    pub(super) to: Vec<String>,
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    pub(super) seconds: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Branch {
    pub(super) on: String,
    pub(super) cases: BTreeMap<String, String>,
    pub(super) otherwise: String,
}
