//! What an auditor must find, told from the attack alone, and how two attacks bear on each other.
//!
//! Apart, two attacks are two causes and both are expected to the letter. On one epoch whose
//! evidence is not believed, nothing within is judged: that attack hides the other. Where two meet
//! otherwise - on neighbouring files, or at the seam of two boots - what one leaves decides what
//! the other shows; then nothing may be found that neither leads to, and all is never well.

use std::collections::BTreeSet;

use lucarne_ledger::identity::LedgerId;
use serde_json::Value;

use super::site::Epoch;

/// Sequence numbers from and to, or none.
pub(crate) type Range = Option<(u64, u64)>;

/// One finding that is due.
#[derive(Clone, Debug)]
pub(crate) struct Expect {
    pub(crate) kind: &'static str,
    pub(crate) subject: Subject,
    /// Any of these will do: several where the design leaves it open.
    pub(crate) ranges: Vec<Range>,
}

/// Whom it is about: instance, epoch and ledger as they are printed.
pub(crate) type Subject = (Option<String>, Option<String>, Option<String>);

/// What an attack touches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Area {
    /// The epochs whose files it changes, each as `instance/epoch`.
    pub(crate) core: BTreeSet<String>,
    /// Those it may change the verdict on.
    pub(crate) epochs: BTreeSet<String>,
    /// The ledger and the records, where it is no more than that; else whole epochs.
    pub(crate) span: Option<(LedgerId, u64, u64)>,
    /// Whether it changes how the ledger ends or begins.
    pub(crate) edge: bool,
    /// Whether nothing in its epoch is judged any more.
    pub(crate) hides: bool,
    /// Whether it leaves more copies than there were.
    pub(crate) copies: bool,
}

/// What an attack did.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    pub(crate) due: Vec<Expect>,
    pub(crate) area: Area,
    /// Other kinds that it may show as, when what proves it is attacked too.
    pub(crate) also: &'static [&'static str],
}

/// How two attacks bear on each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Relation {
    /// Two causes.
    Apart,
    /// The first hides the second.
    Hides,
    /// The second hides the first.
    Hidden,
    /// They meet.
    Meet,
}

/// A finding as the command printed it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Found {
    pub(crate) kind: String,
    pub(crate) subject: Subject,
    pub(crate) range: Range,
    pub(crate) severity: String,
    pub(crate) cause: String,
    pub(crate) code: String,
}

impl Found {
    pub(crate) fn all(report: &Value) -> Vec<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let one = |found: &Value| Self {
            kind: text(&found["kind"]).unwrap_or_default(),
            subject: (text(&found["instance"]), text(&found["epoch"]), text(&found["ledger"])),
            range: found["first"].as_u64().zip(found["last"].as_u64()),
            severity: text(&found["severity"]).unwrap_or_default(),
            cause: text(&found["cause"]).unwrap_or_default(),
            code: text(&found["code"]).unwrap_or_default(),
        };
        report["findings"].as_array().into_iter().flatten().map(one).collect()
    }

    fn fits(&self, due: &Expect) -> bool {
        self.kind == due.kind && self.subject == due.subject && due.ranges.contains(&self.range)
    }
}

impl Area {
    /// A new epoch is part of it.
    pub(crate) fn adds(&mut self, epoch: &Epoch) {
        let name = format!("{}/{}", epoch.instance(), epoch.binding.epoch_id());
        self.core.insert(name.clone());
        self.epochs.insert(name);
    }

