//! The tables of seed 003, cell by cell, and the contradictions between them.

use lucarne_desk::policy::{Policy, Profile};
use lucarne_desk::signal::{Misses, Risk};
use lucarne_desk::simulation::{Simulation, simulate};
use lucarne_desk::triage::Inputs;

fn of(profile: Profile, risk: &str, misses: &str) -> Simulation {
    let inputs = Inputs::scored(Risk::parse(Some(risk)), Misses::parse(Some(misses)));
    simulate(&Policy::shipped(profile), &inputs)
}

/// "Risk Score Range | Action | Likelihood of False Positive".
#[test]
fn step_2_the_table_of_risks() {
    for (risk, action, likelihood) in [
        ("0.0", "Investigate", "High"),
        ("0.29", "Investigate", "High"),
        ("0.3", "Monitor", "Medium"),
        ("0.49", "Monitor", "Medium"),
        ("0.5", "Investigate", "Low"),
        ("0.79", "Investigate", "Low"),
        ("0.8", "Proceed with rollback", "Very Low"),
        ("1.0", "Proceed with rollback", "Very Low"),
    ] {
        let band = of(Profile::ResponderDefault, risk, "0").risk.unwrap();
        assert_eq!((band.first_step(), band.false_positive()), (action, likelihood), "{risk}");
    }
    assert_eq!(of(Profile::ResponderDefault, "1.7", "0").risk, None);
}

/// "1-2 misses", "3-4 misses", "5+ misses".
#[test]
fn step_3_the_list_of_misses() {
    for (misses, words) in [
        ("0", "No beat is missed"),
        ("1", "Likely network issue"),
        ("2", "Likely network issue"),
        ("3", "Suspicious activity"),
        ("4", "Suspicious activity"),
        ("5", "High probability of compromise"),
        ("50", "High probability of compromise"),
    ] {
        let band = of(Profile::ResponderDefault, "0.1", misses).beats.unwrap();
        assert_eq!(band.as_str(), words, "{misses}");
    }
}

/// The tree: each leaf, and each edge between leaves.
#[test]
fn the_tree_of_the_playbook() {
    for (risk, misses, rule, verdict) in [
        ("0.0", "0", "P1", "false_positive"),
        ("0.49", "5", "P1", "false_positive"),
        ("0.5", "0", "P2", "false_positive"),
        ("0.5", "2", "P2", "false_positive"),
        ("0.5", "3", "P3", "legitimate"),
        ("0.8", "2", "P2", "false_positive"),
        ("0.8", "3", "P3", "legitimate"),
        ("0.81", "0", "P4", "legitimate"),
        ("1.0", "0", "P4", "legitimate"),
    ] {
        let ruling = of(Profile::ProvabilityPlaybook, risk, misses).ruling;
        let found = (ruling.rule.as_ref().map(|rule| rule.as_str()), ruling.verdict.as_str());
        assert_eq!(found, (Some(rule), verdict), "risk {risk}, {misses} misses");
    }
}

/// The default has a row for every risk and count, and exactly one strongest reason.
#[test]
fn the_default_leaves_no_cell_empty() {
    let mut table = String::new();
    for risk in ["0.0", "0.29", "0.3", "0.49", "0.5", "0.79", "0.8", "1.0"] {
        let rules = ["0", "2", "3", "4", "5", "9"].map(|misses| {
            let ruling = of(Profile::ResponderDefault, risk, misses).ruling;
            ruling.rule.unwrap().to_string()
        });
        table += &format!("{risk:4} {}\n", rules.join(" "));
    }
    let expected = "\
0.0  D11 D11 D9 D9 D8 D8
0.29 D11 D11 D9 D9 D8 D8
0.3  D10 D10 D9 D9 D8 D8
0.49 D10 D10 D9 D9 D8 D8
0.5  D7 D7 D6 D6 D6 D6
0.79 D7 D7 D6 D6 D6 D6
0.8  D5 D5 D5 D5 D5 D5
1.0  D5 D5 D5 D5 D5 D5
";
    assert_eq!(table, expected);
}

#[test]
fn a_decision_says_why() {
    let ruling = of(Profile::ResponderDefault, "0.6", "4").ruling;
    assert_eq!(
        ruling.lines,
        [
            "D6: medium risk with missed beats",
            "risk 0.6 is medium, from 0.5 to below 0.8",
            "4 missed beats, from 3 to below 5",
            "no change in scope in the last 60 min",
        ]
    );
    let edge = |profile| of(profile, "0.8", "0").ruling.lines[1].clone();
    assert_eq!(edge(Profile::ResponderDefault), "risk 0.8 is high, from 0.8 on");
    assert_eq!(edge(Profile::ProvabilityPlaybook), "risk 0.8 is medium, from 0.5 to 0.8");
    let ruling = of(Profile::ResponderDefault, "abc", "-1").ruling;
    assert_eq!(
        ruling.lines[1..3],
        [
            "risk is not a number: unknown, not low",
            "missed beats are -1, out of range: unknown, not 0"
        ]
    );
}
