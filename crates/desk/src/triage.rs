//! Triage: the first row of the policy that holds for what is known, and why.
//!
//! A pure function of policy and inputs, so that a decision can be made again from its record. It
//! knows no incident but the one that is recorded for the same cause.

use serde::{Deserialize, Serialize};

use crate::incident::{IncidentId, Severity};
use crate::number::Number;
use crate::policy::{
    Cause, Confidence, InMaintenance, Input, Policy, Response, Row, RuleId, Verdict, When,
};
use crate::signal::{Fault, Kind, Misses, Risk, Status, Unknown};

/// Everything that a verdict depends on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// What it is about.
    pub kind: Kind,
    /// What was found.
    pub fault: Option<Fault>,
    /// Whether it holds.
    pub status: Status,
    /// The risk.
    pub risk: Risk,
    /// The misses.
    pub misses: Misses,
    /// The sender's time is too far from ours.
    pub skewed: bool,
    /// Planned work in scope.
    pub maintenance: Option<String>,
    /// A mute in scope.
    pub muted: Option<String>,
    /// Capsules that miss beats together, when they are enough to be one cause.
    pub network: Option<Fleet>,
    /// What is decided already of the same cause.
    pub recorded: Option<Recorded>,
    /// Changes in scope during the last hour.
    pub changes: Vec<String>,
}

/// How much of the fleet misses beats.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fleet {
    /// Capsules that do.
    pub missing: u64,
    /// Capsules that are known.
    pub of: u64,
}

/// The standing decision of a cause.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// Its incident.
    pub incident: IncidentId,
    /// The row.
    pub rule: RuleId,
    /// How strong that row is.
    pub strength: u8,
    /// The worst that was found of it, whatever people made of that since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<Severity>,
}

/// What triage says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ruling {
    /// The row that holds; none when the policy has none.
    pub rule: Option<RuleId>,
    /// What the desk says.
    pub verdict: Verdict,
    /// What is behind it.
    pub cause: Option<Cause>,
    /// How sure the row is.
    pub confidence: Confidence,
    /// What is to be done.
    pub actions: Vec<Response>,
    /// How bad it is.
    pub severity: Severity,
    /// How strong the row is.
    pub strength: u8,
    /// Whether repeats do nothing again.
    pub once: bool,
    /// Whether it waits for what the rest of the fleet says.
    pub waits: bool,
    /// The row that would have held without this one.
    pub next_best: Option<RuleId>,
    /// Why, one thought a line.
    pub lines: Vec<String>,
}

impl Inputs {
    /// Inputs of a guard trip without any circumstances.
    pub const fn scored(risk: Risk, misses: Misses) -> Self {
        Self {
            kind: Kind::GuardTrip,
            fault: None,
            status: Status::Firing,
            risk,
            misses,
            skewed: false,
            maintenance: None,
            muted: None,
            network: None,
            recorded: None,
            changes: Vec::new(),
        }
    }

    fn is_invalid(&self) -> bool {
        self.risk.known().is_none() || self.misses.known().is_none() || self.skewed
    }
}

/// Decides.
pub fn triage(policy: &Policy, inputs: &Inputs) -> Ruling {
    let figures = Figures::of(policy.input, inputs);
    let plain = |row: &&Row| row.when.duplicate.is_none() && row.when.holds(inputs, figures);
    let without = policy.rows.iter().find(plain);
    let repeats = match (&inputs.recorded, without) {
        (Some(recorded), Some(row)) => {
            let found = || rule(policy, inputs, row, None).severity;
            row.strength <= recorded.strength && recorded.worst.is_none_or(|worst| found() >= worst)
        }
        (Some(_), None) => true,
        (None, _) => false,
    };
    let mut holding = policy.rows.iter().filter(|row| {
        row.when.duplicate.is_none_or(|asked| asked == repeats) && row.when.holds(inputs, figures)
    });
    let Some(row) = holding.next() else { return undecided(policy, inputs) };
    let next_best = holding.next().map(|row| row.id.clone());
    rule(policy, inputs, row, next_best)
}