    fn relation(&self, other: &Self) -> Relation {
        let of_both = |one: &BTreeSet<String>, two: &BTreeSet<String>| !one.is_disjoint(two);
        match (&self.span, &other.span) {
            _ if !of_both(&self.core, &other.core) => {
                let near = self.edge && other.edge && of_both(&self.epochs, &other.epochs);
                if near { Relation::Meet } else { Relation::Apart }
            }
            (_, _) if self.hides && !other.hides && other.core.is_subset(&self.core) => {
                Relation::Hides
            }
            (_, _) if other.hides && !self.hides && self.core.is_subset(&other.core) => {
                Relation::Hidden
            }
            (Some((one, from, to)), Some((another, first, last))) => {
                let both_edges = self.edge && other.edge;
                let near = one == another && (from <= last && first <= to);
                if near || both_edges { Relation::Meet } else { Relation::Apart }
            }
            _ => Relation::Meet,
        }
    }
}

/// Checks a verdict; what is wrong is said in a line.
///
/// # Errors
/// When something was missed or misnamed.
pub(crate) fn judge(effects: &[Effect], clean_exit: u8, report: &Value) -> Result<(), String> {
    let found: Vec<Found> =
        Found::all(report).into_iter().filter(|found| found.severity != "ok").collect();
    let exit = report["exit"].as_u64();
    let tampered = found.iter().any(|found| found.severity == "tamper");
    let expected_exit = match (found.is_empty(), tampered) {
        (true, _) => clean_exit,
        (false, true) => 1,
        (false, false) => 2,
    };
    if exit != Some(u64::from(expected_exit)) {
        return Err(format!("exit {exit:?} with {found:?}"));
    }
    match effects {
        [one, other] => match one.area.relation(&other.area) {
            Relation::Apart => exactly(&[&one.due[..], &other.due[..]].concat(), &found),
            Relation::Hides => exactly(&hiding(one, other), &found),
            Relation::Hidden => exactly(&hiding(other, one), &found),
            Relation::Meet => together(one, other, &found),
        },
        _ => exactly(&effects.iter().flat_map(|one| one.due.clone()).collect::<Vec<_>>(), &found),
    }
}

/// What is found where one attack hides the epoch of the other: of that one, no more than what it
/// left outside of any epoch.
fn hiding(one: &Effect, other: &Effect) -> Vec<Expect> {
    let outside = other.due.iter().filter(|due| due.subject.0.is_none());
    one.due.iter().chain(outside).cloned().collect()
}

/// Whether two attacks are checked to the letter.
pub(crate) fn is_exact(effects: &[Effect]) -> bool {
    match effects {
        [one, other] => one.area.relation(&other.area) != Relation::Meet,
        _ => true,
    }
}

fn exactly(due: &[Expect], found: &[Found]) -> Result<(), String> {
    let mut rest: Vec<&Found> = found.iter().collect();
    for one in due {
        match rest.iter().position(|found| found.fits(one)) {
            Some(at) => drop(rest.swap_remove(at)),
            None => return Err(format!("missed {one:?}; found {found:#?}")),
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(format!("beside {due:?} found {rest:#?}")) }
}

fn together(one: &Effect, other: &Effect, found: &[Found]) -> Result<(), String> {
    let both = [one, other];
    let mut kinds: BTreeSet<&str> = both
        .iter()
        .flat_map(|effect| effect.due.iter().map(|due| due.kind).chain(effect.also.iter().copied()))
        .collect();
    // With its records intact elsewhere, a damaged file holds bytes that nobody sealed.
    if both.iter().any(|effect| effect.area.copies) {
        kinds.extend(["INSERTED", "REORDERED"]);
    }
    let silent = both.iter().all(|effect| effect.due.is_empty())
        || both.iter().any(|effect| effect.area.copies || effect.area.hides);
    if found.is_empty() && !silent {
        return Err(format!("nothing found of {both:?}"));
    }
    for found in found {
        let about = format!(
            "{}/{}",
            found.subject.0.as_deref().unwrap_or_default(),
            found.subject.1.as_deref().unwrap_or_default()
        );
        let known = both.iter().any(|effect| effect.area.epochs.contains(&about))
            || found.subject.0.is_none();
        if !known || !kinds.contains(found.kind.as_str()) {
            return Err(format!("of {both:?} this was not to be found: {found:?}"));
        }
    }
    Ok(())
}
