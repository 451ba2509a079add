//! The tally of a campaign: by attack, how many cases, and how many were found under their name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::campaign::Played;
use crate::campaign::attacks::{ANCHORED, ATTACKS};

/// What came of the cases played so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    rows: BTreeMap<&'static str, Row>,
    cases: u64,
    pairs: u64,
    met: u64,
    wrong: Vec<(u64, u64, String)>,
    causes: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    alone: u64,
    paired: u64,
    wrong: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, seed: u64, case: u64, played: &Played) {
        self.cases += 1;
        self.pairs += u64::from(played.attacks.len() > 1);
        self.met += u64::from(played.met);
        for cause in played.causes.iter().collect::<BTreeSet<_>>() {
            *self.causes.entry(cause.clone()).or_default() += 1;
        }
        for name in &played.attacks {
            let row = self.rows.entry(name).or_default();
            if played.attacks.len() > 1 {
                row.paired += 1;
            } else {
                row.alone += 1;
            }
            row.wrong += u64::from(played.wrong.is_some());
        }
        if played.wrong.is_some() {
            self.wrong.push((seed, case, played.attacks.join(" + ")));
        }
    }

    pub(crate) const fn cases(&self) -> u64 {
        self.cases
    }

    pub(crate) const fn wrong(&self) -> usize {
        self.wrong.len()
    }

    pub(crate) const fn is_clean(&self) -> bool {
        self.wrong.is_empty()
    }

    pub(crate) fn summary(&self) -> String {
        let right = self.cases - self.wrong.len() as u64;
        format!(
            "{} cases, {} of them pairs ({} that met): {right} found under their name, {} missed \
             or misnamed",
            self.cases,
            self.pairs,
            self.met,
            self.wrong.len()
        )
    }

    fn rows(&self) -> Vec<(&'static str, Row)> {
        let row = |name| self.rows.get(name).copied().unwrap_or_default();
        names().map(|name| (name, row(name))).collect()
    }

    pub(crate) fn table(&self) -> String {
        let width = names().map(str::len).max().unwrap_or(0);
        let mut out = format!("{:width$}  alone  in pairs  wrong\n", "attack");
        for (name, Row { alone, paired, wrong }) in self.rows() {
            let _ = writeln!(out, "{name:width$}  {alone:5}  {paired:8}  {wrong:5}");
        }
        for (seed, case, names) in &self.wrong {
            let _ = writeln!(out, "wrong: --seed {seed} --only {case}: {names}");
        }
        out
    }

    /// The report as a document.
    pub(crate) fn markdown(&self, command: &str) -> String {
        let mut out = format!(
            "# The adversary's campaign\n\nWritten by `{command} --report docs/adversary.md`.\n\
             {}.\n\n\
             Each case makes one attack, or two, on one valid archive of two instances, five boots \
             and ten ledgers, at a place and of a size that the seed decides.\n\
             In one case of three the archive also has a register, a witness, time stamps, and \
             payloads under data keys, some of them erased by order.\n\
             What must be found follows from the definition of the attack and not from the \
             auditor's code: exit code, kind, ledger and range, and one finding for each cause.\n\
             Two attacks that meet, on neighbouring files or at the seam of two boots, show as one \
             wound: then no kind may be found that neither leads to, and all is never well.\n\
             What each finding means is in [findings.md](findings.md).\n\n\
             | attack | alone | in pairs | missed or misnamed |\n|---|---|---|---|\n",
            self.summary()
        );
        for (name, Row { alone, paired, wrong }) in self.rows() {
            let _ = writeln!(out, "| {name} | {alone} | {paired} | {wrong} |");
        }
        out.push_str(
            "\nThe causes of the findings, and in how many cases each was found:\n\n\
             | cause | cases |\n|---|---|\n",
        );
        for (cause, cases) in &self.causes {
            let _ = writeln!(out, "| `{cause}` | {cases} |");
        }
        for (seed, case, names) in &self.wrong {
            let _ = writeln!(out, "\nWrong: `--seed {seed} --only {case}`: {names}.");
        }
        out
    }
}

/// Every attack once, on whichever site it is made.
fn names() -> impl Iterator<Item = &'static str> {
    let plain = |name: &&str| ATTACKS.iter().any(|attack| attack.name == *name);
    let more = ANCHORED.iter().map(|attack| attack.name).filter(move |name| !plain(name));
    ATTACKS.iter().map(|attack| attack.name).chain(more)
}
