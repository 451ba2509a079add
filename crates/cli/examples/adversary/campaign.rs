//! The adversary's campaign: one valid archive, and one or two attacks on it for each case.
//!
//! The program and the tests share it. What a case must lead to comes from the definition of its
//! attacks; the auditor is only ever asked through its command.

pub(crate) mod anchored;
pub(crate) mod arena;
pub(crate) mod attacks;
pub(crate) mod evidence;
pub(crate) mod expected;
pub(crate) mod keys;
pub(crate) mod parts;
pub(crate) mod sealed;
pub(crate) mod site;

use lucarne_cli::random::Random;

use arena::Arena;
use attacks::{ANCHORED, ATTACKS, Attack, Strike};
use expected::{Effect, Found, is_exact, judge};
use site::{Files, Site};

/// The exit code of the untouched site: one of its roots is insecure.
const CLEAN_EXIT: u8 = 5;
/// How often an attack may look for another place before the case takes another attack.
const TRIES: usize = 20;

/// A case that was played.
pub(crate) struct Played {
    /// The names of its attacks.
    pub(crate) attacks: Vec<&'static str>,
    /// Whether two attacks met, so that only kinds were checked.
    pub(crate) met: bool,
    /// What was wrong, if anything.
    pub(crate) wrong: Option<String>,
    /// The codes of the causes that were found.
    pub(crate) causes: Vec<String>,
    /// Which files differ from those of the site.
    pub(crate) changes: Vec<String>,
}

/// The sites of a campaign: one that nothing outside anchors, one that has every anchor.
pub(crate) struct Sites([Site; 2]);

impl Sites {
    /// Those of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self([Site::new(seed), Site::anchored(seed)])
    }

    /// A copy of each to play on.
    pub(crate) fn grounds(&self) -> [Ground<'_>; 2] {
        self.0.each_ref().map(|site| Ground { site, arena: Arena::new(site, LEDGERS) })
    }
}

/// A site and where its files lie.
pub(crate) struct Ground<'s> {
    site: &'s Site,
    arena: Arena,
}

/// The ledgers that the policy requires of every epoch.
const LEDGERS: &str = "audit, telemetry";
/// Of so many cases one is played on the site with all anchors.
const ANCHORED_EVERY: u64 = 3;

/// Plays the case `number` of the campaign `seed`.
pub(crate) fn play(grounds: &[Ground<'_>; 2], seed: u64, number: u64) -> Played {
    let anchored = number % ANCHORED_EVERY == ANCHORED_EVERY - 1;
    let Ground { site, arena } = &grounds[usize::from(anchored)];
    let attacks: &[Attack] = if anchored { &ANCHORED } else { &ATTACKS };
    let mut random = Random::new(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let wanted = if random.once_in(2) { 2 } else { 1 };
    let mut files = site.files.clone();
    let (mut names, mut effects): (Vec<&'static str>, Vec<Effect>) = (Vec::new(), Vec::new());
    while effects.len() < wanted {
        let Attack { name, run } = random.pick(attacks);
        for _ in 0..TRIES {
            // An attack that finds no place leaves nothing behind.
            let mut strike = Strike { site, files: files.clone(), random: &mut random };
            if let Some(effect) = run(&mut strike) {
                files = strike.files;
                names.push(name);
                effects.push(effect);
                break;
            }
        }
    }
    let (_, report) = arena.verdict(&files);
    let wrong = judge(&effects, CLEAN_EXIT, &report).err();
    let changes = changes(site, &files);
    let causes = Found::all(&report).into_iter().map(|found| found.code).collect();
    Played { causes, attacks: names, met: !is_exact(&effects), wrong, changes }
}

fn changes(site: &Site, files: &Files) -> Vec<String> {
    let here = files.iter().filter_map(|(name, bytes)| match site.files.get(name) {
        None => Some(format!("new      {name}")),
        Some(own) if own != bytes => Some(format!("changed  {name}")),
        Some(_) => None,
    });
    let gone = site.files.keys().filter(|name| !files.contains_key(*name));
    here.chain(gone.map(|name| format!("removed  {name}"))).collect()
}
