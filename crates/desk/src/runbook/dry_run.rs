//! A dry run: what would happen in order, who would be asked, and nothing done.

use super::{Runbook, Step, Work};
use crate::policy::Effect;

impl Runbook {
    /// A line a step, with the arguments that `inputs` give. An input that is not given stays as it
    /// is written.
    pub fn dry_run(&self, inputs: &[(String, String)]) -> Vec<String> {
        let lines = self.steps.iter().enumerate();
        lines.map(|(place, step)| format!("{}. {}", place + 1, tell(step, inputs))).collect()
    }
}

fn tell(step: &Step, inputs: &[(String, String)]) -> String {
    let verb = step.work.verb();
    let what = match &step.work {
        Work::Query { source, text, evidence } => format!("{source} {text}, kept as {evidence}"),
        Work::Check { probe, expect, soak_ms } => {
            format!("{probe} must be {expect} for {} s", soak_ms / 1000)
        }
        Work::Approve { action, n, groups } if groups.is_empty() => {
            format!("{n} for {action}")
        }
        Work::Approve { action, n, groups } => format!("{n} of {} for {action}", groups.join(", ")),
        Work::Act { action, effect, args, undo, .. } => {
            let args: Vec<String> = args
                .iter()
                .map(|(name, value)| format!("{name}={}", super::run::resolve(value, inputs)))
                .collect();
            let undo = undo.as_ref().map_or(String::new(), |undo| format!(", undone by {undo}"));
            let args = args.join(" ");
            format!("{action} ({}) {args}{undo}", effect_word(*effect))
        }
        Work::Preserve { items, seal } => {
            format!("{}{}", items.join(", "), if *seal { ", then seal" } else { "" })
        }
        Work::Notify { to, text } => format!("{}: {text}", to.join(", ")),
        Work::Wait { ms } => format!("{} s", ms / 1000),
        Work::Branch { on, cases, otherwise } => {
            let cases: Vec<String> =
                cases.iter().map(|(answer, to)| format!("{answer} to {to}")).collect();
            format!("on {on}: {}, otherwise {otherwise}", cases.join(", "))
        }
    };
    format!("{} [{}] {verb} {what}", step.id, step.phase)
}

const fn effect_word(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "read",
        Effect::Reversible => "reversible",
        Effect::Destructive => "destructive",
        Effect::Erasing => "erasing",
    }
}