fn rule(policy: &Policy, inputs: &Inputs, row: &Row, next_best: Option<RuleId>) -> Ruling {
    let kind = policy.kinds.get(&inputs.kind);
    let judged = row.when.scored == Some(false);
    let mut ruling = Ruling {
        rule: Some(row.id.clone()),
        verdict: row.verdict,
        cause: row.cause.or(if judged { kind.map(|kind| kind.cause) } else { None }),
        confidence: row.confidence,
        actions: row.actions.clone(),
        severity: row.severity.or(kind.map(|kind| kind.severity)).unwrap_or(Severity::Sev2),
        strength: row.strength,
        once: row.once,
        waits: row.waits,
        next_best,
        lines: vec![format!("{}: {}", row.id, row.name)],
    };
    if judged {
        ruling.actions.extend(kind.into_iter().flat_map(|kind| kind.actions.iter().copied()));
        ruling.severity = severity_of(inputs.fault, ruling.severity);
    }
    ruling.lines.extend(figures_said(policy, inputs));
    circumstances(inputs, row, &mut ruling);
    ruling
}

fn undecided(policy: &Policy, inputs: &Inputs) -> Ruling {
    let mut lines = vec![format!("{} has no row for it", policy.name())];
    lines.extend(figures_said(policy, inputs));
    Ruling {
        rule: None,
        verdict: Verdict::Undecided,
        cause: None,
        confidence: Confidence::Low,
        actions: Vec::new(),
        severity: Severity::Sev2,
        strength: 0,
        once: true,
        waits: false,
        next_best: None,
        lines,
    }
}

// What attestation found without doubt about integrity, by the classes of the design.
const fn severity_of(fault: Option<Fault>, otherwise: Severity) -> Severity {
    match fault {
        Some(Fault::CertificateExpired | Fault::RoleChanged | Fault::Lag) => Severity::Sev1,
        Some(Fault::MovedInstance | Fault::Unavailable) => Severity::Sev2,
        _ => otherwise,
    }
}

fn circumstances(inputs: &Inputs, row: &Row, ruling: &mut Ruling) {
    if let Some(fleet) = inputs.network.filter(|_| row.when.network == Some(true)) {
        let Fleet { missing, of } = fleet;
        ruling.lines.push(format!("{missing} of {of} capsules miss beats within the span"));
    }
    if let Some(recorded) = inputs.recorded.as_ref().filter(|_| row.when.duplicate == Some(true)) {
        let Recorded { incident, rule, .. } = recorded;
        ruling.lines.push(format!("{incident} stands by {rule}, which is as strong"));
    }
    if let Some(window) = &inputs.maintenance {
        let said = match row.in_maintenance {
            InMaintenance::Same if row.when.integrity == Some(true) => {
                "is ignored: integrity is never planned work"
            }
            InMaintenance::Same => "changes nothing here",
            InMaintenance::Propose => {
                for action in &mut ruling.actions {
                    *action = action.proposed();
                }
                "is in scope: what would be done is proposed"
            }
            InMaintenance::Suppress => {
                ruling.verdict = Verdict::Suppressed;
                ruling.actions.clear();
                "is in scope: recorded, and looked at again when it ends"
            }
        };
        ruling.lines.push(format!("maintenance window {window} {said}"));
    }
    if let Some(mute) = &inputs.muted {
        if row.when.integrity == Some(true) {
            ruling.lines.push(format!("mute {mute} is ignored: integrity is never muted"));
        } else {
            ruling.actions.clear();
            ruling.lines.push(format!("mute {mute} is in scope: recorded, and nothing is done"));
        }
    }
    match inputs.changes.as_slice() {
        [] => ruling.lines.push("no change in scope in the last 60 min".to_owned()),
        changes => ruling.lines.push(format!("changes in scope: {}", changes.join(", "))),
    }
}

