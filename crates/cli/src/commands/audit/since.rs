//! Heads of an earlier audit: where this one goes on, and where it can be taken up again.
//!
//! A head is a checkpoint: a stored `.note`, whose signatures are not looked at, or the three lines
//! that an interrupted audit printed, several with an empty line between. It is the auditor's own
//! memory and is believed: what lies before is not verified again, and an archive that contradicts
//! it has two roots for one size.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lucarne_ledger::audit::ledger::Extent;
use lucarne_ledger::checkpoint::Checkpoint;
use lucarne_ledger::identity::LedgerId;

use crate::failure::Failure;

/// Where to go on in each ledger.
pub(super) type Heads = BTreeMap<LedgerId, Checkpoint>;

/// More heads than a file of a site with years of epochs has.
const FILE_BYTES_MAX: usize = 16 << 20;
/// What a line with a signature begins with (c2sp.org/signed-note).
const SIGNATURE: &str = "\u{2014} ";

/// Reads the heads in all files; of two of one ledger the larger one counts.
///
/// # Errors
/// When a file cannot be read or holds no heads.
pub(super) fn read(files: &[PathBuf]) -> Result<Heads, Failure> {
    let mut heads = Heads::new();
    for file in files {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::unreadable(&format!("read {}", file.display()), &error))?;
        if text.len() > FILE_BYTES_MAX {
            return Err(Failure::usage(format!("{}: too long for checkpoints", file.display())));
        }
        for (id, head) in parse(&text).map_err(|problem| refused(file, problem))? {
            let old = heads.get(&id).map_or(0, |old| old.size);
            if head.size >= old {
                heads.insert(id, head);
            }
        }
    }
    Ok(heads)
}

fn refused(file: &Path, problem: &str) -> Failure {
    Failure::usage(format!("{}: {problem}", file.display()))
        .hint("--since takes a .note of the archive, or what an interrupted audit printed")
}

/// Reads the text of one file or more.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn parse(text: &str) -> Result<Heads, &'static str> {
    let mut heads = Heads::new();
    for block in text.split("\n\n").map(|block| block.trim_end_matches('\n')) {
        if block.is_empty() || block.lines().all(|line| line.starts_with(SIGNATURE)) {
            continue;
        }
        let head = Checkpoint::parse(&format!("{block}\n"))
            .map_err(|_| "expected checkpoints: origin, size and root on a line each")?;
        let id = ledger_of(&head.origin).ok_or("the origin of a checkpoint names no ledger")?;
        if head.size == 0 {
            return Err("a checkpoint of size 0 is no place to go on");
        }
        heads.insert(id, head);
    }
    if heads.is_empty() { Err("expected a checkpoint, found none") } else { Ok(heads) }
}

/// `<log prefix>/<instance>/<epoch>/<ledger>`
fn ledger_of(origin: &str) -> Option<LedgerId> {
    let mut parts = origin.rsplitn(4, '/');
    let (kind, epoch, instance) = (parts.next()?, parts.next()?, parts.next()?);
    Some(LedgerId {
        instance: instance.parse().ok()?,
        epoch: epoch.parse().ok()?,
        kind: kind.parse().ok()?,
    })
}

/// The part of a ledger that comes after a head.
pub(super) const fn after(head: &Checkpoint) -> Extent {
    Extent { from: head.size, root: Some(head.root), open_ended: false }
}

/// The text of heads, to be read by [`read`].
pub(super) fn text(heads: &[Checkpoint]) -> String {
    let texts: Vec<String> = heads.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

#[cfg(test)]
mod tests {
    use lucarne_ledger::hash::Hash;

    use super::*;

    fn head(kind: &str, size: u64) -> Checkpoint {
        let origin = format!("a.example/b/nitro-001/{}/{kind}", "ab".repeat(16));
        Checkpoint { origin, size, root: Hash::of(&[7]) }
    }

    #[test]
    fn what_is_printed_is_read_again() {
        let heads = [head("audit", 5), head("telemetry", 70_000)];
        let read = parse(&text(&heads)).unwrap();
        assert_eq!(read.into_values().collect::<Vec<_>>(), heads);
    }

    #[test]
    fn a_stored_note_is_a_head() {
        let note = format!("{}\n{SIGNATURE}name AAAA\n{SIGNATURE}other BBBB\n", head("audit", 9));
        assert_eq!(parse(&note).unwrap().into_values().collect::<Vec<_>>(), [head("audit", 9)]);
    }

    #[test]
    fn what_names_no_ledger_or_no_place_is_refused() {
        for text in ["", "\n", "hello\n", "x\n1\n2\n", &head("audit", 0).to_string()] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        let nowhere = Checkpoint { origin: "a/b/c".to_owned(), ..head("audit", 1) };
        assert_eq!(parse(&nowhere.to_string()), Err("the origin of a checkpoint names no ledger"));
    }
}
