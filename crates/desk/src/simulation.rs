//! What a policy would say of a guard trip, with the words of the playbook beside it.
//!
//! The bands of risk and beats are those that the playbook prints; they are shown and decide
//! nothing.

use crate::number::Number;
use crate::policy::{Policy, Thresholds};
use crate::signal::{Misses, Risk};
use crate::triage::{Inputs, Ruling, triage};

/// What would be said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Simulation {
    /// The verdict with its reasons.
    pub ruling: Ruling,
    /// The band of the risk; none when it is unknown.
    pub risk: Option<RiskBand>,
    /// The band of the missed beats; none when they are unknown.
    pub beats: Option<BeatBand>,
}

/// A row of the playbook's table of risks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RiskBand {
    /// 0.0 to 0.3.
    VeryLow,
    /// 0.3 to 0.5.
    Low,
    /// 0.5 to 0.8.
    Medium,
    /// 0.8 to 1.0.
    High,
}

/// A line of the playbook's list of missed beats.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BeatBand {
    /// None is missed.
    None,
    /// 1 or 2.
    Network,
    /// 3 or 4.
    Suspicious,
    /// 5 or more.
    Compromise,
}

impl RiskBand {
    /// The band of a risk; a bound belongs to the band above it.
    pub fn of(risk: Number, thresholds: Thresholds) -> Self {
        if risk >= thresholds.high {
            Self::High
        } else if risk >= thresholds.medium {
            Self::Medium
        } else if risk >= thresholds.low {
            Self::Low
        } else {
            Self::VeryLow
        }
    }

    /// How likely a false positive is, in the playbook's words.
    pub const fn false_positive(self) -> &'static str {
        match self {
            Self::VeryLow => "High",
            Self::Low => "Medium",
            Self::Medium => "Low",
            Self::High => "Very Low",
        }
    }

    /// What the playbook does first.
    pub const fn first_step(self) -> &'static str {
        match self {
            Self::VeryLow | Self::Medium => "Investigate",
            Self::Low => "Monitor",
            Self::High => "Proceed with rollback",
        }
    }
}

impl BeatBand {
    /// The band of a count.
    pub const fn of(misses: u32, policy: &Policy) -> Self {
        if misses >= policy.silent {
            Self::Compromise
        } else if misses >= policy.suspicious {
            Self::Suspicious
        } else if misses > 0 {
            Self::Network
        } else {
            Self::None
        }
    }

    /// The playbook's words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "No beat is missed",
            Self::Network => "Likely network issue",
            Self::Suspicious => "Suspicious activity",
            Self::Compromise => "High probability of compromise",
        }
    }
}

/// Decides as if this came now, and shows the bands.
pub fn simulate(policy: &Policy, inputs: &Inputs) -> Simulation {
    let risk = match inputs.risk {
        Risk::Known(risk) => Some(RiskBand::of(risk, policy.thresholds())),
        Risk::Unknown(_) => None,
    };
    let beats = match inputs.misses {
        Misses::Known(count) => Some(BeatBand::of(count, policy)),
        Misses::Unknown(_) => None,
    };
    Simulation { ruling: triage(policy, inputs), risk, beats }
}