fn figures_said(policy: &Policy, inputs: &Inputs) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(fault) = inputs.fault {
        lines.push(format!("found: {fault:?}"));
    }
    if !inputs.kind.is_scored() {
        return lines;
    }
    lines.push(match inputs.risk {
        Risk::Known(risk) => format!("risk {risk} is {}", band(policy, risk)),
        Risk::Unknown(why) => format!("risk is {why}: unknown, not low"),
    });
    lines.push(match inputs.misses {
        Misses::Known(0) => "no beat is missed".to_owned(),
        Misses::Known(count) if count < policy.suspicious => {
            format!("{count} missed beats, below {}", policy.suspicious)
        }
        Misses::Known(count) if count < policy.silent => {
            format!("{count} missed beats, from {} to below {}", policy.suspicious, policy.silent)
        }
        Misses::Known(count) => format!("{count} missed beats, from {} on", policy.silent),
        Misses::Unknown(why) => format!("missed beats are {why}: unknown, not 0"),
    });
    if inputs.skewed {
        lines.push("the sender's time is too far from ours".to_owned());
    }
    lines
}

fn band(policy: &Policy, risk: Number) -> String {
    let crate::policy::Thresholds { low, medium, high } = policy.thresholds;
    // A policy for which the threshold itself is still medium has a row that says so.
    let above = policy.rows.iter().any(|row| row.when.risk_above == Some(high));
    if above && risk > high {
        format!("high, above {high}")
    } else if above && risk >= medium {
        format!("medium, from {medium} to {high}")
    } else if risk >= high {
        format!("high, from {high} on")
    } else if risk >= medium {
        format!("medium, from {medium} to below {high}")
    } else if risk >= low {
        format!("low, from {low} to below {medium}")
    } else {
        format!("very low, below {low}")
    }
}

/// Risk and misses as bounds see them; none matches no bound.
#[derive(Clone, Copy)]
struct Figures {
    risk: Option<Number>,
    misses: Option<Number>,
}

impl Figures {
    fn of(input: Input, inputs: &Inputs) -> Self {
        let zero = Number::new(0.0);
        let as_sent = |unknown: Unknown| match unknown {
            Unknown::Missing => zero,
            Unknown::NotANumber | Unknown::Schema => None,
            Unknown::OutOfRange(number) => Some(number),
        };
        let risk = match (inputs.risk, input) {
            (Risk::Known(risk), _) => Some(risk),
            (Risk::Unknown(_), Input::Checked) => None,
            (Risk::Unknown(unknown), Input::AsSent) => as_sent(unknown),
        };
        let misses = match (inputs.misses, input) {
            (Misses::Known(count), _) => Number::new(f64::from(count)),
            (Misses::Unknown(_), Input::Checked) => None,
            (Misses::Unknown(unknown), Input::AsSent) => as_sent(unknown),
        };
        Self { risk, misses }
    }
}

impl When {
    // Everything but `duplicate`, which depends on the other rows.
    fn holds(&self, inputs: &Inputs, figures: Figures) -> bool {
        let flag = |asked: Option<bool>, is: bool| asked.is_none_or(|asked| asked == is);
        let bound = |bound: Option<Number>, figure: Option<Number>, fits: fn(f64, f64) -> bool| {
            bound.is_none_or(|bound| figure.is_some_and(|f| fits(f.get(), bound.get())))
        };
        let count = |bound: Option<u32>| bound.and_then(|bound| Number::new(f64::from(bound)));
        flag(self.integrity, inputs.kind.is_integrity(inputs.fault))
            && flag(self.scored, inputs.kind.is_scored())
            && flag(self.invalid, inputs.is_invalid())
            && flag(self.network, inputs.network.is_some())
            && flag(self.maintenance, inputs.maintenance.is_some())
            && self.status.is_none_or(|status| status == inputs.status)
            && bound(self.risk_from, figures.risk, |is, from| is >= from)
            && bound(self.risk_above, figures.risk, |is, above| is > above)
            && bound(self.risk_below, figures.risk, |is, below| is < below)
            && bound(self.risk_to, figures.risk, |is, to| is <= to)
            && bound(count(self.misses_from), figures.misses, |is, from| is >= from)
            && bound(count(self.misses_below), figures.misses, |is, below| is < below)
    }
}
