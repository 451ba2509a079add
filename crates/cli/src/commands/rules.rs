//! `lucarne rules`: the desk's own rules, tried on values before they are trusted.
//!
//! Rules are part of the catalogue that the desk's configuration names. A running desk reads that
//! file again when it is asked to, and takes no rule from a caller: it would be a way past review.

mod add;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use lucarne_desk::catalogue::Catalogue;
use lucarne_desk::moment::Moment;
use lucarne_desk::number::Number;
use lucarne_desk::rule::{Change, Watch};
use lucarne_desk::watchers::RuleAt;
use serde_json::Value;

use crate::desk_client::{DeskAt, Output, span};
use crate::failure::{Exit, Failure};

/// See and try the desk's own rules
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Add(add::Args),
    List(List),
    Test(Test),
    Reload(Reload),
}

/// Have a running desk read its rules again
///
/// It reads the file that its configuration names, and nothing of it but the rules. When that is no
/// catalogue, the rules stay as they are. What a rule that is gone had raised stays open.
///
/// Example: lucarne rules reload
#[derive(Debug, clap::Args)]
struct Reload {
    #[command(flatten)]
    at: DeskAt,
}

/// List the rules of a catalogue
///
/// Example: lucarne rules list catalogue.yaml
#[derive(Debug, clap::Args)]
struct List {
    /// The catalogue
    #[arg(value_name = "FILE")]
    catalogue: PathBuf,
}

/// Say what a rule would do with a series of values
///
/// A value is a number, `-` where the source does not answer, and either followed by xN for N
/// times.
///
/// Exit codes: 0 it fires; 1 it does not; 2 the desk would be blind; 3 there is no such rule.
///
/// Example: lucarne rules test catalogue.yaml --rule error-rate --every 15s 0.021 0.062x30
#[derive(Debug, clap::Args)]
struct Test {
    /// The catalogue
    #[arg(value_name = "FILE")]
    catalogue: PathBuf,
    /// The rule
    #[arg(long, value_name = "NAME")]
    rule: String,
    /// Time between two values
    #[arg(long, value_name = "SPAN", default_value = "15s", value_parser = span)]
    every: u64,
    /// The values
    #[arg(value_name = "VALUE", required = true, allow_hyphen_values = true, value_parser = values)]
    series: Vec<Values>,
}

/// The same value some times; none: no answer.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Values {
    value: Option<f64>,
    times: u64,
}

/// Runs the chosen verb.
///
/// # Errors
/// When the catalogue cannot be read.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match &args.verb {
        Verb::Add(args) => add::run(args, &mut out),
        Verb::List(args) => {
            for rule in read(&args.catalogue)?.rules {
                let (above, seconds) = (rule.above, rule.for_seconds);
                writeln!(out, "{}: {} above {above} for {seconds} s", rule.name, rule.kind)?;
            }
            Ok(Exit::Yes)
        }
        Verb::Test(args) => test(args, &mut out),
        Verb::Reload(args) => reload(args, &mut out),
    }
}

fn reload(args: &Reload, out: &mut dyn Write) -> Result<Exit, Failure> {
    let said = args.at.open()?.post("/v1/rules/reload", &Value::Null)?;
    if args.at.output == Output::Json {
        writeln!(out, "{said}")?;
        return Ok(Exit::Yes);
    }
    let names = |key: &str| {
        let names = said[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        names.collect::<Vec<_>>().join(", ")
    };
    let plural = if said["rules"] == 1 { "" } else { "s" };
    writeln!(out, "the desk asks {} rule{plural}", said["rules"])?;
    for key in ["new", "gone"] {
        let names = names(key);
        if !names.is_empty() {
            writeln!(out, "  {key}: {names}")?;
        }
    }
    Ok(Exit::Yes)
}

fn read(path: &Path) -> Result<Catalogue, Failure> {
    let what = format!("read {}", path.display());
    let text = std::fs::read_to_string(path).map_err(|cause| Failure::unreadable(&what, &cause))?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<Catalogue, Failure> {
    let what = format!("read {}", path.display());
    Catalogue::parse(text).map_err(|cause| Failure::because(Exit::Usage, &what, &cause))
}

fn test(args: &Test, out: &mut dyn Write) -> Result<Exit, Failure> {
    let found = read(&args.catalogue)?.rules.into_iter().find(|rule| rule.name == args.rule);
    let at = found.ok_or_else(|| Failure::usage(format!("there is no rule {}", args.rule)))?;
    let changes = changes(&at, args.every, &args.series);
    for (ms, change) in &changes {
        let word = match change {
            Change::Fires => "fires",
            Change::Resolves => "is over",
            Change::Blind => "is blind",
            Change::Sees => "sees again",
        };
        writeln!(out, "{:6} s  {} {word}", ms / 1000, at.name)?;
    }
    let any = |wanted: Change| changes.iter().any(|(_, change)| *change == wanted);
    Ok(match (any(Change::Fires), any(Change::Blind)) {
        (true, _) => Exit::Yes,
        (false, true) => Exit::CouldNotTell,
        (false, false) => Exit::No,
    })
}

fn changes(at: &RuleAt, every_ms: u64, series: &[Values]) -> Vec<(u64, Change)> {
    let rule = at.rule();
    let (mut watch, mut ms, mut found) = (Watch::default(), 0_u64, Vec::new());
    for values in series {
        for _ in 0..values.times {
            let now = Moment { wall_ms: ms, mono_ms: ms };
            let value = values.value.and_then(Number::new);
            found.extend(watch.see(&rule, value, now).into_iter().map(|change| (ms, change)));
            ms = ms.saturating_add(every_ms);
        }
    }
    found
}

fn values(text: &str) -> Result<Values, String> {
    let expected = || "expected a value such as 0.062, 0.062x30 or -x4".to_owned();
    let (value, times) = text.split_once('x').unwrap_or((text, "1"));
    let times: u64 = times.parse().map_err(|_| expected())?;
    if times == 0 || times > TIMES_MAX {
        return Err(expected());
    }
    let value = if value == "-" { None } else { Some(value.parse().map_err(|_| expected())?) };
    Ok(Values { value, times })
}

/// A week at a value a minute.
const TIMES_MAX: u64 = 10_080;

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(yaml: &str) -> RuleAt {
        Catalogue::parse(yaml).unwrap().rules.remove(0)
    }

    #[test]
    fn a_rule_is_tried_on_values_and_on_silence() {
        let at = rule(
            "rules:\n- name: error-rate\n  metric: {at: 'http://p', query: x}\n  \
             above: 0.05\n  for_seconds: 300\n  kind: workflow_error_rate\n",
        );
        let seen = |words: &[&str]| {
            let series: Vec<Values> = words.iter().map(|word| values(word).unwrap()).collect();
            changes(&at, 15_000, &series)
        };
        assert_eq!(seen(&["0.021x4", "0.062x21"]), [(360_000, Change::Fires)]);
        assert_eq!(seen(&["0.062x20", "0.02"]), []);
        assert_eq!(seen(&["0.02", "-x6"]), [(45_000, Change::Blind)]);
        assert!(values("x3").is_err() && values("1x0").is_err() && values("a").is_err());
    }
}
