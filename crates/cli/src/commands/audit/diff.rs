//! `lucarne audit diff`: what two archives, or two checkpoints, have in common and where they part.
//!
//! A root commits to everything before it, so two ledgers with one root at one size have one
//! history up to there, and two signed roots for one size are a fork that anybody can check. Bytes
//! are compared too: equal records may lie in different files.

mod files;
mod history;

use std::io::Write;
use std::path::{Path, PathBuf};

use lucarne_archive::Archive;
use lucarne_ledger::checkpoint::Checkpoint;
use lucarne_ledger::hash::to_hex;
use lucarne_ledger::identity::LedgerId;
use lucarne_ledger::note::NoteKey;

use self::files::{Difference, Files};
use self::history::{History, Relation};
use super::catalogue::Catalogue;
use super::part::{self, Source};
use super::trust::{Believe, Judge, Trust};
use super::{Wanted, since};
use crate::failure::{Exit, Failure};

/// Compare two archives, or copies, or two checkpoints: which records and files differ
///
/// Of two archives it says which records only one of them has, which history is a prefix of which,
/// and where two signed histories exclude each other. Of two checkpoints of one ledger it says
/// whether they are one head or a fork.
///
/// Exit codes: 0 no difference; 1 they differ; 2 they cannot be compared.
///
/// Example: lucarne audit diff ./archive ./backup --policy ./audit-policy.yaml
#[derive(Debug, clap::Args)]
pub struct Args {
    /// An archive, a copy of one, or a checkpoint (.note)
    a: PathBuf,
    /// Another
    b: PathBuf,
    #[command(flatten)]
    believe: Believe,
    #[command(flatten)]
    wanted: Wanted,
}

/// Runs the command.
///
/// # Errors
/// When something cannot be read, or the two are not of one sort.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    run_to(args, &mut std::io::stdout().lock())
}

fn run_to(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    match (args.a.is_dir(), args.b.is_dir()) {
        (true, true) => archives(args, out),
        (false, false) => checkpoints(args, out),
        _ => Err(Failure::usage("one is a directory and the other is not")),
    }
}

/// One of the two, as far as it is believed.
struct Side {
    archive: Box<dyn Archive>,
    catalogue: Catalogue,
    judge: Judge,
}

impl Side {
    fn open(path: &Path, args: &Args) -> Result<Self, Failure> {
        let Source { archive, .. } = part::open(path)?;
        let catalogue = Catalogue::of(&*archive, &args.wanted)?;
        let judge = Trust::read(&args.believe)?.judge(&*archive, &catalogue, &[])?;
        Ok(Self { archive, catalogue, judge })
    }

    /// The history of a ledger; without records when its key is not believed, with the reason.
    fn history(&self, id: &LedgerId) -> Result<(History, Option<String>), Failure> {
        let ledgers = self.catalogue.epochs.get(&(id.instance.clone(), id.epoch));
        let Some(files) = ledgers.and_then(|ledgers| ledgers.get(&id.kind)) else {
            return Ok((History::default(), None));
        };
        match self.judge.keys(&*self.archive, &id.instance, id.epoch)? {
            Ok(believed) => {
                let key = &believed.keys.statement;
                History::read(&*self.archive, id, files, key).map(|history| (history, None))
            }
            Err(cause) => Ok((History::default(), Some(cause.to_string()))),
        }
    }
}

fn archives(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let (a, b) = (Side::open(&args.a, args)?, Side::open(&args.b, args)?);
    let mut ids: Vec<LedgerId> = [&a, &b].into_iter().flat_map(ledgers).collect();
    ids.sort();
    ids.dedup();
    let mut exit = if ids.is_empty() { Exit::CouldNotTell } else { Exit::Yes };
    for id in &ids {
        exit = worse(exit, ledger(id, [&a, &b], out)?);
    }
    let mut differ = 0_u64;
    for difference in Files::of(&*a.archive, &*b.archive)? {
        let difference = difference?;
        differ += 1;
        if differ <= FILES_SHOWN_MAX {
            let (what, name) = match &difference {
                Difference::OnlyA(name) => ("only in A", name),
                Difference::OnlyB(name) => ("only in B", name),
                Difference::Bytes(name) => ("other bytes", name),
            };
            writeln!(out, "file {what}: {name}")?;
        }
    }
    match differ {
        0 => writeln!(out, "all files are the same, byte for byte")?,
        _ => writeln!(out, "{differ} files differ")?,
    }
    Ok(if differ > 0 { worse(exit, Exit::No) } else { exit })
}

