//! The adversary's campaign: one valid archive, and one or two attacks on it for each case.
//!
//! The program and the tests share it. What a case must lead to comes from the definition of its
//! attacks; the auditor is only ever asked through its command.

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
use attacks::{ATTACKS, Attack, Strike};
use expected::{Effect, is_exact, judge};
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
    /// Which files differ from those of the site.
    pub(crate) changes: Vec<String>,
}

/// Plays the case `number` of the campaign `seed`.
pub(crate) fn play(site: &Site, arena: &Arena, seed: u64, number: u64) -> Played {
    let mut random = Random::new(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let wanted = if random.once_in(2) { 2 } else { 1 };
    let mut files = site.files.clone();
    let (mut names, mut effects): (Vec<&'static str>, Vec<Effect>) = (Vec::new(), Vec::new());
    while effects.len() < wanted {
        let Attack { name, run } = random.pick(&ATTACKS);
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
    Played { attacks: names, met: !is_exact(&effects), wrong, changes }
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