/// More differing files than this are counted, not listed.
const FILES_SHOWN_MAX: u64 = 1_000;

fn ledgers(side: &Side) -> Vec<LedgerId> {
    let all = side.catalogue.epochs.iter().flat_map(|((instance, epoch), ledgers)| {
        ledgers.keys().map(|kind| {
            let (instance, epoch, kind) = (instance.clone(), *epoch, *kind);
            LedgerId { instance, epoch, kind }
        })
    });
    all.collect()
}

fn ledger(id: &LedgerId, sides: [&Side; 2], out: &mut dyn Write) -> Result<Exit, Failure> {
    let [(a, why_a), (b, why_b)] = [sides[0].history(id)?, sides[1].history(id)?];
    for (name, why) in [("A", why_a), ("B", why_b)] {
        if let Some(why) = why {
            writeln!(out, "{id}: nothing in {name} is believed: {why}")?;
            return Ok(Exit::CouldNotTell);
        }
    }
    let relation = a.relation(&b);
    writeln!(out, "{id}: {relation}")?;
    if let Relation::Forked { proof, .. } = &relation {
        for (name, statement) in [("A", &proof.one), ("B", &proof.other)] {
            writeln!(out, "    signed statement of {name}: {}", to_hex(statement))?;
        }
    }
    for (name, ranges) in [("A", a.without(&b)), ("B", b.without(&a))] {
        for range in ranges {
            writeln!(out, "    only in {name}: seq {range}")?;
        }
    }
    for (name, refused) in [("A", a.refused()), ("B", b.refused())] {
        if refused > 0 {
            writeln!(out, "    in {name}, {refused} batches do not verify and were left out")?;
        }
    }
    Ok(relation.exit())
}

// "They differ" says more than "could not tell", which says more than "the same".
const fn worse(one: Exit, other: Exit) -> Exit {
    match (one, other) {
        (Exit::No, _) | (_, Exit::No) => Exit::No,
        (Exit::CouldNotTell, _) | (_, Exit::CouldNotTell) => Exit::CouldNotTell,
        _ => one,
    }
}

fn checkpoints(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let [(a, note_a), (b, note_b)] = [head(&args.a)?, head(&args.b)?];
    if a.origin != b.origin {
        writeln!(out, "of different ledgers: {} and {}", a.origin, b.origin)?;
        return Ok(Exit::CouldNotTell);
    }
    if a == b {
        writeln!(out, "one head: {} of size {}, root {}", a.origin, a.size, a.root)?;
        return Ok(Exit::Yes);
    }
    if a.size != b.size {
        writeln!(
            out,
            "heads of {} of sizes {} and {}: whether one history goes on in the other cannot be \
             told without its records",
            a.origin, a.size, b.size
        )?;
        return Ok(Exit::CouldNotTell);
    }
    writeln!(
        out,
        "FORKED: two roots for size {} of {}: {} and {}",
        a.size, a.origin, a.root, b.root
    )?;
    let signed = match Trust::read(&args.believe)? {
        Trust::Policy(_) => None,
        Trust::Key { key, .. } => {
            let keys = [NoteKey::new(&a.origin, key)];
            Some([&note_a, &note_b].iter().all(|note| Checkpoint::open(note, &keys).is_ok()))
        }
    };
    let said = match signed {
        Some(true) => "both are signed by the key given: the two notes are a proof by themselves",
        Some(false) => "not both are signed by the key given: one of them may be made up",
        None => "their signatures were not checked; give the epoch's key with --tee-public-key",
    };
    writeln!(out, "{said}")?;
    Ok(Exit::No)
}

/// The one head in a file, with its note.
fn head(path: &PathBuf) -> Result<(Checkpoint, String), Failure> {
    let heads = since::read(std::slice::from_ref(path))?;
    let mut heads = heads.into_values();
    let (Some(head), None) = (heads.next(), heads.next()) else {
        return Err(Failure::usage(format!("{}: expected one checkpoint", path.display())));
    };
    let note = std::fs::read_to_string(path)
        .map_err(|error| Failure::unreadable(&format!("read {}", path.display()), &error))?;
    Ok((head, note))
}

#[cfg(test)]
mod tests;
